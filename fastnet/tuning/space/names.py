"""The hyperparameters that can be searched: their names, their values, and when they have an effect."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from fastnet.config.checks import LARGEST, check_hyperparameter
from fastnet.config.network import MOST_HEADS
from fastnet.config.settings import suggestion
from fastnet.config.text import parse_hidden
from fastnet.config.training import TrainConfig
from fastnet.errors import ConfigError

Value: TypeAlias = float | int | str
"""A value of a hyperparameter; widths of hidden layers are text, such as ``"100x6"``."""

MAX_DEPTH = 1000
"""Most hidden layers of a network."""

_BELOW_ONE = 0.999999  # the largest number below 1 with the six digits that values are rounded to


@dataclass(frozen=True, slots=True)
class Kind:
    """The type of a hyperparameter's values, and how far a search may widen its range."""

    type: type[Value]
    low: float = 0.0
    high: float = LARGEST


# The order is that of the random streams. A new name goes to the end, so that no trial of an older study changes.
_KINDS = {
    "learning_rate": Kind(float, 1e-12),
    "weight_decay": Kind(float),
    "dropout": Kind(float, high=_BELOW_ONE),
    "momentum": Kind(float, high=_BELOW_ONE),
    "beta1": Kind(float, high=_BELOW_ONE),
    "beta2": Kind(float, high=_BELOW_ONE),
    "hidden": Kind(str),
    "width": Kind(int, 1, 65_536),
    "depth": Kind(int, 1, MAX_DEPTH),
    "batch_size": Kind(int, 1, 2**31 - 1),
    "optimizer": Kind(str),
    "epsilon": Kind(float, 1e-30),
    "init": Kind(str),
    "activation": Kind(str),
    "schedule": Kind(str),
    "warmup_epochs": Kind(float),
    "step_epochs": Kind(int, 1, 1_000_000),
    "step_factor": Kind(float, 1e-12, 1.0),
    "label_smoothing": Kind(float, high=_BELOW_ONE),
    "rho": Kind(float, high=_BELOW_ONE),
    "relative_rate": Kind(float),
    "heads": Kind(int, 1, MOST_HEADS),
}

_FIELDS = TrainConfig.__dataclass_fields__

SEARCHABLE = tuple(name for name in _KINDS if name in _FIELDS or name in ("width", "depth"))
"""Hyperparameters that can be searched, in addition to ``dropout_1``, ``dropout_2``, ..., one for each hidden layer.

``width`` and ``depth`` together stand for ``hidden``: ``depth`` layers of that width.
"""

PARENTS = {"width": "hidden", "depth": "hidden"}
"""Names that set a part of another hyperparameter, as every ``dropout_K`` sets a part of ``dropout``."""

NEEDS = {
    "momentum": ("optimizer", ("momentum", "nesterov")),
    "beta1": ("optimizer", ("adam", "adamw")),
    "beta2": ("optimizer", ("adam", "adamw")),
    "relative_rate": ("optimizer", ("adam", "adamw")),
    "rho": ("optimizer", ("rmsprop",)),
    "epsilon": ("optimizer", ("adagrad", "rmsprop", "adam", "adamw")),
    "step_epochs": ("schedule", ("step",)),
    "step_factor": ("schedule", ("step",)),
}
"""Names that have an effect only with some values of another hyperparameter."""

_FIRST_LAYER_STREAM = 256  # leaves room for names that are added to _KINDS later


def layer_of(name: str) -> int | None:
    """Return K for ``dropout_K``, its hidden layer counted from 1; None for any other name.

    Examples
    --------
    >>> layer_of("dropout_3"), layer_of("dropout"), layer_of("dropout_scaling")
    (3, None, None)
    """
    found = re.fullmatch(r"dropout_([1-9][0-9]{0,3})", name)
    return int(found[1]) if found and int(found[1]) <= MAX_DEPTH else None


def parent_of(name: str) -> str | None:
    """Return the hyperparameter of which `name` sets a part, such as ``hidden`` for ``width``, or None."""
    return "dropout" if layer_of(name) else PARENTS.get(name)


def kind_of(name: str) -> Kind:
    """Return the kind of a searchable name; raise `ConfigError` if it cannot be searched."""
    if layer_of(name):
        return _KINDS["dropout"]
    if name not in SEARCHABLE:
        near = suggestion(name, SEARCHABLE)
        raise ConfigError(f"space {name!r}: only {', '.join(SEARCHABLE)} and dropout_1, ... can be searched{near}")
    return _KINDS[name]


def stream_of(name: str) -> int:
    """Return which block of a trial's random numbers belongs to a searchable name, a number that never changes.

    Examples
    --------
    >>> stream_of("learning_rate"), stream_of("weight_decay"), stream_of("dropout_1")
    (0, 1, 257)
    """
    layer = layer_of(name)
    return _FIRST_LAYER_STREAM + layer if layer else list(_KINDS).index(name)


def check_value(name: str, value: Value) -> None:
    """Raise `ConfigError` unless `value` is allowed for the searchable `name`, by the rule for a fixed value."""
    if name == "hidden":
        parse_hidden(str(value))
    elif name == "depth":
        if not isinstance(value, int) or not 1 <= value <= MAX_DEPTH:
            raise ConfigError(f"depth={value!r}: must be a whole number from 1 to {MAX_DEPTH}")
    elif name == "width":
        TrainConfig(hidden=(value,))  # type: ignore[arg-type]  # the type is checked there
    elif layer_of(name):
        check_hyperparameter("dropout", value)  # type: ignore[arg-type]
    else:
        TrainConfig(**{"epochs": 1_000_000, name: value})  # type: ignore[arg-type]  # no warm-up exceeds these epochs
