"""The first layer of sparse data: compressed sparse rows are never written out.

A batch has values of a few thousand of F features, and only the weights of those are needed to compute its outputs.
Their gradients are sums over the values, but most update rules move the others too: by weight decay, by momentum. Such
weights wait: before a batch that has their feature, and at the end of the epoch, they make the steps that have passed,
one after the other, with the hyperparameters of each. So every weight makes the steps that it would make in a dense
product, to the last bit, but is read and written once for many of them.

Every output is one chain over the values of its sample in the order of the features, every gradient one over the
samples in their order. Bits depend neither on lanes nor on threads, which divide samples and features.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import prange, types

from fastnet.kernels import _jit
from fastnet.kernels._jit import kernel, one_at_a_time, parallel_kernel
from fastnet.kernels.affine import Share, end_at, everything, layer_of, panel_width, share_of
from fastnet.kernels.context import Data, Net, Work, open_data, open_net, open_work
from fastnet.kernels.host import LANE_BYTES, MASK_BYTES
from fastnet.kernels.layout import LDW, N_IN, N_OUT, PANELS, B, W, Y
from fastnet.kernels.memory import address_of, invoke, load_f32, load_i64, load_u32, store_f32, store_u32
from fastnet.kernels.operands import Curve, End, Entries, Gathered, Layer, Matrix, Rule, Span, signature
from fastnet.kernels.panels import FORWARD_ENTRIES, WEIGHT_GRADIENT_ENTRIES
from fastnet.kernels.tile import load_row, store_sgd, zeros
from fastnet.kernels.update import IDLE, N_HYPER

HISTORY = 64
"""Passed steps after which all weights make them: their hyperparameters are kept until then."""

BEGINS, SAMPLES, VALUES = 1, 2, 3
"""Rows of a thread's part of `Work.gathered`; the features are in the first."""

_TOGETHER = 4
"""Logarithm of the number of neighbouring features that one thread takes: their entries share a cache line."""

PARALLEL_ADDS = 2_500_000
"""Multiply-adds of a batch, or weights that wait, below which a stage is not worth waking threads for."""


@kernel
def _entries(data: Data, rows: int) -> Entries:
    """Return the samples with these numbers."""
    return Entries(rows, address_of(data.entry_starts), address_of(data.entry_columns), address_of(data.entries))


@kernel
def _is_mine(feature: int, thread: int, n_threads: int) -> bool:
    return (feature >> _TOGETHER) % n_threads == thread


class Wait(NamedTuple):
    """What the weights of features need that make steps later; see `_catch_up`."""

    w: int  # address of the first feature's
    ld: int  # bytes from one feature to the next
    update: int  # that of `operands.Rule`
    waiting: int  # `Net.waiting`
    offset: int
    history: int  # address of `Work.history`
    nothing: int  # address of `Work.nothing`
    steps: int  # address of `Work.steps`
    passed: int


@kernel
def _wait(net: Net, work: Work) -> Wait:
    row = net.layers[0]
    return Wait(
        address_of(work.params) + 4 * row[W], 4 * row[LDW], net.update, net.waiting, 4 * work.params.shape[1],
        address_of(work.history), address_of(work.nothing), address_of(work.steps), work.passed[0],
    )  # fmt: skip


