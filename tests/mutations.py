"""Ways to damage a file: its bytes, the numbers and words in it, the values of its JSON, the parts of its format."""

from __future__ import annotations

import copy
import gzip
import io
import json
import random
import re
import sqlite3
import struct
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastnet.tuning.store.records import TABLES, sha256_of

EXTREMES = (0, 1, 2, 4, 127, 128, 255, 256, 65_535, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1)
NUMBERS = (
    *("0", "-1", "-0", "1e999", "-1e999", "1e-999", "NaN", "inf", "0L", "0x10", "1_0", "1e5", "0.5", "00", "+1"),
    *(str(number) for number in EXTREMES),
    "9" * 30,
    "1" * 5000,
    "1." + "0" * 400,
)
WORDS = (
    *("true", "false", "null", "none", "None", '""', "''", "[]", "{}", "[1, 2]", '{"a": 1}', "\ufeff", "\0", "\n", "#"),
    *("=", ",", ":", '"', "\\", "\\ud800", "\\u0000", "é", "한", "\x7f", "[[a]]", "[space]", "a.b.c = 1", "1979-05-27"),
    *("07:32:00", "1979-05-27T07:32:00Z", "100x6", "1000x1000,", "log:1e-6:1e-2", "choice:1,2", "int:1:9", "done"),
    "'''" + "x" * 3000 + "'''",
    "[" * 2000,
    '{"a":' * 2000,
    "x." * 1500 + "x = 1",
    "[" * 300 + "]" * 300,
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 0.5, -0.5, 1e308, 1e-320, float("nan"), float("inf"), 10**400, *EXTREMES),
    *("", "x", "x" * 2000, "\ud800", "\0", "../../x", "relu", "accuracy", "100x6", "1000x1000", "log:1e-6:1e-2", "0"),
    *([], {}, [1], [None], {"a": 1}, [[[[[[[[[[1]]]]]]]]]], {"": {"": {}}}, [0.5] * 300, "9" * 5000, "1,2,3"),
)


@dataclass(frozen=True)
class Reader:
    """What is tried: sound files, how they are damaged, how one is read and used, what it is called, and perhaps how
    its content is read without a file.
    """

    seeds: Callable[[Path], list[bytes]]
    damage: Callable[[random.Random, Sequence[bytes]], bytes]
    read: Callable[[Path, random.Random], object]
    name: str
    parse: Callable[[bytes, random.Random], object] | None = None


