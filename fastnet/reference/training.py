"""The update rules, one training step and the whole course of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnet.reference.network import (
    Floats,
    Labels,
    Mask,
    backward,
    bias_gradient,
    cross_entropy,
    evaluate,
    forward,
    scales,
    weight_gradient,
)
from fastnet.reference.rng import initial_weights, keep_mask, shuffle

State = tuple[Floats, ...]
"""What an update rule remembers of one array: nothing, (v,) or (m, v)."""


class Rule(NamedTuple):
    """An update rule with its numbers (plain Python floats), named as in the settings of a training run.

    Examples
    --------
    >>> Rule(optimizer="momentum", learning_rate=0.1).momentum
    0.9
    """

    optimizer: str = "sgd"
    learning_rate: float = 0.01
    weight_decay: float = 0.0
    momentum: float = 0.9
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8


class Trajectory(NamedTuple):
    """What came of a training run: the parameters after the last epoch and one number per epoch for each curve.

    `train_loss` is the loss as it was met during the epoch: before each step, with dropout, averaged over all samples.
    The other three are taken after the epoch, with every unit kept.
    """

    weights: list[Floats]
    biases: list[Floats]
    train_loss: NDArray[np.float64]
    train_accuracy: NDArray[np.float64]
    validation_loss: NDArray[np.float64]
    validation_accuracy: NDArray[np.float64]


def sgd_update(w: Floats, g: Floats, learning_rate: float) -> Floats:
    """Step down the gradient: ``w - learning_rate g``.

    Examples
    --------
    >>> sgd_update(np.array([1.0]), np.array([2.0]), 0.25).tolist()
    [0.5]
    """
    return w - learning_rate * g


def momentum_update(w: Floats, g: Floats, v: Floats, learning_rate: float, momentum: float) -> tuple[Floats, Floats]:
    """Step with a velocity: ``v <- momentum v - learning_rate g``, then ``w <- w + v`` (Polyak 1964).

    Returns
    -------
    w, v : arrays like `w`

    Examples
    --------
    >>> momentum_update(np.array([1.0]), np.array([2.0]), np.array([1.0]), 0.25, 0.5)
    (array([1.]), array([0.]))
    """
    v = momentum * v - learning_rate * g
    return w + v, v


def adam_update(
    w: Floats, g: Floats, m: Floats, v: Floats, t: int, learning_rate: float, beta1: float, beta2: float, epsilon: float
) -> tuple[Floats, Floats, Floats]:
    """Step by Adam.

    Parameters
    ----------
    w, g, m, v : arrays of one shape
        Parameters, their gradient, and the running means of the gradient and of its square, both zero at first.
    t : int
        Number of this update, from 1.
    learning_rate, beta1, beta2, epsilon : float

    Returns
    -------
    w, m, v : arrays like `w`

    Notes
    -----
    Kingma and Ba, *Adam: a method for stochastic optimization*, ICLR 2015, algorithm 1:
    ``m <- β1 m + (1 - β1) g``, ``v <- β2 v + (1 - β2) g²``,
    ``w <- w - learning_rate / (1 - β1**t) * m / (sqrt(v) / sqrt(1 - β2**t) + ε)``.

    Examples
    --------
    >>> w, m, v = adam_update(np.ones(1), np.full(1, 4.0), np.zeros(1), np.zeros(1), 1, 0.5, 0.9, 0.999, 1e-8)
    >>> round(float(w[0]), 6)  # the first step has the length of the learning rate, whatever the gradient
    0.5
    """
    m = beta1 * m + (1.0 - beta1) * g
    v = beta2 * v + (1.0 - beta2) * g * g
    rate = learning_rate / (1.0 - beta1**t)
    return w - rate * m / (np.sqrt(v) / (1.0 - beta2**t) ** 0.5 + epsilon), m, v


def adamw_update(
    w: Floats,
    dw: Floats,
    m: Floats,
    v: Floats,
    t: int,
    learning_rate: float,
    weight_decay: float,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> tuple[Floats, Floats, Floats]:
    """Step by Adam after shrinking the weights: ``w <- (1 - learning_rate weight_decay) w``, then `adam_update`.

    The decay never enters the gradient (Loshchilov and Hutter, *Decoupled weight decay regularization*, ICLR 2019).

    Returns
    -------
    w, m, v : arrays like `w`

    Examples
    --------
    >>> w, m, v = adamw_update(np.ones(1), np.zeros(1), np.zeros(1), np.zeros(1), 1, 0.5, 0.5, 0.9, 0.999, 1e-8)
    >>> w.tolist()
    [0.75]
    """
    return adam_update((1.0 - learning_rate * weight_decay) * w, dw, m, v, t, learning_rate, beta1, beta2, epsilon)


def initial_state(w: Floats, optimizer: str) -> State:
    """Make what a rule remembers of the array `w` before the first step: zeros.

    Examples
    --------
    >>> [len(initial_state(np.ones(2), name)) for name in ("sgd", "momentum", "adam", "adamw")]
    [0, 1, 2, 2]
    """
    n_arrays = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}[optimizer]
    return tuple(np.zeros_like(w) for _ in range(n_arrays))


def update(w: Floats, dw: Floats, state: State, t: int, rule: Rule) -> tuple[Floats, State]:
    """Apply a rule to one array of weights, or of biases if the rule's `weight_decay` is 0.

    Parameters
    ----------
    w, dw : arrays of one shape
        Parameters and the gradient of the cross-entropy alone.
    state : tuple of arrays
        See `initial_state`.
    t : int
        Number of this update, from 1.
    rule : Rule
        Its `weight_decay` λ enters the gradient as ``dw + λ w``, the gradient of ``½ λ Σ w²``, except in AdamW.

    Returns
    -------
    w, state

    Examples
    --------
    >>> update(np.ones(1), np.zeros(1), (), 1, Rule("sgd", learning_rate=0.5, weight_decay=0.5))[0].tolist()
    [0.75]
    """
    if rule.optimizer == "adamw":
        m, v = state
        w, m, v = adamw_update(
            w, dw, m, v, t, rule.learning_rate, rule.weight_decay, rule.beta1, rule.beta2, rule.epsilon
        )
        return w, (m, v)
    g = dw + rule.weight_decay * w
    if rule.optimizer == "sgd":
        return sgd_update(w, g, rule.learning_rate), ()
    if rule.optimizer == "momentum":
        (v,) = state
        w, v = momentum_update(w, g, v, rule.learning_rate, rule.momentum)
        return w, (v,)
    m, v = state
    w, m, v = adam_update(w, g, m, v, t, rule.learning_rate, rule.beta1, rule.beta2, rule.epsilon)
    return w, (m, v)


def train_step(
    weights: Sequence[Floats],
    biases: Sequence[Floats],
    states: Sequence[tuple[State, State]],
    x: Floats,
    labels: Labels,
    keeps: Sequence[Mask | None] | None,
    scale: float | Sequence[float],
    t: int,
    rule: Rule,
) -> tuple[list[Floats], list[Floats], list[tuple[State, State]], float]:
    """Take one step on one batch; all gradients are those at the weights before the step.

    Parameters
    ----------
    weights, biases, x, scale, keeps
        See `network.forward`.
    states : one pair of `State` per layer
        Of its weights and of its biases.
    labels : (B,) int
    t : int
        Number of this step, from 1.
    rule : Rule
        The biases follow it without weight decay.

    Returns
    -------
    weights, biases, states : lists, one entry per layer
        New arrays; what was given is left as it was.
    loss : float
        Mean cross-entropy of the batch before the step, with the masks, without the weights' penalty.

    Examples
    --------
    >>> w, b, x, y = [np.zeros((1, 2))], [np.zeros(2)], np.ones((1, 1)), np.array([0])
    >>> train_step(w, b, [((), ())], x, y, None, 1.0, 1, Rule(learning_rate=1.0))[0]
    [array([[ 0.5, -0.5]])]
    """
    outputs = forward(weights, biases, x, scale, keeps)
    loss = cross_entropy(outputs[-1], labels)
    inputs = [x, *outputs[:-1]]
    dys = backward(weights, outputs, labels, scale)
    bias_rule = rule._replace(weight_decay=0.0)
    new_weights, new_biases, new_states = [], [], []
    for w, b, (w_state, b_state), x_layer, dy in zip(weights, biases, states, inputs, dys, strict=True):
        w, w_state = update(w, weight_gradient(x_layer, dy), w_state, t, rule)
        b, b_state = update(b, bias_gradient(dy), b_state, t, bias_rule)
        new_weights.append(w)
        new_biases.append(b)
        new_states.append((w_state, b_state))
    return new_weights, new_biases, new_states, loss


def train(
    x: Floats,
    labels: Labels,
    train_rows: NDArray[np.int64],
    validation_rows: NDArray[np.int64],
    sizes: Sequence[int],
    *,
    init: str = "he",
    optimizer: str = "sgd",
    learning_rate: float = 0.01,
    weight_decay: float = 0.0,
    momentum: float = 0.9,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    dropout: float | Sequence[float] = 0.0,
    dropout_scaling: str = "inverted",
    batch_size: int = 100,
    epochs: int = 50,
    seed: int = 0,
    stream: int = 0,
) -> Trajectory:
    """Train one network from its initial weights to the end of the last epoch.

    Parameters
    ----------
    x : (N, F) float32 or float64
        All samples, scaled. Everything is computed in this type; the initial weights are rounded to float32 in both.
    labels : (N,) int
    train_rows, validation_rows : (n,) int64
        Which samples to learn from and which to judge by.
    sizes : sequence of int
        Widths of all layers, input and output included.
    init : {"he", "xavier"}
        See `rng.initial_weights`.
    optimizer : {"sgd", "momentum", "adam", "adamw"}
    learning_rate, weight_decay, momentum, beta1, beta2, epsilon : float
        See `Rule`.
    dropout, dropout_scaling
        See `network.scales`; one `dropout` for all hidden layers or one for each.
    batch_size : int
        Samples per step, at least 1; the last batch of an epoch may be shorter.
    epochs : int
        Passes over the training samples.
    seed : int
        Everything random follows from it and `stream`.
    stream : int
        Number of the trial.

    Returns
    -------
    Trajectory
        A run that diverges goes on to its end in infinities and NaNs.

    Examples
    --------
    >>> x, labels, rows = np.array([[-1.0], [1.0]]), np.array([0, 1]), np.arange(2)
    >>> train(x, labels, rows, rows, [1, 4, 2], learning_rate=0.5, epochs=3).train_accuracy.tolist()
    [1.0, 1.0, 1.0]
    """
    rule = Rule(
        optimizer=optimizer,
        learning_rate=float(learning_rate),
        weight_decay=float(weight_decay),
        momentum=float(momentum),
        beta1=float(beta1),
        beta2=float(beta2),
        epsilon=float(epsilon),
    )
    shapes = list(pairwise(sizes))
    weights: list[Floats] = [
        initial_weights(seed, stream, layer, *shape, init).astype(x.dtype) for layer, shape in enumerate(shapes)
    ]
    biases: list[Floats] = [np.zeros(n_out, dtype=x.dtype) for _, n_out in shapes]
    states = [(initial_state(w, optimizer), initial_state(b, optimizer)) for w, b in zip(weights, biases, strict=True)]
    ratios = [float(ratio) for ratio in (dropout if isinstance(dropout, Sequence) else [dropout] * (len(sizes) - 2))]
    scale_train = [scales(ratio, dropout_scaling)[0] for ratio in ratios]
    scale_eval = [scales(ratio, dropout_scaling)[1] for ratio in ratios]
    curves = np.zeros((4, epochs))
    step = 0
    with np.errstate(all="ignore"):
        for epoch in range(epochs):
            order = train_rows[shuffle(seed, stream, epoch, len(train_rows))]
            for start in range(0, len(order), batch_size):
                rows = order[start : start + batch_size]
                keeps = [
                    keep_mask(seed, stream, layer, step, len(rows), n_units, ratio) if ratio else None
                    for layer, (n_units, ratio) in enumerate(zip(sizes[1:-1], ratios, strict=True))
                ]
                step += 1
                weights, biases, states, loss = train_step(
                    weights, biases, states, x[rows], labels[rows], keeps, scale_train, step, rule
                )
                curves[0, epoch] += loss * len(rows) / len(order)
            _, curves[1, epoch] = evaluate(weights, biases, x[train_rows], labels[train_rows], scale_eval)
            curves[2:, epoch] = evaluate(weights, biases, x[validation_rows], labels[validation_rows], scale_eval)
    return Trajectory(weights, biases, *curves)
