"""Many networks at once: every thread takes the next trial of a pack, trains it, and takes another.

Each trial has its own random stream and hyperparameters. The division over threads does not affect the results, so a
pack gives the same bits on any number of threads.

The trials of a pack may differ in architecture: a thread has a context for every kind of network, all in one piece of
memory, as large as the largest kind needs. They can be trained a few epochs at a time: between two calls, the
parameters of those that continue lie in buffers of the caller (successive halving).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import config, prange, set_num_threads, types

from fastnet.kernels import _jit, threads
from fastnet.kernels._jit import entry, kernel, one_at_a_time, parallel_kernel
from fastnet.kernels.answers import write_answers
from fastnet.kernels.context import (
    FIRST_OF_TRIAL,
    LOSS,
    N_PLACES,
    POWER1,
    POWER2,
    READY_EPOCH,
    SCALE,
    SCORE,
    THRESHOLD,
    TRAIN_SCALE,
    Job,
    open_job,
    open_net,
    open_trial,
    open_work,
)
from fastnet.kernels.heads import mean_of_heads
from fastnet.kernels.host import LANE_BYTES
from fastnet.kernels.layout import LDW, N_IN, N_OUT, W, Y
from fastnet.kernels.memory import address_of, clock, fetch_add, invoke, invoke_i64, load_shared, store_i64
from fastnet.kernels.rng import initial_weights
from fastnet.kernels.step import (
    AHEAD,
    DIVERGED,
    DONE,
    EVALUATE,
    EVALUATION,
    EXACT,
    FORWARD,
    LARGEST,
    NONE,
    PAUSED,
    STOPPED,
    TRAIN_EPOCH,
    TRAINING,
    VALIDATION,
)
from fastnet.kernels.vector import load_vector, store_vector

NEXT, STOP = 0, 1
"""Entries of the control array: the next trial to take, and the request to stop."""


def _initialise(c: int) -> None:
    """Set a network to its initial values: normal weights, zero biases, zero padding, zero optimizer states."""
    net = open_net(c)
    work = open_work(c)
    trial = open_trial(c)
    work.params.fill(np.float32(0.0))
    work.floats.fill(np.float32(0.0))  # contexts of one thread share it: padding must not hold another's outputs
    work.state[POWER1] = work.state[POWER2] = 1.0
    work.state[READY_EPOCH] = -1.0
    for layer in range(net.layers.shape[0]):
        row = net.layers[layer]
        outputs = net.n_outputs if layer == net.layers.shape[0] - 1 else row[N_OUT]
        fan = row[N_IN] + outputs if net.xavier else row[N_IN]
        weights = work.params[0, row[W] :]
        initial_weights(trial.seed, trial.stream, layer, row[N_IN], row[N_OUT], row[LDW], math.sqrt(2.0 / fan), weights)


@kernel
def _without_dropout(dropout: np.ndarray) -> bool:
    plain = True
    for layer in range(dropout.shape[0]):
        plain = plain and dropout[layer, THRESHOLD] == 0 and dropout[layer, SCALE] == dropout[layer, TRAIN_SCALE]
    return plain


@kernel
def _waited_enough(c: int, job: Job, i: int, epoch: int) -> bool:
    """Note whether an epoch of trial `i` is its best, keeping its parameters; return whether its patience is over.

    An epoch that is better by no more than the tolerance is the best one, but does not end the waiting.
    """
    curve = job.curves[i, job.watched]
    best = job.best_epochs[i]
    gain = math.inf if best == 0 else job.better * (np.float64(curve[epoch]) - np.float64(curve[best - 1]))
    job.stalled[i] = 0 if gain > job.tolerance else job.stalled[i] + 1
    if gain > 0.0:
        job.best_epochs[i] = epoch + 1
        if job.best[i] != 0:
            work = open_work(c)
            _copy(address_of(work.params), job.best[i], work.params.shape[1])
    return job.stalled[i] >= job.patience[i]


@kernel
def _copy(source: int, target: int, n_floats: int) -> None:
    for j in range(0, 4 * n_floats, LANE_BYTES):
        store_vector(load_vector(source + j), target + j)


@kernel
def _train(c: int, job: Job, i: int, stop: int) -> int:
    """Train trial `i` of a job from its epoch `first` to `end`; return its status."""
    net = open_net(c)
    work = open_work(c)
    plain, kind = _without_dropout(work.dropout), open_trial(c).train_score
    curves = job.curves[i]
    for epoch in range(job.first, job.end):
        status = invoke_i64(net.stages[TRAIN_EPOCH], c, epoch, stop)
        if status != DONE:
            return status
        loss, score = work.state[LOSS], work.state[SCORE]
        invoke_i64(net.stages[EVALUATE], c, VALIDATION, stop)
        validation_loss, validation_score = work.state[LOSS], work.state[SCORE]
        if kind == EXACT:
            ahead = plain and epoch + 1 < job.end
            invoke_i64(net.stages[EVALUATE], c, AHEAD + epoch + 1 if ahead else TRAINING, stop)
            score = work.state[SCORE]
        elif kind == NONE:
            score = np.nan
        if load_shared(stop) != 0:
            return STOPPED
        # NaN in place of a score that was not measured is no reason; an infinite one is.
        if abs(score) > LARGEST or not (
            abs(loss) <= LARGEST and abs(validation_loss) <= LARGEST and abs(validation_score) <= LARGEST
        ):
            return DIVERGED
        curves[0, epoch], curves[1, epoch] = np.float32(loss), np.float32(score)
        curves[2, epoch], curves[3, epoch] = np.float32(validation_loss), np.float32(validation_score)
        job.epochs_done[i] = epoch + 1
        if job.patience[i] > 0 and _waited_enough(c, job, i, epoch):
            return DONE
    return DONE if job.end == curves.shape[1] else PAUSED


@kernel
def _begin(c: int, job: Job, i: int) -> None:
    """Set the context of a thread to trial `i`: as it was left, or at its initial values."""
    work = open_work(c)
    for place in range(job.trials.shape[1]):
        store_i64(c + 8 * (FIRST_OF_TRIAL + place), job.trials[i, place])
    for row in range(job.hypers.shape[1]):
        for k in range(job.hypers.shape[2]):
            work.hyper[row, k] = job.hypers[i, row, k]
    for layer in range(work.dropout.shape[0]):
        for k in range(work.dropout.shape[1]):
            work.dropout[layer, k] = job.dropouts[i, layer, k]
    if job.first == 0:
        invoke(job.initialise, c)
        return
    for j in range(work.floats.shape[0]):  # other architectures have used it
        work.floats[j] = np.float32(0.0)
    for k in range(work.state.shape[0]):
        work.state[k] = job.states[i, k]
    _copy(job.kept[i], address_of(work.params), work.params.shape[0] * work.params.shape[1])


@kernel
def _leave(c: int, job: Job, i: int) -> None:
    """Save trial `i`, to be continued in a later call or because its parameters are wanted."""
    work = open_work(c)
    for row in range(job.hypers.shape[1]):
        for k in range(job.hypers.shape[2]):
            job.hypers[i, row, k] = work.hyper[row, k]
    for k in range(work.state.shape[0]):
        job.states[i, k] = work.state[k]
    _copy(address_of(work.params), job.kept[i], work.params.shape[0] * work.params.shape[1])


def _work_through(contexts: int, address: int) -> None:
    """Train trials of the job at an address in one thread's contexts until none is left or a stop is requested."""
    job = open_job(address)
    stop = address_of(job.control) + 8 * STOP
    while load_shared(stop) == 0:
        rank = fetch_add(address_of(job.control) + 8 * NEXT, 1)
        if rank >= job.order.shape[0]:
            break
        i = job.order[rank]
        c = contexts + 8 * N_PLACES * job.kinds[i]
        began = clock()
        _begin(c, job, i)
        outcome = _train(c, job, i, stop)
        if outcome == PAUSED or (outcome == DONE and job.kept[i] != 0):
            _leave(c, job, i)
        job.seconds[i] += clock() - began
        job.status[i] = outcome


