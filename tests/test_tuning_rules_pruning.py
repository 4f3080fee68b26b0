"""Schedules of a search: when trials are compared, and which of them continue."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnet.config.searching import PRUNINGS, SearchConfig
from fastnet.config.training import TrainConfig
from fastnet.tuning.rules.pruning import Full, Halving, Median, schedule_of, survivors


def curves_with(accuracy: np.ndarray, loss: np.ndarray | None = None) -> np.ndarray:
    """Curves of trials with these (T, E) validation accuracies, and equal losses of 1 unless they are given."""
    accuracy = np.asarray(accuracy, np.float32)
    other = np.where(np.isfinite(accuracy), np.float32(1), np.nan) if loss is None else np.asarray(loss, np.float32)
    return np.stack([other, accuracy, other, accuracy], axis=1).astype(np.float32)


@given(epochs=st.integers(1, 1000), eta=st.integers(2, 10), first=st.integers(1, 50))
def test_the_rungs_of_halving_rise_by_about_eta_to_the_last_epoch(epochs, eta, first):
    rungs = Halving(epochs, eta, first, "accuracy").rungs
    assert rungs[-1] == epochs and list(rungs) == sorted(set(rungs))
    assert all(rung >= first for rung in rungs[:-1])
    assert all(abs(low - high / eta) <= 0.5 for low, high in itertools.pairwise(rungs))
    assert round(rungs[0] / eta) < first


@given(st.data())
def test_halving_keeps_the_best_and_never_more_than_its_share(data):
    n, eta = data.draw(st.integers(1, 30)), data.draw(st.integers(2, 5))
    values = data.draw(st.lists(st.integers(0, 8), min_size=n, max_size=n))
    losses = data.draw(st.lists(st.integers(0, 8), min_size=n, max_size=n))
    alive = np.array(sorted(data.draw(st.sets(st.integers(0, n - 1), min_size=1))), np.int64)
    halving = Halving(9, eta, 2, "accuracy")
    columns = np.full((n, 9), np.nan, np.float32)
    accuracy, loss = columns.copy(), columns.copy()
    ran = halving.rungs[0]
    accuracy[:, :ran] = np.array(values, np.float32)[:, None] / 8
    loss[:, :ran] = np.array(losses, np.float32)[:, None]
    kept = halving.keep(curves_with(accuracy, loss), alive, 0)
    assert len(kept) == -(-len(alive) // eta) and set(kept) <= set(alive) and list(kept) == sorted(kept)
    worst = max((-values[t], losses[t], t) for t in kept)
    assert all((-values[t], losses[t], t) > worst for t in alive if t not in kept)


def test_halving_by_loss_keeps_the_smallest():
    accuracy = np.full((4, 3), 0.5)
    loss = np.array([[1.0], [0.2], [0.5], [0.4]]).repeat(3, axis=1)
    halving = Halving(3, 2, 1, "loss")
    assert halving.rungs[-1] == 3
    assert halving.keep(curves_with(accuracy, loss), np.arange(4), 0).tolist() == [1, 3]


@pytest.mark.parametrize(("best_so_far", "kept"), [(False, [1, 3]), (True, [0, 3])])
def test_halving_compares_the_last_epoch_or_the_best_so_far(best_so_far, kept):
    accuracy = np.array([[0.9, 0.1, np.nan], [0.2, 0.6, np.nan], [0.3, 0.2, np.nan], [0.5, 0.8, np.nan]])
    halving = Halving(4, 2, 2, "accuracy", best_so_far)
    assert halving.keep(curves_with(accuracy), np.arange(4), 0).tolist() == kept


def test_the_median_rule_is_viziers():
    accuracy = np.array(
        [
            [0.1, 0.1, np.nan],  # mean 0.1, best 0.1: below the median of the means
            [0.2, 0.6, np.nan],  # mean 0.4
            [0.5, 0.1, np.nan],  # mean 0.3, the median; its best epoch counts, not its last one
            [0.3, np.nan, np.nan],  # ended before, and counts with what it reached
            [0.1, 0.2, np.nan],  # mean 0.15, best 0.2
        ]
    )
    median = Median(3, 1, "accuracy")
    assert median.rungs == (1, 2, 3)
    assert median.keep(curves_with(accuracy), np.array([0, 1, 2, 4]), 1).tolist() == [1, 2]
    accuracy[3] = np.nan  # it diverged before it was measured: worse than all others, which moves the median down
    assert median.keep(curves_with(accuracy), np.array([0, 1, 2, 4]), 1).tolist() == [1, 2, 4]


def test_equal_trials_are_all_kept_by_the_median():
    assert Median(4, 2, "accuracy").keep(curves_with(np.full((5, 4), 0.3)), np.arange(5), 0).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("pruning", PRUNINGS)
@pytest.mark.parametrize("epochs", [1, 2, 7, 50])
def test_every_schedule_ends_with_all_epochs(pruning, epochs):
    schedule = schedule_of(SearchConfig(pruning=pruning, train=TrainConfig(epochs=epochs)))
    assert schedule.rungs[-1] == epochs and len(survivors(schedule, 10)) == len(schedule.rungs)
    assert type(schedule) is {"none": Full, "halving": Halving, "median": Median}[pruning]


def test_survivors_are_what_keep_leaves():
    halving = Halving(50, 3, 2, "accuracy")
    alive = np.arange(28)
    rows = np.random.default_rng(0).random((28, 50))
    counts = [len(alive)]
    for rung in range(len(halving.rungs) - 1):
        alive = halving.keep(curves_with(rows), alive, rung)
        counts.append(len(alive))
    assert counts == survivors(halving, 28) == [28, 10, 4, 2]
