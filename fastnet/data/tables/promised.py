"""What the messages of an Arrow file promise, read without unpacking them: Arrow itself allocates first.

Arrow describes a batch by a FlatBuffer: tables whose fields are found by an offset, as laid down in the files
Message.fbs and Schema.fbs of its format. Only the few fields that are needed here are read.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH, _DICTIONARY = 3, 2
"""Kinds of messages that have buffers."""


class Promise(NamedTuple):
    """What a batch becomes: its rows, the bytes of its buffers as they are read, and those that the file has of them.

    Examples
    --------
    >>> Promise(rows=10, unpacked=80, packed=80).rows
    10
    """

    rows: int
    unpacked: int
    packed: int


def promise_of(message: pa.ipc.Message) -> Promise:
    """Return what a message promises; nothing for a message without buffers.

    Raises
    ------
    struct.error
        If its description points outside of itself.

    Examples
    --------
    >>> import pyarrow as pa
    >>> batch = pa.record_batch({"a": pa.array([1, 2, 3], pa.int64())})
    >>> promise_of(pa.ipc.read_message(batch.serialize())).rows
    3
    """
    meta, body = memoryview(message.metadata), message.body
    root = _number(meta, 0, "<I")
    header = _field(meta, root, 2)
    kind_at = _field(meta, root, 1)
    kind = _number(meta, kind_at, "<B") if kind_at else 0
    if not header or kind not in (_BATCH, _DICTIONARY):
        return Promise(0, 0, 0)
    batch = header + _number(meta, header, "<I")
    if kind == _DICTIONARY:
        inner = _field(meta, batch, 1)
        if not inner:
            return Promise(0, 0, 0)
        batch = inner + _number(meta, inner, "<I")
    length, buffers, packing = (_field(meta, batch, number) for number in (0, 2, 3))
    rows = _number(meta, length, "<q") if length else 0
    content = memoryview(body) if body is not None else memoryview(b"")
    unpacked = _unpacked(meta, buffers, content) if buffers and packing else len(content)
    return Promise(rows, unpacked, len(content))


def _unpacked(meta: memoryview, buffers: int, content: memoryview) -> int:
    """Add up the lengths that packed buffers begin with; -1 stands for one that is not packed."""
    vector = buffers + _number(meta, buffers, "<I")
    total = 0
    for place in range(_number(meta, vector, "<I")):
        begin, length = (_number(meta, vector + 4 + 16 * place + 8 * k, "<q") for k in (0, 1))
        if length >= 8:
            promised = _number(content, begin, "<q")
            total += length if promised < 0 else promised
    return total


def _field(meta: memoryview, table: int, number: int) -> int:
    """Return the place of a field of a table; 0 if the table does not have it."""
    layout = table - _number(meta, table, "<i")
    entry = 4 + 2 * number
    offset = _number(meta, layout + entry, "<H") if entry < _number(meta, layout, "<H") else 0
    return table + offset if offset else 0


def _number(content: memoryview, place: int, form: str) -> int:
    if place < 0:
        raise struct.error("a place before the begin")
    return int(struct.unpack_from(form, content, place)[0])
