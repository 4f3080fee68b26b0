"""Sparse arrays in NPZ files: read as written, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from fastnet.data.readers.csr import is_csr, read_csr
from fastnet.errors import DataError

X = sparse.random_array((6, 9), density=0.3, format="csr", dtype=np.float32, random_state=2)
PARTS: dict[str, Any] = {
    "data": X.data, "indices": X.indices, "indptr": X.indptr, "shape": X.shape, "format": b"csr", "y": list("abcabc")
}  # fmt: skip


def save(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_the_documented_way_to_write_one_is_read_here_and_by_scipy(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", **PARTS, class_names=["a", "b", "c"])
    assert is_csr(path)
    found = read_csr(path)
    assert np.array_equal(found.x.toarray(), X.toarray())
    assert found.y is not None
    assert found.y.tolist() == PARTS["y"]
    assert found.names == ("a", "b", "c")
    assert np.array_equal(sparse.load_npz(path).toarray(), X.toarray())


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_what_scipy_writes_is_read(tmp_path: Path, form: str, compressed: bool) -> None:
    for kind in ("array", "matrix"):
        path = tmp_path / "a.npz"
        sparse.save_npz(path, getattr(sparse, f"{form}_{kind}")(X), compressed=compressed)
        assert is_csr(path)
        found = read_csr(path)
        assert np.array_equal(found.x.toarray(), X.toarray())
        assert found.y is None


@pytest.mark.parametrize("dtype", ["f2", ">f4", ">f8", "?", "i1", "u8", "g"])
def test_every_type_of_numbers_and_indices_is_read(tmp_path: Path, dtype: str) -> None:
    data = np.ones(len(X.data), dtype)
    path = save(tmp_path / "a.npz", **{**PARTS, "data": data, "indices": X.indices.astype(">u2"), "indptr": X.indptr})
    assert np.array_equal(read_csr(path).x.toarray(), X.toarray() != 0)


def test_targets_that_are_not_wanted_are_not_read(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", **{**PARTS, "y": np.array([{}], object)})
    assert read_csr(path, targets=False).y is None


def test_ordinary_archives_and_other_files_are_not_sparse(tmp_path: Path) -> None:
    assert not is_csr(save(tmp_path / "a.npz", x=[[1.0]], y=[0], shape=[1, 2], format="csr"))
    (tmp_path / "b.npz").write_bytes(b"PK\x03\x04 and nothing else")
    assert not is_csr(tmp_path / "b.npz")
    assert not is_csr(tmp_path / "c.npz")


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in PARTS.items() if key != name}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (without("indptr"), "the array 'indptr' of a sparse array is missing; numpy.savez("),
        ({**PARTS, "format": b"dia"}, "a sparse array in the format 'dia': csr, csc and coo are read"),
        ({**PARTS, "format": [1, 2]}, "a sparse array in the format '': csr, csc and coo are read"),
        ({**PARTS, "format": "\n" * 99}, "a sparse array in the format 'another one'"),
        ({**PARTS, "format": b"coo"}, "the array 'row' of a sparse array is missing"),
        ({**PARTS, "shape": [6]}, "its shape is [6], where the numbers of samples and of columns are needed"),
        ({**PARTS, "shape": [6.0, 9.0]}, "its shape is [6.0, 9.0]"),
        ({**PARTS, "shape": [0, 9]}, "its shape is [0, 9]"),
        ({**PARTS, "shape": [10**12, 9]}, "indptr has 7 values: 1,000,000,000,000 samples need 1,000,000,000,001"),
        ({**PARTS, "shape": [6, 2]}, "indices holds "),
        ({**PARTS, "format": b"csc"}, "indptr has 7 values: 9 columns need 10"),
        ({**PARTS, "data": X.data[:-1]}, "its arrays differ in length (data 15, indices 16)"),
        ({**PARTS, "data": X.data[None]}, "data has shape (1, 16): one dimension is needed"),
        ({**PARTS, "data": X.data.astype("U")}, "data has dtype <U32: features must be numbers"),
        ({**PARTS, "indices": X.indices + 0.5}, "indices has dtype float64: indices must be whole numbers"),
        ({**PARTS, "indices": X.indices - 9}, "indices holds -9: must be from 0 to 8; write the file again"),
        ({**PARTS, "indptr": X.indptr[::-1]}, "indptr must rise from 0 to 16, the number of values"),
        ({**PARTS, "data": np.where(np.arange(16) == 3, np.nan, X.data)}, "x["),
        (
            {"data": [1.0], "row": [0], "col": [7], "shape": [2, 7], "format": b"coo"},
            "col holds 7: must be from 0 to 6",
        ),
        ({"data": [1.0], "row": [0, 1], "col": [1], "shape": [2, 7], "format": b"coo"}, "its arrays differ in length"),
        ({**PARTS, "y": np.array([{}], object)}, "holds pickled Python objects, which are never loaded"),
    ],
)
def test_damaged_arrays_are_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    path = save(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError) as raised:
        read_csr(path)
    assert str(raised.value).startswith(f"{path}: {message}")
    assert "\n" not in str(raised.value)


def test_unsorted_and_repeated_indices_are_put_in_order(tmp_path: Path) -> None:
    arrays = {"data": [1.0, 2.0, 4.0], "indices": [3, 1, 3], "indptr": [0, 3], "shape": [1, 5], "format": b"csr"}
    assert read_csr(save(tmp_path / "a.npz", **arrays)).x.toarray().tolist() == [[0.0, 2.0, 0.0, 5.0, 0.0]]