def any_bytes(chance: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Damage bytes in one of the ways that fit every file, once or a few times."""
    for _ in range(chance.choice((1, 1, 1, 2, 5, 20))):
        content = chance.choice(_BYTES)(chance, bytearray(content), others)
    return content


def _flip(chance: random.Random, content: bytearray, others: Sequence[bytes]) -> bytes:
    if content:
        content[_place(chance, content)] ^= 1 << chance.randrange(8)
    return bytes(content)


def _set(chance: random.Random, content: bytearray, others: Sequence[bytes]) -> bytes:
    if content:
        content[_place(chance, content)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
    return bytes(content)


def _truncate(chance: random.Random, content: bytearray, others: Sequence[bytes]) -> bytes:
    return bytes(content[: _place(chance, content)])


def _insert(chance: random.Random, content: bytearray, others: Sequence[bytes]) -> bytes:
    place = _place(chance, content)
    return bytes(content[:place] + chance.randbytes(chance.choice((1, 4, 100))) + content[place:])


def _delete(chance: random.Random, content: bytearray, others: Sequence[bytes]) -> bytes:
    place = _place(chance, content)
    del content[place : place + chance.choice((1, 4, 100))]
    return bytes(content)


def _double(chance: random.Random, content: bytearray, others: Sequence[bytes]) -> bytes:
    begin = _place(chance, content)
    part = content[begin : begin + chance.choice((1, 8, 64, 1000))]
    place = chance.choice((begin, _place(chance, content)))
    return bytes(content[:place] + part * chance.choice((1, 1, 2, 50)) + content[place:])[:200_000]


def _splice(chance: random.Random, content: bytearray, others: Sequence[bytes]) -> bytes:
    other = chance.choice(others)
    return bytes(content[: _place(chance, content)] + other[_place(chance, other) :])


def _length(chance: random.Random, content: bytearray, others: Sequence[bytes]) -> bytes:
    size, order = chance.choice((1, 2, 4, 8)), chance.choice(("little", "big"))
    place = _place(chance, content)
    number = (chance.choice(EXTREMES) + chance.choice((0, 0, 1, -1))) % 256**size
    content[place : place + size] = number.to_bytes(size, order)  # type: ignore[arg-type]
    return bytes(content)


def _number(chance: random.Random, content: bytearray, others: Sequence[bytes]) -> bytes:
    found = list(re.finditer(rb"\d+", content[:20_000]))
    if not found:
        return _set(chance, content, others)
    match = chance.choice(found)
    return bytes(content[: match.start()] + chance.choice(NUMBERS).encode() + content[match.end() :])


def _word(chance: random.Random, content: bytearray, others: Sequence[bytes]) -> bytes:
    place = _place(chance, content)
    return bytes(content[:place] + chance.choice(WORDS).encode() + content[place + chance.choice((0, 0, 1, 5)) :])


def _place(chance: random.Random, content: bytes | bytearray) -> int:
    """Choose a place, often near the begin or the end, where formats keep what matters."""
    size = len(content)
    if not size:
        return 0
    within = chance.choice((size, size, 16, 128, 1000))
    place = chance.randrange(min(within, size))
    return size - 1 - place if chance.random() < 0.25 else place


_BYTES: tuple[Callable[..., bytes], ...] = (
    *(_flip, _flip, _set, _set, _truncate, _insert, _delete, _double, _splice, _length, _length, _number, _word),
)


def any_value(chance: random.Random, value: Any) -> Any:
    """Change one place in a value of JSON: another value there, a name gone, another name, two places exchanged."""
    places = list(_places(value))
    if not places:
        return copy.deepcopy(chance.choice(VALUES))
    holder, key = chance.choice(places)
    way = chance.randrange(6)
    if way == 0 and isinstance(holder, dict):
        del holder[key]
    elif way == 1 and isinstance(holder, dict):
        holder[chance.choice(("", "x", key + "x", key.upper(), key.replace("_", "-")))] = holder.pop(key)
    elif way == 2:
        other, place = chance.choice(places)
        with suppress(KeyError, IndexError):
            holder[key] = json.loads(json.dumps(other[place]))
    elif way == 3 and isinstance(holder, list):
        holder[key:key] = [json.loads(json.dumps(holder[key]))] * chance.choice((1, 100))
    elif isinstance(holder[key], str) and way == 4:
        text = any_bytes(chance, holder[key].encode(errors="replace"), [b"choice:1,2,3"])
        holder[key] = text.decode(errors="replace")
    else:
        holder[key] = copy.deepcopy(chance.choice(VALUES))
    return value


def _places(value: Any) -> Any:
    if isinstance(value, dict):
        for key, item in value.items():
            yield value, key
            yield from _places(item)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield value, place
            yield from _places(item)


def some_values(chance: random.Random, value: Any) -> Any:
    """Change a few places in a value of JSON."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        value = any_value(chance, value)
    return value


# NPZ ------------------------------------------------------------------------------------------------------------------

_DESCRS = ("|u1", "<f4", ">f8", "<i8", "|b1", "<U3", "|S4", "|O", "<M8[s]", "<c8", "|V7", "<f2", "<f16", "|S0", "<U0",
           [("a", "<f4"), ("b", "|O")], [("a", "<i4")], ("<f4", (2,)), "<U99999999", "?", "")  # fmt: skip
_SHAPES = ((), (0,), (5,), (5, 0), (0, 5), (5, 4), (5, 2, 2), (2**31, 2**31), (2**62,), (-1,), (5, -4), (1,) * 70,
           (10**30,), (5.0, 4), (True, 4), "5", (2**63, 0), (40, 65_536, 65_536))  # fmt: skip
_NAMES = ("x", "y", "x_train", "y_train", "x_test", "y_test", "class_names", "z", "", "x.npy", "../x", "y/x")


def npy(chance: random.Random, array: np.ndarray) -> bytes:
    """Write an array as NumPy does, with a header that may not tell the truth."""
    stream = io.BytesIO()
    np.save(stream, array)
    content = stream.getvalue()
    if chance.random() < 0.4:
        return content
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
    changed: dict[str, Any] = {"descr": chance.choice(_DESCRS), "shape": chance.choice(_SHAPES), "fortran_order": True}
    for name in chance.sample(sorted(changed), chance.choice((1, 1, 2, 3))):
        header[name] = changed[name]
    text = repr(header)
    if chance.random() < 0.3:
        text = any_bytes(chance, text.encode(), [b"{'shape': (3L, 0L)}"]).decode("latin-1")
    encoded = text.encode("utf-8", "replace") + b" " * chance.choice((0, 60)) + b"\n"
    size = chance.choice((len(encoded), len(encoded), len(encoded), chance.choice(EXTREMES)))
    version = chance.choice((1, 1, 1, 2, 3, 4, 255))
    packed = struct.pack("<H", size % 2**16) if version == 1 else struct.pack("<I", size % 2**32)
    return b"\x93NUMPY" + bytes([version, 0]) + packed + encoded + content[128:]


def npz(chance: random.Random) -> bytes:
    """Write an archive of arrays with some that do not belong together, and parts of the format that lie."""
    numbers = np.random.default_rng(chance.randrange(2**32))
    n = chance.choice((1, 2, 5, 40))
    kinds = (numbers.integers(0, 255, (n, 4)).astype(np.uint8), numbers.random((n, 2, 2)), numbers.integers(0, 3, n),
             numbers.integers(0, 3, n).astype(str), np.array(["a", "b", "c"]), numbers.random(n), np.array(3),
             numbers.integers(0, 3, n).astype("S2"), numbers.random((n, 3)) * 1e300,
             np.full((n, 2), np.nan))  # fmt: skip
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))) as z:
        names = ["x", "y", *chance.sample(_NAMES, chance.choice((0, 0, 1, 3)))]
        for place, name in enumerate(names):
            array = kinds[place] if place < 2 and chance.random() < 0.2 else chance.choice(kinds)
            array = kinds[chance.choice((0, 1))] if name.startswith("x") and chance.random() < 0.7 else array
            array = kinds[chance.choice((2, 3))] if name.startswith("y") and chance.random() < 0.7 else array
            content = npy(chance, array)
            if chance.random() < 0.02:
                content += bytes(3_000_000)
            if name + ".npy" not in z.NameToInfo:
                z.writestr(name + ".npy", content)
    return stream.getvalue()


