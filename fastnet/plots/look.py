"""What all figures share: colours and axes that are read on light and on dark pages, and how numbers are written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Trace = dict[str, Any]
Values = Sequence[float | None]

VALIDATION, TRAINING, OTHERS, INK = "#0072b2", "#d55e00", "#7a8794", "#777777"
"""Colours by meaning, those of the report; the ink of texts is between a light and a dark page."""

BAND = "rgba(0,114,178,0.25)"
_LINE = "rgba(128,128,128,0.5)"
_GRID = "rgba(128,128,128,0.2)"
_CLEAR = "rgba(0,0,0,0)"

LEGEND: dict[str, Any] = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}


def figure(traces: Sequence[Trace], layout: Mapping[str, Any]) -> Figure:
    """Make a figure; what `layout` leaves open is as in all figures.

    Examples
    --------
    >>> made = figure([{"type": "scatter", "x": [1], "y": [2]}], {"xaxis": axis("epoch")})
    >>> made.layout.xaxis.title.text, made.layout.paper_bgcolor
    ('epoch', 'rgba(0,0,0,0)')
    """
    from plotly.graph_objects import Figure

    common = {
        "template": "none",
        "paper_bgcolor": _CLEAR,
        "plot_bgcolor": _CLEAR,
        "font": {"color": INK, "size": 12},
        "margin": {"l": 60, "r": 20, "t": 30, "b": 50},
        "hovermode": "closest",
        "hoverlabel": {"align": "left"},
        "showlegend": False,
        "height": 380,
    }
    return Figure(data=list(traces), layout={**common, **layout})


def sentence(words: str) -> Figure:
    """Make a figure that says why there is nothing to draw.

    Examples
    --------
    >>> sentence("Every trial diverged.").layout.annotations[0].text
    'Every trial diverged.'
    """
    hidden = {"visible": False}
    return figure(
        [], {"xaxis": hidden, "yaxis": hidden, "height": 120, "annotations": [note(words, "paper", 0.5, 0.5)]}
    )


def note(words: str, of: str, x: float, y: float) -> dict[str, Any]:
    """Write a sentence at a place of the figure (``paper``) or of the axes with a number (``x2``)."""
    refs = ("paper", "paper") if of == "paper" else (f"{of} domain", f"{of.replace('x', 'y')} domain")
    return {"text": escape(words), "xref": refs[0], "yref": refs[1], "x": x, "y": y, "showarrow": False}


def axis(title: str, **more: Any) -> dict[str, Any]:
    """Describe an axis with a title, which is text and no HTML."""
    return {
        "title": {"text": escape(title), "standoff": 8},
        "gridcolor": _GRID,
        "linecolor": _LINE,
        "tickcolor": _LINE,
        "ticks": "outside",
        "showline": True,
        "zeroline": False,
        "automargin": True,
        "exponentformat": "power",
        **more,
    }


def cells(n: int, columns: int, gap: tuple[float, float]) -> list[dict[str, Any]]:
    """Divide a figure into n cells, row by row from the top: their domains, and whether each ends a column or row.

    Examples
    --------
    >>> [(cell["x"], cell["y"], cell["left"], cell["bottom"]) for cell in cells(3, 2, (0.2, 0.2))]
    [([0.0, 0.4], [0.6, 1.0], True, False), ([0.6, 1.0], [0.6, 1.0], False, True), ([0.0, 0.4], [0.0, 0.4], True, True)]
    """
    columns = min(columns, n)
    rows = -(-n // columns)
    width, height = (1 - gap[0] * (columns - 1)) / columns, (1 - gap[1] * (rows - 1)) / rows
    found = []
    for k in range(n):
        row, column = divmod(k, columns)
        x, y = column * (width + gap[0]), (rows - 1 - row) * (height + gap[1])
        ends = {"left": column == 0, "bottom": k + columns >= n}
        found.append({"x": _domain(x, width), "y": _domain(y, height), **ends})
    return found


def _domain(begin: float, size: float) -> list[float]:
    return [max(0.0, round(begin, 6)), min(1.0, round(begin + size, 6))]


def suffix(k: int) -> str:
    """Return what Plotly writes after ``x`` and ``xaxis`` for axes number k, from 0."""
    return "" if k == 0 else str(k + 1)


def brief(value: float | None) -> str:
    """Write a number with four digits, a dash for none.

    >>> brief(0.123456), brief(None)
    ('0.1235', '–')
    """
    return "–" if value is None else f"{value:.4g}"


def percent(share: float) -> str:
    """Write a share.

    >>> percent(0.5), percent(0.031)
    ('50 %', '3.1 %')
    """
    return f"{100 * share:.{1 if share < 0.1 else 0}f} %"


def short(text: str, most: int = 28) -> str:
    """Write a name that may be long, as text and no HTML.

    >>> short("a < b"), len(short("x" * 99))
    ('a &lt; b', 28)
    """
    return escape(text if len(text) <= most else f"{text[: most - 1]}…")


def decades(low: float, high: float, most: int = 6) -> tuple[list[float], list[str]]:
    """Choose round numbers between two, for a logarithmic axis: powers of ten, and others in a narrow range.

    Examples
    --------
    >>> decades(1e-6, 1e-2)[1], decades(0.01, 0.1)[1]
    (['1e-06', '1e-05', '0.0001', '0.001', '0.01'], ['0.01', '0.02', '0.03', '0.05', '0.07', '0.1'])
    """
    begin, end = math.log10(low), math.log10(high)
    width = end - begin
    step = max(1, math.ceil(width / most))
    between = (1, 2, 3, 5, 7) if width < 1.2 else (1, 3) if width < 2.5 else (1,)
    first = math.ceil(begin - 1e-9)
    ticks = [
        digit * 10.0**power
        for power in range(math.floor(begin), math.floor(end + 1e-9) + 1)
        for digit in between
        if begin - 1e-9 <= power + math.log10(digit) <= end + 1e-9 and (digit > 1 or (power - first) % step == 0)
    ]
    at = ticks if len(ticks) > 1 else [low, high]
    return at, [f"{tick:.3g}" for tick in at]
