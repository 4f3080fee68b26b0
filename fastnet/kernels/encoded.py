"""The first layer of a table: columns that are encoded stay a row of weights and a fraction, and are never written out.

A number in bin k of T stands for k ones, its fraction f, and zeros; a category for a single one. So a number adds
P_k + f W_k to a sample's outputs, where P_k is the sum of the number's rows of W before k. The sums are made once a
step and once an evaluation. Backward, the samples are sorted by the row of each column; the gradient of row t is the
sum of dy over the samples of later rows, continued with f dy over its own. The update rule runs over all rows.

Every output is one chain: bias, dense inputs, numbers, categories; every weight's gradient one too: from the last row
down, samples in their order. So bits depend neither on lanes nor on threads, which divide samples and columns.
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
    forward_rows,
    no_lists,
    panel_width,
    share_of,
    update_rows,
)
from fastnet.kernels.columns import LINEAR
from fastnet.kernels.context import SUMMED, Data, Net, Work, open_data, open_net, open_work
from fastnet.kernels.host import LANE_BYTES, MASK_BYTES, TILE_ROWS
from fastnet.kernels.layout import LDW, N_IN, N_OUT, PANELS, B, W, Y
from fastnet.kernels.memory import address_of, invoke, load_i64, load_u32, store_f32, store_i64, store_u32
from fastnet.kernels.operands import Codes, Curve, End, Layer, Matrix, Rows, Rule, Sorted, Span, signature
from fastnet.kernels.panels import FORWARD_ENCODED, WEIGHT_GRADIENT_ENCODED
from fastnet.kernels.vector import load_vector, splat, store_vector

TAIL, NUMBER, LEVEL = range(3)
"""Kinds of a column: a dense input that fills no whole tile, an encoded number, a category."""

KIND, FIRST, WIDTH, PLACE = range(4)
"""Columns of `Data.columns`: kind, first row of the weights, number of rows, place in a sample's codes."""

FORWARD, UPDATE = range(2)
"""Places in `Net.encoded`."""

PARALLEL_ADDS = 2_500_000
"""Vector operations times lanes below which a stage is not worth waking threads for."""


def columns_of(n_dense: int, n_bins: list[int], n_levels: list[int]) -> np.ndarray:
    """Return the table of columns, (n, 4) int64, of an input with D dense values, P numbers and C categories.

    Examples
    --------
    >>> columns_of(7, [16], [3]).tolist()
    [[0, 6, 1, 6], [1, 7, 16, 0], [2, 23, 3, 1]]
    """
    rows = [(TAIL, column, 1, column) for column in range(n_dense - n_dense % TILE_ROWS, n_dense)]
    first = n_dense
    for place, width in enumerate([*n_bins, *n_levels]):
        rows.append((NUMBER if place < len(n_bins) else LEVEL, first, width, place))
        first += width
    return np.array(rows, np.int64).reshape(-1, 4)


@kernel
def _layer(net: Net, data: Data, work: Work) -> Layer:
    return Layer(net.table, net.layers[0], address_of(work.params), work.scratch, address_of(data.identity))


@kernel
def _add_up(data: Data, work: Work, row: np.ndarray) -> None:
    """Write to `sums`, for every row of a number, the sum of that number's rows before it."""
    ld = 4 * row[LDW]
    first = 4 * row[W] + data.dense * ld
    w, sums = address_of(work.params) + first, address_of(work.sums)
    for c in range(data.columns.shape[0]):
        if data.columns[c, KIND] != NUMBER:
            continue
        begin = (data.columns[c, FIRST] - data.dense) * ld
        for column in range(0, 4 * row[N_OUT], LANE_BYTES):
            here = begin + column
            total = splat(np.float32(0.0))
            for _ in range(data.columns[c, WIDTH]):
                store_vector(total, sums + here)
                total = total + load_vector(w + here)
                here += ld


@kernel
def _codes(data: Data, work: Work, row: np.ndarray, rows: int) -> Codes:
    n_numbers = data.fractions.shape[1]
    return Codes(
        rows, address_of(data.places), address_of(data.fractions), n_numbers, data.places.shape[1] - n_numbers,
        row[N_IN], address_of(work.sums) - data.dense * 4 * row[LDW],
    )  # fmt: skip


