"""A point of a space that a user gives: names and values, checked and written as the trials of a study have them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fastnet.config.settings import suggestion
from fastnet.config.text import format_hidden, parse_hidden
from fastnet.errors import ConfigError
from fastnet.tuning.space.distributions import Choice, text_of
from fastnet.tuning.space.names import Value, kind_of
from fastnet.tuning.space.space import Space


def point_of(space: Space, given: Mapping[str, Any]) -> dict[str, Value]:
    """Check some or all values of a trial.

    Parameters
    ----------
    space : Space
        The ranges.
    given : mapping
        Values by name; hyphens in names become underscores, texts are read as numbers where numbers are needed.

    Returns
    -------
    dict
        The values with the types of the space, names sorted; those of choices exactly as the choice writes them.

    Raises
    ------
    ConfigError
        If a name is not searched, or a value is none of its range.

    Examples
    --------
    >>> space = Space.parse({"learning_rate": "log:1e-4:1", "hidden": "choice:16,64x2"})
    >>> point_of(space, {"learning-rate": "0.03", "hidden": "64,64"})
    {'hidden': '64x2', 'learning_rate': 0.03}
    >>> point_of(space, {"learning_rate": 2})
    Traceback (most recent call last):
    ...
    fastnet.errors.ConfigError: learning_rate=2 is not in log:0.0001:1; widen the range or leave the value out
    """
    point = {}
    for key, value in given.items():
        name = str(key).strip().replace("-", "_")
        if name not in space.names:
            known = ", ".join(space.names) or "nothing"
            near = suggestion(name, list(space.names))
            raise ConfigError(f"{name} is not searched{near or f'; searched is {known}'}")
        if name in point:
            raise ConfigError(f"{name} is given twice; leave one of the two out")
        point[name] = _value(space, name, value)
    return dict(sorted(point.items()))


def _value(space: Space, name: str, given: Any) -> Value:
    one = space.distributions[name]
    value = _typed(name, given)
    if isinstance(one, Choice):
        found = next((each for each in one.values if each == value), None)
    else:
        low, high = one.extremes()
        found = value if low <= value <= high else None  # type: ignore[operator]  # ranges are of numbers
    if found is None:
        raise ConfigError(f"{name}={text_of(value)} is not in {one}; widen the range or leave the value out")
    return found


def _typed(name: str, given: Any) -> Value:
    """Return a value with the type of a hyperparameter; `ConfigError` if it cannot be read as one."""
    kind = kind_of(name).type
    if kind is str:
        return format_hidden(parse_hidden(str(given))).replace(",", "-") if name == "hidden" else str(given).strip()
    try:
        if isinstance(given, bool):
            raise TypeError
        number = float(given)
        if not math.isfinite(number) or (kind is int and not number.is_integer()):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        what = "a whole number" if kind is int else "a finite number"
        raise ConfigError(f"{name}={str(given)[:40]!r}: must be {what}") from None
    return int(number) if kind is int else number
