"""The first layer of a table: columns that are encoded stay a row of weights and a fraction, and are never written out.

A number in bin k of T stands for k ones, its fraction f, and zeros; a category for a single one. So a number adds
P_k + f W_k to a sample's outputs, where P_k is the sum of the number's rows of W before k. Backward, the samples of a
batch are sorted by the row of each column; the gradient of row t is the sum of dy over the samples of later rows,
continued with f dy over its own. The update rule runs over all rows.

Every output is one chain: bias, dense inputs and numbers in turns until one kind ends, the rest of the other, and
categories. Every weight's gradient is one too: from the last row down, samples in their order. So bits depend neither
on lanes nor on threads, which divide samples and columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from fastnet.kernels import _jit
from fastnet.kernels._jit import kernel, one_at_a_time, parallel_kernel
from fastnet.kernels.affine import (
    Share,
    end_at,
    everything,
    layer_of,
    panel_width,
    share_of,
    update_rows,
)
from fastnet.kernels.columns import AT_ONCE, FIRST, NO_CODE, WIDTH
from fastnet.kernels.context import SUMMED, Data, Work, open_data, open_net, open_work
from fastnet.kernels.copies import TILE_SCRATCH, copy_panel
from fastnet.kernels.host import COPIED_BYTES, LANE_BYTES, MASK_BYTES
from fastnet.kernels.layout import LDW, N_IN, N_OUT, PANELS, B, W, Y
from fastnet.kernels.memory import (
    address_of,
    count_bits,
    equal_bits,
    invoke,
    load_f32,
    load_i64,
    load_u16,
    load_u32,
    store_f32,
    store_u16,
    store_u32,
)
from fastnet.kernels.operands import Codes, Curve, End, Layer, Listed, Matrix, Rows, Rule, Span, signature
from fastnet.kernels.panels import FORWARD_ENCODED, WEIGHT_GRADIENT_ENCODED
from fastnet.kernels.vector import load_vector, splat, store_vector

PARALLEL_ADDS = 2_500_000
"""Vector operations times lanes below which a stage is not worth waking threads for."""


@kernel
def _sums_of(work: Work, row: np.ndarray, column: int, width: int, first: int) -> int:
    """Return the address of row `first` of the sums, in the panel of `width` bytes from byte `column` of O on.

    Panel after panel they lie in consecutive lines. As far apart as the rows of w, they met in a quarter of the sets of
    the first-level cache: with 180 of them, 128 samples took 23 to 27 microseconds on AVX2 instead of 20.
    """
    return address_of(work.sums) + work.sums.shape[0] // row[LDW] * column + first * width


@kernel
def _forward_share(layer: Layer, share: Share, data: Data, work: Work, x: Rows, y: Matrix, end: End) -> None:
    """Compute a share of the rows of y (B, O)."""
    row = layer.row
    n_numbers = data.fractions.shape[1]
    column, mask = np.int64(0), np.int64(0)
    for p in range(row[PANELS + 3 * FORWARD_ENCODED]):
        vectors = panel_width(row, FORWARD_ENCODED, p)
        codes = Codes(
            x.numbers, x.at, x.ld, data.dense, address_of(data.places), address_of(data.fractions),
            _sums_of(work, row, column, vectors * LANE_BYTES, -data.dense), n_numbers,
            data.columns.shape[0] - n_numbers, row[N_IN],
        )  # fmt: skip
        invoke(
            layer.table[FORWARD_ENCODED, vectors], Span(share.first, share.last), codes,
            Matrix(layer.params + 4 * row[W] + column, y.ld), layer.params + 4 * row[B] + column,
            Matrix(y.at + column, y.ld), end_at(end, mask, end.kind),
        )  # fmt: skip
        column += vectors * LANE_BYTES
        mask += vectors * MASK_BYTES


def _forward_shares(layer: Layer, n_rows: int, data: Data, work: Work, x: Rows, y: Matrix, end: End) -> None:
    _forward_share(layer, everything(layer, n_rows), data, work, x, y, end)


def _forward_shares_parallel(layer: Layer, n_rows: int, data: Data, work: Work, x: Rows, y: Matrix, end: End) -> None:
    terms = data.dense + data.columns.shape[0] + data.fractions.shape[1]
    n_blocks = layer.scratch.shape[0]
    if n_rows * terms * layer.row[N_OUT] < PARALLEL_ADDS or n_blocks == 1:
        _forward_share(layer, everything(layer, n_rows), data, work, x, y, end)
        return
    for block in prange(n_blocks):
        _forward_share(layer, share_of(layer, n_rows, np.int64(block), n_blocks), data, work, x, y, end)


forward_shares = kernel(_forward_shares)
forward_shares_parallel = parallel_kernel(_forward_shares_parallel)


@kernel
def _add_up(layer: Layer, data: Data, work: Work) -> None:
    """Write what the rows of each number before each of them, and all of them, add up to."""
    row, ld = layer.row, 4 * layer.row[LDW]
    column = np.int64(0)
    for p in range(row[PANELS + 3 * FORWARD_ENCODED]):
        width = panel_width(row, FORWARD_ENCODED, p) * LANE_BYTES
        for number in range(data.fractions.shape[1]):
            first = data.columns[number, FIRST]
            for at in range(0, width, LANE_BYTES):
                w = layer.params + 4 * row[W] + first * ld + column + at
                sums = _sums_of(work, row, column, width, first - data.dense + number) + at
                total = splat(np.float32(0.0))
                store_vector(total, sums)
                for t in range(data.columns[number, WIDTH]):
                    total = total + load_vector(w + t * ld)
                    store_vector(total, sums + (t + 1) * width)
        column += width


def _forward(c: int, rows: int, n_rows: int, end: End, curve: Curve) -> None:
    """Compute the outputs of the first layer for `n_rows` samples; see `step._forward`."""
    net, data, work = open_net(c), open_data(c), open_work(c)
    layer = layer_of(net, data, work, np.int64(0))
    row = layer.row
    y = Matrix(address_of(work.floats) + 4 * row[Y], 4 * row[LDW])
    if work.state[SUMMED] == 0.0:
        _add_up(layer, data, work)
        work.state[SUMMED] = 1.0
    forward_shares(layer, n_rows, data, work, Rows(rows, address_of(data.x), 4 * data.x.shape[1]), y, end)
    if curve.stage != 0:
        span = Span(np.int64(0), n_rows)
        invoke(curve.stage, span, row[N_OUT], y, curve.slopes, curve.keep, end.ld, end.scale)


@kernel
def _turn(data: Data, work: Work, columns: Span, rows: int, n_rows: int) -> None:
    """Write the rows and shares that some columns give a batch, column by column."""
    n_numbers = data.fractions.shape[1]
    ldp, ldf = 4 * data.places.shape[1], 4 * n_numbers
    for c in range(columns.first, columns.last):
        codes = address_of(work.codes) + 2 * c * work.codes.shape[1]
        shares = address_of(work.shares) + 4 * c * work.shares.shape[1]
        places, fractions = address_of(data.places) + 4 * c, address_of(data.fractions) + 4 * c
        first = data.columns[c, FIRST]
        if c < n_numbers:
            for r in range(n_rows):
                sample = load_i64(rows + 8 * r)
                store_u16(codes + 2 * r, load_u32(places + sample * ldp) - first)
                store_f32(shares + 4 * r, load_f32(fractions + sample * ldf))
        else:
            for r in range(n_rows):
                place = load_u32(places + load_i64(rows + 8 * r) * ldp)
                store_u16(codes + 2 * r, min(place - first, NO_CODE))
                store_f32(shares + 4 * r, np.float32(1.0))


@kernel
def _begins(data: Data, work: Work, column: int) -> int:
    """Return the address of where the samples of each row of a column begin."""
    return address_of(work.listed_begins) + 4 * (data.columns[column, FIRST] - data.dense + column)


@kernel
def _list(data: Data, work: Work, columns: Span, n_rows: int) -> None:
    """List the samples of a batch by their row of each of some columns, those of a row in their order.

    Two passes without a branch that could be guessed wrong: rows are counted by comparing, then samples put in place.
    """
    for c in range(columns.first, columns.last):
        codes = address_of(work.codes) + 2 * c * work.codes.shape[1]
        samples = address_of(work.listed_samples) + 4 * c * work.listed_samples.shape[1]
        begins, total, width = _begins(data, work, c), np.int64(0), data.columns[c, WIDTH]
        store_u32(begins, total)
        for t in range(width):  # where row t begins, until its samples have moved it to where the next one does
            store_u32(begins + 4 * t + 4, total)
            for first in range(0, n_rows, AT_ONCE):
                bits = equal_bits(codes + 2 * first, t)
                if n_rows - first < AT_ONCE:
                    bits &= (np.int64(1) << (n_rows - first)) - 1
                total += count_bits(bits)
        for r in range(n_rows):
            code = load_u16(codes + 2 * r)
            if code < width:  # else a level without an input
                place = load_u32(begins + 4 * code + 4)
                store_u32(begins + 4 * code + 4, place + 1)
                store_u32(samples + 4 * place, r)


@kernel
def _update_some(
    layer: Layer, data: Data, work: Work, columns: Span, thread: int, rows: int, n_rows: int, dy: Matrix,
    rule: Rule,
) -> None:  # fmt: skip
    """Update the rows of w that belong to some columns."""
    row = layer.row
    n_numbers = data.fractions.shape[1]
    _turn(data, work, columns, rows, n_rows)
    _list(data, work, columns, n_rows)
    scratch = address_of(layer.scratch) + thread * 4 * layer.scratch.shape[1]
    at = np.int64(0)
    for p in range(row[PANELS + 3 * WEIGHT_GRADIENT_ENCODED]):
        vectors = panel_width(row, WEIGHT_GRADIENT_ENCODED, p)
        gradient = Matrix(dy.at + at, dy.ld)
        if n_rows * vectors * LANE_BYTES <= COPIED_BYTES:
            packed = Matrix(scratch + 4 * TILE_SCRATCH, vectors * LANE_BYTES)
            copy_panel(gradient.at, gradient.ld, n_rows, vectors, packed.at)
            gradient = packed
        for c in range(columns.first, columns.last):
            x = Listed(
                _begins(data, work, c), address_of(work.listed_samples) + 4 * c * work.listed_samples.shape[1],
                address_of(work.shares) + 4 * c * work.shares.shape[1],
            )  # fmt: skip
            w = Matrix(layer.params + 4 * row[W] + data.columns[c, FIRST] * dy.ld + at, dy.ld)
            sums = np.int64(0)
            if c < n_numbers:
                sums = _sums_of(work, row, at, vectors * LANE_BYTES, data.columns[c, FIRST] - data.dense + c)
            invoke(
                layer.table[WEIGHT_GRADIENT_ENCODED, vectors], data.columns[c, WIDTH], x, gradient, w, sums, rule,
                scratch,
            )  # fmt: skip
        at += vectors * LANE_BYTES


def _update_columns(layer: Layer, data: Data, work: Work, batch: Span, dy: Matrix, rule: Rule) -> None:
    columns = Span(np.int64(0), data.columns.shape[0])
    _update_some(layer, data, work, columns, np.int64(0), batch.first, batch.last, dy, rule)


def _update_columns_parallel(layer: Layer, data: Data, work: Work, batch: Span, dy: Matrix, rule: Rule) -> None:
    n_columns = data.columns.shape[0]
    n_threads = min(layer.scratch.shape[0], n_columns)
    if n_threads == 1 or batch.last * n_columns * layer.row[N_OUT] < PARALLEL_ADDS:
        columns = Span(np.int64(0), n_columns)
        _update_some(layer, data, work, columns, np.int64(0), batch.first, batch.last, dy, rule)
        return
    for t in prange(n_threads):
        thread = np.int64(t)
        columns = Span(n_columns * thread // n_threads, n_columns * (thread + 1) // n_threads)
        _update_some(layer, data, work, columns, thread, batch.first, batch.last, dy, rule)


update_columns = kernel(_update_columns)
update_columns_parallel = parallel_kernel(_update_columns_parallel)


def _update(c: int, rows: int, n_rows: int, dy: Matrix, rule: Rule) -> None:
    """Update the weights of the first layer; see `step._backward`."""
    net, data, work = open_net(c), open_data(c), open_work(c)
    layer = layer_of(net, data, work, np.int64(0))
    if data.dense > 0:
        x = Rows(rows, address_of(data.x), 4 * data.x.shape[1])
        update_rows(layer, everything(layer, data.dense), n_rows, x, dy, rule)
    update_columns(layer, data, work, Span(rows, n_rows), dy, rule)
    work.state[SUMMED] = 1.0


_SOURCES: tuple[tuple[Any, Any], ...] = (
    (signature(int, int, int, End, Curve), _forward),
    (signature(int, int, int, Matrix, Rule), _update),
)
_PARALLEL = {"forward_shares": forward_shares_parallel, "update_columns": update_columns_parallel}
_COMPILED: dict[bool, list[Any]] = {}


@one_at_a_time
def stages(parallel: bool = False) -> np.ndarray:
    """Compile the stages of the first layer of a table, once, and return their addresses, (2,) int64."""
    if parallel not in _COMPILED:
        _COMPILED[parallel] = _jit.stages(_SOURCES, _PARALLEL if parallel else {})
    return np.array([one.address for one in _COMPILED[parallel]], np.int64)
