"""The products of one layer: forward, input gradient, weight gradient with its update.

Each cuts its result into column panels and hands them to the microkernels of `panels`. There are two of each: a serial
one, which trials of a pack call, and a parallel one for a single large network, which divides rows (of samples, or of
weights) over threads and turns serial where the layer is too small to gain. The bits are the same: no sum is divided.

Addresses are in bytes; `row` is the layer's row of the layout table.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import prange

from fastnet.kernels._jit import kernel, parallel_kernel
from fastnet.kernels.copies import TILE_SCRATCH, columns_at_once, copies_operands, copy_columns, copy_panel, k_block
from fastnet.kernels.host import LANE_BYTES, LANES, MASK_BYTES, TILE_ROWS, TILE_VECTORS
from fastnet.kernels.layout import LD_ACTIVE, LDW, N_IN, N_OUT, PANELS, B, W
from fastnet.kernels.memory import address_of, invoke, load_f32
from fastnet.kernels.panels import (
    FORWARD,
    FORWARD_ACTIVE,
    FORWARD_PACKED,
    INPUT_GRADIENT,
    INPUT_GRADIENT_ACTIVE,
    LINEAR,
    PAIR,
    WEIGHT_GRADIENT,
    WEIGHT_GRADIENT_LISTED,
)
from fastnet.kernels.sparsity import PAIRS_IN_BLOCK, samples_of_pairs
from fastnet.kernels.vector import load_vector, splat, store_vector, transpose_block

PARALLEL_FLOPS = 10_000_000
"""A product below this many floating-point operations (about 100 microseconds) is not worth waking threads for."""


class Lists(NamedTuple):
    """The non-zero columns of every row of a left operand; see `panels` and `sparsity`."""

    entries: int  # address, uint8: columns counted from the first of their block
    begins: int  # address, int64 per row and block
    ends: int
    n_blocks: int  # 0 where the operand is dense
    block: int  # columns of a block
    packed: int  # 1 where values are packed like the entries, 0 where they lie at their columns


class Curve(NamedTuple):
    """What becomes of a finished result where the activation is no epilogue of the tile; see `activation`."""

    stage: int  # address of the stage that overwrites it, 0 for none
    slopes: int  # address of the derivatives, laid out like it: written in training, then read; 0 where not wanted
    keep: int  # address of the dropout bits, 0 where all units are kept


class Pairs(NamedTuple):
    """The non-zero feature pairs of the inputs, and room to turn a batch of them around; see `sparsity`."""

    lists: np.ndarray
    values: np.ndarray
    starts: np.ndarray
    samples: np.ndarray  # (threads, PAIRS_IN_BLOCK, capacity)
    sample_values: np.ndarray  # (threads, PAIRS_IN_BLOCK * capacity, PAIR)
    counts: np.ndarray  # (threads, PAIRS_IN_BLOCK)


@kernel
def _panel(row: np.ndarray, product: int, p: int) -> int:
    """Width in vectors of panel `p` of a product."""
    field = PANELS + 3 * product
    return row[field + 2] if p < row[field + 1] else row[field + 2] - 1


@kernel
def _blocks(row: np.ndarray, n_rows: int, threads: int) -> int:
    """Into how many blocks a product is cut: one per thread, or one in all where it is small."""
    return np.int64(1) if 2 * n_rows * row[N_IN] * row[N_OUT] < PARALLEL_FLOPS else threads


@kernel
def _tile_share(n: int, block: int, n_blocks: int) -> tuple[int, int]:
    """Rows [first, last) of block `block` when `n` rows are divided in whole tiles."""
    tiles = (n + TILE_ROWS - 1) // TILE_ROWS
    first = TILE_ROWS * (tiles * block // n_blocks)
    return first, min(TILE_ROWS * (tiles * (block + 1) // n_blocks), n)


@kernel
def _ahead(panel: int, stride: int, n_k: int, width: int, last: bool, n_rows: int) -> tuple[int, int]:
    """Tell where the panel lies that is copied after `panel`, and how many of its rows each tile should ask for.

    Copied without having been asked for, a panel waits line by line for the third-level cache: 1024 x 1024 at batch 128
    then reached 0.70 of the peak on 16 lanes, asked for in one go 0.80, and a few rows a tile 0.87.
    """
    n_tiles = (n_rows + TILE_ROWS - 1) // TILE_ROWS
    beside = panel + width
    if last:  # the first panel of the next block of k: a row ends where its last panel does
        beside += (n_k - 1) * stride
    return beside, (n_k + n_tiles - 1) // n_tiles


@kernel
def _forward_rows(
    table: np.ndarray, row: np.ndarray, first: int, last: int, rows: int, a: int, lda: int, lists: Lists, params: int,
    c: int, active: int, keep: int, epilogue: int, scale: np.float32, scratch: int, curve: Curve,
) -> None:  # fmt: skip
    ldw, ld_active = 4 * row[LDW], row[LD_ACTIVE]
    if lists.n_blocks > 0:
        _forward_listed(table, row, first, last, rows, a, lda, lists, params, c, active, keep, epilogue, scale)
    else:
        n_in, packed = row[N_IN], scratch + 4 * TILE_SCRATCH
        size = k_block(n_in, last - first)
        for k in range(0, n_in, size):
            n_k = min(size, n_in - k)
            end = epilogue if k + n_k == n_in else LINEAR
            column, mask = 0, 0
            n_panels = row[PANELS + 3 * FORWARD]
            for p in range(n_panels):
                vectors = _panel(row, FORWARD, p)
                width = vectors * LANE_BYTES
                w, ld_panel = params + 4 * row[W] + k * ldw + column, ldw
                ahead, n_ahead = w, np.int64(0)
                if size < n_in:
                    ahead, n_ahead = _ahead(w, ldw, n_k, width, p + 1 == n_panels, last - first)
                    copy_panel(w, ldw, n_k, vectors, packed)
                    w, ld_panel = packed, width
                invoke(
                    table[FORWARD, vectors], first, last, rows, a + 4 * k, lda, n_k, w, ld_panel,
                    params + 4 * row[B] + column, c + column, ldw, active + mask, ld_active, keep + mask, end,
                    np.int64(k == 0), ahead, n_ahead, scale,
                )  # fmt: skip
                column, mask = column + width, mask + vectors * MASK_BYTES
    if curve.stage != 0:
        invoke(curve.stage, first, last, row[N_OUT], c, ldw, curve.slopes, curve.keep, ld_active, scale)


@kernel
def _forward_listed(
    table: np.ndarray, row: np.ndarray, first: int, last: int, rows: int, a: int, lda: int, lists: Lists, params: int,
    c: int, active: int, keep: int, epilogue: int, scale: np.float32,
) -> None:  # fmt: skip
    ldw, ld_active = 4 * row[LDW], row[LD_ACTIVE]
    product = FORWARD_PACKED if lists.packed == 1 else FORWARD_ACTIVE
    w, bias = params + 4 * row[W], params + 4 * row[B]
    column, mask = 0, 0
    for p in range(row[PANELS + 3 * product]):
        vectors = _panel(row, product, p)
        for block in range(lists.n_blocks):
            k = block * lists.block
            invoke(
                table[product, vectors], first, last, rows, a if lists.packed == 1 else a + 4 * k, lda, lists.entries,
                lists.begins, lists.ends, lists.n_blocks, block, w + k * ldw + column, ldw, bias + column, c + column,
                ldw, active + mask, ld_active, keep + mask, epilogue, scale,
            )  # fmt: skip
        column += vectors * LANE_BYTES
        mask += vectors * MASK_BYTES


@kernel
def affine_forward(
    table: np.ndarray, row: np.ndarray, n_rows: int, rows: int, a: int, lda: int, lists: Lists, params: int, c: int,
    active: int, keep: int, epilogue: int, scale: np.float32, scratch: np.ndarray, curve: Curve,
) -> None:  # fmt: skip
    """Compute c = epilogue(a[rows] @ w + b) for `n_rows` samples (written in whole tiles), then what `curve` says.

    rows    int64 sample numbers, whole tiles, read        a   (., lda) float32, read        lists   of a, read
    c       (n_rows, LDW) float32, written       active   activity bits, written       keep   dropout bits, read
    scratch (threads, .) float32, written

    Cost: 2 * n_rows * N_IN * N_OUT flops, less what the lists skip. Each sum over N_IN is one FMA chain in order.
    """
    _forward_rows(
        table, row, np.int64(0), n_rows, rows, a, lda, lists, params, c, active, keep, epilogue, scale,
        address_of(scratch), curve,
    )  # fmt: skip


@parallel_kernel
def affine_forward_parallel(
    table: np.ndarray, row: np.ndarray, n_rows: int, rows: int, a: int, lda: int, lists: Lists, params: int, c: int,
    active: int, keep: int, epilogue: int, scale: np.float32, scratch: np.ndarray, curve: Curve,
) -> None:  # fmt: skip
    """Do as `affine_forward`, blocks of samples over threads."""
    n_blocks = _blocks(row, n_rows, scratch.shape[0])
    ld_scratch = 4 * scratch.shape[1]
    if n_blocks == 1:  # a prange of one would wake the threads all the same
        own = address_of(scratch)
        _forward_rows(
            table, row, np.int64(0), n_rows, rows, a, lda, lists, params, c, active, keep, epilogue, scale, own, curve
        )
        return
    for block in prange(n_blocks):
        first, last = _tile_share(n_rows, np.int64(block), n_blocks)
        own = address_of(scratch) + np.int64(block) * ld_scratch
        _forward_rows(
            table, row, first, last, rows, a, lda, lists, params, c, active, keep, epilogue, scale, own, curve
        )


@kernel
def _gradient_rows(
    table: np.ndarray, row: np.ndarray, first: int, last: int, dy: int, lists: Lists, transposed: int, ld: int,
    dx: int, active: int, ld_active: int, scale: np.float32, scratch: int, curve: Curve,
) -> None:  # fmt: skip
    if lists.n_blocks > 0:
        _gradient_listed(table, row, first, last, dy, lists, transposed, ld, dx, active, ld_active, scale)
        return
    plain = curve.stage != 0
    n_out, packed = row[N_OUT], scratch + 4 * TILE_SCRATCH
    size = k_block(n_out, last - first)
    for k in range(0, n_out, size):
        n_k = min(size, n_out - k)
        column, mask = 0, 0
        n_panels = row[PANELS + 3 * INPUT_GRADIENT]
        for p in range(n_panels):
            vectors = _panel(row, INPUT_GRADIENT, p)
            width = vectors * LANE_BYTES
            wt, ld_panel = transposed + k * ld + column, ld
            ahead, n_ahead = wt, np.int64(0)
            if size < n_out:
                ahead, n_ahead = _ahead(wt, ld, n_k, width, p + 1 == n_panels, last - first)
                copy_panel(wt, ld, n_k, vectors, packed)
                wt, ld_panel = packed, width
            invoke(
                table[INPUT_GRADIENT, vectors], first, last, dy + 4 * k, 4 * row[LDW], n_k, wt, ld_panel, dx + column,
                ld, active + mask, ld_active, np.int64(k == 0), np.int64(k + n_k == n_out and not plain), ahead,
                n_ahead, scale,
            )  # fmt: skip
            column, mask = column + width, mask + vectors * MASK_BYTES
    if plain:
        invoke(curve.stage, first, last, row[N_IN], dx, ld, curve.slopes)


@kernel
def _gradient_listed(
    table: np.ndarray, row: np.ndarray, first: int, last: int, dy: int, lists: Lists, transposed: int, ld: int,
    dx: int, active: int, ld_active: int, scale: np.float32,
) -> None:  # fmt: skip
    column, mask = 0, 0
    for p in range(row[PANELS + 3 * INPUT_GRADIENT_ACTIVE]):
        vectors = _panel(row, INPUT_GRADIENT_ACTIVE, p)
        for block in range(lists.n_blocks):
            k = block * lists.block
            invoke(
                table[INPUT_GRADIENT_ACTIVE, vectors], first, last, dy + 4 * k, 4 * row[LDW], lists.entries,
                lists.begins, lists.ends, lists.n_blocks, block, transposed + k * ld + column, ld, dx + column, ld,
                active + mask, ld_active, scale,
            )  # fmt: skip
        column += vectors * LANE_BYTES
        mask += vectors * MASK_BYTES


@kernel
def input_gradient(
    table: np.ndarray, row: np.ndarray, n_rows: int, dy: int, lists: Lists, transposed: int, ld: int, dx: int,
    active: int, ld_active: int, scale: np.float32, scratch: np.ndarray, curve: Curve,
) -> None:  # fmt: skip
    """Compute dx = (dy @ w.T) * active * scale; with a `curve` dx = (dy @ w.T) * slopes, always dense.

    dy  (n_rows, LDW) float32, read    lists  of dy, read    transposed  w.T, rows of `ld` bytes, read
    dx  (n_rows, ld) float32, written (in whole tiles where dense)    active  bits of this layer's input, read
    scratch  (threads, .) float32, written
    """
    own = address_of(scratch)
    _gradient_rows(table, row, np.int64(0), n_rows, dy, lists, transposed, ld, dx, active, ld_active, scale, own, curve)


@parallel_kernel
def input_gradient_parallel(
    table: np.ndarray, row: np.ndarray, n_rows: int, dy: int, lists: Lists, transposed: int, ld: int, dx: int,
    active: int, ld_active: int, scale: np.float32, scratch: np.ndarray, curve: Curve,
) -> None:  # fmt: skip
    """Do as `input_gradient`, blocks of samples over threads."""
    n_blocks = _blocks(row, n_rows, scratch.shape[0])
    ld_scratch = 4 * scratch.shape[1]
    if n_blocks == 1:
        own = address_of(scratch)
        _gradient_rows(
            table, row, np.int64(0), n_rows, dy, lists, transposed, ld, dx, active, ld_active, scale, own, curve
        )
        return
    for block in prange(n_blocks):
        first, last = _tile_share(n_rows, np.int64(block), n_blocks)
        own = address_of(scratch) + np.int64(block) * ld_scratch
        _gradient_rows(table, row, first, last, dy, lists, transposed, ld, dx, active, ld_active, scale, own, curve)


@kernel
def _update_rows(
    table: np.ndarray, row: np.ndarray, first: int, last: int, rows: int, x: int, ldx: int, identity: int, n_rows: int,
    dy: int, params: int, update: int, offset: int, scratch: int, hyper: int,
) -> None:  # fmt: skip
    ldw, n_panels = 4 * row[LDW], row[PANELS + 3 * WEIGHT_GRADIENT]
    copied = copies_operands(row[N_IN], n_rows, n_panels)
    panel = scratch + 4 * TILE_SCRATCH
    columns = panel + n_rows * TILE_VECTORS * LANE_BYTES
    size = columns_at_once(n_rows) if copied else last - first
    for i in range(first, last, size):
        end = min(i + size, last)
        a, lda, tile_stride, index = x + 4 * i, ldx, np.int64(4 * TILE_ROWS), rows
        if copied:
            copy_columns(a, rows, ldx, n_rows, end - i, columns)
            a, lda, tile_stride, index = columns, 4 * TILE_ROWS, 4 * TILE_ROWS * n_rows, identity
        column = 0
        for p in range(n_panels):
            vectors = _panel(row, WEIGHT_GRADIENT, p)
            width = vectors * LANE_BYTES
            b, ld_panel = dy + column, ldw
            if copied:
                copy_panel(b, ldw, n_rows, vectors, panel)
                b, ld_panel = panel, width
            invoke(
                table[WEIGHT_GRADIENT, vectors], end - i, index, a, lda, tile_stride, n_rows, b, ld_panel,
                params + 4 * row[W] + i * ldw + column, ldw, update, offset, scratch, hyper,
            )  # fmt: skip
            column += width


@kernel
def weight_update(
    table: np.ndarray, row: np.ndarray, rows: int, x: int, ldx: int, identity: int, n_rows: int, dy: int, params: int,
    update: int, offset: int, scratch: np.ndarray, hyper: int,
) -> None:  # fmt: skip
    """Compute dw = x[rows].T @ dy tile by tile and apply the update rule to w while the tile is in registers.

    x   (., ldx) float32, read          dy  (n_rows, LDW) float32, read     scratch (threads, .) float32, written
    w   in `params`, updated with its optimizer states at `offset` and twice `offset` bytes from it
    identity  int64 0, 1, 2, ...: row numbers, read
    """
    _update_rows(
        table, row, np.int64(0), row[N_IN], rows, x, ldx, identity, n_rows, dy, params, update, offset,
        address_of(scratch), hyper,
    )  # fmt: skip


@parallel_kernel
def weight_update_parallel(
    table: np.ndarray, row: np.ndarray, rows: int, x: int, ldx: int, identity: int, n_rows: int, dy: int, params: int,
    update: int, offset: int, scratch: np.ndarray, hyper: int,
) -> None:  # fmt: skip
    """Do as `weight_update`, blocks of weight rows over threads."""
    n_blocks = _blocks(row, n_rows, scratch.shape[0])
    ld_scratch = 4 * scratch.shape[1]
    if n_blocks == 1:
        own = address_of(scratch)
        _update_rows(
            table, row, np.int64(0), row[N_IN], rows, x, ldx, identity, n_rows, dy, params, update, offset, own, hyper
        )
        return
    for block in prange(n_blocks):
        first, last = _tile_share(row[N_IN], np.int64(block), n_blocks)
        own = address_of(scratch) + np.int64(block) * ld_scratch
        _update_rows(table, row, first, last, rows, x, ldx, identity, n_rows, dy, params, update, offset, own, hyper)


@kernel
def _update_block(
    table: np.ndarray, row: np.ndarray, block: int, thread: int, rows: np.ndarray, n_rows: int, pairs: Pairs, dy: int,
    params: int, update: int, offset: int, scratch: int, hyper: int,
) -> None:  # fmt: skip
    n_pairs = (row[N_IN] + PAIR - 1) // PAIR
    n_blocks = (n_pairs + PAIRS_IN_BLOCK - 1) // PAIRS_IN_BLOCK
    first = block * PAIRS_IN_BLOCK
    ldw = 4 * row[LDW]
    samples, values, counts = pairs.samples[thread], pairs.sample_values[thread], pairs.counts[thread]
    samples_of_pairs(rows, n_rows, block, n_blocks, pairs.lists, pairs.values, pairs.starts, samples, values, counts)
    column = 0
    for p in range(row[PANELS + 3 * WEIGHT_GRADIENT_LISTED]):
        vectors = _panel(row, WEIGHT_GRADIENT_LISTED, p)
        invoke(
            table[WEIGHT_GRADIENT_LISTED, vectors], min(PAIRS_IN_BLOCK, n_pairs - first), address_of(samples),
            address_of(values), samples.shape[1], address_of(counts), dy + column, ldw,
            params + 4 * row[W] + column + PAIR * first * ldw, ldw, update, offset, scratch, hyper,
        )  # fmt: skip
        column += vectors * LANE_BYTES


@kernel
def weight_update_listed(
    table: np.ndarray, row: np.ndarray, rows: np.ndarray, n_rows: int, pairs: Pairs, dy: int, params: int, update: int,
    offset: int, scratch: np.ndarray, hyper: int,
) -> None:  # fmt: skip
    """Do as `weight_update` for the first layer, over the samples in which a pair of features is not zero."""
    n_blocks = (row[N_IN] + PAIR * PAIRS_IN_BLOCK - 1) // (PAIR * PAIRS_IN_BLOCK)
    for block in range(n_blocks):
        _update_block(
            table, row, block, np.int64(0), rows, n_rows, pairs, dy, params, update, offset, address_of(scratch), hyper
        )


@parallel_kernel
def weight_update_listed_parallel(
    table: np.ndarray, row: np.ndarray, rows: np.ndarray, n_rows: int, pairs: Pairs, dy: int, params: int, update: int,
    offset: int, scratch: np.ndarray, hyper: int,
) -> None:  # fmt: skip
    """Do as `weight_update_listed`, blocks of features over threads."""
    n_blocks = (row[N_IN] + PAIR * PAIRS_IN_BLOCK - 1) // (PAIR * PAIRS_IN_BLOCK)
    n_threads = _blocks(row, n_rows, scratch.shape[0])
    ld_scratch = 4 * scratch.shape[1]
    if n_threads == 1:
        for block in range(n_blocks):
            _update_block(
                table, row, block, np.int64(0), rows, n_rows, pairs, dy, params, update, offset, address_of(scratch),
                hyper,
            )  # fmt: skip
        return
    for t in prange(n_threads):
        thread = np.int64(t)
        own = address_of(scratch) + thread * ld_scratch
        for block in range(n_blocks * thread // n_threads, n_blocks * (thread + 1) // n_threads):
            _update_block(table, row, block, thread, rows, n_rows, pairs, dy, params, update, offset, own, hyper)


@kernel
def transpose(row: np.ndarray, params: int, transposed: int, ld: int) -> None:
    """Write w.T for the input gradient, `LANES` x `LANES` at a time; rows of the result are `ld` bytes."""
    ldw = 4 * row[LDW]
    w = params + 4 * row[W]
    for i in range(0, row[N_IN], LANES):
        for j in range(0, row[N_OUT], LANES):
            transpose_block(w + i * ldw + 4 * j, ldw, transposed + j * ld + 4 * i, ld)


@kernel
def bias_update(
    row: np.ndarray, n_rows: int, dy: int, params: int, update: int, offset: int, scratch: int, hyper: int
) -> None:
    """Compute db = sum of dy over the samples, in order, and apply the update rule to b."""
    ldw = 4 * row[LDW]
    bias = params + 4 * row[B]
    rate = splat(load_f32(hyper))
    for column in range(0, 4 * row[N_OUT], LANE_BYTES):
        total = load_vector(dy + column)
        for k in range(1, n_rows):
            total = total + load_vector(dy + column + k * ldw)
        if update == 0:
            store_vector(load_vector(bias + column) - rate * total, bias + column)
        else:
            store_vector(total, scratch)
            invoke(update, np.int64(1), LANES, scratch, LANE_BYTES, bias + column, ldw, offset, hyper)
