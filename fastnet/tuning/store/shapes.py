"""Shapes of values in a study's file, and what reads them: everything that is read is checked here, once.

Any byte of the file may be damaged or changed by another program. A reader gets values of the shape it expects, or a
`DamagedError`, which `store.folder.study_errors` turns into a `StudyError`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from fastnet.config.settings import is_tame
from fastnet.config.training import MAX_SEED
from fastnet.tuning.store.folder import DamagedError

MOST_TRIALS = 2**31 - 1
"""Most trials of a study; no other count is larger."""

Shape: TypeAlias = Any
"""A predicate; a list of one shape for all items; a dict of shapes by name; or `Maybe` one of these.

In a dict, names that end in "?" are optional, ``...`` is the shape of all other names, and ``""`` is a predicate of the
whole."""


@dataclass(frozen=True, slots=True)
class Maybe:
    """A shape whose value may be None."""

    shape: Shape


def is_text(value: object) -> bool:
    """Whether a value is text."""
    return isinstance(value, str)


def is_flag(value: object) -> bool:
    """Whether a value is true or false."""
    return isinstance(value, bool)


def is_whole(value: object) -> bool:
    """Whether a value is a whole number from 0 to the largest seed."""
    return type(value) is int and 0 <= value <= MAX_SEED


def is_number(value: object) -> bool:
    """Whether a value is a finite number."""
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def is_plain(value: object) -> bool:
    """Whether a value is None, a flag, a number or text."""
    return value is None or isinstance(value, (bool, str)) or is_number(value)


def is_file_name(value: object) -> bool:
    """Whether a value names a file in the folder of the study."""
    return isinstance(value, str) and value not in ("", ".", "..") and not set(value) & set("/\\:\0")


def is_texts(value: object) -> bool:
    """Whether a value is a list of text."""
    return isinstance(value, list) and all(map(is_text, value))


def has_both_or_none(low: str, high: str) -> Callable[[object], bool]:
    """Return a predicate that an item has both numbers or neither."""
    return lambda item: isinstance(item, dict) and (item.get(low) is None) == (item.get(high) is None)


def read_document(text: object, shape: Shape, name: str) -> Any:
    """Read JSON of the study; raise `DamagedError` with the given name unless it has the shape.

    Examples
    --------
    >>> read_document('{"data":"mnist5k","n_samples":500}', {"data": is_text, ...: is_whole}, "about")
    {'data': 'mnist5k', 'n_samples': 500}
    >>> read_document('{"data":"mnist5k","n_samples":-1}', {"data": is_text, ...: is_whole}, "about")
    Traceback (most recent call last):
    ...
    fastnet.tuning.store.folder.DamagedError: about, n_samples
    """
    value = parse(text)
    if value is ... or not is_tame(value):
        raise DamagedError(name)
    _check(value, shape, name)
    return value


def parse(text: object) -> Any:
    """Read JSON without NaN and infinity; return ``...``, which JSON cannot express, if it is not readable."""
    if not isinstance(text, str):
        return ...
    try:
        return _DECODE(text)
    except (ValueError, RecursionError):  # Python limits the nesting of objects
        return ...


def read_text(value: object, name: str) -> str:
    """Return a text of the file; raise `DamagedError` if it is something else."""
    if not isinstance(value, str):
        raise DamagedError(name)
    return value


def read_whole(value: object, name: str, low: int = 0, high: int = MOST_TRIALS) -> int:
    """Return a whole number of the file; raise `DamagedError` if it is something else."""
    if type(value) is not int or not low <= value <= high:
        raise DamagedError(name)
    return value


def read_number(value: object, name: str) -> float:
    """Return a finite number of the file; raise `DamagedError` if it is something else."""
    if not is_number(value):
        raise DamagedError(name)
    return float(value)  # type: ignore[arg-type]


def _check(value: Any, shape: Shape, place: str) -> None:
    """Raise `DamagedError` with the place unless a value has a shape."""
    if isinstance(shape, Maybe):
        if value is not None:
            _check(value, shape.shape, place)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise DamagedError(place)
        for number, item in enumerate(value):
            _check(item, shape[0], f"{place}[{number}]")
    elif isinstance(shape, dict):
        _check_names(value, shape, place)
    elif not shape(value):
        raise DamagedError(place)


def _check_names(value: Any, shape: dict[Any, Shape], place: str) -> None:
    if not isinstance(value, dict):
        raise DamagedError(place)
    for name, of_name in shape.items():
        if name is ... or name == "":
            continue
        bare = name.removesuffix("?")
        if bare in value:
            _check(value[bare], of_name, f"{place}, {bare}")
        elif bare == name:
            raise DamagedError(f"{place}, {name}")
    if ... in shape:
        known = {name.removesuffix("?") for name in shape if isinstance(name, str)} - {""}
        for name in value.keys() - known:
            _check(value[name], shape[...], f"{place}, {name}")
    if "" in shape and not shape[""](value):
        raise DamagedError(place)


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


_DECODE = json.JSONDecoder(parse_constant=_refuse).decode  # built once; json.loads would build one for each trial
