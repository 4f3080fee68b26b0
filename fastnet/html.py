"""Building blocks of what notebooks show: HTML without scripts, whose colours are those of the page around it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

_RULE = "1px solid rgba(128,128,128,.4)"
_CELL = f"padding:.15em .8em .15em 0;text-align:left;border-bottom:{_RULE}"
_COLOURS = ("#3d85c6", "#e07b39", "#6aa84f", "#a64d79")
"""Of lines, in this order: they stand out on light and on dark pages."""

_WIDTH, _HEIGHT = 360, 140


def block(title: str, *parts: str) -> str:
    """Put parts, which are HTML, under a title.

    Examples
    --------
    >>> block("a < b", paragraph("c"))
    '<div><p style="margin:.3em 0"><strong>a &lt; b</strong></p><p style="margin:.3em 0">c</p></div>'
    """
    return f'<div><p style="margin:.3em 0"><strong>{escape(title)}</strong></p>{"".join(parts)}</div>'


def paragraph(text: str) -> str:
    """Write a text."""
    return f'<p style="margin:.3em 0">{escape(text)}</p>'


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table of texts and numbers.

    Examples
    --------
    >>> "<td" in table(["name"], [["<script>"]]), "<script>" in table(["name"], [["<script>"]])
    (True, False)
    """
    first = "".join(f'<th style="{_CELL}">{escape(name)}</th>' for name in head)
    others = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{escape(_text(value))}</td>' for value in row) + "</tr>" for row in rows
    )
    return (
        '<table style="border-collapse:collapse;margin:.3em 0;background:none">'
        f"<thead><tr>{first}</tr></thead><tbody>{others}</tbody></table>"
    )


def curves(named: Mapping[str, Sequence[float]], across: str) -> str:
    """Draw lines over their places from 1, with their names and the range of their values.

    Values that are not finite are left out; without any value there is no picture.

    Examples
    --------
    >>> picture = curves({"training": [0.1, 0.4], "validation": [0.1, 0.3]}, "epoch")
    >>> picture.count("<polyline"), curves({"training": [float("nan")]}, "epoch")
    (2, '')
    """
    points = {name: [(k, float(v)) for k, v in enumerate(values) if math.isfinite(v)] for name, values in named.items()}
    shown = {name: some for name, some in points.items() if some}
    if not shown:
        return ""
    values = [value for some in shown.values() for _, value in some]
    low, high = min(values), max(values)
    last = max(place for some in shown.values() for place, _ in some)
    lines, names = [], []
    for number, (name, some) in enumerate(shown.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(
            f"{10 + (_WIDTH - 20) * place / max(last, 1):.1f},"
            f"{_HEIGHT - 10 - (_HEIGHT - 20) * (value - low) / ((high - low) or 1.0):.1f}"
            for place, value in some
        )
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        names.append(f'<span style="color:{colour}">■</span> {escape(name)}')  # the colours are too light for text
    label = f"{', '.join(shown)} by {across} 1 to {last + 1}, {low:.3g} to {high:.3g}"
    return (
        f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'style="display:block;max-width:100%;height:auto;border-left:{_RULE};border-bottom:{_RULE}">'
        f"{''.join(lines)}</svg>"
        f'<p style="margin:.2em 0">{", ".join(names)}: {low:.3g} to {high:.3g}, {escape(across)} 1 to {last + 1}</p>'
    )


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else "–"
    text = str(value)
    return text if len(text) <= 200 else text[:199] + "…"
