"""Numbers, truth values and texts as plain Python objects, whatever library they come from.

Settings are stored and compared. NumPy is not imported for this: its scalars are recognised by their attributes.
"""

from __future__ import annotations

import math
from operator import attrgetter
from typing import Any

_PLAIN = frozenset((int, float, str, bool, type(None), tuple))

_values_of: dict[type, attrgetter[tuple[Any, ...]]] = {}


def plain(value: Any) -> Any:
    """Return a NumPy scalar, or an array without axes, as the Python number, truth value or text that it stands for.

    A float32 becomes the double that prints the same; anything else is returned unchanged.

    Examples
    --------
    >>> import numpy as np
    >>> plain(np.int64(3)), plain(np.float32(0.1)), plain(np.bool_(True)), plain(np.str_("adam")), plain(None)
    (3, 0.1, True, 'adam', None)
    """
    if type(value) in _PLAIN or not (hasattr(value, "item") and getattr(value, "shape", None) == ()):
        return value
    item = value.item()
    if str(getattr(value, "dtype", "")) in ("float16", "float32"):
        return shortest(value)
    return item if type(item) in _PLAIN else float(item)


def shortest(value: object) -> float:
    """Return the double that prints as briefly as a float32 does: 0.83, not 0.8299999833106995."""
    return float(str(value))


def make_plain(config: Any, *, layered: tuple[str, ...] = ("hidden", "dropout")) -> None:
    """Replace NumPy values of a frozen dataclass by Python's own, and sequences of layers by tuples.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnet import TrainConfig
    >>> TrainConfig(hidden=np.array([64, 32]), epochs=np.int16(3)) == TrainConfig(hidden=(64, 32), epochs=3)
    True
    """
    kind = type(config)
    if kind not in _values_of:
        _values_of[kind] = attrgetter(*config.__dataclass_fields__)
    values = _values_of[kind](config)
    layers = [element for value in values if type(value) is tuple for element in value]
    if _PLAIN.issuperset(map(type, values)) and _PLAIN.issuperset(map(type, layers)):
        return  # after 4 µs; every trial of a search has a configuration
    for name, given in zip(config.__dataclass_fields__, values, strict=True):
        value = plain(given)
        if name in layered and (isinstance(value, (list, range)) or len(getattr(value, "shape", ())) == 1):
            value = tuple(value)
        object.__setattr__(config, name, tuple(map(plain, value)) if isinstance(value, tuple) else value)


def five_digits(value: Any) -> float | None:
    """Round a number for a report to five digits; None for None and for what is not finite.

    Examples
    --------
    >>> five_digits(0.123456789), five_digits(math.inf)
    (0.12346, None)
    """
    return None if value is None or not math.isfinite(value) else float(f"{float(value):.5g}")
