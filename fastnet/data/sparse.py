"""Sparse features: which arrays they are, and how a caller's become the one form that everything else reads.

That form is a `scipy.sparse.csr_array` of finite float32 values other than 0, with the columns of each row in order and
none twice. SciPy takes 100 ms to import, so it is imported inside the functions that need it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.data.coerce import blocks
from fastnet.errors import DataError

MOST_COLUMNS = 2**32
"""Most columns of sparse features: a larger number of one does not fit into 32 bits."""

PART_VALUES = 2**18
"""Values looked at at a time, so that temporary arrays are small next to the features (2 MiB for 64 bits each)."""

_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


def is_sparse(x: Any) -> bool:
    """Whether the features of a `Dataset` are a `scipy.sparse.csr_array` and not an ndarray.

    Examples
    --------
    >>> is_sparse(np.zeros((2, 3), np.float32))
    False
    """
    return not isinstance(x, np.ndarray)


def is_sparse_given(values: Any) -> bool:
    """Whether a caller's values are a sparse array or matrix of SciPy.

    Examples
    --------
    >>> from scipy import sparse
    >>> is_sparse_given(sparse.coo_matrix((2, 3))), is_sparse_given([[0.0]])
    (True, False)
    """
    return hasattr(values, "tocsr") and hasattr(values, "nnz")


def as_csr(values: Any, name: str) -> Any:
    """Turn a sparse array or matrix of SciPy into sparse features.

    Parameters
    ----------
    values : sparse array or matrix of numbers, shape (N, F)
        Of any format. Values at the same place are added up, and zeros are removed.
    name : str
        Name of the array in errors.

    Returns
    -------
    csr_array, shape (N, F)
        Its arrays are read-only. They are those of `values` where these already have the form.

    Raises
    ------
    DataError
        If the values are not numbers, not finite or too large for float32, a dimension is missing, empty or too large,
        or the indices do not fit the shape; the message names the first such place.

    Examples
    --------
    >>> from scipy import sparse
    >>> as_csr(sparse.coo_array(([1, 2, 4], ([0, 0, 1], [3, 3, 0])), shape=(2, 5)), "x").toarray()
    array([[0., 0., 0., 3., 0.],
           [4., 0., 0., 0., 0.]], dtype=float32)
    """
    from scipy import sparse

    if values.ndim != 2 or not all(values.shape):
        raise DataError(f"{name} has shape {values.shape}: at least one sample and one feature are needed, (N, F)")
    if values.shape[1] > MOST_COLUMNS:
        raise DataError(
            f"{name} has {values.shape[1]:,} columns: at most {MOST_COLUMNS:,} are possible; leave some out"
        )
    if values.dtype.kind not in "biuf":
        raise DataError(f"{name} has dtype {values.dtype}: features must be numbers (integer, float or boolean)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the type of damaged indices
        try:
            if values.format in ("csc", "bsr"):  # compiled code converts these, and reads wherever an index points
                getattr(sparse, f"{values.format}_array")(values).check_format(full_check=True)
            if values.format == "coo":
                values = sparse.coo_array((values.data, (values.row, values.col)), shape=values.shape)
            csr = sparse.csr_array(values)  # shares the arrays of one that is CSR already
            csr.check_format(full_check=True)
        except (ValueError, IndexError, OverflowError):
            raise DataError(f"{name} is a damaged sparse array: its indices do not fit its shape") from None
        except MemoryError:
            raise DataError(f"{name} has shape {values.shape}: it does not fit into memory") from None
    _check_values(csr, name)
    data = csr.data
    if data.dtype != np.float32 or not data.dtype.isnative:
        data = data.astype(np.float32)
    csr = sparse.csr_array((data, csr.indices, csr.indptr), shape=csr.shape)
    if not csr.has_canonical_format or np.count_nonzero(data) < len(data):
        csr = csr.copy()
        csr.sum_duplicates()
        _check_values(csr, name)  # of which sums can be too large
        csr.eliminate_zeros()
    return frozen(csr)


def frozen(csr: Any) -> Any:
    """Make the arrays of sparse features read-only, without a copy and without changing those of the caller."""
    for part in ("data", "indices", "indptr"):
        view = getattr(csr, part).view()
        view.flags.writeable = False
        setattr(csr, part, view)
    return csr


def _check_values(csr: Any, name: str) -> None:
    data = csr.data
    if not len(data) or (data.min() >= -_LARGEST_FLOAT32 and data.max() <= _LARGEST_FLOAT32):
        return
    with np.errstate(invalid="ignore"):
        place = int((~(np.abs(data) <= _LARGEST_FLOAT32)).argmax())
    row = int(np.searchsorted(csr.indptr, place, side="right")) - 1
    where, value = f"{name}[{row}, {csr.indices[place]}]", data[place]
    if np.isfinite(value):
        raise DataError(f"{where} is {value!s}: too large for float32, whose largest number is {_LARGEST_FLOAT32:.2g}")
    raise DataError(f"{where} is {value!s}: features must be finite; remove that sample or fill the value in")


def sparse_of(x: NDArray[Any]) -> Any:
    """Turn checked (N, F) features of an array into sparse ones, a block of rows at a time.

    Examples
    --------
    >>> sparse_of(np.float32([[0.0, 2.0], [0.0, 0.0]])).nnz
    1
    """
    from scipy import sparse

    return frozen(sparse.vstack([sparse.csr_array(x[rows], dtype=np.float32) for rows in blocks(*x.shape)], "csr"))


def stacked(several: Sequence[Any]) -> Any:
    """Join the rows of features that are all arrays, or all sparse.

    Examples
    --------
    >>> stacked([np.float32([[1.0]]), np.float32([[2.0]])]).tolist()
    [[1.0], [2.0]]
    """
    if not is_sparse(several[0]):
        return np.concatenate(several)
    from scipy import sparse

    return frozen(sparse.vstack(several, "csr"))


def with_columns(csr: Any, n_columns: int) -> tuple[Any, int]:
    """Add empty columns at the end of sparse features, or cut the last ones off; return how many values are cut off.

    Examples
    --------
    >>> from scipy import sparse
    >>> x = as_csr(sparse.csr_array([[1.0, 0.0, 2.0]]), "x")
    >>> with_columns(x, 4)[0].shape, with_columns(x, 2)[1]
    ((1, 4), 1)
    """
    from scipy import sparse

    if n_columns >= csr.shape[1]:
        return frozen(sparse.csr_array((csr.data, csr.indices, csr.indptr), shape=(csr.shape[0], n_columns))), 0
    kept = csr[:, :n_columns]
    return frozen(kept), int(csr.nnz - kept.nnz)


def values_per_column(csr: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the columns that have values, ascending, and the number of values in each.

    Examples
    --------
    >>> from scipy import sparse
    >>> [part.tolist() for part in values_per_column(sparse.csr_array([[0.0, 2.0, 0.0], [0.0, 1.0, 4.0]]))]
    [[1, 2], [2, 1]]
    """
    n = csr.shape[1]
    if n > max(4 * csr.nnz, 2**20):  # most of a table of counts would be empty
        columns, counts = np.unique(csr.indices, return_counts=True)
        return columns.astype(np.int64), counts
    counts = np.zeros(n, np.int64)
    for part in _parts(csr.nnz, PART_VALUES):
        counts += np.bincount(csr.indices[part], minlength=n)
    columns = np.flatnonzero(counts)
    return columns, counts[columns]


