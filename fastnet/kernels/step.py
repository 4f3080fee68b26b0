"""The stages of training: forward, backward with update, epoch, evaluation; the order of the kernels, no arithmetic.

Each stage is compiled once and takes the address of a `context`; they call each other through `Net.stages`, where the
forward and backward stages are either the serial ones (trials of a pack) or the parallel ones (one large network).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from fastnet.kernels import _jit
from fastnet.kernels._jit import kernel, one_at_a_time
from fastnet.kernels.activation import APPLY, MULTIPLY
from fastnet.kernels.affine import (
    affine_forward,
    affine_forward_parallel,
    input_gradient,
    input_gradient_parallel,
    layer_of,
    no_lists,
    transpose,
    weight_update,
    weight_update_listed,
    weight_update_listed_parallel,
    weight_update_parallel,
)
from fastnet.kernels.bias import bias_update
from fastnet.kernels.context import (
    FIRST_FINISH,
    FIRST_FORWARD,
    FIRST_UPDATE,
    FOLD,
    LOSS,
    POWER2,
    READY_EPOCH,
    READY_LOSS,
    SCALE,
    SCORE,
    SPREAD,
    START_LOSS,
    SUMMED,
    THRESHOLD,
    TRAIN_SCALE,
    Data,
    Trial,
    Work,
    open_data,
    open_net,
    open_trial,
    open_work,
)
from fastnet.kernels.dropout import Draw, keep_bits
from fastnet.kernels.host import TILE_ROWS
from fastnet.kernels.layout import (
    ACTIVE,
    CAPACITY,
    GRADIENT,
    GRADIENT_SIZE,
    KEEP,
    LD_ACTIVE,
    LDW,
    LIST_BLOCK,
    LISTS,
    MARKS,
    MIN_LISTED,
    MIN_UNITS,
    N_BLOCKS,
    N_IN,
    N_OUT,
    SLOPES,
    TRANSPOSED,
    Y,
)
from fastnet.kernels.memory import address_of, invoke, invoke_f64, load_shared, rows_at
from fastnet.kernels.objective import LOSS_ONLY, WITH_GRADIENT
from fastnet.kernels.operands import Curve, End, Lists, Matrix, Pairs, Rows, Rule
from fastnet.kernels.rng import shuffle
from fastnet.kernels.sparsity import INPUT_BLOCK, MAX_ACTIVE, list_active
from fastnet.kernels.tile import LINEAR, RELU, RELU_KEPT
from fastnet.kernels.update import begin_step

PENDING, DONE, DIVERGED, STOPPED, PAUSED = 0, 1, 2, 3, 4
"""How a trial stands; `PAUSED` has more epochs to train in a later call."""

DIVERGENCE = 1e3
"""A trial has diverged when a batch's loss is not a number or exceeds that of its first batch by this factor.

The loss of numbers may be near zero in a first batch of few samples, by chance, and so may that of weighted samples; it
counts as `Net.least_start` then."""

LARGEST = float(np.finfo(np.float32).max)
"""A trial has diverged, too, when a loss or score of an epoch is not a finite float32, which curves are made of."""

FORWARD, BACKWARD, TRAIN_EPOCH, EVALUATE = range(4)
"""Places in `Net.stages`."""
N_STAGES = 4

TRAINING, VALIDATION, AHEAD = (_jit.typed(part) for part in range(3))
"""Parts that `EVALUATE` takes."""

EXACT, RUNNING, NONE = (_jit.typed(kind) for kind in range(3))
"""Scores of the training samples: measured after every epoch; the mean over the epoch's batches as they were met; none.
Measuring them takes a fifth to a third of the time of an epoch."""

EVALUATION = -1
"""Step number that means evaluation: no dropout, evaluation's scale."""


