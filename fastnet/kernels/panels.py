"""The microkernels: the three products of a layer on the register tile, one column panel at a time.

A panel is up to a few vectors of columns of the result. For each product there is a dense microkernel (tile of
`TILE_ROWS` rows, every k) and a listed one (tile of one or two rows, only the k in a list). They are compiled one by
one, on demand, for the panel widths that a network needs, and called through the address table `TABLE`, so that each
exists once in memory and a caller compiles in a moment.

Arguments are byte addresses, byte strides and counts (int64); nothing is checked here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numba import types

from fastnet.kernels import _jit
from fastnet.kernels._jit import one_at_a_time
from fastnet.kernels.host import (
    LANE_BYTES,
    LINE_BYTES,
    LIST_VECTORS,
    PAIR_VECTORS,
    PANEL_VECTORS,
    TILE_ROWS,
    TILE_VECTORS,
)
from fastnet.kernels.memory import invoke, load_f32, load_i64, load_u8, load_u16, load_u32, prefetch
from fastnet.kernels.tile import (
    FOUR,
    load,
    load_row,
    rank1,
    rank1_four,
    rank1_strided,
    store,
    store_active,
    store_relu,
    store_relu_kept,
    store_sgd,
    zeros,
)
from fastnet.kernels.update import IDLE

LINEAR, RELU, RELU_KEPT = 0, 1, 2
"""Epilogues of the forward product: nothing, ReLU, ReLU and dropout."""

(
    FORWARD, FORWARD_PACKED, FORWARD_ACTIVE, INPUT_GRADIENT, INPUT_GRADIENT_ACTIVE, WEIGHT_GRADIENT,
    WEIGHT_GRADIENT_LISTED,
) = (_jit.typed(product) for product in range(7))  # fmt: skip
"""Rows of `TABLE`: dense; over lists of inputs; over lists of active hidden outputs."""
N_PRODUCTS = 7

PAIR = 2
"""Features per tile of the listed weight gradient: neighbouring pixels are mostly zero together, and a second row per
loaded vector lifts the product from load-bound (1.3 FMA a cycle) to FMA-bound."""

_LIMITS = (
    TILE_VECTORS, LIST_VECTORS, LIST_VECTORS, TILE_VECTORS, LIST_VECTORS, TILE_VECTORS, PAIR_VECTORS
)  # fmt: skip

TABLE = np.zeros((N_PRODUCTS, PANEL_VECTORS + 1), np.int64)
"""Address of each compiled microkernel by product and panel width in vectors; 0 where not compiled."""

_i = types.int64
_f = types.float32


@_jit.kernel
def _ask(source: int, stride: int, n_rows: int, width: int) -> int:
    """Ask for `width` bytes in each of some rows; return the row after them."""
    for _ in range(n_rows):
        for byte in range(0, width, LINE_BYTES):
            prefetch(source + byte)
        source += stride
    return source


def _forward(vectors: int) -> tuple[Any, Callable[..., None]]:
    """Return signature and source of: c = epilogue(a[rows] @ w + bias), tiles of six rows, every k.

    Where k comes in blocks, all but the first (`begin` 0) go on from what is in c, and all but the last are `LINEAR`.
    Each tile asks for `n_ahead` rows of the panel at `ahead`, which is copied next.
    """
    row_bytes = _jit.typed(vectors * LANE_BYTES)

    def forward(
        first: int, last: int, rows: int, a: int, lda: int, n_in: int, w: int, ldw: int, bias: int, c: int, ldc: int,
        active: int, ld_active: int, keep: int, epilogue: int, begin: int, ahead: int, n_ahead: int, scale: float,
    ) -> None:  # fmt: skip
        for r in range(first, last, TILE_ROWS):
            ahead = _ask(ahead, ldc, n_ahead, row_bytes)
            a0 = a + load_i64(rows + 8 * r) * lda
            a1 = a + load_i64(rows + 8 * r + 8) * lda
            a2 = a + load_i64(rows + 8 * r + 16) * lda
            a3 = a + load_i64(rows + 8 * r + 24) * lda
            a4 = a + load_i64(rows + 8 * r + 32) * lda
            a5 = a + load_i64(rows + 8 * r + 40) * lda
            tile = zeros(TILE_ROWS, vectors)
            tile = load_row(tile, bias) if begin == 1 else load(tile, c + r * ldc, ldc)
            for k in range(n_in):
                o = 4 * k
                factors = (
                    load_f32(a0 + o), load_f32(a1 + o), load_f32(a2 + o),
                    load_f32(a3 + o), load_f32(a4 + o), load_f32(a5 + o),
                )  # fmt: skip
                tile = rank1(tile, factors, w + k * ldw)
            if epilogue == LINEAR:
                store(tile, c + r * ldc, ldc)
            elif epilogue == RELU:
                store_relu(tile, c + r * ldc, ldc, scale, active + r * ld_active, ld_active)
            else:
                store_relu_kept(tile, c + r * ldc, ldc, scale, active + r * ld_active, ld_active, keep + r * ld_active)

    return types.void(*[_i] * 18, _f), forward


def _forward_listed(vectors: int, packed: int) -> tuple[Any, Callable[..., None]]:
    """Return signature and source of the same product, one row at a time, over a block of the row's non-zero k.

    Entry p of a list names k, counted from the block's first, where `w` and, unless it is packed, `a` begin. Its value
    is entry p of `a` where that is `packed` like the lists, else column k of the row. Choosing at run time instead cost
    a fifth of the speed.
    """

    def forward_listed(
        first: int, last: int, rows: int, a: int, lda: int, lists: int, begins: int, ends: int, n_blocks: int,
        block: int, w: int, ldw: int, bias: int, c: int, ldc: int, active: int, ld_active: int, keep: int,
        epilogue: int, scale: float,
    ) -> None:  # fmt: skip
        for r in range(first, last):
            row = load_i64(rows + 8 * r)
            mark = 8 * (row * n_blocks + block)
            values = a + row * lda
            out = c + r * ldc
            tile = zeros(1, vectors)
            tile = load_row(tile, bias) if block == 0 else load_row(tile, out)
            p, end = load_i64(begins + mark), load_i64(ends + mark)
            while p + FOUR <= end:
                tile = rank1_four(tile, load_u32(lists + p), a + 4 * p if packed else values, packed, w, ldw)
                p += FOUR
            while p < end:
                k = load_u8(lists + p)
                tile = rank1_strided(tile, a + 4 * p if packed else values + 4 * k, 4, w + k * ldw)
                p += 1
            if block < n_blocks - 1 or epilogue == LINEAR:
                store(tile, out, ldc)
            elif epilogue == RELU:
                store_relu(tile, out, ldc, scale, active + r * ld_active, ld_active)
            else:
                store_relu_kept(tile, out, ldc, scale, active + r * ld_active, ld_active, keep + r * ld_active)

    return types.void(*[_i] * 19, _f), forward_listed


def _forward_packed(vectors: int) -> tuple[Any, Callable[..., None]]:
    return _forward_listed(vectors, 1)


def _forward_active(vectors: int) -> tuple[Any, Callable[..., None]]:
    return _forward_listed(vectors, 0)


def _input_gradient(vectors: int) -> tuple[Any, Callable[..., None]]:
    """Return signature and source of: dx = (dy @ wt) * active * scale.

    Where k comes in blocks, the first has `begin` 1 and the last `end` 1; sums between them wait in dx. Each tile asks
    for what is copied next, as in the forward product.
    """
    row_bytes = _jit.typed(vectors * LANE_BYTES)

    def input_gradient(
        first: int, last: int, dy: int, ld_dy: int, n_out: int, wt: int, ld_wt: int, dx: int, ld_dx: int, active: int,
        ld_active: int, begin: int, end: int, ahead: int, n_ahead: int, scale: float,
    ) -> None:  # fmt: skip
        for r in range(first, last, TILE_ROWS):
            ahead = _ask(ahead, ld_dx, n_ahead, row_bytes)
            row = dy + r * ld_dy
            tile = zeros(TILE_ROWS, vectors)
            if begin == 0:
                tile = load(tile, dx + r * ld_dx, ld_dx)
            for k in range(n_out):
                tile = rank1_strided(tile, row + 4 * k, ld_dy, wt + k * ld_wt)
            if end == 0:
                store(tile, dx + r * ld_dx, ld_dx)
            else:
                store_active(tile, dx + r * ld_dx, ld_dx, scale, active + r * ld_active, ld_active)

    return types.void(*[_i] * 15, _f), input_gradient


def _input_gradient_active(vectors: int) -> tuple[Any, Callable[..., None]]:
    """Return signature and source of the same, one row at a time, over a block of the row's non-zero dy."""

    def input_gradient_active(
        first: int, last: int, dy: int, ld_dy: int, lists: int, begins: int, ends: int, n_blocks: int, block: int,
        wt: int, ld_wt: int, dx: int, ld_dx: int, active: int, ld_active: int, scale: float,
    ) -> None:  # fmt: skip
        for r in range(first, last):
            mark = 8 * (r * n_blocks + block)
            values = dy + r * ld_dy
            out = dx + r * ld_dx
            tile = zeros(1, vectors)
            if block > 0:
                tile = load_row(tile, out)
            p, stop = load_i64(begins + mark), load_i64(ends + mark)
            while p + FOUR <= stop:
                tile = rank1_four(tile, load_u32(lists + p), values, 0, wt, ld_wt)
                p += FOUR
            while p < stop:
                k = load_u8(lists + p)
                tile = rank1_strided(tile, values + 4 * k, 4, wt + k * ld_wt)
                p += 1
            if block < n_blocks - 1:
                store(tile, out, ld_dx)
            else:
                store_active(tile, out, ld_dx, scale, active + r * ld_active, ld_active)

    return types.void(*[_i] * 15, _f), input_gradient_active


