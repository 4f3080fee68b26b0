"""The rules that settings must follow, each with its error message."""

from __future__ import annotations

import sys

from fastnet.errors import ConfigError
from fastnet.limits import usable_cores
from fastnet.scalars import plain

LARGEST = 1e6
"""Largest learning and relative rate, weight decay and epsilon: beyond any useful value, and well within float32."""

SMALLEST_EPSILON = 1e-30
"""Below float32's smallest number the update of a weight without a gradient would be 0 / 0."""

MAX_EPOCHS = 1_000_000

_CLOSED_RANGES = {
    "learning_rate": (0.0, LARGEST),
    "weight_decay": (0.0, LARGEST),
    "epsilon": (SMALLEST_EPSILON, LARGEST),
    "relative_rate": (0.0, LARGEST),
    "step_factor": (0.0, 1.0),
    "warmup_epochs": (0.0, MAX_EPOCHS),
}  # hyperparameters whose range includes its upper end; that of the others is [0, 1)

MAX_NETWORKS = 1000
"""Most networks of an ensemble."""

INTERRUPTS = ("raise", "return")
"""What Ctrl-C does in a function that trains: raise KeyboardInterrupt, or return the result so far."""

_LARGEST_REAL = sys.float_info.max


def check_number(name: str, value: object) -> float:
    """Return a setting as a float; raise `ConfigError` unless it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= _LARGEST_REAL:
        raise ConfigError(f"{name}={_shown(value)}: must be a finite number")
    return float(value)


def check_range(
    name: str, value: object, low: float, high: float, *, open_low: bool = False, open_high: bool = True
) -> None:
    """Raise `ConfigError` unless a setting is a number between two bounds, by default in ``[low, high)``."""
    number = check_number(name, value)
    above = number > low if open_low else number >= low
    below = number < high if open_high else number <= high
    if not (above and below):
        interval = f"{'(' if open_low else '['}{low:g}, {high:g}{')' if open_high else ']'}"
        hint = f". Did you mean {number / 100:g}?" if high == 1.0 and 2.0 <= number <= 100.0 else ""
        raise ConfigError(f"{name}={value!r}: must be in {interval}{hint}")


def check_count(name: str, value: object, low: int = 1, high: int = 2**31 - 1) -> None:
    """Raise `ConfigError` unless a setting is a whole number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{name}={_shown(value)}: must be a whole number from {low} to {high}")


def _shown(value: object) -> str:
    """Write a refused value; Python does not print whole numbers of thousands of digits."""
    return "a huge number" if isinstance(value, int) and value.bit_length() > 1100 else repr(value)


def check_choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Raise `ConfigError` unless a setting is one of the allowed words."""
    if value not in allowed:
        raise ConfigError(f"{name}={_shown(value)}: must be one of {', '.join(allowed)}")


def check_hyperparameter(name: str, value: float) -> None:
    """Raise `ConfigError` unless `value`, fixed or the end of a searched range, is allowed for a hyperparameter."""
    if name == "step_epochs":
        check_count(name, value, high=MAX_EPOCHS)
    elif name == "learning_rate" and check_number(name, value) <= 0:
        raise ConfigError(f"{name}={value!r}: must be greater than 0")
    elif name in _CLOSED_RANGES:
        check_range(
            name, value, *_CLOSED_RANGES[name], open_low=name in ("learning_rate", "step_factor"), open_high=False
        )
    else:
        check_range(name, value, 0.0, 1.0)


def count_threads(jobs: int | None) -> int:
    """Return how many threads to use: `jobs`, a whole number from 1 to 4096, or all usable cores if it is None."""
    if jobs is None:
        return usable_cores()
    jobs = plain(jobs)
    check_count("jobs", jobs, high=4096)
    return jobs


def count_networks(networks: int) -> int:
    """Return the number of networks of an ensemble; raise `ConfigError` unless it is from 1 to `MAX_NETWORKS`."""
    networks = plain(networks)
    check_count("networks", networks, high=MAX_NETWORKS)
    return networks


def check_interrupt(interrupt: object) -> None:
    """Raise `ConfigError` unless it is one of `INTERRUPTS`."""
    check_choice("interrupt", interrupt, INTERRUPTS)
