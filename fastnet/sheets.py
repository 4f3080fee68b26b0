"""Cells of CSV files that a spreadsheet shows and does not carry out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_BEGINS = tuple("=+-@\t\n＝＋－＠")
"""What a formula begins with; in some languages also in its wide form."""
_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)*|[.,]\d+)([eE][-+]?\d+)?%?|[-+]?(inf|nan)", re.IGNORECASE)


def harmless(cell: Any) -> Any:
    r"""Return a cell with an apostrophe before a text that a spreadsheet would take for a formula.

    Names of columns, classes and files may come from anybody, and a formula can send the rest of a sheet away. Numbers
    stay as they are, also those that are texts; a carriage return becomes a line feed.

    Examples
    --------
    >>> [harmless(cell) for cell in ('=HYPERLINK("http://a.example")', "@x", "-1.5", -2, "a=b", "")]
    ['\'=HYPERLINK("http://a.example")', "'@x", '-1.5', -2, 'a=b', '']
    """
    if not isinstance(cell, str):
        return cell
    if "\r" in cell:  # which `csv` leaves without quotes, so that the rest of the cell would be a row of its own
        cell = cell.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{cell}" if cell.startswith(_BEGINS) and not _NUMBER.fullmatch(cell) else cell


def harmless_row(cells: Iterable[Any]) -> list[Any]:
    """Return the cells of a row, each harmless.

    Examples
    --------
    >>> harmless_row(["=1+1", 5])
    ["'=1+1", 5]
    """
    return [harmless(cell) for cell in cells]
