"""The products of one layer: forward, input gradient, weight gradient with its update.

Each cuts its result into column panels and hands them to the microkernels of `panels`. There are two of each: a serial
one, which trials of a pack call, and a parallel one for a single large network, which divides rows (of samples, or of
weights) over threads and turns serial where the layer is too small to gain. The bits are the same: no sum is divided.

Addresses are in bytes; `row` is the layer's row of the layout table.
"""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, prange

from fastnet.kernels._jit import kernel, parallel_kernel
from fastnet.kernels.host import LANE_BYTES, LANES, MASK_BYTES, TILE_ROWS
from fastnet.kernels.layout import (
    B,
    COLUMNS,
    COLUMNS_SPARSE,
    INPUTS,
    LD_ACTIVE,
    LDW,
    N_IN,
    N_OUT,
    W,
)
from fastnet.kernels.panels import (
    FORWARD,
    FORWARD_SPARSE,
    INPUT_GRADIENT,
    SPARSE_ROWS,
    WEIGHT_GRADIENT,
    WEIGHT_GRADIENT_SPARSE,
)
from fastnet.kernels.tile import address_of, invoke, load_f32, load_vector, splat, store_vector, transpose_block

PARALLEL_FLOPS = 2_000_000
"""A product below this many floating-point operations (about 20 microseconds) is not worth waking threads for."""


@kernel
def panel_vectors(row: np.ndarray, field: int, p: int) -> int:
    """Width in vectors of panel `p`."""
    return row[field + 2] if p < row[field + 1] else row[field + 2] - 1


@kernel
def _blocks(row: np.ndarray, n_rows: int) -> int:
    """Into how many blocks a product is cut: one per thread, or one in all where it is small."""
    small = 2 * n_rows * row[N_IN] * row[N_OUT] < PARALLEL_FLOPS
    return np.int64(1) if small else np.int64(get_num_threads())


@kernel
def _forward_rows(
    table: np.ndarray, row: np.ndarray, first: int, last: int, rows: int, a: int, lda: int, sparse: bool, lists: int,
    starts: int, params: int, c: int, active: int, keep: int, epilogue: int, scale: np.float32,
) -> None:  # fmt: skip
    ldw = 4 * row[LDW]
    field = COLUMNS_SPARSE if sparse else COLUMNS
    column = 0
    mask = 0
    for p in range(row[field]):
        vectors = panel_vectors(row, field, p)
        w = params + 4 * row[W] + column
        bias = params + 4 * row[B] + column
        bits = active + mask
        kept = keep + mask
        ld = row[LD_ACTIVE]
        if sparse:
            invoke(
                table[FORWARD_SPARSE, vectors], first, last, rows, a, lda, lists, starts, w, ldw, bias, c + column, ldw,
                bits, ld, kept, epilogue, scale,
            )  # fmt: skip
        else:
            invoke(
                table[FORWARD, vectors], first, last, rows, a, lda, row[N_IN], w, ldw, bias, c + column, ldw,
                bits, ld, kept, epilogue, scale,
            )  # fmt: skip
        column += vectors * LANE_BYTES
        mask += vectors * MASK_BYTES


@kernel
def affine_forward(
    table: np.ndarray, row: np.ndarray, n_rows: int, rows: int, a: int, lda: int, sparse: bool, lists: int,
    starts: int, params: int, c: int, active: int, keep: int, epilogue: int, scale: np.float32,
) -> None:  # fmt: skip
    """Compute c = epilogue(a[rows] @ w + b) for `n_rows` samples (written in whole tiles).

    rows    int64 addresses of sample numbers, whole tiles     a   (., lda) float32, read
    lists, starts   the non-zero columns of every sample of a, read where `sparse`
    c       (n_rows, LDW) float32, written    active   activity bits, written    keep   dropout bits, read
    """
    _forward_rows(table, row, 0, n_rows, rows, a, lda, sparse, lists, starts, params, c, active, keep, epilogue, scale)


