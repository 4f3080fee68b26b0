"""Lines of plain text: columns that are aligned, numbers with their nouns."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """Align columns, two spaces apart, each to the left (l) or to the right (r).

    Parameters
    ----------
    rows : sequence of sequence of str
        At least one, all as long as `sides`.
    sides : str
        A letter for each column.

    Returns
    -------
    list of str
        A line for each row, without spaces at its end.

    Examples
    --------
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
    """Write a number of things.

    Examples
    --------
    >>> counted(1, "thread"), counted(2000, "thread")
    ('1 thread', '2,000 threads')
    """
    return f"{count:,} {word}" + ("" if count == 1 else "s")