@kernel
def _forward_share(layer: Layer, share: Share, dense: int, x: Rows, codes: Codes, y: Matrix, end: End) -> None:
    """Compute a share of the rows of y (B, O): the dense inputs, then the columns."""
    row = layer.row
    if dense > 0:
        linear = End(LINEAR, end.active, end.keep, end.ld, end.scale)
        forward_rows(layer, share, dense, x, no_lists(), y, linear, Curve(np.int64(0), np.int64(0), np.int64(0)))
    column, mask = np.int64(0), np.int64(0)
    for p in range(row[PANELS + 3 * FORWARD_ENCODED]):
        vectors = panel_width(row, FORWARD_ENCODED, p)
        invoke(
            layer.table[FORWARD_ENCODED, vectors], Span(share.first, share.last),
            Codes(codes.rows, codes.places, codes.fractions, codes.n_numbers, codes.n_levels, codes.n_inputs,
                  codes.sums + column),
            dense, Matrix(layer.params + 4 * row[W] + column, y.ld), layer.params + 4 * row[B] + column,
            Matrix(y.at + column, y.ld), end_at(end, mask, end.kind),
        )  # fmt: skip
        column += vectors * LANE_BYTES
        mask += vectors * MASK_BYTES


def _forward_shares(layer: Layer, n_rows: int, dense: int, x: Rows, codes: Codes, y: Matrix, end: End) -> None:
    _forward_share(layer, everything(layer, n_rows), dense, x, codes, y, end)


def _forward_shares_parallel(layer: Layer, n_rows: int, dense: int, x: Rows, codes: Codes, y: Matrix, end: End) -> None:
    terms = dense + 2 * codes.n_numbers + codes.n_levels
    n_blocks = layer.scratch.shape[0]
    if n_rows * terms * layer.row[N_OUT] < PARALLEL_ADDS or n_blocks == 1:
        _forward_share(layer, everything(layer, n_rows), dense, x, codes, y, end)
        return
    for block in prange(n_blocks):
        _forward_share(layer, share_of(layer, n_rows, np.int64(block), n_blocks), dense, x, codes, y, end)


forward_shares = kernel(_forward_shares)
forward_shares_parallel = parallel_kernel(_forward_shares_parallel)


def _forward(c: int, rows: int, n_rows: int, step: int, end: End, curve: Curve) -> None:
    """Compute the outputs of the first layer for `n_rows` samples; see `step._forward`."""
    net, data, work = open_net(c), open_data(c), open_work(c)
    layer = _layer(net, data, work)
    row = layer.row
    if step >= 0 or work.state[SUMMED] == 0.0:
        _add_up(data, work, row)
        work.state[SUMMED] = 1.0
    y = Matrix(address_of(work.floats) + 4 * row[Y], 4 * row[LDW])
    x = Rows(rows, address_of(data.x), 4 * data.x.shape[1])
    forward_shares(layer, n_rows, data.dense, x, _codes(data, work, row, rows), y, end)
    if curve.stage != 0:
        span = Span(np.int64(0), n_rows)
        invoke(curve.stage, span, row[N_OUT], y, curve.slopes, curve.keep, end.ld, end.scale)


@kernel
def _sort(data: Data, work: Work, thread: int, column: int, rows: int, n_rows: int) -> Sorted:
    """Sort the samples of a batch by their row of a column, in a thread's memory, those of a row in their order."""
    begins, samples = address_of(work.buckets[thread]), address_of(work.bucket_samples[thread])
    values = address_of(work.bucket_values[thread])
    kind, first, width = data.columns[column, KIND], data.columns[column, FIRST], data.columns[column, WIDTH]
    place = data.columns[column, PLACE]
    if kind == TAIL:
        store_i64(begins, np.int64(0))
        store_i64(begins + 8, n_rows)
        for r in range(n_rows):
            store_u32(samples + 4 * r, r)
            store_f32(values + 8 * r, np.float32(0.0))
            store_f32(values + 8 * r + 4, data.x[load_i64(rows + 8 * r), place])
        return Sorted(begins, samples, values, np.int64(0))
    for t in range(width + 3):
        store_i64(begins + 8 * t, np.int64(0))
    codes, ld = address_of(data.places) + 4 * place, 4 * data.places.shape[1]
    for r in range(n_rows):
        t = min(load_u32(codes + load_i64(rows + 8 * r) * ld) - first, width)
        store_i64(begins + 8 * (t + 2), load_i64(begins + 8 * (t + 2)) + 1)
    for t in range(2, width + 2):
        store_i64(begins + 8 * t, load_i64(begins + 8 * t) + load_i64(begins + 8 * (t - 1)))
    for r in range(n_rows):
        sample = load_i64(rows + 8 * r)
        t = min(load_u32(codes + sample * ld) - first, width)
        p = load_i64(begins + 8 * (t + 1))
        store_i64(begins + 8 * (t + 1), p + 1)
        store_u32(samples + 4 * p, r)
        store_f32(values + 8 * p, np.float32(1.0))
        store_f32(values + 8 * p + 4, data.fractions[sample, place] if kind == NUMBER else np.float32(1.0))
    return Sorted(begins, samples, values, np.int64(kind == NUMBER))


