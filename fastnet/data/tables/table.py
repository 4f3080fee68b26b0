"""Tables from files: CSV, TSV, Parquet and Arrow, compressed or not, read a batch of rows at a time.

The columns of a text file come as text: what they hold is decided afterwards (`fastnet.data.tables.columns`).
"""

from __future__ import annotations

import os
import shutil
import struct
import sys
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from fastnet.data.bounds import check_room, check_unpacked, unpacking
from fastnet.data.tables.decimals import UNKNOWN, Sign
from fastnet.data.tables.form import BLOCK_BYTES, blocks_of, form_of
from fastnet.data.tables.memory import as_arrow
from fastnet.data.tables.naming import plain_names
from fastnet.data.tables.promised import promise_of
from fastnet.errors import DataError, remedy
from fastnet.files import remove_temporary, temporary_prefix

if TYPE_CHECKING:
    import pyarrow as pa

STANDARD_INPUT = "-"
TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".data")
PARQUET_SUFFIXES = (".parquet", ".pq")
ARROW_SUFFIXES = (".arrow", ".feather", ".ipc")
PACKED_SUFFIXES = (".gz", ".bz2", ".zst")

_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
_ARROW, _PARQUET = b"ARROW1", b"PAR1"
_ARROW_HEAD = 8
"""Bytes before the first message of an Arrow file."""
_BYTES_OF_ROW = 8
"""Memory that a row takes at least: its target."""


