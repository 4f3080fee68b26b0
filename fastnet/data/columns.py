"""What the columns of a table hold, found out from all of their values: numbers, categories, dates, identifiers, text.

Everything here is computed a batch of rows at a time, so that a table of any size can be looked at.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    from fastnet.data.readers.table import Table

KINDS = ("number", "category", "ordered", "boolean", "date", "text", "constant", "identifier")
"""What a column can hold; the last three are left out unless the user says otherwise."""

MISSING = frozenset(("", "?", "na", "n/a", "#n/a", "#na", "nan", "null", "none", "nil", "-", "--", ".", "missing", "<na>"))
"""Texts, in lower case, that stand for a missing value."""

MOST_LEVELS = 20_000
"""Distinct values of a column that are kept; a column with more is no category."""

STRAY_SHARE = 0.01
"""Largest share of values that are no numbers in a column of numbers; they count as missing."""

TEXT_SHARE, TEXT_LEVELS = 0.2, 50
"""A column of text with more levels than both this share of its rows and this number is left out."""

DATE_FORMATS = (
    *("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d", "%Y-%m"),
    *("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d-%m-%Y"),
    *("%b-%Y", "%b %Y", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%B %d, %Y", "%d %B %Y"),
)

ORDERS = tuple(
    {name: place for place, names in enumerate(order) for name in names.split("/")}
    for order in (
        ("never", "rarely", "sometimes", "often/frequently", "always"),
        ("very low", "low", "medium/moderate/middle/mid", "high", "very high"),
        ("very small/xs", "small/s", "medium/m", "large/l", "very large/xl", "xxl"),
        ("very poor", "poor", "fair", "below average", "average/typical/normal", "above average", "good", "very good",
         "premium", "very excellent/excellent/ideal"),
        ("strongly disagree", "disagree", "neutral", "agree", "strongly agree"),
        ("jan/january", "feb/february", "mar/march", "apr/april", "may", "jun/june", "jul/july", "aug/august",
         "sep/sept/september", "oct/october", "nov/november", "dec/december"),
        ("mon/monday", "tue/tuesday", "wed/wednesday", "thu/thursday", "fri/friday", "sat/saturday", "sun/sunday"),
        ("i3", "i2", "i1", "si2", "si1", "vs2", "vs1", "vvs2", "vvs1", "if", "fl"),
    )
)  # fmt: skip
"""Orders of categories that are known by their names, in lower case with blanks for other separators."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, as it is read.

    Attributes
    ----------
    name : str
    kind : str
        One of `KINDS`.
    rows, missing, distinct : int
        Numbers of rows, of missing values and of distinct other values; with more than `MOST_LEVELS` that many.
    low, high : float
        Range of numbers, and of dates as Unix time in seconds; NaN for other kinds.
    levels : tuple of str
        Values of a category, the most frequent first; of an ordered one and of a boolean in their order.
    format : str
        Of dates, for `datetime.strptime`; empty if they come as dates.
    stray : tuple of str
        Texts in a column of numbers that are no numbers, and count as missing.
    sure : bool
        Whether the kind follows without doubt.
    why : str
        Why the column is left out, or what is in doubt; empty if there is nothing to say.
    """

    name: str
    kind: str
    rows: int
    missing: int
    distinct: int
    low: float = math.nan
    high: float = math.nan
    levels: tuple[str, ...] = ()
    format: str = ""
    stray: tuple[str, ...] = ()
    sure: bool = True
    why: str = ""

    @property
    def left_out(self) -> bool:
        """Whether the column is no feature unless the user says otherwise."""
        return self.kind in ("text", "constant", "identifier")


class Scan:
    """Looks at a column, a batch of values at a time."""

    def __init__(self, name: str, decimal: str = ".") -> None:
        self._name, self._decimal = name, decimal
        self._rows = self._missing = 0
        self._levels: Counter[Any] = Counter()
        self._full = False  # whether there are more levels than are kept
        self._stray: Counter[str] = Counter()
        self._numbers = 0
        self._low, self._high = math.inf, -math.inf
        self._whole = True
        self._typed = ""
        self._last = -math.inf
        self._rising = True

    def add(self, values: pa.Array) -> None:
        """Take in the next values."""
        import pyarrow as pa
        import pyarrow.compute as pc

        self._rows += len(values)
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        kind = values.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            texts = present(values)
            self._missing += len(values) - len(texts)
            numbers, is_number = numbers_of(texts, self._decimal)
            self._count(pc.value_counts(texts))
            self._look_at(numbers[is_number])
            if not is_number.all():
                self._stray.update(texts.filter(pa.array(~is_number)).to_pylist()[: MOST_LEVELS])
            return
        self._typed = "boolean" if pa.types.is_boolean(kind) else "date" if pa.types.is_temporal(kind) else "number"
        if self._typed == "number" and not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
            raise TypeError(f"column {self._name!r} holds values of type {kind}")
        known = values.drop_null()
        if pa.types.is_floating(kind):
            known = known.filter(pc.invert(pc.is_nan(known)))
        self._missing += len(values) - len(known)
        self._count(pc.value_counts(known))
        if self._typed == "number":
            self._look_at(np.asarray(known.cast(pa.float64(), safe=False)))
        elif self._typed == "date":
            seconds = np.asarray(known.cast(pa.timestamp("s"), safe=False).cast(pa.int64()))
            self._look_at(seconds.astype(np.float64))

    def _count(self, counts: pa.StructArray) -> None:
        if self._full:
            return
        values, n = counts.field(0).to_pylist(), counts.field(1).to_pylist()
        self._levels.update(dict(zip(values, n, strict=True)))
        self._full = len(self._levels) > MOST_LEVELS

    def _look_at(self, numbers: np.ndarray) -> None:
        if not len(numbers):
            return
        self._numbers += len(numbers)
        self._low, self._high = min(self._low, float(numbers.min())), max(self._high, float(numbers.max()))
        self._whole = self._whole and bool((numbers == np.floor(numbers)).all())
        self._rising = self._rising and self._last < numbers[0] and bool((np.diff(numbers) > 0).all())
        self._last = float(numbers[-1])

    def column(self) -> Column:
        """Return what the column holds."""
        known = self._rows - self._missing
        distinct = len(self._levels)
        facts: dict[str, Any] = {"name": self._name, "rows": self._rows, "missing": self._missing, "distinct": distinct}
        if distinct <= 1:
            only = next(iter(self._levels), None)
            why = "every value is missing" if only is None else f"every value is {only}"
            return Column(kind="constant", levels=() if only is None else (str(only),), why=why, **facts)
        if self._typed == "boolean" or (not self._typed and self._is_boolean()):
            return Column(kind="boolean", levels=tuple(sorted(map(str, self._levels), key=str.lower)), **facts)
        if self._typed == "date":
            return Column(kind="date", low=self._low, high=self._high, **facts)
        strays = sum(self._stray.values())
        if self._numbers and strays <= STRAY_SHARE * known:
            facts["missing"] += strays
            return self._number(facts)
        return self._date(facts) or self._category(facts, known)

    def _is_boolean(self) -> bool:
        return len(self._levels) == 2 and {str(level).lower() for level in self._levels} in _BOOLEANS

    def _number(self, facts: dict[str, Any]) -> Column:
        stray = tuple(text for text, _ in self._stray.most_common(5))
        made = Column(kind="number", low=self._low, high=self._high, stray=stray, **facts)
        if self._whole and self._all_different() and self._numbers > 20:
            if self._rising and self._high - self._low == self._numbers - 1:
                return replace(made, kind="identifier", why="it numbers the rows")
            if _IDENTIFIER.search(self._name):
                return replace(made, kind="identifier", sure=False, why="a whole number that is different in every row")
        if stray:
            return replace(made, why=f"{', '.join(map(repr, stray))} count as missing")
        return made

    def _date(self, facts: dict[str, Any]) -> Column | None:
        texts = list(self._levels)
        for format in DATE_FORMATS:
            seconds = [seconds_of(text, format) for text in texts[:50]]
            if None in seconds:
                continue
            seconds = [seconds_of(text, format) for text in texts]
            known = [value for value in seconds if value is not None]
            if len(known) >= (1.0 - STRAY_SHARE) * len(texts):
                other = format.replace("%d/%m", "%m/%d")
                unsure = other != format and all(seconds_of(text, other) is not None for text in texts)
                why = "day and month could be the other way round" if unsure else ""
                return Column(kind="date", low=min(known), high=max(known), format=format, sure=not unsure, why=why, **facts)
        return None

    def _category(self, facts: dict[str, Any], known: int) -> Column:
        levels = tuple(str(level) for level, _ in sorted(self._levels.items(), key=lambda item: (-item[1], str(item[0]))))
        if self._all_different() and known > 20 and not any(" " in level for level in levels[:1000]):
            return Column(kind="identifier", why="a different text in every row", **facts)
        if self._full or (len(levels) > TEXT_LEVELS and len(levels) > TEXT_SHARE * known):
            return Column(kind="text", why=f"{len(levels):,} different texts in {known:,} rows", **facts)
        order = order_of(levels)
        if order:
            return Column(kind="ordered", levels=order, **facts)
        return Column(kind="category", levels=levels, **facts)

    def _all_different(self) -> bool:
        return max(self._levels.values(), default=0) == 1


_BOOLEANS = ({"yes", "no"}, {"y", "n"}, {"true", "false"}, {"t", "f"}, {"on", "off"})
_IDENTIFIER = re.compile(r"(^|[\s_.-])(id|key|uuid|guid|index|no|nr|number|num)$|[a-z]I[dD]$", re.IGNORECASE)
_PLAIN = r"^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$"
_DECORATED = r"^[-+]?[$€£¥]?\s?[-+]?(\d{1,3}(,\d{3})+|\d+)(\.\d*)?\s?[%€$£]?$"


def present(values: pa.Array) -> pa.StringArray:
    """Return the texts of a column that are not missing, without blanks around them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pc.utf8_trim_whitespace(values.drop_null().cast(pa.string()))
    lost = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(sorted(MISSING)))
    return texts.filter(pc.invert(lost))


