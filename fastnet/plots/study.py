"""Figures of a search: its trials by hyperparameter, as parallel coordinates, and the best of n trials.

The values are those of the report, see `fastnet.tuning.view.charts`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from fastnet.config.metric import METRICS
from fastnet.plots.look import (
    BAND,
    INK,
    LEGEND,
    OTHERS,
    TRAINING,
    VALIDATION,
    Trace,
    axis,
    brief,
    cells,
    decades,
    figure,
    sentence,
    suffix,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

DONE, STOPPED, DIVERGED = range(3)
"""Statuses in the points of trials."""

COLUMNS = 3
"""Most charts side by side."""

Axis = Mapping[str, Any]
Points = Mapping[str, Any]


class Scale:
    """How the values of trials are drawn: their axis, logarithmic for errors that differ by a factor of 20."""

    def __init__(self, values: Sequence[float | None], metric: str) -> None:
        finite = [value for value in values if value is not None]
        self.word = f"validation {metric}"
        self.lower = METRICS[metric].sign < 0
        self.low, self.high = (min(finite), max(finite)) if finite else (0.0, 0.0)
        self.any = bool(finite)
        self.log = self.lower and self.low > 0 and self.high / self.low > 20
        low, high = self.scaled(self.low), self.scaled(self.high)
        self._room = (high - low or 0.1) * 0.05
        self._ends = low - self._room, high + self._room
        self.below = self.unscaled(low - 2 * self._room)  # where trials without a value are drawn

    def scaled(self, value: float) -> float:
        """Return a value as its axis counts it."""
        return math.log10(value) if self.log else value

    def unscaled(self, place: float) -> float:
        """Return the value at a place of the axis."""
        return 10.0**place if self.log else place

    def axis(self, *, below: bool, **more: Any) -> dict[str, Any]:
        """Describe the axis; `below` leaves room for trials without a value."""
        low, high = self._ends
        more |= {"range": [low - 2.2 * self._room * below, high], "type": "log" if self.log else "linear"}
        if self.log:
            more["tickvals"], more["ticktext"] = decades(self.low, self.high)
        return axis(self.word, **more)


def slices(points: Points, axes: Sequence[Axis], metric: str) -> Figure:
    """Draw each trial's value over each of its hyperparameters.

    Parameters
    ----------
    points : mapping
        See `fastnet.tuning.view.charts.points`.
    axes : sequence of mapping
        See `fastnet.tuning.view.charts.axes`.
    metric : str
        What was compared, a name in `fastnet.config.metric.METRICS`.

    Examples
    --------
    >>> points = {"id": [0, 1], "status": [0, 0], "epochs": [5, 5], "value": [0.7, 0.9], "place": [2, 1],
    ...           "params": {"learning_rate": [0.001, 0.01]}}
    >>> axes = [{"name": "learning_rate", "label": "learning rate", "kind": "log", "range": [1e-4, 0.1]}]
    >>> drawn = slices(points, axes, "accuracy")
    >>> drawn.layout.xaxis.title.text, drawn.layout.xaxis.type, drawn.layout.yaxis.title.text
    ('learning rate', 'log', 'validation accuracy')
    """
    scale = Scale(points["value"], metric)
    if not axes:
        return sentence("No hyperparameter is searched.")
    if not scale.any:
        return sentence("Every trial diverged." if points["id"] else "There is no trial yet.")
    hints = _hints(points, axes, scale.word)
    groups = _groups(points)
    diverged = any(name == "diverged" for name, *_ in groups)
    traces: list[Trace] = []
    layout: dict[str, Any] = {"showlegend": True, "legend": LEGEND}
    rows = -(-len(axes) // COLUMNS)
    for k, (parameter, cell) in enumerate(zip(axes, cells(len(axes), COLUMNS, (0.04, 0.28 / rows)), strict=True)):
        end = suffix(k)
        for name, which, marker in groups:
            y = [scale.below if name == "diverged" else points["value"][i] for i in which]
            traces.append(
                {"type": "scatter", "mode": "markers", "name": name, "legendgroup": name, "showlegend": k == 0,
                 "x": [_place(parameter, points, i) for i in which], "y": y, "text": [hints[i] for i in which],
                 "hoverinfo": "text", "marker": marker, "xaxis": f"x{end}", "yaxis": f"y{end}"}
            )  # fmt: skip
        layout[f"xaxis{end}"] = _parameter_axis(parameter, domain=cell["x"], anchor=f"y{end}")
        layout[f"yaxis{end}"] = _value_axis(scale, cell, end, below=diverged)
    return figure(traces, layout | {"height": 80 + 290 * rows})


def _value_axis(scale: Scale, cell: Mapping[str, Any], end: str, *, below: bool) -> dict[str, Any]:
    """Describe the value's axis of one chart; all zoom together, and only the first of a row has words."""
    described = scale.axis(below=below, domain=cell["y"], anchor=f"x{end}", showticklabels=cell["left"])
    if end:
        described["matches"] = "y"
    if not cell["left"]:
        del described["title"]
    return described


