"""IDX files: read as written, whatever their type and packing, or refused in one sentence."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastnet.data.readers.idx import IDX_NAMES, find_idx_files, read_idx, read_idx_folder
from fastnet.errors import DataError

DIGITS = tuple("0123456789")
one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
IDX_CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


@given(
    array=st.sampled_from(sorted(IDX_CODES)).flatmap(
        lambda dtype: hnp.arrays(np.dtype(dtype), hnp.array_shapes(max_dims=4, max_side=5))
    ),
    packed=st.booleans(),
)
@one_folder
def test_read_idx_round_trip(tmp_path: Path, array: np.ndarray, packed: bool) -> None:
    header = struct.pack(f">2xBB{array.ndim}I", IDX_CODES[array.dtype.str[1:]], array.ndim, *array.shape)
    content = header + array.astype(array.dtype.newbyteorder(">")).tobytes()
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(content) if packed else content)
    actual = read_idx(path, dimensions=array.ndim)
    assert actual.dtype == array.dtype
    assert actual.dtype.isnative
    assert actual.shape == array.shape
    assert actual.tobytes() == array.tobytes()


@given(data=st.data())
@one_folder
def test_read_idx_never_ends_in_anything_but_a_data_error(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(struct.pack(">2xBBII", 8, 2, 3, 4) + bytes(12))
    if data.draw(st.booleans(), label="packed"):
        content = bytearray(gzip.compress(bytes(content)))
    for _ in range(data.draw(st.integers(1, 3), label="changes")):
        content[data.draw(st.integers(0, len(content) - 1), label="place")] = data.draw(st.integers(0, 255))
    path = tmp_path / "file"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)), label="length")])
    try:
        read_idx(path)
    except DataError as error:
        assert str(error).startswith(str(path))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not an IDX file: it starts with nothing"),
        (b"\0\0\x08", "not an IDX file: it starts with 000008"),
        (b"GIF89a" + bytes(40), "not an IDX file: it starts with 47494638"),
        (b"\0\0\x07\x03" + bytes(40), "not an IDX file: it starts with 00000703"),
        (b"\0\0\x08\x00" + bytes(40), "not an IDX file"),
        (b"\0\0\x08\x01\0\0\0\x02ab", r"an IDX file of 1 dimensions \(magic 00000801\), where images \(3 dimensions\)"),
        (b"\0\0\x08\x03\0\0\0\x02", "ends within its header"),
        (struct.pack(">2xBBIII", 8, 3, 2, 2, 2) + bytes(7), "is truncated: it ends after 7 bytes"),
        (struct.pack(">2xBBIII", 8, 3, 2, 2, 2) + bytes(9), "holds more than 8 bytes"),
        (struct.pack(">2xBBIII", 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1) + bytes(9), "is truncated: it ends after 9"),
        (struct.pack(">2xBBIII", 8, 3, 0, 2, 2), "it holds no sample"),
    ],
)
def test_read_idx_refuses_content(tmp_path: Path, content: bytes, says: str, packed: bool) -> None:
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataError, match=says):
        read_idx(path, dimensions=3)


def test_read_idx_refuses_more_dimensions_than_an_array_can_have(tmp_path: Path) -> None:
    for n, fits in ((32, True), (33, False), (255, False)):
        (tmp_path / "a").write_bytes(bytes([0, 0, 8, n]) + struct.pack(f">{n}I", *[1] * n) + b"\7")
        if fits:
            assert read_idx(tmp_path / "a").shape == (1,) * n
        else:
            with pytest.raises(DataError, match=f"an IDX file of {n} dimensions, where at most 32 can be read"):
                read_idx(tmp_path / "a")


@pytest.mark.parametrize("keep", [3, 12, 30, -9, -4, -1])
def test_read_idx_refuses_truncated_gzip(tmp_path: Path, keep: int) -> None:
    noise = np.random.Philox(key=3).random_raw(100).tobytes()
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(struct.pack(">2xBBI", 8, 1, 800) + noise)[:keep])
    with pytest.raises(DataError, match="truncated or damaged"):
        read_idx(path)


def test_read_idx_refuses_damaged_gzip(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(struct.pack(">2xBBI", 8, 1, 800) + bytes(800)))
    content[-6] ^= 0xFF
    path = tmp_path / "labels.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="truncated or damaged"):
        read_idx(path)


def test_read_idx_refuses_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_idx(tmp_path / "nothing.gz")
    with pytest.raises(DataError, match=r"is a folder|cannot be read"):
        read_idx(tmp_path)


@pytest.mark.parametrize("packed", [False, True])
def test_read_idx_folder(idx_folder: Callable[..., Path], packed: bool) -> None:
    folder = idx_folder(packed=packed)
    data = read_idx_folder(folder, name="few", class_names=DIGITS)
    assert data.name == "few"
    assert data.x.dtype == np.uint8
    assert data.x.shape == (20, 6)
    assert data.x[1].tolist() == [42, 49, 56, 63, 70, 77]
    assert data.y.tolist() == [*range(10)] * 2
    assert data.x_test is not None
    assert data.x_test.shape == (10, 6)
    assert list(find_idx_files(folder)) == list(IDX_NAMES)


@pytest.mark.parametrize("missing", IDX_NAMES)
def test_read_idx_folder_refuses_labels_without_images(idx_folder: Callable[..., Path], missing: str) -> None:
    folder = idx_folder()
    (folder / f"{missing}.gz").unlink()
    with pytest.raises(DataError, match=rf"{missing} missing \(found: .*ubyte.gz"):
        read_idx_folder(folder, name="few", class_names=DIGITS)


def test_read_idx_folder_refuses_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of the four"):
        read_idx_folder(tmp_path, name="few", class_names=DIGITS)


def replace(folder: Path, name: str, content: bytes) -> None:
    (folder / f"{name}.gz").unlink()
    (folder / name).write_bytes(content)


def test_read_idx_folder_refuses_another_number_of_labels(
    idx_folder: Callable[..., Path], idx_bytes: Callable[..., bytes]
) -> None:
    folder = idx_folder()
    replace(folder, IDX_NAMES[1], idx_bytes(np.zeros(19, dtype=np.uint8)))
    with pytest.raises(DataError, match=r"holds 20 images but .* holds 19 labels"):
        read_idx_folder(folder, name="few", class_names=DIGITS)


def test_read_idx_folder_refuses_swapped_files(
    idx_folder: Callable[..., Path], idx_bytes: Callable[..., bytes]
) -> None:
    folder = idx_folder()
    replace(folder, IDX_NAMES[0], idx_bytes(np.zeros(20, dtype=np.uint8)))
    with pytest.raises(DataError, match=r"magic 00000801\), where images"):
        read_idx_folder(folder, name="few", class_names=DIGITS)


def test_read_idx_folder_refuses_unknown_labels(
    idx_folder: Callable[..., Path], idx_bytes: Callable[..., bytes]
) -> None:
    folder = idx_folder()
    replace(folder, IDX_NAMES[1], idx_bytes(np.arange(20, dtype=np.uint8)))
    with pytest.raises(DataError, match=r"idx: y\[10\] is 10: labels must be from 0 to 9"):
        read_idx_folder(folder, name="few", class_names=DIGITS)
