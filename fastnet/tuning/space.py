"""Ranges of hyperparameters: distributions, their text forms, and the space that names them.

A distribution turns numbers between 0 and 1 into values of a hyperparameter. It draws nothing itself: where those
numbers come from is the sampler's business, so the same space serves random, quasi-random and hand-made points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastnet.config import TrainConfig, check_hyperparameter
from fastnet.errors import ConfigError

SEARCHABLE = ("learning_rate", "weight_decay", "dropout", "momentum", "beta1", "beta2")
"""Hyperparameters that may differ between the trials of one pack."""

FORMS = "log:LO:HI, uniform:LO:HI or choice:A,B,..."

_USED_BY = {"momentum": ("momentum",), "beta1": ("adam", "adamw"), "beta2": ("adam", "adamw")}

# ln 2 in two parts: the first has few enough bits that k * _LN2_HIGH is exact for every exponent k that occurs.
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LogUniform:
    """Values whose logarithm is uniform, the book's way to search over powers of ten.

    Parameters
    ----------
    low, high : float
        Ends of the range, ``0 < low < high``.

    Raises
    ------
    ConfigError
        If the ends are not finite, not positive or not in order.

    Notes
    -----
    ``low * (high / low)**u``, rounded to 6 significant digits. The exponential is computed with additions,
    multiplications and one power of two only, so every machine gets the same value. The book writes
    ``10 ** np.random.uniform(-6, -2)`` (*Deep Learning from Scratch*, section 6.5.3).

    Examples
    --------
    >>> import numpy as np
    >>> str(LogUniform(1e-6, 1e-2))
    'log:1e-06:0.01'
    >>> LogUniform(1e-6, 1e-2).sample(np.array([0.25, 0.5, 0.75])).tolist()
    [1e-05, 0.0001, 0.001]
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_ends(self.low, self.high)
        if self.low <= 0:
            raise ConfigError(f"the lower end {_text(self.low)} must be greater than 0 on a log scale; or use uniform")

    def __str__(self) -> str:
        return f"log:{_text(self.low)}:{_text(self.high)}"

    def sample(self, u: Floats) -> Floats:
        """Map `u`, float64 in (0, 1) of any shape, to values of the same shape in ``[low, high]``."""
        with localcontext() as context:
            context.prec = 40
            span = float((Decimal(self.high) / Decimal(self.low)).ln())
        return _rounded(_scaled_exp(self.low, u * span), self.low, self.high)


@dataclass(frozen=True, slots=True)
class Uniform:
    """Values spread evenly over a range.

    Parameters
    ----------
    low, high : float
        Ends of the range, ``low < high``.

    Raises
    ------
    ConfigError
        If the ends are not finite or not in order.

    Examples
    --------
    >>> import numpy as np
    >>> str(Uniform(0.0, 0.5))
    'uniform:0:0.5'
    >>> Uniform(0.0, 0.5).sample(np.array([0.25, 1 / 3])).tolist()
    [0.125, 0.166667]
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_ends(self.low, self.high)

    def __str__(self) -> str:
        return f"uniform:{_text(self.low)}:{_text(self.high)}"

    def sample(self, u: Floats) -> Floats:
        """Map `u`, float64 in (0, 1) of any shape, to values of the same shape in ``[low, high]``."""
        return _rounded(self.low + u * (self.high - self.low), self.low, self.high)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few values, each as likely as the others.

    Parameters
    ----------
    values : tuple of float
        At least one finite value, all different; they are used as written, without rounding.

    Raises
    ------
    ConfigError
        If there is no value, one is not finite, or one occurs twice.

    Examples
    --------
    >>> import numpy as np
    >>> str(Choice((0.0, 0.2, 0.5)))
    'choice:0,0.2,0.5'
    >>> Choice((0.0, 0.2, 0.5)).sample(np.array([0.1, 0.5, 0.99])).tolist()
    [0.0, 0.2, 0.5]
    """

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ConfigError("a choice needs at least one value, such as choice:0,0.5")
        for value in self.values:
            _check_finite(value)
            if self.values.count(value) > 1:
                raise ConfigError(f"the value {_text(value)} is listed more than once; write each value one time")

    def __str__(self) -> str:
        return "choice:" + ",".join(_text(value) for value in self.values)

    def sample(self, u: Floats) -> Floats:
        """Map `u`, float64 in (0, 1) of any shape, to values of the same shape out of `values`."""
        which = np.minimum((u * len(self.values)).astype(np.int64), len(self.values) - 1)
        return np.asarray(self.values, dtype=np.float64)[which]


