"""Outputs of a network, their targets, and the kernels of the objectives called on them between canaries."""

from __future__ import annotations

import math

import numpy as np
from buffers import address, checked
from cases import SIZES
from hypothesis import settings
from hypothesis import strategies as st
from layers import call
from properties import examples

from fastnet.kernels.cross_entropy import cross_entropy, weighted_cross_entropy
from fastnet.kernels.host import LANES, round_up
from fastnet.kernels.layout import leading
from fastnet.kernels.operands import Outputs
from fastnet.reference.objective import PLAIN

sizes = st.sampled_from(SIZES)
classes = st.sampled_from(SIZES[1:])
seeds = st.integers(0, 2**32 - 1)
thorough = settings(max_examples=examples(60))

EXP_TERMS = 4
"""Roundings that one exponential may be off: its polynomial of degree 6 and the argument's reduction."""

SUBNORMAL = 1e-36
"""Size below which float32 has no relative precision to speak of."""


def floored(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits below the largest of their row, but by no more than 87, as the kernels say; and how far they are, from 1.

    The error of an exponential, in roundings, is proportional to its argument.
    """
    below = np.maximum(logits.astype(np.float64) - logits.max(axis=1, keepdims=True), -87.0)
    return below, 1 + np.abs(below)


def draw(seed: int, n_rows: int, n_out: int, spread: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, the sample numbers of the rows and the classes of all samples."""
    random = np.random.default_rng(seed)
    logits = (random.normal(size=(n_rows, n_out)) * spread).astype(np.float32)
    return logits, random.integers(0, n_rows + 3, n_rows), random.integers(0, n_out, n_rows + 3)


def run(
    values: np.ndarray, rows: np.ndarray, targets: np.ndarray, *, start: float = 0.0, backward: bool = True,
    smoothing: float = 0.0, formula=cross_entropy, weights: np.ndarray | None = None, details=PLAIN,
):  # fmt: skip
    """Return the loss that is descended, score and gradient, after looking at the padding: NaN where it is read."""
    n_rows, n_out = values.shape
    ld, columns = leading(n_out), round_up(n_out, LANES)
    with checked() as buffers:
        padded = np.full((n_rows, ld), np.nan, np.float32)
        padded[:, :n_out] = values
        gradient = buffers.output((n_rows if backward else max(1, min(n_rows, LANES)), ld))
        kind = np.int64 if formula in (cross_entropy, weighted_cross_entropy) else np.float32
        levels = np.array(details.levels, np.float32)
        block = Outputs(
            address(buffers.input(padded)), 4 * ld, n_out, address(buffers.input(rows.astype(np.int64))), n_rows,
            address(buffers.input(targets.astype(kind))), 0 if weights is None else address(buffers.input(weights)),
            address(buffers.input(levels)), len(levels), details.delta,
        )  # fmt: skip
        plain, score, loss = call(formula, block, start, smoothing, int(backward), address(gradient))
    assert smoothing or plain == loss or math.isnan(loss)
    finite = np.isfinite(values).all(axis=1)[: len(gradient)]
    if backward:
        assert (gradient[finite, n_out:columns] == 0).all(), "the padding of the gradient is not zero"
    assert np.isnan(gradient[:, columns:]).all(), "the gradient is written beyond its last vector"
    return loss, score, gradient[:, :n_out]