@parallel_kernel
def affine_forward_parallel(
    table: np.ndarray, row: np.ndarray, n_rows: int, rows: int, a: int, lda: int, sparse: bool, lists: int,
    starts: int, params: int, c: int, active: int, keep: int, epilogue: int, scale: np.float32,
) -> None:  # fmt: skip
    """Do as `affine_forward`, blocks of samples over threads."""
    n_blocks = _blocks(row, n_rows)
    tiles = (n_rows + TILE_ROWS - 1) // TILE_ROWS
    for block in prange(n_blocks):
        first = TILE_ROWS * (tiles * np.int64(block) // n_blocks)
        last = min(TILE_ROWS * (tiles * (np.int64(block) + 1) // n_blocks), n_rows)
        _forward_rows(
            table, row, first, last, rows, a, lda, sparse, lists, starts, params, c, active, keep, epilogue, scale
        )


@kernel
def _gradient_rows(
    table: np.ndarray, row: np.ndarray, first: int, last: int, dy: int, transposed: int, ld: int, dx: int, active: int,
    ld_active: int, scale: np.float32,
) -> None:  # fmt: skip
    column = 0
    mask = 0
    for p in range(row[INPUTS]):
        vectors = panel_vectors(row, INPUTS, p)
        invoke(
            table[INPUT_GRADIENT, vectors], first, last, dy, 4 * row[LDW], row[N_OUT], transposed + column, ld,
            dx + column, ld, active + mask, ld_active, scale,
        )  # fmt: skip
        column += vectors * LANE_BYTES
        mask += vectors * MASK_BYTES


@kernel
def input_gradient(
    table: np.ndarray, row: np.ndarray, n_rows: int, dy: int, transposed: int, ld: int, dx: int, active: int,
    ld_active: int, scale: np.float32,
) -> None:  # fmt: skip
    """Compute dx = (dy @ w.T) * active * scale.

    dy  (n_rows, LDW) float32, read     transposed  w.T, rows `ld` bytes, read     active   bits of this layer's input
    dx  (n_rows, ld) float32, written
    """
    _gradient_rows(table, row, 0, n_rows, dy, transposed, ld, dx, active, ld_active, scale)


@parallel_kernel
def input_gradient_parallel(
    table: np.ndarray, row: np.ndarray, n_rows: int, dy: int, transposed: int, ld: int, dx: int, active: int,
    ld_active: int, scale: np.float32,
) -> None:  # fmt: skip
    """Do as `input_gradient`, blocks of samples over threads."""
    n_blocks = _blocks(row, n_rows)
    tiles = (n_rows + TILE_ROWS - 1) // TILE_ROWS
    for block in prange(n_blocks):
        first = TILE_ROWS * (tiles * np.int64(block) // n_blocks)
        last = min(TILE_ROWS * (tiles * (np.int64(block) + 1) // n_blocks), n_rows)
        _gradient_rows(table, row, first, last, dy, transposed, ld, dx, active, ld_active, scale)


@kernel
def _update_rows(
    table: np.ndarray, row: np.ndarray, first: int, last: int, rows: int, x: int, ldx: int, n_rows: int, sparse: bool,
    lists: int, capacity: int, counts: int, dy: int, params: int, update: int, offset: int, scratch: int, hyper: int,
) -> None:  # fmt: skip
    ldw = 4 * row[LDW]
    field = COLUMNS_SPARSE if sparse else COLUMNS
    column = 0
    for p in range(row[field]):
        vectors = panel_vectors(row, field, p)
        w = params + 4 * row[W] + column
        if sparse:
            invoke(
                table[WEIGHT_GRADIENT_SPARSE, vectors], first // SPARSE_ROWS, (last + SPARSE_ROWS - 1) // SPARSE_ROWS, rows,
                x, ldx, lists, capacity, counts, dy + column, ldw, w, ldw, update, offset, scratch, hyper,
            )  # fmt: skip
        else:
            invoke(
                table[WEIGHT_GRADIENT, vectors], first, last, rows, x, ldx, n_rows, dy + column, ldw, w, ldw,
                update, offset, scratch, hyper,
            )  # fmt: skip
        column += vectors * LANE_BYTES


@kernel
def weight_update(
    table: np.ndarray, row: np.ndarray, rows: int, x: int, ldx: int, n_rows: int, sparse: bool, lists: int,
    capacity: int, counts: int, dy: int, params: int, update: int, offset: int, scratch: np.ndarray, hyper: int,
) -> None:  # fmt: skip
    """Compute dw = x[rows].T @ dy tile by tile and apply the update rule to w while the tile is in registers.

    x   (., ldx) float32, read          dy  (n_rows, LDW) float32, read     scratch (threads, .) float32, written
    w   in `params`, updated with its optimizer states at `offset` and twice `offset`
    """
    _update_rows(
        table, row, 0, row[N_IN], rows, x, ldx, n_rows, sparse, lists, capacity, counts, dy, params, update, offset,
        address_of(scratch), hyper,
    )  # fmt: skip


@parallel_kernel
def weight_update_parallel(
    table: np.ndarray, row: np.ndarray, rows: int, x: int, ldx: int, n_rows: int, sparse: bool, lists: int,
    capacity: int, counts: int, dy: int, params: int, update: int, offset: int, scratch: np.ndarray, hyper: int,
) -> None:  # fmt: skip
    """Do as `weight_update`, blocks of weight rows over threads."""
    n_blocks = _blocks(row, n_rows)
    tiles = (row[N_IN] + TILE_ROWS - 1) // TILE_ROWS
    ld_scratch = 4 * scratch.shape[1]
    for block in prange(n_blocks):
        first = TILE_ROWS * (tiles * np.int64(block) // n_blocks)
        last = min(TILE_ROWS * (tiles * (np.int64(block) + 1) // n_blocks), row[N_IN])
        _update_rows(
            table, row, first, last, rows, x, ldx, n_rows, sparse, lists, capacity, counts, dy, params, update, offset,
            address_of(scratch) + np.int64(block) * ld_scratch, hyper,
        )  # fmt: skip


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
            invoke(update, 1, LANES, scratch, LANE_BYTES, bias + column, ldw, offset, hyper)