def _weight_gradient(vectors: int) -> tuple[Any, Callable[..., None]]:
    """Return signature and source of: dw = x[rows].T @ dy, handed to the update while still in registers.

    The first row of every tile is `tile_stride` bytes from that of the one before. The weights are asked for before the
    sum that updates them: they come from the third-level cache where layers are wide.
    """
    row_bytes, tile_rows = _jit.typed(vectors * LANE_BYTES), _jit.typed(TILE_ROWS)

    def weight_gradient(
        n_columns: int, rows: int, x: int, ldx: int, tile_stride: int, n_rows: int, dy: int, ld_dy: int, w: int,
        ldw: int, update: int, offset: int, scratch: int, hyper: int,
    ) -> None:  # fmt: skip
        column = x
        for i in range(0, n_columns, TILE_ROWS):
            tile = zeros(TILE_ROWS, vectors)
            _ask(w + i * ldw, ldw, tile_rows, row_bytes)
            if update != 0:
                _ask(w + i * ldw + offset, ldw, tile_rows, row_bytes)
                _ask(w + i * ldw + 2 * offset, ldw, tile_rows, row_bytes)
            for k in range(n_rows):
                tile = rank1_strided(tile, column + load_i64(rows + 8 * k) * ldx, 4, dy + k * ld_dy)
            if update == 0:
                store_sgd(tile, w + i * ldw, ldw, load_f32(hyper), load_f32(hyper + 4))
            else:
                store(tile, scratch, row_bytes)
                invoke(update, TILE_ROWS, row_bytes // 4, scratch, row_bytes, w + i * ldw, ldw, offset, hyper)
            column += tile_stride

    return types.void(*[_i] * 14), weight_gradient


def _weight_gradient_listed(vectors: int) -> tuple[Any, Callable[..., None]]:
    """Return signature and source of the same, two features at a time, over the samples in which either is not zero.

    The samples of pair q are entries q * capacity and on of `samples`, their two values those of `values`.
    """
    row_bytes = _jit.typed(vectors * LANE_BYTES)

    def weight_gradient_listed(
        n_pairs: int, samples: int, values: int, capacity: int, counts: int, dy: int, ld_dy: int, w: int, ldw: int,
        update: int, offset: int, scratch: int, hyper: int,
    ) -> None:  # fmt: skip
        idle = update == 0 and load_f32(hyper + 4 * IDLE) > 0
        for q in range(n_pairs):
            count = load_i64(counts + 8 * q)
            if count == 0 and idle:  # a third of the pixel pairs of a batch
                continue
            tile = zeros(PAIR, vectors)
            sample = samples + 2 * q * capacity
            value = values + 4 * PAIR * q * capacity
            out = w + PAIR * q * ldw
            for p in range(count):
                tile = rank1_strided(tile, value + 4 * PAIR * p, 4, dy + load_u16(sample + 2 * p) * ld_dy)
            if update == 0:
                store_sgd(tile, out, ldw, load_f32(hyper), load_f32(hyper + 4))
            else:
                store(tile, scratch, row_bytes)
                invoke(update, PAIR, row_bytes // 4, scratch, row_bytes, out, ldw, offset, hyper)

    return types.void(*[_i] * 13), weight_gradient_listed


_SOURCES = {
    FORWARD: _forward,
    FORWARD_PACKED: _forward_packed,
    FORWARD_ACTIVE: _forward_active,
    INPUT_GRADIENT: _input_gradient,
    INPUT_GRADIENT_ACTIVE: _input_gradient_active,
    WEIGHT_GRADIENT: _weight_gradient,
    WEIGHT_GRADIENT_LISTED: _weight_gradient_listed,
}
_COMPILED: dict[tuple[int, int], Any] = {}


def widths(n_vectors: int, product: int) -> tuple[int, int, int]:
    """Cut `n_vectors` columns of vectors into panels of nearly equal width, as wide as the product's tile allows.

    Returns
    -------
    n_panels, n_wide, wide : int
        The first `n_wide` panels are `wide` vectors wide, the others one vector less.

    Examples
    --------
    >>> widths(TILE_VECTORS + 1, FORWARD)[0]
    2
    """
    n_panels = -(-n_vectors // _LIMITS[product])
    narrow, n_wide = divmod(n_vectors, n_panels)
    return (n_panels, n_wide, narrow + 1) if n_wide else (n_panels, n_panels, narrow)


@one_at_a_time
def compile_panels(wanted: Iterable[tuple[int, int]]) -> None:
    """Compile the microkernels of `wanted` (product, vectors) that are not in `TABLE` yet."""
    for product, vectors in wanted:
        if not TABLE[product, vectors]:
            signature, source = _SOURCES[product](vectors)
            compiled = _COMPILED[product, vectors] = _jit.micro(signature, source, f"{product}-{vectors}")
            TABLE[product, vectors] = compiled.address
