"""The microkernels: the three products of a layer on the register tile, one column panel at a time.

A panel is up to a few vectors of columns of the result. Each product has a dense microkernel (tiles of `TILE_ROWS` rows
and, at the end, of `FEW_ROWS`; every k) and a listed one (tiles of one or two rows, only the k in a list). They are
compiled one by one, on demand, for the panel widths that a network needs, and called through the address table `TABLE`,
so that each exists once in memory and a caller compiles in a moment.

Arguments are the bundles of `operands` and int64 numbers; nothing is checked here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from fastnet.kernels import _jit
from fastnet.kernels._jit import one_at_a_time
from fastnet.kernels.columns import (
    FORWARD_VECTORS,
    GRADIENT_VECTORS,
    forward_encoded,
    weight_gradient_encoded,
)
from fastnet.kernels.dense import forward, input_gradient, rows_at_once, weight_gradient
from fastnet.kernels.entries import forward_entries, weight_gradient_entries
from fastnet.kernels.host import (
    LANE_BYTES,
    LIST_VECTORS,
    PAIR_VECTORS,
    PANEL_VECTORS,
    TILE_VECTORS,
)
from fastnet.kernels.memory import invoke, load_f32, load_i64, load_u8, load_u16, load_u32
from fastnet.kernels.operands import End, Lists, Matrix, Rows, Rule, Span, Turned, signature
from fastnet.kernels.tile import (
    FOUR,
    LINEAR,
    finish,
    load_row,
    rank1_four,
    rank1_strided,
    store,
    store_active,
    store_sgd,
    zeros,
)
from fastnet.kernels.update import IDLE

(
    FORWARD, FORWARD_PACKED, FORWARD_ACTIVE, INPUT_GRADIENT, INPUT_GRADIENT_ACTIVE, WEIGHT_GRADIENT,
    WEIGHT_GRADIENT_LISTED, FORWARD_ENCODED, WEIGHT_GRADIENT_ENCODED, FORWARD_ENTRIES, WEIGHT_GRADIENT_ENTRIES,
) = (_jit.typed(product) for product in range(11))  # fmt: skip
"""Rows of `TABLE`: dense; over lists of inputs; over lists of active hidden outputs; over the columns of a table;
over compressed sparse rows."""
N_PRODUCTS = 11

PAIR = 2
"""Features per tile of the listed weight gradient: neighbouring pixels are mostly zero together, and a second row per
loaded vector turns the product from load-bound (1.3 FMA a cycle) to FMA-bound."""

_LIMITS = (
    TILE_VECTORS, LIST_VECTORS, LIST_VECTORS, TILE_VECTORS, LIST_VECTORS, TILE_VECTORS, PAIR_VECTORS,
    FORWARD_VECTORS, GRADIENT_VECTORS, LIST_VECTORS, LIST_VECTORS,
)  # fmt: skip

TABLE = np.zeros((N_PRODUCTS, PANEL_VECTORS + 1), np.int64)
"""Address of each compiled microkernel by product and panel width in vectors; 0 if not compiled."""


def _forward_listed(vectors: int, packed: int) -> tuple[Any, Callable[..., None]]:
    """Return signature and source of the same product, one row at a time, over a block of the row's lists.

    Choosing at run time whether values are `packed` cost a fifth of the speed.
    """

    def forward_listed(
        span: Span, x: Rows, lists: Lists, block: int, w: Matrix, bias: int, y: Matrix, end: End
    ) -> None:
        """Compute y = end(x @ w + bias): rows of B, a panel of O, the inputs of a block of I that are not zero.

        Entry p of a list is an input, counted from the block's first, where w and, unless it is packed, x begin. Its
        value is entry p of x if that is packed like the lists, otherwise that column of the row. All blocks but the
        last leave their sums in y as they are.
        """
        for r in range(span.first, span.last):
            row = load_i64(x.numbers + 8 * r)
            mark = 8 * (row * lists.n_blocks + block)
            values = x.at + row * x.ld
            out = y.at + r * y.ld
            tile = zeros(1, vectors)
            tile = load_row(tile, bias) if block == 0 else load_row(tile, out)
            p, stop = load_i64(lists.begins + mark), load_i64(lists.ends + mark)
            while p + FOUR <= stop:
                entries = load_u32(lists.entries + p)
                tile = rank1_four(tile, entries, x.at + 4 * p if packed else values, packed, w.at, w.ld)
                p += FOUR
            while p < stop:
                k = load_u8(lists.entries + p)
                tile = rank1_strided(tile, x.at + 4 * p if packed else values + 4 * k, 4, w.at + k * w.ld)
                p += 1
            kind = end.kind if block == lists.n_blocks - 1 else np.int64(LINEAR)
            bits = r * end.ld
            finish(tile, out, y.ld, kind, end.scale, end.active + bits, end.ld, end.keep + bits)

    return signature(Span, Rows, Lists, int, Matrix, int, Matrix, End), forward_listed


def _input_gradient_active(vectors: int) -> tuple[Any, Callable[..., None]]:
    """Return signature and source of the same, one row at a time, over a block of the row's lists."""

    def input_gradient_active(
        span: Span, dy: Matrix, lists: Lists, block: int, wt: Matrix, dx: Matrix, end: End
    ) -> None:
        """Compute dx = (dy @ wt) * active * scale: rows of B, a panel of I, the dy of a block of O that are not zero.

        dy and wt begin where the block does. All blocks but the last leave their sums in dx as they are.
        """
        for r in range(span.first, span.last):
            mark = 8 * (r * lists.n_blocks + block)
            values = dy.at + r * dy.ld
            out = dx.at + r * dx.ld
            tile = zeros(1, vectors)
            if block > 0:
                tile = load_row(tile, out)
            p, stop = load_i64(lists.begins + mark), load_i64(lists.ends + mark)
            while p + FOUR <= stop:
                tile = rank1_four(tile, load_u32(lists.entries + p), values, 0, wt.at, wt.ld)
                p += FOUR
            while p < stop:
                k = load_u8(lists.entries + p)
                tile = rank1_strided(tile, values + 4 * k, 4, wt.at + k * wt.ld)
                p += 1
            if block < lists.n_blocks - 1:
                store(tile, out, dx.ld)
            else:
                store_active(tile, out, dx.ld, end.scale, end.active + r * end.ld, end.ld)

    return signature(Span, Matrix, Lists, int, Matrix, Matrix, End), input_gradient_active


