"""Softmax and cross-entropy of a block of logits, and their gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnet.kernels._jit import kernel
from fastnet.kernels.host import LANE_BYTES, LANES
from fastnet.kernels.memory import address_of
from fastnet.kernels.rng import log_exact
from fastnet.kernels.vector import at_least, first_lanes, load_vector, power_of_two, round_even, splat, store_vector

_ONE = np.float32(1.0)
_LOG2E = np.float32(1.44269504)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_LOWEST = np.float32(-87.0)
_C2, _C3, _C4 = np.float32(0.5), np.float32(0.16666654), np.float32(0.041665795)
LOG_ROWS = 30
"""Samples whose sums of exponentials are multiplied before one logarithm: at most 65,536 classes to the 30th is 2^480,
within float64. Evaluation blocks are multiples of it."""

_C5, _C6 = np.float32(0.008333452), np.float32(0.0013981999)


@kernel
def exp(x: Any) -> Any:
    """e^x of each lane of a vector, x <= 88, by arithmetic of our own (libm's bits differ between machines).

    Below -87 it is e^-87; a NaN stays one. Cody and Waite's reduction x = n ln 2 + r with |r| <= ln 2 / 2, a
    polynomial of degree 6, and the exponent written directly.
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
    """Write e^(x - shift) of `n` floats at an address, in whole vectors; what lies beyond `n` becomes zero."""
    for j in range(0, n, LANES):
        shifted = load_vector(source + 4 * j) - splat(shift)
        store_vector(first_lanes(exp(shifted), n - j), target + 4 * j)


@kernel
def _largest(row: np.ndarray) -> np.float32:
    largest = row[0]
    for j in range(1, row.shape[0]):
        largest = row[j] if row[j] > largest else largest
    return largest


@kernel
def _is_first(row: np.ndarray, label: int, largest: np.float32) -> bool:
    """Whether `label` is where the largest logit stands, and stands first: what argmax would choose."""
    first = row[label] == largest
    for j in range(label):
        first = first and row[j] != largest
    return first


@kernel
def softmax_loss(
    logits: np.ndarray, ld: int, n_out: int, rows: np.ndarray, n_rows: int, labels: np.ndarray, loss: float,
    backward: int, gradient: np.ndarray,
) -> tuple[float, int]:  # fmt: skip
    """Return `loss` plus the summed cross-entropy, and the right answers; write (softmax - onehot) / n_rows.

    logits    (n_rows, ld) float32, read      rows, labels   int64: sample r has the class labels[rows[r]]
    gradient  (n_rows, ld) float32, written in whole vectors, zero beyond n_out; without `backward` its first row is
              scratch

    The sums over classes and samples run in order, on from the `loss` given, so that blocks of any multiple of
    `LOG_ROWS` samples give the same bits. The log is float64, one for `LOG_ROWS` samples: a logarithm a sample took
    half of the time. A NaN anywhere makes the loss NaN.
    """
    correct = 0
    share = _ONE / np.float32(n_rows)
    product = 1.0
    for r in range(n_rows):
        row = logits[r * ld : r * ld + n_out]
        out = gradient[r * ld : r * ld + n_out] if backward == 1 else gradient[:n_out]
        label = labels[rows[r]]
        largest = _largest(row)
        correct += _is_first(row, label, largest)
        exp_shifted(address_of(row), n_out, largest, address_of(out))
        total = np.float32(0.0)
        for j in range(n_out):
            total += out[j]
        product *= np.float64(total)
        loss -= np.float64(row[label]) - np.float64(largest)
        if backward == 1:
            factor = splat(share / total)
            for j in range(0, 4 * n_out, LANE_BYTES):
                store_vector(load_vector(address_of(out) + j) * factor, address_of(out) + j)
            out[label] -= share
        if (r + 1) % LOG_ROWS == 0 or r == n_rows - 1:
            loss += log_exact(product) if product > 0.0 else np.nan
            product = 1.0
    return loss, correct


@kernel
def smooth_labels(
    logits: np.ndarray, ld: int, n_out: int, rows: np.ndarray, n_rows: int, labels: np.ndarray, smoothing: float,
    gradient: np.ndarray,
) -> float:  # fmt: skip
    """Return what label smoothing adds to the loss of `softmax_loss`, and correct the gradient that it has left.

    gradient  (n_rows, ld) float32, updated but for what lies beyond n_out

    Of the target's 1 at the label, `smoothing` is spread evenly over all classes (Szegedy et al. 2016). Apart from
    `softmax_loss`, so that its bits and its time stay what they are without smoothing.
    """
    moved = np.float32(smoothing / n_rows)
    spread = np.float32(smoothing / (n_rows * n_out))
    more = 0.0
    for r in range(n_rows):
        label = r * ld + labels[rows[r]]
        total = 0.0
        for j in range(r * ld, r * ld + n_out):
            total += np.float64(logits[j])
            gradient[j] -= spread
        gradient[label] += moved
        more += np.float64(logits[label]) - total / n_out
    return smoothing * more


@kernel
def softmax(logits: np.ndarray, ld: int, n_rows: int, probabilities: np.ndarray) -> None:
    """Turn logits, rows `ld` floats apart, into (n_rows, O) probabilities; the logits are overwritten."""
    n_out = probabilities.shape[1]
    for r in range(n_rows):
        row = logits[r * ld : r * ld + n_out]
        exp_shifted(address_of(row), n_out, _largest(row), address_of(row))
        total = np.float32(0.0)
        for j in range(n_out):
            total += row[j]
        for j in range(n_out):
            probabilities[r, j] = row[j] / total