def npz_bytes(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Make an archive and, mostly, damage its bytes, or its central directory."""
    way = chance.randrange(4)
    if way == 0:
        return any_bytes(chance, chance.choice(seeds), seeds)
    content = npz(chance)
    if way == 1:
        return content
    if way == 2:
        return any_bytes(chance, content, seeds)
    marks = [m.start() for m in re.finditer(b"PK\x01\x02|PK\x05\x06|PK\x03\x04", content)]
    begin = chance.choice(marks) + chance.randrange(4, 46)
    changed = bytearray(content)
    size = chance.choice((1, 2, 4))
    changed[begin : begin + size] = (chance.choice(EXTREMES) % 256**size).to_bytes(size, "little")
    return bytes(changed)


def csr_bytes(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Damage the bytes of an archive with a sparse array, or change, leave out or exchange its arrays."""
    content = chance.choice(seeds)
    if chance.random() < 0.4:
        return any_bytes(chance, content, seeds)
    with np.load(io.BytesIO(content)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    for _ in range(chance.randrange(1, 3)):
        name = chance.choice(list(arrays))
        array = np.atleast_1d(arrays[name].copy())
        way = chance.randrange(5)
        if way == 0:
            del arrays[name]
            break
        if way == 1:
            array = array[: chance.randrange(len(array) + 1)]
        elif way == 2:
            array = np.concatenate([array, array[:1]])
        elif way == 3 and array.dtype.kind in "iuf":
            value = chance.choice((-1, 0, 7, 2**31 - 1, 2**31, 2**40, 2**62))
            array = array.astype(np.float64 if array.dtype.kind == "f" else np.int64)
            array[chance.randrange(len(array))] = value
        else:
            array = array.astype(chance.choice(("U", "f8", "c16", "?")) if array.dtype.kind in "iuf" else "S2")
        arrays[name] = array
        if not len(array):
            break
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


# IDX ------------------------------------------------------------------------------------------------------------------


def idx_bytes(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Damage an IDX file, within its gzip or outside of it."""
    content = chance.choice(seeds)
    way = chance.randrange(5)
    if way == 0:
        sizes = [chance.choice((*EXTREMES, 5, 5, 5)) % 2**32 for _ in range(chance.choice((0, 1, 3, 3, 255)))]
        sizes = [1] * len(sizes) if chance.random() < 0.2 else sizes
        kind = chance.choice((0x08, 0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E, 0x0A, 0))
        values = content[16:] if chance.random() < 0.8 else bytes(chance.choice((1, 1, 2, 4, 8)))
        content = bytes([0, 0, kind, len(sizes) % 256]) + struct.pack(f">{len(sizes)}I", *sizes) + values
    elif way < 3:
        content = any_bytes(chance, content, seeds)
    if chance.random() < 0.01:
        content += bytes(5_000_000)
    if chance.random() < 0.5:
        return content
    packed = gzip.compress(content, compresslevel=1, mtime=0)
    return any_bytes(chance, packed, seeds) if chance.random() < 0.7 else packed


# Models ---------------------------------------------------------------------------------------------------------------


def model_bytes(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Damage a model's bytes, what its header says of its tensors, or its description."""
    content = chance.choice(seeds)
    way = chance.randrange(5)
    if way == 0:
        return any_bytes(chance, content, seeds)
    size = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    if way in (1, 2, 3):
        described = some_values(chance, json.loads(header["__metadata__"]["fastnet"]))
        text = json.dumps(described)
        if chance.random() < 0.1:
            text = any_bytes(chance, text.encode(), [b'{"format":1}']).decode(errors="replace")
        header["__metadata__"]["fastnet"] = text
    else:
        header = some_values(chance, header)
    encoded = json.dumps(header, allow_nan=True).encode()
    encoded += b" " * (-len(encoded) % 8)
    if chance.random() < 0.3:  # numbers that a training would not give
        values = bytearray(data)
        for _ in range(chance.choice((1, 10, 1000))):
            place = 4 * chance.randrange(max(len(values) // 4, 1))
            values[place : place + 4] = struct.pack("<I", chance.choice((0x7F7FFFFF, 0xFF7FFFFF, 0x7F800000, 1)))
        data = bytes(values[: len(data)])
    return struct.pack("<Q", len(encoded)) + encoded + data


# Studies --------------------------------------------------------------------------------------------------------------


def study_bytes(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Damage a study's bytes, its pages, or the values in its tables."""
    content = chance.choice(seeds)
    way = chance.randrange(5)
    if way == 0:
        return any_bytes(chance, content, seeds)
    if way == 1:
        return _pages(chance, bytearray(content), chance.choice(seeds))
    return _rows(chance, content)


def _pages(chance: random.Random, content: bytearray, other: bytes) -> bytes:
    size = 4096
    for _ in range(chance.choice((1, 1, 2, 3))):
        to, source = (size * chance.randrange(max(len(content) // size, 1)) for _ in range(2))
        way = chance.randrange(5)
        if way == 0:
            content[to : to + size] = content[source : source + size]
        elif way == 1:
            content[to : to + size] = bytes(size)
        elif way == 2:
            content[to : to + size] = other[to : to + size]
        elif way == 3:
            content[to : to + size], content[source : source + size] = (
                content[source : source + size],
                content[to : to + size],
            )
        else:  # the head of a page: its kind, how many cells, where they begin
            head = to + (100 if to == 0 else 0) + chance.randrange(40)
            content[head : head + 1] = bytes([chance.choice((0, 2, 5, 10, 13, 255, chance.randrange(256)))])
    return bytes(content)


def _rows(chance: random.Random, content: bytes) -> bytes:
    """Change values by SQL, in memory, which knows no write-ahead log."""
    plain = bytearray(content)
    plain[18:20] = b"\1\1"
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        connection.deserialize(bytes(plain))
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            with suppress(sqlite3.Error, OverflowError, ValueError, RecursionError):  # not JSON any more
                _change(chance, connection)
        changed = bytearray(connection.serialize())
    finally:
        connection.close()
    changed[18:20] = b"\2\2"
    return bytes(changed)


def _change(chance: random.Random, connection: sqlite3.Connection) -> None:
    table = chance.choice((*TABLES, "trials", "meta", "final", "stages", "meta"))
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    rows = connection.execute(f"SELECT * FROM {table}").fetchall()
    way = chance.randrange(12)
    if way == 0:
        name, number = chance.choice(("user_version", "application_id")), chance.choice((0, 1, 3, -1, 2**31 - 1))
        connection.execute(f"PRAGMA {name} = {number}")
    elif way == 1:
        connection.execute(chance.choice((f"DROP TABLE {table}", f"ALTER TABLE {table} ADD COLUMN more",
                                          f"ALTER TABLE {table} RENAME TO {table}s", "CREATE TABLE mine (id)",
                                          f"DELETE FROM {table}")))  # fmt: skip
    elif not rows:
        return
    elif way == 2:
        row = list(chance.choice(rows))
        row[0] = chance.choice((-5, 7, 10**6, 2**40, 2**63 - 1, "x", row[0]))
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", row)
    elif way == 3:
        key = columns[0]
        connection.execute(f"DELETE FROM {table} WHERE {key} = ?", (chance.choice(rows)[0],))
    else:
        row, place = chance.choice(rows), chance.randrange(len(columns))
        value = _other(chance, row[place])
        connection.execute(f"UPDATE {table} SET {columns[place]} = ? WHERE {columns[0]} = ?", (value, row[0]))
        if table == "meta" and row[0] == "settings" and isinstance(value, str) and chance.random() < 0.8:
            digest = sha256_of(value)
            connection.execute("UPDATE meta SET value = ? WHERE key = 'settings_sha256'", (digest,))


def _other(chance: random.Random, value: Any) -> Any:
    """Return another value for a column: of another type, another number, a blob of another length, changed JSON."""
    if isinstance(value, str) and value.startswith("{") and chance.random() < 0.9:
        text = json.dumps(some_values(chance, json.loads(value)))
        return any_bytes(chance, text.encode(), [b"{}"]).decode(errors="replace") if chance.random() < 0.15 else text
    if isinstance(value, bytes) and chance.random() < 0.7:
        return chance.choice((value[:-1], value[:-16], value + bytes(16), b"", bytes(len(value)), b"\xff" * len(value)))
    scalars = [item for item in VALUES if isinstance(item, (int, float, str)) and item != 10**400]
    return chance.choice((*scalars, None, b"", b"x", "2026-11-28T19:54:52+00:00", "done", "stopped", "diverged"))


# Settings -------------------------------------------------------------------------------------------------------------


def text_bytes(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Damage a text: its bytes, its lines, its values where it is JSON."""
    content = chance.choice(seeds)
    way = chance.randrange(4)
    if way == 0 and content.startswith((b"{", b"[")):
        lines = content.splitlines() if content.startswith(b"{") else [content]
        place = chance.randrange(len(lines))
        lines[place] = json.dumps(some_values(chance, json.loads(lines[place]))).encode()
        return b"\n".join(lines)
    if way == 1:
        lines = content.splitlines(keepends=True)
        for _ in range(chance.choice((1, 1, 1, 3))):
            line = chance.choice(lines)
            lines.insert(chance.randrange(len(lines) + 1), chance.choice((line, any_bytes(chance, line, seeds))))
        if chance.random() < 0.2:
            chance.shuffle(lines)
        return b"".join(lines)
    if way == 2:
        lines = content.splitlines(keepends=True)
        place = chance.randrange(len(lines))
        name, equals, _ = lines[place].partition(b"=")
        lines[place] = name + (equals or b"=") + chance.choice((*NUMBERS, *WORDS)).encode() + b"\n"
        return b"".join(lines)
    return any_bytes(chance, content, seeds)
