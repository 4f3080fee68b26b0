"""The files of experiments: figures as PNG and SVG, all numbers as JSON, and a page that shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastnet._version import __version__
from fastnet.errors import failure_as_warning
from fastnet.experiments.outcome import Outcome
from fastnet.files import as_path, write_result
from fastnet.report.drawing import save_figure
from fastnet.report.text import counted

INDEX = "index.html"
FIGURES = {
    "overfit": ("overfit",), "weight-decay": ("weight-decay",), "dropout": ("dropout", "dropout-neurons"),
    "ensemble": ("ensemble",), "data": ("data",), "validation": ("validation",),
    "search": ("search", "search-best20"), "initialisation": ("initialisation",), "optimizers": ("optimizers",),
}  # fmt: skip
"""Figures of each experiment, so that its files are known before it runs."""


def files_of(name: str, folder: Path) -> list[Path]:
    """Return the files that an experiment writes.

    Examples
    --------
    >>> [path.name for path in files_of("overfit", Path("a"))]
    ['overfit.png', 'overfit.svg', 'overfit.json']
    """
    figures = [folder / f"{figure}.{kind}" for figure in FIGURES[name] for kind in ("png", "svg")]
    return [*figures, folder / f"{name}.json"]


def index_of(folder: Path) -> Path:
    """Return the page that shows all experiments of a folder."""
    return folder / INDEX


def write(outcome: Outcome, folder: Path, run: Mapping[str, Any] | None = None) -> list[Path]:
    """Write an outcome: its numbers, then its figures; a figure that fails raises a `FastnetWarning`.

    Parameters
    ----------
    outcome : Outcome
    folder : Path
        Created if it does not exist; files of the same names are replaced.
    run : mapping, optional
        Machine and time, ready for JSON.

    Returns
    -------
    list of Path
        The files of `files_of` that could be written.

    Raises
    ------
    FastnetError
        If the numbers cannot be written.
    """
    folder = as_path(folder, "folder")
    document = outcome.to_dict() | ({"run": dict(run)} if run else {})
    text = json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n"
    numbers = folder / f"{outcome.name}.json"
    write_result(numbers, text.encode(), "cannot be written")
    pictures = []
    for figure in outcome.figures:
        for kind in ("png", "svg"):
            path = folder / f"{figure.name}.{kind}"
            with failure_as_warning(f"{path}: the picture cannot be drawn"):
                save_figure(figure, path)
                pictures.append(path)
    return [*pictures, numbers]


def write_index(outcomes: Sequence[Outcome], folder: Path) -> Path:
    """Write the page that shows outcomes of the same data, at least one, whose files are in the same folder.

    Raises
    ------
    FastnetError
        If it cannot be written.
    """
    from fastnet.report.page.write import render

    lab = outcomes[0].lab
    seeds = counted(len(lab["seeds"]), "seed")
    text = render("experiments.html", {"outcomes": outcomes, "lab": lab, "seeds": seeds, "version": __version__})
    write_result(index_of(folder), text.encode(), "cannot be written")
    return index_of(folder)
