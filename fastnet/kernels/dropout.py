"""Dropout's random bits: which hidden units of a batch are kept in one training step (book, section 6.4.3)."""

from __future__ import annotations

import numpy as np

from fastnet.kernels._jit import kernel
from fastnet.kernels.host import GROUP
from fastnet.kernels.rng import DROPOUT, philox

_LOW16, _SHIFT16, _SHIFT4 = np.uint64(0xFFFF), np.uint64(16), np.uint64(4)


@kernel
def keep_bits(
    seed: int, stream: int, layer: int, step: int, n_rows: int, n_units: int, threshold: int, ld: int, keep: np.ndarray
) -> None:  # fmt: skip
    """Set the bit of every unit that is kept: where 16 random bits are not below `threshold`.

    keep  (>= n_rows * ld,) uint8, a byte per `GROUP` units, rows below n_rows written up to that of the last unit

    Cost: one Philox block (about 20 multiplications) for eight units.
    """
    limit = np.uint64(threshold)
    for r in range(n_rows):
        for q in range((n_units + 7) // 8):
            words = philox(r * ((n_units + 7) // 8) + q, step, DROPOUT + 256 * layer, stream, seed)
            bits = np.uint64(0)
            for h in range(4):
                word = words[h]
                low = np.uint64((word & _LOW16) >= limit)
                high = np.uint64((word >> _SHIFT16) >= limit)
                bits |= (low | high << np.uint64(1)) << np.uint64(2 * h)
            if GROUP == 8:
                keep[r * ld + q] = np.uint8(bits)
            else:
                keep[r * ld + 2 * q] = np.uint8(bits & np.uint64(15))
                if 2 * q + 1 < ld:
                    keep[r * ld + 2 * q + 1] = np.uint8(bits >> _SHIFT4)
