"""Tables: the same rows from every format, or one sentence that says what is wrong."""

from __future__ import annotations

import bz2
import gc
import gzip
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from fastnet.data.tables import form as form_module
from fastnet.data.tables.table import is_table, open_table, suffix_of
from fastnet.errors import DataError

TEXT = 'name,size,note\nanna,1.5,"a\nb"\nbob,,\n"c, d",3,x\n'
ROWS = [("anna", "1.5", "a\nb"), ("bob", None, None), ("c, d", "3", "x")]
TYPED = {"name": ["anna", "bob", "c, d"], "size": [1.5, None, 3.0]}


def rows_of(source: Any, columns: list[str] | None = None) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for batch in open_table(source).batches(columns) for row in batch.to_pylist()]


@pytest.mark.parametrize(
    ("name", "pack"), [("a.csv", bytes), ("a.csv.gz", gzip.compress), ("a.csv.bz2", bz2.compress), ("a", gzip.compress)]
)
def test_text_is_read_as_written(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / name).write_bytes(pack(TEXT.encode()))
    table = open_table(tmp_path / name)
    assert (table.name, table.names) == ("a", ("name", "size", "note"))
    assert rows_of(tmp_path / name) == ROWS
    assert rows_of(tmp_path / name) == ROWS  # a second time
    assert rows_of(tmp_path / name, ["note", "name"]) == [(row[2], row[0]) for row in ROWS]


def test_zstd_is_read(tmp_path: Path) -> None:
    with pa.output_stream(str(tmp_path / "a.csv.zst"), compression="zstd") as out:
        out.write(TEXT.encode())
    assert rows_of(tmp_path / "a.csv.zst") == ROWS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_every_encoding_gives_the_same_rows(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.tsv").write_bytes("größe\tb, c\nä\t1\n€\t\n".encode(encoding))
    assert open_table(tmp_path / "a.tsv").names == ("größe", "b, c")
    assert rows_of(tmp_path / "a.tsv") == [("ä", "1"), ("€", None)]


def test_rows_do_not_depend_on_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_text("a,b\n" + "".join(f'{k},"x\n{k}"\n' for k in range(2000)), encoding="utf-16")
    expected = [(str(k), f"x\n{k}") for k in range(2000)]
    assert rows_of(tmp_path / "a.csv") == expected
    monkeypatch.setattr(form_module, "BLOCK_BYTES", 37)
    assert rows_of(tmp_path / "a.csv") == expected


@pytest.mark.parametrize("write", [parquet.write_table, feather.write_feather])
@pytest.mark.parametrize("name", ["a.parquet", "a.csv"])
def test_binary_formats_are_known_by_their_first_bytes(tmp_path: Path, write: Callable[..., None], name: str) -> None:
    write(pa.table(TYPED), str(tmp_path / name))
    assert rows_of(tmp_path / name) == [("anna", 1.5), ("bob", None), ("c, d", 3.0)]


def test_a_folder_and_a_list_of_files_are_one_table(tmp_path: Path) -> None:
    for k, name in enumerate(["b.csv", "a.csv", "c.csv.gz"]):
        data = f"x,y\n{k},1\n".encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / "notes.md").write_text("not a table")
    assert rows_of(tmp_path) == [("1", "1"), ("0", "1"), ("2", "1")]
    assert open_table(tmp_path).name == tmp_path.name
    assert rows_of([tmp_path / "b.csv", tmp_path / "a.csv"]) == [("0", "1"), ("1", "1")]


class Stream:
    """Something with Arrow's protocol alone, as polars and DuckDB have it."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return pa.table(TYPED).__arrow_c_stream__(requested_schema)


def test_tables_in_memory() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(TYPED, index=["p", "q", "r"])
    for source in (TYPED, pa.table(TYPED), frame, Stream()):
        assert is_table(source)
        assert rows_of(source) == [("anna", 1.5), ("bob", None), ("c, d", 3.0)]


def test_standard_input_is_kept_in_a_file_that_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(TEXT.encode()))))
    table = open_table("-")
    assert table.name == "standard input"
    assert [row["name"] for batch in table.batches() for row in batch.to_pylist()] == ["anna", "bob", "c, d"]
    assert len(list(tmp_path.iterdir())) == 1
    del table
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_standard_input_that_is_refused_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(DataError, match="standard input: the file is empty"):
        open_table("-")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.csv", b"a,b\n1,2\n3\n", r"a.csv: row 2 .* has 1 values, but there are 2 columns; it begins '3'"),
        ("a.csv", b"a,b\n1,2\n3,4,5\n", r"row 2 after the names has 3 values, but there are 2 columns"),
        ("a.csv", b'a,b\n1,"2\n3,4\n', r"a.csv, line 2: a quote opens a value"),
        ("a.csv", b"", r"a.csv: the file is empty"),
        ("a.csv", bytes(range(256)), r"a.csv: this is not a text file"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 9999, mtime=0)[:-40], r"a.csv.gz: cannot be read as a table"),
        ("a.parquet", b"PAR1 and then nothing", r"a.parquet: cannot be read as a table"),
        ("a.feather", b"ARROW1\0\0 and then nothing", r"a.feather: cannot be read as a table"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, name: str, data: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=says):
        rows_of(tmp_path / name)


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        open_table(tmp_path / "none.csv")
    with pytest.raises(DataError, match="no table in this folder"):
        open_table(tmp_path)
    with pytest.raises(DataError, match="at least one"):
        open_table([])
    with pytest.raises(DataError, match="two columns have the name 'a'"):
        open_table(pa.table([[1], [2]], names=["a", "a"]))
    with pytest.raises(DataError, match="the table: cannot be read as a table"):
        open_table({"a": [1, 2], "b": [1]})
    with pytest.raises(DataError, match="the table is empty"):
        open_table({"a": []})


@pytest.mark.parametrize(
    ("names", "says"),
    [("x,z", "column 'y' is missing"), ("x,y,z", "column 'z' is not in the first"), ("y,x", "in another order")],
)
def test_files_of_other_columns_are_refused(tmp_path: Path, names: str, says: str) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text(f"{names}\n" + ",".join("1" * len(names.split(","))) + "\n")
    with pytest.raises(DataError, match=rf"b.csv: .*{says}"):
        open_table(tmp_path)


def test_suffix_of_other_files_is_empty() -> None:
    assert [suffix_of(Path(name)) for name in ("a.TSV.bz2", "a.pq", "a.npz", "a", "a.gz")] == [
        ".tsv",
        ".pq",
        "",
        "",
        "",
    ]


def test_real_tables_are_read(shared_data: Path) -> None:
    sizes = {path.name: len(rows_of(path)) for path in sorted((shared_data / "tables").glob("*.csv.gz"))[:4]}
    assert sizes == {"adult.csv.gz": 48842, "ames.csv.gz": 2930, "bikeshare.csv.gz": 8645, "california.csv.gz": 20640}