@kernel
def _catch_up(by: Wait, feature: int, made: int) -> None:
    """Let the weights of a feature, which have made some of the passed steps, make the others."""
    w, first = by.w + feature * by.ld, by.history + 4 * N_HYPER * made
    if by.waiting != 0:
        invoke(by.waiting, by.passed - made, by.ld // 4, w, by.offset, first)
    else:
        for hyper in range(first, by.history + 4 * N_HYPER * by.passed, 4 * N_HYPER):
            if by.update != 0:
                invoke(by.update, 1, by.ld // 4, by.nothing, 0, w, by.ld, by.offset, hyper)
                continue
            for at in range(0, by.ld, LANE_BYTES):
                none = load_row(zeros(1, 1), by.nothing + at)
                store_sgd(none, w + at, by.ld, load_f32(hyper), load_f32(hyper + 4))
    store_u32(by.steps + 4 * feature, by.passed)


@kernel
def _catch_up_batch(by: Wait, x: Entries, n_rows: int, thread: int, n_threads: int) -> None:
    """Bring the weights of a thread's features of a batch up to date."""
    for r in range(n_rows):
        starts = x.starts + 8 * load_i64(x.rows + 8 * r)
        for p in range(load_i64(starts), load_i64(starts + 8)):
            feature = load_u32(x.columns + 4 * p)
            made = load_u32(by.steps + 4 * feature)
            if made < by.passed and _is_mine(feature, thread, n_threads):
                _catch_up(by, feature, made)


@kernel
def _forward_share(layer: Layer, share: Share, x: Entries, y: Matrix, end: End) -> None:
    """Compute a share of the rows of y (B, O)."""
    row = layer.row
    column, mask = np.int64(0), np.int64(0)
    for p in range(row[PANELS + 3 * FORWARD_ENTRIES]):
        vectors = panel_width(row, FORWARD_ENTRIES, p)
        invoke(
            layer.table[FORWARD_ENTRIES, vectors], Span(share.first, share.last), x,
            Matrix(layer.params + 4 * row[W] + column, y.ld), layer.params + 4 * row[B] + column,
            Matrix(y.at + column, y.ld), end_at(end, mask, end.kind),
        )  # fmt: skip
        column += vectors * LANE_BYTES
        mask += vectors * MASK_BYTES


@kernel
def _n_values(data: Data, n_rows: int) -> int:
    """Return about how many values a batch has."""
    return data.entries.shape[0] * n_rows // max(data.entry_starts.shape[0] - 1, 1)


def _forward_batch(layer: Layer, data: Data, by: Wait, x: Entries, n_rows: int, y: Matrix, end: End) -> None:
    if by.passed > 0:
        _catch_up_batch(by, x, n_rows, np.int64(0), np.int64(1))
    _forward_share(layer, everything(layer, n_rows), x, y, end)


def _forward_batch_parallel(layer: Layer, data: Data, by: Wait, x: Entries, n_rows: int, y: Matrix, end: End) -> None:
    n_threads = layer.scratch.shape[0]
    adds = _n_values(data, n_rows) * layer.row[N_OUT]
    if by.passed > 0:
        if layer.row[N_IN] * layer.row[N_OUT] < PARALLEL_ADDS or n_threads == 1:
            _catch_up_batch(by, x, n_rows, np.int64(0), np.int64(1))
        else:
            for t in prange(n_threads):
                _catch_up_batch(by, x, n_rows, np.int64(t), n_threads)
    if adds < PARALLEL_ADDS or n_threads == 1:
        _forward_share(layer, everything(layer, n_rows), x, y, end)
        return
    for block in prange(n_threads):
        _forward_share(layer, share_of(layer, n_rows, np.int64(block), n_threads), x, y, end)


forward_batch = kernel(_forward_batch)
forward_batch_parallel = parallel_kernel(_forward_batch_parallel)


def _forward(c: int, rows: int, n_rows: int, end: End, curve: Curve) -> None:
    """Compute the outputs of the first layer for `n_rows` samples; see `step._forward`."""
    net, data, work = open_net(c), open_data(c), open_work(c)
    layer = layer_of(net, data, work, np.int64(0))
    row = layer.row
    y = Matrix(address_of(work.floats) + 4 * row[Y], 4 * row[LDW])
    forward_batch(layer, data, _wait(net, work), _entries(data, rows), n_rows, y, end)
    if curve.stage != 0:
        span = Span(np.int64(0), n_rows)
        invoke(curve.stage, span, row[N_OUT], y, curve.slopes, curve.keep, end.ld, end.scale)


@kernel
def _gathered(work: Work, thread: int) -> Gathered:
    """Return a thread's memory for the values of a batch by feature."""
    part, ld = address_of(work.gathered[thread]), 4 * work.gathered.shape[2]
    return Gathered(part, part + BEGINS * ld, part + SAMPLES * ld, part + VALUES * ld)


@kernel
def _gather(work: Work, x: Entries, n_rows: int, batch: Gathered, thread: int, n_threads: int) -> int:
    """Gather the values of a batch by feature, those of a thread's features; return the number of these.

    The values of a feature are in the order of their samples. Work and memory grow with the values, not the features.
    """
    heads, n_features = address_of(work.heads), np.int64(0)
    for r in range(n_rows):
        starts = x.starts + 8 * load_i64(x.rows + 8 * r)
        for p in range(load_i64(starts), load_i64(starts + 8)):
            feature = load_u32(x.columns + 4 * p)
            if _is_mine(feature, thread, n_threads):
                count = load_u32(heads + 4 * feature)
                if count == 0:
                    store_u32(batch.columns + 4 * n_features, feature)
                    n_features += 1
                store_u32(heads + 4 * feature, count + 1)
    total = np.int64(0)
    for c in range(n_features):
        head = heads + 4 * load_u32(batch.columns + 4 * c)
        count = load_u32(head)
        store_u32(batch.begins + 4 * c, total)
        store_u32(head, total)
        total += count
    store_u32(batch.begins + 4 * n_features, total)
    for r in range(n_rows):
        starts = x.starts + 8 * load_i64(x.rows + 8 * r)
        for p in range(load_i64(starts), load_i64(starts + 8)):
            feature = load_u32(x.columns + 4 * p)
            if _is_mine(feature, thread, n_threads):
                place = load_u32(heads + 4 * feature)
                store_u32(heads + 4 * feature, place + 1)
                store_u32(batch.samples + 4 * place, r)
                store_f32(batch.values + 4 * place, load_f32(x.values + 4 * p))
    return n_features


@kernel
def _update_some(
    layer: Layer, work: Work, x: Entries, n_rows: int, dy: Matrix, rule: Rule, thread: int, n_threads: int
) -> None:
    """Update the weights of a thread's features of a batch; they have then made one step more than has passed."""
    row = layer.row
    batch = _gathered(work, thread)
    n_features = _gather(work, x, n_rows, batch, thread, n_threads)
    scratch = address_of(layer.scratch) + thread * 4 * layer.scratch.shape[1]
    at = np.int64(0)
    for p in range(row[PANELS + 3 * WEIGHT_GRADIENT_ENTRIES]):
        vectors = panel_width(row, WEIGHT_GRADIENT_ENTRIES, p)
        invoke(
            layer.table[WEIGHT_GRADIENT_ENTRIES, vectors], n_features, batch, Matrix(dy.at + at, dy.ld),
            Matrix(layer.params + 4 * row[W] + at, dy.ld), rule, scratch,
        )  # fmt: skip
        at += vectors * LANE_BYTES
    made = work.passed[0] + np.int64(not _is_idle(rule))
    for c in range(n_features):
        feature = load_u32(batch.columns + 4 * c)
        work.heads[feature] = 0
        work.steps[feature] = made


@kernel
def _is_idle(rule: Rule) -> bool:
    """Whether a step leaves the weights of other features as they are."""
    return rule.update == 0 and load_f32(rule.hyper + 4 * IDLE) > 0


def _update_batch(layer: Layer, data: Data, work: Work, x: Entries, n_rows: int, dy: Matrix, rule: Rule) -> None:
    _update_some(layer, work, x, n_rows, dy, rule, np.int64(0), np.int64(1))


def _update_batch_parallel(
    layer: Layer, data: Data, work: Work, x: Entries, n_rows: int, dy: Matrix, rule: Rule
) -> None:
    n_threads = layer.scratch.shape[0]
    if _n_values(data, n_rows) * layer.row[N_OUT] < PARALLEL_ADDS // 8 or n_threads == 1:
        _update_some(layer, work, x, n_rows, dy, rule, np.int64(0), np.int64(1))
        return
    for t in prange(n_threads):
        _update_some(layer, work, x, n_rows, dy, rule, np.int64(t), n_threads)


@kernel
def _finish_some(by: Wait, features: Span) -> None:
    """Bring the weights of some features up to date; no step has passed then."""
    for feature in range(features.first, features.last):
        made = load_u32(by.steps + 4 * feature)
        if made < by.passed:
            _catch_up(by, feature, made)
        store_u32(by.steps + 4 * feature, np.int64(0))


def _finish_rows(layer: Layer, by: Wait) -> None:
    _finish_some(by, Span(np.int64(0), layer.row[N_IN]))


def _finish_rows_parallel(layer: Layer, by: Wait) -> None:
    n_features, n_threads = layer.row[N_IN], layer.scratch.shape[0]
    if n_features * layer.row[N_OUT] * by.passed < PARALLEL_ADDS or n_threads == 1:
        _finish_some(by, Span(np.int64(0), n_features))
        return
    for t in prange(n_threads):
        thread = np.int64(t)
        _finish_some(by, Span(n_features * thread // n_threads, n_features * (thread + 1) // n_threads))


update_batch = kernel(_update_batch)
update_batch_parallel = parallel_kernel(_update_batch_parallel)
finish_rows = kernel(_finish_rows)
finish_rows_parallel = parallel_kernel(_finish_rows_parallel)


def _update(c: int, rows: int, n_rows: int, dy: Matrix, rule: Rule) -> None:
    """Update the weights of the first layer; see `step._backward`."""
    net, data, work = open_net(c), open_data(c), open_work(c)
    layer = layer_of(net, data, work, np.int64(0))
    update_batch(layer, data, work, _entries(data, rows), n_rows, dy, rule)
    if _is_idle(rule):
        return
    for k in range(N_HYPER):
        work.history[work.passed[0], k] = work.hyper[0, k]
    work.passed[0] += 1
    if work.passed[0] == work.history.shape[0]:
        finish_rows(layer, _wait(net, work))
        work.passed[0] = 0


def _finish(c: int) -> None:
    """Bring all weights up to date at the end of an epoch."""
    net, data, work = open_net(c), open_data(c), open_work(c)
    if work.passed[0] > 0:
        finish_rows(layer_of(net, data, work, np.int64(0)), _wait(net, work))
        work.passed[0] = 0


_SOURCES: tuple[tuple[Any, Any], ...] = (
    (signature(int, int, int, End, Curve), _forward),
    (signature(int, int, int, Matrix, Rule), _update),
    (types.void(types.int64), _finish),
)
_PARALLEL = {
    "forward_batch": forward_batch_parallel,
    "update_batch": update_batch_parallel,
    "finish_rows": finish_rows_parallel,
}
_COMPILED: dict[bool, list[Any]] = {}


@one_at_a_time
def stages(parallel: bool = False) -> np.ndarray:
    """Compile the stages of the first layer of sparse data, once, and return their addresses, (3,) int64."""
    if parallel not in _COMPILED:
        _COMPILED[parallel] = _jit.stages(_SOURCES, _PARALLEL if parallel else {})
    return np.array([one.address for one in _COMPILED[parallel]], np.int64)
