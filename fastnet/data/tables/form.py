"""The form of a text file of a table: encoding, delimiter, decimal sign, names; and whether its quotes are closed."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

from fastnet.data.tables.decimals import UNKNOWN, Sign, decimal_of
from fastnet.data.tables.naming import plain_name
from fastnet.errors import DataError

HEAD_BYTES = 1 << 18
"""Bytes of a text file from which its form is recognised."""
BLOCK_BYTES = 1 << 23
"""Bytes that are read at a time."""
LONGEST = 1 << 23
"""Bytes of the longest value in quotes."""

DELIMITERS = (",", ";", "\t", "|")
_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_SEPARATOR = re.compile("sep=(.)", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?")
_YEAR = re.compile(r"(19|20)\d\d")


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a text file.

    Attributes
    ----------
    encoding, delimiter, decimal : str
        The decimal sign is ``.`` or ``,``.
    names : tuple of str
        Of the columns, all different.
    skipped : int
        Bytes of the text in UTF-8 before the first row of values: comments, blank lines and the names.
    lines : int
        Lines before that row.
    notes : tuple of str
        What a user should know about how the file was read.
    numbers : Sign
        How sure the decimal sign is.
    """

    encoding: str
    delimiter: str
    decimal: str
    names: tuple[str, ...]
    skipped: int
    lines: int
    notes: tuple[str, ...] = ()
    numbers: Sign = UNKNOWN


def form_of(open_text: Callable[[], BinaryIO], shown: str, delimiter: str = "") -> Form:
    """Recognise the form of a text file, reading it once.

    Parameters
    ----------
    open_text : callable
        Opens the file, unpacked.
    shown : str
        Its name in messages.
    delimiter : str
        Where it is known.

    Raises
    ------
    DataError
        If the file is empty, is not text, has a quote that is never closed, or a row that is longer than a block.
    """
    with open_text() as stream:
        head = stream.read(HEAD_BYTES)
    if not head.strip():
        raise DataError(f"{shown}: the file is empty")
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if head.startswith(mark)), "")
    if b"\0" in head and encoding != "utf-16":
        raise DataError(f"{shown}: this is not a text file; give CSV, Parquet, Arrow or NPZ with its usual suffix")
    notes = []
    if not encoding:
        encoding = "utf-8" if _is_utf8(open_text) else "cp1252"
        if encoding == "cp1252":
            notes.append("the text is not UTF-8 and was read as Windows-1252")
    whole = len(head) < HEAD_BYTES
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head, final=whole)
    lines = list(io.StringIO(text, newline=""))
    told = _SEPARATOR.fullmatch(lines[0].strip()) if lines else None  # as spreadsheets tell each other
    delimiter = told[1] if told else delimiter
    begin = 1 if told else _first_line(lines, delimiter)
    body = "".join(lines[begin:])
    body = body[1:].lstrip() if body.startswith("#") else body
    delimiter = delimiter or _delimiter_of(body, whole=whole)
    rows = _rows(body, delimiter, whole=whole)
    if not rows:
        raise DataError(f"{shown}: the file has no rows")
    has_names = _has_names(rows)
    if has_names and whole and len(rows) == 1:
        raise DataError(f"{shown}: the file has names of columns and no rows")
    _check_blanks(rows, shown)
    names = [plain_name(value).strip() for value in rows[0]] if has_names else [""] * len(rows[0])
    if not has_names:
        notes.append("the first row has values, so the columns have no names and are called column 1, column 2, ...")
    different = _different(names)
    if has_names and different != names:
        notes.append("columns without a name, or with the name of another, were renamed")
    n_lines = begin + (_lines_of_first_row(body, delimiter) if has_names else 0)
    skipped = len("".join(lines[:n_lines]).encode())
    decimal = decimal_of(rows[1:], delimiter)
    notes += _doubts(decimal, delimiter)
    form = Form(encoding, delimiter, decimal.sign, tuple(different), skipped, n_lines, tuple(notes), decimal)
    _check_quotes(open_text, form, shown)
    return form


def _doubts(decimal: Sign, delimiter: str) -> list[str]:
    if not decimal.doubtful or decimal.decided or delimiter == ",":
        return []
    return [f"1{decimal.sign}234 is read as a number between 1 and 2, since no number shows what the sign means"]


