"""The data set that everything else receives."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.data.coerce import as_features
from fastnet.data.extent import Extent, extent_of
from fastnet.data.fields import Field
from fastnet.data.labels import lengths_differ
from fastnet.data.schema import Schema
from fastnet.data.sparse import as_csr, frozen, is_sparse, is_sparse_given, share_of_values, update_digest
from fastnet.data.task import as_groups, as_row, as_weights, targets_of
from fastnet.errors import DataError


class DataSource(NamedTuple):
    """Where `fastnet.load` read a data set.

    Attributes
    ----------
    data : str or list of str
        The name of the data set, the absolute path of its file or of several, or ``-`` for standard input.
    data_dir : str or None
        The folder of an image set, if one was given.
    reading : mapping of str to Any, or None
        How a table is read: what `fastnet.load` was given besides.
    samples : int or None
        Number of first training samples that were kept; None for all.
    """

    data: str | list[str]
    data_dir: str | None = None
    reading: Mapping[str, Any] | None = None
    samples: int | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Dataset:
    """Samples and their targets, checked once: holders of a Dataset need not check again.

    Created by `as_dataset` or `fastnet.load`, never directly. The arrays are read-only.

    Attributes
    ----------
    x : ndarray, shape (N, F), uint8, float32 or float64, C-contiguous; or csr_array, float32
        Features of the training samples, finite; uint8 means images in 0..255. With `fields`, float32 as they describe
        it, NaN where a value is missing. Sparse features are in the form of `fastnet.data.sparse.as_csr`.
    y : ndarray
        Targets of the training samples: classes, (N,) int64 positions in `classes`; numbers, (N, K) float64, finite;
        or, for ``"multilabel"``, (N, K) float64 of 0 and 1.
    classes : ndarray, shape (n_classes,), int64, float64, bool or str
        Values of the classes: each distinct label as it was given. Empty for numbers.
    class_names : tuple of str
        Names of the classes, in the same order. For numbers and labels, the names of the K targets.
    name : str
        Name of the data set.
    x_test, y_test : ndarray or None
        The test set in the same form; None without one.
    task : {"classification", "regression", "multilabel"}
        What `y` holds.
    fields : tuple of Field, length F, or None
        What each column of `x` holds; None where all are numbers of one kind, such as pixels.
    weights, weights_test : ndarray, shape (N,), float32, or None
        Weight of each sample in losses and scores; None where all count once.
    groups : ndarray, shape (N,), int64, or None
        Samples of one group are never divided between training and validation.
    times : ndarray, shape (N,), float64, or None
        Order of the samples in time: later ones validate.
    numbers : {"auto", "piecewise", "robust", "standard", "quantile"}
        How the first layer reads numbers; ``auto`` is ``piecewise`` with `fields`, ``standard`` without, and sparse
        features as they are given.
    schema : Schema or None
        How the table's columns became `fields`; None for arrays.
    source : DataSource or None
        Where it was read, so that a study can be continued without it; None for what was in memory.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    classes: NDArray[Any]
    class_names: tuple[str, ...]
    name: str
    x_test: NDArray[Any] | None
    y_test: NDArray[Any] | None
    task: str = "classification"
    fields: tuple[Field, ...] | None = None
    weights: NDArray[np.float32] | None = None
    weights_test: NDArray[np.float32] | None = None
    groups: NDArray[np.int64] | None = None
    times: NDArray[np.float64] | None = None
    numbers: str = "auto"
    schema: Schema | None = None
    source: DataSource | None = None
    _fingerprint: str = field(default="", init=False)
    _learnt: str = field(default="", init=False)  # the same without the test part
    _extent: Extent | None = field(default=None, init=False)

    @property
    def n_samples(self) -> int:
        """Number of training samples."""
        return int(self.x.shape[0])

    @property
    def n_test(self) -> int:
        """Number of test samples; 0 without a test set."""
        return 0 if self.x_test is None else int(self.x_test.shape[0])

    @property
    def sparse(self) -> bool:
        """Whether the features are sparse."""
        return is_sparse(self.x)

    @property
    def like_table(self) -> bool:
        """Whether the usual settings of tables serve: for a table, and for sparse features."""
        return self.fields is not None or self.sparse

    @property
    def n_features(self) -> int:
        """Number of features of a sample."""
        return int(self.x.shape[1])

    @property
    def n_classes(self) -> int:
        """Number of classes; 0 for numbers and labels."""
        return len(self.classes)

    @property
    def n_outputs(self) -> int:
        """Number of classes, or of targets."""
        return len(self.class_names)

    @property
    def labels(self) -> NDArray[Any]:
        """Labels of the training samples, (N,): values of `classes`, as a model predicts and scores them."""
        labels: NDArray[Any] = self.classes[self.y]
        return labels

    @property
    def labels_test(self) -> NDArray[Any] | None:
        """Labels of the test samples in the same form; None without a test set."""
        return None if self.y_test is None else self.classes[self.y_test]

    def fingerprint(self) -> str:
        """Return the SHA-256 of the arrays, their types and shapes: 64 hexadecimal digits, computed once.

        Names do not count.

        Examples
        --------
        >>> a = as_dataset([[0.0], [1.0]], [0, 1], name="a")
        >>> b = as_dataset([[0.0], [1.0]], [0, 1], name="b")
        >>> a.fingerprint() == b.fingerprint()
        True
        """
        if not self._fingerprint:
            whole = hashlib.sha256()
            _add(whole, self.x)
            _add(whole, self.y)
            learnt = whole.copy()
            for digest, x_test, y_test, weights_test in (
                (whole, self.x_test, self.y_test, self.weights_test),
                (learnt, None, None, None),
            ):
                more = (self.weights, weights_test, self.groups, self.times)
                for part in (x_test, y_test, *(one for one in more if one is not None)):
                    _add(digest, part)
                if self.fields is not None:
                    digest.update(repr((self.fields, self.numbers)).encode())
                elif self.sparse:
                    digest.update(self.numbers.encode())
            object.__setattr__(self, "_fingerprint", whole.hexdigest())
            object.__setattr__(self, "_learnt", learnt.hexdigest())
        return self._fingerprint

    def extent(self) -> Extent | None:
        """Return the range of the training samples' features, computed once; None for those of tables and sparse ones.

        Where most values are 0, and where each column has its own kind, a range says little of the units.
        """
        if self._extent is None and not self.like_table:
            object.__setattr__(self, "_extent", extent_of(self.x))
        return self._extent

    def without_test(self) -> Dataset:
        """Return the same training samples without the test set, for code that must not see it.

        Its fingerprint is known where that of the whole is.
        """
        found = replace(self, x_test=None, y_test=None, weights_test=None)
        for name in ("_fingerprint", "_learnt"):
            object.__setattr__(found, name, self._learnt)
        return found

    def __repr__(self) -> str:
        test = "no test set" if self.x_test is None else f"{self.n_test} test samples"
        answer = f"{self.n_outputs} classes" if self.task == "classification" else f"{self.n_outputs} targets"
        features = f"{self.n_features} features"
        if self.sparse:
            features += f" ({share_of_values(self.x)} not zero)"
        return f"Dataset({self.name!r}: {self.n_samples} samples, {features}, {answer}, {test})"

    def _repr_html_(self) -> str:
        """Show the columns of a table, or the classes or targets, in a notebook."""
        from fastnet import html

        if self.schema is not None:
            columns = (
                (c.name, c.kind, c.missing or "", c.distinct, ", ".join(c.levels[:4]) or f"{c.low:.6g} to {c.high:.6g}")
                for c in self.schema.columns
            )
            return html.block(repr(self), html.table(("column", "kind", "missing", "distinct", "values"), columns))
        if self.task != "classification":
            return html.block(repr(self), html.paragraph(f"targets: {', '.join(self.class_names[:20])}"))
        counts = np.bincount(self.y, minlength=self.n_classes)[:20].tolist()
        return html.block(repr(self), html.table(("class", "samples"), zip(self.class_names, counts, strict=False)))