def _hints(points: Points, axes: Sequence[Axis], word: str) -> list[str]:
    """Return what is written at each trial that is pointed at."""
    hints = []
    for k, number in enumerate(points["id"]):
        place = f", Best-{points['place'][k]}" if points["place"][k] else ""
        status = ("", f", stopped after {points['epochs'][k]} epochs", "diverged")[points["status"][k]]
        value = status if points["status"][k] == DIVERGED else f"{word} {brief(points['value'][k])}{status}"
        own = (f"{escape(a['label'])} {escape(str(points['params'][a['name']][k]))}" for a in axes)
        hints.append("<br>".join([f"<b>trial {number}</b>{place}", value, *own]))
    return hints


def _groups(points: Points) -> list[tuple[str, list[int], dict[str, Any]]]:
    """Return the trials that are drawn alike, the best last, on top: their name, positions and marker."""
    status, place, value = points["status"], points["place"], points["value"]
    every = range(len(status))

    def others(wanted: int) -> list[int]:
        return [k for k in every if status[k] == wanted and not place[k] and value[k] is not None]

    cross = {"size": 6, "opacity": 0.7, "color": INK, "symbol": "x-thin", "line": {"width": 1.3, "color": INK}}
    groups = [
        ("others", others(DONE), {"size": 6, "opacity": 0.55, "color": OTHERS}),
        ("stopped early", others(STOPPED), {"size": 6, "opacity": 0.6, "color": OTHERS, "symbol": "circle-open"}),
        ("diverged", [k for k in every if status[k] == DIVERGED], cross),
        ("best", [k for k in every if place[k]], {"size": 9, "color": TRAINING, "symbol": "diamond"}),
    ]
    return [group for group in groups if group[1]]


def _place(parameter: Axis, points: Points, k: int) -> Any:
    """Return a trial's place on the axis of a hyperparameter; those of a choice are spread a little."""
    value = points["params"][parameter["name"]][k]
    if parameter["kind"] != "choice":
        return value
    return parameter["values"].index(value) + ((points["id"][k] * 0.6180339887) % 1 - 0.5) * 0.6


def _parameter_axis(parameter: Axis, **more: Any) -> dict[str, Any]:
    if parameter["kind"] == "choice":
        places = list(range(len(parameter["values"])))
        more |= {"tickvals": places, "ticktext": [escape(text) for text in parameter["texts"]], "showgrid": False}
        return axis(parameter["label"], range=[-0.6, len(places) - 0.4], **more)
    low, high = parameter["range"]
    if parameter["kind"] == "log":
        at, texts = decades(low, high)
        low, high = math.log10(low), math.log10(high)
        more |= {"tickvals": at, "ticktext": texts}
    room = (high - low or 0.1) * 0.03
    return axis(parameter["label"], type=parameter["kind"], range=[low - room, high + room], **more)


def coordinates(points: Points, axes: Sequence[Axis], metric: str) -> Figure:
    """Draw each trial that ran to its end as a line through its hyperparameters and its value; as `slices` otherwise.

    Examples
    --------
    >>> points = {"id": [0, 1], "status": [0, 0], "value": [0.7, 0.9], "params": {"dropout": [0.1, 0.2]}}
    >>> axes = [{"name": "dropout", "label": "dropout", "kind": "linear", "range": [0.0, 0.5]}]
    >>> [dimension.label for dimension in coordinates(points, axes, "accuracy").data[0].dimensions]
    ['dropout', 'validation accuracy']
    """
    scale = Scale(points["value"], metric)
    done = [k for k, s in enumerate(points["status"]) if s == DONE and points["value"][k] is not None]
    if len(done) < 2:
        return sentence("Fewer than two trials ran to their end.")
    better = -1 if scale.lower else 1
    done.sort(key=lambda k: better * points["value"][k])  # the best on top
    dimensions = [_dimension(parameter, [points["params"][parameter["name"]][k] for k in done]) for parameter in axes]
    values = [scale.scaled(points["value"][k]) for k in done]
    ends = {"tickvals": [min(values), max(values)], "ticktext": [brief(scale.low), brief(scale.high)]}
    dimensions.append({"label": scale.word, "values": values, **(ends if scale.log else {})})
    shades = [better * value for value in values]
    line = {"color": shades, "colorscale": "Cividis", "cmin": min(shades), "cmax": max(shades) or 1.0}
    trace = {"type": "parcoords", "dimensions": dimensions, "line": line, "labelfont": {"color": INK},
             "tickfont": {"color": INK}, "rangefont": {"size": 1, "color": "rgba(0,0,0,0)"}}  # fmt: skip
    return figure([trace], {"margin": {"l": 70, "r": 70, "t": 50, "b": 25}})


