"""The targets of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnet
from fastnet.data.task import as_groups, as_numbers, as_row, as_weights, checked_weights, targets_of
from fastnet.errors import ConfigError, DataError

X = np.arange(8.0, dtype=np.float32).reshape(4, 2)


@pytest.mark.parametrize(
    ("y", "task", "names"),
    [
        ([1, 2, 1, 2], "classification", ("1", "2")),
        ([1.0, 2.0, 1.0, 3.0], "classification", ("1", "2", "3")),
        (["a", "b", "a", "b"], "classification", ("a", "b")),
        ([True, False, True, False], "classification", ("0", "1")),
        ([1.5, 2.0, 1.0, 3.0], "regression", ("y",)),
        (np.array([1, 2.5, 3, 4], dtype=object), "regression", ("y",)),
        ([[1.0, 2.0], [3.0, 4.5], [0.0, 1.0], [1.0, 1.0]], "regression", ("y0", "y1")),
        ([[1, 2], [3, 4], [0, 1], [1, 1]], "regression", ("y0", "y1")),
        ([[1, 0], [1, 1], [0, 0], [0, 1]], "multilabel", ("y0", "y1")),
    ],
)
def test_the_task_follows_from_the_targets(y: Any, task: str, names: tuple[str, ...]) -> None:
    data = fastnet.as_dataset(X, y)
    assert (data.task, data.class_names, len(data.y)) == (task, names, 4)
    assert data.y.shape == ((4,) if task == "classification" else (4, len(names)))
    assert not data.y.flags.writeable


def test_a_task_can_be_chosen() -> None:
    data = fastnet.as_dataset(X, [1, 2, 1, 2], task="regression", class_names=["price"], x_test=X, y_test=[4, 3, 2, 1])
    assert data.y.tolist() == [[1.0], [2.0], [1.0], [2.0]] and data.class_names == ("price",)
    assert data.y_test is not None and data.y_test.tolist() == [[4.0], [3.0], [2.0], [1.0]]
    assert targets_of([0, 1, 1], task="multilabel").names == ("y",)


def test_numbers_are_learnt_from_arrays() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)).astype(np.float32)
    y = x @ [1.0, -2.0, 0.5] + 10.0
    config = fastnet.TrainConfig(hidden=(), epochs=60, optimizer="adam", learning_rate=0.03)
    found = fastnet.train((x, y), config)
    assert found.model.task == "regression" and found.model.score(x, y).value < 0.2  # the standard deviation is 2.2


def test_weights_groups_and_times_enter_a_data_set() -> None:
    more = {"weights": [1, 2, 0, 1], "groups": ["a", "b", "a", "c"], "times": [3, 1, 2, 0.5]}
    data = fastnet.as_dataset(X, [0, 1, 0, 1], **more, x_test=X, y_test=[0, 1, 1, 1], weights_test=[1, 1, 1, 2])
    assert data.weights is not None and data.weights.tolist() == [1, 2, 0, 1] and data.weights.dtype == np.float32
    assert data.groups is not None and data.groups.tolist() == [0, 1, 0, 2]
    assert data.times is not None and data.times.tolist() == [3, 1, 2, 0.5]
    assert data.weights_test is not None and data.weights_test.tolist() == [1, 1, 1, 2]


@pytest.mark.parametrize(
    ("y", "task", "says"),
    [
        (["a", "b"], "regression", "y holds values that are no numbers; choose the task classification"),
        ([1.0, np.nan], "regression", r"y\[1\] holds nan: targets must be finite numbers"),
        ([1.5, np.inf], "auto", r"y\[1\] holds inf"),
        ([0, 2], "multilabel", "y holds other values than 0 and 1"),
        (np.zeros((2, 2, 2)), "regression", r"y has shape \(2, 2, 2\)"),
        ([0.5, 1.5], "classification", r"y\[0\] is 0.5: labels must be whole numbers or text"),
        ([[1, 0], [0, 1]], "auto", r"y.argmax\(axis=1\)"),
    ],
)
def test_targets_that_do_not_fit_are_refused(y: Any, task: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        targets_of(y, task=task)


def test_names_and_test_targets_must_fit() -> None:
    with pytest.raises(DataError, match="2 names are given for 1 targets"):
        targets_of([0.5, 1.5], names=["a", "b"])
    with pytest.raises(DataError, match="y has 1 targets but y_test has 2"):
        targets_of([0.5, 1.5], [[1, 2]])
    with pytest.raises(ConfigError, match="task='sorting': choose one of auto, classification"):
        targets_of([0.5, 1.5], task="sorting")


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [np.nan, 1.0], ["a", "b"]])
def test_weights_are_checked(weights: Any) -> None:
    with pytest.raises(DataError, match="weights"):
        as_weights(weights, 2, "weights")


def test_rows_and_groups_are_checked() -> None:
    assert as_weights(None, 3, "weights") is None and as_groups(None, 3) is None
    with pytest.raises(DataError, match="times has shape"):
        as_row([1.0], 2, "times")
    with pytest.raises(DataError, match="groups has 1 values: 2 samples"):
        as_groups(["a"], 2)
    assert as_numbers([[1, 2]], "y").flags.c_contiguous


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [np.nan, 1.0]])
def test_weights_of_an_evaluation_are_checked(weights: Any) -> None:
    assert checked_weights([1, 0.5], 2).tolist() == [1.0, 0.5]
    with pytest.raises(DataError, match="must be 2 finite numbers of at least 0"):
        checked_weights(weights, 2)


def test_numbers_that_float64_cannot_hold_are_refused_without_a_warning() -> None:
    signalling = np.array([0x7F800001], np.uint32).view(np.float32)
    huge = np.array([1.0, np.longdouble("1e4000")], np.longdouble)
    for odd in (np.r_[np.zeros(1, np.float32), signalling], huge):
        with pytest.raises(DataError, match=r"y\[1\] holds (nan|inf): targets must be finite"):
            as_numbers(odd, "y")


def test_weights_that_float32_cannot_hold_are_refused() -> None:
    largest = float(np.finfo(np.float32).max)
    assert checked_weights([largest, 1.0], 2).tolist() == [largest, 1.0]
    with pytest.raises(DataError, match="weights go up to 1e\\+300, which float32 cannot hold"):
        as_weights([1.0, 1e300], 2, "weights")
