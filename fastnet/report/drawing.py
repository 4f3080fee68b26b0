"""Draws the figures that `fastnet.report.chart` describes.

SVG files contain text as outlines, so that a figure looks the same everywhere: with the reader's own font, which may be
wider, labels run into curves. The numbers are in the JSON.
"""

from __future__ import annotations

import re
from io import BytesIO, StringIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet.files import as_path, write_result
from fastnet.report import canvas
from fastnet.report.canvas import BLUE, DASHED, DOTTED, FRAME, GREY, INK, VERMILION
from fastnet.report.chart import Chart, Figure, Numbers, Panel, Series, TrialsChart, UnitsChart
from fastnet.report.figures import best20_canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Page

WIDTH = 10.5
_HEAD = 0.95  # inches of title, subtitle and the space below them
_ROW = 3.45

LOOKS: dict[str | int, dict[str, Any]] = {
    "test": {"color": BLUE, "linestyle": "-", "linewidth": 1.8, "marker": "o", "zorder": 4},
    "training": {"color": VERMILION, "linestyle": DASHED, "linewidth": 1.5, "marker": "s", "zorder": 3},
    "test-before": {"color": "#86b9dc", "linestyle": "-", "linewidth": 1.2, "marker": "o", "zorder": 2.2},
    "training-before": {"color": "#eeb48d", "linestyle": DASHED, "linewidth": 1.2, "marker": "s", "zorder": 2.1},
    "test-other": {"color": "#007a5c", "linestyle": "-", "linewidth": 1.5, "marker": "^", "zorder": 3.5},
    "training-other": {"color": "#b8579a", "linestyle": DASHED, "linewidth": 1.3, "marker": "D", "zorder": 3.2},
    0: {"color": BLUE, "linestyle": "-", "linewidth": 1.7, "marker": "o", "zorder": 3},
    1: {"color": VERMILION, "linestyle": DASHED, "linewidth": 1.7, "marker": "s", "zorder": 3},
    2: {"color": "#007a5c", "linestyle": (0, (6, 1.5, 1.5, 1.5)), "linewidth": 1.7, "marker": "^", "zorder": 3},
    3: {"color": "#b8579a", "linestyle": DOTTED, "linewidth": 1.9, "marker": "D", "zorder": 3},
    4: {"color": "#222222", "linestyle": (0, (8, 2)), "linewidth": 1.4, "marker": "v", "zorder": 3},
    5: {"color": "#c98a00", "linestyle": (0, (3, 1, 1, 1, 1, 1)), "linewidth": 1.6, "marker": "P", "zorder": 3},
    6: {"color": "#56B4E9", "linestyle": "-", "linewidth": 1.3, "marker": "X", "zorder": 3},
}  # fmt: skip
"""Colours that are distinct with every common colour blindness; dashes and marks distinguish series without colour."""

SHADES = "viridis"


def save_figure(figure: Figure, path: Path) -> None:
    """Draw a figure and write it as .png or .svg; an existing file is replaced in one step.

    Raises
    ------
    FastnetError
        If the picture cannot be drawn, or the file cannot be written.
    """
    path = as_path(path, "path")
    with canvas.drawing(path, {"svg.hashsalt": "fastnet", "svg.fonttype": "path"}):
        page = _page(figure)
        content = _svg(page) if path.suffix == ".svg" else _png(page)
    write_result(path, content, "the picture cannot be written")


def _svg(page: Page) -> bytes:
    """Return an SVG with coordinates to a hundredth of a point: the other digits make up a third of the file."""
    content = StringIO()
    page.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
    text = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path.group()), content.getvalue())
    return text.encode()


def _png(page: Page) -> bytes:
    """Return a PNG of 256 colours, a third of the bytes of one of 16 million."""
    from PIL import Image

    content, picture = BytesIO(), BytesIO()
    page.savefig(content, format="png", dpi=canvas.DPI)
    Image.open(content).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(picture, "PNG", optimize=True)
    return picture.getvalue()


def _page(figure: Figure) -> Page:
    if isinstance(figure, TrialsChart):
        return best20_canvas(figure.trials, figure.title)
    return _units(figure) if isinstance(figure, UnitsChart) else _chart(figure)


