"""Losses that are a sum over the outputs: labels that are 0 or 1, and numbers.

`term` computes the loss of one output, its derivative and its score in float64, by our own arithmetic (libm's bits
differ between machines); `each_output` goes through a block of samples with it. An objective is a row here and in
`objective.OBJECTIVES`.
"""

from __future__ import annotations

import math

import numpy as np

from fastnet.kernels import _jit
from fastnet.kernels._jit import kernel
from fastnet.kernels.host import LANES
from fastnet.kernels.memory import load_f32, load_i64, store_f32
from fastnet.kernels.operands import Outputs
from fastnet.kernels.rng import log_exact
from fastnet.kernels.vector import first_lanes, load_vector, store_vector

BINARY, SQUARED, ABSOLUTE, HUBER, PINBALL, POISSON = (_jit.typed(kind) for kind in range(6))
"""Kinds that `term` takes."""

_LOG2E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_LOWEST, _HIGHEST = -700.0, 700.0


@kernel
def exp_exact(x: float) -> float:
    """Return e^x in float64 by +, -, *, / alone, to two roundings; x beyond ±700, or NaN, is taken to be there.

    Cody and Waite's reduction x = n ln 2 + r with |r| <= ln 2 / 2, and a Taylor polynomial of degree 13.
    """
    x = x if x >= _LOWEST else _LOWEST
    x = x if x <= _HIGHEST else _HIGHEST
    n = math.floor(x * _LOG2E + 0.5)
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    p = 1.0
    for degree in range(13, 0, -1):
        p = p * (r / degree) + 1.0
    return math.ldexp(p, np.int32(n))


@kernel
def log_of_one_more(x: float) -> float:
    """Return log(1 + x) for 0 <= x <= 1, accurate also where x is tiny (Kahan's correction of the rounded sum)."""
    more = 1.0 + x
    return x if more == 1.0 else log_exact(more) * (x / (more - 1.0))


@kernel
def _binary(z: float, t: float) -> tuple[float, float, float]:
    """Cross-entropy of the logit z of a label that is 1 with probability 1 / (1 + e^-z); scored right or wrong."""
    e = exp_exact(-abs(z))
    p = 1.0 / (1.0 + e) if z >= 0.0 else e / (1.0 + e)
    loss = (z if z > 0.0 else 0.0) - z * t + log_of_one_more(e)
    return loss, p - t, 1.0 if (z > 0.0) == (t > 0.5) else 0.0


@kernel
def _huber(off: float, delta: float) -> tuple[float, float, float]:
    size = abs(off)
    if size <= delta:
        return 0.5 * off * off, off, off * off
    return delta * (size - 0.5 * delta), delta if off > 0.0 else -delta, off * off


@kernel
def _poisson(z: float, t: float) -> tuple[float, float, float]:
    """Half the deviance of a count t whose expectation is e^z, and the squared difference of the two.

    It is e^z - t z plus a constant that makes it zero where e^z is t: a loss below zero could not be told from one that
    has diverged.
    """
    mean = exp_exact(z)
    least = t - t * log_exact(t) if t > 0.0 else 0.0
    return mean - t * z - least, mean - t, (mean - t) * (mean - t)


@kernel
def term(kind: int, z: float, t: float, setting: float) -> tuple[float, float, float]:
    """Return loss, derivative and score of one output z and its target t.

    `setting` is the border of Huber's loss, or the level of a quantile.
    """
    off = z - t
    if kind == BINARY:
        return _binary(z, t)
    if kind == SQUARED:
        return 0.5 * off * off, off, off * off
    if kind == HUBER:
        return _huber(off, setting)
    if kind == POISSON:
        return _poisson(z, t)
    sign = 1.0 if off > 0.0 else -1.0 if off < 0.0 else 0.0
    if kind == ABSOLUTE:
        return abs(off), sign, abs(off)
    slope = 1.0 - setting if off > 0.0 else -setting if off < 0.0 else 0.0
    return off * (1.0 - setting if off > 0.0 else -setting), slope, off * (1.0 - setting if off > 0.0 else -setting)


@kernel
def each_output(kind: int, block: Outputs, loss: float, backward: int, gradient: int) -> tuple[float, float, float]:
    """Sum `term` over (B, K) outputs and the targets of B samples, each sample times its weight.

    gradient  (B, K) float32, written in whole vectors, zero beyond K: weight * derivative / B; not written without
              `backward`

    Of Q quantiles, output ``k * Q + q`` is that of level q of target k. Returns `loss` plus the sum over the samples,
    the score, a mean over the outputs, and the first again. All sums run in order in float64, so that blocks of any
    size give the same bits. A NaN anywhere makes the loss NaN.
    """
    n_out = block.n_out
    n_levels = block.n_levels if block.n_levels > 0 else 1
    n_targets = n_out // n_levels
    score = 0.0
    for r in range(block.n_rows):
        row, out = block.values + r * block.ld, gradient + r * block.ld
        number = load_i64(block.rows + 8 * r)
        weight = np.float64(load_f32(block.weights + 4 * number)) if block.weights != 0 else 1.0
        share = weight / block.n_rows
        for j in range(n_out):
            target = load_f32(block.targets + 4 * (n_targets * number + j // n_levels))
            setting = np.float64(load_f32(block.levels + 4 * (j % n_levels))) if block.n_levels > 0 else block.delta
            lost, slope, scored = term(kind, np.float64(load_f32(row + 4 * j)), np.float64(target), setting)
            loss += weight * lost
            score += weight * scored
            if backward == 1:
                store_f32(out + 4 * j, np.float32(share * slope))
        if backward == 1 and n_out % LANES > 0:
            last = out + 4 * (n_out // LANES * LANES)
            store_vector(first_lanes(load_vector(last), n_out % LANES), last)
    return loss, score / n_out, loss
