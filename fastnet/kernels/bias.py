"""The update of the biases: the sums of dy over the samples, and the update rule on them."""

from __future__ import annotations

import numpy as np

from fastnet.kernels._jit import kernel
from fastnet.kernels.copies import TILE_SCRATCH
from fastnet.kernels.host import LANE_BYTES
from fastnet.kernels.layout import N_OUT, B
from fastnet.kernels.memory import address_of, invoke, load_f32
from fastnet.kernels.operands import Layer, Matrix, Rule
from fastnet.kernels.tile import load_row, rank1, store, zeros
from fastnet.kernels.vector import load_vector, splat, store_vector


@kernel
def _sum_rows(source: Matrix, n_rows: int, width: int, target: int) -> None:
    """Write the sums over `n_rows` rows, `width` bytes of them, in order.

    Four vectors at once: a sum alone waits for each of its additions.
    """
    column, one = np.int64(0), np.float32(1.0)
    while column < width:
        at = source.at + column
        if width - column < 4 * LANE_BYTES:
            single = load_row(zeros(1, 1), at)
            for k in range(1, n_rows):
                single = rank1(single, (one,), at + k * source.ld)
            store(single, target + column, width)
            column += LANE_BYTES
        else:
            four = load_row(zeros(1, 4), at)
            for k in range(1, n_rows):
                four = rank1(four, (one,), at + k * source.ld)
            store(four, target + column, width)
            column += 4 * LANE_BYTES


@kernel
def bias_update(layer: Layer, n_rows: int, dy: Matrix, rule: Rule) -> None:
    """Compute db = sum of dy (B, O) over B, in order, and apply the update rule to b (O,)."""
    bias, scratch = layer.params + 4 * layer.row[B], address_of(layer.scratch)
    rate = splat(load_f32(rule.hyper))
    end, size = -(-4 * layer.row[N_OUT] // LANE_BYTES) * LANE_BYTES, np.int64(4 * TILE_SCRATCH)
    for first in range(0, end, size):
        width = min(size, end - first)
        _sum_rows(Matrix(dy.at + first, dy.ld), n_rows, width, scratch)
        if rule.update != 0:
            invoke(rule.update, np.int64(1), width // 4, scratch, width, bias + first, dy.ld, rule.offset, rule.hyper)
            continue
        for at in range(0, width, LANE_BYTES):
            here = bias + first + at
            store_vector(load_vector(here) - rate * load_vector(scratch + at), here)
