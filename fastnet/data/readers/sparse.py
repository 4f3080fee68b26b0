"""Files of sparse samples as data sets, and as samples for an existing model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fastnet.config.reading import Reading
from fastnet.data.dataset import Dataset, as_dataset
from fastnet.data.readers.csr import HOW, Matrix, is_csr, read_csr
from fastnet.data.readers.svmlight import is_svmlight, read_svmlight, stem_of
from fastnet.data.samples import Samples, no_test_set
from fastnet.data.validation import with_share_as_test, with_test
from fastnet.errors import ConfigError, DataError
from fastnet.files import as_path, shown_path

OPTIONS = ("test", "task", "numbers")
"""Fields of `Reading` that make sense for these files."""

NUMBERS = ("auto", "standard")


def is_sparse_file(path: Path) -> bool:
    """Whether a file holds sparse samples: one of svmlight by its suffix, or an archive with a sparse array."""
    return is_svmlight(path) or (path.suffix == ".npz" and is_csr(path))


def read_sparse(path: Path, **reading: Any) -> Dataset:
    """Read a data set from a file of sparse samples; its name is that of the file.

    Parameters
    ----------
    path : Path
    **reading
        `test`, `task` and `numbers` of `fastnet.config.reading.Reading`. Without `test`, a fifth of the samples are the
        test set, chosen like the validation samples, and each part keeps the order of the file.

    Raises
    ------
    DataError
        If a file is missing or damaged, has no targets, or its samples do not make a data set (see `as_dataset`).
    ConfigError
        If an option has another value.
    """
    read = Reading(**reading)
    if read.numbers not in NUMBERS:
        raise ConfigError(f"numbers={read.numbers!r}: {path} is sparse; only {' and '.join(NUMBERS)} are possible")
    matrix = _matrix_of(path, task=read.task)
    if matrix.y is None:
        raise _without_targets(path)
    several = matrix.y.ndim == 2 and matrix.names is not None
    try:
        data = as_dataset(
            matrix.x,
            matrix.y,
            class_names=matrix.names,
            name=_name_of(path),
            task="multilabel" if several and read.task == "auto" else read.task,
            groups=matrix.groups,
        )
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    data = replace(data, numbers=read.numbers)
    if read.test == "none":
        return data
    if read.test is None or isinstance(read.test, (int, float)):
        return with_share_as_test(data, read.test)
    return with_test(data, _samples_like(data, read.test))


def _samples_like(data: Dataset, given: Any) -> Samples:
    """Read a file with the test set of a data set."""
    path = as_path(given, "test")
    if path.is_file() and not is_sparse_file(path):
        raise DataError(
            f"{path}: holds no sparse samples, unlike the training data; give a sparse .npz file, or one of svmlight"
        )
    return read_sparse_samples(path, multilabel=data.task == "multilabel")


def read_sparse_samples(
    path: Path, part: str | None = None, labels: bool = True, *, multilabel: bool = False
) -> Samples:
    """Read samples for an existing model from a file of sparse samples, which has a single part.

    Raises
    ------
    DataError
        If the file is missing or damaged, targets are needed and missing, or the part is "test".
    """
    if part == "test":
        raise no_test_set(_name_of(path))
    matrix = _matrix_of(path, task="multilabel" if multilabel else "auto", targets=labels)
    y, names = matrix.y, matrix.names
    if labels and y is None:
        raise _without_targets(path)
    if y is not None and y.ndim == 1 and names is not None:
        y, names = _named(path, y, names), None
    name, chosen = _name_of(path), "train" if part else "all"
    return Samples(matrix.x, y if labels else None, name, chosen, matrix.open_ended, names)


def _named(path: Path, y: Any, names: tuple[str, ...]) -> Any:
    """Return the names of the classes that numbers are the positions of; texts as they are."""
    from fastnet.data.labels import positions_of

    if y.dtype.kind == "U":
        return y
    try:
        return np.asarray(names)[positions_of(y, np.arange(len(names)), (), name="y")]
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _matrix_of(path: Path, *, task: str, targets: bool = True) -> Matrix:
    if is_svmlight(path):
        return read_svmlight(path, multilabel=task == "multilabel")
    return read_csr(path, targets=targets)


def _name_of(path: Path) -> str:
    return shown_path(stem_of(path) if is_svmlight(path) else path.stem)


def _without_targets(path: Path) -> DataError:
    return DataError(f"{path}: has no targets, which the array y of the same file would hold; {HOW}")
