"""NPZ files: read as written, or refused in one sentence."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from properties import examples

from fastnet.data import Dataset
from fastnet.data.readers.npz import read_npz, read_samples
from fastnet.errors import DataError

X = np.arange(12.0).reshape(4, 3)
Y = np.array([0, 1, 1, 0])
one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def save(path: Path, **arrays: object) -> Path:
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return path


def check_equal(actual: np.ndarray | None, expected: np.ndarray) -> None:
    assert actual is not None
    assert np.array_equal(actual, expected)


def test_read_npz_of_x_and_y(tmp_path: Path) -> None:
    data = read_npz(save(tmp_path / "flowers.npz", x=X, y=["lily", "rose", "rose", "lily"]))
    assert data.name == "flowers"
    assert data.class_names == ("lily", "rose")
    assert data.x_test is None
    check_equal(data.x, X.astype(np.float32))
    check_equal(data.y, Y)


def test_read_npz_of_training_and_test(tmp_path: Path) -> None:
    images = np.arange(4 * 28 * 28).reshape(4, 28, 28).astype(np.uint8)
    path = save(
        tmp_path / "a.npz",
        x_train=images, y_train=Y, x_test=images[:2], y_test=Y[:2], class_names=["no", "yes"], other=[1],
    )  # fmt: skip
    data = read_npz(path)
    assert data.class_names == ("no", "yes")
    check_equal(data.x, images.reshape(4, 784))
    check_equal(data.x_test, images[:2].reshape(2, 784))
    check_equal(data.y_test, Y[:2])


@given(
    x=hnp.arrays(
        st.sampled_from([np.uint8, np.float32]),
        st.tuples(st.integers(2, 12), st.integers(1, 5), st.integers(1, 5)),
        elements=st.integers(0, 255),
    ),
    packed=st.booleans(),
)
@one_folder
def test_read_npz_round_trip(tmp_path: Path, x: np.ndarray, packed: bool) -> None:
    y = np.arange(len(x)) % 2
    (np.savez_compressed if packed else np.savez)(tmp_path / "a.npz", x=x, y=y)
    data = read_npz(tmp_path / "a.npz")
    assert data.x.dtype == x.dtype
    check_equal(data.x, x.reshape(len(x), -1))
    check_equal(data.y, y)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"x": X}, "holds x; the arrays x and y, or x_train and y_train"),
        ({"X": X, "y": Y}, "holds X, y; the arrays x and y"),
        ({"x": X, "y": Y, "y_train": Y}, "holds x, y, y_train; the arrays"),
        ({"x": X, "y": Y, "x_test": X}, "x_test is given without y_test"),
        ({"x": X, "y": Y[:3]}, "x holds 4 samples but y holds 3 labels"),
        ({"x": np.where(X == 7, np.nan, X), "y": Y}, r"a.npz: x\[2, 1\] is nan"),
        ({"x": np.where(X == 7, -np.inf, X), "y": Y}, r"a.npz: x\[2, 1\] is -inf"),
        ({"x": X.astype(object), "y": Y}, "pickled Python objects, which are never loaded"),
        ({"x": X, "y": np.array(["a", "b", 1, 2], dtype=object)}, "pickled Python objects"),
        ({"x": X, "y": Y, "class_names": 3}, "2 different names"),
    ],
)
def test_read_npz_refuses_arrays(tmp_path: Path, arrays: dict[str, object], says: str) -> None:
    with pytest.raises(DataError, match=says):
        read_npz(save(tmp_path / "a.npz", **arrays))


def test_read_npz_refuses_other_files(tmp_path: Path, idx_bytes: Callable[..., bytes]) -> None:
    path = tmp_path / "a.npz"
    pickle_like, array_file = io.BytesIO(), io.BytesIO()
    np.save(array_file, X)
    for content in (
        b"",
        b"x,y\n1,2\n",
        idx_bytes(np.zeros(9, np.uint8)),
        pickle_like.getvalue(),
        array_file.getvalue(),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"not an .npz file; write one with numpy.savez"):
            read_npz(path)
    with pytest.raises(DataError, match="no such file"):
        read_npz(tmp_path / "b.npz")
    with pytest.raises(DataError, match=r"is a folder|cannot be read"):
        read_npz(tmp_path)


@pytest.fixture(scope="module")
def good_npz() -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, x=np.random.Philox(key=9).random_raw(400).reshape(100, 4), y=np.arange(100) % 3)
    return content.getvalue()


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.99])
def test_read_npz_refuses_a_truncated_file(tmp_path: Path, good_npz: bytes, share: float) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(good_npz[: int(len(good_npz) * share)])
    with pytest.raises(DataError, match="truncated or damaged; write it again"):
        read_npz(path)


@given(data=st.data())
@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_read_npz_never_ends_in_anything_but_a_data_error(tmp_path: Path, good_npz: bytes, data: st.DataObject) -> None:
    content = bytearray(good_npz)
    ends = st.integers(0, 120) | st.integers(len(content) - 250, len(content) - 1)
    for _ in range(data.draw(st.integers(1, 4), label="changes")):
        place = data.draw(ends | st.integers(0, len(content) - 1), label="place")
        content[place] = data.draw(st.integers(0, 255), label="byte")
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    try:
        assert isinstance(read_npz(path), Dataset)
    except DataError as error:
        assert str(error).startswith(str(path))


@given(header=st.text(st.characters(max_codepoint=126), max_size=120))
@settings(max_examples=examples(200), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_read_npz_survives_any_header_of_an_array(tmp_path: Path, header: str) -> None:
    check_header(tmp_path, header)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000, 9)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999999, 9)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 9)}",
        "{'descr': '|V8', 'fortran_order': False, 'shape': (1, 1)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1, 1)}",
        "0L",  # which NumPy warns of, as of every number that Python 2 wrote
        "(" * 200 + ")" * 200,
        "{'descr': '<f8', 'fortran_order': False, 'shape': (True, 4)}",
        "{'descr': '<U0', 'fortran_order': False, 'shape': (40, 65536, 65536)}",
        "{'descr': '|S0', 'fortran_order': False, 'shape': (4611686018427387904,)}",
        "{'descr': '|V0', 'fortran_order': False, 'shape': (99999999999,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1L, 100L)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 0x_)}",
    ],
)
def test_read_npz_refuses_a_header_that_lies(tmp_path: Path, header: str) -> None:
    assert check_header(tmp_path, header)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_read_npz_refuses_a_damaged_member_however_it_is_packed(tmp_path: Path, method: int) -> None:
    stream = io.BytesIO()
    np.save(stream, np.arange(400).reshape(100, 4))
    for place in (0, 40, 90):
        with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as archive:
            archive.writestr("x.npy", stream.getvalue())
            archive.writestr("y.npy", stream.getvalue())
        content = bytearray((tmp_path / "a.npz").read_bytes())
        content[35 + place : 39 + place] = b"\xff\0\xff\0"
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(DataError, match=r"the \.npz file is truncated or damaged; write it again"):
            read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("code", [0x110000, 0xFFFFFFFF, 0xD800, 0xDFFF])
@pytest.mark.parametrize("order", ["<", ">"])
def test_read_npz_refuses_text_that_is_not_unicode(tmp_path: Path, code: int, order: str) -> None:
    y = np.array(["a", "bc"] * 2).astype(f"{order}U2")
    np.savez(tmp_path / "a.npz", x=np.zeros((4, 1)), y=y)
    assert read_npz(tmp_path / "a.npz").class_names == ("a", "bc")
    codes = np.frombuffer(y.tobytes(), f"{order}u4").copy()
    codes[2] = code
    np.savez(tmp_path / "a.npz", x=np.zeros((4, 1)), y=np.frombuffer(codes.tobytes(), y.dtype))
    with pytest.raises(DataError, match="y holds text that is not Unicode; the file is damaged, write it again"):
        read_npz(tmp_path / "a.npz")


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize != 16, reason="long doubles are those of x86-64 here")
def test_read_npz_refuses_invalid_long_doubles_without_a_warning(tmp_path: Path) -> None:
    x = np.ones((4, 2), np.longdouble)
    x.view(np.uint8).reshape(4, 2, 16)[1, 1, :10] = (0, 0, 0, 0, 0, 0, 0, 0x20, 0xFF, 0x7F)
    np.savez(tmp_path / "a.npz", x=x, y=[0, 1, 0, 1])
    with pytest.raises(DataError, match=r"x\[1, 1\] is nan: features must be finite"):
        read_npz(tmp_path / "a.npz")


def test_read_npz_lists_the_arrays_of_an_archive_on_one_line(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name in ("x\ny.npy", *(f"{i}.npy" for i in range(500))):
            archive.writestr(name, b"")
    with pytest.raises(DataError, match=r"holds 'x\\ny', 0, 1, 2, 3, 4, 5, 6, 7, 8, \.\.\.; the arrays x and y"):
        read_npz(tmp_path / "a.npz")


def test_read_npz_refuses_a_member_that_is_not_an_array(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", b"text")
        archive.writestr("y.npy", b"text")
    with pytest.raises(DataError, match=r"the \.npz file is truncated or damaged"):
        read_npz(tmp_path / "a.npz")


def check_header(tmp_path: Path, header: str) -> bool:
    text = header.encode("latin-1") + b"\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name in ("x", "y"):
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(64))
    try:
        read_npz(tmp_path / "a.npz")
    except DataError as error:
        return str(error).startswith(str(tmp_path))
    return False


@pytest.mark.parametrize("y", [np.array([0.5, 1.0, 2.0, 3.0]), np.eye(4), np.eye(4, dtype=np.int8)])
def test_targets_that_only_a_model_can_check_are_read_as_they_are(tmp_path: Path, y: np.ndarray) -> None:
    samples = read_samples(save(tmp_path / "a.npz", x=X, y=y))
    assert samples.labels is not None
    assert np.array_equal(samples.labels, y)
