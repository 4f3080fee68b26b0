"""The update rules: how a block of weights follows its gradient.

Plain SGD has its own epilogue (`tile.store_sgd`). The others are microkernels that a panel calls on the tile it has
just written to scratch, so the gradient never leaves the first-level cache and no gradient matrix exists.

The first optimizer state lies `offset` bytes after the weights, the second at twice that. `hyper` is float32: see the
indices below. Biases follow the same rules with a weight decay of zero.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import types

from fastnet.kernels import _jit
from fastnet.kernels._jit import kernel, one_at_a_time
from fastnet.kernels.context import open_net, open_trial, open_work
from fastnet.kernels.host import LANE_BYTES
from fastnet.kernels.memory import load_f32
from fastnet.kernels.schedule import rate_factor
from fastnet.kernels.vector import (
    fused,
    left_over,
    load_vector,
    magnitude,
    near_reciprocal,
    splat,
    square_root,
    store_vector,
    where_below,
)

SGD, MOMENTUM, ADAM, NESTEROV, ADAGRAD, RMSPROP = range(6)
"""Codes of the rules; AdamW is Adam with `SHRINK` below one and a `WEIGHT_DECAY` of zero."""

RULES = {
    "sgd": SGD, "momentum": MOMENTUM, "nesterov": NESTEROV, "adagrad": ADAGRAD, "rmsprop": RMSPROP, "adam": ADAM,
    "adamw": ADAM,
}  # fmt: skip
"""Keyed by the names in `fastnet.config.training.OPTIMIZERS`."""

N_STATES = {SGD: 0, MOMENTUM: 1, ADAM: 2, NESTEROV: 1, ADAGRAD: 1, RMSPROP: 1}

LEARNING_RATE, WEIGHT_DECAY, MU, BETA1, NEW1, BETA2, NEW2, EPSILON, SHRINK, STEP, ROOT, IDLE, RELATIVE = range(13)
"""`NEW1` is 1 - beta1, `NEW2` 1 - beta2 (RMSprop's rho takes the place of beta2), `SHRINK` 1 - learning_rate *
decoupled λ; `begin_step` writes `STEP`, learning_rate / (1 - beta1^t), and `ROOT`, 1 / sqrt(1 - beta2^t). `IDLE` is 1
where plain SGD leaves a weight without a gradient unchanged, to the bit: where learning_rate * weight_decay <
`IDLE_LIMIT`. `RELATIVE` is how much Adam's steps grow with a weight. If the learning rate has a schedule, `scheduler`
writes everything here that depends on it."""
N_HYPER = 13

IDLE_LIMIT = 2.0**-26
"""A quarter of a unit in the last place, as a share of the weight."""

_LEAST = np.float32(2.0**-100)
"""Velocities and Adam's first moments below become 0. Those of a unit without a gradient would end as subnormal
numbers, which each operation takes some hundred cycles for: epochs of a network with a few idle units became three
times as long."""

_SHARE = np.float32(2.0**-30)
"""Means of squares become 0 where their root is less than this share of epsilon, which is added to it."""

ADDRESS = np.zeros(len(N_STATES), np.int64)
"""Address of each rule's microkernel; 0 for SGD, which has none, and for rules not compiled yet."""

_COMPILED: dict[int, Any] = {}
_SCHEDULER: list[Any] = []
_WAITING: list[Any] = []


@kernel
def _settled(values: Any) -> Any:
    """Return values, and 0 instead of the smallest."""
    return where_below(magnitude(values), splat(_LEAST), splat(np.float32(0.0)), values)


@kernel
def _least_square(hyper: int) -> Any:
    root = load_f32(hyper + 4 * EPSILON) * _SHARE
    return splat(root * root)


@kernel
def reciprocal(divisor: Any) -> Any:
    """Return the reciprocal of each lane, from 1e-37 to 1e37, to 1e-7 of it; not a finite number where it is inf.

    A root and a quotient occupy the dividing unit for 11 cycles on AVX2 and 21 on AVX-512. This leaves it the root
    alone: 340 × 128 weights follow Adam in 0.93 and 0.76 of the time. The error of the first value is raised to the
    third power and then to the second. (A quotient corrected by what it leaves is as fast, but what it leaves of a
    small moment is a subnormal number: idle weights took twice the time.)
    """
    near, one = near_reciprocal(divisor), splat(np.float32(1.0))
    error = left_over(one, divisor, near)
    near = fused(near, fused(error, error, error), near)
    return fused(near, left_over(one, divisor, near), near)


def _momentum(n_rows: int, n_cols: int, g: int, ldg: int, w: int, ldw: int, offset: int, hyper: int) -> None:
    """Compute v = mu * v - learning_rate * (g + weight_decay * w);  w += v."""
    rate, decay, mu = splat(load_f32(hyper)), splat(load_f32(hyper + 4 * WEIGHT_DECAY)), splat(load_f32(hyper + 4 * MU))
    for r in range(n_rows):
        for j in range(0, 4 * n_cols, LANE_BYTES):
            here = w + r * ldw + j
            weight = load_vector(here)
            gradient = load_vector(g + r * ldg + j) + decay * weight
            velocity = _settled(mu * load_vector(here + offset) - rate * gradient)
            store_vector(velocity, here + offset)
            store_vector(weight + velocity, here)


def _nesterov(n_rows: int, n_cols: int, g: int, ldg: int, w: int, ldw: int, offset: int, hyper: int) -> None:
    """Compute v = mu * v - learning_rate * (g + weight_decay * w);  w += mu * v - learning_rate * (same)."""
    rate, decay, mu = splat(load_f32(hyper)), splat(load_f32(hyper + 4 * WEIGHT_DECAY)), splat(load_f32(hyper + 4 * MU))
    for r in range(n_rows):
        for j in range(0, 4 * n_cols, LANE_BYTES):
            here = w + r * ldw + j
            weight = load_vector(here)
            step = rate * (load_vector(g + r * ldg + j) + decay * weight)
            velocity = _settled(mu * load_vector(here + offset) - step)
            store_vector(velocity, here + offset)
            store_vector(weight + (mu * velocity - step), here)


def _adagrad(n_rows: int, n_cols: int, g: int, ldg: int, w: int, ldw: int, offset: int, hyper: int) -> None:
    """Compute h += g^2;  w -= learning_rate * g / (sqrt(h) + epsilon), with g + weight_decay * w as g."""
    back, decay = splat(-load_f32(hyper)), splat(load_f32(hyper + 4 * WEIGHT_DECAY))
    epsilon = splat(load_f32(hyper + 4 * EPSILON))
    for r in range(n_rows):
        for j in range(0, 4 * n_cols, LANE_BYTES):
            here = w + r * ldw + j
            weight = load_vector(here)
            gradient = load_vector(g + r * ldg + j) + decay * weight
            total = load_vector(here + offset) + gradient * gradient
            store_vector(total, here + offset)
            store_vector(fused(back * gradient, reciprocal(square_root(total) + epsilon), weight), here)


def _rmsprop(n_rows: int, n_cols: int, g: int, ldg: int, w: int, ldw: int, offset: int, hyper: int) -> None:
    """Compute h = rho * h + (1 - rho) * g^2, then the step of AdaGrad."""
    back, decay = splat(-load_f32(hyper)), splat(load_f32(hyper + 4 * WEIGHT_DECAY))
    keep, new = splat(load_f32(hyper + 4 * BETA2)), splat(load_f32(hyper + 4 * NEW2))
    epsilon, least = splat(load_f32(hyper + 4 * EPSILON)), _least_square(hyper)
    for r in range(n_rows):
        for j in range(0, 4 * n_cols, LANE_BYTES):
            here = w + r * ldw + j
            weight = load_vector(here)
            gradient = load_vector(g + r * ldg + j) + decay * weight
            mean = keep * load_vector(here + offset) + new * (gradient * gradient)
            mean = where_below(mean, least, splat(np.float32(0.0)), mean)
            store_vector(mean, here + offset)
            store_vector(fused(back * gradient, reciprocal(square_root(mean) + epsilon), weight), here)


class _Adam(NamedTuple):
    """What a step of Adam multiplies by, a vector each."""

    decay: Any
    shrink: Any
    keep1: Any
    new1: Any
    keep2: Any
    new2: Any
    back: Any
    root: Any
    epsilon: Any
    least: Any
    relative: Any


@kernel
def _adam_factors(hyper: int) -> _Adam:
    return _Adam(
        splat(load_f32(hyper + 4 * WEIGHT_DECAY)), splat(load_f32(hyper + 4 * SHRINK)),
        splat(load_f32(hyper + 4 * BETA1)), splat(load_f32(hyper + 4 * NEW1)),
        splat(load_f32(hyper + 4 * BETA2)), splat(load_f32(hyper + 4 * NEW2)),
        splat(-load_f32(hyper + 4 * STEP)), splat(load_f32(hyper + 4 * ROOT)), splat(load_f32(hyper + 4 * EPSILON)),
        _least_square(hyper), splat(load_f32(hyper + 4 * RELATIVE)),
    )  # fmt: skip


@kernel
def _adam_moments(by: _Adam, gradient: Any, weight: Any, here: int, offset: int) -> tuple[Any, Any]:
    """Update the moments of a vector of weights; return their step as a length and what that is multiplied by."""
    gradient = fused(by.decay, weight, gradient)
    first = _settled(fused(by.keep1, load_vector(here + offset), by.new1 * gradient))
    second = fused(by.keep2, load_vector(here + 2 * offset), by.new2 * (gradient * gradient))
    second = where_below(second, by.least, splat(np.float32(0.0)), second)
    store_vector(first, here + offset)
    store_vector(second, here + 2 * offset)
    return by.back * first, reciprocal(fused(square_root(second), by.root, by.epsilon))


@kernel
def _adam_step(by: _Adam, gradient: Any, here: int, offset: int) -> None:
    """Compute a step of Adam (Kingma and Ba 2015) or AdamW (Loshchilov and Hutter 2019) of a vector of weights."""
    weight = load_vector(here)
    step, inverse = _adam_moments(by, gradient, weight, here, offset)
    store_vector(fused(step, inverse, by.shrink * weight), here)


@kernel
def _relative_step(by: _Adam, gradient: Any, here: int, offset: int) -> None:
    """Compute the same with a step that is 1 + `RELATIVE` |w| times as long.

    It has a loop of its own: with the two multiplications in that of every step, an epoch of 64 x 2 units took 1.02
    times as long on AVX-512.
    """
    weight = load_vector(here)
    step, inverse = _adam_moments(by, gradient, weight, here, offset)
    weight = by.shrink * weight
    store_vector(fused(step * fused(by.relative, magnitude(weight), splat(np.float32(1.0))), inverse, weight), here)


def _adam(n_rows: int, n_cols: int, g: int, ldg: int, w: int, ldw: int, offset: int, hyper: int) -> None:
    """Compute a step of Adam; with `SHRINK` below one of AdamW."""
    by, relative = _adam_factors(hyper), load_f32(hyper + 4 * RELATIVE) != np.float32(0.0)
    for r in range(n_rows):
        if relative:
            for j in range(0, 4 * n_cols, LANE_BYTES):
                _relative_step(by, load_vector(g + r * ldg + j), w + r * ldw + j, offset)
        else:
            for j in range(0, 4 * n_cols, LANE_BYTES):
                _adam_step(by, load_vector(g + r * ldg + j), w + r * ldw + j, offset)


def _adam_waiting(n_steps: int, n_cols: int, w: int, offset: int, hyper: int) -> None:
    """Compute several steps of Adam for a row of weights that had no gradient in them.

    hyper   (n_steps, N_HYPER) float32, those of each step

    One call takes 6.0 ns a step and vector of 16 lanes for 112 weights, a call for each step 10.6.
    """
    none, relative = splat(np.float32(0.0)), load_f32(hyper + 4 * RELATIVE) != np.float32(0.0)
    for at in range(hyper, hyper + 4 * N_HYPER * n_steps, 4 * N_HYPER):
        by = _adam_factors(at)
        if relative:
            for here in range(w, w + 4 * n_cols, LANE_BYTES):
                _relative_step(by, none, here, offset)
        else:
            for here in range(w, w + 4 * n_cols, LANE_BYTES):
                _adam_step(by, none, here, offset)


_SOURCES = {MOMENTUM: _momentum, ADAM: _adam, NESTEROV: _nesterov, ADAGRAD: _adagrad, RMSPROP: _rmsprop}


@one_at_a_time
def compile_rule(rule: int) -> None:
    """Compile the microkernel of an update rule, once."""
    if rule != SGD and not ADDRESS[rule]:
        compiled = _COMPILED[rule] = _jit.micro(types.void(*[types.int64] * 8), _SOURCES[rule], "update")
        ADDRESS[rule] = compiled.address


@one_at_a_time
def waiting(rule: int) -> int:
    """Compile what makes several steps at once for weights without a gradient, once, and return its address.

    0 for the rules of which each step is called on its own.
    """
    if rule != ADAM:
        return 0
    if not _WAITING:
        _WAITING.append(_jit.micro(types.void(*[types.int64] * 5), _adam_waiting, "waiting"))
    return int(_WAITING[0].address)


@kernel
def begin_step(
    rule: int, learning_rate: float, beta1: float, beta2: float, powers: np.ndarray, hyper: np.ndarray
) -> None:
    """Advance Adam's bias corrections to the next step.

    powers  (2,) float64, updated: beta1^t and beta2^t by repeated multiplication, the same on every machine
    hyper   (2, N_HYPER) float32, `STEP` and `ROOT` written: row 0 for weights, row 1 for biases
    """
    if rule == ADAM:
        powers[0] *= beta1
        powers[1] *= beta2
        for row in range(2):
            hyper[row, STEP] = np.float32(learning_rate / (1.0 - powers[0]))
            hyper[row, ROOT] = np.float32(1.0 / math.sqrt(1.0 - powers[1]))


def _follow_schedule(c: int, step: int, n_steps: int) -> float:
    """Write to `hyper` what depends on the learning rate of a step, counted from 0; return the rate."""
    trial = open_trial(c)
    hyper = open_work(c).hyper
    rate = trial.learning_rate * rate_factor(trial, step, n_steps)
    hyper[0, LEARNING_RATE] = hyper[1, LEARNING_RATE] = np.float32(rate)
    hyper[0, SHRINK] = np.float32(1.0 - rate * trial.decoupled)
    hyper[0, IDLE] = np.float32(open_net(c).rule == SGD and rate * np.float64(hyper[0, WEIGHT_DECAY]) < IDLE_LIMIT)
    return rate


@one_at_a_time
def scheduler() -> int:
    """Compile the function that moves the learning rate, once, and return its address.

    Called through the address, it costs nothing if the rate is constant: otherwise a third of a second of every cold
    start.
    """
    if not _SCHEDULER:
        signature = types.float64(types.int64, types.int64, types.int64)
        _SCHEDULER.append(_jit.micro(signature, _follow_schedule, "update"))
    return int(_SCHEDULER[0].address)
