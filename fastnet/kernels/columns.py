"""The microkernels of the first layer of a table, one column panel at a time; see `encoded` and `panels`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnet.kernels import _jit
from fastnet.kernels.copies import TILE_SCRATCH
from fastnet.kernels.host import LANE_BYTES, LANES, TILE_ROWS
from fastnet.kernels.memory import invoke, load_f32, load_i64, load_u32
from fastnet.kernels.operands import Codes, End, Matrix, Rule, Sorted, Span, signature
from fastnet.kernels.tile import (
    add_rows,
    load_row,
    mix_rows,
    rank1,
    store,
    store_relu,
    store_relu_kept,
    store_sgd,
    zeros,
)

LINEAR, RELU, RELU_KEPT = 0, 1, 2
"""Epilogues of the forward product: nothing, ReLU, ReLU and dropout."""

FIRST, WIDTH = range(2)
"""Columns of the table of columns, (n, 2) int64: first row of the weights, number of rows."""

SPARE = _jit.typed(3)
"""Entries of `Work.sorted_begins` for each column, in addition to one for each of its rows."""

GRADIENT_VECTORS = 4
"""Widest panel of the weight gradient: 128 rows of it stay in the first-level cache."""

_AT_ONCE = _jit.typed(TILE_SCRATCH // (GRADIENT_VECTORS * LANES) - 1)
"""Rows of the weights that an update rule takes at once: with the row of sums they fill the scratch of a tile. A call
costs as much as three vectors of Adam."""


@_jit.kernel
def _place(at: int, sample: int, ld: int) -> int:
    return load_u32(at + sample * ld)


def forward_encoded(vectors: int) -> tuple[Any, Callable[..., None]]:
    """Return signature and source of the forward product of the columns of a table, in tiles of six samples."""

    def forward(span: Span, x: Codes, w: Matrix, bias: int, y: Matrix, end: End) -> None:
        """Compute y = end(bias + columns of x @ w): rows of B, a panel of O, in whole tiles.

        A number in bin k with fraction f adds the sum of its rows before k and f times row k, which are 1 - f of the
        sum before k and f of that before k + 1; a category adds a row. Six samples at once hide the latency of their
        chains; one by one, each waited for the stores of the one before, at the same place of another page.
        """
        ld, ldf = 4 * (x.n_numbers + x.n_levels), 4 * x.n_numbers
        for r in range(span.first, span.last, TILE_ROWS):
            at = x.rows + 8 * r
            s0, s1, s2 = load_i64(at), load_i64(at + 8), load_i64(at + 16)
            s3, s4, s5 = load_i64(at + 24), load_i64(at + 32), load_i64(at + 40)
            out = y.at + r * y.ld
            tile = load_row(zeros(TILE_ROWS, vectors), bias)
            for k in range(x.n_dense):
                o = x.dense + 4 * k
                factors = (
                    load_f32(o + s0 * x.ld), load_f32(o + s1 * x.ld), load_f32(o + s2 * x.ld),
                    load_f32(o + s3 * x.ld), load_f32(o + s4 * x.ld), load_f32(o + s5 * x.ld),
                )  # fmt: skip
                tile = rank1(tile, factors, w.at + k * w.ld)
            for c in range(x.n_numbers):
                o, own = x.places + 4 * c, x.sums + c * w.ld
                places = (
                    own + _place(o, s0, ld) * w.ld, own + _place(o, s1, ld) * w.ld, own + _place(o, s2, ld) * w.ld,
                    own + _place(o, s3, ld) * w.ld, own + _place(o, s4, ld) * w.ld, own + _place(o, s5, ld) * w.ld,
                )  # fmt: skip
                o = x.fractions + 4 * c
                shares = (
                    load_f32(o + s0 * ldf), load_f32(o + s1 * ldf), load_f32(o + s2 * ldf),
                    load_f32(o + s3 * ldf), load_f32(o + s4 * ldf), load_f32(o + s5 * ldf),
                )  # fmt: skip
                tile = mix_rows(tile, shares, places, w.ld)
            for c in range(x.n_numbers, x.n_numbers + x.n_levels):
                o = x.places + 4 * c
                k0, k1, k2 = _place(o, s0, ld), _place(o, s1, ld), _place(o, s2, ld)
                k3, k4, k5 = _place(o, s3, ld), _place(o, s4, ld), _place(o, s5, ld)
                n = x.n_inputs
                factors = (
                    np.float32(k0 < n), np.float32(k1 < n), np.float32(k2 < n),
                    np.float32(k3 < n), np.float32(k4 < n), np.float32(k5 < n),
                )  # fmt: skip
                n -= 1
                tile = add_rows(
                    tile, factors,
                    (w.at + min(k0, n) * w.ld, w.at + min(k1, n) * w.ld, w.at + min(k2, n) * w.ld,
                     w.at + min(k3, n) * w.ld, w.at + min(k4, n) * w.ld, w.at + min(k5, n) * w.ld),
                )  # fmt: skip
            if end.kind == LINEAR:
                store(tile, out, y.ld)
            elif end.kind == RELU:
                store_relu(tile, out, y.ld, end.scale, end.active + r * end.ld, end.ld)
            else:
                store_relu_kept(
                    tile, out, y.ld, end.scale, end.active + r * end.ld, end.ld, end.keep + r * end.ld
                )  # fmt: skip

    return signature(Span, Codes, Matrix, int, Matrix, End), forward


def weight_gradient_encoded(vectors: int) -> tuple[Any, Callable[..., None]]:
    """Return signature and source of the weight gradient of one column of a table, from its last row to its first."""
    row_bytes = _jit.typed(vectors * LANE_BYTES)

    def weight_gradient(n_rows: int, x: Sorted, dy: Matrix, w: Matrix, sums: int, rule: Rule, scratch: int) -> None:
        """Compute dw for the `n_rows` rows of a column, a panel of O, and update w by it.

        A tile of two rows holds the sum over the samples of all later rows and, continued from that, the gradient of
        the row itself: each element is one chain. The first is stored below the second and lies there for the next row.
        A category has no such sum. Where there are `sums`, they become those of the new rows of w before each.
        """
        later = scratch
        for last in range(n_rows, 0, -_AT_ONCE):
            first = max(last - _AT_ONCE, np.int64(0))
            for t in range(last - 1, first - 1, -1):
                p, stop = load_u32(x.begins + 4 * t), load_u32(x.begins + 4 * t + 4)
                gradient = scratch + (t - first) * row_bytes + row_bytes
                if x.fractions == 0:
                    tile = zeros(1, vectors)
                    while p < stop:
                        tile = rank1(tile, (np.float32(1.0),), dy.at + load_u32(x.samples + 4 * p) * dy.ld)
                        p += 1
                    store(tile, gradient, row_bytes)
                else:
                    pair = zeros(2, vectors)
                    if t < n_rows - 1:
                        pair = load_row(pair, later)
                    while p < stop:
                        factors = (np.float32(1.0), load_f32(x.fractions + 4 * p))
                        pair = rank1(pair, factors, dy.at + load_u32(x.samples + 4 * p) * dy.ld)
                        p += 1
                    later = gradient - row_bytes
                    store(pair, later, row_bytes)
            gradient, out = scratch + row_bytes, w.at + first * w.ld
            if rule.update == 0:
                for t in range(last - first):
                    tile = load_row(zeros(1, vectors), gradient + t * row_bytes)
                    store_sgd(tile, out + t * w.ld, w.ld, load_f32(rule.hyper), load_f32(rule.hyper + 4))
            else:
                invoke(
                    rule.update, last - first, row_bytes // 4, gradient, row_bytes, out, w.ld, rule.offset, rule.hyper
                )  # fmt: skip

        if sums != 0:
            total = zeros(1, vectors)
            for t in range(n_rows):
                store(total, sums + t * w.ld, w.ld)
                total = rank1(total, (np.float32(1.0),), w.at + t * w.ld)
            store(total, sums + n_rows * w.ld, w.ld)

    return signature(int, Sorted, Matrix, Matrix, int, Rule, int), weight_gradient