@kernel
def _update_column(
    layer: Layer, data: Data, work: Work, column: int, thread: int, batch: Span, dy: Matrix, rule: Rule
) -> None:
    """Update the rows of w that belong to a column; `batch` holds the address of the samples' numbers, and B."""
    row = layer.row
    x = _sort(data, work, thread, column, batch.first, batch.last)
    w = layer.params + 4 * row[W] + data.columns[column, FIRST] * dy.ld
    scratch = address_of(layer.scratch) + thread * 4 * layer.scratch.shape[1]
    at = np.int64(0)
    for p in range(row[PANELS + 3 * WEIGHT_GRADIENT_ENCODED]):
        vectors = panel_width(row, WEIGHT_GRADIENT_ENCODED, p)
        invoke(
            layer.table[WEIGHT_GRADIENT_ENCODED, vectors], data.columns[column, WIDTH], x, Matrix(dy.at + at, dy.ld),
            Matrix(w + at, dy.ld), rule, scratch,
        )  # fmt: skip
        at += vectors * LANE_BYTES


def _update_columns(layer: Layer, data: Data, work: Work, batch: Span, dy: Matrix, rule: Rule) -> None:
    for column in range(data.columns.shape[0]):
        _update_column(layer, data, work, column, np.int64(0), batch, dy, rule)


def _update_columns_parallel(layer: Layer, data: Data, work: Work, batch: Span, dy: Matrix, rule: Rule) -> None:
    n_columns, n_threads = data.columns.shape[0], layer.scratch.shape[0]
    if n_threads == 1 or batch.last * n_columns * layer.row[N_OUT] < PARALLEL_ADDS:
        for column in range(n_columns):
            _update_column(layer, data, work, column, np.int64(0), batch, dy, rule)
        return
    for t in prange(n_threads):
        thread = np.int64(t)
        for column in range(n_columns * thread // n_threads, n_columns * (thread + 1) // n_threads):
            _update_column(layer, data, work, column, thread, batch, dy, rule)


update_columns = kernel(_update_columns)
update_columns_parallel = parallel_kernel(_update_columns_parallel)


def _update(c: int, rows: int, n_rows: int, dy: Matrix, rule: Rule) -> None:
    """Update the weights of the first layer; see `step._backward`."""
    net, data, work = open_net(c), open_data(c), open_work(c)
    layer = _layer(net, data, work)
    whole = np.int64(data.dense - data.dense % TILE_ROWS)
    if whole > 0:
        x = Rows(rows, address_of(data.x), 4 * data.x.shape[1])
        update_rows(layer, everything(layer, whole), n_rows, x, dy, rule)
    update_columns(layer, data, work, Span(rows, n_rows), dy, rule)
    work.state[SUMMED] = 0.0


_SOURCES: tuple[tuple[Any, Any], ...] = (
    (signature(int, int, int, int, End, Curve), _forward),
    (signature(int, int, int, Matrix, Rule), _update),
)
_PARALLEL = {"forward_shares": forward_shares_parallel, "update_columns": update_columns_parallel}
_COMPILED: dict[bool, list[Any]] = {}


@one_at_a_time
def stages(parallel: bool = False) -> np.ndarray:
    """Compile the stages of the first layer of a table, once, and return their addresses, (2,) int64."""
    if parallel not in _COMPILED:
        sources = _SOURCES
        if parallel:
            _jit.start_threads()
            sources = tuple((kind, _jit.with_names(source, _PARALLEL)) for kind, source in _SOURCES)
        variant = "parallel" if parallel else "stage"
        _COMPILED[parallel] = [_jit.micro(kind, source, variant) for kind, source in sources]
    return np.array([one.address for one in _COMPILED[parallel]], np.int64)
