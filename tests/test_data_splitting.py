from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastnet.data import split
from fastnet.errors import ConfigError, DataError

LABELS = np.array([0, 1, 0, 1])

label_arrays = hnp.arrays(np.int64, st.integers(2, 200), elements=st.integers(0, 6))
fractions = st.floats(0.01, 0.99)
seeds = st.integers(0, 2**64 - 1)


@given(y=label_arrays, fraction=fractions, seed=seeds)
def test_split_is_disjoint_complete_and_exact(y: np.ndarray, fraction: float, seed: int) -> None:
    parts = split(y, fraction=fraction, seed=seed)
    assert parts.train.dtype == parts.validation.dtype == np.int64
    assert sorted([*parts.train, *parts.validation]) == list(range(len(y)))
    assert len(parts.validation) == min(max(round(fraction * len(y)), 1), len(y) - 1)


@given(y=label_arrays, fraction=fractions, seed=seeds)
def test_split_is_stratified_within_one(y: np.ndarray, fraction: float, seed: int) -> None:
    parts = split(y, fraction=fraction, seed=seed)
    share = len(parts.validation) / len(y)
    for label in np.unique(y):
        exact = share * np.count_nonzero(y == label)
        assert abs(np.count_nonzero(y[parts.validation] == label) - exact) < 1


@given(y=label_arrays, fraction=fractions, seed=seeds)
def test_split_leaves_a_class_out_only_when_there_is_no_room(y: np.ndarray, fraction: float, seed: int) -> None:
    parts = split(y, fraction=fraction, seed=seed)
    n_validation = len(parts.validation)
    counts = np.unique(y, return_counts=True)[1]
    spare = n_validation - int(sum(c * n_validation // len(y) for c in counts))
    rare = [label for label in np.unique(y) if (c := np.count_nonzero(y == label)) >= 2 and c * n_validation < len(y)]
    absent = [label for label in rare if label not in y[parts.validation]]
    assert len(absent) == max(0, len(rare) - spare)


@given(y=label_arrays, fraction=fractions, seed=seeds)
def test_split_follows_from_its_seed_and_only_from_classes(y: np.ndarray, fraction: float, seed: int) -> None:
    once = split(y, fraction=fraction, seed=seed)
    again = split(y * 10 - 3, fraction=fraction, seed=seed)
    assert np.array_equal(once.train, again.train)
    assert np.array_equal(once.validation, again.validation)


def test_split_differs_between_seeds_and_shuffles() -> None:
    y = np.arange(1000) % 10
    validations = [split(y, seed=seed).validation for seed in (0, 1, 2**63, 2**64 - 1)]
    assert len({tuple(v) for v in validations}) == 4
    assert not np.array_equal(validations[0], np.sort(validations[0]))


@pytest.mark.parametrize("seed", [0, 1, 5000])
def test_split_mixes_the_classes_from_the_first_sample_to_the_last(seed: int) -> None:
    y = np.repeat(np.arange(10), 500)
    parts = split(y, seed=seed)
    for part in (parts.train, parts.validation):
        for start in range(0, len(part), 500):
            assert np.bincount(y[part[start : start + 500]], minlength=10).min() > 25


def test_split_draws_every_sample_equally_often() -> None:
    y = np.array([0] * 12 + [1] * 8)
    drawn = np.zeros(20)
    places = np.zeros(20)
    for seed in range(400):
        parts = split(y, fraction=0.25, seed=seed)
        drawn[parts.validation] += 1
        places[np.concatenate([parts.train, parts.validation])] += np.arange(20)
    assert np.abs(drawn / 400 - 0.25).max() < 0.1
    assert np.abs(places / 400 - 9.5).max() < 1.5


def test_split_never_changes() -> None:
    parts = split(np.arange(20) % 4, fraction=0.2, seed=7)
    assert parts.validation.tolist() == [3, 6, 8, 1]
    assert parts.train.tolist() == [14, 17, 9, 13, 18, 5, 2, 11, 10, 0, 16, 4, 12, 15, 19, 7]


def test_split_of_the_book() -> None:
    y = np.repeat(np.arange(10), 50)
    parts = split(y)
    assert (len(parts.train), len(parts.validation)) == (400, 100)
    assert np.bincount(y[parts.validation]).tolist() == [10] * 10


def test_split_prefers_rare_classes_and_keeps_single_samples_for_training() -> None:
    y = np.array([0] * 12 + [1] * 2 + [2] * 2 + [3])
    parts = split(y, fraction=0.2)
    assert np.bincount(y[parts.validation], minlength=4).tolist() == [2, 1, 0, 0]
    parts = split(y, fraction=0.25)
    assert np.bincount(y[parts.validation], minlength=4).tolist() == [2, 1, 1, 0]


def test_split_copes_with_nothing_but_single_samples() -> None:
    parts = split(np.arange(10), fraction=0.3)
    assert (len(parts.train), len(parts.validation)) == (7, 3)


@pytest.mark.parametrize("fraction", [0, 1, 0.0, 1.0, -0.1, 20, math.nan, math.inf, True, "0.2", None])
def test_split_refuses_a_fraction(fraction: float) -> None:
    with pytest.raises(ConfigError, match=r"must be in \(0, 1\)"):
        split(LABELS, fraction=fraction)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, True, "1", None])
def test_split_refuses_a_seed(seed: int) -> None:
    with pytest.raises(ConfigError, match="must be a whole number"):
        split(LABELS, seed=seed)


def test_split_refuses_a_single_sample() -> None:
    with pytest.raises(DataError, match=r"a split needs at least 2 samples, .* and has 1"):
        split([0])