Distribution: TypeAlias = LogUniform | Uniform | Choice


def parse_distribution(text: str) -> Distribution:
    """Read the text form of a distribution.

    Parameters
    ----------
    text : str
        ``log:LO:HI``, ``uniform:LO:HI`` or ``choice:A,B,...``.

    Returns
    -------
    LogUniform, Uniform or Choice
        With ``str()`` of it in the same form, numbers in their shortest spelling.

    Raises
    ------
    ConfigError
        If the form is another one, a number cannot be read, or the range is impossible.

    Examples
    --------
    >>> parse_distribution("log:1e-6:1e-2")
    LogUniform(low=1e-06, high=0.01)
    >>> parse_distribution("choice:0,0.5")
    Choice(values=(0.0, 0.5))
    """
    kind, colon, rest = text.strip().partition(":")
    kind = kind.strip().lower()
    if not colon or kind not in ("log", "uniform", "choice"):
        raise ConfigError(f"write a range as {FORMS}")
    if kind == "choice":
        return Choice(tuple(_read_number(part) for part in rest.split(",")))
    ends = rest.split(":")
    if len(ends) != 2:
        raise ConfigError(f"a {kind} range has two ends, written {kind}:LO:HI")
    build: Callable[[float, float], Distribution] = LogUniform if kind == "log" else Uniform
    return build(_read_number(ends[0]), _read_number(ends[1]))


def parse_space_option(text: str) -> tuple[str, str]:
    """Read one ``NAME=RANGE`` as it is typed after ``--space``.

    Parameters
    ----------
    text : str
        Such as ``"learning_rate=log:1e-6:1e-2"``; hyphens in the name are read as underscores.

    Returns
    -------
    name, range : str
        One item of `fastnet.config.SearchConfig.space`, the range in its canonical spelling.

    Raises
    ------
    ConfigError
        If there is no ``=``, the name cannot be searched, or the range is impossible.

    Examples
    --------
    >>> parse_space_option("learning-rate=log:1e-4:1e-2")
    ('learning_rate', 'log:0.0001:0.01')
    """
    name, equals, range_text = text.partition("=")
    name = name.strip().replace("-", "_")
    if not equals or not name:
        raise ConfigError(f"space {text!r}: write NAME=RANGE, such as learning_rate=log:1e-6:1e-2")
    return name, Space.parse({name: range_text}).to_texts()[name]


