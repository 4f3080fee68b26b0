"""The expected best of n trials."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnet.tuning.view.best_of import POINTS, best_of, counts


def test_best_of_is_the_bootstrap_that_draws() -> None:
    goodness = np.sort(np.random.default_rng(1).normal(size=40))
    n = np.array([1, 3, 10, 40])
    exact = best_of(goodness, n, [0.05, 0.5, 0.95])
    rng = np.random.default_rng(2)
    for column, count in enumerate(n):
        best = rng.choice(goodness, size=(40_000, count)).max(axis=1)
        for row, quantile in enumerate((0.05, 0.5, 0.95)):
            below, at = np.mean(best < exact[row, column]), np.mean(best <= exact[row, column])
            assert below - 0.01 <= quantile <= at + 0.01, (count, quantile)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30), st.integers(1, 60))
def test_best_of_rises_with_n_and_stays_among_the_values(values: list[float], n: int) -> None:
    goodness = np.array(values)
    found = best_of(goodness, np.arange(1, n + 1))
    assert np.isin(found, goodness).all()
    assert (np.diff(found, axis=1) >= 0).all() and (np.diff(found, axis=0) >= 0).all()


def test_best_of_trials_that_failed_is_unknown() -> None:
    found = best_of(np.array([-np.inf, -np.inf, -np.inf, 1.0]), np.array([1, 100]), [0.5])
    assert found.tolist() == [[-np.inf, 1.0]]


@pytest.mark.parametrize("trials", [1, 2, 79, 1000, 10**6])
def test_counts_go_from_one_to_all(trials: int) -> None:
    found = counts(trials)
    assert found[0] == 1 and found[-1] == trials and len(found) <= POINTS and (np.diff(found) > 0).all()
