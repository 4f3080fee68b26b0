"""The tables of the report: heads, and rows of cells with their sort keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastnet.config.metric import METRICS, Metric, score_stored
from fastnet.report.page.facts import value_text
from fastnet.tuning.space.distributions import text_of
from fastnet.tuning.trial import TrialResult

MOST_ROWS = 100
"""Most trials in the table of the best."""

Cell = tuple[str, str]
"""The text, and the number or text to sort by, empty for a missing value."""

MISSING: Cell = ("–", "")


def best_table(best: Sequence[TrialResult], names: Sequence[str], *, stages: bool) -> dict[str, Any]:
    """Return the table of the best trials: ``heads``, ``rows`` of `Cell`, and the heads of columns of ``texts``."""
    stage = ["stage"] if stages else []
    heads = ["place", "trial", *stage, "value", "best value", "best epoch", "epochs", "status", *map(_head, names)]
    rows = []
    for place, trial in enumerate(best[:MOST_ROWS], start=1):
        values: list[Any] = [place, trial.id, *([trial.stage] if stages else []), trial.value, trial.best_value]
        values += [trial.best_epoch, trial.epochs, trial.status, *(trial.params.get(name) for name in names)]
        rows.append([*map(cell, values), (f"{trial.seconds:.3f}", repr(trial.seconds))])
    texts = [_head(name) for name in names if any(isinstance(trial.params.get(name), str) for trial in best)]
    return {"heads": [*heads, "seconds"], "rows": rows, "texts": ["status", *texts]}


def candidate_table(final: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table of the candidates of a final choice, the winner first, in the form of `best_table`."""
    names = sorted({name for score in final["candidates"] for name in score["params"]})
    interval = f"{100 * final['confidence']:g} % interval"
    heads = ["trial", "in search", "mean", "sd", interval, "each seed", *map(_head, names), "seeds"]
    metric, rows = METRICS[final["metric"]], []
    for score in final["candidates"]:
        each = ", ".join("diverged" if value is None else value_text(value) for value in score["values"])
        seeds = ", ".join(map(str, final.get("seeds", {}).get(str(score["trial"]), ())))
        row = [cell(score["trial"]), cell(score["search_value"]), _mean(score)]
        row += [_deviation(score, metric), _interval(score, metric)]
        row += [(each, each), *(cell(score["params"].get(name)) for name in names), (seeds, seeds)]
        rows.append(row)
    return {"heads": heads, "rows": rows, "texts": ["each seed", "seeds"]}


def ensemble_table(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table of the ensembles of the best trials, see `fastnet.tuning.run.ensemble.put_together`."""
    measured = ("networks", score_stored(next(iter(document["validation"].values()))).name, "loss")
    rows = [
        [("the best alone" if name == "best" else name, name), *(cell(score[key]) for key in measured)]
        for name, score in document["validation"].items()
    ]
    return {"heads": ["on validation", *measured], "rows": rows, "texts": ["on validation"]}


def _mean(score: Mapping[str, Any]) -> Cell:
    if score["mean"] is None:
        return MISSING
    gone = f" ({score['diverged']} diverged)" if score["diverged"] else ""
    return value_text(score["mean"]) + gone, repr(score["mean"])


def _deviation(score: Mapping[str, Any], metric: Metric) -> Cell:
    return MISSING if score["sd"] is None else (metric.fixed(score["sd"], 4), repr(score["sd"]))


def _interval(score: Mapping[str, Any], metric: Metric) -> Cell:
    low, high = score["low"], score["high"]
    return MISSING if low is None else (f"{metric.fixed(low, 3)} to {metric.fixed(high, 3)}", repr(low))


def cell(value: Any) -> Cell:
    """Write a value as a cell."""
    if value is None or value != value:
        return MISSING
    return (f"{value:.6g}", repr(value)) if isinstance(value, float) else (text_of(value), str(value))


def _head(name: str) -> str:
    return name.replace("_", " ")
