"""Files that promise or unpack to more than there is room for are refused, with the number, before it is taken."""

from __future__ import annotations

import bz2
import gzip
import io
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet
from fastnet.data import bounds
from fastnet.data.readers.idx import read_idx
from fastnet.data.readers.svmlight import read_svmlight
from fastnet.data.tables.table import open_table
from fastnet.errors import DataError

MIB = 2**20


def refused(read: Callable[[], Any]) -> str:
    """Return the sentence with which something is refused; it may take little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            read()
        assert tracemalloc.get_traced_memory()[1] < 100 * MIB
    finally:
        tracemalloc.stop()
    return str(caught.value)


def archive(path: Path, shape: tuple[int, ...], content: bytes = b"", packing: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write an archive whose header states any shape."""
    head = repr({"descr": "<f8", "fortran_order": False, "shape": shape}).encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    with zipfile.ZipFile(path, "w", packing) as made:
        made.writestr("x.npy", b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head + content)
        stream = io.BytesIO()
        np.save(stream, np.arange(4) % 2)
        made.writestr("y.npy", stream.getvalue())
    return path


@pytest.mark.parametrize("shape", [(10**12, 4), (10**6, 10**6), (2**31, 2**20)])
def test_an_archive_that_promises_a_trillion_values_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    says = refused(lambda: fastnet.load(archive(tmp_path / "a.npz", shape)))
    assert "a.npz: x: unpacks to more than 1,100 times its" in says


def test_an_archive_that_has_less_than_it_promises_is_refused(tmp_path: Path) -> None:
    assert "truncated or damaged" in refused(lambda: fastnet.load(archive(tmp_path / "a.npz", (10**6, 4), bytes(99))))


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_that_unpacks_without_end_is_refused(tmp_path, monkeypatch, packing: int) -> None:
    monkeypatch.setattr(bounds, "HARMLESS", MIB)
    path = archive(tmp_path / "a.npz", (10**6, 1), bytes(8 * 10**6), packing)
    assert path.stat().st_size < 5000
    assert "unpacks to more than 1,100 times its" in refused(lambda: fastnet.load(path))


def test_arrays_that_do_not_fit_are_refused_with_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "free_memory", lambda: 10 * MIB)
    np.savez(tmp_path / "a.npz", x=np.zeros((20_000, 100)), y=np.arange(20_000) % 2)
    says = refused(lambda: fastnet.load(tmp_path / "a.npz"))
    assert "its arrays take 0.0 GB of memory, and 0.0 GB are free" in says


def test_images_that_do_not_fit_are_refused_while_they_are_read(tmp_path: Path, monkeypatch) -> None:
    from fastnet.data.readers import idx

    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(bytes([0, 0, 14, 3]) + b"\xff\xff\xff\xff" * 3 + bytes(8 * MIB)))
    assert "is truncated: it ends after 8388608 bytes" in refused(lambda: read_idx(path))
    monkeypatch.setattr(idx, "_CHECK_BYTES", 2 * MIB)
    monkeypatch.setattr(bounds, "free_memory", lambda: MIB)
    assert "the rest of its values takes up to 0.0 GB of memory, and 0.0 GB are free" in refused(lambda: read_idx(path))


def zstandard(content: bytes) -> bytes:
    import pyarrow as pa

    packed: bytes = pa.compress(content, codec="zstd", asbytes=True)
    return packed


@pytest.mark.parametrize("pack", [bz2.compress, zstandard])
def test_a_text_that_unpacks_without_end_is_refused(tmp_path, monkeypatch, pack: Callable[[bytes], bytes]) -> None:
    monkeypatch.setattr(bounds, "HARMLESS", MIB)
    path = tmp_path / "a.csv.bz2"
    path.write_bytes(pack(b"a,b\n" + b"1,2\n" * 2**19))
    says = refused(lambda: open_table(path))
    assert (
        says.endswith("bytes, beyond 1 MB; if this is right, unpack it first") and "a.csv.bz2: unpacks to more" in says
    )


def test_an_ordinary_packed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 2**18))
    assert open_table(path).names == ("a", "b")


def test_samples_that_unpack_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "HARMLESS", MIB // 64)
    path = tmp_path / "a.svm.bz2"
    path.write_bytes(bz2.compress(b"1 2:3\n" * 2**14))
    assert "a.svm.bz2: unpacks to more than 1,100 times" in refused(lambda: read_svmlight(path))


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastnet.data.readers import svmlight

    monkeypatch.setattr(svmlight, "LONGEST_LINE", MIB)
    path = tmp_path / "a.svm.gz"
    path.write_bytes(gzip.compress(b"1 1:2" + b" " * 3 * MIB))
    assert refused(lambda: read_svmlight(path)).endswith("a line is longer than 1 MB; each sample needs its own")


