"""Softmax and cross-entropy of a block of logits, and their gradient."""

from __future__ import annotations

import math

import numpy as np

from fastnet.kernels._jit import kernel
from fastnet.kernels.rng import log_exact

_ONE = np.float32(1.0)
_LOG2E = np.float32(1.44269504)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_LOWEST = np.float32(-87.0)
_C2, _C3, _C4 = np.float32(0.5), np.float32(0.16666654), np.float32(0.041665795)
_C5, _C6 = np.float32(0.008333452), np.float32(0.0013981999)
_HALF = np.float32(0.5)


@kernel
def exp32(x: np.float32) -> np.float32:
    """e^x for x <= 0 in float32 arithmetic of our own (libm's bits differ between machines); below -87, e^-87.

    Cody and Waite's reduction x = n ln 2 + r, |r| <= ln 2 / 2, a polynomial of degree 6, then a shift of the exponent.
    """
    x = _LOWEST if x < _LOWEST else x  # written so that a NaN stays one
    n = np.float32(math.floor(x * _LOG2E + _HALF))
    r = x - n * _LN2_HIGH - n * _LN2_LOW
    p = _C6
    p = p * r + _C5
    p = p * r + _C4
    p = p * r + _C3
    p = p * r + _C2
    p = p * r + _ONE
    p = p * r + _ONE
    return p * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


@kernel
def softmax_loss(
    logits: np.ndarray, ld: int, n_out: int, rows: np.ndarray, n_rows: int, labels: np.ndarray, loss: float,
    gradient: np.ndarray,
) -> tuple[float, int]:  # fmt: skip
    """Return `loss` plus the summed cross-entropy, and the right answers; write (softmax - onehot) / n_rows.

    logits    (n_rows, ld) float32, read      rows, labels   int64: sample r has the class labels[rows[r]]
    gradient  (n_rows, ld) float32, columns below n_out written; pass an empty array to leave it out

    The sums over classes and samples run in order, on from the `loss` given, so blocks of any size give the same bits.
    The log is float64. A NaN anywhere makes the loss NaN.
    """
    correct = 0
    backward = gradient.shape[0] > 0
    share = _ONE / np.float32(n_rows)
    for r in range(n_rows):
        row = logits[r * ld : r * ld + n_out]
        label = labels[rows[r]]
        best = 0
        for j in range(1, n_out):
            if row[j] > row[best]:
                best = j
        largest = row[best]
        correct += best == label
        total = np.float32(0.0)
        if backward:
            exponentials = gradient[r * ld : r * ld + n_out]
            for j in range(n_out):
                exponentials[j] = exp32(row[j] - largest)
            for j in range(n_out):
                total += exponentials[j]
            factor = share / total
            for j in range(n_out):
                exponentials[j] *= factor
            exponentials[label] -= share
        else:
            for j in range(n_out):
                total += exp32(row[j] - largest)
        loss += log_exact(np.float64(total)) - (np.float64(row[label]) - np.float64(largest)) if total == total else np.nan
    return loss, correct


@kernel
def softmax(logits: np.ndarray, ld: int, n_rows: int, probabilities: np.ndarray) -> None:
    """Write (n_rows, O) probabilities of logits whose rows are `ld` floats apart."""
    n_out = probabilities.shape[1]
    for r in range(n_rows):
        row = logits[r * ld : r * ld + n_out]
        largest = row[0]
        for j in range(1, n_out):
            largest = row[j] if row[j] > largest else largest
        total = np.float32(0.0)
        for j in range(n_out):
            probabilities[r, j] = exp32(row[j] - largest)
            total += probabilities[r, j]
        for j in range(n_out):
            probabilities[r, j] /= total
