"""Figures of learning curves: those of one training, and those of the best trials of a search side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastnet.config.metric import METRICS
from fastnet.plots.look import (
    INK,
    LEGEND,
    TRAINING,
    VALIDATION,
    Trace,
    Values,
    axis,
    brief,
    cells,
    figure,
    sentence,
    suffix,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLUMNS = 5
"""Trials side by side."""

LOOKS: dict[str, dict[str, Any]] = {
    "training": {"color": TRAINING, "width": 1.5, "dash": "dash"},
    "validation": {"color": VALIDATION, "width": 2},
}


def curves_of_training(panels: Mapping[str, Mapping[str, Values]], best_epoch: int) -> Figure:
    """Draw the curves of one training.

    Parameters
    ----------
    panels : mapping of str to mapping
        What is measured, such as ``accuracy`` and ``loss``; of each the curves ``training`` and ``validation``, one
        value for each epoch. A curve without values is left out.
    best_epoch : int
        The epoch whose weights were kept, from 1.

    Examples
    --------
    >>> drawn = curves_of_training({"loss": {"training": [2.0, 1.0], "validation": [2.1, 1.2]}}, best_epoch=2)
    >>> [(trace.name, trace.x) for trace in drawn.data], drawn.layout.xaxis.title.text
    ([('training', (1, 2)), ('validation', (1, 2))], 'epoch')
    """
    traces: list[Trace] = []
    layout: dict[str, Any] = {"showlegend": True, "legend": LEGEND, "shapes": []}
    for k, ((measure, curves), cell) in enumerate(zip(panels.items(), cells(len(panels), 2, (0.12, 0)), strict=True)):
        end = suffix(k)
        for name, values in curves.items():
            hint = f"epoch %{{x}}<br>{name} {measure} %{{y:.4g}}<extra></extra>"
            traces += _line(name, list(range(1, len(values) + 1)), values, hint, end, legend=k == 0)
        layout[f"xaxis{end}"] = axis("epoch", domain=cell["x"], anchor=f"y{end}", showgrid=False)
        layout[f"yaxis{end}"] = axis(measure, domain=cell["y"], anchor=f"x{end}")
        layout["shapes"].append(
            {"type": "line", "xref": f"x{end}", "yref": f"y{end} domain", "x0": best_epoch, "x1": best_epoch, "y0": 0,
             "y1": 1, "line": {"color": INK, "width": 1, "dash": "dot"}}
        )  # fmt: skip
    layout["annotations"] = [
        {"text": f"best epoch {best_epoch}", "xref": "x", "yref": "y domain", "x": best_epoch, "y": 0,
         "xanchor": "auto", "yanchor": "bottom", "showarrow": False, "font": {"size": 11}}
    ]  # fmt: skip
    return figure(traces, layout)


def curves_of_trials(found: Mapping[str, Any] | None, measure: str) -> Figure:
    """Draw the curves of the best trials, a chart each, the best first.

    Parameters
    ----------
    found : mapping or None
        See `fastnet.tuning.view.charts.curves`.
    measure : str
        What is drawn, a name in `fastnet.config.metric.METRICS`: the score or ``loss``.

    Examples
    --------
    >>> trial = {"place": 1, "id": 7, "value": 0.9, "train_score": [0.5, 1.0], "validation_score": [0.4, 0.9]}
    >>> drawn = curves_of_trials({"epochs": [1, 2], "trials": [trial]}, "accuracy")
    >>> drawn.layout.annotations[0].text, [trace.name for trace in drawn.data]
    ('Best-1: 0.9', ['training', 'validation'])
    """
    if found is None:
        return sentence("No learning curves are stored.")
    trials: Sequence[Mapping[str, Any]] = found["trials"]
    kind = "loss" if measure == "loss" else "score"
    rows = -(-len(trials) // COLUMNS)
    traces: list[Trace] = []
    layout: dict[str, Any] = {"showlegend": True, "legend": LEGEND | {"y": 1 + 0.12 / rows}, "annotations": []}
    every = [trial[f"{part}_{kind}"] for trial in trials for part in ("train", "validation")]
    top = METRICS[measure].most
    known = [value for values in every for value in values if value is not None]
    top = top if top == 1.0 else 1.05 * max(known, default=1.0)
    for k, (trial, cell) in enumerate(zip(trials, cells(len(trials), COLUMNS, (0.025, 0.3 / rows)), strict=True)):
        end = suffix(k)
        named = {"training": trial[f"train_{kind}"], "validation": trial[f"validation_{kind}"]}
        for name, values in named.items():
            hint = f"trial {trial['id']}, epoch %{{x}}<br>{name} {measure} %{{y:.4g}}<extra></extra>"
            traces += _line(name, found["epochs"], values, hint, end, legend=k == 0)
        own = {"matches": "x"} if k else {}
        layout[f"xaxis{end}"] = axis(
            "epoch" if cell["bottom"] else "", domain=cell["x"], anchor=f"y{end}", showgrid=False,
            showticklabels=cell["bottom"], **own,
        )  # fmt: skip
        layout[f"yaxis{end}"] = axis(
            measure if cell["left"] else "", domain=cell["y"], anchor=f"x{end}", range=[0, top], nticks=5,
            showticklabels=cell["left"], **({"matches": "y"} if k else {}),
        )  # fmt: skip
        layout["annotations"].append(
            {"text": f"Best-{trial['place']}: {brief(trial['value'])}", "xref": f"x{end} domain",
             "yref": f"y{end} domain", "x": 0, "y": 1, "xanchor": "left", "yanchor": "bottom", "showarrow": False}
        )  # fmt: skip
    return figure(traces, layout | {"height": 90 + 170 * rows, "margin": {"l": 60, "r": 20, "t": 60, "b": 50}})


def _line(name: str, x: Sequence[int], y: Values, hint: str, end: str, *, legend: bool) -> list[Trace]:
    """Return a curve; none if it has no value, and marks if it is a single point."""
    if all(value is None for value in y):
        return []
    return [
        {"type": "scatter", "mode": "lines" if len(x) > 1 else "markers", "name": name, "legendgroup": name,
         "showlegend": legend, "x": list(x), "y": list(y), "line": LOOKS[name],
         "marker": {"color": LOOKS[name]["color"]}, "hovertemplate": hint, "xaxis": f"x{end}", "yaxis": f"y{end}"}
    ]  # fmt: skip