def _dimension(parameter: Axis, values: Sequence[Any]) -> dict[str, Any]:
    label = escape(parameter["label"])
    if parameter["kind"] == "choice":
        known = parameter["values"]
        places = {"tickvals": list(range(len(known))), "ticktext": list(parameter["texts"])}
        return {"label": label, "values": [known.index(v) for v in values], "range": [-0.2, len(known) - 0.8], **places}
    if parameter["kind"] == "linear":
        return {"label": label, "values": list(values), "range": list(parameter["range"])}
    at, texts = decades(*parameter["range"])
    logs: Callable[[Sequence[float]], list[float]] = lambda some: [math.log10(value) for value in some]  # noqa: E731
    return {"label": label, "values": logs(values), "range": logs(parameter["range"]), "tickvals": logs(at),
            "ticktext": texts}  # fmt: skip


def history(bands: Sequence[Mapping[str, Any]], so_far: Mapping[str, Sequence[Any]], metric: str) -> Figure:
    """Draw the best value after each number of trials, and what other searches of the same ranges would have found.

    Parameters
    ----------
    bands : sequence of mapping
        See `fastnet.tuning.view.charts.bands`.
    so_far : mapping
        See `fastnet.tuning.view.charts.best_so_far`.
    metric : str
        As for `slices`.

    Examples
    --------
    >>> band = {"stage": 1, "before": 0, "n": [1, 2], "low": [0.1, 0.3], "middle": [0.4, 0.5], "high": [0.6, 0.6]}
    >>> [trace.name for trace in history([band], {"n": [1, 2], "value": [0.5, 0.6]}, "accuracy").data if trace.name]
    ['nine of ten searches', 'the median', 'this search']
    """
    if not bands:
        return sentence("No trial ran to its end.")
    scale = Scale([*so_far["value"], *(v for band in bands for v in band["middle"])], metric)
    traces: list[Trace] = []
    for band in bands:
        traces += _band(band, several=len(bands) > 1, first=band is bands[0])
    steps = zip(so_far["n"], so_far["value"], strict=True)
    traces.append(
        {"type": "scatter", "mode": "lines", "x": list(so_far["n"]), "y": list(so_far["value"]), "name": "this search",
         "line": {"shape": "hv", "width": 2, "color": TRAINING, "dash": "dot"}, "hoverinfo": "text",
         "text": [f"this search after {n:,} trials: {brief(value)}" for n, value in steps]}
    )  # fmt: skip
    many = len(bands) == 1 and bands[0]["n"][-1] > 20
    layout = {"xaxis": axis("trials", **({"type": "log", "dtick": 1, "exponentformat": "none"} if many else {})),
              "yaxis": axis(f"best {scale.word}", type="log" if scale.log else "linear")}  # fmt: skip
    return figure(traces, {**layout, "showlegend": True, "legend": LEGEND})


def _band(band: Mapping[str, Any], *, several: bool, first: bool) -> list[Trace]:
    """Return the range and the median of the best of n trials in one stage."""
    x = [band["before"] + n for n in band["n"]]
    edge = {"type": "scatter", "mode": "lines", "x": x, "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    of = f" of stage {band['stage']}" if several else ""
    rows = zip(band["n"], band["low"], band["middle"], band["high"], strict=True)
    words = [
        f"best of {n:,} trials{of}<br>median {brief(middle)}<br>nine of ten: {brief(low)} to {brief(high)}"
        for n, low, middle, high in rows
    ]
    return [
        {**edge, "y": band["low"]},
        {**edge, "y": band["high"], "fill": "tonexty", "fillcolor": BAND, "name": "nine of ten searches",
         "showlegend": first},
        {**edge, "y": band["middle"], "line": {"width": 2.5, "color": VALIDATION}, "name": "the median",
         "showlegend": first, "hoverinfo": "text", "text": words},
    ]  # fmt: skip
