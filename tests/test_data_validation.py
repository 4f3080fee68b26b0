"""Folds of a cross-validation, and a validation set of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnet.data import Dataset, Split, as_dataset, split
from fastnet.data.samples import Samples
from fastnet.data.validation import folds_of, split_of, stratified_folds, with_share_as_test, with_validation
from fastnet.errors import DataError


@given(
    labels=st.lists(st.integers(0, 3), min_size=2, max_size=60), n_folds=st.integers(2, 6),
    seed=st.integers(0, 2**64 - 1),
)  # fmt: skip
def test_every_sample_validates_once_and_never_while_it_trains(labels, n_folds, seed):
    y = np.array(labels)
    if len(y) < n_folds:
        with pytest.raises(DataError, match="cannot be divided"):
            stratified_folds(y, n_folds, seed=seed)
        return
    parts = stratified_folds(y, n_folds, seed=seed)
    assert len(parts) == n_folds
    assert sorted(np.concatenate([part.validation for part in parts]).tolist()) == list(range(len(y)))
    for part in parts:
        assert sorted([*part.train, *part.validation]) == list(range(len(y)))
    again = stratified_folds(y, n_folds, seed=seed)
    assert [part.fingerprint() for part in again] == [part.fingerprint() for part in parts]


def test_folds_are_stratified_shuffled_and_follow_the_seed():
    y = np.repeat([0, 1], [30, 60])
    parts = stratified_folds(y, 3, seed=1)
    assert [np.bincount(y[part.validation]).tolist() for part in parts] == [[10, 20]] * 3
    assert parts[0].train.tolist() != sorted(parts[0].train.tolist())
    other = stratified_folds(y, 3, seed=2)
    assert sorted(other[0].validation.tolist()) != sorted(parts[0].validation.tolist())


def test_a_validation_set_is_joined_by_the_names_of_its_classes():
    train = as_dataset([[1.0], [2.0], [3.0]], ["cat", "dog", "eel"], x_test=[[9.0]], y_test=["dog"], name="pets")
    other = as_dataset([[4.0], [5.0]], ["eel", "cat"], x_test=[[7.0]], y_test=["cat"])
    joined, parts = with_validation(train, other)
    assert joined.x.ravel().tolist() == [1, 2, 3, 4, 5]
    assert [joined.class_names[k] for k in joined.y] == ["cat", "dog", "eel", "eel", "cat"]
    assert (parts.train.tolist(), parts.validation.tolist()) == ([0, 1, 2], [3, 4])
    assert joined.x_test.ravel().tolist() == [9] and joined.name == "pets"


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        ([[1.0, 2.0], [3.0, 4.0]], ["cat", "dog"], "have 2 features of type float32, the training data pets 1 of"),
        (np.zeros((2, 1), np.uint8), ["cat", "dog"], "1 features of type uint8"),
        ([[1.0], [2.0]], ["cat", "fox"], r"more: y\[1\] is 'fox', none of the known classes cat, dog"),
    ],
)
def test_a_validation_set_of_another_form_is_refused(x, y, sentence):
    train = as_dataset([[1.0], [2.0]], ["cat", "dog"], name="pets")
    with pytest.raises(DataError, match=sentence):
        with_validation(train, as_dataset(x, y, name="more"))


def numbers_with(n: int, **more: np.ndarray) -> Dataset:
    data = as_dataset(np.zeros((n, 1)), np.arange(n) % 2)
    y = (np.arange(n) * 37 % n)[:, None].astype(float)
    return replace(data, y=y, task="regression", classes=data.classes[:0], class_names=("t",), **more)


def everything_once(parts: list[Split], n: int) -> None:
    for part in parts:
        assert sorted([*part.train, *part.validation]) == list(range(n))


def test_split_of_classes_is_that_of_split() -> None:
    data = as_dataset(np.zeros((50, 1)), np.arange(50) % 3)
    assert split_of(data, 0.3, 5).fingerprint() == split(data.y, fraction=0.3, seed=5).fingerprint()
    expected = stratified_folds(data.y, 4, seed=5)
    assert [part.fingerprint() for part in folds_of(data, 4, 5)] == [part.fingerprint() for part in expected]


def test_split_of_numbers_has_every_quantile() -> None:
    data = numbers_with(200)
    parts = [split_of(data, 0.2, 1), *folds_of(data, 5, 1)]
    everything_once(parts, 200)
    for part in parts:
        assert np.bincount(data.y[part.validation, 0].astype(int) // 20).tolist() == [4] * 10


def test_split_of_labels_keeps_their_combinations() -> None:
    y = np.array([[k % 2, k // 2 % 2] for k in range(40)], float)
    data = replace(numbers_with(40), y=y, task="multilabel", class_names=("a", "b"))
    assert np.unique(y[split_of(data, 0.2).validation], axis=0, return_counts=True)[1].tolist() == [2] * 4


def test_groups_are_never_divided() -> None:
    groups = np.arange(120) % 17
    data = numbers_with(120, groups=groups)
    parts = [*(split_of(data, 0.25, seed) for seed in range(5)), *folds_of(data, 4)]
    everything_once(parts, 120)
    for part in parts:
        assert not set(groups[part.train]) & set(groups[part.validation])
        assert 24 <= len(part.validation) <= 37
    assert sorted(k for part in folds_of(data, 4) for k in part.validation) == list(range(120))


def test_the_last_samples_validate_where_times_are_known() -> None:
    times = np.random.default_rng(3).permutation(50).astype(float)
    part = split_of(numbers_with(50, times=times), 0.2)
    assert sorted(times[part.validation]) == list(range(40, 50))
    everything_once([part], 50)


def test_splits_that_cannot_be() -> None:
    with pytest.raises(DataError, match="choose a share of validation samples instead of folds"):
        folds_of(numbers_with(9, times=np.arange(9.0)), 3)
    with pytest.raises(DataError, match="a single group"):
        split_of(numbers_with(9, groups=np.zeros(9, np.int64)))
    with pytest.raises(DataError, match="2 groups cannot be divided into 3 folds"):
        folds_of(numbers_with(9, groups=np.arange(9) % 2), 3)


@pytest.mark.parametrize("y", [np.arange(6) / 4, np.stack([np.arange(6.0), np.ones(6) / 3], axis=1)])
def test_numbers_validate(y: np.ndarray) -> None:
    data = as_dataset(np.arange(12.0).reshape(6, 2), y)
    joined, parts = with_validation(data, data)
    assert np.array_equal(joined.y, np.concatenate([data.y, data.y]))
    assert parts.validation.tolist() == [6, 7, 8, 9, 10, 11]
    with pytest.raises(DataError, match="the validation data all: y has shape"):
        with_validation(data, Samples(np.zeros((2, 2)), np.zeros((2, 3)), "all", "all"))


def test_labels_validate() -> None:
    data = as_dataset(np.arange(12.0).reshape(6, 2), [[0, 1], [1, 1], [0, 0]] * 2)
    joined, _ = with_validation(data, data)
    assert np.array_equal(joined.y, np.concatenate([data.y, data.y]))
    with pytest.raises(DataError, match="other values than 0 and 1"):
        with_validation(data, Samples(np.zeros((1, 2)), np.array([[0, 2]]), "all", "all"))


@pytest.mark.parametrize("kind", ["weights", "groups", "times"])
def test_a_share_of_the_samples_tests(kind: str) -> None:
    data = as_dataset(np.arange(20.0)[:, None], np.arange(20) % 2, **{kind: np.arange(20) // 2 + 1})
    found = with_share_as_test(data)
    assert (found.n_samples, found.n_test) == (16, 4)
    assert found.x_test is not None
    assert sorted([*found.x.ravel().tolist(), *found.x_test.ravel().tolist()]) == list(range(20))
    assert np.all(np.diff(found.x.ravel()) > 0)
    assert np.all(np.diff(found.x_test.ravel()) > 0)
    rows = found.x.ravel().astype(int)
    assert np.array_equal(getattr(found, kind), getattr(data, kind)[rows])
    if kind == "times":
        assert found.x_test.ravel().tolist() == [16, 17, 18, 19]
    if kind == "weights":
        assert found.weights_test is not None
        assert found.weights_test.tolist() == (found.x_test.ravel() // 2 + 1).tolist()
