"""Sparse samples for the kernels: nothing is copied that need not be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from fastnet.network.csr import Csr, csr_of, most_values, no_entries

X = np.float32([[0, 1, 0, 2], [0, 0, 0, 0], [3, 0, 0, 0], [4, 5, 6, 7]])


@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_the_arrays_are_those_of_scipy(index):
    x = csr_array(X)
    x.indices, x.indptr = x.indices.astype(index), x.indptr.astype(index)
    sparse = csr_of(x)
    assert (sparse.entries.dtype, sparse.columns.dtype, sparse.starts.dtype) == (np.float32, np.uint32, np.int64)
    again = csr_array((sparse.entries, sparse.columns.astype(np.int64), sparse.starts), shape=(4, sparse.n_features))
    np.testing.assert_array_equal(again.toarray(), X)


def test_values_and_columns_of_four_bytes_are_not_copied():
    x = csr_array(X)
    sparse = csr_of(x)
    assert np.shares_memory(sparse.entries, x.data) and np.shares_memory(sparse.columns, x.indices)


@pytest.mark.parametrize(("rows", "batch_size", "expected"), [
    ([0, 1, 2, 3], 1, 4), ([0, 1, 2, 3], 2, 6), ([0, 1, 2], 2, 3), ([0, 1, 2, 3], 9, 7), ([1], 1, 0),
])  # fmt: skip
def test_a_batch_has_the_values_of_its_fullest_samples_at_most(rows, batch_size, expected):
    assert most_values(csr_of(csr_array(X)), np.array(rows), batch_size) == expected


def test_dense_samples_have_no_entries():
    nothing = no_entries()
    assert isinstance(nothing, Csr) and (len(nothing.entries), len(nothing.columns), len(nothing.starts)) == (0, 0, 1)
