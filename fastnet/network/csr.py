"""Sparse samples in the form that the first layer's stages read; see `fastnet.kernels.csr`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


class Csr(NamedTuple):
    """N samples of F features in compressed sparse rows.

    Attributes
    ----------
    entries : (n,) float32
        The values that are stored, sample after sample, those of a sample in the order of their features.
    columns : (n,) uint32
        The feature of each.
    starts : (N + 1,) int64
        Where the values of each sample begin.
    n_features : int
    """

    entries: npt.NDArray[np.float32]
    columns: npt.NDArray[np.uint32]
    starts: Integers
    n_features: int


def csr_of(x: Any) -> Csr:
    """Return the arrays of a `scipy.sparse.csr_array` as a data set holds it, its values and columns not copied.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> sparse = csr_of(csr_array(np.float32([[0, 2], [0, 0], [1, 0]])))
    >>> sparse.entries.tolist(), sparse.columns.tolist(), sparse.starts.tolist()
    ([2.0, 1.0], [1, 0], [0, 1, 1, 2])
    """
    columns = np.ascontiguousarray(x.indices)
    columns = columns.view(np.uint32) if columns.dtype == np.int32 else columns.astype(np.uint32)
    return Csr(np.ascontiguousarray(x.data, np.float32), columns, x.indptr.astype(np.int64), int(x.shape[1]))


def most_values(sparse: Csr, rows: Integers, batch_size: int) -> int:
    """Return the greatest number of values that a batch of these samples can have.

    Examples
    --------
    >>> most_values(Csr(np.zeros(6, np.float32), np.zeros(6, np.uint32), np.array([0, 1, 1, 4, 6]), 9), np.arange(4), 2)
    5
    """
    counts = np.diff(sparse.starts)[rows]
    return int(np.sort(counts)[-batch_size:].sum())


def no_entries() -> Csr:
    """Return what stands for the values of samples that are given in full."""
    return Csr(np.zeros(0, np.float32), np.zeros(0, np.uint32), np.zeros(1, np.int64), 0)
