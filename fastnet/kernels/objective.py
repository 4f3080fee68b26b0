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
from fastnet.kernels.cross_entropy import cross_entropy, weighted_cross_entropy
from fastnet.kernels.heads import keep_own, mean_of_heads, put_back
from fastnet.kernels.layout import GRADIENT, GRADIENT_SIZE, LDW, N_OUT, Y
from fastnet.kernels.losses import each_output
from fastnet.kernels.memory import address_of
from fastnet.kernels.operands import Outputs

LOSS_ONLY, WITH_GRADIENT = _jit.typed(0), _jit.typed(1)
"""For a block of an evaluation, and for a batch of training."""


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
def _block_of(c: int, values: int, rows: int, n_rows: int) -> Outputs:
    """Return the outputs of one head at an address for `n_rows` samples (numbers at address `rows`)."""
    net = open_net(c)
    last = net.layers[net.layers.shape[0] - 1]
    data = open_data(c)
    weights = address_of(data.weights) if data.weights.shape[0] > 0 else np.int64(0)
    return Outputs(
        values, 4 * last[LDW], net.n_outputs, rows, n_rows, address_of(data.targets), weights,
        address_of(data.levels), data.levels.shape[0], open_trial(c).huber_delta,
    )  # fmt: skip


def _apply(c: int, rows: int, n_rows: int, backward: int) -> float:
    """Go through `n_rows` samples; return the summed loss that training descends.

    With `backward`, write the gradient and leave in `LOSS` and `SCORE` the sums of these samples as an evaluation
    computes them; otherwise continue the sums that are there.
    """
    net = open_net(c)
    work = open_work(c)
    base = address_of(work.floats)
    gradient = base + 4 * net.offsets[GRADIENT]
    block = _block_of(c, base + 4 * net.layers[net.layers.shape[0] - 1, Y], rows, n_rows)
    if backward == 1:
        loss, score, descended = formula(block, 0.0, open_trial(c).label_smoothing, WITH_GRADIENT, gradient)
        work.state[LOSS], work.state[SCORE] = loss, score
        return descended
    loss, score, _ = formula(block, work.state[LOSS], 0.0, LOSS_ONLY, gradient)
    work.state[LOSS], work.state[SCORE] = loss, work.state[SCORE] + score
    return loss


def _apply_to_heads(c: int, rows: int, n_rows: int, backward: int) -> float:
    """Do the same for several heads, whose mean is what is evaluated; each descends its own loss, and M their mean."""
    net = open_net(c)
    work = open_work(c)
    n_heads, last = net.signs.shape[0], net.layers[net.layers.shape[0] - 1]
    outputs, ld = address_of(work.floats) + 4 * last[Y], 4 * last[LDW]
    gradient = address_of(work.floats) + 4 * net.offsets[GRADIENT]
    means = gradient + 4 * net.offsets[GRADIENT_SIZE] if backward == 1 else outputs
    mean_of_heads(net, n_rows, outputs, means)
    loss, score, _ = formula(
        _block_of(c, means, rows, n_rows), 0.0 if backward == 1 else work.state[LOSS], 0.0, LOSS_ONLY, gradient
    )
    work.state[LOSS] = loss
    if backward == 0:
        work.state[SCORE] += score
        return loss
    work.state[SCORE] = score
    total, share = 0.0, np.float32(1.0) / np.float32(n_heads)
    n_out = net.n_outputs
    for m in range(n_heads):
        first = outputs + m * n_rows * ld
        for r in range(n_rows):
            keep_own(first + r * ld, m * n_out, n_out, last[N_OUT])
        block = _block_of(c, first, rows, n_rows)
        _, _, descended = formula(block, 0.0, open_trial(c).label_smoothing, WITH_GRADIENT, gradient + m * n_rows * ld)
        total += descended
    for m in range(n_heads):
        for r in range(n_rows):
            put_back(gradient + (m * n_rows + r) * ld, m * n_out, n_out, last[N_OUT], share)
    return total / n_heads


_i = types.int64
SIGNATURE = types.float64(_i, _i, _i, _i)
_COMPILED: dict[str, Any] = {}


@one_at_a_time
def stage(name: str, weighted: bool = False, n_heads: int = 1) -> int:
    """Compile the stage of an objective, for samples with or without weights, once, and return its address.

    One stage with two paths, not one stage for each: that took a third of a second more of a cold start.
    """
    row = OBJECTIVES[name]
    chosen = row.weighted if weighted else row.formula
    key = name if chosen is row.formula else f"{name}-weighted"
    key = key if n_heads == 1 else f"{key}-heads"
    if key not in _COMPILED:
        source = _jit.with_names(_apply if n_heads == 1 else _apply_to_heads, {"formula": chosen})
        _COMPILED[key] = _jit.micro(SIGNATURE, source, f"objective-{key}")
    return int(_COMPILED[key].address)
