"""Ranges of one hyperparameter: five distributions and their scales; `parsing` reads their text forms.

A distribution maps numbers u between 0 and 1 to values, and values back to such numbers: its own scale, on which ranges
are narrowed and laid out as a grid. It draws nothing itself. The sampler supplies u, so the same distribution serves
random, quasi-random and regular points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastnet.config.text import format_number
from fastnet.errors import ConfigError
from fastnet.tuning.space.arithmetic import Floats, log_ratio, round_to_six_digits, scaled_exp, snapped
from fastnet.tuning.space.names import Value

LARGEST_INT = 2**31 - 1
"""Ends of whole-number ranges lie between minus and plus this."""

Values: TypeAlias = NDArray[Any]
"""Float64 for numbers, int64 for whole numbers, objects for texts."""


class Distribution(Protocol):
    """What every distribution can do; ``str()`` of it is the text that `parse_distribution` reads."""

    def sample(self, u: Floats) -> Values:
        """Map `u`, float64 in (0, 1) of any shape, to values of the same shape."""

    def position(self, values: Sequence[Value] | Values) -> Floats:
        """Map values back to float64 in [0, 1] of the same shape; a value outside the range maps to its nearer end.

        A whole number or a choice stands for all the u that map to it, and returns their middle.
        """

    def between(self, low_u: float, high_u: float) -> Distribution:
        """Return the part from `low_u` to `high_u`, ``low_u < high_u``.

        Below 0 and above 1 the range continues beyond its end on the same scale; a choice has nothing there. If a
        single value is left, the result is a `Choice` of it.
        """

    def levels(self, n: int) -> list[Value]:
        """List `n` values from end to end, evenly on the scale of the distribution; fewer if there are no more."""

    def extremes(self) -> tuple[Value, ...]:
        """Return the values that decide whether all are allowed: both ends, or every choice."""


class _Range:
    """A range with two ends, ``low < high``, both included and finite."""

    __slots__ = ()

    form: ClassVar[str]
    low: Any
    high: Any

    def __str__(self) -> str:
        return f"{self.form}:{text_of(self.low)}:{text_of(self.high)}"

    def position(self, values: Sequence[Value] | Values) -> Floats:
        """Map values back to float64 in [0, 1], each whole number to the middle of its share."""
        return np.clip(self._place(np.asarray(values, dtype=np.float64)), 0.0, 1.0)

    def extremes(self) -> tuple[Value, ...]:
        """Return both ends."""
        return self.low, self.high

    def _place(self, values: Floats) -> Floats:
        """Return where values lie on the scale, 0 at the lower end and 1 at the upper."""
        raise NotImplementedError


class _RealRange(_Range):
    """A range of numbers that are rounded to six significant digits."""

    __slots__ = ()

    limits: ClassVar[tuple[float, float]] = (-1e300, 1e300)

    def sample(self, u: Floats) -> Floats:
        """Map `u`, float64 in (0, 1) of any shape, to values of the same shape in ``[low, high]``."""
        return np.clip(round_to_six_digits(self._at(u)), self.low, self.high)

    def between(self, low_u: float, high_u: float) -> Distribution:
        """Return the part from `low_u` to `high_u`; beyond 0 and 1 the range continues on its scale."""
        with np.errstate(over="ignore", under="ignore"):
            low, high = np.clip(self._at(np.array([low_u, high_u])), *self.limits).tolist()
        return _range(type(self), float(f"{low:.6g}"), float(f"{high:.6g}"))

    def levels(self, n: int) -> list[Value]:
        """List `n` values from end to end, equally far apart on the scale."""
        return _distinct(self.sample(np.linspace(0.0, 1.0, n)))

    def _at(self, u: Floats) -> Floats:
        """Return the exact values at `u`, also below 0 and above 1."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class LogUniform(_RealRange):
    """Values whose logarithm is uniform, the book's way to search over powers of ten.

    Parameters
    ----------
    low, high : float
        Ends of the range, ``0 < low < high``.

    Notes
    -----
    ``low * (high / low)**u``, rounded to 6 significant digits. The exponential is computed with additions,
    multiplications and one power of two only, so every machine gets the same value. The book writes
    ``10 ** np.random.uniform(-6, -2)`` (*Deep Learning from Scratch*, section 6.5.3).

    Examples
    --------
    >>> import numpy as np
    >>> book = LogUniform(1e-6, 1e-2)
    >>> str(book), str(book.between(0.5, 1.25))
    ('log:1e-06:0.01', 'log:0.0001:0.1')
    >>> book.sample(np.array([0.25, 0.5, 0.75])).tolist(), book.position([1e-5, 1e-4]).round(9).tolist()
    ([1e-05, 0.0001, 0.001], [0.25, 0.5])
    >>> book.levels(3)
    [1e-06, 0.0001, 0.01]
    """

    form = "log"
    limits = (1e-300, 1e300)
    low: float
    high: float

    def __post_init__(self) -> None:
        _check_ends(self.low, self.high)
        if self.low <= 0:
            raise ConfigError(
                f"the lower end {text_of(self.low)} must be greater than 0 on a log scale; or use uniform"
            )

    def _place(self, values: Floats) -> Floats:
        places: Floats = np.log(np.maximum(values, self.low) / self.low) / log_ratio(self.low, self.high)
        return places

    def _at(self, u: Floats) -> Floats:
        return scaled_exp(self.low, u * log_ratio(self.low, self.high))


