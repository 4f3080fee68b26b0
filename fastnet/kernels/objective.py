"""The objectives: loss, gradient and score of raw outputs and targets.

An objective is one kernel, its formula: it goes through a block of samples, returns the loss, the score and the loss
that training descends, and writes the gradient if it is wanted. `stage` compiles from it what the training loop calls
by address, after the forward product of a batch or of an evaluation block. Label smoothing, like everything else that
belongs to one objective alone, is a part of its formula; those that sum over outputs are in `losses`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types

from fastnet.kernels import _jit, losses
from fastnet.kernels._jit import kernel, one_at_a_time
from fastnet.kernels.context import LOSS, SCORE, open_data, open_net, open_trial, open_work
from fastnet.kernels.host import LANE_BYTES, LANES
from fastnet.kernels.layout import GRADIENT, LDW, N_OUT, Y
from fastnet.kernels.losses import each_output
from fastnet.kernels.memory import address_of, load_f32, load_i64, store_f32
from fastnet.kernels.operands import Outputs
from fastnet.kernels.rng import log_exact
from fastnet.kernels.vector import at_least, first_lanes, load_vector, power_of_two, round_even, splat, store_vector

LOSS_ONLY, WITH_GRADIENT = _jit.typed(0), _jit.typed(1)
"""For a block of an evaluation, and for a batch of training."""

_ONE = np.float32(1.0)
_LOG2E = np.float32(1.44269504)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_LOWEST = np.float32(-87.0)
_C2, _C3, _C4 = np.float32(0.5), np.float32(0.16666654), np.float32(0.041665795)
LOG_ROWS = 30
"""Samples whose sums of exponentials are multiplied before one logarithm: at most 65,536 classes to the power of 30 is
2^480, within float64. Evaluation blocks are multiples of it."""

_C5, _C6 = np.float32(0.008333452), np.float32(0.0013981999)


@kernel
def exp(x: Any) -> Any:
    """Return e^x of each lane of a vector, x <= 88, by our own arithmetic (libm's bits differ between machines).

    Below -87 it is e^-87; NaN stays NaN. Cody and Waite's reduction x = n ln 2 + r with |r| <= ln 2 / 2, a polynomial
    of degree 6, and the exponent written directly.
    """
    x = at_least(x, _LOWEST)
    n = round_even(x * splat(_LOG2E))
    r = x - n * splat(_LN2_HIGH) - n * splat(_LN2_LOW)
    p = splat(_C6)
    p = p * r + splat(_C5)
    p = p * r + splat(_C4)
    p = p * r + splat(_C3)
    p = p * r + splat(_C2)
    p = p * r + splat(_ONE)
    p = p * r + splat(_ONE)
    return p * power_of_two(n)


@kernel
def exp_shifted(source: int, n: int, shift: np.float32, target: int) -> None:
    """Write e^(x - shift) of `n` floats at an address, in whole vectors; elements beyond `n` become zero."""
    for j in range(0, n, LANES):
        shifted = load_vector(source + 4 * j) - splat(shift)
        store_vector(first_lanes(exp(shifted), n - j), target + 4 * j)


@kernel
def _largest(row: int, n: int) -> np.float32:
    largest = load_f32(row)
    for j in range(1, n):
        value = load_f32(row + 4 * j)
        largest = value if value > largest else largest
    return largest


@kernel
def _is_first(row: int, label: int, largest: np.float32) -> bool:
    """Whether `label` is the first place of the largest logit: what argmax would choose."""
    first = load_f32(row + 4 * label) == largest
    for j in range(label):
        first = first and load_f32(row + 4 * j) != largest
    return first


@kernel
def _total(row: int, n: int) -> np.float32:
    total = np.float32(0.0)
    for j in range(n):
        total += load_f32(row + 4 * j)
    return total


@kernel
def cross_entropy(
    block: Outputs, loss: float, smoothing: float, backward: int, gradient: int
) -> tuple[float, float, float]:
    """Softmax cross-entropy of (B, K) logits and B classes; the score is the number of correct answers.

    gradient  (B, K) float32, written in whole vectors, zero beyond K: (softmax - target) / B; without `backward` its
              first row is scratch

    Returns `loss` plus the sum over the samples, the score, and the first of the two with smoothed labels. The sums
    over classes and samples run in order and continue from the given `loss`, so that blocks of any multiple of
    `LOG_ROWS` samples give the same bits. The log is float64, one for `LOG_ROWS` samples: a logarithm per sample took
    half of the time. A NaN anywhere makes the loss NaN.
    """
    n_out, n_rows = block.n_out, block.n_rows
    correct = 0
    share = _ONE / np.float32(n_rows)
    product = 1.0
    for r in range(n_rows):
        row = block.values + r * block.ld
        out = gradient + r * block.ld if backward == 1 else gradient
        label = load_i64(block.targets + 8 * load_i64(block.rows + 8 * r))
        largest = _largest(row, n_out)
        correct += _is_first(row, label, largest)
        exp_shifted(row, n_out, largest, out)
        total = _total(out, n_out)
        product *= np.float64(total)
        loss -= np.float64(load_f32(row + 4 * label)) - np.float64(largest)
        if backward == 1:
            factor = splat(share / total)
            for j in range(0, 4 * n_out, LANE_BYTES):
                store_vector(load_vector(out + j) * factor, out + j)
            store_f32(out + 4 * label, load_f32(out + 4 * label) - share)
        if (r + 1) % LOG_ROWS == 0 or r == n_rows - 1:
            loss += log_exact(product) if product > 0.0 else np.nan
            product = 1.0
    smoothed = loss
    if smoothing > 0.0:
        smoothed += _smooth_labels(block, smoothing, gradient)
    return loss, np.float64(correct), smoothed


@kernel
def _smooth_labels(block: Outputs, smoothing: float, gradient: int) -> float:
    """Return what label smoothing adds to the loss, and correct the gradient except beyond K.

    Of the target's 1 at the label, `smoothing` is spread evenly over all classes (Szegedy et al. 2016). This is a
    separate pass, so that bits and time without smoothing stay the same.
    """
    n_out, n_rows = block.n_out, block.n_rows
    moved = np.float32(smoothing / n_rows)
    spread = np.float32(smoothing / (n_rows * n_out))
    more = 0.0
    for r in range(n_rows):
        row, out = block.values + r * block.ld, gradient + r * block.ld
        label = load_i64(block.targets + 8 * load_i64(block.rows + 8 * r))
        total = 0.0
        for j in range(0, 4 * n_out, 4):
            total += np.float64(load_f32(row + j))
            store_f32(out + j, load_f32(out + j) - spread)
        store_f32(out + 4 * label, load_f32(out + 4 * label) + moved)
        more += np.float64(load_f32(row + 4 * label)) - total / n_out
    return smoothing * more


@kernel
def weighted_cross_entropy(
    block: Outputs, loss: float, smoothing: float, backward: int, gradient: int
) -> tuple[float, float, float]:
    """`cross_entropy` with a weight for every sample, on its loss, its gradient and its correct answer.

    It takes a logarithm per sample, in blocks of any size the same bits.
    """
    n_out = block.n_out
    right = 0.0
    smoothed = loss
    for r in range(block.n_rows):
        row = block.values + r * block.ld
        out = gradient + r * block.ld if backward == 1 else gradient
        number = load_i64(block.rows + 8 * r)
        label, weight = load_i64(block.targets + 8 * number), load_f32(block.weights + 4 * number)
        largest = _largest(row, n_out)
        right += np.float64(weight) if _is_first(row, label, largest) else 0.0
        exp_shifted(row, n_out, largest, out)
        total = _total(out, n_out)
        apart = np.float64(load_f32(row + 4 * label)) - np.float64(largest)
        lost = (log_exact(np.float64(total)) if total > 0.0 else np.nan) - apart
        loss += np.float64(weight) * lost
        smoothed += np.float64(weight) * lost
        if backward == 1:
            share = weight / np.float32(block.n_rows)
            factor = splat(share / total)
            for j in range(0, 4 * n_out, LANE_BYTES):
                store_vector(load_vector(out + j) * factor, out + j)
            store_f32(out + 4 * label, load_f32(out + 4 * label) - share)
            if smoothing > 0.0:
                smoothed += np.float64(weight) * smoothing * _spread(row, out, label, n_out, smoothing * share)
    return loss, right, smoothed


@kernel
def _spread(row: int, out: int, label: int, n_out: int, moved: float) -> float:
    """Spread `moved` of a label's gradient over all classes; return how far its logit is above the mean."""
    total = 0.0
    for j in range(0, 4 * n_out, 4):
        total += np.float64(load_f32(row + j))
        store_f32(out + j, load_f32(out + j) - np.float32(moved / n_out))
    store_f32(out + 4 * label, load_f32(out + 4 * label) + np.float32(moved))
    return np.float64(load_f32(row + 4 * label)) - total / n_out


@kernel
def binary_cross_entropy(
    block: Outputs, loss: float, smoothing: float, backward: int, gradient: int
) -> tuple[float, float, float]:
    """Cross-entropy of K labels that are 0 or 1, each with its own logit; the score is the share of right ones."""
    return each_output(losses.BINARY, block, loss, backward, gradient)


@kernel
def squared_error(
    block: Outputs, loss: float, smoothing: float, backward: int, gradient: int
) -> tuple[float, float, float]:
    """Half the squared error; the score is the squared error."""
    return each_output(losses.SQUARED, block, loss, backward, gradient)


@kernel
def absolute_error(
    block: Outputs, loss: float, smoothing: float, backward: int, gradient: int
) -> tuple[float, float, float]:
    """Absolute error, as loss and as score."""
    return each_output(losses.ABSOLUTE, block, loss, backward, gradient)


@kernel
def huber(block: Outputs, loss: float, smoothing: float, backward: int, gradient: int) -> tuple[float, float, float]:
    """Half the squared error up to `delta`, linear beyond (Huber 1964); the score is the squared error."""
    return each_output(losses.HUBER, block, loss, backward, gradient)


@kernel
def pinball(block: Outputs, loss: float, smoothing: float, backward: int, gradient: int) -> tuple[float, float, float]:
    """Pinball loss, least where the output is the quantile (Koenker and Bassett 1978), as loss and as score."""
    return each_output(losses.PINBALL, block, loss, backward, gradient)


@kernel
def poisson(block: Outputs, loss: float, smoothing: float, backward: int, gradient: int) -> tuple[float, float, float]:
    """Half the deviance of counts whose expectation is e^output; the score is the squared error of that."""
    return each_output(losses.POISSON, block, loss, backward, gradient)


@kernel
def softmax(logits: int, ld: int, probabilities: np.ndarray) -> None:
    """Turn logits at an address, with rows `ld` bytes apart, into (B, K) probabilities; the logits are overwritten."""
    n_out = probabilities.shape[1]
    for r in range(probabilities.shape[0]):
        row = logits + r * ld
        exp_shifted(row, n_out, _largest(row, n_out), row)
        total = _total(row, n_out)
        for j in range(n_out):
            probabilities[r, j] = load_f32(row + 4 * j) / total


class Objective(NamedTuple):
    """A row of `OBJECTIVES`."""

    formula: Any
    weighted: Any  # the same for samples with weights


OBJECTIVES = {
    "cross-entropy": Objective(cross_entropy, weighted_cross_entropy),
    "binary-cross-entropy": Objective(binary_cross_entropy, binary_cross_entropy),
    "squared-error": Objective(squared_error, squared_error),
    "absolute-error": Objective(absolute_error, absolute_error),
    "huber": Objective(huber, huber),
    "pinball": Objective(pinball, pinball),
    "poisson": Objective(poisson, poisson),
}
"""Keyed by the names in `fastnet.reference.objective.OBJECTIVES`."""

formula = cross_entropy
"""The objective that `_apply` calls; `stage` compiles it with another one under this name."""


@kernel
def _block_of(c: int, rows: int, n_rows: int) -> Outputs:
    """Return the last layer's outputs in a context for `n_rows` samples (numbers at address `rows`)."""
    net = open_net(c)
    last = net.layers[net.layers.shape[0] - 1]
    data = open_data(c)
    values = address_of(open_work(c).floats) + 4 * last[Y]
    weights = address_of(data.weights) if data.weights.shape[0] > 0 else np.int64(0)
    return Outputs(
        values, 4 * last[LDW], last[N_OUT], rows, n_rows, address_of(data.targets), weights,
        address_of(data.levels), data.levels.shape[0], open_trial(c).huber_delta,
    )  # fmt: skip


def _apply(c: int, rows: int, n_rows: int, backward: int) -> float:
    """Go through `n_rows` samples; return the summed loss that training descends.

    With `backward`, write the gradient and leave in `LOSS` and `SCORE` the sums of these samples as an evaluation
    computes them; otherwise continue the sums that are there.
    """
    work = open_work(c)
    gradient = address_of(work.floats) + 4 * open_net(c).offsets[GRADIENT]
    block = _block_of(c, rows, n_rows)
    if backward == 1:
        loss, score, descended = formula(block, 0.0, open_trial(c).label_smoothing, WITH_GRADIENT, gradient)
        work.state[LOSS], work.state[SCORE] = loss, score
        return descended
    loss, score, _ = formula(block, work.state[LOSS], 0.0, LOSS_ONLY, gradient)
    work.state[LOSS], work.state[SCORE] = loss, work.state[SCORE] + score
    return loss


_i = types.int64
SIGNATURE = types.float64(_i, _i, _i, _i)
_COMPILED: dict[str, Any] = {}


@one_at_a_time
def stage(name: str, weighted: bool = False) -> int:
    """Compile the stage of an objective, for samples with or without weights, once, and return its address.

    One stage with two paths, not one stage for each: that took a third of a second more of a cold start.
    """
    row = OBJECTIVES[name]
    chosen = row.weighted if weighted else row.formula
    key = name if chosen is row.formula else f"{name}-weighted"
    if key not in _COMPILED:
        source = _jit.with_names(_apply, {"formula": chosen})
        _COMPILED[key] = _jit.micro(SIGNATURE, source, f"objective-{key}")
    return int(_COMPILED[key].address)
