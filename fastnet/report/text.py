"""Lines of plain text: aligned columns, numbers with their nouns."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """Align the columns of at least one row, two spaces apart; `sides` has l (left) or r (right) for each column.

    >>> aligned([["name", "n"], ["a", "100"], ["bc", "2"]], "lr")
    ['name    n', 'a     100', 'bc      2']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            text.ljust(width) if side == "l" else text.rjust(width)
            for text, width, side in zip(row, widths, sides, strict=True)
        ).rstrip()
        for row in rows
    ]


def counted(count: int, word: str) -> str:
    """Write a number with its noun.

    >>> counted(1, "thread"), counted(2000, "thread")
    ('1 thread', '2,000 threads')
    """
    return f"{count:,} {word}" + ("" if count == 1 else "s")
