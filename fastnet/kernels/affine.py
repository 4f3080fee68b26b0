"""The products of one layer: forward, input gradient, weight gradient with its update.

Each cuts its result into column panels and passes them to the microkernels of `panels`. Each exists twice: a serial
version, which the trials of a pack call, and a parallel one for a single large network, which divides rows (of samples
or of weights) over threads and turns serial if the layer is too small to gain. The bits are the same: no sum is
divided. Operands are the bundles of `operands`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import prange

from fastnet.kernels._jit import kernel, parallel_kernel
from fastnet.kernels.context import Data, Net, Work
from fastnet.kernels.copies import TILE_SCRATCH, columns_at_once, copies_operands, copy_columns, copy_panel, k_block
from fastnet.kernels.host import LANE_BYTES, LANES, MASK_BYTES, TILE_ROWS, TILE_VECTORS
from fastnet.kernels.layout import LDW, N_IN, N_OUT, PANELS, B, W
from fastnet.kernels.memory import address_of, invoke
from fastnet.kernels.operands import Ahead, Columns, Curve, End, Layer, Lists, Matrix, Pairs, Rows, Rule, Span, Terms
from fastnet.kernels.panels import (
    FORWARD,
    FORWARD_ACTIVE,
    FORWARD_PACKED,
    INPUT_GRADIENT,
    INPUT_GRADIENT_ACTIVE,
    PAIR,
    WEIGHT_GRADIENT,
    WEIGHT_GRADIENT_LISTED,
)
from fastnet.kernels.sparsity import PAIRS_IN_BLOCK, samples_of_pairs
from fastnet.kernels.tile import LINEAR, RELU
from fastnet.kernels.vector import transpose_block

PARALLEL_FLOPS = 10_000_000
"""A product with fewer floating-point operations (about 100 microseconds) is not worth waking threads for."""


class Share(NamedTuple):
    """The rows of a result that one thread computes, and its scratch."""

    first: int
    last: int  # not included
    scratch: int  # address


@kernel
def layer_of(net: Net, data: Data, work: Work, place: int) -> Layer:
    """Return layer `place` of a network, with the memory of its context."""
    return Layer(net.table, net.layers[place], address_of(work.params), work.scratch, address_of(data.identity))


@kernel
def no_lists() -> Lists:
    """Return what makes an operand a dense one."""
    return Lists(np.int64(0), np.int64(0), np.int64(0), np.int64(0), np.int64(0), np.int64(0))


@kernel
def panel_width(row: np.ndarray, product: int, p: int) -> int:
    """Return the width in vectors of panel `p` of a product."""
    field = PANELS + 3 * product
    return row[field + 2] if p < row[field + 1] else row[field + 2] - 1


@kernel
def blocks_of(row: np.ndarray, n_rows: int, threads: int) -> int:
    """Return the number of blocks that a product is cut into: one per thread, or a single one if it is small."""
    return np.int64(1) if 2 * n_rows * row[N_IN] * row[N_OUT] < PARALLEL_FLOPS else threads


@kernel
def share_of(layer: Layer, n: int, block: int, n_blocks: int) -> Share:
    """Return block `block` of `n` rows, which are divided in whole tiles."""
    tiles = (n + TILE_ROWS - 1) // TILE_ROWS
    first = TILE_ROWS * (tiles * block // n_blocks)
    last = min(TILE_ROWS * (tiles * (block + 1) // n_blocks), n)
    return Share(first, last, address_of(layer.scratch) + block * 4 * layer.scratch.shape[1])


@kernel
def everything(layer: Layer, n: int) -> Share:
    """Return all of `n` rows for one thread."""
    return Share(np.int64(0), n, address_of(layer.scratch))


@kernel
def _ahead(panel: Matrix, n_k: int, width: int, last: bool, n_rows: int) -> Ahead:
    """Return where the panel after `panel` lies, and how many of its rows each tile should prefetch for its copy.

    Without prefetching, a panel waits line by line for the third-level cache: 1024 x 1024 at batch 128 then reached
    0.70 of the peak on 16 lanes; prefetched all at once 0.80, and a few rows per tile 0.87.
    """
    n_tiles = (n_rows + TILE_ROWS - 1) // TILE_ROWS
    beside = panel.at + width
    if last:  # the first panel of the next block of k: a row ends where its last panel does
        beside += (n_k - 1) * panel.ld
    return Ahead(beside, (n_k + n_tiles - 1) // n_tiles)


@kernel
def end_at(end: End, mask: int, kind: int) -> End:
    """Return `end` for the columns whose bits begin at byte `mask` of a row."""
    return End(kind, end.active + mask, end.keep + mask, end.ld, end.scale)


@kernel
def forward_rows(
    layer: Layer, share: Share, n_in: int, x: Rows, lists: Lists, y: Matrix, end: End, curve: Curve
) -> None:
    """Compute a share of the rows of y (B, O) by the first `n_in` inputs: see `affine_forward`."""
    row = layer.row
    if lists.n_blocks > 0:
        _forward_listed(layer, Span(share.first, share.last), x, lists, y, end)
    else:
        packed = share.scratch + 4 * TILE_SCRATCH
        size = k_block(n_in, share.last - share.first)
        for k in range(0, n_in, size):
            n_k = min(size, n_in - k)
            kind = end.kind if k + n_k == n_in else LINEAR
            column, mask = np.int64(0), np.int64(0)
            n_panels = row[PANELS + 3 * FORWARD]
            for p in range(n_panels):
                vectors = panel_width(row, FORWARD, p)
                width = vectors * LANE_BYTES
                w = Matrix(layer.params + 4 * row[W] + k * y.ld + column, y.ld)
                ahead = Ahead(w.at, np.int64(0))
                if size < n_in:
                    ahead = _ahead(w, n_k, width, p + 1 == n_panels, share.last - share.first)
                    copy_panel(w.at, w.ld, n_k, vectors, packed)
                    w = Matrix(packed, width)
                invoke(
                    layer.table[FORWARD, vectors], Span(share.first, share.last), Rows(x.numbers, x.at + 4 * k, x.ld),
                    w, Terms(n_k, np.int64(k == 0)), layer.params + 4 * row[B] + column, Matrix(y.at + column, y.ld),
                    end_at(end, mask, kind), ahead,
                )  # fmt: skip
                column, mask = column + width, mask + vectors * MASK_BYTES
    if curve.stage != 0:
        span = Span(share.first, share.last)
        invoke(curve.stage, span, row[N_OUT], y, curve.slopes, curve.keep, end.ld, end.scale)


@kernel
def _forward_listed(layer: Layer, span: Span, x: Rows, lists: Lists, y: Matrix, end: End) -> None:
    """Compute rows of y (B, O) by the lists of x (B, I)."""
    row = layer.row
    product = FORWARD_PACKED if lists.packed == 1 else FORWARD_ACTIVE
    w, bias = layer.params + 4 * row[W], layer.params + 4 * row[B]
    column, mask = np.int64(0), np.int64(0)
    for p in range(row[PANELS + 3 * product]):
        vectors = panel_width(row, product, p)
        for block in range(lists.n_blocks):
            k = block * lists.block
            begin = x.at if lists.packed == 1 else x.at + 4 * k
            invoke(
                layer.table[product, vectors], span, Rows(x.numbers, begin, x.ld), lists, block,
                Matrix(w + k * y.ld + column, y.ld), bias + column, Matrix(y.at + column, y.ld),
                end_at(end, mask, end.kind),
            )  # fmt: skip
        column += vectors * LANE_BYTES
        mask += vectors * MASK_BYTES


@kernel
def affine_forward(layer: Layer, n_rows: int, x: Rows, lists: Lists, y: Matrix, end: End, curve: Curve) -> None:
    """Compute y = end(x @ w + b), then apply `curve`.

    n_rows    B             x      (B, I) float32, chosen rows, read      lists  of x, read if there are any
    y         (B, O) float32, written in whole tiles; its rows are as long as those of w
    end       its activity bits are written, its dropout bits read

    Cost: 2 B I O operations, less what the lists skip. Each sum over I is one FMA chain in order.
    """
    forward_rows(layer, everything(layer, n_rows), layer.row[N_IN], x, lists, y, end, curve)


@parallel_kernel
def affine_forward_parallel(
    layer: Layer, n_rows: int, x: Rows, lists: Lists, y: Matrix, end: End, curve: Curve
) -> None:
    """Compute `affine_forward` with blocks of samples divided over threads."""
    n_blocks = blocks_of(layer.row, n_rows, layer.scratch.shape[0])
    if n_blocks == 1:  # a prange of one would wake the threads all the same
        forward_rows(layer, everything(layer, n_rows), layer.row[N_IN], x, lists, y, end, curve)
        return
    for block in prange(n_blocks):
        share = share_of(layer, n_rows, np.int64(block), n_blocks)
        forward_rows(layer, share, layer.row[N_IN], x, lists, y, end, curve)


@kernel
def _gradient_rows(
    layer: Layer, share: Share, dy: Matrix, lists: Lists, wt: Matrix, dx: Matrix, end: End, curve: Curve
) -> None:
    """Compute a share of the rows of dx (B, I): see `input_gradient`."""
    row = layer.row
    if lists.n_blocks > 0:
        _gradient_listed(layer, Span(share.first, share.last), dy, lists, wt, dx, end)
        return
    plain = curve.stage != 0
    n_out, packed = row[N_OUT], share.scratch + 4 * TILE_SCRATCH
    size = k_block(n_out, share.last - share.first)
    for k in range(0, n_out, size):
        n_k = min(size, n_out - k)
        kind = RELU if k + n_k == n_out and not plain else LINEAR
        column, mask = np.int64(0), np.int64(0)
        n_panels = row[PANELS + 3 * INPUT_GRADIENT]
        for p in range(n_panels):
            vectors = panel_width(row, INPUT_GRADIENT, p)
            width = vectors * LANE_BYTES
            panel = Matrix(wt.at + k * wt.ld + column, wt.ld)
            ahead = Ahead(panel.at, np.int64(0))
            if size < n_out:
                ahead = _ahead(panel, n_k, width, p + 1 == n_panels, share.last - share.first)
                copy_panel(panel.at, panel.ld, n_k, vectors, packed)
                panel = Matrix(packed, width)
            invoke(
                layer.table[INPUT_GRADIENT, vectors], Span(share.first, share.last), Matrix(dy.at + 4 * k, dy.ld),
                panel, Terms(n_k, np.int64(k == 0)), Matrix(dx.at + column, dx.ld), end_at(end, mask, kind), ahead,
            )  # fmt: skip
            column, mask = column + width, mask + vectors * MASK_BYTES
    if plain:
        invoke(curve.stage, share.first, share.last, row[N_IN], dx.at, dx.ld, curve.slopes)


@kernel
def _gradient_listed(layer: Layer, span: Span, dy: Matrix, lists: Lists, wt: Matrix, dx: Matrix, end: End) -> None:
    """Compute rows of dx (B, I) by the lists of dy (B, O)."""
    column, mask = np.int64(0), np.int64(0)
    for p in range(layer.row[PANELS + 3 * INPUT_GRADIENT_ACTIVE]):
        vectors = panel_width(layer.row, INPUT_GRADIENT_ACTIVE, p)
        for block in range(lists.n_blocks):
            k = block * lists.block
            invoke(
                layer.table[INPUT_GRADIENT_ACTIVE, vectors], span, Matrix(dy.at + 4 * k, dy.ld), lists, block,
                Matrix(wt.at + k * wt.ld + column, wt.ld), Matrix(dx.at + column, dx.ld), end_at(end, mask, end.kind),
            )  # fmt: skip
        column += vectors * LANE_BYTES
        mask += vectors * MASK_BYTES


@kernel
def input_gradient(
    layer: Layer, n_rows: int, dy: Matrix, lists: Lists, wt: Matrix, dx: Matrix, end: End, curve: Curve
) -> None:
    """Compute dx = (dy @ w.T) * active * scale; with a `curve` dx = (dy @ w.T) * slopes, always dense.

    n_rows  B      dy  (B, O) float32, read      lists  of dy, read if there are any      wt  w.T (O, I), read
    dx  (B, I) float32, written, in whole tiles if dense      end  its activity bits are those of x, read
    """
    _gradient_rows(layer, everything(layer, n_rows), dy, lists, wt, dx, end, curve)


@parallel_kernel
def input_gradient_parallel(
    layer: Layer, n_rows: int, dy: Matrix, lists: Lists, wt: Matrix, dx: Matrix, end: End, curve: Curve
) -> None:
    """Compute `input_gradient` with blocks of samples divided over threads."""
    n_blocks = blocks_of(layer.row, n_rows, layer.scratch.shape[0])
    if n_blocks == 1:
        _gradient_rows(layer, everything(layer, n_rows), dy, lists, wt, dx, end, curve)
        return
    for block in prange(n_blocks):
        _gradient_rows(layer, share_of(layer, n_rows, np.int64(block), n_blocks), dy, lists, wt, dx, end, curve)


@kernel
def update_rows(layer: Layer, share: Share, n_rows: int, x: Rows, dy: Matrix, rule: Rule) -> None:
    """Update a share of the rows of w (I, O): see `weight_update`."""
    row = layer.row
    n_panels = row[PANELS + 3 * WEIGHT_GRADIENT]
    copied = copies_operands(row[N_IN], n_rows, n_panels)
    panel = share.scratch + 4 * TILE_SCRATCH
    columns = panel + n_rows * TILE_VECTORS * LANE_BYTES
    size = columns_at_once(n_rows) if copied else share.last - share.first
    for i in range(share.first, share.last, size):
        end = min(i + size, share.last)
        a = Columns(x.numbers, x.at + 4 * i, x.ld, np.int64(4 * TILE_ROWS))
        if copied:
            copy_columns(a.at, x.numbers, x.ld, n_rows, end - i, columns)
            a = Columns(layer.identity, columns, np.int64(4 * TILE_ROWS), 4 * TILE_ROWS * n_rows)
        column = 0
        for p in range(n_panels):
            vectors = panel_width(row, WEIGHT_GRADIENT, p)
            width = vectors * LANE_BYTES
            b = Matrix(dy.at + column, dy.ld)
            if copied:
                copy_panel(b.at, b.ld, n_rows, vectors, panel)
                b = Matrix(panel, width)
            invoke(
                layer.table[WEIGHT_GRADIENT, vectors], end - i, a, n_rows, b,
                Matrix(layer.params + 4 * row[W] + i * dy.ld + column, dy.ld), rule, share.scratch,
            )  # fmt: skip
            column += width


@kernel
def weight_update(layer: Layer, n_rows: int, x: Rows, dy: Matrix, rule: Rule) -> None:
    """Compute dw = x.T @ dy tile by tile and apply the update rule to w while the tile is in registers.

    n_rows  B      x  (B, I) float32, chosen rows, read      dy  (B, O) float32, rows as long as those of w, read
    w (I, O) in `layer.params` is updated with its optimizer states
    """
    update_rows(layer, everything(layer, layer.row[N_IN]), n_rows, x, dy, rule)


@parallel_kernel
def weight_update_parallel(layer: Layer, n_rows: int, x: Rows, dy: Matrix, rule: Rule) -> None:
    """Compute `weight_update` with blocks of weight rows divided over threads."""
    n_blocks = blocks_of(layer.row, n_rows, layer.scratch.shape[0])
    if n_blocks == 1:
        update_rows(layer, everything(layer, layer.row[N_IN]), n_rows, x, dy, rule)
        return
    for block in prange(n_blocks):
        update_rows(layer, share_of(layer, layer.row[N_IN], np.int64(block), n_blocks), n_rows, x, dy, rule)


@kernel
def _pair_blocks(n_in: int) -> int:
    """Return the number of blocks of pairs that the inputs are cut into."""
    return (n_in + PAIR * PAIRS_IN_BLOCK - 1) // (PAIR * PAIRS_IN_BLOCK)


@kernel
def _update_block(layer: Layer, block: int, thread: int, pairs: Pairs, dy: Matrix, rule: Rule) -> None:
    """Update the rows of w (I, O) that belong to a block of pairs, in a thread's scratch."""
    row = layer.row
    first = block * PAIRS_IN_BLOCK
    n_pairs = min(PAIRS_IN_BLOCK, (row[N_IN] + PAIR - 1) // PAIR - first)
    turned = samples_of_pairs(pairs, thread, block, _pair_blocks(row[N_IN]))
    scratch = address_of(layer.scratch) + thread * 4 * layer.scratch.shape[1]
    w = layer.params + 4 * row[W] + PAIR * first * dy.ld
    column = 0
    for p in range(row[PANELS + 3 * WEIGHT_GRADIENT_LISTED]):
        vectors = panel_width(row, WEIGHT_GRADIENT_LISTED, p)
        invoke(
            layer.table[WEIGHT_GRADIENT_LISTED, vectors], n_pairs, turned, Matrix(dy.at + column, dy.ld),
            Matrix(w + column, dy.ld), rule, scratch,
        )  # fmt: skip
        column += vectors * LANE_BYTES


@kernel
def weight_update_listed(layer: Layer, pairs: Pairs, dy: Matrix, rule: Rule) -> None:
    """Compute `weight_update` for the first layer, over the samples in which a pair of inputs is not zero."""
    for block in range(_pair_blocks(layer.row[N_IN])):
        _update_block(layer, block, np.int64(0), pairs, dy, rule)


@parallel_kernel
def weight_update_listed_parallel(layer: Layer, pairs: Pairs, dy: Matrix, rule: Rule) -> None:
    """Compute `weight_update_listed` with blocks of inputs divided over threads."""
    n_blocks = _pair_blocks(layer.row[N_IN])
    n_threads = blocks_of(layer.row, pairs.rows.shape[0], layer.scratch.shape[0])
    if n_threads == 1:
        for block in range(n_blocks):
            _update_block(layer, block, np.int64(0), pairs, dy, rule)
        return
    for t in prange(n_threads):
        thread = np.int64(t)
        for block in range(n_blocks * thread // n_threads, n_blocks * (thread + 1) // n_threads):
            _update_block(layer, block, thread, pairs, dy, rule)


@kernel
def transpose(layer: Layer, wt: Matrix) -> None:
    """Write w.T (O, I) for the input gradient, `LANES` x `LANES` at a time."""
    ldw = 4 * layer.row[LDW]
    w = layer.params + 4 * layer.row[W]
    for i in range(0, layer.row[N_IN], LANES):
        for j in range(0, layer.row[N_OUT], LANES):
            transpose_block(w + i * ldw + 4 * j, ldw, wt.at + j * wt.ld + 4 * i, wt.ld)