@dataclass(frozen=True, slots=True)
class Uniform(_RealRange):
    """Values spread evenly over a range.

    Parameters
    ----------
    low, high : float
        Ends of the range, ``low < high``.

    Examples
    --------
    >>> import numpy as np
    >>> rates = Uniform(0.0, 0.5)
    >>> str(rates), str(rates.between(0.5, 1.5))
    ('uniform:0:0.5', 'uniform:0.25:0.75')
    >>> rates.sample(np.array([0.25, 1 / 3])).tolist(), rates.position([0.125]).tolist()
    ([0.125, 0.166667], [0.25])
    """

    form = "uniform"
    low: float
    high: float

    def __post_init__(self) -> None:
        _check_ends(self.low, self.high)

    def _place(self, values: Floats) -> Floats:
        return (values - self.low) / (self.high - self.low)

    def _at(self, u: Floats) -> Floats:
        return self.low + u * (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Int(_Range):
    """Whole numbers, each as likely as the others.

    Parameters
    ----------
    low, high : int
        Ends of the range, ``low < high``, both included.

    Examples
    --------
    >>> import numpy as np
    >>> depths = Int(1, 4)
    >>> str(depths), str(depths.between(0.5, 1.25)), str(depths.between(0.0, 0.25))
    ('int:1:4', 'int:3:5', 'choice:1')
    >>> depths.sample(np.array([0.2, 0.26, 0.99])).tolist(), depths.position([1, 4]).tolist()
    ([1, 2, 4], [0.125, 0.875])
    """

    form = "int"
    low: int
    high: int

    def __post_init__(self) -> None:
        _check_whole_ends(self.low, self.high)

    def sample(self, u: Floats) -> Values:
        """Map `u`, float64 in (0, 1) of any shape, to int64 of the same shape: ``low + floor(u (high - low + 1))``."""
        return np.minimum(self.low + np.floor(u * self._count).astype(np.int64), self.high)

    def between(self, low_u: float, high_u: float) -> Distribution:
        """Return the numbers whose shares lie, wholly or in part, between `low_u` and `high_u`."""
        low = self.low + math.floor(snapped(low_u * self._count))
        high = self.low + math.ceil(snapped(high_u * self._count)) - 1
        return _range(Int, low, max(low, high))

    def levels(self, n: int) -> list[Value]:
        """List `n` numbers from end to end, as equally far apart as whole numbers can be."""
        return _distinct(np.rint(np.linspace(self.low, self.high, n)).astype(np.int64))

    def _place(self, values: Floats) -> Floats:
        return (values - self.low + 0.5) / self._count

    @property
    def _count(self) -> int:
        return self.high - self.low + 1


@dataclass(frozen=True, slots=True)
class LogInt(_Range):
    """Whole numbers on a log scale: 1, 2 to 3, 4 to 7, ... are equally likely.

    Parameters
    ----------
    low, high : int
        Ends of the range, ``1 <= low < high``, both included.

    Notes
    -----
    ``floor(low * ((high + 1) / low)**u)``: the number k has the probability ``log((k + 1) / k)`` over
    ``log((high + 1) / low)``.

    Examples
    --------
    >>> import numpy as np
    >>> widths = LogInt(16, 255)
    >>> str(widths), str(widths.between(0.25, 0.75)), str(widths.between(0.5, 1.25))
    ('logint:16:255', 'logint:32:127', 'logint:64:511')
    >>> widths.sample(np.array([0.01, 0.51, 0.99])).tolist()
    [16, 65, 248]
    """

    form = "logint"
    low: int
    high: int

    def __post_init__(self) -> None:
        _check_whole_ends(self.low, self.high)
        if self.low < 1:
            raise ConfigError(f"the lower end {self.low} must be at least 1 on a log scale; or use int")

    def sample(self, u: Floats) -> Values:
        """Map `u`, float64 in (0, 1) of any shape, to int64 of the same shape from `low` to `high`."""
        return np.clip(np.floor(self._at(u)).astype(np.int64), self.low, self.high)

    def between(self, low_u: float, high_u: float) -> Distribution:
        """Return the numbers whose shares lie, wholly or in part, between `low_u` and `high_u`."""
        below, above = (snapped(value) for value in self._at(np.array([low_u, high_u])).tolist())
        low = max(1, math.floor(below))
        return _range(LogInt, low, max(low, math.ceil(above) - 1))

    def levels(self, n: int) -> list[Value]:
        """List at most `n` numbers from end to end, as nearly the same factor apart as whole numbers can be."""
        exact = scaled_exp(self.low, np.linspace(0.0, 1.0, n) * log_ratio(self.low, self.high))
        return _distinct(np.rint(exact).astype(np.int64))

    def _place(self, values: Floats) -> Floats:
        numbers = np.maximum(values, 1.0)
        middle = 0.5 * (np.log(numbers / self.low) + np.log((numbers + 1.0) / self.low))
        places: Floats = middle / log_ratio(self.low, self.high + 1)
        return places

    def _at(self, u: Floats) -> Floats:
        return scaled_exp(self.low, u * log_ratio(self.low, self.high + 1))


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few values, each as likely as the others.

    Parameters
    ----------
    values : tuple of float, int or str
        At least one, all different, finite numbers or texts; they are used as written, without rounding.

    Examples
    --------
    >>> import numpy as np
    >>> rates = Choice((0.0, 0.2, 0.5))
    >>> str(rates), str(rates.between(0.4, 1.5))
    ('choice:0,0.2,0.5', 'choice:0.2,0.5')
    >>> rates.sample(np.array([0.1, 0.5, 0.99])).tolist()
    [0.0, 0.2, 0.5]
    >>> Choice(("sgd", "adam")).sample(np.array([0.7, 0.2])).tolist(), Choice(("sgd", "adam")).position(["adam"])
    (['adam', 'sgd'], array([0.75]))
    """

    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ConfigError("a choice needs at least one value, such as choice:0,0.5")
        seen: set[Value] = set()
        for value in self.values:
            if not isinstance(value, str):
                _check_finite(value)
            if value in seen:
                raise ConfigError(f"the value {text_of(value)} is listed more than once; write each value once")
            seen.add(value)

    def __str__(self) -> str:
        return "choice:" + ",".join(text_of(value) for value in self.values)

    def sample(self, u: Floats) -> Values:
        """Map `u`, float64 in (0, 1) of any shape, to values of the same shape out of `values`."""
        which = np.minimum((u * len(self.values)).astype(np.int64), len(self.values) - 1)
        texts = any(isinstance(value, str) for value in self.values)
        return np.array(self.values, dtype=object if texts else None)[which]

    def position(self, values: Sequence[Value] | Values) -> Floats:
        """Map values, each one of `values`, back to float64 in [0, 1], to the middle of its share."""
        places = {value: (place + 0.5) / len(self.values) for place, value in enumerate(self.values)}
        given = np.asarray(values, dtype=object)
        return np.array([places[value] for value in given.ravel().tolist()], np.float64).reshape(given.shape)

    def between(self, low_u: float, high_u: float) -> Distribution:
        """Return the choices whose shares lie, wholly or in part, between `low_u` and `high_u`; at least one."""
        n = len(self.values)
        first = min(max(0, math.floor(snapped(low_u * n))), n - 1)
        return Choice(self.values[first : max(first + 1, math.ceil(snapped(high_u * n)))])

    def levels(self, n: int) -> list[Value]:
        """List all values, whatever `n`."""
        return list(self.values)

    def extremes(self) -> tuple[Value, ...]:
        """Return every value."""
        return self.values


def text_of(value: Value) -> str:
    """Return the shortest spelling of `value` that reads back as the same value.

    Examples
    --------
    >>> text_of(0.5), text_of(1e-8), text_of(100), text_of("sgd")
    ('0.5', '1e-08', '100', 'sgd')
    """
    return format_number(value) if isinstance(value, float) else str(value)


def _distinct(values: Values) -> list[Value]:
    return list(dict.fromkeys(values.tolist()))


def _range(build: Any, low: Value, high: Value) -> Distribution:
    made: Distribution = Choice((low,)) if low == high else build(low, high)
    return made


def _check_finite(value: float) -> None:
    if not math.isfinite(value):
        raise ConfigError(f"{value} is not a finite number")


def _check_ends(low: float, high: float) -> None:
    _check_finite(low)
    _check_finite(high)
    if low == high:
        raise ConfigError(f"both ends are {text_of(low)}; write choice:{text_of(low)} for one fixed value")
    if low > high:
        raise ConfigError(f"the lower end {text_of(low)} is above the upper end {text_of(high)}; swap them")


def _check_whole_ends(low: int, high: int) -> None:
    for end in (low, high):
        if not -LARGEST_INT <= end <= LARGEST_INT:
            raise ConfigError(f"the end {end} is out of range; whole numbers go from {-LARGEST_INT} to {LARGEST_INT}")
    _check_ends(low, high)