def values_per_row(csr: Any) -> NDArray[np.int64]:
    """Return the number of values of each row.

    Examples
    --------
    >>> from scipy import sparse
    >>> values_per_row(sparse.csr_array([[1.0, 2.0], [0.0, 0.0]])).tolist()
    [2, 0]
    """
    found: NDArray[np.int64] = np.diff(csr.indptr).astype(np.int64)
    return found


def row_hashes(csr: Any) -> NDArray[np.uint64]:
    """Return a number for each row, the same for equal rows and hardly ever for others.

    Examples
    --------
    >>> from scipy import sparse
    >>> a, b, c = row_hashes(as_csr(sparse.csr_array([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0]]), "x")).tolist()
    >>> a == b, a == c
    (False, True)
    """
    found = np.empty(csr.shape[0], np.uint64)
    for rows in _parts(csr.shape[0], PART_VALUES * csr.shape[0] // max(csr.nnz, 1)):
        ends = csr.indptr[rows.start : rows.stop + 1]
        part = slice(ends[0], ends[-1])
        mixed = _scattered(csr.indices[part].astype(np.uint64) << np.uint64(32) ^ csr.data[part].view(np.uint32))
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed, dtype=np.uint64)])
        found[rows] = sums[ends[1:] - ends[0]] - sums[ends[:-1] - ends[0]]
    return found


def update_digest(digest: Any, csr: Any) -> None:
    """Hash sparse features, the same for indices of 32 and of 64 bits."""
    digest.update(f"csr{csr.dtype.name}{csr.shape};".encode())
    for array, dtype in ((csr.data, np.float32), (csr.indices, np.int64), (csr.indptr, np.int64)):
        for part in _parts(len(array), PART_VALUES):
            digest.update(np.ascontiguousarray(array[part], dtype).data.cast("B"))


def _scattered(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread numbers over 64 bits: the finalizer of SplitMix64 (Steele, Lea and Flood 2014)."""
    z = numbers + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _parts(n: int, size: int) -> list[slice]:
    """Cut n things into parts of at most a size, at least 1."""
    return [slice(begin, begin + max(size, 1)) for begin in range(0, n, max(size, 1))]


def share_of_values(x: Any) -> str:
    """Write the share of sparse features that are not zero, as a percentage.

    Examples
    --------
    >>> from scipy import sparse
    >>> share_of_values(sparse.csr_array([[1.0, 0.0, 0.0]]))
    '33 %'
    """
    return f"{100 * x.nnz / (x.shape[0] * x.shape[1]):.2g} %"
