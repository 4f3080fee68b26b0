"""The microkernels of the first layer of a table, one column panel at a time; see `encoded` and `panels`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnet.kernels import _jit
from fastnet.kernels.copies import TILE_SCRATCH
from fastnet.kernels.host import LANE_BYTES, LANES, LINE_BYTES
from fastnet.kernels.memory import invoke, load_f32, load_u32, prefetch
from fastnet.kernels.operands import Codes, End, Listed, Matrix, Rule, Span, signature
from fastnet.kernels.tile import (
    add_levels,
    chosen_rows,
    finish,
    last_row,
    load_row,
    mix_rows,
    rank1,
    rank1_rows,
    repeat_row,
    store,
    store_sgd,
    zeros,
)

FIRST, WIDTH = range(2)
"""Columns of the table of columns, (n, 2) int64: first row of the weights, number of rows."""

AT_ONCE = _jit.typed(64)
"""Samples of a batch that are compared with a row at once."""

NO_CODE = _jit.typed(0xFFFF)
"""Code of a level without an input: a column has fewer rows than that."""

FORWARD_VECTORS = 4
FORWARD_ROWS = 3 if LANES == 8 else 6
"""Shape of the forward tile. Each sample of a panel reads its place and share anew, so wide panels of few samples are
better than the dense tile's on AVX2."""

GRADIENT_VECTORS = 4
"""Widest panel of the weight gradient: 128 rows of it stay in the first-level cache."""

_RULE_ROWS = _jit.typed(TILE_SCRATCH // (GRADIENT_VECTORS * LANES))
"""Rows of the weights that an update rule takes at once: they fill the scratch of a tile. A call costs as much as three
vectors of Adam."""


def forward_encoded(vectors: int) -> tuple[Any, Callable[..., None]]:
    """Return signature and source of the forward product of the columns of a table, several samples at a time."""
    row_bytes = _jit.typed(vectors * LANE_BYTES)

    def forward(span: Span, x: Codes, w: Matrix, bias: int, y: Matrix, end: End) -> None:
        """Compute y = end(bias + columns of x @ w): rows of B, a panel of O, in whole tiles.

        A number in bin k with fraction f adds the sum of its rows before k and f times row k, which are 1 - f of the
        sum before k and f of that before k + 1; a category adds a row. Several samples at once hide the latency of
        their chains; one by one, each waited for the stores of the one before, at the same place of another page.

        Dense inputs and numbers take turns, for the dense ones find time while a number waits for its place: 10 of each
        took 16.2 microseconds on AVX2, one kind after the other 18.4.
        """
        ld, ldf = 4 * (x.n_numbers + x.n_levels), 4 * x.n_numbers
        both = min(x.n_dense, x.n_numbers)
        for r in range(span.first, span.last, FORWARD_ROWS):
            numbers = x.rows + 8 * r
            for q in range(FORWARD_ROWS):
                for line in range(0, row_bytes, LINE_BYTES):
                    prefetch(y.at + (r + q) * y.ld + line)
            tile = load_row(zeros(FORWARD_ROWS, vectors), bias)
            rows = chosen_rows(tile, numbers, x.dense, x.ld)
            places = chosen_rows(tile, numbers, x.places, ld)
            shares = chosen_rows(tile, numbers, x.fractions, ldf)
            for k in range(both):
                tile = rank1_rows(tile, rows, 4 * k, w.at + k * w.ld)
                tile = mix_rows(tile, places, shares, 4 * k, x.sums + k * row_bytes, row_bytes)
            for k in range(both, x.n_dense):
                tile = rank1_rows(tile, rows, 4 * k, w.at + k * w.ld)
            for c in range(both, x.n_numbers):
                tile = mix_rows(tile, places, shares, 4 * c, x.sums + c * row_bytes, row_bytes)
            for c in range(x.n_numbers, x.n_numbers + x.n_levels):
                tile = add_levels(tile, places, 4 * c, w.at, w.ld, x.n_inputs)
            bits = r * end.ld
            finish(
                tile, y.at + r * y.ld, y.ld, end.kind, end.scale, end.active + bits, end.ld, end.keep + bits
            )  # fmt: skip

    return signature(Span, Codes, Matrix, int, Matrix, End), forward


def weight_gradient_encoded(vectors: int) -> tuple[Any, Callable[..., None]]:
    """Return signature and source of the weight gradient of one column of a table, from its last row to its first."""
    row_bytes = _jit.typed(vectors * LANE_BYTES)

    def weight_gradient(n_rows: int, x: Listed, dy: Matrix, w: Matrix, sums: int, rule: Rule, scratch: int) -> None:
        """Compute dw for the `n_rows` rows of a column, a panel of O, and update w by it.

        The first row of the tile is the sum over the samples of all later rows, the second, continued from that, the
        gradient of the row itself: each element is one chain. A category has no sums, and begins anew.
        Where there are `sums`, they become those of the new rows of w before each.
        """
        pair = zeros(2, vectors)
        for last in range(n_rows, 0, -_RULE_ROWS):
            first = max(last - _RULE_ROWS, np.int64(0))
            for t in range(last - 1, first - 1, -1):
                p, stop = load_u32(x.begins + 4 * t), load_u32(x.begins + 4 * t + 4)
                pair = zeros(2, vectors) if sums == 0 else repeat_row(pair)
                while p < stop:
                    r = load_u32(x.samples + 4 * p)
                    pair = rank1(pair, (np.float32(1.0), load_f32(x.shares + 4 * r)), dy.at + r * dy.ld)
                    p += 1
                if rule.update == 0:
                    store_sgd(last_row(pair), w.at + t * w.ld, w.ld, load_f32(rule.hyper), load_f32(rule.hyper + 4))
                else:
                    store(last_row(pair), scratch + (t - first) * row_bytes, row_bytes)
            if rule.update != 0:
                invoke(
                    rule.update, last - first, row_bytes // 4, scratch, row_bytes, w.at + first * w.ld, w.ld,
                    rule.offset, rule.hyper,
                )  # fmt: skip
        if sums != 0:
            total = zeros(1, vectors)
            for t in range(n_rows):
                store(total, sums + t * row_bytes, row_bytes)
                total = rank1(total, (np.float32(1.0),), w.at + t * w.ld)
            store(total, sums + n_rows * row_bytes, row_bytes)

    return signature(int, Listed, Matrix, Matrix, int, Rule, int), weight_gradient
