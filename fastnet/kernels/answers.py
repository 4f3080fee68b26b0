"""What a trained network answers: its raw outputs brought to probabilities, expectations or quantiles in order."""

from __future__ import annotations

import numpy as np

from fastnet.kernels import _jit
from fastnet.kernels._jit import kernel
from fastnet.kernels.cross_entropy import softmax
from fastnet.kernels.losses import exp_exact
from fastnet.kernels.memory import load_f32

SOFTMAX, SIGMOID, IDENTITY, EXP, SORT = (_jit.typed(kind) for kind in range(5))

KINDS = {
    "cross-entropy": SOFTMAX,
    "binary-cross-entropy": SIGMOID,
    "squared-error": IDENTITY,
    "absolute-error": IDENTITY,
    "huber": IDENTITY,
    "pinball": SORT,
    "poisson": EXP,
}
"""How the outputs of each objective become answers."""


@kernel
def write_answers(kind: int, n_levels: int, outputs: int, ld: int, answers: np.ndarray) -> None:
    """Turn outputs at an address, with rows `ld` bytes apart, into (B, K) answers; the outputs may be overwritten.

    `SORT` puts each `n_levels` outputs in a row in ascending order. NaN stays NaN.
    """
    if kind == SOFTMAX:
        softmax(outputs, ld, answers)
        return
    for r in range(answers.shape[0]):
        for j in range(answers.shape[1]):
            answers[r, j] = load_f32(outputs + r * ld + 4 * j)
            z = np.float64(answers[r, j])
            if kind == SIGMOID and z == z:
                answers[r, j] = np.float32(1.0 / (1.0 + exp_exact(-z)))
            if kind == EXP and z == z:
                answers[r, j] = np.float32(exp_exact(z))
        if kind == SORT:
            for begin in range(0, answers.shape[1], n_levels):
                _sort(answers[r, begin : begin + n_levels])


@kernel
def _sort(values: np.ndarray) -> None:
    """Sort a few numbers in place, by insertion."""
    for i in range(1, values.shape[0]):
        value, j = values[i], i
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value
