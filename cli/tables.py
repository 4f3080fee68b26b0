"""Tables on standard output: drawn by rich on a terminal, plain aligned text everywhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Literal

import click

LEFT, RIGHT = "l", "r"


def print_table(heads: Sequence[str], sides: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their heads, each column aligned to its side; a table longer than a terminal goes to a pager."""
    if not on_terminal():
        from fastnet.report.text import aligned

        printed = [[printable(cell) for cell in row] for row in (heads, *rows)]
        click.echo("\n".join(aligned(printed, "".join(sides))))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for head, side in zip(heads, sides, strict=True):
        justify: Literal["left", "right"] = "right" if side == RIGHT else "left"
        table.add_column(head.replace("_", "\n"), justify=justify, vertical="bottom")
    for row in rows:
        table.add_row(*map(Text, row))  # as text: a name may contain rich's markup
    # The terminal wraps a table that is too wide: rich would leave out digits.
    console.width = max(console.width, table.__rich_measure__(console, console.options.update(width=10_000)).maximum)
    if len(rows) + 4 > console.height:
        with console.pager():
            console.print(table)
    else:
        console.print(table)


def printable(text: str) -> str:
    """Write control characters, which a name of data may contain, as escapes."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def on_terminal() -> bool:
    """Return whether standard output is a terminal with control codes."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
