"""Folds of a cross-validation, and a validation set of its own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnet.data import as_dataset
from fastnet.data.validation import stratified_folds, with_validation
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
