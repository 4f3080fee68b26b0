"""Horizontal bars of a result of `peers.py`: a panel a section, this project in colour, the others in grey.

Small networks are left out: they are many sections, and one table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from .catalog import OURS, PEERS
from .small import SMALL_TITLE

WIDTH, ROW, PANEL = 10.0, 0.27, 0.66
"""Inches: a page of GitHub shows ten at 83 dots an inch, so 9 points stay readable; a bar; what a panel adds."""
DPI = 180


@dataclass(frozen=True)
class Look:
    """Colours; ours is blue from Okabe and Ito's palette, told from grey by everybody."""

    page: str
    ink: str
    faint: str
    ours: str
    others: str


LIGHT = Look("#ffffff", "#1f2328", "#59636e", "#0072b2", "#b7bfc8")
DARK = Look("#0d1117", "#e6edf3", "#9198a1", "#56b4e9", "#484f58")


def draw(result: Mapping[str, Any], path: Path) -> list[Path]:
    """Draw a result to `path`, and for dark pages to the same name with ``-dark``; return both.

    Parameters
    ----------
    result : mapping
        What `peers.py --json` writes.
    path : Path
        Ends in .png.
    """
    dark = path.with_name(f"{path.stem}-dark{path.suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    for target, look in ((path, LIGHT), (dark, DARK)):
        target.write_bytes(picture(result, look))
    return [path, dark]


def picture(result: Mapping[str, Any], look: Look) -> bytes:
    """Return the PNG."""
    from matplotlib.figure import Figure

    sections: dict[str, list[Mapping[str, Any]]] = {}
    for figure in result["figures"]:
        if not figure["section"].startswith(SMALL_TITLE):
            sections.setdefault(figure["section"], []).append(figure)
    rows: list[list[tuple[str, list[Mapping[str, Any]]]]] = []
    for title, figures in sections.items():  # two of the same peers stand beside each other
        if rows and len(rows[-1]) == 1 and _kind(rows[-1][0][1]) == _kind(figures):
            rows[-1].append((title, figures))
        else:
            rows.append([(title, figures)])
    heights = [PANEL + ROW * max(len(figures) for _, figures in row) for row in rows]
    head, foot = 0.02, 0.3
    height = head + sum(heights) + foot
    page = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor=look.page)
    top = height - head
    for row, row_height in zip(rows, heights, strict=True):
        for column, (title, figures) in enumerate(row):
            room = ROW * len(figures)
            left = 0.02 + 0.5 * column
            axes = page.add_axes((left + 0.185, (top - 0.4 - room) / height, 0.2, room / height))
            page.text(left, (top - 0.22) / height, title, fontsize=10, weight="bold", color=look.ink, va="center")
            unit = figures[0]["unit"] + (", shorter is better" if figures[0]["better"] == "lower" else "")
            page.text(left + 0.46, (top - 0.22) / height, unit, fontsize=8.5, color=look.faint, va="center", ha="right")
            _bars(axes, figures, look)
        top -= row_height
    page.text(0.02, 0.18 / height, caption(result), fontsize=8, color=look.faint, va="center")
    made = BytesIO()
    page.savefig(made, format="png", dpi=DPI, facecolor=look.page, metadata={"Software": None})
    return made.getvalue()


def ordered(figures: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the figures of a section, the best first."""
    return sorted(figures, key=lambda figure: figure["value"], reverse=figures[0]["better"] != "lower")


def caption(result: Mapping[str, Any]) -> str:
    """Say what it was measured on."""
    machine = result["machine"]
    cores = f"{machine['threads']} core{'s' if machine['threads'] != 1 else ''}"
    return f"Medians on {machine['processor']} ({machine['architecture']}), {cores}; lines: 10th to 90th percentile"


def _kind(figures: Sequence[Mapping[str, Any]]) -> tuple[str, frozenset[str]]:
    return figures[0]["unit"], frozenset(figure["name"] for figure in figures)


def _bars(axes: Any, figures: Sequence[Mapping[str, Any]], look: Look) -> None:
    shown = ordered(figures)
    longest = max(max(figure["value"], figure.get("high", 0.0)) for figure in shown)
    for place, figure in enumerate(shown):
        ours = figure["name"] == PEERS[OURS].label
        value = figure["value"]
        axes.barh(place, value, height=0.68, color=look.ours if ours else look.others)
        if "low" in figure:
            axes.plot([figure["low"], figure["high"]], [place, place], color=look.ink, linewidth=0.9, alpha=0.8)
        weight = "bold" if ours else "normal"
        end = max(value, figure.get("high", 0.0)) + 0.02 * longest
        text = short(value) if ours or "ratio" not in figure else f"{short(value)}  ({figure['ratio']:.1f}×)"
        axes.text(end, place, text, va="center", fontsize=8.5, weight=weight, color=look.ink)
        axes.text(-0.03 * longest, place, figure["name"], va="center", ha="right", fontsize=8.5, weight=weight,
                  color=look.ink)  # fmt: skip
    axes.set_xlim(0, longest)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_axis_off()


def short(value: float) -> str:
    """Write a number with three digits.

    >>> short(5.4394), short(98.2), short(31415.9)
    ('5.44', '98.2', '31,400')
    """
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:#.3g}".rstrip(".")
