"""A set of trial numbers."""

from __future__ import annotations

import numpy as np
import pytest

from fastnet.tuning.run.numbers import Numbers


@pytest.mark.parametrize("numbers", [[], [0], [5], [0, 1, 2], [1, 3, 5], [0, 1, 5, 6, 7, 9], list(range(20))])
def test_it_contains_what_a_set_does(numbers: list[int]) -> None:
    found = Numbers(np.array(numbers, np.int64))
    assert len(found) == len(numbers)
    assert [number for number in range(25) if number in found] == numbers


def test_consecutive_numbers_take_no_memory() -> None:
    found = Numbers(np.arange(100_000))
    assert len(found._begins) == 1 and 99_999 in found and 100_000 not in found