@parallel_kernel
def train_pack(contexts: np.ndarray, worker: int, job: np.ndarray) -> None:
    """Let every thread work through a job.

    contexts  (threads, kinds, N_PLACES) int64: one context per thread and kind of network; a thread's contexts may
    share
              their workspace
    worker    address from `worker_stage()`      job  from `context.job_row`

    Only the division over threads is compiled as parallel code: with the loop over trials in it, it took 2 seconds of a
    cold start, and 0.6 without.
    """
    for t in prange(contexts.shape[0]):
        first = address_of(contexts) + 8 * N_PLACES * contexts.shape[1] * np.int64(t)
        invoke(worker, first, address_of(job))


@entry
def work_through(contexts: np.ndarray, worker: int, job: np.ndarray) -> None:
    """Let this thread work through a job, in its own row of the contexts of `train_pack`, (kinds, N_PLACES) int64."""
    invoke(worker, address_of(contexts), address_of(job))


def run(contexts: np.ndarray, worker: int, job: np.ndarray) -> None:
    """Work through a job with one thread per row of contexts; the operands are those of `train_pack`."""
    if threads.layer_problem():
        threads.run_each(lambda i: work_through(contexts[i], worker, job), len(contexts))
    else:
        use_threads(len(contexts))
        train_pack(contexts, worker, job)


