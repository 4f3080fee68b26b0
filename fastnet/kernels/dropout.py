"""Dropout's random bits: which hidden units of a batch are kept in one training step (book, section 6.4.3)."""

from __future__ import annotations

import numpy as np

from fastnet.kernels._jit import kernel
from fastnet.kernels.host import GROUP
from fastnet.kernels.memory import address_of, store_u8
from fastnet.kernels.rng import CHUNK, DROPOUT, philox_chunk

_LOW16, _16 = np.uint32(0xFFFF), np.uint32(16)


@kernel
def keep_bits(
    seed: int, stream: int, layer: int, step: int, n_rows: int, n_units: int, threshold: int, ld: int, keep: np.ndarray
) -> None:  # fmt: skip
    """Set the bit of every unit that is kept: where 16 random bits are not below `threshold`.

    keep  (>= n_rows * ld,) uint8, a byte per `GROUP` units, rows below n_rows written up to that of the last unit

    Cost: one Philox block (20 multiplications) for eight units.
    """
    limit = np.uint32(threshold)
    per_row = (n_units + 7) // 8
    words, bits = np.empty((4, CHUNK), np.uint32), np.empty(CHUNK, np.uint32)
    out = address_of(keep)
    q = 0
    for begin in range(0, n_rows * per_row, CHUNK):
        philox_chunk(begin, step, DROPOUT + 256 * layer, stream, seed, address_of(words))
        for b in range(CHUNK):
            found = np.uint32(0)
            for word in range(4):
                low = np.uint32((words[word, b] & _LOW16) >= limit)
                high = np.uint32((words[word, b] >> _16) >= limit)
                found |= (low | high << np.uint32(1)) << np.uint32(2 * word)
            bits[b] = found
        for b in range(min(CHUNK, n_rows * per_row - begin)):
            byte = np.int64(bits[b])
            if GROUP == 8:
                store_u8(out + q, byte)
            else:
                store_u8(out + 2 * q, byte & 15)
                if 2 * q + 1 < ld:
                    store_u8(out + 2 * q + 1, byte >> 4)
            q += 1
            if q == per_row:
                q, out = 0, out + ld