@dataclass(slots=True)
class Table:
    """A table in memory, or in one or several files of the same columns; it can be read any number of times.

    Attributes
    ----------
    name : str
        For messages and models.
    names : tuple of str
        Of the columns.
    decimal : str
        The decimal sign of numbers in columns of text.
    notes : tuple of str
        What a user should know about how the files were read.
    numbers : Sign
        How sure the decimal sign of the first file is.
    """

    name: str
    names: tuple[str, ...]
    decimal: str
    notes: tuple[str, ...]
    numbers: Sign = UNKNOWN
    _parts: list[_Part] = field(default_factory=list)

    @property
    def sign(self) -> str:
        """The decimal sign, if the table shows it; empty if it is to be that of the table a model is from."""
        return self.decimal if self.numbers.decided else ""

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order, a batch at a time; only some columns if they are given, in that order.

        Raises
        ------
        DataError
            If a file is damaged, or a row has more or fewer values than there are columns.
        """
        import pyarrow as pa

        chosen = list(self.names if columns is None else columns)
        places = [self.names.index(name) for name in chosen]
        for part in self._parts:
            with _failures(part.shown):
                for batch in part.batches():
                    batch.validate(full=True)  # Arrow's own code reads wherever an offset in a damaged file points
                    found = batch.select(places)
                    yield found if found.schema.names == chosen else pa.RecordBatch.from_arrays(found.columns, chosen)


def open_table(source: Any) -> Table:
    """Open a table.

    Parameters
    ----------
    source : path, sequence of paths, or table
        A file, several files or a folder of files with the same columns, or ``-`` for standard input. CSV and other
        delimited text, Parquet, Arrow and Feather; text also packed with gzip, bz2 or zstd. Or a table in memory:
        a pandas, polars or Arrow one, whatever else has ``__arrow_c_stream__``, or a dict of columns. A `Table` is
        returned as it is.

    Returns
    -------
    Table

    Raises
    ------
    DataError
        If there is no such file, it is empty or damaged, its format is unknown, or files differ in their columns.

    Examples
    --------
    >>> open_table({"height": [1.5, 2.5], "colour": ["red", "blue"]}).names
    ('height', 'colour')
    """
    if isinstance(source, Table):
        return source
    if is_table(source):
        return _table("table", [_MemoryPart(source)])
    if isinstance(source, str) and source == STANDARD_INPUT:
        return _table("standard input", [_open_spooled()])
    several = isinstance(source, Sequence) and not isinstance(source, str)
    paths = [path for each in (source if several else [source]) for path in _files_of(Path(each))]
    if not paths:
        raise DataError("no files are given: a table needs at least one")
    name = paths[0] if several else Path(source)
    return _table(_stem(name), [_open_part(path, str(path)) for path in paths])


def is_table(source: Any) -> bool:
    """Whether an object is a table, in memory or opened.

    Examples
    --------
    >>> is_table({"a": [1, 2]}), is_table("a.csv")
    (True, False)
    """
    return isinstance(source, (dict, Table)) or hasattr(source, "__arrow_c_stream__")


def _files_of(path: Path) -> list[Path]:
    if path.is_dir():
        inside = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith((".", "_")) and suffix_of(p))
        if not inside:
            raise DataError(f"{path}: no table in this folder; a table is a file in CSV, Parquet or Arrow format")
        return inside
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    return [path]


def _table(name: str, parts: list[_Part]) -> Table:
    first = parts[0]
    for other in parts[1:]:
        if other.names != first.names:
            missing = [column for column in first.names if column not in other.names]
            extra = [column for column in other.names if column not in first.names]
            what = "the columns are in another order"
            if missing or extra:
                what = (
                    f"column {missing[0]!r} is missing" if missing else f"column {extra[0]!r} is not in the first file"
                )
            raise DataError(f"{other.shown}: {what}; all files need the columns of {first.shown}")
    twice = next((column for column in first.names if first.names.count(column) > 1), None)
    if twice is not None:
        raise DataError(f"{first.shown}: two columns have the name {twice!r}; rename one")
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    return Table(name, first.names, first.decimal, notes, first.numbers, parts)


class _Part:
    """One file of a table, or a table in memory."""

    decimal, numbers = ".", UNKNOWN
    notes: tuple[str, ...] = ()

    def __init__(self, shown: str, names: Sequence[str]) -> None:
        self.shown, self.names = shown, plain_names(names)

    def batches(self) -> Iterator[pa.RecordBatch]:
        raise NotImplementedError


class _TextPart(_Part):
    """A delimited text file; every column is text, and an empty field is null."""

    def __init__(self, path: Path, shown: str) -> None:
        self._path = path
        suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
        delimiter = "\t" if {".tsv", ".tab"} & set(suffixes) else ""
        self._form = form_of(self._open, shown, delimiter)
        super().__init__(shown, self._form.names)
        self.decimal, self.numbers, self.notes = self._form.decimal, self._form.numbers, self._form.notes

    def _open(self) -> BinaryIO:
        return _unpacked(self._path)

    def batches(self) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        form, wrong = self._form, []

        def note(row: Any) -> str:
            wrong.append(row)
            return "error"

        try:
            with self._open() as stream:
                yield from arrow_csv.open_csv(
                    _Blocks(blocks_of(stream, form)),
                    arrow_csv.ReadOptions(block_size=BLOCK_BYTES, column_names=list(form.names), use_threads=False),
                    arrow_csv.ParseOptions(delimiter=form.delimiter, newlines_in_values=True, invalid_row_handler=note),
                    arrow_csv.ConvertOptions(
                        column_types=dict.fromkeys(form.names, pa.string()), strings_can_be_null=True, null_values=[""]
                    ),
                )
        except pa.ArrowInvalid:
            if not wrong:
                raise
            row = wrong[0]
            place = "a row" if row.number is None else f"row {row.number}"
            raise DataError(
                f"{self.shown}: {place} after the names has {row.actual_columns} values, but there are "
                f"{row.expected_columns} columns; it begins {row.text[:60]!r}"
            ) from None


class _ParquetPart(_Part):
    def __init__(self, path: Path, shown: str) -> None:
        from pyarrow import parquet

        self._file = parquet.ParquetFile(path)
        super().__init__(shown, self._file.schema_arrow.names)
        rows = self._file.metadata.num_rows
        check_room(shown, _BYTES_OF_ROW * rows, f"its {rows:,} rows take at least")
        check_unpacked(shown, rows * len(self.names), path.stat().st_size)

    def batches(self) -> Iterator[pa.RecordBatch]:
        yield from self._file.iter_batches()


class _ArrowPart(_Part):
    def __init__(self, path: Path, shown: str) -> None:
        import pyarrow as pa

        content = pa.memory_map(str(path)).read_buffer()
        self._reader = pa.ipc.open_file(content)
        super().__init__(shown, self._reader.schema.names)
        for message in pa.ipc.MessageReader.open_stream(content[_ARROW_HEAD:]):
            promise = promise_of(message)
            check_room(shown, max(_BYTES_OF_ROW * promise.rows, promise.unpacked), f"{promise.rows:,} rows of it take")
            check_unpacked(shown, promise.unpacked, promise.packed)

    def batches(self) -> Iterator[pa.RecordBatch]:
        for k in range(self._reader.num_record_batches):
            yield self._reader.get_batch(k)


class _MemoryPart(_Part):
    def __init__(self, source: Any) -> None:
        with _failures("the table"):
            self._table = as_arrow(source)
        super().__init__("the table", self._table.column_names)
        if not self._table.num_rows or not self.names:
            raise DataError("the table is empty: it needs rows and columns")

    def batches(self) -> Iterator[pa.RecordBatch]:
        yield from self._table.to_batches(max_chunksize=1 << 16)


class _Blocks:
    """A file of blocks of bytes, as Arrow reads it."""

    closed = False

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._rest = blocks, b""

    def read(self, size: int = -1) -> bytes:
        while (size < 0 or len(self._rest) < size) and (block := next(self._blocks, b"")):
            self._rest += block
        made, self._rest = (self._rest, b"") if size < 0 else (self._rest[:size], self._rest[size:])
        return made

    def close(self) -> None:
        self.closed = True


def _open_spooled() -> _Part:
    """Open standard input through a temporary file, which is removed with the table: a table is read more than once."""
    folder = Path(tempfile.gettempdir())
    remove_temporary(folder)
    path = folder / f"{temporary_prefix()}{os.urandom(4).hex()}"
    try:
        with open(path, "xb", opener=_private) as out:
            shutil.copyfileobj(sys.stdin.buffer, out)
        part = _open_part(path, "standard input")
    except OSError as error:
        path.unlink(missing_ok=True)
        failure = f"{folder}: standard input cannot be kept there while it is read"
        raise DataError(f"{failure} ({error.strerror or error}){remedy(error)}") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    weakref.finalize(part, path.unlink, missing_ok=True)
    return part


def _private(name: str, flags: int) -> int:
    """Open a new file that only its user may read."""
    return os.open(name, flags, 0o600)


def _open_part(path: Path, shown: str) -> _Part:
    """Open a file as what its first bytes show, whatever its name."""
    with _failures(shown):
        with path.open("rb") as stream:
            begin = stream.read(6)
        if begin == _ARROW:
            return _ArrowPart(path, shown)
        return _ParquetPart(path, shown) if begin.startswith(_PARQUET) else _TextPart(path, shown)


def suffix_of(path: Path) -> str:
    """Return the suffix that shows that a file is a table, without that of its compression; empty for any other.

    Examples
    --------
    >>> suffix_of(Path("prices.CSV.gz")), suffix_of(Path("digits.npz"))
    ('.csv', '')
    """
    inner = path.with_suffix("") if path.suffix.lower() in PACKED_SUFFIXES else path
    suffix = inner.suffix.lower()
    return suffix if suffix in (*TEXT_SUFFIXES, *PARQUET_SUFFIXES, *ARROW_SUFFIXES) else ""


def _stem(path: Path) -> str:
    suffix = suffix_of(path)
    return path.name[: path.name.lower().rfind(suffix)] if suffix and not path.is_dir() else path.resolve().name


def _unpacked(path: Path) -> BinaryIO:
    import pyarrow as pa

    with path.open("rb") as file:
        begin = file.read(4)
    packed = next((name for mark, name in _PACKED.items() if begin.startswith(mark)), None)
    stream = pa.input_stream(str(path), compression=packed)
    return unpacking(stream, path) if packed else cast(BinaryIO, stream)


@contextmanager
def _failures(shown: str) -> Iterator[None]:
    """Turn whatever a library says of a damaged file into a `DataError`."""
    import pyarrow as pa

    try:
        yield
    except UnicodeError as error:
        coding = getattr(error, "encoding", "utf-8").replace("charmap", "windows-1252").upper()
        raise DataError(
            f"{shown}: cannot be read as a table (its bytes are no text in {coding}); write it again, text as UTF-8"
        ) from None
    except (pa.ArrowException, OSError, EOFError, struct.error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{shown}: cannot be read as a table ({reason})") from None