@dataclass(frozen=True)
class Space:
    """The searched hyperparameters and their distributions, in the order of their names.

    Parameters
    ----------
    distributions : mapping of str to Distribution
        Any of `SEARCHABLE`; an empty space is allowed: its trials differ by their random numbers alone.

    Raises
    ------
    ConfigError
        If a name cannot be searched, or an end or a choice lies outside what the hyperparameter allows.

    Examples
    --------
    >>> space = Space.parse({"weight_decay": "log:1e-8:1e-4", "dropout": "uniform:0:0.5"})
    >>> space.names
    ('dropout', 'weight_decay')
    >>> space.to_texts()["weight_decay"]
    'log:1e-08:0.0001'
    >>> Space.parse({"dropout": "uniform:0:1"})
    Traceback (most recent call last):
    ...
    fastnet.errors.ConfigError: dropout=uniform:0:1: its value 1 must be in [0, 1)
    """

    distributions: Mapping[str, Distribution]

    def __post_init__(self) -> None:
        ordered = dict(sorted(self.distributions.items()))
        for name, distribution in ordered.items():
            _check_name(name)
            for value in _extremes(distribution):
                _check_value(name, distribution, value)
        object.__setattr__(self, "distributions", ordered)

    @classmethod
    def parse(cls, texts: Mapping[str, str]) -> Space:
        """Read a space from names and text forms, such as `fastnet.config.SearchConfig.space`."""
        parsed: dict[str, Distribution] = {}
        for name, text in texts.items():
            _check_name(name)
            try:
                parsed[name] = parse_distribution(text)
            except ConfigError as error:
                raise ConfigError(f"{name}={text}: {error}") from None
        return cls(parsed)

    @property
    def names(self) -> tuple[str, ...]:
        """Searched hyperparameters, sorted."""
        return tuple(self.distributions)

    def to_texts(self) -> dict[str, str]:
        """Write the space the way `parse` reads it, each range in its canonical spelling."""
        return {name: str(distribution) for name, distribution in self.distributions.items()}

    def check_used(self, train: TrainConfig) -> None:
        """Raise `ConfigError` if a searched hyperparameter would change nothing under `train`."""
        for name in self.names:
            if train.optimizer not in _USED_BY.get(name, (train.optimizer,)):
                needed = " or ".join(_USED_BY[name])
                raise ConfigError(
                    f"{name} is searched but optimizer={train.optimizer!r} does not use it; "
                    f"choose optimizer {needed}, or leave {name} out of the space"
                )
            if name == "dropout" and not train.hidden:
                raise ConfigError("dropout is searched but the network has no hidden layer; add one or leave it out")


def round_to_six_digits(values: Iterable[float]) -> Floats:
    """Round each value to 6 significant digits, to the nearest double of that decimal number.

    Examples
    --------
    >>> round_to_six_digits([0.00123456789, 2.0]).tolist()
    [0.00123457, 2.0]
    """
    return np.array([float(f"{value:.6g}") for value in values], dtype=np.float64)


def _rounded(values: Floats, low: float, high: float) -> Floats:
    rounded = round_to_six_digits(values.ravel().tolist()).reshape(values.shape)
    return np.clip(rounded, low, high)


def _scaled_exp(scale: float, t: Floats) -> Floats:
    """Compute scale * exp(t), t >= 0, to about 2 ulp from operations that IEEE 754 rounds alike on every machine."""
    k = np.floor(t / (_LN2_HIGH + _LN2_LOW) + 0.5)
    r = (t - k * _LN2_HIGH) - k * _LN2_LOW
    total = np.ones_like(r)
    for term in range(15, 0, -1):  # Horner's scheme of the Taylor series; |r| <= ln(2)/2 leaves 2e-20 after r^15
        total = 1.0 + total * r / term
    return np.ldexp(scale * total, k.astype(np.int64))


def _check_name(name: str) -> None:
    if name not in SEARCHABLE:
        raise ConfigError(f"space {name!r}: only {', '.join(SEARCHABLE)} can be searched")


def _check_value(name: str, distribution: Distribution, value: float) -> None:
    try:
        check_hyperparameter(name, value)
    except ConfigError as error:
        rule = str(error).partition(": ")[2]
        raise ConfigError(f"{name}={distribution}: its value {_text(value)} {rule}") from None


def _extremes(distribution: Distribution) -> tuple[float, ...]:
    return distribution.values if isinstance(distribution, Choice) else (distribution.low, distribution.high)


def _check_finite(value: float) -> None:
    if not math.isfinite(value):
        raise ConfigError(f"{value} is not a finite number")


def _check_ends(low: float, high: float) -> None:
    _check_finite(low)
    _check_finite(high)
    if low == high:
        raise ConfigError(f"both ends are {_text(low)}; write choice:{_text(low)} for one fixed value")
    if low > high:
        raise ConfigError(f"the lower end {_text(low)} is above the upper end {_text(high)}; swap them")


def _read_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{text.strip()!r} is not a number; write a range as {FORMS}") from None


def _text(value: float) -> str:
    """Shortest spelling of `value` that reads back as the same double."""
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))
