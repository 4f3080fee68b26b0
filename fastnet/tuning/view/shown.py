"""A study as a notebook shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fastnet import html
from fastnet.tuning.trial import CURVES, TrialResult

LISTED = 10
"""Best trials in the table."""


def study_html(
    name: str, counts: Mapping[str, int], best: Sequence[TrialResult], metric: str, sentences: Iterable[str] = ()
) -> str:
    """Write how many trials there are, the best, the curves of the best one, and sentences.

    Examples
    --------
    >>> "3 trials: 2 done, 1 diverged; study digits" in study_html("digits", {"done": 2, "diverged": 1}, [], "loss")
    True
    """
    best = best[:LISTED]
    names = sorted({name for trial in best for name in trial.params})
    rows = ([place, t.id, t.value, *(t.params.get(n, "") for n in names)] for place, t in enumerate(best, start=1))
    parts = [html.table(("best", "trial", f"validation {metric}".strip(), *names), rows)] if best else []
    if best and best[0].curves.size:
        scores = {"training": "train_score", "validation": "validation_score"}
        shown = {part: best[0].curves[CURVES.index(curve)].tolist() for part, curve in scores.items()}
        parts += [html.paragraph(f"Scores of trial {best[0].id}"), html.curves(shown, "epoch")]
    parts += map(html.paragraph, sentences)
    ended = ", ".join(f"{count:,} {status}" for status, count in counts.items() if count)
    return html.block(f"{sum(counts.values()):,} trials: {ended or 'none has ended'}; study {name}", *parts)