def _forward(c: int, rows: int, n_rows: int, step: int) -> None:
    """Fill every layer's outputs Y for `n_rows` samples, whose numbers are at the address `rows`.

    With several heads, all but the first layer's sums have as many rows for each.
    """
    net = open_net(c)
    data = open_data(c)
    work = open_work(c)
    trial = open_trial(c)
    last = net.layers.shape[0] - 1
    base, bits = address_of(work.floats), address_of(work.bits)
    keep = net.offsets[KEEP]
    x, lists = Rows(rows, address_of(data.x), 4 * data.x.shape[1]), no_lists()
    if data.sparse == 1:
        x, lists = Rows(rows, address_of(data.input_values), np.int64(0)), _input_lists(data)
    n_samples, n_rows = n_rows, n_rows * net.signs.shape[0]
    for place in range(last + 1):
        layer = layer_of(net, data, work, place)
        row = layer.row
        kind = RELU if place < last else LINEAR
        scale = np.float32(work.dropout[place, SCALE if step == EVALUATION else TRAIN_SCALE])
        threshold = np.int64(work.dropout[place, THRESHOLD])
        if kind == RELU and step != EVALUATION and threshold > 0:
            kind = RELU_KEPT
            draw = Draw(trial.seed, trial.stream, place, step)
            keep_bits(draw, n_rows, row[N_OUT], threshold, row[LD_ACTIVE], work.bits[keep:])
        curve = Curve(np.int64(0), np.int64(0), np.int64(0))
        if place < last and net.activation[APPLY] != 0:
            slopes = np.int64(0) if step == EVALUATION else base + 4 * (net.offsets[SLOPES] + row[Y])
            curve = Curve(net.activation[APPLY], slopes, bits + keep if kind == RELU_KEPT else np.int64(0))
            kind = LINEAR
        y = Matrix(base + 4 * row[Y], 4 * row[LDW])
        end = End(kind, bits + row[ACTIVE], bits + keep, row[LD_ACTIVE], scale)
        spread = net.several[SPREAD] if place == 0 else np.int64(0)
        sums_end, sums_curve = end, curve
        if spread != 0:
            sums_end = End(np.int64(LINEAR), end.active, end.keep, end.ld, end.scale)
            sums_curve = Curve(np.int64(0), np.int64(0), np.int64(0))
        if place == 0 and net.first[FIRST_FORWARD] != 0:
            invoke(net.first[FIRST_FORWARD], c, rows, n_samples, sums_end, sums_curve)
        else:
            affine_forward(layer, n_samples if place == 0 else n_rows, x, lists, y, sums_end, sums_curve)
        if spread != 0:
            invoke(spread, c, n_samples, y, end, curve)
        x = Rows(layer.identity, y.at, y.ld)
        if place < last:
            listed = net.hidden_lists == 1 and row[N_OUT] >= MIN_UNITS
            work.listed[place] = listed and _list_outputs(row, n_rows, work)
            lists = _output_lists(row, work, place, net.layers[place + 1, N_OUT])


@kernel
def _input_lists(data: Data) -> Lists:
    starts = address_of(data.input_starts)
    n_blocks = (data.input_starts.shape[0] - 1) // data.x.shape[0]
    return Lists(address_of(data.input_lists), starts, starts + 8, n_blocks, np.int64(INPUT_BLOCK), np.int64(1))


@kernel
def _output_lists(row: np.ndarray, work: Work, layer: int, n_columns: int) -> Lists:
    """Return the lists of a hidden layer's active outputs, empty if a product of `n_columns` is better dense."""
    marks = 8 * row[MARKS]
    listed = work.listed[layer] == 1 and n_columns >= MIN_LISTED
    return Lists(
        address_of(work.lists) + row[LISTS], address_of(work.begins) + marks, address_of(work.ends) + marks,
        row[N_BLOCKS] if listed else np.int64(0), np.int64(LIST_BLOCK), np.int64(0),
    )  # fmt: skip


@kernel
def _list_outputs(row: np.ndarray, n_rows: int, work: Work) -> bool:
    """List a hidden layer's active outputs; return whether they are few enough for the lists to pay."""
    n_active = list_active(
        work.bits[row[ACTIVE] :], row[LD_ACTIVE], n_rows, row[CAPACITY], row[N_BLOCKS], work.lists[row[LISTS] :],
        work.begins[row[MARKS] :], work.ends[row[MARKS] :],
    )  # fmt: skip
    return n_active <= MAX_ACTIVE * (n_rows * row[N_OUT])


