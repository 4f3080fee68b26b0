"""Validation samples other than one split: the folds of a cross-validation, or a validation set of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.data.coerce import as_features
from fastnet.data.dataset import Dataset
from fastnet.data.labels import positions_of
from fastnet.data.pipeline.targets import as_targets
from fastnet.data.samples import Samples, like_training, samples_of
from fastnet.data.sparse import as_csr, frozen, is_sparse, is_sparse_given, stacked
from fastnet.data.splitting import Split, split
from fastnet.errors import DataError

TEST_SHARE, TEST_SEED = 0.2, 0
"""Share of the samples of a file that test where nothing else is chosen, and the seed of their choice."""


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
    return joined_with(dataset, *_like(dataset, samples, "validation"))


def with_test(dataset: Dataset, samples: Samples) -> Dataset:
    """Add a test set, which is checked as `with_validation` checks its samples.

    Examples
    --------
    >>> from fastnet.data import as_dataset
    >>> data = as_dataset([[0.0], [1.0]], ["a", "b"])
    >>> with_test(data, samples_of(as_dataset([[2.0], [3.0]], ["b", "a"]))).y_test.tolist()
    [1, 0]
    """
    x, y = _like(dataset, samples, "test")
    y.flags.writeable = False
    return replace(dataset, x_test=x, y_test=y)


def with_share_as_test(dataset: Dataset, share: float | None = None) -> Dataset:
    """Make a share of the samples the test set, by default `TEST_SHARE`; both parts keep the order of the samples.

    They are chosen as `split_of` does.

    Examples
    --------
    >>> from fastnet.data import as_dataset
    >>> with_share_as_test(as_dataset([[0.0]] * 10, ["a", "b"] * 5))
    Dataset('data': 8 samples, 1 features, 2 classes, 2 test samples)
    """
    parts = split_of(dataset, TEST_SHARE if share is None else share, TEST_SEED)
    train, test = np.sort(parts.train), np.sort(parts.validation)
    arrays: dict[str, Any] = {"x_test": dataset.x[test], "y_test": dataset.y[test]}
    if dataset.weights is not None:
        arrays["weights_test"] = dataset.weights[test]
    rows = {name: getattr(dataset, name) for name in ("x", "y", "weights", "groups", "times")}
    arrays |= {name: array[train] for name, array in rows.items() if array is not None}
    return replace(dataset, **{name: _frozen(array) for name, array in arrays.items()})


def _frozen(array: Any) -> Any:
    if is_sparse(array):
        return frozen(array)
    array.flags.writeable = False
    return array


def _like(dataset: Dataset, samples: Samples, part: str) -> tuple[Any, NDArray[Any]]:
    """Return features and targets of other samples, for a part of a data set, in the form of its own."""
    sparse = is_sparse_given(samples.x)
    if sparse != dataset.sparse:
        forms = "are sparse, and" if sparse else "are an array, and"
        raise DataError(
            f"the {part} data {samples.name} {forms} the training data {dataset.name} are not: both must have the same "
            "form"
        )
    samples = like_training(samples, dataset.n_features, dataset.class_names)
    images = samples.x.dtype == np.uint8
    if samples.n_features != dataset.n_features or (images and not sparse) != (dataset.x.dtype == np.uint8):
        raise DataError(
            f"the {part} data {samples.name} have {samples.n_features} features of type {samples.x.dtype}, the "
            f"training data {dataset.name} {dataset.n_features} of {dataset.x.dtype}: both must be the same"
        )
    assert samples.labels is not None
    try:
        x = as_csr(samples.x, "x") if sparse else as_features(samples.x, "x", None if images else dataset.x.dtype)
        return x, _targets_like(dataset, samples.labels, x.shape[0])
    except DataError as error:
        raise DataError(f"the {part} data {samples.name}: {error}") from None


def _targets_like(dataset: Dataset, y: Any, n: int) -> NDArray[Any]:
    """Check n targets as those of a data set: positions of its classes, or (n, K) float64."""
    if dataset.task == "classification":
        return positions_of(y, dataset.classes, dataset.class_names, n=n)
    return as_targets(y, dataset.n_outputs, n, labels=dataset.task == "multilabel")


def joined_with(
    dataset: Dataset, x: NDArray[Any], y: NDArray[Any], weights: NDArray[np.float32] | None = None
) -> tuple[Dataset, Split]:
    """Append validation samples in the form of a data set's own; return both, and the split.

    Examples
    --------
    >>> from fastnet.data import as_dataset
    >>> joined, parts = joined_with(as_dataset([[0.0], [1.0]], ["a", "b"]), np.float32([[2.0]]), np.array([1]))
    >>> joined.y.tolist(), parts.validation.tolist()
    ([0, 1, 1], [2])
    """
    n = dataset.n_samples
    both: dict[str, list[Any]] = {"x": [dataset.x, x], "y": [dataset.y, y]}
    if dataset.weights is not None and weights is not None:
        both["weights"] = [dataset.weights, weights]
    arrays: dict[str, Any] = {name: stacked(pair) for name, pair in both.items()}
    joined = replace(dataset, groups=None, times=None, **{name: _frozen(array) for name, array in arrays.items()})
    return joined, Split(train=np.arange(n), validation=np.arange(n, n + x.shape[0]))


BINS = 10
"""Quantiles of numbers that a split keeps the shares of."""


def split_of(dataset: Dataset, fraction: float = 0.2, seed: int = 0) -> Split:
    """Hold samples back for validation, by what the data set says of its samples.

    With times the last ones validate; with groups, whole groups. Otherwise each class, each tenth of the first target's
    values, or each combination of labels has the same share in both parts. The arguments are those of `split`.

    Raises
    ------
    ConfigError
        If `fraction` or `seed` is outside its range.
    DataError
        If there are fewer than 2 samples, or fewer than 2 groups.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from fastnet.data import as_dataset
    >>> data = as_dataset([[0.0]] * 10, [0, 1] * 5)
    >>> split_of(replace(data, times=np.arange(10.0))).validation.tolist()
    [8, 9]
    """
    parts = split(strata_of(dataset), fraction=fraction, seed=seed)  # checks the arguments
    if dataset.times is not None:
        order = np.argsort(dataset.times, kind="stable").astype(np.int64)
        first = dataset.n_samples - len(parts.validation)
        return Split(train=order[:first], validation=order[first:])
    if dataset.groups is None:
        return parts
    _, groups, sizes = np.unique(dataset.groups, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        raise DataError(f"{dataset.name} has a single group, which cannot be divided into training and validation")
    shuffled = np.random.Generator(np.random.Philox(key=seed)).permutation(len(sizes))
    n_groups = int(np.searchsorted(np.cumsum(sizes[shuffled]), len(parts.validation))) + 1
    validates = np.isin(groups, shuffled[: min(n_groups, len(sizes) - 1)])
    order = np.concatenate([parts.train, parts.validation])
    return Split(train=order[~validates[order]], validation=order[validates[order]])


def strata_of(dataset: Dataset) -> NDArray[np.int64]:
    """Return a number for each sample; a split keeps the shares of equal ones.

    Examples
    --------
    >>> from fastnet.data import as_dataset
    >>> strata_of(as_dataset([[0.0]] * 3, ["a", "b", "a"])).tolist()
    [0, 1, 0]
    """
    if dataset.task == "classification":
        return dataset.y
    if dataset.task == "multilabel":
        return np.unique(dataset.y, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    n = dataset.n_samples
    ranks = np.empty(n, np.int64)
    ranks[np.argsort(dataset.y[:, 0], kind="stable")] = np.arange(n)
    return ranks * min(BINS, max(n // 2, 1)) // n


def folds_of(dataset: Dataset, n_folds: int, seed: int = 0) -> list[Split]:
    """Divide samples into folds, by classes, quantiles or groups as in `split_of`; each fold validates once.

    Raises
    ------
    DataError
        If there are fewer samples or groups than folds, or the samples have times.

    Examples
    --------
    >>> from fastnet.data import as_dataset
    >>> [len(part.validation) for part in folds_of(as_dataset([[0.0]] * 6, [0, 1] * 3), 3)]
    [2, 2, 2]
    """
    if dataset.times is not None:
        raise DataError(
            f"{dataset.name} has times, so its last samples validate, where folds would train on the future; choose a "
            "share of validation samples instead of folds"
        )
    return _divided(strata_of(dataset), dataset.groups, n_folds, seed)


def further_folds(dataset: Dataset, parts: Split, n_folds: int, seed: int = 0) -> list[Split]:
    """Make the other folds of a split: of `n_folds`, at least 3, the validation samples of `parts` are the first.

    The training samples of `parts` are divided into the others, by classes, quantiles or groups as in `folds_of`; each
    of them validates once, and all other samples of `parts` train.

    Raises
    ------
    DataError
        If the training samples, or their groups, are fewer than the other folds, or the samples have times.

    Examples
    --------
    >>> from fastnet.data import as_dataset
    >>> data = as_dataset([[0.0]] * 12, [0, 1] * 6)
    >>> first = split_of(data, 0.25)
    >>> [(len(part.train), len(part.validation)) for part in further_folds(data, first, 4)]
    [(9, 3), (9, 3), (9, 3)]
    """
    if dataset.times is not None:
        raise DataError(
            f"{dataset.name} has times, so its last samples validate, where further folds of an ensemble would train "
            "on the future; leave ensemble_folds out"
        )
    rows = parts.train
    groups = None if dataset.groups is None else dataset.groups[rows]
    try:
        divided = _divided(strata_of(dataset)[rows], groups, n_folds - 1, seed)
    except DataError as error:
        raise DataError(f"ensemble_folds={n_folds}: without the validation samples, {error}") from None
    shuffled = np.random.Generator(np.random.Philox(key=seed))
    return [
        Split(
            train=shuffled.permutation(np.concatenate([rows[part.train], parts.validation])),
            validation=rows[part.validation],
        )
        for part in divided
    ]


def _divided(strata: NDArray[np.int64], groups: NDArray[Any] | None, n_folds: int, seed: int) -> list[Split]:
    """Divide samples into folds with the same share of each stratum, or by whole groups."""
    if groups is None:
        return stratified_folds(strata, n_folds, seed=seed)
    n_groups = len(np.unique(groups))
    if n_groups < n_folds:
        raise DataError(f"{n_groups} groups cannot be divided into {n_folds} folds; choose fewer folds")
    from sklearn.model_selection import GroupKFold

    shuffled = np.random.Generator(np.random.Philox(key=seed))
    parts = list(GroupKFold(n_folds).split(groups, groups=groups))
    return [Split(train=shuffled.permutation(train), validation=validation) for train, validation in parts]
