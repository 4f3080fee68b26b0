"""Kernels compiled with Numba's check of every index, which says where one is outside its array."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numba import config, types

from fastnet.kernels import _jit
from fastnet.kernels.memory import invoke


def _beyond(size: int) -> None:
    values = np.zeros(size)
    values[size] = 1.0


@_jit.entry
def _called(size: int) -> float:
    return np.zeros(4)[size]


@_jit.entry
def _calls(address: int, size: int) -> None:
    invoke(address, size)


@contextmanager
def watched() -> Iterator[list[str]]:
    """Collect what kernels that are called by their address raise, which nobody can catch."""
    seen: list[str] = []
    before = sys.unraisablehook
    sys.unraisablehook = lambda found: seen.append(f"{found.exc_type.__name__}: {found.exc_value} in {found.object}")
    try:
        yield seen
    finally:
        sys.unraisablehook = before


def proved() -> dict[str, Any]:
    """Return whether an index outside an array is found in a kernel that Python calls, and in one called by address."""
    found: dict[str, Any] = {"asked": bool(config.BOUNDSCHECK)}
    if not config.BOUNDSCHECK:
        return found
    try:
        _called(np.int64(4))
        found["in kernels that Python calls"] = False
    except IndexError:
        found["in kernels that Python calls"] = True
    with watched() as seen:
        _calls(_jit.micro(types.void(types.int64), _beyond, "soak").address, np.int64(4))
    found["in kernels called by their address"] = bool(seen)
    return found
