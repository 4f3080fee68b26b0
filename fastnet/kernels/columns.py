"""The microkernels of the first layer of a table, one column panel at a time; see `encoded` and `panels`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnet.kernels import _jit
from fastnet.kernels.host import LANE_BYTES
from fastnet.kernels.memory import invoke, load_f32, load_i64, load_u32
from fastnet.kernels.operands import Codes, End, Matrix, Rule, Sorted, Span, signature
from fastnet.kernels.tile import (
    load_row,
    rank1,
    rank1_strided,
    store,
    store_relu,
    store_relu_kept,
    store_sgd,
    zeros,
)

LINEAR, RELU, RELU_KEPT = 0, 1, 2
"""Epilogues of the forward product: nothing, ReLU, ReLU and dropout."""

_AT_ONCE = _jit.typed(5)
"""Rows of the weights that an update rule takes at once: with the row of sums they fill the scratch of a tile."""


def forward_encoded(vectors: int) -> tuple[Any, Callable[..., None]]:
    """Return signature and source of the forward product of the columns of a table, one sample at a time."""

    def forward(span: Span, x: Codes, dense: int, w: Matrix, bias: int, y: Matrix, end: End) -> None:
        """Compute y = end(y + columns of x @ w): rows of B, a panel of O; without `dense` inputs from the bias on.

        A number in bin k with fraction f adds the sum of its rows before k, then f times row k; a category adds a row.
        """
        n_codes = x.n_numbers + x.n_levels
        for r in range(span.first, span.last):
            row = load_i64(x.rows + 8 * r)
            place, fraction = x.places + 4 * row * n_codes, x.fractions + 4 * row * x.n_numbers
            out = y.at + r * y.ld
            tile = zeros(1, vectors)
            tile = load_row(tile, bias) if dense == 0 else load_row(tile, out)
            for j in range(x.n_numbers):
                k = load_u32(place + 4 * j) * w.ld
                tile = rank1(tile, (np.float32(1.0),), x.sums + k)
                tile = rank1_strided(tile, fraction + 4 * j, 4, w.at + k)
            for j in range(x.n_numbers, n_codes):
                k = load_u32(place + 4 * j)
                if k < x.n_inputs:
                    tile = rank1(tile, (np.float32(1.0),), w.at + k * w.ld)
            if end.kind == LINEAR:
                store(tile, out, y.ld)
            elif end.kind == RELU:
                store_relu(tile, out, y.ld, end.scale, end.active + r * end.ld, end.ld)
            else:
                store_relu_kept(
                    tile, out, y.ld, end.scale, end.active + r * end.ld, end.ld, end.keep + r * end.ld
                )  # fmt: skip

    return signature(Span, Codes, int, Matrix, int, Matrix, End), forward


def weight_gradient_encoded(vectors: int) -> tuple[Any, Callable[..., None]]:
    """Return signature and source of the weight gradient of one column of a table, from its last row to its first."""
    row_bytes = _jit.typed(vectors * LANE_BYTES)

    def weight_gradient(n_rows: int, x: Sorted, dy: Matrix, w: Matrix, rule: Rule, scratch: int) -> None:
        """Compute dw for the `n_rows` rows of a column, a panel of O, and update w by it.

        A tile of two rows holds the sum over the samples of all later rows and, continued from that, the gradient of
        the row itself: each element is one chain. The first is stored below the second and lies there for the next row.
        """
        sums = scratch
        for last in range(n_rows, 0, -_AT_ONCE):
            first = max(last - _AT_ONCE, np.int64(0))
            for t in range(last - 1, first - 1, -1):
                tile = zeros(2, vectors)
                if x.sums == 1 and t < n_rows - 1:
                    tile = load_row(tile, sums)
                p, stop = load_i64(x.begins + 8 * t), load_i64(x.begins + 8 * t + 8)
                while p < stop:
                    tile = rank1_strided(tile, x.values + 8 * p, 4, dy.at + load_u32(x.samples + 4 * p) * dy.ld)
                    p += 1
                sums = scratch + (t - first) * row_bytes
                store(tile, sums, row_bytes)
            gradient, out = scratch + row_bytes, w.at + first * w.ld
            if rule.update == 0:
                for t in range(last - first):
                    tile = load_row(zeros(1, vectors), gradient + t * row_bytes)
                    store_sgd(tile, out + t * w.ld, w.ld, load_f32(rule.hyper), load_f32(rule.hyper + 4))
            else:
                invoke(
                    rule.update, last - first, row_bytes // 4, gradient, row_bytes, out, w.ld, rule.offset, rule.hyper
                )  # fmt: skip

    return signature(int, Sorted, Matrix, Matrix, Rule, int), weight_gradient
