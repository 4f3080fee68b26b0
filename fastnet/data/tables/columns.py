"""A column of a table as it is read, and the kinds that a user can choose."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastnet.data.tables.cells import ISO, levels_of, numbers_of, plain, seconds_of, truths_of
from fastnet.data.tables.dates import day_of
from fastnet.data.tables.naming import plain_name
from fastnet.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

KINDS = ("number", "category", "ordered", "boolean", "date", "text", "constant", "identifier")
"""What a column can hold; the last three are left out of the features."""

CHOICES = ("number", "category", "ordered", "boolean", "date", "text")
"""Kinds that a user can choose; ``ordered:low<mid<high`` gives an order."""

ORDERED = "ordered:"
"""Begins the choice of an order."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, as it is read.

    Attributes
    ----------
    name : str
    kind : str
        One of `KINDS`.
    rows, missing, distinct : int
        Numbers of rows, of missing values and of distinct other values; with very many, at least that.
    low, high : float
        Range of numbers, and of dates as Unix time in seconds; NaN for other kinds.
    whole : bool
        Whether all are whole numbers.
    levels : tuple of str
        Values of a category, the most frequent first; of an ordered one and of a boolean in their order.
    formats : tuple of str
        Of dates that are written as text.
    parts : tuple of str
        Parts of dates that vary.
    decimal : str
        The decimal sign of numbers that are written as text.
    sentinels : tuple of float
        Numbers that count as missing; of dates the first seconds of days that do.
    zoned : bool, optional
        Whether dates have a time zone; None if they have no time.
    sure : bool
        Whether the kind follows without doubt.
    why : str
        Why the column is left out, what counts as missing or what is in doubt; empty if there is nothing to report.
    """

    name: str
    kind: str
    rows: int
    missing: int
    distinct: int
    low: float = math.nan
    high: float = math.nan
    whole: bool = False
    levels: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    decimal: str = "."
    sentinels: tuple[float, ...] = ()
    zoned: bool | None = None
    sure: bool = True
    why: str = ""

    @property
    def left_out(self) -> bool:
        """Whether the column is no feature."""
        return self.kind in ("text", "constant", "identifier")

    def values(self, cells: pa.Array, decimal: str = "") -> NDArray[np.float64]:
        """Return cells as this column's numbers: numbers, seconds, or positions in `levels`, -1 for any other level.

        `decimal` is the decimal sign of the cells, where it is not that of the column.

        Raises
        ------
        DataError
            If the cells are of a type that no column can have.

        Examples
        --------
        >>> import pyarrow as pa
        >>> Column("size", "category", 9, 0, 2, levels=("s", "m")).values(pa.array(["m", "?", "xl"]))
        array([ 1., nan, -1.])
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        cells = plain(cells, self.name)
        if self.kind == "date":
            seconds = seconds_of(cells, self.formats or (ISO,))
            return np.where(np.isin(day_of(seconds), self.sentinels), np.nan, seconds) if self.sentinels else seconds
        if self.kind == "number":
            numbers = numbers_of(cells, decimal or self.decimal)
            return np.where(np.isin(numbers, self.sentinels), np.nan, numbers) if self.sentinels else numbers
        texts, levels = levels_of(cells), pa.array(self.levels, pa.string())
        if self.kind == "boolean":
            known, positions = zip(*truths_of(self.levels), strict=True)
            found = pc.index_in(pc.utf8_lower(texts), pa.array(known, pa.string()))
            made = np.array([*positions, -1.0])[found.fill_null(len(known)).to_numpy(zero_copy_only=False)]
            return np.where(texts.is_null().to_numpy(zero_copy_only=False), np.nan, made)
        places = pc.index_in(texts, levels).fill_null(-1).to_numpy(zero_copy_only=False).astype(np.float64)
        return np.where(texts.is_null().to_numpy(zero_copy_only=False), np.nan, places)


def choices_of(types: Mapping[str, str] | Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Return the kind that is chosen for each column.

    Parameters
    ----------
    types : mapping of column to kind, or sequence of ``column=kind``
        A kind is one of `CHOICES`, or ``ordered:low<mid<high``.
    names : sequence of str
        The table's columns.

    Raises
    ------
    ConfigError
        If a column or kind is unknown, or a column is named twice.

    Examples
    --------
    >>> choices_of(["size=ordered:s<m<l", "code=category"], ("size", "code"))
    {'size': 'ordered:s<m<l', 'code': 'category'}
    """
    pairs = list(types.items()) if isinstance(types, Mapping) else [_pair(text, names) for text in types]
    chosen: dict[str, str] = {}
    for given, kind in pairs:
        name = given if given in names else plain_name(given)
        if name not in names:
            raise ConfigError(no_column("types", name, names))
        if name in chosen:
            raise ConfigError(f"types: column {name!r} is named twice")
        if kind not in CHOICES and not str(kind).startswith(ORDERED):
            raise ConfigError(
                f"types: unknown kind {kind!r} for column {name!r}; choose one of {', '.join(CHOICES)}, or an order "
                f"as in {ORDERED}low<mid<high"
            )
        chosen[name] = kind
    return chosen


def no_column(role: str, name: str, names: Sequence[str]) -> str:
    """Return the message for a column that is unknown, with the nearest one that there is.

    Examples
    --------
    >>> no_column("target", "chrun", ["age", "churn"])
    "target: no column 'chrun'; did you mean 'churn'? The columns are age, churn"
    """
    lower = {each.lower(): each for each in reversed(names)}
    near = difflib.get_close_matches(name.lower(), lower, n=1)
    meant = f"; did you mean {lower[near[0]]!r}? The" if near else "; the"
    return f"{role}: no column {name!r}{meant} columns are {listed(names)}"


def _pair(text: str, names: Sequence[str]) -> tuple[str, str]:
    """Divide ``column=kind``; a column's name may have the sign too."""
    name, equals, kind = text.rpartition("=")
    if "<" in text and (start := text.find(f"={ORDERED}")) > 0:
        name, equals, kind = text[:start], "=", text[start + 1 :]
    if not equals:
        raise ConfigError(f"types: {text!r} is not of the form column=kind, as in {names[0]}=category")
    return name, kind


def listed(names: Sequence[str], most: int = 12) -> str:
    """Write names of columns in a message, of any number.

    Examples
    --------
    >>> listed(["a", "b", "c"], most=2)
    'a, b, ... (3)'
    """
    more = [f"... ({len(names):,})"] if len(names) > most else []
    return ", ".join([*(name if name.isprintable() else repr(name) for name in names[:most]), *more])
