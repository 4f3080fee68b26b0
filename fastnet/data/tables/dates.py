"""Parts of dates: numbers in which a day, a week or a year repeats."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

DAY = 86400.0
YEAR = 365.0 * DAY
PARTS = ("year", "month", "day", "weekday", "hour")

_FILLERS = (
    *("0001-01-01", "0001-01-03", "1582-10-15", "1601-01-01", "1753-01-01", "1899-12-30", "1899-12-31", "1900-01-01"),
    *("1901-01-01", "1904-01-01", "1970-01-01", "2037-12-31", "2038-01-19", "2049-12-31", "2050-12-31", "2099-12-31"),
    *("2199-12-31", "2299-12-31", "2500-12-31", "2999-12-31", "3000-01-01", "3999-12-31", "4712-12-31", "8888-12-31"),
    *("9000-12-31", "9998-12-31", "9999-01-01", "9999-09-09", "9999-12-30", "9999-12-31"),
)
FILLERS = np.array([*_FILLERS], "datetime64[s]").astype(np.float64)
"""First seconds of days that stand for a missing date where they are far from all others."""


def part_of(seconds: NDArray[np.float64], part: str) -> NDArray[np.float64]:
    """Return a part of dates.

    Parameters
    ----------
    seconds : ndarray, shape (N,)
        Unix time; NaN where a date is missing.
    part : str
        One of `PARTS`; weekdays count from 0 for Monday.

    Examples
    --------
    >>> part_of(np.array([86400.0 + 7200.0, np.nan]), "day")
    array([ 2., nan])
    """
    known = ~np.isnan(seconds)
    made = np.full(len(seconds), np.nan)
    days = np.floor(seconds[known] / DAY)
    whole = days.astype(np.int64).astype("datetime64[D]")
    if part == "year":
        found = whole.astype("datetime64[Y]").astype(np.int64) + 1970
    elif part == "month":
        found = whole.astype("datetime64[M]").astype(np.int64) % 12 + 1
    elif part == "day":
        found = (whole - whole.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1
    elif part == "weekday":
        found = (days.astype(np.int64) + 3) % 7
    else:
        found = np.floor((seconds[known] - days * DAY) / 3600.0).astype(np.int64)
    made[known] = found
    return made


def day_of(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the first second of the day of each date.

    Examples
    --------
    >>> day_of(np.array([86400.0 + 7200.0]))
    array([86400.])
    """
    return np.floor(seconds / DAY) * DAY


def fillers_of(seconds: NDArray[np.float64]) -> tuple[float, ...]:
    """Return the days that stand for a missing date: the usual ones that are farther from all others than these span.

    Examples
    --------
    >>> days = np.array(["2024-05-01", "2024-06-01", "9999-12-31"], "datetime64[s]").astype(np.float64)
    >>> [str(np.datetime64(int(day), "s")) for day in fillers_of(days)], fillers_of(days[:2])
    (['9999-12-31T00:00:00'], ())
    """
    days = day_of(seconds[~np.isnan(seconds)])
    usual = np.isin(days, FILLERS)
    rest = days[~usual]
    if not len(rest):
        return ()
    low, high = rest.min(), rest.max()
    far = max(high - low, YEAR)
    return tuple(float(day) for day in np.unique(days[usual]) if day < low - far or day > high + far)


def varying(seconds: NDArray[np.float64]) -> tuple[str, ...]:
    """Return the parts that are not the same in all dates.

    Examples
    --------
    >>> varying(np.array([0.0, 86400.0]))
    ('day', 'weekday')
    """
    known = seconds[~np.isnan(seconds)]
    return tuple(part for part in PARTS if len(known) and np.ptp(part_of(known, part)) > 0)


@dataclass(slots=True)
class Span:
    """Number, range and parts of dates that come a batch at a time.

    Examples
    --------
    >>> span = Span()
    >>> span.add(np.array([0.0]))
    >>> span.add(np.array([86400.0]))
    >>> span.rows, span.high, span.varying
    (2, 86400.0, ('day', 'weekday'))
    """

    rows: int = 0
    low: float = math.inf
    high: float = -math.inf
    parts: dict[str, tuple[float, float]] = field(default_factory=dict)

    def add(self, seconds: NDArray[np.float64]) -> None:
        """Take in dates, none of them missing."""
        if len(seconds):
            self.rows += len(seconds)
            self._widen(float(seconds.min()), float(seconds.max()))
            for part in PARTS:
                found = part_of(seconds, part)
                self._widen_part(part, float(found.min()), float(found.max()))

    def join(self, other: Span) -> None:
        """Take in the dates of another span."""
        self.rows += other.rows
        self._widen(other.low, other.high)
        for part, (low, high) in other.parts.items():
            self._widen_part(part, low, high)

    @property
    def varying(self) -> tuple[str, ...]:
        """The parts that are not the same in all dates."""
        return tuple(part for part, (low, high) in self.parts.items() if low < high)

    def _widen(self, low: float, high: float) -> None:
        self.low, self.high = min(self.low, low), max(self.high, high)

    def _widen_part(self, part: str, low: float, high: float) -> None:
        least, most = self.parts.get(part, (math.inf, -math.inf))
        self.parts[part] = min(least, low), max(most, high)


class Spans:
    """Dates that come a batch at a time, those of each day that may stand for a missing one apart."""

    def __init__(self) -> None:
        self._rest = Span()
        self._usual: dict[float, Span] = {}

    def add(self, seconds: NDArray[np.float64]) -> None:
        """Take in dates, none of them missing."""
        days = day_of(seconds)
        usual = np.isin(days, FILLERS)
        self._rest.add(seconds[~usual])
        for day in np.unique(days[usual]):
            self._usual.setdefault(float(day), Span()).add(seconds[days == day])

    def settled(self) -> tuple[Span, tuple[float, ...], int]:
        """Return the span of the dates, the days that stand for a missing one, and how many of the dates these are."""
        fillers: tuple[float, ...] = ()
        if self._rest.rows:
            fillers = fillers_of(np.array([self._rest.low, self._rest.high, *self._usual]))
        whole = Span()
        for span in (self._rest, *(span for day, span in self._usual.items() if day not in fillers)):
            whole.join(span)
        return whole, fillers, sum(self._usual[day].rows for day in fillers)


def shown_days(days: tuple[float, ...]) -> str:
    """Write days, for a message.

    Examples
    --------
    >>> shown_days((0.0,))
    '1970-01-01'
    """
    return ", ".join(str(np.datetime64(int(day), "s"))[:10] for day in days)