def blocks_of(stream: BinaryIO, form: Form) -> Iterator[bytes]:
    """Yield the rows of values in UTF-8, a block of bytes at a time; no block is empty, and each may end anywhere."""
    decoder = codecs.getincrementaldecoder(form.encoding)()
    skip, plain = form.skipped, form.encoding == "utf-8"
    while True:
        block = stream.read(BLOCK_BYTES)
        made = block if plain else decoder.decode(block, final=not block).encode()
        dropped = min(skip, len(made))
        skip -= dropped
        if dropped < len(made):
            yield made[dropped:] if dropped else made
        if not block:
            return


def _is_utf8(open_text: Callable[[], BinaryIO]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open_text() as stream:
        try:
            while block := stream.read(BLOCK_BYTES):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _first_line(lines: list[str], delimiter: str) -> int:
    """Return the first line of the table, after comments and blanks; the last comment may have the names."""
    begin = 0
    while begin < len(lines) and (not lines[begin].strip() or lines[begin].startswith("#")):
        begin += 1
    if 0 < begin < len(lines) and lines[begin - 1].startswith("#"):
        names, values = lines[begin - 1], lines[begin]
        for each in [delimiter] if delimiter else DELIMITERS:
            if 0 < names.count(each) == values.count(each):
                return begin - 1
    return begin


def _check_quotes(open_text: Callable[[], BinaryIO], form: Form, shown: str) -> None:
    """Refuse a quote that opens a value and is not closed at its end: a parser would swallow rows.

    Raises
    ------
    DataError
        With the line of the quote.
    """
    end = b"[" + re.escape(form.delimiter.encode()) + rb"\r\n]"
    quoted = rb'"(?:[^"]++|"")*+"'
    sound = re.compile(rb'(?:[^"]++|(?<=' + end + rb")" + quoted + rb"(?= *+" + end + rb")|(?<!" + end + rb')")*+')
    closed = re.compile(quoted)
    line, rest = form.lines + 1, b"\n"
    with open_text() as stream:
        for block in chain(blocks_of(stream, form), [b""]):
            text = rest + (block or b"\n")
            match = sound.match(text)
            stop = match.end() if match else 0
            if stop < len(text):
                line += text.count(b"\n", 1, stop)
                shut = closed.match(text, stop)
                if not block or (shut and shut.end() + 64 < len(text)) or len(text) - stop > LONGEST:
                    raise DataError(
                        f"{shown}, line {line}: a quote opens a value and is not closed at its end; close it, and "
                        "write a quote inside a quoted value twice"
                    )
                rest = text[stop - 1 :]
            else:
                line, rest = line + text.count(b"\n", 1), text[-1:]


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


def _check_blanks(rows: list[list[str]], shown: str) -> None:
    """Refuse quotes after a blank, which are no quotes to a parser: the values would keep them.

    Raises
    ------
    DataError
        With such a value.
    """
    opened = [next((v for v in row if v[:1] in (" ", "\t") and v.lstrip()[:1] == '"'), "") for row in rows]
    if 2 * sum(map(bool, opened)) > len(rows):
        value = next(filter(None, opened))
        raise DataError(
            f"{shown}: blanks stand between the delimiter and a quote, as in {value[:40]!r}, so that the quote is read "
            "as a part of the value; write the file without such blanks"
        )


def _has_names(rows: list[list[str]]) -> bool:
    """Whether the first row has names: it has text above numbers, or no numbers above numbers."""
    against = False
    for place, name in enumerate(rows[0]):
        values = [row[place].strip() for row in rows[1:] if len(row) > place and row[place].strip()]
        if not values or 2 * sum(bool(_NUMBER.fullmatch(value)) for value in values) < len(values):
            continue
        if name.strip() and not _NUMBER.fullmatch(name.strip()):
            return True
        against = against or bool(name.strip() and not _YEAR.fullmatch(name.strip()))
    return not against and not all(_NUMBER.fullmatch(name.strip()) for name in rows[0])


def _rows(text: str, delimiter: str, *, whole: bool, most: int = 500) -> list[list[str]]:
    """Return the first rows of a text, without the last one if the text may end in the middle of it."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) > most:
                break
    except csv.Error:
        return rows
    return rows if whole or len(rows) > most else rows[:-1]


def _lines_of_first_row(text: str, delimiter: str) -> int:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    next(reader)
    return reader.line_num


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
