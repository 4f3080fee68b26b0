"""The loss of samples of which each has one class: softmax cross-entropy, with and without weights.

The largest logit of a sample is subtracted, then exponentials, their sum and the gradient are computed in float32. With
at most `LOGIT` classes, `LANES` samples are computed side by side, a class at a time; otherwise one sample after the
other, its classes side by side. The operations of a sample and their order are the same, and so are the bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnet.kernels._jit import kernel
from fastnet.kernels.host import LANE_BYTES, LANES
from fastnet.kernels.memory import load_f32, load_i64, store_f32
from fastnet.kernels.operands import Outputs
from fastnet.kernels.rng import log_exact
from fastnet.kernels.vector import (
    at_least,
    first_lanes,
    larger,
    load_vector,
    power_of_two,
    round_even,
    splat,
    store_vector,
    sum_lanes,
    transpose_block,
    where_equal,
)

_ONE = np.float32(1.0)
_LOG2E = np.float32(1.44269504)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_LOWEST = np.float32(-87.0)
_C2, _C3, _C4 = np.float32(0.5), np.float32(0.16666654), np.float32(0.041665795)
LOG_ROWS = 30
"""Samples whose sums of exponentials are multiplied before one logarithm: at most 65,536 classes to the power of 30 is
2^480, within float64. Evaluation blocks are multiples of it."""

LOGIT, LARGEST, TOTAL = LANES - 3, LANES - 2, LANES - 1
"""Rows of a block of samples side by side; up to `LOGIT` classes leave them free."""

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
def _side_by_side(block: Outputs, first: int, share: np.float32, backward: int, tile: int) -> Any:
    """Compute `LANES` samples at once, class by class; return 1 in the lane of each that is answered right.

    tile  (LANES, LANES) float32 with the rows of the gradient, written: rows `LOGIT`, `LARGEST` and `TOTAL` are each
          sample's logit of its label, its largest one, and its sum of exponentials; with `backward` the first K rows
          are the gradient
    """
    ld = block.ld
    transpose_block(block.values + first * ld, ld, tile, ld)
    for r in range(LANES):
        label = load_i64(block.targets + 8 * load_i64(block.rows + 8 * (first + r)))
        store_f32(tile + LOGIT * ld + 4 * r, np.float32(label))
    labels, zero = load_vector(tile + LOGIT * ld), splat(np.float32(0.0))
    largest = load_vector(tile)
    for j in range(1, block.n_out):
        largest = larger(load_vector(tile + j * ld), largest)
    total, logit, right, none_yet = zero, zero, zero, splat(_ONE)
    for j in range(block.n_out):
        values, number = load_vector(tile + j * ld), splat(np.float32(j))
        logit = where_equal(labels, number, values, logit)
        answer = where_equal(values, largest, none_yet, zero)  # what argmax would choose
        right, none_yet = right + where_equal(labels, number, answer, zero), none_yet - answer
        powers = exp(values - largest)
        total = total + powers
        store_vector(powers, tile + j * ld)
    store_vector(logit, tile + LOGIT * ld)
    store_vector(largest, tile + LARGEST * ld)
    store_vector(total, tile + TOTAL * ld)
    if backward == 1:
        factor = splat(share) / total
        for j in range(block.n_out):
            own = where_equal(labels, splat(np.float32(j)), splat(share), zero)
            store_vector(load_vector(tile + j * ld) * factor - own, tile + j * ld)
    return right


@kernel
def _one_row(block: Outputs, r: int, share: np.float32, backward: int, out: int) -> tuple[Any, Any, Any, bool]:
    """Compute sample `r`; return its logit of its label, its largest one, its sum of exponentials, and if it is right.

    out  (K,) float32 in whole vectors, written: with `backward` the gradient, zero beyond K
    """
    row, n_out = block.values + r * block.ld, block.n_out
    label = load_i64(block.targets + 8 * load_i64(block.rows + 8 * r))
    largest = _largest(row, n_out)
    right = _is_first(row, label, largest)
    exp_shifted(row, n_out, largest, out)
    total = _total(out, n_out)
    if backward == 1:
        factor = splat(share / total)
        for j in range(0, 4 * n_out, LANE_BYTES):
            store_vector(load_vector(out + j) * factor, out + j)
        store_f32(out + 4 * label, load_f32(out + 4 * label) - share)
    return load_f32(row + 4 * label), largest, total, right


@kernel
def _add_sample(sums: tuple[float, float], logit: Any, largest: Any, total: Any, last: bool) -> tuple[float, float]:
    """Add a sample to a loss without its logarithm, and to the product of which the `last` one takes it."""
    loss, product = sums[0] - (np.float64(logit) - np.float64(largest)), sums[1] * np.float64(total)
    if not last:
        return loss, product
    return loss + (log_exact(product) if product > 0.0 else np.nan), 1.0


@kernel
def cross_entropy(
    block: Outputs, loss: float, smoothing: float, backward: int, gradient: int
) -> tuple[float, float, float]:
    """Softmax cross-entropy of (B, K) logits and B classes; the score is the number of correct answers.

    gradient  (B, K) float32, written in whole vectors, zero beyond K: (softmax - target) / B; without `backward` its
              first `LANES` rows are scratch

    Returns `loss` plus the sum over the samples, the score, and the first of the two with smoothed labels. The sums
    over classes and samples run in order and continue from the given `loss`, so that blocks of any multiple of
    `LOG_ROWS` samples give the same bits. The log is float64, one for `LOG_ROWS` samples: a logarithm per sample took
    half of the time. A NaN anywhere makes the loss NaN.
    """
    n_rows, ld = block.n_rows, block.ld
    share = _ONE / np.float32(n_rows)
    sums, correct, right = (loss, 1.0), 0, splat(np.float32(0.0))
    whole = n_rows // LANES * LANES if block.n_out <= LOGIT else np.int64(0)
    for first in range(0, whole, LANES):
        tile = gradient + first * ld if backward == 1 else gradient
        right = right + _side_by_side(block, first, share, backward, tile)
        for at in range(tile, tile + LANE_BYTES, 4):
            r = first + (at - tile) // 4
            sums = _add_sample(
                sums, load_f32(at + LOGIT * ld), load_f32(at + LARGEST * ld), load_f32(at + TOTAL * ld),
                (r + 1) % LOG_ROWS == 0 or r == n_rows - 1,
            )  # fmt: skip
        if backward == 1:
            for j in range(block.n_out, LANES):
                store_vector(splat(np.float32(0.0)), tile + j * ld)
            transpose_block(tile, ld, tile, ld)
    for r in range(whole, n_rows):
        logit, largest, total, hit = _one_row(
            block, r, share, backward, gradient + r * ld if backward == 1 else gradient
        )
        correct += hit
        sums = _add_sample(sums, logit, largest, total, (r + 1) % LOG_ROWS == 0 or r == n_rows - 1)
    loss = smoothed = sums[0]
    if smoothing > 0.0:
        smoothed += _smooth_labels(block, smoothing, gradient)
    return loss, np.float64(correct) + np.float64(sum_lanes(right)), smoothed


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
def softmax(logits: int, ld: int, probabilities: np.ndarray) -> None:
    """Turn logits at an address, with rows `ld` bytes apart, into (B, K) probabilities; the logits are overwritten."""
    n_out = probabilities.shape[1]
    for r in range(probabilities.shape[0]):
        row = logits + r * ld
        exp_shifted(row, n_out, _largest(row, n_out), row)
        total = _total(row, n_out)
        for j in range(n_out):
            probabilities[r, j] = load_f32(row + 4 * j) / total
