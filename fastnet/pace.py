"""How fast this machine is at what is not compiled, so that times that were measured on another one can be trusted."""

from __future__ import annotations

import time
from functools import cache

import numpy as np

MEASURED_SECONDS = 0.0016
"""Time of `_work` on the machine where the times that `pace` scales were measured (a Zen 4 core at 3.7 GHz)."""

SLOWEST, FASTEST = 4.0, 0.6
"""Limits of the result: a moment's measurement is no reason to reserve more, or less."""


@cache
def pace() -> float:
    """Return how many times as long as there interpreted and vectorised work takes here; measured once, in 10 ms.

    Examples
    --------
    >>> FASTEST <= pace() <= SLOWEST
    True
    """
    seconds = min(_work() for _ in range(3))
    return min(SLOWEST, max(FASTEST, seconds / MEASURED_SECONDS))


def _work() -> float:
    """Return the seconds of a little work of both kinds."""
    begin = time.perf_counter()
    total = 0
    for k in range(20_000):
        total += k % 7
    values = np.arange(40_000, dtype=np.float64)
    for _ in range(10):
        values = np.sqrt(values + total)
    return time.perf_counter() - begin