def numbers_of(texts: pa.StringArray, decimal: str = ".") -> tuple[np.ndarray, np.ndarray]:
    """Read texts as numbers, also with thousands separated, a currency or a percent sign.

    Returns
    -------
    numbers, is_number : ndarray
        (N,) float64, NaN for what is no number, and (N,) bool.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = texts
    if decimal == ",":
        plain = pc.replace_substring(pc.replace_substring(texts, ".", ""), ",", ".")
    is_number = np.asarray(pc.match_substring_regex(plain, _PLAIN))
    if not is_number.all():
        decorated = np.asarray(pc.match_substring_regex(plain, _DECORATED))
        plain = pc.if_else(pa.array(decorated & ~is_number), pc.replace_substring_regex(plain, r"[$€£¥%,\s]", ""), plain)
        is_number |= decorated
    numbers = np.full(len(texts), np.nan)
    numbers[is_number] = np.asarray(plain.filter(pa.array(is_number)).cast(pa.float64()))
    return numbers, is_number & np.isfinite(numbers)


def seconds_of(text: str, format: str) -> float | None:
    """Read a date as Unix time in seconds; None if it is not of this format."""
    try:
        return datetime.strptime(text, format).replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return None


def order_of(levels: Sequence[str]) -> tuple[str, ...]:
    """Return levels in an order that is known by their names; empty if there is none."""
    words = {level: re.sub(r"[\s_-]+", " ", level.strip().lower()) for level in levels}
    for order in ORDERS:
        if all(word in order for word in words.values()) and len({order[word] for word in words.values()}) == len(levels):
            return tuple(sorted(levels, key=lambda level: order[words[level]]))
    return ()


def scan(table: Table) -> tuple[Column, ...]:
    """Look at every column of a table, reading it once."""
    scans = [Scan(name, table.decimal) for name in table.names]
    for batch in table.batches():
        for one, values in zip(scans, batch.columns, strict=True):
            one.add(values)
    return tuple(one.column() for one in scans)
