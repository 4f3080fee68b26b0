"""Samples for an existing model: features, and labels if there are any.

Unlike a `Dataset` they may have one class, some of the classes or no labels; their features keep the type in which they
are given, because only the model knows what they should become.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.data.dataset import Dataset
from fastnet.data.labels import named_labels
from fastnet.data.sparse import with_columns
from fastnet.errors import DataError, warn


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Samples to predict or to evaluate.

    Attributes
    ----------
    x : ndarray, shape (N, ...), or csr_array, shape (N, F)
        Features as they were given.
    labels : ndarray or None
        Labels as they were given, by name where the classes have names; None without labels.
    name : str
        Name of the samples.
    part : {"test", "train", "all"}
        Which part of their source they are; ``all`` if it has no test set.
    open_ended : bool
        Whether their source does not say how many columns there are, as svmlight files; see `like_training`.
    names : tuple of str or None
        Names of the columns of labels, if their source has them.
    """

    x: NDArray[Any]
    labels: NDArray[Any] | None
    name: str
    part: str
    open_ended: bool = False
    names: tuple[str, ...] | None = None

    @property
    def n_features(self) -> int:
        """Number of features of a sample; a single sample may have them along its first axis."""
        return math.prod(self.x.shape[1:] if self.x.ndim > 1 else self.x.shape)


def samples_of(dataset: Dataset, part: str | None = None) -> Samples:
    """Take a part of a data set; by default the test set if it has one, else all samples.

    Examples
    --------
    >>> from fastnet.data import as_dataset
    >>> samples = samples_of(as_dataset([[0.0], [1.0]], [0, 1], class_names=["left", "right"]))
    >>> samples.part, samples.labels.tolist()
    ('all', ['left', 'right'])
    """
    x, y, chosen = dataset.x, dataset.y, "train" if part == "train" else "all"
    if part == "test" or (part is None and dataset.x_test is not None):
        if dataset.x_test is None or dataset.y_test is None:
            raise no_test_set(dataset.name)
        x, y, chosen = dataset.x_test, dataset.y_test, "test"
    labels = named_labels(y, dataset.classes, dataset.class_names) if dataset.task == "classification" else y
    return Samples(x, labels, dataset.name, chosen)


def like_training(samples: Samples, n_features: int, names: Sequence[str]) -> Samples:
    """Give samples the columns of training data where their source does not say how many, and which, there are.

    Parameters
    ----------
    samples : Samples
    n_features : int
        Number of features of the training data. Missing columns become empty. Values in others are left out with a
        `FastnetWarning`: nothing was learnt of them.
    names : sequence of str
        Names of the labels in the training data; those of `samples` get the same order.

    Raises
    ------
    DataError
        If samples have a label that the training data do not have.

    Examples
    --------
    >>> from scipy import sparse
    >>> new = Samples(sparse.csr_array([[1.0, 0.0]]), np.array([[1.0]]), "new", "all", True, ("b",))
    >>> fitting = like_training(new, 3, ("a", "b"))
    >>> fitting.n_features, fitting.labels.tolist()
    (3, [[0.0, 1.0]])
    """
    x, labels = samples.x, samples.labels
    if samples.open_ended and samples.n_features != n_features:
        x, n_lost = with_columns(x, n_features)
        if n_lost:
            warn(
                f"{samples.name} has values in columns after {n_features - 1}, the last one of the training data; "
                f"these values are left out: {n_lost:,}"
            )
    if samples.names is not None and labels is not None and labels.ndim == 2:
        unknown = [name for name in samples.names if name not in names]
        if unknown:
            raise DataError(f"{samples.name}: the label {unknown[0]} does not occur in the training data")
        ordered = np.zeros((len(labels), len(names)))
        ordered[:, [list(names).index(name) for name in samples.names]] = labels
        labels = ordered
    return replace(samples, x=x, labels=labels, names=None)


def no_test_set(name: str) -> DataError:
    """Return the error for a data set without the test set that was asked for."""
    return DataError(f"{name} has no test set: leave part out, or choose the part train")