def _weight_gradient_listed(vectors: int) -> tuple[Any, Callable[..., None]]:
    """Return signature and source of the same, two inputs at a time, over the samples in which either is not zero."""
    row_bytes = _jit.typed(vectors * LANE_BYTES)
    at_once = _jit.typed(rows_at_once(vectors, PAIR))

    def weight_gradient_listed(n_pairs: int, x: Turned, dy: Matrix, w: Matrix, rule: Rule, scratch: int) -> None:
        """Compute dw = x.T @ dy for `n_pairs` pairs of I, a panel of O, and update w as `weight_gradient` does."""
        idle = rule.update == 0 and load_f32(rule.hyper + 4 * IDLE) > 0
        waiting = np.int64(0)
        for q in range(n_pairs):
            count = load_i64(x.counts + 8 * q)
            if count == 0 and idle:  # a third of the pixel pairs of a batch
                continue
            tile = zeros(PAIR, vectors)
            sample = x.samples + 2 * q * x.capacity
            value = x.values + 4 * PAIR * q * x.capacity
            out = w.at + PAIR * q * w.ld
            for p in range(count):
                tile = rank1_strided(tile, value + 4 * PAIR * p, 4, dy.at + load_u16(sample + 2 * p) * dy.ld)
            if rule.update == 0:
                store_sgd(tile, out, w.ld, load_f32(rule.hyper), load_f32(rule.hyper + 4))
            else:
                store(tile, scratch + waiting * row_bytes, row_bytes)
                waiting += PAIR
                if waiting + PAIR > at_once or q + 1 == n_pairs:
                    first = w.at + (PAIR * (q + 1) - waiting) * w.ld
                    invoke(
                        rule.update, waiting, row_bytes // 4, scratch, row_bytes, first, w.ld, rule.offset, rule.hyper
                    )  # fmt: skip
                    waiting = np.int64(0)

    return signature(int, Turned, Matrix, Matrix, Rule, int), weight_gradient_listed


_SOURCES: dict[Any, Callable[[int], tuple[Any, Callable[..., None]]]] = {
    FORWARD: forward,
    FORWARD_PACKED: partial(_forward_listed, packed=1),
    FORWARD_ACTIVE: partial(_forward_listed, packed=0),
    INPUT_GRADIENT: input_gradient,
    INPUT_GRADIENT_ACTIVE: _input_gradient_active,
    WEIGHT_GRADIENT: weight_gradient,
    WEIGHT_GRADIENT_LISTED: _weight_gradient_listed,
    FORWARD_ENCODED: forward_encoded,
    WEIGHT_GRADIENT_ENCODED: weight_gradient_encoded,
    FORWARD_ENTRIES: forward_entries,
    WEIGHT_GRADIENT_ENTRIES: weight_gradient_entries,
}
_COMPILED: dict[tuple[int, int], Any] = {}


def widths(n_vectors: int, product: int) -> tuple[int, int, int]:
    """Cut `n_vectors` columns of vectors into panels of nearly equal width, as wide as the product's tile allows.

    Returns n_panels, n_wide, wide: the first `n_wide` panels are `wide` vectors wide, the others one vector less.

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
    """Compile the microkernels among `wanted` (product, vectors) that are not in `TABLE` yet."""
    for product, vectors in wanted:
        if not TABLE[product, vectors]:
            signature, source = _SOURCES[product](vectors)
            compiled = _COMPILED[product, vectors] = _jit.micro(signature, source, f"{product}-{vectors}")
            TABLE[product, vectors] = compiled.address
