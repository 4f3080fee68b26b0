"""Sparse features: every form that SciPy has becomes one, or is refused in one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from fastnet.data import as_dataset, take_first
from fastnet.data.sparse import (
    as_csr,
    is_sparse,
    row_hashes,
    sparse_of,
    stacked,
    values_per_column,
    values_per_row,
    with_columns,
)
from fastnet.errors import DataError

FORMATS = ("csr", "csc", "coo", "bsr", "lil", "dok", "dia")
SMALL = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=7),
    elements=st.sampled_from([0.0, 0.0, 0.0, 1.0, -2.5, 2.0**127]),
)


def random(n: int = 40, f: int = 30, **how: Any) -> Any:
    options = {"density": 0.1, "format": "csr", "dtype": np.float32, "random_state": 1, **how}
    return sparse.random_array((n, f), **options)


@pytest.mark.parametrize(
    ("x", "expected"), [(np.zeros((2, 3), np.float32), False), (sparse.csr_array((2, 3), dtype=np.float32), True)]
)
def test_features_are_sparse_or_an_array(x: Any, expected: bool) -> None:
    assert is_sparse(x) == expected


@given(x=SMALL, form=st.sampled_from(FORMATS), kind=st.sampled_from(["array", "matrix"]))
def test_every_format_becomes_canonical_csr(x: np.ndarray, form: str, kind: str) -> None:
    found = as_csr(getattr(sparse, f"{form}_{kind}")(x), "x")
    assert isinstance(found, sparse.csr_array)
    assert found.dtype == np.float32
    assert found.has_canonical_format
    assert np.count_nonzero(found.data) == found.nnz
    assert np.array_equal(found.toarray(), x)


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint8, np.int64, np.float64])
def test_every_numeric_type_becomes_float32(dtype: Any) -> None:
    x = sparse.csr_array(np.array([[0, 1], [1, 0]]).astype(dtype))
    found = as_csr(x, "x")
    assert found.dtype == np.float32
    assert found.toarray().tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_what_has_the_form_is_not_copied_and_not_changed() -> None:
    x = random()
    found = as_csr(x, "x")
    for part in ("data", "indices", "indptr"):
        assert np.shares_memory(getattr(found, part), getattr(x, part))
        assert not getattr(found, part).flags.writeable
        assert getattr(x, part).flags.writeable


def test_what_has_not_the_form_is_left_as_it_was() -> None:
    x = sparse.csr_array((np.float32([2, 3, 0, 1]), np.array([2, 0, 1, 0]), np.array([0, 4])), shape=(1, 3))
    before = [part.copy() for part in (x.data, x.indices, x.indptr)]
    assert as_csr(x, "x").toarray().tolist() == [[4.0, 0.0, 2.0]]
    assert all(np.array_equal(a, b) for a, b in zip((x.data, x.indices, x.indptr), before, strict=True))


def test_large_indices_are_kept() -> None:
    x = sparse.coo_array((np.ones(2), (np.array([0, 1]), np.array([2**32 - 1, 3]))), shape=(2, 2**32))
    found = as_csr(x, "x")
    assert found.indices.dtype == np.int64
    assert found.indices.tolist() == [2**32 - 1, 3]
    assert [part.tolist() for part in values_per_column(found)] == [[3, 2**32 - 1], [1, 1]]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (sparse.csr_array((0, 3)), "x has shape (0, 3): at least one sample and one feature are needed"),
        (sparse.csr_array((3, 0)), "x has shape (3, 0): at least one sample and one feature are needed"),
        (sparse.coo_array(np.ones(3)), "x has shape (3,): at least one sample and one feature are needed, (N, F)"),
        (sparse.csr_array((2, 3), dtype=complex), "x has dtype complex128: features must be numbers"),
        (sparse.csr_array([[0.0, 1.0], [0.0, np.nan]]), "x[1, 1] is nan: features must be finite"),
        (sparse.csr_array([[0.0, -np.inf]]), "x[0, 1] is -inf: features must be finite"),
        (sparse.csr_array([[0.0, 1e300]]), "x[0, 1] is 1e+300: too large for float32"),
        (
            sparse.coo_array((np.ones(1), (np.array([0]), np.array([2**33]))), shape=(1, 2**34)),
            "x has 17,179,869,184 columns: at most 4,294,967,296 are possible",
        ),
    ],
)
def test_unusable_arrays_are_refused(x: Any, message: str) -> None:
    with pytest.raises(DataError) as raised:
        as_csr(x, "x")
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("value", [10, -1])
@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr"])
def test_indices_outside_the_shape_are_refused(form: str, value: int) -> None:
    x = getattr(sparse, f"{form}_array")(random(5, 5, density=0.5, format="coo"))
    indices = x.row if form == "coo" else x.indices
    indices[1] = value
    with pytest.raises(DataError, match="damaged sparse array"):
        as_csr(x, "x")


def test_sums_that_are_too_large_are_refused() -> None:
    x = sparse.coo_array((np.float32([3e38, 3e38]), ([0, 0], [1, 1])), shape=(1, 2))
    with pytest.raises(DataError, match=r"x\[0, 1\] is inf"):
        as_csr(x, "x")


@given(x=SMALL)
def test_equal_rows_have_equal_hashes(x: np.ndarray) -> None:
    hashes = row_hashes(sparse_of(x))
    for a in range(len(x)):
        for b in range(len(x)):
            assert (hashes[a] == hashes[b]) == np.array_equal(x[a], x[b])


def test_hashes_and_counts_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    x = random()
    whole = row_hashes(x), values_per_column(x)
    monkeypatch.setattr("fastnet.data.coerce.BLOCK_VALUES", 7)
    monkeypatch.setattr("fastnet.data.sparse.PART_VALUES", 7)
    assert np.array_equal(row_hashes(x), whole[0])
    assert all(np.array_equal(a, b) for a, b in zip(values_per_column(x), whole[1], strict=True))
    assert (sparse_of(x.toarray()) != x).nnz == 0


@given(x=SMALL)
def test_counts_are_those_of_the_array(x: np.ndarray) -> None:
    columns, counts = values_per_column(sparse_of(x))
    filled = np.count_nonzero(x, axis=0)
    assert columns.tolist() == np.flatnonzero(filled).tolist()
    assert counts.tolist() == filled[filled > 0].tolist()
    assert values_per_row(sparse_of(x)).tolist() == np.count_nonzero(x, axis=1).tolist()


@given(x=SMALL, n=st.integers(1, 9))
def test_columns_are_added_or_cut_off(x: np.ndarray, n: int) -> None:
    found, lost = with_columns(sparse_of(x), n)
    expected = np.zeros((len(x), n), np.float32)
    expected[:, : x.shape[1]] = x[:, :n]
    assert np.array_equal(found.toarray(), expected)
    assert lost == np.count_nonzero(x[:, n:])


def test_rows_are_joined() -> None:
    x = random()
    assert np.array_equal(stacked([x, x[:3]]).toarray(), np.concatenate([x.toarray(), x[:3].toarray()]))


def test_a_data_set_is_sparse() -> None:
    x = random()
    data = as_dataset(x, np.arange(40) % 2, x_test=x[:5], y_test=[0, 1, 0, 1, 0])
    assert (data.n_samples, data.n_features, data.n_test) == (40, 30, 5)
    assert data.sparse
    assert data.like_table
    assert data.extent() is None
    assert np.shares_memory(data.x.data, x.data)
    assert repr(data) == "Dataset('data': 40 samples, 30 features (10 % not zero), 2 classes, 5 test samples)"
    few = take_first(data, 7)
    assert np.array_equal(few.x.toarray(), x[:7].toarray())
    assert not few.x.data.flags.writeable
    assert few.x_test is data.x_test
    assert data.without_test().x_test is None


def test_the_fingerprint_depends_on_every_part() -> None:
    x, y = random(), np.arange(40) % 2
    base = as_dataset(x, y).fingerprint()
    assert as_dataset(sparse.csc_matrix(x.astype(np.float64)), y).fingerprint() == base
    moved = x.copy()
    moved.indices[0] = next(k for k in range(30) if k not in moved.indices[: moved.indptr[1]])
    moved.sort_indices()
    long = sparse.csr_array((x.data, x.indices, x.indptr), shape=x.shape)
    long.indices, long.indptr = x.indices.astype(np.int64), x.indptr.astype(np.int64)
    assert as_dataset(long, y).fingerprint() == base
    wider = sparse.csr_array((x.data, x.indices, x.indptr), shape=(40, 31))
    others = [as_dataset(x * 2, y), as_dataset(moved, y), as_dataset(wider, y), as_dataset(x, 1 - y)]
    assert len({base, *(other.fingerprint() for other in others)}) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x_test": np.zeros((1, 30)), "y_test": [0]}, "x is sparse but x_test is an array"),
        ({"x_test": random(2, 29), "y_test": [0, 1]}, "x has 30 features but x_test has 29"),
        ({"x_test": random(2), "y_test": [0]}, "x_test holds 2 samples but y_test holds 1 labels"),
        ({"y": [0, 1]}, "x holds 40 samples but y holds 2 labels"),
        ({"x": np.zeros((40, 30)), "x_test": random(2), "y_test": [0, 1]}, "x_test is sparse but x is an array"),
    ],
)
def test_parts_that_do_not_fit_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as raised:
        as_dataset(**{"x": random(), "y": np.arange(40) % 2, **arguments})
    assert str(raised.value).startswith(message)
