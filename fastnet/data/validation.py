"""Other ways to hold samples back than one split: folds of a cross-validation, and a validation set of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastnet.data.dataset import Dataset, Split, as_dataset
from fastnet.errors import DataError


def stratified_folds(y: NDArray[np.int64], n_folds: int, *, seed: int = 0) -> list[Split]:
    """Divide samples into folds with the same share of every class, each of which validates once.

    Parameters
    ----------
    y : (N,) int64
        Class of each sample.
    n_folds : int
        At least 2.
    seed : int
        The shuffle follows from it, 0 to 2**64 - 1.

    Returns
    -------
    list of Split
        One for each fold; every sample is in the validation part of exactly one.

    Raises
    ------
    DataError
        If there are fewer samples than folds.

    Notes
    -----
    The folds are those of ``sklearn.model_selection.StratifiedKFold(shuffle=True)``; a class of fewer samples than
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


def with_validation(dataset: Dataset, validation: Dataset) -> tuple[Dataset, Split]:
    """Join training samples with a validation set of their own.

    Parameters
    ----------
    dataset : Dataset
        Its training part is learnt from; its test part is kept.
    validation : Dataset
        All its samples validate; a test part is left out.

    Returns
    -------
    dataset : Dataset
        Both sets of samples, in this order.
    split : Split
        Which are which.

    Raises
    ------
    DataError
        If the two do not have the same features and type, or the validation set has classes that the training
        samples do not have.

    Examples
    --------
    >>> joined, parts = with_validation(as_dataset([[0.0], [1.0]], ["a", "b"]), as_dataset([[2.0], [0.5]], ["b", "a"]))
    >>> joined.y.tolist(), parts.train.tolist(), parts.validation.tolist()
    ([0, 1, 1, 0], [0, 1], [2, 3])
    """
    if validation.n_features != dataset.n_features or validation.x.dtype != dataset.x.dtype:
        raise DataError(
            f"the validation data {validation.name} have {validation.n_features} features of type "
            f"{validation.x.dtype}, the training data {dataset.name} {dataset.n_features} of {dataset.x.dtype}: both "
            "must be the same"
        )
    strange = [name for name in validation.class_names if name not in dataset.class_names]
    if strange:
        raise DataError(
            f"the validation data {validation.name} have the class {strange[0]!r}, which no training sample of "
            f"{dataset.name} has; correct the label or add training samples"
        )
    renamed = np.array([dataset.class_names.index(name) for name in validation.class_names], np.int64)
    n = dataset.n_samples
    joined = as_dataset(
        np.concatenate([dataset.x, validation.x]),
        np.concatenate([dataset.y, renamed[validation.y]]),
        x_test=dataset.x_test,
        y_test=dataset.y_test,
        class_names=dataset.class_names,
        name=dataset.name,
    )
    return joined, Split(train=np.arange(n), validation=np.arange(n, n + validation.n_samples))
