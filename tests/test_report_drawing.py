"""Figures drawn from data: gaps, single values, ends of axes."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from fastnet.errors import FastnetError
from fastnet.report import drawing
from fastnet.report.chart import ROLES, Chart, Panel, Rule, Series, UnitsChart
from fastnet.report.drawing import save_figure


def test_every_role_has_a_distinct_look() -> None:
    assert set(ROLES) <= set(drawing.LOOKS)
    looks = [(look["color"], str(look["linestyle"]), look["marker"]) for look in drawing.LOOKS.values()]
    assert len({(dashes, mark) for color, dashes, mark in looks[:2]}) == 2  # without colour, too
    assert len(set(looks[6:])) == len(looks[6:])


def test_a_figure_draws_missing_values_as_gaps(tmp_path):
    series = [
        Series(label="a", x=[1, 2, 3], y=[0.5, math.nan, 0.7], low=[0.4, math.nan, 0.6], high=[0.6, math.nan, 0.8]),
        Series(label="b", x=[1, 2], y=[0.5, 0.2], kind="points", role=1),
    ]
    panel = Panel(title="t", x_label="epoch", y_label="y", series=series, legend="above")
    chart = Chart(name="c", title="C", subtitle="s", panels=[panel, panel, panel])
    save_figure(chart, tmp_path / "c.png")
    assert (tmp_path / "c.png").stat().st_size > 5000
    (tmp_path / "file").write_text("")
    with pytest.raises(FastnetError, match="the picture cannot be written"):
        save_figure(chart, tmp_path / "file" / "c.svg")


NAN = math.nan


SPARSE: dict[str, tuple[list[float], list[float]]] = {
    "one": ([40.0], [0.7]),
    "equal x": ([40.0] * 3, [0.1, 0.2, 0.3]),
    "equal y": ([1.0, 2.0, 3.0], [0.5] * 3),
    "equal": ([40.0] * 3, [0.5] * 3),
    "nearly equal": ([40.0, np.nextafter(40.0, 41.0)], [0.5, np.nextafter(0.5, 1.0)]),
    "none": ([], []),
    "NaN y": ([1.0, 2.0, 3.0], [NAN] * 3),
    "NaN x": ([NAN] * 3, [0.1, 0.2, 0.3]),
    "alone between gaps": ([1.0, 2.0, 3.0], [NAN, 0.5, NAN]),
    "infinite": ([1.0, 2.0, math.inf], [-math.inf, 0.2, 0.3]),
    "0 and below": ([-1.0, 0.0, 0.0], [-0.5, 0.0, -0.5]),
    "huge": ([3e38] * 2, [3e38] * 2),
    "tiny": ([1e-45] * 2, [1e-45] * 2),
}
"""Values that give an axis no width of their own."""


def sparse_panel(title: str, kind: str, x_scale: str = "linear", y_scale: str = "linear") -> Panel:
    """One series of what is sparse; with fixed ticks where the kind is "both"."""
    x, y = SPARSE[title]
    more: dict[str, Any] = {"kind": "points", "shades": [0.5] * len(x)} if kind == "shades" else {"kind": kind}
    if kind in ("line", "both"):
        more |= {"low": [value - 0.1 for value in y], "high": [value + 0.1 for value in y]}
    ticks = [(place, "tick") for place in x if math.isfinite(place)] if kind == "both" else None
    series = [Series(label="a", x=x, y=y, **more)]
    return Panel(title=title, x_label="x", y_label="y", series=series, x_scale=x_scale, y_scale=y_scale, x_ticks=ticks)


@pytest.mark.parametrize(("x_scale", "y_scale"), list(itertools.product(("linear", "log"), repeat=2)))
@pytest.mark.parametrize("kind", ["line", "both", "points", "area", "shades"])
def test_one_equal_or_no_values_lie_inside_their_axes(x_scale, y_scale, kind):
    panels = [sparse_panel(title, kind, x_scale, y_scale) for title in SPARSE]
    canvas = drawing._page(Chart(name="c", title="C", subtitle="s", panels=panels, columns=3))
    panes = [axes for axes in canvas.axes if axes.get_title(loc="left")]  # without colour scales
    for axes, (title, (x, y)) in zip(panes, SPARSE.items(), strict=True):
        seen = [
            (a, b) for a, b in zip(x, y, strict=True) if math.isfinite(a) and math.isfinite(b)
            and (a > 0 or x_scale == "linear") and (b > 0 or y_scale == "linear")
        ]  # fmt: skip
        assert [text.get_text() for text in axes.texts] == ([] if seen else ["no finite values"]), title
        for low, high, scale in ((*axes.get_xlim(), x_scale), (*axes.get_ylim(), y_scale)):
            assert high > 1.2 * low if scale == "log" else high - low > 1e-3 * max(abs(low), abs(high)), title
        axes.autoscale_view()  # what drawing would do first
        places = axes.transAxes.inverted().transform(axes.transData.transform(seen)) if seen else np.zeros(0)
        assert ((places >= 0.0) & (places <= 1.0)).all(), title
        if kind in ("line", "area") and len(set(seen)) == 1:  # a line has no length, so a mark shows where it is
            [line] = axes.get_lines()
            assert line.get_marker() == "o" and line.get_markevery(), title


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_one_equal_or_no_values_leave_the_layout_its_width(scale):
    panels = [sparse_panel(title, "both", scale, scale) for title in SPARSE]
    canvas = drawing._page(Chart(name="c", title="C", subtitle="s", panels=panels, columns=3))
    canvas.draw_without_rendering()
    assert min(axes.get_window_extent().width for axes in canvas.axes) > 300
    assert min(axes.get_window_extent().height for axes in canvas.axes) > 200


def test_a_panel_without_series_and_a_chart_without_panels_are_drawn(tmp_path):
    empty = Panel(title="t", x_label="epoch", y_label="y", series=[], rules=[Rule(y=math.nan, label="r")])
    for panels in ([empty, empty], []):
        chart = Chart(name="c", title="C", subtitle="s", panels=panels)
        save_figure(chart, tmp_path / "c.svg")
        axes = drawing._page(chart).axes
        assert [text.get_text() for each in axes for text in each.texts] == ["no finite values"] * len(panels)
    units = UnitsChart(name="u", title="U", subtitle="s", heads=["a", "b"], pictures=[[[False]], []], widths=[1])
    save_figure(units, tmp_path / "u.svg")
    assert [axes.get_title() for axes in drawing._page(units).axes] == ["a", "b"]


def test_the_ends_of_an_axis_move_out_to_include_what_is_drawn():
    values = {"below": [-0.2, -0.1], "at": [0.0, 0.0], "around": [-0.1, 0.3], "above": [0.2, 1.5], "none": [NAN, NAN]}
    expected = {
        "below": (-0.2, 0.0),
        "at": (0.0, 1.0),
        "around": (-0.1, 0.32),
        "above": (0.0, 1.565),
        "none": (0.0, 1.0),
    }
    for upper in (None, 1.0):
        panels = [
            Panel(title="", x_label="x", y_label="y", series=[Series(label="", x=[1, 2], y=y)], y_range=(0.0, upper))
            for y in values.values()
        ]
        canvas = drawing._page(Chart(name="c", title="C", subtitle="s", panels=panels))
        for axes, (low, high) in zip(canvas.axes, expected.values(), strict=True):
            found = axes.get_ylim()
            assert found[0] == low and found[1] == (pytest.approx(high) if upper is None else max(1.0, found[1]))