def _backward(c: int, rows: int, n_rows: int) -> None:
    """Carry the outputs' gradient down and update every layer; each input gradient is computed before its update."""
    net = open_net(c)
    data = open_data(c)
    work = open_work(c)
    last = net.layers.shape[0] - 1
    base = address_of(work.floats)
    at = base + 4 * net.offsets[GRADIENT]
    next_at = at + 4 * net.offsets[GRADIENT_SIZE]
    offset, hyper = 4 * work.params.shape[1], address_of(work.hyper)
    weight_rule = Rule(net.update, offset, hyper)
    bias_rule = Rule(net.update, offset, hyper + 4 * work.hyper.shape[1])
    n_samples, n_rows = n_rows, n_rows * net.signs.shape[0]
    for place in range(last, -1, -1):
        layer = layer_of(net, data, work, place)
        row = layer.row
        dy = Matrix(at, 4 * row[LDW])
        if place == 0:
            n_rows = n_samples
            if net.several[FOLD] != 0:
                invoke(net.several[FOLD], c, n_samples, dy)
        x = Rows(rows, address_of(data.x), 4 * data.x.shape[1])
        if place > 0:
            below = net.layers[place - 1]
            x = Rows(layer.identity, base + 4 * below[Y], 4 * below[LDW])
            wt = Matrix(base + 4 * net.offsets[TRANSPOSED], x.ld)
            transpose(layer, wt)
            input_gradient(
                layer, n_rows, dy, _output_lists(row, work, place, row[N_IN]) if place < last else no_lists(), wt,
                Matrix(next_at, x.ld),
                End(
                    RELU, address_of(work.bits) + below[ACTIVE], np.int64(0), below[LD_ACTIVE],
                    np.float32(work.dropout[place - 1, TRAIN_SCALE]),
                ),
                Curve(net.activation[MULTIPLY], base + 4 * (net.offsets[SLOPES] + below[Y]), np.int64(0)),
            )  # fmt: skip
        if place == 0 and net.first[FIRST_UPDATE] != 0:
            invoke(net.first[FIRST_UPDATE], c, rows, n_rows, dy, weight_rule)
        elif place > 0 or data.sparse == 0:
            weight_update(layer, n_rows, x, dy, weight_rule)
        else:
            pairs = Pairs(
                rows_at(rows, n_rows), data.pair_lists, data.pair_values, data.pair_starts, work.samples,
                work.sample_values, work.counts,
            )  # fmt: skip
            weight_update_listed(layer, pairs, dy, weight_rule)
        bias_update(layer, n_rows, dy, bias_rule)
        at, next_at = next_at, at


@kernel
def _order_epoch(data: Data, work: Work, trial: Trial, epoch: int) -> None:
    """Put the training rows in the order of an epoch."""
    n_train = data.train_rows.shape[0] - TILE_ROWS
    for r in range(work.order.shape[0]):  # a slice assignment would compile its error message: 10 s
        work.order[r] = data.train_rows[r]
    shuffle(trial.seed, trial.stream, epoch, work.order[:n_train])


def _train_epoch(c: int, epoch: int, stop: int) -> int:
    """Train one epoch in shuffled order; return the status.

    The means of the losses and scores met on the way are left in `LOSS` and `SCORE`; the score lacks a first batch that
    has gone forward already.

    stop  address of an int64 that is read before every step: non-zero ends the epoch at once as `STOPPED`
    """
    net = open_net(c)
    data = open_data(c)
    work = open_work(c)
    trial = open_trial(c)
    n_train = data.train_rows.shape[0] - TILE_ROWS
    work.state[SUMMED] = 0.0
    ready = work.state[READY_EPOCH] == epoch
    if not ready:
        _order_epoch(data, work, trial, epoch)
    n_steps = (n_train + net.batch_size - 1) // net.batch_size
    total, scored, status = 0.0, 0.0, np.int64(DONE)
    for s in range(n_steps):
        if load_shared(stop) != 0:
            status = np.int64(STOPPED)
            break
        n_rows = min(net.batch_size, n_train - s * net.batch_size)
        rows = work.order[s * net.batch_size :]
        step = epoch * n_steps + s
        loss = work.state[READY_LOSS]
        if s > 0 or not ready:
            invoke(net.stages[FORWARD], c, address_of(rows), n_rows, step)
            loss = invoke_f64(net.objective, c, address_of(rows), n_rows, WITH_GRADIENT)
            scored += work.state[SCORE]
        if step == 0:
            work.state[START_LOSS] = max(loss / n_rows, net.least_start)
        if not loss / n_rows <= DIVERGENCE * work.state[START_LOSS]:
            status = np.int64(DIVERGED)
            break
        total += loss
        rate = trial.learning_rate
        if trial.scheduler != 0:
            rate = invoke_f64(trial.scheduler, c, step, n_steps)
        begin_step(net.rule, rate, trial.beta1, trial.beta2, work.state[: POWER2 + 1], work.hyper)
        invoke(net.stages[BACKWARD], c, address_of(rows), n_rows)
    if net.first[FIRST_FINISH] != 0:
        invoke(net.first[FIRST_FINISH], c)
    if status == DONE:
        work.state[READY_EPOCH] = -1.0
        work.state[LOSS], work.state[SCORE] = total / n_train, scored / n_train
    return status


