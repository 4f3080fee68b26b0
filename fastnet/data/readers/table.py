"""Tables from files: CSV, TSV, Parquet and Arrow, compressed or not, read a batch of rows at a time.

The columns of a text file come as text: what they hold is decided afterwards, from all rows (`fastnet.data.columns`).
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from fastnet.data.readers.form import BLOCK_BYTES, Form, blocks_of, form_of
from fastnet.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

STANDARD_INPUT = "-"
TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".data")
PARQUET_SUFFIXES = (".parquet", ".pq")
ARROW_SUFFIXES = (".arrow", ".feather", ".ipc")
PACKED_SUFFIXES = (".gz", ".bz2", ".zst")

_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
_ARROW, _PARQUET = b"ARROW1", b"PAR1"


@dataclass(slots=True, weakref_slot=True)
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
    """

    name: str
    names: tuple[str, ...]
    decimal: str
    notes: tuple[str, ...]
    _parts: list[_Part] = field(default_factory=list)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order, a batch at a time; only some columns if they are given, in that order.

        Raises
        ------
        DataError
            If a file is damaged, or a row has more or fewer values than there are columns.
        """
        chosen = list(self.names if columns is None else columns)
        for part in self._parts:
            with _failures(part.shown):
                for batch in part.batches():
                    yield batch.select([self.names.index(name) for name in chosen])


def open_table(source: Any) -> Table:
    """Open a table.

    Parameters
    ----------
    source : path, sequence of paths, or table
        A file, several files or a folder of files with the same columns, or ``-`` for standard input. CSV and other
        delimited text, Parquet, Arrow and Feather; text also packed with gzip, bz2 or zstd. Or a table in memory:
        a pandas, polars or Arrow one, whatever else has ``__arrow_c_stream__``, or a dict of columns.

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
    if is_table(source):
        return _table("table", [_MemoryPart(source)])
    if isinstance(source, str) and source == STANDARD_INPUT:
        path = _spooled()
        table = _table("standard input", [_open_part(path, "standard input")])
        weakref.finalize(table, path.unlink, missing_ok=True)
        return table
    several = isinstance(source, Sequence) and not isinstance(source, str)
    paths = [path for each in (source if several else [source]) for path in _files_of(Path(each))]
    if not paths:
        raise DataError("no files are given: a table needs at least one")
    name = paths[0] if several else Path(source)
    return _table(_stem(name), [_open_part(path, str(path)) for path in paths])


def is_table(source: Any) -> bool:
    """Whether an object is a table in memory.

    Examples
    --------
    >>> is_table({"a": [1, 2]}), is_table("a.csv")
    (True, False)
    """
    return isinstance(source, dict) or hasattr(source, "__arrow_c_stream__")


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
                what = f"column {missing[0]!r} is missing" if missing else f"column {extra[0]!r} is not in the first file"
            raise DataError(f"{other.shown}: {what}; all files need the columns of {first.shown}")
    twice = next((column for column in first.names if first.names.count(column) > 1), None)
    if twice is not None:
        raise DataError(f"{first.shown}: two columns have the name {twice!r}; rename one")
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    return Table(name, first.names, first.decimal, notes, parts)


class _Part:
    """One file of a table, or a table in memory."""

    decimal = "."
    notes: tuple[str, ...] = ()

    def __init__(self, shown: str, names: Sequence[str]) -> None:
        self.shown, self.names = shown, tuple(names)

    def batches(self) -> Iterator[pa.RecordBatch]:
        raise NotImplementedError


class _TextPart(_Part):
    """A delimited text file; every column is text, and an empty field is null."""

    def __init__(self, path: Path, shown: str) -> None:
        suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
        delimiter = "\t" if {".tsv", ".tab"} & set(suffixes) else ""
        self._form = form_of(self._open, shown, delimiter)
        super().__init__(path, shown, self._form.names)
        self.decimal, self.notes = self._form.decimal, self._form.notes

    def _open(self) -> BinaryIO:
        return _unpacked(self.path)

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
                    arrow_csv.ParseOptions(
                        delimiter=form.delimiter, newlines_in_values=True, invalid_row_handler=note
                    ),
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
    def __init__(self, path: Path) -> None:
        from pyarrow import parquet

        self._file = parquet.ParquetFile(path)
        super().__init__(path, self._file.schema_arrow.names)

    def batches(self) -> Iterator[pa.RecordBatch]:
        yield from self._file.iter_batches()


class _ArrowPart(_Part):
    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self._reader = pa.ipc.open_file(pa.memory_map(str(path)))
        super().__init__(path, self._reader.schema.names)

    def batches(self) -> Iterator[pa.RecordBatch]:
        for k in range(self._reader.num_record_batches):
            yield self._reader.get_batch(k)


def _open_part(path: Path, shown: str | None = None) -> _Part:
    """Open a file by its suffix, or by its first bytes if it has none that says what it is."""
    kind = _format_of(path)
    if not kind:
        with _failures(path), path.open("rb") as stream:
            begin = stream.read(6)
        kind = "parquet" if begin.startswith(_PARQUET) else "arrow" if begin == _PLAIN_ARROW else "text"
    with _failures(path, shown):
        if kind == "text":
            return _TextPart(path, form_of(path))
        return _ParquetPart(path) if kind == "parquet" else _ArrowPart(path)