_COMPILED: dict[Any, Any] = {}


@one_at_a_time
def _compiled(source: Any, n_operands: int) -> int:
    if source not in _COMPILED:
        _COMPILED[source] = _jit.micro(types.void(*[types.int64] * n_operands), source, "stage")
    return int(_COMPILED[source].address)


def initialise_stage() -> int:
    """Compile the stage that sets a context's network to its initial values, once, and return its address."""
    return _compiled(_initialise, 1)


def worker_stage() -> int:
    """Compile what each thread of `train_pack` runs, once, and return its address."""
    return _compiled(_work_through, 2)


@entry
def initialise(address: int, context: np.ndarray) -> None:
    """Set the network of one context to its initial values."""
    invoke(address, address_of(context))


@entry
def run_stage(address: int, context: np.ndarray, first: int, stop: np.ndarray) -> int:
    """Call `TRAIN_EPOCH` (first: the epoch) or `EVALUATE` (first: the part) on one context."""
    return invoke_i64(address, address_of(context), first, address_of(stop))


@entry
def predict_rows(
    context: np.ndarray,
    rows: np.ndarray,
    block: int,
    last: np.ndarray,
    floats: np.ndarray,
    kind: int,
    n_levels: int,
    answers: np.ndarray,
) -> None:
    """Fill (N, O) answers to the samples ``rows[:N]``, in blocks, with the `FORWARD` stage of a context.

    `kind` and `n_levels` are those of `answers.write_answers`.
    """
    c = address_of(context)
    net = open_net(c)
    n_samples = answers.shape[0]
    for begin in range(0, n_samples, block):
        n_rows = min(block, n_samples - begin)
        invoke(net.stages[FORWARD], c, address_of(rows) + 8 * begin, n_rows, np.int64(EVALUATION))
        some = answers[begin : begin + n_rows]
        outputs = address_of(floats) + 4 * last[Y]
        if net.signs.shape[0] > 1:
            mean_of_heads(net, n_rows, outputs, outputs)
        write_answers(kind, n_levels, outputs, 4 * last[LDW], some)


def compile_answers() -> None:
    """Compile `predict_rows`, once."""
    rows, number = types.int64[::1], types.int64
    predict_rows.compile((rows, rows, number, rows, types.float32[::1], number, number, types.float32[:, ::1]))


def compile_division() -> None:
    """Compile the division of a job over threads, once."""
    if threads.layer_problem():
        work_through.compile((types.int64[:, ::1], types.int64, types.int64[::1]))
    else:
        train_pack(np.zeros((0, 0, N_PLACES), np.int64), worker_stage(), np.zeros(0, np.int64))


def thread_limit() -> int:
    """Return the number of threads that Numba was started with."""
    return int(config.NUMBA_NUM_THREADS)


def use_threads(count: int) -> None:
    """Let parallel kernels called from this thread use that number of threads, or all that Numba has."""
    _jit.start_threads()
    set_num_threads(min(count, thread_limit()))
