"""Many networks at once: every thread takes the next trial of a pack, trains it from first to last, and takes another.

The trials share the data and the architecture; each has its own random stream and its own hyperparameters. Which
thread trains which trial changes nothing in its results, so a pack gives the same bits on any number of threads.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import config, prange, set_num_threads, types

from fastnet.kernels import _jit
from fastnet.kernels._jit import entry, kernel, parallel_kernel
from fastnet.kernels.context import (
    ACCURACY,
    FIRST_OF_TRIAL,
    LOSS,
    N_PLACES,
    POWER1,
    POWER2,
    READY_EPOCH,
    open_net,
    open_trial,
    open_work,
)
from fastnet.kernels.layout import LDW, N_IN, N_OUT, W, Y
from fastnet.kernels.loss import softmax
from fastnet.kernels.memory import address_of, clock, fetch_add, invoke, invoke_i64, load_shared, store_i64
from fastnet.kernels.rng import initial_weights
from fastnet.kernels.step import (
    AHEAD,
    DIVERGED,
    DONE,
    EVALUATE,
    EVALUATION,
    FORWARD,
    STOPPED,
    TRAIN_EPOCH,
    TRAINING,
    VALIDATION,
)

NEXT, STOP = 0, 1
"""Entries of the control array: the next trial to take, and the request to end."""


def _initialise(c: int) -> None:
    """Set a network to its initial values: normal weights, zero biases, zero padding, zero optimizer states."""
    net = open_net(c)
    work = open_work(c)
    trial = open_trial(c)
    work.params.fill(np.float32(0.0))
    work.state[POWER1] = work.state[POWER2] = 1.0
    work.state[READY_EPOCH] = -1.0
    for layer in range(net.layers.shape[0]):
        row = net.layers[layer]
        fan = row[N_IN] + row[N_OUT] if net.xavier else row[N_IN]
        weights = work.params[0, row[W] :]
        initial_weights(trial.seed, trial.stream, layer, row[N_IN], row[N_OUT], row[LDW], math.sqrt(2.0 / fan), weights)


@kernel
def _run_trial(c: int, initialise: int, stop: int, curves: np.ndarray) -> tuple[int, int]:
    """Train one network; return its status and how many epochs it finished."""
    net = open_net(c)
    work = open_work(c)
    trial = open_trial(c)
    plain = trial.threshold == 0 and trial.scale == trial.train_scale
    invoke(initialise, c)
    for epoch in range(curves.shape[1]):
        status = invoke_i64(net.stages[TRAIN_EPOCH], c, epoch, stop)
        if status != DONE:
            return status, epoch
        loss = work.state[LOSS]
        invoke_i64(net.stages[EVALUATE], c, VALIDATION, stop)
        validation_loss, validation_accuracy = work.state[LOSS], work.state[ACCURACY]
        ahead = plain and epoch + 1 < curves.shape[1]
        invoke_i64(net.stages[EVALUATE], c, AHEAD + epoch + 1 if ahead else TRAINING, stop)
        if load_shared(stop) != 0:
            return STOPPED, epoch
        if not math.isfinite(validation_loss):
            return DIVERGED, epoch
        curves[0, epoch], curves[1, epoch] = np.float32(loss), np.float32(work.state[ACCURACY])
        curves[2, epoch], curves[3, epoch] = np.float32(validation_loss), np.float32(validation_accuracy)
    return DONE, curves.shape[1]


@kernel
def _work_through(
    c: int, initialise: int, trials: np.ndarray, hyper: np.ndarray, control: np.ndarray, curves: np.ndarray,
    seconds: np.ndarray, epochs_done: np.ndarray, status: np.ndarray,
) -> None:  # fmt: skip
    """Train trials in one thread's context until none is left or a stop is asked for."""
    work = open_work(c)
    stop = address_of(control) + 8 * STOP
    while load_shared(stop) == 0:
        i = fetch_add(address_of(control) + 8 * NEXT, 1)
        if i >= trials.shape[0]:
            break
        for place in range(trials.shape[1]):
            store_i64(c + 8 * (FIRST_OF_TRIAL + place), trials[i, place])
        for row in range(hyper.shape[1]):
            for k in range(hyper.shape[2]):
                work.hyper[row, k] = hyper[i, row, k]
        began = clock()
        outcome, done = _run_trial(c, initialise, stop, curves[i])
        seconds[i] = clock() - began
        epochs_done[i] = done
        status[i] = outcome


@parallel_kernel
def train_pack(
    contexts: np.ndarray, initialise: int, trials: np.ndarray, hyper: np.ndarray, control: np.ndarray,
    curves: np.ndarray, seconds: np.ndarray, epochs_done: np.ndarray, status: np.ndarray,
) -> None:  # fmt: skip
    """Train T networks of one architecture, one thread a network.

    contexts  (threads, N_PLACES) int64, see `context`      initialise  address from `initialise_stage()`
    trials    (T, 8) int64: the trial's part of a context, floats as their bits
    hyper     (T, 2, N_HYPER) float32, see `update`; row 0 for weights, row 1 for biases
    control   (2,) int64, shared with the caller while this runs: see `NEXT` and `STOP`
    curves    (T, 4, epochs) float32, written: training loss and accuracy, validation loss and accuracy
    seconds   (T,) float64, epochs_done and status  (T,) int64: written, status last of all
    """
    for t in prange(contexts.shape[0]):
        _work_through(
            address_of(contexts) + 8 * N_PLACES * np.int64(t), initialise, trials, hyper, control, curves, seconds,
            epochs_done, status,
        )  # fmt: skip


_COMPILED: list[Any] = []


def initialise_stage() -> int:
    """Compile the stage that sets a context's network to its initial values, once, and return its address."""
    if not _COMPILED:
        _COMPILED.append(_jit.micro(types.void(types.int64), _initialise, "stage"))
    return int(_COMPILED[0].address)


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
    context: np.ndarray, rows: np.ndarray, block: int, last: np.ndarray, floats: np.ndarray, probabilities: np.ndarray
) -> None:
    """Fill (N, O) class probabilities of the samples ``rows[:N]``, in blocks, with the `FORWARD` stage of a context."""
    c = address_of(context)
    net = open_net(c)
    n_samples = probabilities.shape[0]
    for begin in range(0, n_samples, block):
        n_rows = min(block, n_samples - begin)
        invoke(net.stages[FORWARD], c, address_of(rows) + 8 * begin, n_rows, np.int64(EVALUATION))
        softmax(floats[last[Y] :], last[LDW], n_rows, probabilities[begin : begin + n_rows])


def thread_limit() -> int:
    """Most threads that Numba was started with."""
    return int(config.NUMBA_NUM_THREADS)


def use_threads(threads: int) -> None:
    """Let parallel kernels that are called from this Python thread use so many threads."""
    set_num_threads(min(threads, thread_limit()))
