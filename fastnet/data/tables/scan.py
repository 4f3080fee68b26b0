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

from fastnet.data.tables.cells import formats_of, is_text, levels_of, numbers_of, order_of, other_way, plain, seconds_of
from fastnet.data.tables.columns import ORDERED, Column
from fastnet.data.tables.dates import PARTS, part_of, varying
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

_BOOLEANS = ({"yes", "no"}, {"y", "n"}, {"true", "false"}, {"t", "f"}, {"on", "off"}, {"0", "1"})
_IDENTIFIER = re.compile(r"(^|[\s_.-])(id|key|uuid|guid|index|no|nr|number|num)$|[a-z]I[dD]$", re.IGNORECASE)


def scan(table: Table, choices: Mapping[str, str] | None = None, targets: Sequence[str] = ()) -> tuple[Column, ...]:
    """Look at every column of a table, reading it once.

    `choices` has the kinds of some columns. Those among `targets` are no identifiers if they have numbers, and keep
    their levels if they are text.

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
    scans = [Scan(name, table.decimal) for name in table.names]
    for batch in table.batches():
        for one, values in zip(scans, batch.columns, strict=True):
            one.add(values)
    if not scans or not scans[0].rows:
        raise DataError(f"{table.name}: the table has no rows")
    chosen = choices or {}
    return tuple(one.column(chosen.get(one.name, ""), is_target=one.name in targets) for one in scans)


class Scan:
    """Looks at a column, a batch of values at a time."""

    def __init__(self, name: str, decimal: str = ".") -> None:
        self.name, self.rows = name, 0
        self._decimal = decimal
        self._missing = self._numbers = 0
        self._levels: Counter[Any] = Counter()
        self._length = 0  # of the levels
        self._full = False  # whether there are more levels than are kept
        self._types: set[str] = set()
        self._low, self._high = math.inf, -math.inf
        self._apart: Counter[float] = Counter()  # what may be sentinels
        self._whole = self._rising = True
        self._last = -math.inf
        self._parts: dict[str, tuple[float, float]] = {}  # lowest and highest of each part of typed dates

    def add(self, values: pa.Array) -> None:
        """Take in the next values."""
        import pyarrow as pa

        self.rows += len(values)
        known = plain(values, self.name).drop_null()
        self._missing += len(values) - len(known)
        if not len(known):
            return
        kind = known.type
        typed = {pa.types.is_boolean: "boolean", pa.types.is_timestamp: "date", is_text: "text"}
        self._types.add(next((name for is_kind, name in typed.items() if is_kind(kind)), "number"))
        if not self._full:
            counts = levels_of(known).value_counts()
            for text, n in zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True):
                if text not in self._levels:
                    self._length += len(text)
                self._levels[text] += n
            self._full = len(self._levels) > MOST_LEVELS or self._length > MOST_TEXT
        if is_date := pa.types.is_timestamp(kind):
            self._look_at_dates(seconds_of(known, ()))
        numbers = seconds_of(known, ()) if is_date else numbers_of(known, self._decimal)
        self._look_at(numbers[~np.isnan(numbers)])

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

    def _look_at_dates(self, seconds: NDArray[np.float64]) -> None:
        for part in PARTS:
            found = part_of(seconds, part)
            low, high = self._parts.get(part, (math.inf, -math.inf))
            self._parts[part] = min(low, float(found.min())), max(high, float(found.max()))

    def _of_dates(self, made: Column) -> Column:
        parts = tuple(part for part, (low, high) in self._parts.items() if low < high)
        return replace(made, kind="date", low=self._low, high=self._high, parts=parts)

    def column(self, choice: str = "", *, is_target: bool = False) -> Column:
        """Return what the column holds; of the kind chosen if one is.

        Raises
        ------
        DataError
            If the column cannot be of that kind.
        """
        made = Column(self.name, "text", self.rows, self._missing, len(self._levels), decimal=self._decimal)
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
        if self._numbers and known - self._numbers <= STRAY_SHARE * known:
            found = self._number(made)
            return replace(found, kind="number", why="") if is_target and found.kind == "identifier" else found
        found = self._date(made) or self._category(made, known)
        return replace(found, levels=self._by_count()) if is_target and found.kind == "text" else found

    def _chosen(self, made: Column, choice: str) -> Column:
        kind = choice.removesuffix(":") if choice.startswith(ORDERED) else choice
        if kind == "text":
            return replace(made, why="left out because it was chosen to be text")
        if kind == "number" and self._numbers and self._types != {"date"}:
            return replace(self._number(made), kind="number", sure=True)
        if kind == "date":
            found = self._of_dates(made) if self._types == {"date"} else None
            if found := found or self._date(made):
                return replace(found, sure=True, why="")
        if kind == "boolean" and len(self._levels) == 2:
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
        return len(self._levels) == 2 and {level.lower() for level in self._levels} in _BOOLEANS

    def _boolean(self, made: Column) -> Column:
        return replace(made, kind="boolean", levels=tuple(sorted(self._levels, key=str.lower)))

    def _number(self, made: Column) -> Column:
        apart = self._sentinels()
        low, high = min([self._low, *(self._apart - apart)]), max([self._high, *(self._apart - apart)])
        strays = self.rows - self._missing - self._numbers
        lost = ", ".join([*(f"{value:g}" for value in apart), *self._strays()])
        made = replace(
            made, kind="number", low=low, high=high, whole=self._whole, sentinels=tuple(apart),
            missing=made.missing + strays + sum(apart.values()), distinct=made.distinct - len(apart),
            why=f"{lost} counted as missing" if lost else "",
        )  # fmt: skip
        if self._whole and self._all_different() and self._numbers > 20:
            if self._rising and high - low == self._numbers - 1:
                return replace(made, kind="identifier", why="it numbers the rows")
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
        return replace(
            made, kind="date", low=float(known.min()), high=float(known.max()), formats=formats,
            parts=varying(known), sure=not unsure,
            why="day and month could be the other way round" if unsure else "",
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
