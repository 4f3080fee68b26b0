"""Draws progress: a bar with a line below it on a terminal, plain lines elsewhere, nothing with --quiet.

Parts that do not fit into the terminal are left out, the least important first; a line never wraps.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from .notes import QUIET, verbosity

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.text import Text

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.:-=+*#"

NARROWEST_BAR, WIDEST_BAR = 8, 40


class Part(NamedTuple):
    """A part of a line; those of the highest rank are the first to be left out."""

    text: str
    rank: int = 0
    style: str = ""
    joint: str = " | "


class Drawing:
    """Shows nothing, for --quiet."""

    live = False

    def show(self, count: str, share: float, details: Sequence[Part], pace: Sequence[Part]) -> None:
        pass

    def close(self) -> None:
        pass


class Bar(Drawing):
    """Count, bar and pace in one line, details in a second one; drawn by rich in this thread, only on change."""

    live = True

    def __init__(self, console: Console) -> None:
        from rich.live import Live

        self._console = console
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)

    def show(self, count: str, share: float, details: Sequence[Part], pace: Sequence[Part]) -> None:
        self._live.start()
        self._live.update(self._lines(count, share, details, pace), refresh=True)

    def close(self) -> None:
        self._live.stop()

    def _lines(self, count: str, share: float, details: Sequence[Part], pace: Sequence[Part]) -> Group:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        width = self._console.width
        right = fit(pace, width - len(count) - 1)
        room = min(width - len(count) - 2 - length(right), WIDEST_BAR)
        first = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
        cells: list[Text | ProgressBar] = [Text(count[:width])]
        if room >= NARROWEST_BAR:
            cells.append(ProgressBar(total=1.0, completed=share, width=room))
        if right:
            cells.append(_styled(right))
        first.add_row(*cells)
        return Group(first, _styled(fit(details, width)))


class Lines(Drawing):
    """Plain lines without control characters."""

    def show(self, count: str, share: float, details: Sequence[Part], pace: Sequence[Part]) -> None:
        click.echo(join([Part(count), *details, *pace]), err=True)


def drawing() -> Drawing:
    """Return the drawing for standard error as it is now."""
    if verbosity() <= QUIET:
        return Drawing()
    if sys.stderr.isatty():  # rich follows TERM, NO_COLOR, FORCE_COLOR and TTY_INTERACTIVE
        from rich.console import Console

        console = Console(stderr=True)
        if console.is_interactive:
            return Bar(console)
    return Lines()


def fit(parts: Sequence[Part], width: int) -> list[Part]:
    """Leave out parts, the highest rank first and of these the last, until the rest fits into `width`.

    >>> [part.text for part in fit([Part("best 0.83"), Part("rung 1/4", 2), Part("stage 1/3", 1)], 22)]
    ['best 0.83', 'stage 1/3']
    """
    kept = list(parts)
    while kept and length(kept) > width:
        worst = max(range(len(kept)), key=lambda index: (kept[index].rank, index))
        del kept[worst]
    return kept


def join(parts: Sequence[Part]) -> str:
    """Join parts to one text.

    >>> join([Part("best 0.83"), Part("▁▄█", joint=" "), Part("rung 1/4")])
    'best 0.83 ▁▄█ | rung 1/4'
    """
    return "".join((part.joint if index else "") + part.text for index, part in enumerate(parts))


def length(parts: Sequence[Part]) -> int:
    """Return the width of the joined parts in columns."""
    return len(join(parts))


def _styled(parts: Sequence[Part]) -> Text:
    from rich.text import Text

    text = Text(no_wrap=True, overflow="crop", end="")
    for index, part in enumerate(parts):
        text.append(part.joint if index else "")
        text.append(part.text, style=part.style)
    return text


def sparkline(values: Sequence[float], levels: str = BLOCKS) -> str:
    """Draw numbers as a row of blocks from the lowest to the highest; equal numbers are in the middle.

    >>> sparkline([0.0, 0.3, 1.0]), sparkline([0.5, 0.5]), sparkline([0.1, 0.8], ASCII_BLOCKS), sparkline([])
    ('▁▃█', '▄▄', '_#', '')
    """
    if not values:
        return ""
    low, high = min(values), max(values)
    if high == low:
        return levels[len(levels) // 2 - 1] * len(values)
    top = len(levels) - 1
    return "".join(levels[round((value - low) / (high - low) * top)] for value in values)


def levels_for(encoding: str | None) -> str:
    """Return the blocks that an output of this encoding can show.

    >>> levels_for("utf-8") == BLOCKS, levels_for("latin-1") == ASCII_BLOCKS, levels_for(None) == ASCII_BLOCKS
    (True, True, True)
    """
    try:
        BLOCKS.encode(encoding or "ascii")
    except (UnicodeError, LookupError):
        return ASCII_BLOCKS
    return BLOCKS
