"""The statistics of searching, and of choosing settings."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from fastnet.experiments import choosing, searching


def test_the_best_of_some_trials_is_what_drawing_them_gives():
    values = np.array([0.3, 0.9, 0.1, 0.5, 0.5, 0.7])
    for n in (1, 2, 4, 6):
        best = [max(draw) for draw in itertools.combinations(values, n)]
        assert searching.mean_best(values, n) == pytest.approx(np.mean(best))


def test_grids_within_a_grid_are_evenly_spaced_and_all():
    assert searching.grids_within(8) == [list(range(8))]
    assert searching.grids_within(2) == [[0, 4], [1, 5], [2, 6], [3, 7]]


def test_choosing_by_the_test_set_promises_too_much_and_by_validation_does_not():
    coins = np.random.Generator(np.random.Philox(3)).integers(0, 2, (choosing.CANDIDATES, 1200)).astype(float)
    choices = choosing.choose(coins, 100, 0)
    expected = 0.05 * stats.norm.isf(1 / (choosing.CANDIDATES + 1))  # about the mean of the highest of all candidates
    assert choices.by_test[-1].mean() == pytest.approx(expected, abs=0.02)
    assert abs(choices.by_validation[-1].mean()) < 0.01
    assert (choices.by_test[0] == choices.by_validation[0]).all()  # with one candidate there is nothing to choose
