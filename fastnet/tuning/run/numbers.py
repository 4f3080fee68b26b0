"""A set of trial numbers, kept as runs of consecutive ones: most studies have a single run."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Sized

import numpy as np
from numpy.typing import NDArray


class Numbers(Container[int], Sized):
    """The numbers of stored trials, given ascending and each once, (T,) int64.

    Examples
    --------
    >>> stored = Numbers(np.array([0, 1, 2, 7]))
    >>> len(stored), 2 in stored, 3 in stored
    (4, True, False)
    """

    def __init__(self, numbers: NDArray[np.int64]) -> None:
        begins = np.flatnonzero(np.diff(numbers, prepend=-2) > 1)
        self._begins: list[int] = numbers[begins].tolist()
        self._ends: list[int] = (numbers[np.append(begins[1:], len(numbers)) - 1] + 1).tolist() if len(begins) else []
        self._count = len(numbers)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int):
            return False
        place = bisect_right(self._begins, number) - 1
        return place >= 0 and number < self._ends[place]
