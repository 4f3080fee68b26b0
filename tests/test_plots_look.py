"""What all figures share: colours that are read on light and on dark pages, and round numbers on axes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnet.plots import look
from fastnet.plots.look import axis, cells, decades, figure, sentence, short

LIGHT, DARK = "#ffffff", "#1e1e1e"
"""Pages of notebooks; the dark one is the lighter of the usual ones."""


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", ["VALIDATION", "TRAINING", "OTHERS", "INK"])
@pytest.mark.parametrize("page", [LIGHT, DARK])
def test_colours_stand_out_on_light_and_on_dark_pages(name: str, page: str) -> None:
    assert contrast(getattr(look, name), page) >= 3


def test_a_figure_has_the_page_as_its_ground() -> None:
    made = figure([], {"xaxis": axis("a <b>", type="log")})
    assert made.layout.paper_bgcolor == made.layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert made.layout.xaxis.title.text == "a &lt;b&gt;" and made.layout.xaxis.type == "log"
    assert sentence("<i>").layout.annotations[0].text == "&lt;i&gt;"


@given(st.integers(1, 30), st.integers(1, 6))
def test_cells_do_not_overlap_and_lie_within_the_figure(n: int, columns: int) -> None:
    found = cells(n, columns, (0.02, 0.02))
    assert len(found) == n and sum(cell["bottom"] for cell in found) == min(n, columns)
    for cell in found:
        assert 0 <= cell["x"][0] < cell["x"][1] <= 1 and 0 <= cell["y"][0] < cell["y"][1] <= 1
    for k, one in enumerate(found):
        for other in found[k + 1 :]:
            apart = (one[way][1] <= other[way][0] or other[way][1] <= one[way][0] for way in ("x", "y"))
            assert any(apart)


@given(st.floats(-12, 6), st.floats(0.01, 12))
def test_marks_of_a_logarithmic_axis_are_within_its_range(begin: float, width: float) -> None:
    low, high = 10.0**begin, 10.0 ** (begin + width)
    at, texts = decades(low, high)
    assert 2 <= len(at) == len(texts) <= 14 and at == sorted(at)
    assert all(low * 0.999 <= tick <= high * 1.001 for tick in at)


def test_long_names_are_cut_before_they_are_escaped() -> None:
    assert short("&" * 99) == "&amp;" * 27 + "…"