def _evaluate(c: int, part: int, stop: int) -> int:
    """Leave mean loss and score in `LOSS` and `SCORE`.

    part  `TRAINING` or `VALIDATION` rows; or `AHEAD` + e: the training rows in the order of epoch e, its first batch
          last and left in the workspace with its gradient, so that `TRAIN_EPOCH` need not compute its forward pass
          again: it has the same weights. Only without dropout. Saves a quarter of the forward work of the book's four
          batches.
    """
    net = open_net(c)
    data = open_data(c)
    work = open_work(c)
    trial = open_trial(c)
    rows = data.validation_rows if part == VALIDATION else data.train_rows
    n_samples = rows.shape[0] - TILE_ROWS
    first = np.int64(0)
    if part >= AHEAD:
        _order_epoch(data, work, trial, part - AHEAD)
        rows, first = work.order, min(net.batch_size, n_samples)
    work.state[LOSS] = work.state[SCORE] = work.state[SUMMED] = 0.0
    for begin in range(first, n_samples, net.block):
        if load_shared(stop) != 0:
            return STOPPED
        n_rows = min(net.block, n_samples - begin)
        some = address_of(rows) + 8 * begin
        invoke(net.stages[FORWARD], c, some, n_rows, EVALUATION)
        invoke_f64(net.objective, c, some, n_rows, LOSS_ONLY)
    loss, score = work.state[LOSS], work.state[SCORE]
    if first > 0:
        # As a step: without dropout that is an evaluation, but one that also leaves the activation's derivatives.
        invoke(net.stages[FORWARD], c, address_of(rows), first, np.int64(0))
        ready = invoke_f64(net.objective, c, address_of(rows), first, WITH_GRADIENT)
        loss += work.state[LOSS]
        score += work.state[SCORE]
        work.state[READY_EPOCH], work.state[READY_LOSS] = np.float64(part - AHEAD), ready
    work.state[LOSS], work.state[SCORE] = loss / n_samples, score / n_samples
    return DONE


_i = types.int64
_SOURCES: tuple[tuple[Any, Any], ...] = (
    (types.void(_i, _i, _i, _i), _forward),
    (types.void(_i, _i, _i), _backward),
    (_i(_i, _i, _i), _train_epoch),
    (_i(_i, _i, _i), _evaluate),
)
_PARALLEL = {
    "affine_forward": affine_forward_parallel,
    "input_gradient": input_gradient_parallel,
    "weight_update": weight_update_parallel,
    "weight_update_listed": weight_update_listed_parallel,
}
_COMPILED: dict[tuple[int, bool], Any] = {}


@one_at_a_time
def stage(which: int, parallel: bool = False) -> int:
    """Compile a stage, once, and return its address; `parallel` only affects `FORWARD` and `BACKWARD`."""
    key = (which, parallel and which in (FORWARD, BACKWARD))
    if key not in _COMPILED:
        signature, source = _SOURCES[which]
        if key[1]:
            _jit.start_threads()
            source = _jit.with_names(source, _PARALLEL)
        _COMPILED[key] = _jit.micro(signature, source, "parallel" if key[1] else "stage")
    return int(_COMPILED[key].address)
