"""Figures of a model's answers next to the truth: the confusion matrix, predicted against true numbers, residuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastnet.plots.look import INK, TRAINING, VALIDATION, Trace, axis, brief, cells, figure, percent, short, suffix

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_WRITTEN = 30
"""Most classes whose counts are written into the cells."""

HALF = 0.5
"""Share of a class from which a cell is dark enough for white digits."""

_SHADES = [[0.0, "rgba(0,114,178,0)"], [HALF - 1e-6, "rgba(0,114,178,0.25)"], [HALF, "rgba(0,114,178,0.8)"],
           [1.0, "rgba(0,114,178,1)"]]  # fmt: skip


def confusion(counts: Sequence[Sequence[int]], names: Sequence[str]) -> Figure:
    """Draw a confusion matrix: a row for each true class, shaded by the shares of its samples.

    Parameters
    ----------
    counts : sequence of sequence of int
        (C, C) samples; rows are true classes, columns predicted ones.
    names : sequence of str
        (C,) names of the classes.

    Examples
    --------
    >>> drawn = confusion([[8, 2], [0, 10]], ["no", "yes"])
    >>> drawn.layout.xaxis.title.text, drawn.layout.yaxis.title.text, drawn.data[0].text[0][1]
    ('predicted', 'true', 'true no, predicted yes<br>2 samples, 20 % of the class')
    """
    shares = [[count / (sum(row) or 1) for count in row] for row in counts]
    labels = [short(name, 16) for name in names]
    words = [
        [f"true {labels[k]}, predicted {labels[j]}<br>{count:,} samples, {percent(shares[k][j])} of the class"
         for j, count in enumerate(row)]
        for k, row in enumerate(counts)
    ]  # fmt: skip
    places = list(range(len(names)))
    traces: list[Trace] = [
        {"type": "heatmap", "x": places, "y": places, "z": shares, "zmin": 0, "zmax": 1, "colorscale": _SHADES,
         "showscale": False, "text": words, "hoverinfo": "text", "xgap": 1, "ygap": 1}
    ]  # fmt: skip
    if len(names) <= MOST_WRITTEN:
        traces.append(_digits(counts, shares))
    ticks: dict[str, Any] = {"tickvals": places, "ticktext": labels, "showgrid": False}
    low, high = -0.5, len(names) - 0.5
    size = min(160 + 40 * len(names), 800)
    return figure(
        traces,
        {"xaxis": axis("predicted", **ticks, range=[low, high]), "yaxis": axis("true", **ticks, range=[high, low]),
         "height": size, "width": size + 40},
    )  # fmt: skip


def _digits(counts: Sequence[Sequence[int]], shares: Sequence[Sequence[float]]) -> Trace:
    """Return the counts as texts, white on dark cells."""
    cell = [(k, j) for k in range(len(counts)) for j in range(len(counts)) if counts[k][j]]
    return {
        "type": "scatter",
        "mode": "text",
        "x": [j for _, j in cell],
        "y": [k for k, _ in cell],
        "text": [f"{counts[k][j]:,}" for k, j in cell],
        "textfont": {"color": ["#ffffff" if shares[k][j] >= HALF else INK for k, j in cell]},
        "hoverinfo": "skip",
    }


def residuals(targets: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw predicted against true numbers and the distribution of their differences, a row for each target.

    Parameters
    ----------
    targets : sequence of mapping
        See `fastnet.model.inspection.inspect_numbers`.

    Examples
    --------
    >>> marks = {"true": [1.0, 3.0], "predicted": [1.5, 2.0]}
    >>> drawn = residuals([{"name": "price", "marks": marks, "residuals": {"edges": [-1, 0, 1], "counts": [1, 1]}}])
    >>> [drawn.layout[name].title.text for name in ("xaxis", "yaxis", "xaxis2", "yaxis2")]
    ['true price', 'predicted price', 'predicted less true', 'samples']
    """
    traces: list[Trace] = []
    layout: dict[str, Any] = {"bargap": 0}
    parts = cells(2 * len(targets), 2, (0.14, 0.3 / len(targets)))
    for k, target in enumerate(targets):
        name = str(target["name"]) if len(str(target["name"])) <= 28 else f"{str(target['name'])[:27]}…"
        for place, (drawn, words) in enumerate(
            ((_marks(target["marks"]), (f"true {name}", f"predicted {name}")),
             (_histogram(target["residuals"]), ("predicted less true", "samples")))
        ):  # fmt: skip
            end, cell = suffix(2 * k + place), parts[2 * k + place]
            traces += [trace | {"xaxis": f"x{end}", "yaxis": f"y{end}"} for trace in drawn]
            layout[f"xaxis{end}"] = axis(words[0], domain=cell["x"], anchor=f"y{end}")
            layout[f"yaxis{end}"] = axis(words[1], domain=cell["y"], anchor=f"x{end}")
    return figure(traces, layout | {"height": 80 + 320 * len(targets)})


def _marks(marks: Mapping[str, Sequence[float]]) -> list[Trace]:
    """Return a mark for each sample, and the line where both numbers are equal."""
    true = marks["true"]
    ends = [min(true), max(true)]
    opacity = 0.35 if len(true) > 400 else 0.7
    hint = "true %{x:.5g}, predicted %{y:.5g}<extra></extra>"
    return [
        {"type": "scatter", "mode": "markers", "x": list(true), "y": list(marks["predicted"]), "hovertemplate": hint,
         "marker": {"size": 5, "color": VALIDATION, "opacity": opacity}},
        {"type": "scatter", "mode": "lines", "x": ends, "y": ends, "hoverinfo": "skip",
         "line": {"color": TRAINING, "width": 1.5, "dash": "dash"}},
    ]  # fmt: skip


def _histogram(found: Mapping[str, Sequence[float]]) -> list[Trace]:
    edges, counts = found["edges"], found["counts"]
    pairs = list(zip(edges, edges[1:], counts, strict=False))
    return [
        {"type": "bar", "x": [(low + high) / 2 for low, high, _ in pairs], "y": list(counts), "hoverinfo": "text",
         "width": edges[1] - edges[0], "marker": {"color": VALIDATION, "line": {"width": 0}}, "textposition": "none",
         "text": [f"{brief(low)} to {brief(high)}: {count:,} samples" for low, high, count in pairs]}
    ]  # fmt: skip
