"""One training step and a whole training run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnet.reference import heads as of_heads
from fastnet.reference.network import (
    Mask,
    backward,
    bias_gradient,
    evaluate,
    forward,
    hidden_slopes,
    scales,
    weight_gradient,
)
from fastnet.reference.objective import OBJECTIVES, PLAIN, Details, Floats, Targets
from fastnet.reference.rng import initial_weights, keep_mask, shuffle
from fastnet.reference.rules import Rule, State, initial_state, update
from fastnet.reference.schedule import rate_factor


class Trajectory(NamedTuple):
    """The result of a training run: the parameters after the last epoch and four curves, one number per epoch.

    `train_loss` is the loss met during the epoch: before each step, with dropout, for smoothed labels, averaged over
    all samples, and so is `train_score` if it is ``running``. The others are measured after the epoch, with every unit
    kept and labels as they are.
    """

    weights: list[Floats]
    biases: list[Floats]
    train_loss: NDArray[np.float64]
    train_score: NDArray[np.float64]
    validation_loss: NDArray[np.float64]
    validation_score: NDArray[np.float64]


def train_step(
    weights: Sequence[Floats],
    biases: Sequence[Floats],
    states: Sequence[tuple[State, State]],
    x: Floats,
    targets: Targets,
    keeps: Sequence[Mask | None] | None,
    scale: float | Sequence[float],
    t: int,
    rule: Rule,
    label_smoothing: float = 0.0,
    activation: str = "relu",
    objective: str = "cross-entropy",
    details: Details = PLAIN,
    heads: int = 1,
) -> tuple[list[Floats], list[Floats], list[tuple[State, State]], float]:
    """Take one step on one batch; all gradients are those at the weights before the step.

    `weights`, `biases`, `x`, `keeps`, `scale` and `activation` are those of `network.forward`; `states` has a pair of
    `State` per layer, for its weights and its biases; `t` counts steps from 1. The biases follow the rule without
    weight decay and relative rate. Returns new weights, biases and states, and the loss of the batch before the step,
    with the masks and without the weight penalty.

    >>> w, b, x, y = [np.zeros((1, 2))], [np.zeros(2)], np.ones((1, 1)), np.array([0])
    >>> train_step(w, b, [((), ())], x, y, None, 1.0, 1, Rule(learning_rate=1.0))[0]
    [array([[ 0.5, -0.5]])]
    """
    outputs = forward(weights, biases, x, scale, keeps, activation, heads)
    of_all, more = of_heads.repeated(targets, details, heads)
    loss = OBJECTIVES[objective].loss(of_heads.own(outputs[-1], heads), of_all, label_smoothing, more)
    inputs = [x, *outputs[:-1]]
    slopes = hidden_slopes(weights, biases, x, outputs, scale, keeps, activation, heads)
    dys = backward(weights, outputs, targets, scale, label_smoothing, slopes, objective, details, heads)
    bias_rule = rule._replace(weight_decay=0.0, relative_rate=0.0)
    new_weights, new_biases, new_states = [], [], []
    for w, b, (w_state, b_state), x_layer, dy in zip(weights, biases, states, inputs, dys, strict=True):
        w, w_state = update(w, weight_gradient(x_layer, dy), w_state, t, rule)
        b, b_state = update(b, bias_gradient(dy), b_state, t, bias_rule)
        new_weights.append(w)
        new_biases.append(b)
        new_states.append((w_state, b_state))
    return new_weights, new_biases, new_states, loss


class Settings(NamedTuple):
    """The settings of a training run, named as in `fastnet.TrainConfig`, and `stream`, the number of the trial.

    `dropout` is one share for all hidden layers or one each. Everything random follows from `seed` and `stream`.
    """

    activation: str = "relu"
    init: str = "he"
    optimizer: str = "sgd"
    learning_rate: float = 0.01
    schedule: str = "constant"
    warmup_epochs: float = 0.0
    step_epochs: int = 20
    step_factor: float = 0.1
    weight_decay: float = 0.0
    momentum: float = 0.9
    rho: float = 0.99
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    relative_rate: float = 0.0
    heads: int = 1
    label_smoothing: float = 0.0
    objective: str = "cross-entropy"
    quantiles: Sequence[float] = ()
    huber_delta: float = 1.0
    dropout: float | Sequence[float] = 0.0
    dropout_scaling: str = "inverted"
    batch_size: int = 100
    epochs: int = 50
    train_score: str = "exact"
    seed: int = 0
    stream: int = 0

    def rule(self, step: int, n_steps: int) -> Rule:
        """Return the update rule of a step, counted from 0, with its scheduled learning rate."""
        rule = Rule(self.optimizer, *(float(getattr(self, name)) for name in Rule._fields[1:]))
        factor = rate_factor(
            step, n_steps, self.epochs, self.schedule, self.warmup_epochs, self.step_epochs, self.step_factor
        )
        return rule._replace(learning_rate=rule.learning_rate * factor)

    def details(self, weights: Floats | None, rows: NDArray[np.int64]) -> Details:
        """Return what the objective knows of some samples, besides outputs and targets."""
        return Details(None if weights is None else weights[rows], self.quantiles, self.huber_delta)

    def ratios(self, n_hidden: int) -> list[float]:
        """Return the dropout of every hidden layer."""
        return [float(r) for r in (self.dropout if isinstance(self.dropout, Sequence) else [self.dropout] * n_hidden)]

    def keeps(self, step: int, n_rows: int, widths: Sequence[int]) -> list[Mask | None]:
        """Draw which units of the hidden layers, (B, width) each, a step keeps; None for all of them."""
        return [
            keep_mask(self.seed, self.stream, layer, step, n_rows, width, ratio) if ratio else None
            for layer, (width, ratio) in enumerate(zip(widths, self.ratios(len(widths)), strict=True))
        ]


def train(
    x: Floats,
    targets: Targets,
    train_rows: NDArray[np.int64],
    validation_rows: NDArray[np.int64],
    sizes: Sequence[int],
    sample_weights: Floats | None = None,
    **settings: Any,
) -> Trajectory:
    """Train one network with these `Settings` from its initial weights to the end of the last epoch.

    `x` holds all samples, (N, F), scaled; everything is computed in its type, but initial weights are rounded to
    float32. `train_rows` and `validation_rows` select samples, `sizes` are the widths of all layers, input and output
    included (that of all heads), and the last batch of an epoch may be short. `sample_weights`, (N,), multiply each
    sample's loss and score. A diverging run continues in infinities and NaNs.

    >>> x, labels, rows = np.array([[-1.0], [1.0]]), np.array([0, 1]), np.arange(2)
    >>> train(x, labels, rows, rows, [1, 4, 2], learning_rate=0.5, epochs=3).train_score.tolist()
    [1.0, 1.0, 1.0]
    """
    s = Settings(**settings)
    shapes = list(pairwise(sizes))
    heads = s.heads if len(shapes) > 1 else 1
    weights: list[Floats] = [
        initial_weights(s.seed, s.stream, k, *shape, s.init, heads if k == len(shapes) - 1 else 1).astype(x.dtype)
        for k, shape in enumerate(shapes)
    ]
    biases: list[Floats] = [np.zeros(n_out, dtype=x.dtype) for _, n_out in shapes]
    states = [
        (initial_state(w, s.optimizer), initial_state(b, s.optimizer)) for w, b in zip(weights, biases, strict=True)
    ]
    factors = [scales(ratio, s.dropout_scaling) for ratio in s.ratios(len(sizes) - 2)]
    scale_train, scale_eval = [one for one, _ in factors], [other for _, other in factors]
    curves = np.zeros((4, s.epochs))
    n_steps = -(-len(train_rows) // s.batch_size)
    with np.errstate(all="ignore"):
        for epoch in range(s.epochs):
            order = train_rows[shuffle(s.seed, s.stream, epoch, len(train_rows))]
            for step in range(epoch * n_steps, (epoch + 1) * n_steps):
                rows = order[step % n_steps * s.batch_size :][: s.batch_size]
                keeps = s.keeps(step, heads * len(rows), sizes[1:-1])
                if s.train_score == "running":
                    outputs = forward(weights, biases, x[rows], scale_train, keeps, s.activation, heads)[-1]
                    answers = of_heads.mean(outputs, heads)
                    score = OBJECTIVES[s.objective].score(answers, targets[rows], s.details(sample_weights, rows))
                    curves[1, epoch] += score * len(rows) / len(order)
                weights, biases, states, loss = train_step(
                    weights, biases, states, x[rows], targets[rows], keeps, scale_train, step + 1,
                    s.rule(step, n_steps), s.label_smoothing, s.activation, s.objective,
                    s.details(sample_weights, rows), heads,
                )  # fmt: skip
                curves[0, epoch] += loss * len(rows) / len(order)
            training, validation = (
                evaluate(*part, scale_eval, s.activation, s.objective, s.details(sample_weights, rows), heads)
                for rows in (train_rows, validation_rows)
                for part in [(weights, biases, x[rows], targets[rows])]
            )
            curves[2:, epoch] = validation
            if s.train_score != "running":
                curves[1, epoch] = training[1] if s.train_score == "exact" else np.nan
    return Trajectory(weights, biases, *curves)