def _chart(chart: Chart) -> Page:
    rows = -(-len(chart.panels) // chart.columns)
    page = _headed(chart.title, chart.subtitle, _HEAD + _ROW * rows)
    for place, panel in enumerate(chart.panels):
        axes = page.add_subplot(rows, chart.columns, place + 1)
        _draw(axes, panel, page)
    return page


def _headed(title: str, subtitle: str, height: float) -> Page:
    """Return a white page with title and subtitle."""
    page = canvas.blank(WIDTH, height, layout="constrained")
    engine = page.get_layout_engine()
    assert engine is not None
    engine.set(rect=(0.0, 0.0, 1.0, 1 - 0.68 / height), w_pad=0.09, h_pad=0.07, wspace=0.02)  # type: ignore[call-arg]
    left = 0.12 / WIDTH
    page.text(left, 1 - 0.24 / height, title, fontsize=13, va="center", weight="bold", color=INK)
    page.text(left, 1 - 0.52 / height, subtitle, fontsize=9.5, va="center", color=GREY)
    return page


def _draw(axes: Axes, panel: Panel, page: Page) -> None:
    axes.set_title(panel.title, fontsize=11, loc="left", color=INK)
    axes.set_xlabel(panel.x_label, fontsize=10, color=INK)
    axes.set_ylabel(panel.y_label, fontsize=10, color=INK)
    axes.set_xscale(panel.x_scale)
    axes.set_yscale(panel.y_scale)
    x_seen, y_seen = _seen(panel)
    _widen(axes, panel, x_seen, y_seen)
    canvas.style(axes, size=9)
    axes.tick_params(which="minor", color=canvas.LINES)
    shaded = None
    for series in panel.series:
        shaded = _plot(axes, series, panel) or shaded
    rules = [rule for rule in panel.rules if np.isfinite(rule.y)]
    for rule, dashes in zip(rules, (DOTTED, (0, (5, 1.5)), (0, (5, 1.5, 1, 1.5))), strict=False):
        color = LOOKS[rule.role]["color"]
        axes.axhline(rule.y, color=color, linestyle=dashes, linewidth=1.3, label=rule.label, zorder=2)
    _frame(axes, panel, x_seen, y_seen)
    if shaded is not None:
        bar = page.colorbar(shaded, ax=axes, pad=0.02, aspect=30)
        bar.set_label(panel.shade_label, fontsize=9, color=INK)
        bar.ax.tick_params(labelsize=8, color=FRAME, width=0.7)
        bar.outline.set_visible(False)
    if panel.legend and (rules or panel.boxes or any(series.label for series in panel.series)):
        above = {"loc": "lower right", "bbox_to_anchor": (1.0, 0.99), "ncols": 2, "columnspacing": 1.2}
        place = above if panel.legend == "above" else {"loc": panel.legend}
        axes.legend(**place, fontsize=8.5, labelcolor=INK, facecolor="white", framealpha=0.85, edgecolor="none",
                    handlelength=2.4, borderaxespad=0.3)  # fmt: skip


def _places(values: Numbers, scale: str) -> NDArray[np.float64]:
    """Return numbers with NaN, a gap, for those without a place on the axis: infinity, and 0 or less on a log axis."""
    numbers = np.asarray(values, np.float64)
    return np.where(np.isfinite(numbers) & ((scale != "log") | (numbers > 0)), numbers, np.nan)


def _seen(panel: Panel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the coordinates of all marks and corners of lines."""
    x = np.concatenate([[], *(_places(series.x, panel.x_scale) for series in panel.series)])
    y = np.concatenate([[], *(_places(series.y, panel.y_scale) for series in panel.series)])
    seen = ~np.isnan(x) & ~np.isnan(y)
    return x[seen], y[seen]


def _widen(axes: Axes, panel: Panel, x_seen: NDArray[np.float64], y_seen: NDArray[np.float64]) -> None:
    """Set the ends of axes to which Matplotlib would give no width, before anything is drawn."""
    spreads = [
        _places(ends, panel.y_scale) for each in panel.series for ends in (each.low, each.high) if ends is not None
    ]
    if narrow := _room(x_seen, panel.x_scale):
        axes.set_xlim(*narrow)
    if narrow := _room(np.concatenate([y_seen, *spreads]), panel.y_scale):
        axes.set_ylim(*narrow)
    if not len(x_seen):
        axes.text(0.5, 0.5, "no finite values", transform=axes.transAxes, ha="center", va="center", color=GREY)


def _room(seen: NDArray[np.float64], scale: str) -> tuple[float, float] | None:
    """Return ends for an axis with at most one number; None if Matplotlib finds good ones.

    With fixed ticks, Matplotlib makes such an axis as narrow as rounding permits, and the number may lie far outside,
    which leaves a constrained layout no width.
    """
    seen = seen[~np.isnan(seen)]
    if not len(seen):
        return (1.0, 10.0) if scale == "log" else (0.0, 1.0)
    lowest, highest = float(seen.min()), float(seen.max())
    if highest - lowest > 1e-9 * max(abs(lowest), abs(highest)):
        return None
    if scale == "log":  # a decade, so that a power of ten is among the ticks
        return lowest / 10**0.5, highest * 10**0.5
    half = 0.1 * max(abs(lowest), abs(highest)) or 0.1
    return lowest - half, highest + half


def _around(ends: tuple[float, float | None], seen: NDArray[np.float64]) -> tuple[float, float | None]:
    """Move the ends of an axis outwards to include what is drawn: marks are not clipped at the frame."""
    low, high = ends
    below, above = float(np.min(seen, initial=low)), float(np.max(seen, initial=low if high is None else high))
    if high is not None:
        return below, above
    if above > low:
        return below, None
    return below, low if below < low else low + (abs(low) or 1.0)


def _frame(axes: Axes, panel: Panel, x_seen: NDArray[np.float64], y_seen: NDArray[np.float64]) -> None:
    """Set ends and ticks of the axes, and draw the boxes."""
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import FixedLocator, NullLocator

    if panel.x_range:
        axes.set_xlim(*_around(panel.x_range, x_seen))
    if panel.y_range:
        axes.set_ylim(*_around(panel.y_range, y_seen))
    if panel.x_ticks is not None:
        axes.xaxis.set_major_locator(FixedLocator([place for place, _ in panel.x_ticks]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticklabels([name for _, name in panel.x_ticks])
    elif panel.x_scale == "linear" and panel.x_label == "epoch":
        last = np.nanmax(np.concatenate([[1.0], *(_places(series.x, "linear") for series in panel.series)]))
        canvas.set_epochs(axes, last, ticks=6)
    for box in panel.boxes:
        corner, width, height = (box.x[0], box.y[0]), box.x[1] - box.x[0], box.y[1] - box.y[0]
        axes.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=VERMILION, linewidth=1.8, zorder=5,
                                 label=box.label, clip_on=False))  # fmt: skip


def _plot(axes: Axes, series: Series, panel: Panel) -> Any:
    """Draw one series; return the artist of its colour scale, if it has one."""
    x, y = _places(series.x, panel.x_scale), _places(series.y, panel.y_scale)
    look = dict(LOOKS[series.role])
    marker = look.pop("marker")
    if series.shades is not None:
        return axes.scatter(
            x, y, c=series.shades, cmap=SHADES, vmin=0.0, vmax=1.0, label=series.label or None,
            s=26, edgecolors="#444444", linewidths=0.4, zorder=3, clip_on=False,
        )  # fmt: skip
    if series.kind == "points":
        look |= {"linestyle": "none"}
    points: dict[str, Any] = {"marker": marker, "markersize": 5}
    if series.kind in ("line", "area"):
        points = points | {"markevery": alone} if (alone := canvas.lonely(x, y)) else {}
    whole = series.kind in ("both", "points") or (series.kind == "line" and series.low is None)
    whole &= bool((~np.isnan(x) & ~np.isnan(y)).any())  # a mark nowhere, if not clipped, upsets the layout
    if series.kind == "area":
        axes.fill_between(x, y, color=look["color"], alpha=0.12, linewidth=0)
    elif series.low is not None and series.high is not None and series.kind == "line":
        axes.fill_between(x, series.low, series.high, color=look["color"], alpha=0.16, linewidth=0)
    elif series.low is not None and series.high is not None:
        bars = np.maximum(np.array([y - series.low, np.asarray(series.high) - y]), 0.0)
        axes.errorbar(x, y, bars, fmt="none", ecolor=look["color"], elinewidth=1.1, capsize=2.5, zorder=2.5)
    axes.plot(x, y, label=series.label, clip_on=not whole, **look, **points)
    return None


def _units(chart: UnitsChart) -> Page:
    """Draw each picture as a network: units as circles, dropped ones crossed out and without lines."""
    height = _HEAD + 3.3
    page = _headed(chart.title, chart.subtitle, height)
    for place, (head, layers) in enumerate(zip(chart.heads, chart.pictures, strict=True)):
        axes = page.add_subplot(1, len(chart.pictures), place + 1)
        axes.set_title(head, fontsize=11, color=INK)
        axes.set_axis_off()
        most = max(map(len, layers), default=1)
        spots = [[(x, most - 1 - y) for y in range(len(layer))] for x, layer in enumerate(layers)]
        _join(axes, layers, spots)
        for kept in (True, False):
            at = [spot for layer, column in zip(layers, spots, strict=True)
                  for works, spot in zip(layer, column, strict=True) if works == kept]  # fmt: skip
            xs, ys = [spot[0] for spot in at], [spot[1] for spot in at]
            edge, fill = (BLUE, BLUE) if kept else (FRAME, "white")
            axes.scatter(xs, ys, s=70, facecolors=fill, edgecolors=edge, linewidths=1.0, zorder=3)
            if not kept:
                axes.scatter(xs, ys, s=34, marker="x", color=VERMILION, linewidths=1.5, zorder=4)
        for x, width in enumerate(chart.widths[: len(layers)]):
            axes.text(x, -0.95, f"{x + 1}", ha="center", va="center", fontsize=9, color=GREY)
            if width > len(layers[x]):
                axes.text(x, -0.42, "⋮", ha="center", va="center", fontsize=9, color=GREY)
        axes.text((len(layers) - 1) / 2, -1.45, "hidden layer", ha="center", va="center", fontsize=9, color=GREY)
        axes.set_xlim(-0.5, max(len(layers), 1) - 0.5)
        axes.set_ylim(-1.75, most - 0.4)
    return page


def _join(axes: Axes, layers: Any, spots: Any) -> None:
    """Draw lines between the units kept."""
    from matplotlib.collections import LineCollection

    lines = [
        (a, b)
        for (left, begins), (right, ends) in pairwise(zip(layers, spots, strict=True))
        for works, a in zip(left, begins, strict=True)
        for also, b in zip(right, ends, strict=True)
        if works and also
    ]
    axes.add_collection(LineCollection(lines, colors="#9fb8c9", linewidths=0.35, zorder=1))
