"""Sparse arrays in NPZ files, as ``scipy.sparse.save_npz`` writes them, with their targets."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnet.data.bounds import check_room
from fastnet.data.readers.npz import npz_arrays
from fastnet.data.sparse import as_csr
from fastnet.errors import DataError

_ARRAYS = {
    "csr": ("data", "indices", "indptr"),
    "csc": ("data", "indices", "indptr"),
    "coo": ("data", "row", "col"),
}

_ROWS = "its shape states samples that take"

HOW = (
    "numpy.savez(path, data=x.data, indices=x.indices, indptr=x.indptr, shape=x.shape, format=b'csr', y=labels) writes "
    "one"
)


class Matrix(NamedTuple):
    """The content of a file of sparse samples.

    Attributes
    ----------
    x : csr_array, shape (N, F)
        As `fastnet.data.sparse.as_csr` returns it.
    y : ndarray or None
        Targets as the file has them, (N,), or (N, K) of 0 and 1; None without.
    names : tuple of str or None
        Names of the classes, or of the K labels, if the file has them.
    groups : ndarray, shape (N,), or None
        The group of each sample.
    open_ended : bool
        Whether the file does not say how many columns there are.
    """

    x: Any
    y: NDArray[Any] | None
    names: tuple[str, ...] | None = None
    groups: NDArray[Any] | None = None
    open_ended: bool = False


def is_csr(path: Path) -> bool:
    """Whether a file is an archive with a sparse array rather than ordinary ones."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (OSError, ValueError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile):
        return False
    return {"shape.npy", "format.npy"} <= names and not {"x.npy", "x_train.npy"} & names


def read_csr(path: Path, *, targets: bool = True) -> Matrix:
    """Read a sparse array, and its targets `y` and `class_names` if these are wanted and there.

    Formats CSR, CSC and COO are read. Pickled (object) arrays are refused, so a file from a stranger cannot run code.

    Raises
    ------
    DataError
        If the file is missing or damaged, or its arrays do not make a sparse array.
    """
    arrays = npz_arrays(path, partial(_keys, targets=targets))
    x = _built(path, arrays)
    names = arrays.get("class_names")
    try:
        return Matrix(as_csr(x, "x"), arrays.get("y"), None if names is None else tuple(map(str, np.ravel(names))))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _keys(path: Path, files: Sequence[str], *, targets: bool) -> list[str]:
    if not {"shape", "format"} <= set(files):
        raise DataError(f"{path}: not a sparse array as scipy.sparse.save_npz writes it; {HOW}")
    also = ["y", "class_names"] if targets else []
    wanted = {*(key for keys in _ARRAYS.values() for key in keys), "shape", "format", *also}
    return [key for key in files if key in wanted]


def _built(path: Path, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Build the sparse array after checking every size against the others, before anything is made of their size."""
    from scipy import sparse

    form = _format_of(path, arrays["format"])
    shape = arrays["shape"].ravel()
    if shape.dtype.kind not in "iu" or len(shape) != 2 or (shape < 1).any():
        raise DataError(
            f"{path}: its shape is {shape.tolist()}, where the numbers of samples and of columns are needed"
        )
    size = int(shape[0]), int(shape[1])
    missing = [key for key in _ARRAYS[form] if key not in arrays]
    if missing:
        raise DataError(f"{path}: the array {missing[0]!r} of a sparse array is missing; {HOW}")
    data, first, second = (arrays[key] for key in _ARRAYS[form])
    for key, array in zip(_ARRAYS[form], (data, first, second), strict=True):
        if array.ndim != 1:
            raise DataError(f"{path}: {key} has shape {array.shape}: one dimension is needed")
        if key != "data" and array.dtype.kind not in "iu":
            raise DataError(f"{path}: {key} has dtype {array.dtype}: indices must be whole numbers")
    if data.dtype.kind not in "biuf":
        raise DataError(f"{path}: data has dtype {data.dtype}: features must be numbers")
    if data.dtype.newbyteorder("=") not in (np.float32, np.float64):
        data = data.astype(np.float64)  # SciPy has no float16
    data = data.astype(data.dtype.newbyteorder("="), copy=False)
    if form == "coo":
        _check_lengths(path, {"data": data, "row": first, "col": second})
        _check_range(path, "row", first, size[0])
        _check_range(path, "col", second, size[1])
        check_room(str(path), 8 * size[0], _ROWS)
        return sparse.coo_array((data, (_signed(first), _signed(second))), shape=size)
    n, n_other, what = (*size, "samples") if form == "csr" else (size[1], size[0], "columns")
    if len(second) != n + 1:
        raise DataError(f"{path}: indptr has {len(second):,} values: {n:,} {what} need {n + 1:,}")
    _check_lengths(path, {"data": data, "indices": first})
    if second[0] != 0 or (second[1:] < second[:-1]).any() or second[-1] != len(data):
        raise DataError(f"{path}: indptr must rise from 0 to {len(data):,}, the number of values; write the file again")
    _check_range(path, "indices", first, n_other)
    check_room(str(path), 8 * size[0], _ROWS)
    return getattr(sparse, f"{form}_array")((data, _signed(first), _signed(second)), shape=size)


def _signed(indices: NDArray[Any]) -> NDArray[Any]:
    """Return indices in a type that SciPy has; their range was checked."""
    native = indices.dtype.newbyteorder("=")
    return indices if indices.dtype == native and native in (np.int32, np.int64) else indices.astype(np.int64)


def _format_of(path: Path, given: NDArray[Any]) -> str:
    text = given.item() if given.size == 1 else ""
    form = text.decode("ascii", "replace") if isinstance(text, bytes) else str(text)
    if form not in _ARRAYS:
        shown = form if form.isprintable() and len(form) < 20 else "another one"
        raise DataError(f"{path}: a sparse array in the format {shown!r}: csr, csc and coo are read; save x.tocsr()")
    return form


def _check_lengths(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    lengths = {key: len(array) for key, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{key} {length:,}" for key, length in lengths.items())
        raise DataError(f"{path}: its arrays differ in length ({shown}); write the file again")


def _check_range(path: Path, key: str, indices: NDArray[Any], n: int) -> None:
    if len(indices) and not (indices.min() >= 0 and indices.max() < n):
        wrong = int(indices.min()) if indices.min() < 0 else int(indices.max())
        raise DataError(f"{path}: {key} holds {wrong}: must be from 0 to {n - 1}; write the file again")