def test_samples_that_do_not_fit_are_refused_while_they_are_read(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastnet.data.readers import svmlight

    monkeypatch.setattr(svmlight, "_CHECK_BYTES", MIB // 64)
    monkeypatch.setattr(bounds, "free_memory", lambda: MIB // 32)
    path = tmp_path / "a.svm"
    path.write_bytes(b"1 2:3\n" * 2**12)
    assert "its samples take 0.0 GB" in refused(lambda: read_svmlight(path))


def test_a_sparse_array_with_a_trillion_rows_is_refused(tmp_path: Path) -> None:
    parts = {"data": np.ones(1), "row": np.zeros(1, np.int64), "col": np.zeros(1, np.int64), "y": np.zeros(1)}
    np.savez(tmp_path / "a.npz", **parts, shape=np.array([10**12, 3]), format=b"coo")
    assert "samples that take 8,000.0 GB of memory" in refused(lambda: fastnet.load(tmp_path / "a.npz"))


def test_an_arrow_file_that_promises_billions_of_rows_is_refused(tmp_path: Path, monkeypatch) -> None:
    import pyarrow as pa

    monkeypatch.setattr(bounds, "free_memory", lambda: 10**10)
    path = tmp_path / "a.arrow"
    nothing = pa.Array.from_buffers(pa.null(), 2**31 - 1, [None])  # the most that Arrow writes
    batch = pa.record_batch([nothing], names=["a"])
    with pa.ipc.new_file(str(path), batch.schema) as writer:
        writer.write_batch(batch)
    assert path.stat().st_size < 2000
    says = refused(lambda: open_table(path))
    assert "2,147,483,647 rows of it take 17.2 GB of memory, and 10.0 GB are free" in says


@pytest.mark.parametrize("packing", ["zstd", "lz4"])
def test_an_arrow_file_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch, packing: str) -> None:
    import pyarrow as pa

    path, table = tmp_path / "a.arrow", pa.table({"a": np.zeros(10**6)})
    with pa.ipc.new_file(str(path), table.schema, options=pa.ipc.IpcWriteOptions(compression=packing)) as writer:
        writer.write_table(table)
    assert open_table(path).names == ("a",)
    monkeypatch.setattr(bounds, "free_memory", lambda: 5 * 10**6)
    assert "1,000,000 rows of it take 0.0 GB" in refused(lambda: open_table(path))
    monkeypatch.undo()
    monkeypatch.setattr(bounds, "HARMLESS", MIB)
    monkeypatch.setattr(bounds, "MOST_TIMES", 100)
    assert "unpacks to more than 100 times its" in refused(lambda: open_table(path))


def test_a_parquet_file_that_promises_a_trillion_rows_is_refused(tmp_path: Path, monkeypatch) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"a": pa.nulls(10**6, pa.int64())}), path)
    content = path.read_bytes()
    rows = b"\x16" + varint(10**6)  # the field num_rows: its type after the last field, and a zigzag number
    assert rows in content
    path.write_bytes(patched(content, rows, b"\x16" + varint(10**12)))
    assert "its 1,000,000,000,000 rows take at least 8,000.0 GB of memory" in refused(lambda: open_table(path))


def varint(number: int) -> bytes:
    """Write a number as Parquet's footer does: seven bits a byte, the sign in the lowest bit."""
    left, made = 2 * number, bytearray()
    while left >= 128:
        made.append(left % 128 | 128)
        left //= 128
    return bytes([*made, left])


def patched(content: bytes, old: bytes, new: bytes) -> bytes:
    """Replace a number in the footer of a Parquet file, and correct the footer's length."""
    size = int.from_bytes(content[-8:-4], "little")
    begin, footer = content[: -8 - size], content[-8 - size : -8].replace(old, new)
    return begin + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def test_a_table_that_does_not_fit_is_refused_once_its_rows_are_counted(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(bounds, "free_memory", lambda: MIB // 2)
    path = tmp_path / "a.csv"
    path.write_text("a,b,c\n" + "1.5,2,x\n2.5,4,y\n" * 20_000)
    says = refused(lambda: fastnet.load(path, target="c"))
    assert "a: 40,000 rows of 2 features take 0.0 GB of memory, and 0.0 GB are free" in says


def test_the_distinct_values_of_a_column_are_kept_up_to_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastnet.data.tables import scan

    monkeypatch.setattr(scan, "MOST_TEXT", 100)
    table = {"a": ["abcdef"[k % 6] * 30 for k in range(40)], "b": ["x", "y"] * 20}
    kinds = [column.kind for column in scan.scan(open_table(table))]
    assert kinds == ["text", "category"]
