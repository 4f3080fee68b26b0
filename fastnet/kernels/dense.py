"""The microkernels of the dense products, one column panel at a time; see `panels`.

Rows come in tiles of `TILE_ROWS` and, at the end, of `FEW_ROWS`. What a tile is stands in each product twice: made as
functions for either shape, tiles that two processes had compiled got the same names in the code that a third one loads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnet.kernels import _jit
from fastnet.kernels.copies import TILE_SCRATCH
from fastnet.kernels.host import LANE_BYTES, LANES, LINE_BYTES, TILE_ROWS
from fastnet.kernels.memory import invoke, load_f32, load_i64, prefetch
from fastnet.kernels.operands import Ahead, Columns, End, Matrix, Rows, Rule, Span, Terms, signature
from fastnet.kernels.tile import (
    LINEAR,
    chosen_rows,
    finish,
    load,
    load_row,
    rank1_rows,
    rank1_strided,
    store,
    store_active,
    store_sgd,
    zeros,
)

FEW_ROWS = 4
"""Rows of the tiles at the end, so that a batch of 32 is no more than 32 rows."""


@_jit.kernel
def _ask(source: int, stride: int, n_rows: int, width: int) -> int:
    """Prefetch `width` bytes in each of `n_rows` rows; return the row after them."""
    for _ in range(n_rows):
        for byte in range(0, width, LINE_BYTES):
            prefetch(source + byte)
        source += stride
    return source


@_jit.kernel
def end_of_sixes(span: Span) -> int:
    """Return where the tiles of `TILE_ROWS` rows of a span end and those of `FEW_ROWS` begin.

    32 rows are four sixes and two fours; none is computed that nobody needs but the last one of an odd number.
    """
    n = span.last - span.first
    n_sixes = (n - FEW_ROWS * ((-n) % TILE_ROWS // 2) + TILE_ROWS - 1) // TILE_ROWS
    return span.first + TILE_ROWS * n_sixes if n_sixes > 0 else span.first


def forward(vectors: int) -> tuple[Any, Callable[..., None]]:
    """Return signature and source of the dense forward product, in tiles of six and of four rows."""
    row_bytes = _jit.typed(vectors * LANE_BYTES)

    def forward(span: Span, x: Rows, w: Matrix, terms: Terms, bias: int, y: Matrix, end: End, ahead: Ahead) -> None:
        """Compute y = end(x @ w + bias): rows of B, a panel of O, all of I or a block of them.

        x (B, I), w (I, O) and bias (O,) are read, y (B, O) is written in whole tiles. Where I comes in blocks, all but
        the last have a `LINEAR` end, and the sums between them wait in y.
        """
        asked, few = ahead.at, end_of_sixes(span)
        for r in range(span.first, few, TILE_ROWS):
            asked = _ask(asked, y.ld, ahead.n_rows, row_bytes)
            out, bits = y.at + r * y.ld, r * end.ld
            six = zeros(TILE_ROWS, vectors)
            six = load_row(six, bias) if terms.begin == 1 else load(six, out, y.ld)
            rows = chosen_rows(six, x.numbers + 8 * r, x.at, x.ld)
            for k in range(terms.n):
                six = rank1_rows(six, rows, 4 * k, w.at + k * w.ld)
            finish(six, out, y.ld, end.kind, end.scale, end.active + bits, end.ld, end.keep + bits)
        for r in range(few, span.last, FEW_ROWS):
            asked = _ask(asked, y.ld, ahead.n_rows, row_bytes)
            out, bits = y.at + r * y.ld, r * end.ld
            four = zeros(FEW_ROWS, vectors)
            four = load_row(four, bias) if terms.begin == 1 else load(four, out, y.ld)
            some = chosen_rows(four, x.numbers + 8 * r, x.at, x.ld)
            for k in range(terms.n):
                four = rank1_rows(four, some, 4 * k, w.at + k * w.ld)
            finish(four, out, y.ld, end.kind, end.scale, end.active + bits, end.ld, end.keep + bits)

    return signature(Span, Rows, Matrix, Terms, int, Matrix, End, Ahead), forward


def input_gradient(vectors: int) -> tuple[Any, Callable[..., None]]:
    """Return signature and source of the dense input gradient, in tiles of six and of four rows."""
    row_bytes = _jit.typed(vectors * LANE_BYTES)

    def input_gradient(span: Span, dy: Matrix, wt: Matrix, terms: Terms, dx: Matrix, end: End, ahead: Ahead) -> None:
        """Compute dx = (dy @ wt) * active * scale: rows of B, a panel of I, all of O or a block of them.

        dy (B, O), wt (O, I) and the activity bits are read, dx (B, I) is written in whole tiles. A `LINEAR` end leaves
        the sums as they are, as between blocks of O.
        """
        asked, few = ahead.at, end_of_sixes(span)
        for r in range(span.first, few, TILE_ROWS):
            asked = _ask(asked, dx.ld, ahead.n_rows, row_bytes)
            row, out = dy.at + r * dy.ld, dx.at + r * dx.ld
            six = zeros(TILE_ROWS, vectors)
            if terms.begin == 0:
                six = load(six, out, dx.ld)
            for k in range(terms.n):
                six = rank1_strided(six, row + 4 * k, dy.ld, wt.at + k * wt.ld)
            if end.kind == LINEAR:
                store(six, out, dx.ld)
            else:
                store_active(six, out, dx.ld, end.scale, end.active + r * end.ld, end.ld)
        for r in range(few, span.last, FEW_ROWS):
            asked = _ask(asked, dx.ld, ahead.n_rows, row_bytes)
            row, out = dy.at + r * dy.ld, dx.at + r * dx.ld
            four = zeros(FEW_ROWS, vectors)
            if terms.begin == 0:
                four = load(four, out, dx.ld)
            for k in range(terms.n):
                four = rank1_strided(four, row + 4 * k, dy.ld, wt.at + k * wt.ld)
            if end.kind == LINEAR:
                store(four, out, dx.ld)
            else:
                store_active(four, out, dx.ld, end.scale, end.active + r * end.ld, end.ld)

    return signature(Span, Matrix, Matrix, Terms, Matrix, End, Ahead), input_gradient


def rows_at_once(vectors: int, tile_rows: int) -> int:
    """Return the number of rows of a gradient that fit into the scratch, whole tiles.

    A call of a rule costs as much as three vectors of Adam: tile by tile, 64 x 64 weights took 7.1 instead of 6.3 us.
    """
    return TILE_SCRATCH // (vectors * LANES) // tile_rows * tile_rows


def weight_gradient(vectors: int) -> tuple[Any, Callable[..., None]]:
    """Return signature and source of the dense weight gradient, in tiles of six and of four inputs."""
    row_bytes, at_once = _jit.typed(vectors * LANE_BYTES), _jit.typed(rows_at_once(vectors, TILE_ROWS))
    six_rows, four_rows = _jit.typed(TILE_ROWS), _jit.typed(FEW_ROWS)

    def weight_gradient(
        n_columns: int, x: Columns, n_rows: int, dy: Matrix, w: Matrix, rule: Rule, scratch: int
    ) -> None:
        """Compute dw = x.T @ dy for `n_columns` of I, a panel of O, and update w by it from registers or `scratch`.

        x (B, I) and dy (B, O) are read, w (I, O) and its optimizer states updated. The weights are prefetched before
        the sum that updates them: in wide layers they come from the third-level cache. An update rule takes several
        tiles at once. A copy of x has tiles of six alone.
        """
        few = end_of_sixes(Span(np.int64(0), n_columns)) if x.tile == 4 * six_rows else n_columns
        i, done = np.int64(0), np.int64(0)
        while i < n_columns:
            out = w.at + i * w.ld
            _ask(out, w.ld, six_rows, row_bytes)
            if rule.update != 0:
                _ask(out + rule.offset, w.ld, six_rows, row_bytes)
                _ask(out + 2 * rule.offset, w.ld, six_rows, row_bytes)
            at, rate, decay = scratch + (i - done) * row_bytes, load_f32(rule.hyper), load_f32(rule.hyper + 4)
            if i < few:
                column, n = x.at + i // six_rows * x.tile, min(n_columns - i, six_rows)
                six = zeros(TILE_ROWS, vectors)
                for k in range(n_rows):
                    six = rank1_strided(six, column + load_i64(x.numbers + 8 * k) * x.ld, 4, dy.at + k * dy.ld)
                if rule.update == 0 and n == six_rows:
                    store_sgd(six, out, w.ld, rate, decay)
                    n = np.int64(0)
                else:
                    store(six, at, row_bytes)
                step = six_rows
            else:
                column, n = x.at + 4 * i, min(n_columns - i, four_rows)
                four = zeros(FEW_ROWS, vectors)
                for k in range(n_rows):
                    four = rank1_strided(four, column + load_i64(x.numbers + 8 * k) * x.ld, 4, dy.at + k * dy.ld)
                if rule.update == 0 and n == four_rows:
                    store_sgd(four, out, w.ld, rate, decay)
                    n = np.int64(0)
                else:
                    store(four, at, row_bytes)
                step = four_rows
            if rule.update == 0:
                for t in range(n):  # of a tile that is not full
                    row = load_row(zeros(1, vectors), at + t * row_bytes)
                    store_sgd(row, out + t * w.ld, w.ld, rate, decay)
            i += step
            if rule.update == 0:
                done = i
            elif i - done + six_rows > at_once or i >= n_columns:
                invoke(
                    rule.update, min(i, n_columns) - done, row_bytes // 4, scratch, row_bytes, w.at + done * w.ld, w.ld,
                    rule.offset, rule.hyper,
                )  # fmt: skip
                done = i

    return signature(int, Columns, int, Matrix, Matrix, Rule, int), weight_gradient
