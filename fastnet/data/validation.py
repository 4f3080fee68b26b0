"""Validation samples other than one split: the folds of a cross-validation, or a validation set of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fastnet.data.coerce import as_features
from fastnet.data.dataset import Dataset, Split
from fastnet.data.labels import positions_of
from fastnet.data.samples import Samples, samples_of
from fastnet.errors import DataError


def stratified_folds(y: NDArray[np.int64], n_folds: int, *, seed: int = 0) -> list[Split]:
    """Divide N samples into folds with the same share of every class; each fold validates once.

    `y` holds the class of each sample, `n_folds` is at least 2, and `seed` (0 to 2**64 - 1) determines the shuffle.
    Raises `DataError` if there are fewer samples than folds.

    Notes
    -----
    The folds are those of ``sklearn.model_selection.StratifiedKFold(shuffle=True)``; a class with fewer samples than
    folds is missing from some validation parts.

    Examples
    --------
    >>> parts = stratified_folds(np.array([0, 0, 0, 1, 1, 1]), 3)
    >>> [len(part.validation) for part in parts], sorted(np.concatenate([part.validation for part in parts]).tolist())
    ([2, 2, 2], [0, 1, 2, 3, 4, 5])
    """
    import warnings

    from sklearn.model_selection import KFold, StratifiedKFold

    if len(y) < n_folds:
        raise DataError(f"{len(y)} samples cannot be divided into {n_folds} folds; choose fewer folds")
    generator = np.random.RandomState(np.random.MT19937(np.random.SeedSequence(seed)))
    # Where every class is smaller than the number of folds there is nothing to stratify by.
    kind = StratifiedKFold if np.bincount(y).max() >= n_folds else KFold
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a class has fewer samples than there are folds
        parts = list(kind(n_folds, shuffle=True, random_state=generator).split(np.zeros(len(y)), y))
    shuffled = np.random.Generator(np.random.Philox(key=seed))
    return [Split(train=shuffled.permutation(train), validation=validation) for train, validation in parts]


def with_validation(dataset: Dataset, validation: Dataset | Samples) -> tuple[Dataset, Split]:
    """Join training samples with a separate validation set; return both sets of samples, in this order, and the split.

    Of a data set, the training samples validate. Its labels are matched to the classes of `dataset`; it need not have
    all of them. Raises `DataError` if the two differ in features or type, or the validation set has other classes.

    Examples
    --------
    >>> from fastnet.data import as_dataset
    >>> joined, parts = with_validation(as_dataset([[0.0], [1.0]], ["a", "b"]), as_dataset([[2.0], [0.5]], ["b", "a"]))
    >>> joined.y.tolist(), parts.train.tolist(), parts.validation.tolist()
    ([0, 1, 1, 0], [0, 1], [2, 3])
    """
    samples = samples_of(validation, "train") if isinstance(validation, Dataset) else validation
    images = samples.x.dtype == np.uint8
    if samples.n_features != dataset.n_features or images != (dataset.x.dtype == np.uint8):
        raise DataError(
            f"the validation data {samples.name} have {samples.n_features} features of type {samples.x.dtype}, the "
            f"training data {dataset.name} {dataset.n_features} of {dataset.x.dtype}: both must be the same"
        )
    assert samples.labels is not None
    try:
        x = as_features(samples.x, "x", None if images else dataset.x.dtype)
        y = positions_of(samples.labels, dataset.classes, dataset.class_names, n=len(x))
    except DataError as error:
        raise DataError(f"the validation data {samples.name}: {error}") from None
    n = dataset.n_samples
    joined_x, joined_y = np.concatenate([dataset.x, x]), np.concatenate([dataset.y, y])
    joined_x.flags.writeable = joined_y.flags.writeable = False
    joined = replace(dataset, x=joined_x, y=joined_y)
    return joined, Split(train=np.arange(n), validation=np.arange(n, n + len(x)))
