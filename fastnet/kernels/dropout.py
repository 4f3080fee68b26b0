"""Dropout's random bits: which hidden units of a batch are kept in one training step (book, section 6.4.3)."""

from __future__ import annotations

import numpy as np

from fastnet.kernels._jit import kernel
from fastnet.kernels.host import GROUP
from fastnet.kernels.memory import address_of, store_i64, store_u8
from fastnet.kernels.rng import CHUNK, DROPOUT, philox_bits


@kernel
def keep_bits(
    seed: int, stream: int, layer: int, step: int, n_rows: int, n_units: int, threshold: int, ld: int, keep: np.ndarray
) -> None:  # fmt: skip
    """Set the bit of every unit that is kept: where 16 random bits are not below `threshold`.

    keep  (>= n_rows * ld,) uint8, a byte per `GROUP` units, rows below n_rows written up to that of the last unit

    Cost: one Philox block (20 multiplications) for eight units.
    """
    per_row = (n_units + 7) // 8
    n_blocks = n_rows * per_row
    row = address_of(keep)
    for begin in range(0, n_blocks, CHUNK):
        bits = philox_bits(begin, step, DROPOUT + 256 * layer, stream, seed, threshold)
        if GROUP == 8 and ld == per_row and begin + CHUNK <= n_blocks:
            store_i64(row + begin, bits)
            continue
        for block in range(begin, min(begin + CHUNK, n_blocks)):
            place = row + block // per_row * ld
            q = block % per_row
            byte = bits >> 8 * (block - begin) & 255
            if GROUP == 8:
                store_u8(place + q, byte)
            else:
                store_u8(place + 2 * q, byte & 15)
                if 2 * q + 1 < ld:
                    store_u8(place + 2 * q + 1, byte >> 4)
