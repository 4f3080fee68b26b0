"""Finds out what the columns of a table hold, from all of their values, a batch of rows at a time."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet.data.tables.cells import (
    TRUTHS,
    formats_of,
    infinite_in,
    is_text,
    levels_of,
    numbers_of,
    order_of,
    other_way,
    plain,
    seconds_of,
    zoned_in,
)
from fastnet.data.tables.columns import ORDERED, Column
from fastnet.data.tables.dates import Spans, day_of, fillers_of, shown_days, varying
from fastnet.data.tables.task import MOST_CLASSES
from fastnet.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from fastnet.data.tables.table import Table

MOST_LEVELS = 20_000
"""Distinct values of a column that are kept; a column with more is no category."""

MOST_TEXT = 1 << 26
"""Characters of all distinct values together; a column with more is no category, either."""

STRAY_SHARE = 0.01
"""Largest share of values that are no numbers in a column of numbers, or no dates in one of dates."""

TEXT_SHARE, TEXT_LEVELS = 0.2, 50
"""A column of text with more levels than both this share of its rows and this number is left out."""

SENTINELS = np.array([-99, -999, -9999, -99999, -999999, 999, 9999, 99999, 999999, 9999999], np.float64)
"""Numbers that stand for a missing value where they are far from all others."""

EXACT = 2.0**53
"""Whole numbers beyond it are rounded as float64."""

_BOOLEANS = ({"yes", "no"}, {"y", "n"}, {"true", "false"}, {"t", "f"}, {"on", "off"}, {"0", "1"})
_INDEX = re.compile(r"Unnamed: \d+(\.\d+)*|__index_level_\d+__|level_\d+")
_IDENTIFIER = re.compile(r"(^|[\s_.-])(id|key|uuid|guid|index|no|nr|number|num)$|[a-z]I[dD]$", re.IGNORECASE)


def scan(
    table: Table, choices: Mapping[str, str] | None = None, targets: Sequence[str] = (), unread: Sequence[str] = ()
) -> tuple[Column, ...]:
    """Look at every column of a table, reading it once.

    `choices` has the kinds of some columns. Those among `targets` are no identifiers if they have numbers, and keep
    their levels if they are text. Those that are `unread` may be of any type.

    Raises
    ------
    DataError
        If the table has no rows, cannot be read, or a column cannot be of the kind chosen.

    Examples
    --------
    >>> from fastnet.data.tables.table import open_table
    >>> [column.kind for column in scan(open_table({"a": [1.5, 2.5, None], "b": ["x", "y", "x"]}))]
    ['number', 'category']
    """
    named = any(name != f"column {place}" for place, name in enumerate(table.names, start=1))
    scans = [
        Scan(name, table.decimal, unread=name in unread, index=named and place == 0 and name == "column 1")
        for place, name in enumerate(table.names)
    ]
    for batch in table.batches():
        for one, values in zip(scans, batch.columns, strict=True):
            one.add(values)
    if not scans or not scans[0].rows:
        raise DataError(f"{table.name}: the table has no rows")
    chosen = choices or {}
    return tuple(one.column(chosen.get(one.name, ""), is_target=one.name in targets) for one in scans)


class Scan:
    """Looks at a column, a batch of values at a time."""

    def __init__(self, name: str, decimal: str = ".", *, unread: bool = False, index: bool = False) -> None:
        self.name, self.rows = name, 0
        self._decimal, self._unread = decimal, unread
        self._index = index or bool(_INDEX.fullmatch(name))
        self._missing = self._numbers = self._infinite = 0
        self._strange = ""  # the type of an unread column that no column of features can have
        self._order: tuple[str, ...] | None = None  # of a categorical type that has one
        self._levels: Counter[Any] = Counter()
        self._length = 0  # of the levels
        self._full = False  # whether there are more levels than are kept
        self._types: set[str] = set()
        self._low, self._high = math.inf, -math.inf
        self._apart: Counter[float] = Counter()  # what may be sentinels
        self._whole = self._rising = True
        self._last = -math.inf
        self._dates = Spans()
        self._zoned: bool | None = None

    def add(self, values: pa.Array) -> None:
        """Take in the next values."""
        import pyarrow as pa
        import pyarrow.compute as pc

        self.rows += len(values)
        try:
            known = plain(values, self.name).drop_null()
        except DataError:
            if not self._unread:
                raise
            self._strange = str(values.type)
            return
        if pa.types.is_dictionary(values.type):
            self._note_order(values)
        kind = known.type
        if pa.types.is_floating(kind):
            finite = pc.invert(pc.is_inf(known))
            self._infinite += len(known) - (pc.sum(finite).as_py() or 0)
            known = known.filter(finite)
        self._missing += len(values) - len(known)
        if not len(known):
            return
        typed = {pa.types.is_boolean: "boolean", pa.types.is_timestamp: "date", is_text: "text"}
        self._types.add(next((name for is_kind, name in typed.items() if is_kind(kind)), "number"))
        if not self._full:
            counts = levels_of(known).value_counts()
            for text, n in zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True):
                if text not in self._levels:
                    self._length += len(text)
                self._levels[text] += n
            self._full = len(self._levels) > MOST_LEVELS or self._length > MOST_TEXT
        if pa.types.is_timestamp(kind):
            self._dates.add(seconds_of(known, ()))
            self._zoned = zoned_in(values)
        else:
            numbers = numbers_of(known, self._decimal)
            self._look_at(numbers[~np.isnan(numbers)])

    def _note_order(self, values: pa.DictionaryArray) -> None:
        """Keep the order of a categorical type, if it has one and all batches the same."""
        order: tuple[str, ...] = ()
        if values.type.ordered and is_text(values.type.value_type):
            order = tuple(levels_of(plain(values.dictionary, self.name).drop_null()).to_pylist())
        self._order = order if self._order in (None, order) else ()

    def _look_at(self, numbers: NDArray[np.float64]) -> None:
        if not len(numbers):
            return
        self._numbers += len(numbers)
        self._whole = self._whole and bool((numbers == np.floor(numbers)).all())
        self._rising = self._rising and self._last < numbers[0] and bool((np.diff(numbers) > 0).all())
        self._last = float(numbers[-1])
        apart = np.isin(numbers, SENTINELS)
        self._apart.update(numbers[apart].tolist())
        if len(rest := numbers[~apart]):
            self._low, self._high = min(self._low, float(rest.min())), max(self._high, float(rest.max()))

    def _of_dates(self, made: Column) -> Column:
        span, fillers, n = self._dates.settled()
        why = f"{shown_days(fillers)} counted as missing" if fillers else ""
        return replace(
            made, kind="date", low=span.low, high=span.high, parts=span.varying, sentinels=fillers,
            missing=made.missing + n, why=why, zoned=self._zoned,
        )  # fmt: skip

    def column(self, choice: str = "", *, is_target: bool = False) -> Column:
        """Return what the column holds; of the kind chosen if one is.

        Raises
        ------
        DataError
            If the column cannot be of that kind.
        """
        made = Column(self.name, "text", self.rows, self._missing, len(self._levels), decimal=self._decimal)
        if self._strange:
            return replace(made, missing=0, why=f"values of type {self._strange}")
        if choice:
            return self._chosen(made, choice)
        if len(self._levels) <= 1:
            only = next(iter(self._levels), None)
            if only is not None and self._missing and not is_target:  # whether it is missing may matter
                why = f"every value that is not missing is {only}"
                return replace(made, kind="category", levels=(only,), why=why)
            why = "every value is missing" if only is None else f"every value is {only}"
            return replace(made, kind="constant", levels=tuple(self._levels), why=why)
        if self._is_boolean():
            return self._boolean(made)
        if self._types == {"date"}:
            return self._of_dates(made)
        known = self.rows - self._missing
        if self._order and set(self._levels) <= set(self._order):
            return self._in_order(made, self._order)
        if self._numbers and known - self._numbers - self._endless() <= STRAY_SHARE * known:
            if exact := self._exact(made, known, is_target=is_target):
                return exact
            return self._number(made, is_target=is_target)
        found = self._date(made) or self._category(made, known)
        return replace(found, levels=self._by_count()) if is_target and found.kind == "text" else found

    def _endless(self) -> int:
        """Return the number of infinite values that are written as text."""
        import pyarrow as pa

        if self._types != {"text"}:
            return 0
        marks = infinite_in(pa.array(list(self._levels), pa.string())).to_pylist()
        return sum(n for n, infinite in zip(self._levels.values(), marks, strict=True) if infinite)

    def _exact(self, made: Column, known: int, *, is_target: bool) -> Column | None:
        """Return a column of whole numbers as one of texts, if most of them would be equal as float64.

        Of a target that can be one of classes, no two may be.
        """
        lost = self._merged()
        few = is_target and len(self._levels) <= MOST_CLASSES
        if not lost or not (few or 2 * lost >= len(self._levels)):
            return None
        found = self._category(made, known)
        if is_target and found.kind != "category":
            return None
        why = "whole numbers beyond 2^53, which are told apart as texts"
        return replace(found, why=why if found.kind == "category" else f"{found.why}, {why}")

    def _merged(self) -> int:
        """Return how many of the different values equal another one as float64."""
        import pyarrow as pa

        if self._full or not self._whole or max(abs(self._low), abs(self._high)) <= EXACT:
            return 0
        numbers = numbers_of(pa.array(list(self._levels), pa.string()), self._decimal)
        known = numbers[~np.isnan(numbers)]
        return len(known) - len(np.unique(known))

    def _chosen(self, made: Column, choice: str) -> Column:
        kind = choice.removesuffix(":") if choice.startswith(ORDERED) else choice
        if kind == "text":
            return replace(made, why="left out because it was chosen to be text")
        if kind == "number" and self._numbers and self._types != {"date"}:
            return replace(self._number(made, is_target=True), sure=True)
        if kind == "date":
            found = self._of_dates(made) if self._types == {"date"} else None
            if found := found or self._date(made):
                return replace(found, sure=True, why="")
        if kind == "boolean" and len({level.lower() for level in self._levels}) == 2:
            return self._boolean(made)
        if kind == "category" and not self._full and self._levels:
            return replace(made, kind="category", levels=self._by_count())
        if choice.startswith(ORDERED):
            return self._in_order(made, tuple(level.strip() for level in choice.removeprefix(ORDERED).split("<")))
        if kind == "ordered" and not self._full and self._levels:
            return self._in_order(made, order_of(self._levels) or self._by_size())
        reason = {
            "number": "it has no numbers",
            "date": "its values are no dates in a known format",
            "boolean": f"it has {len(self._levels):,} different values, not two",
        }.get(kind, f"it has more than {MOST_LEVELS:,} different values" if self._full else "every value is missing")
        raise DataError(f"column {self.name!r} cannot be of kind {kind}: {reason}")

    def _in_order(self, made: Column, order: tuple[str, ...]) -> Column:
        if len(set(order)) < 2 or len(set(order)) < len(order) or not set(order) & set(self._levels):
            values = "<".join(list(self._by_count())[:4])
            raise DataError(
                f"column {self.name!r}: the order of its values is not known; give it, each value once, as in "
                f"{ORDERED}{values}"
            )
        unseen = [level for level in self._by_count() if level not in order]
        why = f"{', '.join(unseen[:5])} not in the order" if unseen else ""
        return replace(made, kind="ordered", levels=order, why=why)

    def _by_count(self) -> tuple[str, ...]:
        return tuple(sorted(self._levels, key=lambda level: (-self._levels[level], level)))

    def _by_size(self) -> tuple[str, ...]:
        """Return levels that are all numbers by size; empty if one is not."""
        import pyarrow as pa

        levels = list(self._levels)
        numbers = numbers_of(pa.array(levels, pa.string()), self._decimal)
        return () if np.isnan(numbers).any() else tuple(levels[k] for k in np.argsort(numbers, kind="stable"))

    def _is_boolean(self) -> bool:
        words = {level.lower() for level in self._levels}
        return words in _BOOLEANS

    def _boolean(self, made: Column) -> Column:
        """Return the column with two levels, each in its most frequent spelling; false comes first."""
        spelled: dict[str, str] = {}
        for level in self._by_count():
            spelled.setdefault(level.lower(), level)
        order = sorted(spelled, key=lambda word: (word in TRUTHS[1], word))
        return replace(made, kind="boolean", distinct=2, levels=tuple(spelled[word] for word in order))

    def _number(self, made: Column, *, is_target: bool) -> Column:
        apart = self._sentinels()
        low, high = min([self._low, *(self._apart - apart)]), max([self._high, *(self._apart - apart)])
        strays = self.rows - self._missing - self._numbers
        endless = ["infinity"] if self._infinite else []
        lost = ", ".join([*(f"{value:g}" for value in apart), *endless, *self._strays()])
        made = replace(
            made, kind="number", low=low, high=high, whole=self._whole, sentinels=tuple(apart),
            missing=made.missing + strays + sum(apart.values()), distinct=made.distinct - len(apart),
            why=f"{lost} counted as missing" if lost else "",
        )  # fmt: skip
        if merged := self._merged():
            why = f"{merged:,} of {made.distinct:,} different numbers beyond 2^53 are rounded to another one"
            made = replace(made, why=f"{made.why}; {why}" if made.why else why)
        if self._whole and self._all_different() and self._numbers > 20 and not is_target:
            if self._rising and high - low == self._numbers - 1:
                return replace(made, kind="identifier", why="it numbers the rows")
            if self._index:
                return replace(made, kind="identifier", sure=False, why="it is the index of a frame of pandas")
            if _IDENTIFIER.search(self.name):
                return replace(made, kind="identifier", sure=False, why="a whole number that differs in every row")
        return made

    def _sentinels(self) -> Counter[float]:
        """Return the numbers that stand for a missing value: the only one below, or above, far from all others."""
        if self._low >= self._high:
            return Counter()
        span = self._high - self._low
        below = [value for value in self._apart if value < self._low]
        above = [value for value in self._apart if value > self._high]
        found = [value for value in below if len(below) == 1 and self._low - value > span]
        found += [v for v in above if len(above) == 1 and self._apart[v] > 1 and 10.0 * max(abs(self._high), 1.0) < v]
        return Counter({value: self._apart[value] for value in found if len(below) + len(above) == len(self._apart)})

    def _strays(self) -> list[str]:
        """Return the most frequent texts that are no numbers."""
        import pyarrow as pa

        if self._numbers == self.rows - self._missing:
            return []
        texts = self._by_count()
        numbers = numbers_of(pa.array(texts, pa.string()), self._decimal)
        return [repr(text) for text, number in zip(texts, numbers, strict=True) if np.isnan(number)][:5]

    def _date(self, made: Column) -> Column | None:
        import pyarrow as pa

        texts = list(self._levels)
        formats = formats_of(texts[:1000], 1.0 - STRAY_SHARE)
        seconds = seconds_of(pa.array(texts, pa.string()), formats)
        known = seconds[~np.isnan(seconds)]
        if not formats or len(known) < (1.0 - STRAY_SHARE) * len(texts):
            return None
        turned = [other_way(each) for each in formats]
        unsure = turned != list(formats) and len(formats_of(texts[:1000], 1.0)) > 0
        unsure = unsure and not np.isnan(seconds_of(pa.array(texts[:1000], pa.string()), turned)).any()
        fillers = fillers_of(seconds)
        filled = np.isin(day_of(seconds), fillers)
        known = seconds[~np.isnan(seconds) & ~filled]
        whys = [f"{shown_days(fillers)} counted as missing"] if fillers else []
        whys += ["day and month could be the other way round"] if unsure else []
        return replace(
            made, kind="date", low=float(known.min()), high=float(known.max()), formats=formats,
            parts=varying(known), sure=not unsure, sentinels=fillers, why="; ".join(whys),
            zoned=zoned_in(pa.array(texts, pa.string())),
            missing=made.missing + sum(self._levels[texts[k]] for k in np.flatnonzero(filled)),
        )  # fmt: skip

    def _category(self, made: Column, known: int) -> Column:
        levels = self._by_count()
        if self._all_different() and known > 20 and not any(" " in level for level in levels[:1000]):
            return replace(made, kind="identifier", why="a different text in every row")
        if self._full or (len(levels) > TEXT_LEVELS and len(levels) > TEXT_SHARE * known):
            return replace(made, why=f"{len(levels):,} different texts in {known:,} rows")
        order = order_of(levels)
        return replace(made, kind="ordered" if order else "category", levels=order or levels)

    def _all_different(self) -> bool:
        return max(self._levels.values(), default=0) == 1