def _add(digest: Any, array: Any) -> None:
    """Add the values of an array, its type and its shape to a hash."""
    if array is None:
        digest.update(b"none;")
    elif is_sparse(array):
        update_digest(digest, array)
    else:
        digest.update(f"{array.dtype.name}{array.shape};".encode())
        digest.update(array.data.cast("B"))


def as_dataset(
    x: ArrayLike,
    y: ArrayLike,
    *,
    x_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
    name: str = "data",
    task: str = "auto",
    weights: ArrayLike | None = None,
    weights_test: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    times: ArrayLike | None = None,
) -> Dataset:
    """Check arrays and make a `Dataset` of them; the one place where arrays are checked or converted.

    Parameters
    ----------
    x : array_like of numbers, shape (N, F) or (N, ...); or sparse array or matrix of SciPy, shape (N, F)
        Features; further axes are flattened. Sparse ones of any format and type become CSR in float32, which the
        network reads as it is. Of arrays, uint8 is kept and means images in 0..255; every other numeric type
        becomes float32, or float64 where float32 would lose what distinguishes the samples, as with Unix times. An
        array that already has the right form is not copied; do not modify it afterwards.
    y : array_like, shape (N,) or (N, K)
        Labels: whole numbers of any type, truth values or text, also as Python objects or a pandas column. Their
        distinct values, sorted, become the classes. Or numbers to be predicted, or K labels of 0 and 1.
    x_test, y_test : array_like, optional
        A test set in the same form.
    class_names : sequence of str, optional
        Names of the classes in order; numeric labels are then positions in it. Of numbers and labels, the names of the
        targets.
    name : str
        Name of the data set.
    task : {"auto", "classification", "regression", "multilabel"}
        What `y` holds; see `fastnet.data.task.targets_of` for the default.
    weights, weights_test : array_like, shape (N,), optional
        How much each sample counts in losses and scores, from 0.
    groups : array_like, shape (N,), optional
        Samples of one group are not divided between training and validation.
    times : array_like, shape (N,), optional
        Numbers in the order of which the samples were taken: later ones validate.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If a value is missing, not finite, not a number or not a class, or if the sizes of the arrays disagree; the
        message names the first such place.

    Examples
    --------
    >>> as_dataset([[0.5, 1.0], [2.0, 4.0], [3.0, 1.0]], ["oak", "elm", "oak"], name="trees")
    Dataset('trees': 3 samples, 2 features, 2 classes, no test set)
    """
    if (x_test is None) != (y_test is None):
        given, missing = ("y_test", "x_test") if x_test is None else ("x_test", "y_test")
        raise DataError(f"{given} is given without {missing}: a test set needs both")
    features, test_features = _features(x, x_test)
    targets = targets_of(y, y_test, class_names, task)
    n, n_test = len(targets.y), 0
    if features.shape[0] != n:
        raise lengths_differ(features.shape[0], n, "x", "y")
    if test_features is not None and targets.y_test is not None:
        n_test = len(targets.y_test)
        if test_features.shape[0] != n_test:
            raise lengths_differ(test_features.shape[0], n_test, "x_test", "y_test")
        _check_same_form(features, test_features)
    return Dataset(
        x=_frozen(features),
        y=_frozen(targets.y),
        classes=_frozen(targets.classes),
        class_names=targets.names,
        name=name,
        x_test=None if test_features is None else _frozen(test_features),
        y_test=None if targets.y_test is None else _frozen(targets.y_test),
        task=targets.task,
        weights=_frozen_or_none(as_weights(weights, n, "weights")),
        weights_test=_frozen_or_none(as_weights(weights_test, n_test, "weights_test")),
        groups=_frozen_or_none(as_groups(groups, n)),
        times=None if times is None else _frozen(as_row(times, n, "times")),
    )


