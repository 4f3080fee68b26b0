"""Dropout's random bits: which hidden units of a batch are kept in one training step (book, section 6.4.3)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastnet.kernels._jit import entry, kernel
from fastnet.kernels.host import GROUP
from fastnet.kernels.memory import address_of, store_i64, store_u8
from fastnet.kernels.rng import CHUNK, DROPOUT, philox_bits


class Draw(NamedTuple):
    """The key and the counter of the random bits of one layer in one training step."""

    seed: np.uint64
    stream: int
    layer: int
    step: int


@kernel
def keep_bits(draw: Draw, n_rows: int, n_units: int, threshold: int, ld: int, keep: np.ndarray) -> None:
    """Set the bit of every unit that is kept: where 16 random bits are not below `threshold`.

    keep  (>= n_rows * ld,) uint8, a byte per `GROUP` units, rows below n_rows written up to the last unit's byte; some
    of
          their padding is cleared

    Cost: one Philox block (20 multiplications) for eight units.
    """
    per_row = (n_units + 7) // 8
    n_blocks = n_rows * per_row
    whole = GROUP == 8 and per_row >= CHUNK
    place, q = address_of(keep), np.int64(0)  # of the first block of a chunk: its row, and its byte there
    for begin in range(0, n_blocks, CHUNK):
        bits = philox_bits(begin, draw.step, DROPOUT + 256 * draw.layer, draw.stream, draw.seed, threshold)
        if whole and begin + per_row + CHUNK <= n_blocks:
            # Eight bytes at a time; those beyond the end of a row clear padding, or the next row overwrites them.
            # Byte by byte, as below, 100 x 100 units took 3.5 microseconds instead of 2.2.
            left = per_row - q
            if left >= CHUNK:
                store_i64(place + q, bits)
                q += CHUNK
            else:
                store_i64(place + q, bits & ((1 << 8 * left) - 1))
                place, q = place + ld, CHUNK - left
                store_i64(place, bits >> 8 * left & ((1 << 8 * q) - 1))
            if q == per_row:
                place, q = place + ld, np.int64(0)
            continue
        for block in range(begin, min(begin + CHUNK, n_blocks)):
            if q == per_row:
                place, q = place + ld, np.int64(0)
            byte = bits >> 8 * (block - begin) & 255
            if GROUP == 8:
                store_u8(place + q, byte)
            else:
                store_u8(place + 2 * q, byte & 15)
                if 2 * q + 1 < ld:
                    store_u8(place + 2 * q + 1, byte >> 4)
            q += 1


@entry
def kept(draw: Draw, n_rows: int, n_units: int, threshold: int, ld: int, keep: np.ndarray) -> None:
    """Compute `keep_bits` for Python."""
    keep_bits(draw, n_rows, n_units, threshold, ld, keep)
