"""Numbers over seeds: mean, standard deviation, interval, and their text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
"""Confidence of the intervals of means."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A number measured once for each seed.

    Parameters
    ----------
    values : tuple of float
        One for each seed; NaN if the training diverged.
    mean, sd : float
        Mean and sample standard deviation of the finite values; NaN if there are too few.
    low, high : float
        Student's 95 % interval of the mean; NaN without a standard deviation.
    """

    values: tuple[float, ...]
    mean: float
    sd: float
    low: float
    high: float

    @property
    def n(self) -> int:
        """The number of finite values."""
        return sum(math.isfinite(value) for value in self.values)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values ready for JSON, None for NaN."""
        numbers = {"mean": self.mean, "sd": self.sd, "low": self.low, "high": self.high}
        return {"values": plain(self.values), **{name: plain(value) for name, value in numbers.items()}}

    def __str__(self) -> str:
        if not self.n:
            return "diverged"
        return f"{self.mean:z.3f}" if math.isnan(self.sd) else f"{self.mean:z.3f} ± {self.sd:z.3f}"


def spread(values: ArrayLike) -> Spread:
    """Summarise one value for each seed, (S,); NaN if the training diverged.

    >>> found = spread([0.80, 0.82, 0.84])
    >>> round(found.mean, 3), round(found.sd, 3), round(found.low, 3), round(found.high, 3)
    (0.82, 0.02, 0.77, 0.87)
    >>> str(found), str(spread([0.5]))
    ('0.820 ± 0.020', '0.500')
    """
    given = np.asarray(values, np.float64)
    good = given[np.isfinite(given)]
    mean = float(good.mean()) if len(good) else math.nan
    sd = low = high = math.nan
    if len(good) > 1:
        from scipy.special import stdtrit

        sd = float(good.std(ddof=1)) if np.ptp(good) > 0 else 0.0
        half = float(stdtrit(len(good) - 1, 0.5 + CONFIDENCE / 2)) * sd / math.sqrt(len(good))
        low, high = mean - half, mean + half
    return Spread(tuple(given.tolist()), mean, sd, low, high)


def difference(after: Spread, before: Spread) -> Spread:
    """Summarise the changes seed by seed.

    >>> str(difference(spread([0.8, 0.9]), spread([0.7, 0.8])))
    '0.100 ± 0.000'
    """
    return spread(np.subtract(after.values, before.values))


def clearly_above(found: Spread, least: float) -> bool:
    """Return whether the mean is at least `least` and, with two seeds or more, its interval is above 0.

    >>> clearly_above(spread([0.06, 0.07, 0.08]), 0.05), clearly_above(spread([0.0, 0.2]), 0.05)
    (True, False)
    """
    return found.mean >= least and (math.isnan(found.low) or found.low > 0.0)


def interval_text(found: Spread) -> str:
    """Write a mean with its interval.

    >>> interval_text(spread([0.80, 0.82, 0.84])), interval_text(spread([0.5]))
    ('0.820 (0.770 to 0.870)', '0.500')
    """
    if math.isnan(found.low):
        return "diverged" if math.isnan(found.mean) else f"{found.mean:z.3f}"
    return f"{found.mean:z.3f} ({found.low:z.3f} to {found.high:z.3f})"


def plain(value: Any) -> Any:
    """Convert to values for JSON: six digits of every number, None for NaN, lists for arrays.

    >>> plain({"a": np.array([1 / 3, np.nan]), "b": (1, "x", True)})
    {'a': [0.333333, None], 'b': [1, 'x', True]}
    """
    if isinstance(value, Spread):
        return value.to_dict()
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, str) or not isinstance(value, Iterable):
        return value
    return [plain(item) for item in value]
