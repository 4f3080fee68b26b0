"""Dropout's bits for Python to look at: the kernel that training takes them from, as an entry of its own."""

from __future__ import annotations

import numpy as np

from fastnet.kernels._jit import entry
from fastnet.kernels.dropout import keep_bits


@entry
def kept(
    seed: int, stream: int, layer: int, step: int, n_rows: int, n_units: int, threshold: int, ld: int, keep: np.ndarray
) -> None:  # fmt: skip
    """Set the bits of one layer in one training step, see `fastnet.kernels.dropout.keep_bits`."""
    keep_bits(seed, stream, layer, step, n_rows, n_units, threshold, ld, keep)
