"""The microkernels of the dense products, one column panel at a time; see `panels`.

Rows come in tiles of `TILE_ROWS` and, at the end, of `FEW_ROWS`. A tile is a function of its own, made for its shape:
each product says once what a tile is.
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


six: Any = None
four: Any = None
"""What computes a tile of `TILE_ROWS` and of `FEW_ROWS` rows: `_with_tiles` gives each product its own."""


def _with_tiles(source: Callable[..., None], tile: Callable[[int, int], Any], vectors: int) -> Callable[..., None]:
    """Return the source of a product with its two kinds of tiles."""
    return _jit.with_names(source, {"six": tile(TILE_ROWS, vectors), "four": tile(FEW_ROWS, vectors)})


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


def _forward_tile(n_rows: int, vectors: int) -> Callable[..., None]:
    """Return the dense forward product of one tile."""

    @_jit.kernel
    def forward_tile(r: int, x: Rows, w: Matrix, terms: Terms, bias: int, y: Matrix, end: End) -> None:
        out = y.at + r * y.ld
        tile = zeros(n_rows, vectors)
        tile = load_row(tile, bias) if terms.begin == 1 else load(tile, out, y.ld)
        rows = chosen_rows(tile, x.numbers + 8 * r, x.at, x.ld)
        for k in range(terms.n):
            tile = rank1_rows(tile, rows, 4 * k, w.at + k * w.ld)
        bits = r * end.ld
        finish(tile, out, y.ld, end.kind, end.scale, end.active + bits, end.ld, end.keep + bits)

    return forward_tile


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
            six(r, x, w, terms, bias, y, end)
        for r in range(few, span.last, FEW_ROWS):
            asked = _ask(asked, y.ld, ahead.n_rows, row_bytes)
            four(r, x, w, terms, bias, y, end)

    return signature(Span, Rows, Matrix, Terms, int, Matrix, End, Ahead), _with_tiles(forward, _forward_tile, vectors)


def _input_gradient_tile(n_rows: int, vectors: int) -> Callable[..., None]:
    """Return the dense input gradient of one tile."""

    @_jit.kernel
    def input_gradient_tile(r: int, dy: Matrix, wt: Matrix, terms: Terms, dx: Matrix, end: End) -> None:
        row = dy.at + r * dy.ld
        out = dx.at + r * dx.ld
        tile = zeros(n_rows, vectors)
        if terms.begin == 0:
            tile = load(tile, out, dx.ld)
        for k in range(terms.n):
            tile = rank1_strided(tile, row + 4 * k, dy.ld, wt.at + k * wt.ld)
        if end.kind == LINEAR:
            store(tile, out, dx.ld)
        else:
            store_active(tile, out, dx.ld, end.scale, end.active + r * end.ld, end.ld)

    return input_gradient_tile


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
            six(r, dy, wt, terms, dx, end)
        for r in range(few, span.last, FEW_ROWS):
            asked = _ask(asked, dx.ld, ahead.n_rows, row_bytes)
            four(r, dy, wt, terms, dx, end)

    source = _with_tiles(input_gradient, _input_gradient_tile, vectors)
    return signature(Span, Matrix, Matrix, Terms, Matrix, End, Ahead), source


def rows_at_once(vectors: int, tile_rows: int) -> int:
    """Return the number of rows of a gradient that fit into the scratch, whole tiles.

    A call of a rule costs as much as three vectors of Adam: tile by tile, 64 x 64 weights took 7.1 instead of 6.3 us.
    """
    return TILE_SCRATCH // (vectors * LANES) // tile_rows * tile_rows


def _weight_gradient_tile(tile_rows: int, vectors: int) -> Callable[..., None]:
    """Return the dense weight gradient of one tile: the first inputs of `x`, of which `n` count."""
    row_bytes, whole = _jit.typed(vectors * LANE_BYTES), _jit.typed(tile_rows)

    @_jit.kernel
    def weight_gradient_tile(
        n: int, x: Columns, n_samples: int, dy: Matrix, w: Matrix, rule: Rule, scratch: int
    ) -> None:
        tile = zeros(tile_rows, vectors)
        _ask(w.at, w.ld, whole, row_bytes)
        if rule.update != 0:
            _ask(w.at + rule.offset, w.ld, whole, row_bytes)
            _ask(w.at + 2 * rule.offset, w.ld, whole, row_bytes)
        for k in range(n_samples):
            tile = rank1_strided(tile, x.at + load_i64(x.numbers + 8 * k) * x.ld, 4, dy.at + k * dy.ld)
        if rule.update == 0 and n >= whole:
            store_sgd(tile, w.at, w.ld, load_f32(rule.hyper), load_f32(rule.hyper + 4))
            return
        store(tile, scratch, row_bytes)
        if rule.update == 0:
            for t in range(n):
                row = load_row(zeros(1, vectors), scratch + t * row_bytes)
                store_sgd(row, w.at + t * w.ld, w.ld, load_f32(rule.hyper), load_f32(rule.hyper + 4))

    return weight_gradient_tile


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
            out = Matrix(w.at + i * w.ld, w.ld)
            at = scratch + (i - done) * row_bytes
            if i < few:
                part = Columns(x.numbers, x.at + i // six_rows * x.tile, x.ld, x.tile)
                six(n_columns - i, part, n_rows, dy, out, rule, at)
                i += six_rows
            else:
                four(n_columns - i, Columns(x.numbers, x.at + 4 * i, x.ld, x.tile), n_rows, dy, out, rule, at)
                i += four_rows
            if rule.update == 0:
                done = i
            elif i - done + six_rows > at_once or i >= n_columns:
                invoke(
                    rule.update, min(i, n_columns) - done, row_bytes // 4, scratch, row_bytes, w.at + done * w.ld, w.ld,
                    rule.offset, rule.hyper,
                )  # fmt: skip
                done = i

    source = _with_tiles(weight_gradient, _weight_gradient_tile, vectors)
    return signature(int, Columns, int, Matrix, Matrix, Rule, int), source
