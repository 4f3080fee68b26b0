"""What an Arrow file promises, read from its messages as Arrow wrote them, and from damaged ones."""

from __future__ import annotations

import random
import struct
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pytest

from fastnet.data.tables.promised import Promise, promise_of

TABLE = pa.table({"a": np.arange(1000.0), "b": [f"text {k % 7}" for k in range(1000)], "c": pa.nulls(1000)})


def messages(table: pa.Table, packing: str | None) -> list[pa.ipc.Message]:
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, table.schema, options=pa.ipc.IpcWriteOptions(compression=packing)) as writer:
        writer.write_table(table)
    return list(pa.ipc.MessageReader.open_stream(stream.getvalue()))


@pytest.mark.parametrize("packing", [None, "zstd", "lz4"])
def test_rows_and_bytes_are_those_that_arrow_makes_of_them(packing: str | None) -> None:
    schema, batch = map(promise_of, messages(TABLE, packing))
    assert schema == Promise(0, 0, 0) and batch.rows == 1000
    plain = promise_of(messages(TABLE, None)[1]).unpacked
    assert plain - 200 <= batch.unpacked <= plain and (batch.packed < plain) is (packing is not None)


def test_dictionaries_promise_their_values() -> None:
    coded = pa.table({"b": TABLE["b"].dictionary_encode()})
    promises = [promise_of(message) for message in messages(coded, "zstd")]
    assert [promise.rows for promise in promises] == [0, 7, 1000]


def test_a_description_that_points_outside_of_itself_is_refused() -> None:
    class Damaged:
        def __init__(self, metadata: bytes) -> None:
            self.metadata, self.body = metadata, b""

    whole, chance, refused = bytes(messages(TABLE, "zstd")[1].metadata), random.Random(0), 0
    for _ in range(2000):
        content = bytearray(whole)
        content[chance.randrange(len(content))] = chance.randrange(256)
        with suppress(struct.error):
            promise_of(Damaged(bytes(content)))  # type: ignore[arg-type]
            refused -= 1
        refused += 1
    assert 0 < refused < 2000
