"""Whether the description of a table's columns that comes from a file can be used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastnet.data.tables.cells import DATE_FORMATS
from fastnet.data.tables.columns import KINDS, Column
from fastnet.data.tables.dates import PARTS
from fastnet.errors import DataError


def check_columns(columns: Iterable[Column]) -> None:
    """Raise `DataError` unless every attribute of columns has the type that `Column` gives it, and names differ.

    Examples
    --------
    >>> check_columns([Column("size", "number", 9, 0, 9, decimal="and")])
    Traceback (most recent call last):
    ...
    fastnet.errors.DataError: the description of column 'size' is damaged
    """
    seen: set[str] = set()
    for column in columns:
        if not _is_sound(column) or column.name in seen:
            raise DataError(f"the description of column {str(column.name)[:40]!r} is damaged")
        seen.add(column.name)


def are_texts(values: Any) -> bool:
    """Whether values are a tuple of texts.

    Examples
    --------
    >>> are_texts(("a", "b")), are_texts(("a", 1)), are_texts("a")
    (True, False, False)
    """
    return isinstance(values, tuple) and all(isinstance(value, str) for value in values)


def _is_sound(column: Column) -> bool:
    counts = (column.rows, column.missing, column.distinct)
    return (
        are_texts((column.name, column.why, column.decimal))
        and column.kind in KINDS
        and column.decimal in (".", ",")
        and all(isinstance(count, int) for count in counts)
        and all(_is_number(number) for number in (column.low, column.high))
        and are_texts(column.levels)
        and are_texts(column.formats)
        and set(column.formats) <= set(DATE_FORMATS)
        and are_texts(column.parts)
        and set(column.parts) <= set(PARTS)
        and isinstance(column.sentinels, tuple)
        and all(_is_number(value) for value in column.sentinels)
    )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
