"""Samples for an existing model: features, and labels if there are any.

Unlike a `Dataset` they may have one class, some of the classes or no labels; their features keep the type in which they
are given, because only the model knows what they should become.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from fastnet.data.dataset import Dataset
from fastnet.data.labels import named_labels
from fastnet.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Samples to predict or to evaluate.

    Attributes
    ----------
    x : ndarray, shape (N, ...)
        Features as they were given.
    labels : ndarray or None
        Labels as they were given, by name where the classes have names; None without labels.
    name : str
        Name of the samples.
    part : {"test", "train", "all"}
        Which part of their source they are; ``all`` if it has no test set.
    """

    x: NDArray[Any]
    labels: NDArray[Any] | None
    name: str
    part: str

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
    return Samples(x, named_labels(y, dataset.classes, dataset.class_names), dataset.name, chosen)


def no_test_set(name: str) -> DataError:
    """Return the error for a data set without the test set that was asked for."""
    return DataError(f"{name} has no test set: leave part out, or choose the part train")
