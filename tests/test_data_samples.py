"""Samples for an existing model: any part of a data set or file, with labels or without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fastnet.data import Dataset, as_dataset
from fastnet.data.readers.npz import read_samples
from fastnet.data.registry import load_samples
from fastnet.data.samples import Samples, samples_of
from fastnet.errors import DataError

X = np.arange(12.0).reshape(4, 3)


def test_samples_of_a_set_by_name() -> None:
    samples = load_samples("digits", part="train")
    assert samples.part == "train" and samples.labels is not None and samples.labels.dtype == np.int64


def test_the_test_set_is_taken_unless_another_part_is_asked_for(tiny_dataset: Dataset) -> None:
    for part, chosen, n in ((None, "test", 30), ("test", "test", 30), ("train", "train", 90)):
        samples = samples_of(tiny_dataset, part)
        assert (samples.part, len(samples.x), samples.name) == (chosen, n, "tiny")
        assert samples.labels is not None and set(samples.labels) == {"left", "middle", "right"}
    alone = tiny_dataset.without_test()
    assert samples_of(alone).part == "all" and len(samples_of(alone).x) == 90
    with pytest.raises(DataError, match=r"^tiny has no test set: leave part out, or choose the part train$"):
        samples_of(alone, "test")


@pytest.mark.parametrize(("shape", "n_features"), [((5, 3), 3), ((5, 8, 8), 64), ((7,), 7), ((5, 1), 1)])
def test_a_single_sample_may_have_its_features_along_the_first_axis(shape: tuple[int, ...], n_features: int) -> None:
    assert Samples(np.zeros(shape), None, "a", "all").n_features == n_features


def test_a_file_may_hold_any_part_and_no_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=X)
    samples = read_samples(path, labels=False)
    assert (samples.labels, samples.name, samples.part) == (None, "a", "all") and np.array_equal(samples.x, X)
    with pytest.raises(DataError, match="its samples x have no labels y, so nothing can be measured on them"):
        read_samples(path)
    with pytest.raises(DataError, match="a has no test set"):
        read_samples(path, "test")
    np.savez(path, x_train=X, y_train=[0, 1, 1, 0], x_test=X[:1], y_test=[7])
    assert read_samples(path).labels.tolist() == [7], "a class that training need not have"
    assert (read_samples(path, "train").part, len(read_samples(path, "train").x)) == ("train", 4)
    np.savez(path, x_test=X[:2], y_test=[1, 0], class_names=["no", "yes"])
    assert read_samples(path).labels.tolist() == ["yes", "no"]
    with pytest.raises(DataError, match="holds x_test, y_test, class_names; the array x, x_train or x_test is needed"):
        read_samples(path, "train")


def test_labels_are_names_where_the_classes_have_some() -> None:
    named = as_dataset(X, [0, 1, 1, 0], class_names=["no", "yes"])
    assert samples_of(named).labels.tolist() == ["no", "yes", "yes", "no"]  # type: ignore[union-attr]
    numbered = as_dataset(X, [3, 5, 5, 3])
    assert samples_of(numbered).labels.tolist() == [3, 5, 5, 3]  # type: ignore[union-attr]
