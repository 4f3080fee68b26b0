"""Parts of dates: numbers in which a day, a week or a year repeats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DAY = 86400.0
PARTS = ("year", "month", "day", "weekday", "hour")


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


def varying(seconds: NDArray[np.float64]) -> tuple[str, ...]:
    """Return the parts that are not the same in all dates.

    Examples
    --------
    >>> varying(np.array([0.0, 86400.0]))
    ('day', 'weekday')
    """
    known = seconds[~np.isnan(seconds)]
    return tuple(part for part in PARTS if len(known) and np.ptp(part_of(known, part)) > 0)
