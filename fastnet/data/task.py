"""The targets of arrays: classes, numbers or labels, and which of these they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.data.coerce import as_array, as_reals
from fastnet.data.labels import as_labels, label_values
from fastnet.errors import ConfigError, DataError

TASKS = ("auto", "classification", "regression", "multilabel")


class Targets(NamedTuple):
    """Checked targets of training and test samples, as `fastnet.data.dataset.Dataset` holds them."""

    task: str
    y: NDArray[Any]
    y_test: NDArray[Any] | None
    classes: NDArray[Any]
    names: tuple[str, ...]


def targets_of(
    y: ArrayLike, y_test: ArrayLike | None = None, names: Sequence[str] | None = None, task: str = "auto"
) -> Targets:
    """Check targets and decide what they are.

    Parameters
    ----------
    y, y_test : array_like, shape (N,) or (N, K)
        Classes as `as_labels` takes them, numbers, or K labels of 0 and 1.
    names : sequence of str, optional
        Of the classes, or of the targets.
    task : {"auto", "classification", "regression", "multilabel"}
        What they are. By default numbers with fractions are numbers to be predicted; several columns are too, unless
        all are 0 or 1, which makes them labels; everything else is classes.

    Raises
    ------
    ConfigError
        If the task is unknown.
    DataError
        If the targets are not of that task.

    Examples
    --------
    >>> targets_of([0.5, 1.25]).task, targets_of([3, 5, 3]).task, targets_of([[0, 1], [1, 1]]).task
    ('regression', 'classification', 'multilabel')
    """
    if task not in TASKS:
        raise ConfigError(f"task={task!r}: choose one of {', '.join(TASKS)}")
    found = _task_of(as_array(y, "y")) if task == "auto" else task
    if found == "classification":
        labels, test_labels, classes, class_names = as_labels(y, y_test, names)
        return Targets(found, labels, test_labels, classes, class_names)
    numbers = as_numbers(y, "y", labels=found == "multilabel")
    n_targets = numbers.shape[1]
    named = _names_of(n_targets) if names is None else tuple(str(name) for name in names)
    if len(named) != n_targets:
        raise DataError(f"{len(named)} names are given for {n_targets} targets: each needs one")
    test = None if y_test is None else as_numbers(y_test, "y_test", labels=found == "multilabel")
    if test is not None and test.shape[1] != n_targets:
        raise DataError(f"y has {n_targets} targets but y_test has {test.shape[1]}: both must have the same")
    return Targets(found, numbers, test, np.empty(0, np.int64), named)


def as_numbers(y: ArrayLike, name: str, *, labels: bool = False) -> NDArray[np.float64]:
    """Check numbers to be predicted, or labels of 0 and 1, and return them as (N, K) float64.

    Raises
    ------
    DataError
        If one is missing, infinite or no number, or is neither 0 nor 1 though labels are needed.

    Examples
    --------
    >>> as_numbers([1, 2.5], "y").tolist()
    [[1.0], [2.5]]
    """
    try:
        numbers = as_reals(y, name)
    except (ValueError, TypeError):
        raise DataError(f"{name} holds values that are no numbers; choose the task classification") from None
    if numbers.ndim == 1:
        numbers = numbers[:, None]
    if numbers.ndim != 2 or not numbers.size:
        raise DataError(f"{name} has shape {numbers.shape}: targets need a row for each sample, (N,) or (N, K)")
    if not np.isfinite(numbers).all():
        row, target = divmod(int((~np.isfinite(numbers)).argmax()), numbers.shape[1])
        raise DataError(
            f"{name}[{row}] holds {numbers[row, target]}: targets must be finite numbers; leave that sample out"
        )
    if labels and not np.isin(numbers, (0.0, 1.0)).all():
        raise DataError(f"{name} holds other values than 0 and 1: the task multilabel needs labels of 0 and 1")
    return np.ascontiguousarray(numbers)


def as_weights(weights: ArrayLike | None, n: int, name: str) -> NDArray[np.float32] | None:
    """Return the weights of n samples as float32, see `checked_weights`; None for None."""
    return None if weights is None else checked_weights(weights, n, name).astype(np.float32)


def checked_weights(weights: ArrayLike, n: int, name: str = "weights") -> NDArray[np.float64]:
    """Check the weights of n samples, float64.

    Raises
    ------
    DataError
        If they are not n finite numbers from 0, or all are 0, or one is too large for float32.
    """
    try:
        checked = as_reals(weights, name)
    except (ValueError, TypeError):
        raise DataError(f"{name} holds values that are no numbers") from None
    if checked.shape != (n,) or not (np.isfinite(checked).all() and (checked >= 0).all() and checked.any()):
        raise DataError(
            f"{name} of shape {checked.shape}: must be {n} finite numbers of at least 0; if all weights are zero, no "
            "sample counts"
        )
    if checked.max() > np.finfo(np.float32).max:
        raise DataError(f"{name} go up to {checked.max():g}, which float32 cannot hold; divide all of them by a number")
    return checked


def as_row(values: ArrayLike, n: int, name: str) -> NDArray[np.float64]:
    """Check one finite number for each of n samples, float64."""
    try:
        checked = as_reals(values, name)
    except (ValueError, TypeError):
        raise DataError(f"{name} holds values that are no numbers") from None
    if checked.shape != (n,) or not np.isfinite(checked).all():
        raise DataError(f"{name} has shape {checked.shape}: {n} finite numbers are needed, one for each sample")
    return checked


def as_groups(groups: ArrayLike | None, n: int) -> NDArray[np.int64] | None:
    """Return the group of each of n samples as a number; None for None."""
    if groups is None:
        return None
    labels = label_values(groups, "groups")
    if len(labels) != n:
        raise DataError(f"groups has {len(labels)} values: {n} samples need one each")
    return np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _task_of(y: NDArray[Any]) -> str:
    if y.ndim == 2 and y.shape[1] > 1 and y.dtype.kind in "biuf":
        binary = bool(np.isin(y, (0, 1)).all())
        if binary and (y.sum(axis=1) == 1).all():
            return "classification"  # rows that each choose one class; they are refused with the remedy
        return "multilabel" if binary else "regression"
    if y.dtype.kind == "O":
        values = y.ravel().tolist()
        if not all(isinstance(value, (int, float)) for value in values):
            return "classification"
        y = np.array(values, np.float64)
    fractions = y.dtype.kind == "f" and bool((np.isfinite(y) & (y != np.floor(y))).any())
    return "regression" if fractions else "classification"


def _names_of(n: int) -> tuple[str, ...]:
    return ("y",) if n == 1 else tuple(f"y{k}" for k in range(n))
