"""The page that shows all experiments: one HTML file next to their figures, without scripts and without a network."""

from __future__ import annotations

from collections.abc import Sequence

from fastnet._version import __version__
from fastnet.experiments.outcome import Outcome
from fastnet.report.text import counted


def page(outcomes: Sequence[Outcome]) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    outcomes : sequence of Outcome
        At least one, all of the same data.
    """
    from fastnet.report.page.write import render

    lab = outcomes[0].lab
    seeds = counted(len(lab["seeds"]), "seed")
    return render("experiments.html", {"outcomes": outcomes, "lab": lab, "seeds": seeds, "version": __version__})