def take_first(dataset: Dataset, n: int) -> Dataset:
    """Keep the first training samples, as the book does with 500 of MNIST's 60,000.

    Parameters
    ----------
    dataset : Dataset
    n : int
        Number of samples to keep, 1 to ``dataset.n_samples``.

    Returns
    -------
    Dataset
        Same classes, name and test set; the arrays are views, except for sparse features.

    Raises
    ------
    DataError
        If `n` is not a whole number in that range.

    Examples
    --------
    >>> data = as_dataset([[0.0], [1.0], [2.0]], [0, 1, 0])
    >>> take_first(data, 2).x.ravel()
    array([0., 1.], dtype=float32)
    """
    if isinstance(n, bool) or not hasattr(n, "__index__") or not 1 <= n <= dataset.n_samples:
        raise DataError(
            f"samples={n!r}: {dataset.name} has {dataset.n_samples} training samples; "
            f"take a whole number from 1 to {dataset.n_samples}"
        )
    if n == dataset.n_samples:
        return dataset
    kept = {name: array[:n] for name in ("weights", "groups", "times") if (array := getattr(dataset, name)) is not None}
    source = dataset.source and dataset.source._replace(samples=int(n))
    return replace(dataset, x=_frozen(dataset.x[:n]), y=dataset.y[:n], source=source, **kept)


def _features(x: Any, x_test: Any) -> tuple[Any, Any]:
    """Check the features of both parts, which are both arrays or both sparse."""
    if not is_sparse_given(x):
        if is_sparse_given(x_test):
            raise DataError("x_test is sparse but x is an array: give both in the same form")
        features = as_features(x, "x")
        in_floats = None if features.dtype == np.uint8 else features.dtype
        return features, None if x_test is None else as_features(x_test, "x_test", in_floats)
    if x_test is not None and not is_sparse_given(x_test):
        raise DataError("x is sparse but x_test is an array: give both in the same form")
    return as_csr(x, "x"), None if x_test is None else as_csr(x_test, "x_test")


def _check_same_form(x: NDArray[Any], x_test: NDArray[Any]) -> None:
    if x.shape[1] != x_test.shape[1]:
        raise DataError(f"x has {x.shape[1]} features but x_test has {x_test.shape[1]}: both must have the same")
    if x.dtype != x_test.dtype:
        raise DataError(
            f"x is {x.dtype} but x_test is {x_test.dtype}: convert one to the type of the other, "
            "because uint8 means images in 0..255"
        )


def _frozen_or_none(array: NDArray[Any] | None) -> NDArray[Any] | None:
    return None if array is None else _frozen(array)


def _frozen(array: NDArray[Any]) -> Any:
    if is_sparse(array):
        return frozen(array)
    view = array.view()
    view.flags.writeable = False
    return view