def _format_of(path: Path) -> str:
    """Return ``text``, ``parquet`` or ``arrow`` by the suffix of a file; empty for any other."""
    inner = path.with_suffix("") if path.suffix.lower() in PACKED_SUFFIXES else path
    suffix = inner.suffix.lower()
    if suffix in TEXT_SUFFIXES:
        return "text"
    return "parquet" if suffix in PARQUET_SUFFIXES else "arrow" if suffix in ARROW_SUFFIXES else ""


def form_of(path: Path) -> Form:
    """Recognise the form of a text file from its beginning.

    Raises
    ------
    DataError
        If the file is empty or is not text.
    """
    with _unpacked(path) as stream:
        head = stream.read(HEAD_BYTES)
    if not head.strip():
        raise DataError(f"{path}: the file is empty")
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path}: this is not a text file; give CSV, Parquet, Arrow or NPZ with its usual suffix")
    encoding, notes = _encoding_of(head)
    text = head.decode(encoding, "replace").removeprefix("\ufeff")
    lines = text.splitlines(keepends=True)
    skipped = 0
    while skipped < len(lines) and (not lines[skipped].strip() or lines[skipped].startswith("#")):
        skipped += 1
    text = "".join(lines[skipped:])
    delimiter = "\t" if path.with_suffix("").suffix.lower() == ".tsv" or path.suffix.lower() == ".tsv" else ""
    delimiter = delimiter or _delimiter_of(text, whole=len(head) < HEAD_BYTES)
    rows = _rows(text, delimiter, whole=len(head) < HEAD_BYTES)
    if not rows:
        raise DataError(f"{path}: the file has no rows")
    fields = [value for row in rows[1:] for value in row]
    commas = sum(bool(_WITH_COMMA.fullmatch(value.strip())) for value in fields)
    points = sum(bool(_WITH_POINT.fullmatch(value.strip())) for value in fields)
    decimal = "," if commas > points else "."
    has_names = not all(_NUMBER.fullmatch(value.strip()) for value in rows[0])
    names = [value.strip() for value in rows[0]] if has_names else [""] * len(rows[0])
    if not has_names:
        notes.append(
            "the first row is all numbers, so the columns have no names and are called column 1, column 2, ..."
        )
    different = _different(names)
    if has_names and different != names:
        notes.append("columns without a name, or with the name of another, were renamed")
    return Form(encoding, delimiter, decimal, skipped + has_names, tuple(different), has_names, tuple(notes))


def _encoding_of(head: bytes) -> tuple[str, list[str]]:
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return encoding, []
    try:
        io.TextIOWrapper(io.BytesIO(head[: head.rfind(b"\n") + 1] or head), encoding="utf-8").read()
    except UnicodeDecodeError:
        return "cp1252", ["the text is not UTF-8 and was read as Windows-1252"]
    return "utf-8", []


def _delimiter_of(text: str, *, whole: bool) -> str:
    """Return the delimiter that divides all rows, the names included, into the same and largest number of fields."""
    best, most = ",", (0.0, 1)
    for delimiter in DELIMITERS:
        counts = [len(row) for row in _rows(text, delimiter, whole=whole)]
        if not counts or counts[0] == 1:
            continue
        share = Counter(counts)[counts[0]] / len(counts)
        if (share, counts[0]) > most:
            best, most = delimiter, (share, counts[0])
    return best


def _rows(text: str, delimiter: str, *, whole: bool, most: int = 500) -> list[list[str]]:
    """Return the first rows of a text, without the last one if the text may end in the middle of it."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) > most:
                break
    except csv.Error:
        return rows
    return rows if whole or len(rows) > most else rows[:-1]


def _different(names: list[str]) -> list[str]:
    """Give columns without a name, or with that of an earlier one, a name of their own."""
    made: list[str] = []
    for place, name in enumerate(names, start=1):
        base = unique = name or f"column {place}"
        number = 2
        while unique in made or (unique != name and unique in names):
            unique, number = f"{base} ({number})", number + 1
        made.append(unique)
    return made


def _stem(path: Path) -> str:
    name = path.name
    while Path(name).suffix.lower() in (*PACKED_SUFFIXES, *TEXT_SUFFIXES, *PARQUET_SUFFIXES, *ARROW_SUFFIXES):
        name = Path(name).stem
    return name or path.name


def _spooled() -> Path:
    """Copy standard input to a temporary file, since a table is read more than once."""
    with tempfile.NamedTemporaryFile(prefix="fastnet-table-", delete=False) as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return Path(file.name)


@contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    import pyarrow as pa

    compression = PACKED_SUFFIXES.get(path.suffix.lower())
    with pa.input_stream(str(path), compression=compression) as stream:
        yield cast(BinaryIO, stream)


@contextmanager
def _failures(path: Path, shown: str | None = None) -> Iterator[None]:
    """Turn whatever a library says of a damaged file into a `DataError`."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{shown or path}: cannot be read as a table ({reason})") from None
