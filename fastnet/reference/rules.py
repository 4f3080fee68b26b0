"""The update rules: from a gradient to new parameters, with the state of each rule."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastnet.reference.objective import Floats

State = tuple[Floats, ...]
"""State of an update rule for one array: nothing, (v,) or (m, v)."""


class Rule(NamedTuple):
    """An update rule with its numbers (plain Python floats), named as in the settings of a training run."""

    optimizer: str = "sgd"
    learning_rate: float = 0.01
    weight_decay: float = 0.0
    momentum: float = 0.9
    rho: float = 0.99
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8


def sgd_update(w: Floats, g: Floats, learning_rate: float) -> Floats:
    """Step down the gradient: ``w - learning_rate g``.

    >>> sgd_update(np.array([1.0]), np.array([2.0]), 0.25).tolist()
    [0.5]
    """
    return w - learning_rate * g


def momentum_update(w: Floats, g: Floats, v: Floats, learning_rate: float, momentum: float) -> tuple[Floats, Floats]:
    """Step with a velocity: ``v <- momentum v - learning_rate g``, then ``w <- w + v`` (Polyak 1964).

    >>> momentum_update(np.array([1.0]), np.array([2.0]), np.array([1.0]), 0.25, 0.5)
    (array([1.]), array([0.]))
    """
    v = momentum * v - learning_rate * g
    return w + v, v


def nesterov_update(w: Floats, g: Floats, v: Floats, learning_rate: float, momentum: float) -> tuple[Floats, Floats]:
    """Step with a velocity that looks ahead: ``v`` as with momentum, then ``w <- w + momentum v - learning_rate g``.

    Sutskever, Martens, Dahl and Hinton, *On the importance of initialization and momentum in deep learning*, ICML 2013,
    with `w` for their θ + momentum v, where the next gradient is wanted; so the book has it, and PyTorch.

    >>> nesterov_update(np.array([1.0]), np.array([2.0]), np.array([2.0]), 0.25, 0.5)
    (array([0.75]), array([0.5]))
    """
    v = momentum * v - learning_rate * g
    return w + momentum * v - learning_rate * g, v


def adagrad_update(w: Floats, g: Floats, h: Floats, learning_rate: float, epsilon: float) -> tuple[Floats, Floats]:
    """Step by AdaGrad: ``h <- h + g²``, then ``w <- w - learning_rate g / (sqrt(h) + ε)``.

    Duchi, Hazan and Singer, *Adaptive subgradient methods for online learning and stochastic optimization*, JMLR 12
    (2011); section 6.1.5 of the book.

    >>> adagrad_update(np.array([1.0]), np.array([3.0]), np.array([16.0]), 0.5, 1.0)
    (array([0.75]), array([25.]))
    """
    h = h + g * g
    return w - learning_rate * g / (np.sqrt(h) + epsilon), h


def rmsprop_update(
    w: Floats, g: Floats, h: Floats, learning_rate: float, rho: float, epsilon: float
) -> tuple[Floats, Floats]:
    """Step by RMSprop: ``h <- ρ h + (1 - ρ) g²``, then as AdaGrad (Hinton, lecture 6e, 2012).

    >>> rmsprop_update(np.array([1.0]), np.array([3.0]), np.array([23.0]), 0.5, 0.5, 2.0)
    (array([0.75]), array([16.]))
    """
    h = rho * h + (1.0 - rho) * g * g
    return w - learning_rate * g / (np.sqrt(h) + epsilon), h


def adam_update(
    w: Floats, g: Floats, m: Floats, v: Floats, t: int, learning_rate: float, beta1: float, beta2: float, epsilon: float
) -> tuple[Floats, Floats, Floats]:
    """Step by Adam; `t` counts the updates from 1 (Kingma and Ba, ICLR 2015, algorithm 1).

    ``m <- β1 m + (1 - β1) g``, ``v <- β2 v + (1 - β2) g²``,
    ``w <- w - learning_rate / (1 - β1**t) * m / (sqrt(v) / sqrt(1 - β2**t) + ε)``.

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

    >>> w, m, v = adamw_update(np.ones(1), np.zeros(1), np.zeros(1), np.zeros(1), 1, 0.5, 0.5, 0.9, 0.999, 1e-8)
    >>> w.tolist()
    [0.75]
    """
    return adam_update((1.0 - learning_rate * weight_decay) * w, dw, m, v, t, learning_rate, beta1, beta2, epsilon)


def initial_state(w: Floats, optimizer: str) -> State:
    """Make the state of a rule for the array `w` before the first step: zeros."""
    n_arrays = {"sgd": 0, "momentum": 1, "nesterov": 1, "adagrad": 1, "rmsprop": 1, "adam": 2, "adamw": 2}[optimizer]
    return tuple(np.zeros_like(w) for _ in range(n_arrays))


def update(w: Floats, dw: Floats, state: State, t: int, rule: Rule) -> tuple[Floats, State]:
    """Apply a rule to one array of weights, or of biases if the rule's `weight_decay` is 0; `t` counts from 1.

    λ enters the gradient as ``dw + λ w``, the gradient of ``½ λ Σ w²``, except in AdamW.

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
    if rule.optimizer in ("momentum", "nesterov"):
        step = momentum_update if rule.optimizer == "momentum" else nesterov_update
        w, v = step(w, g, state[0], rule.learning_rate, rule.momentum)
        return w, (v,)
    if rule.optimizer == "adagrad":
        w, h = adagrad_update(w, g, state[0], rule.learning_rate, rule.epsilon)
        return w, (h,)
    if rule.optimizer == "rmsprop":
        w, h = rmsprop_update(w, g, state[0], rule.learning_rate, rule.rho, rule.epsilon)
        return w, (h,)
    m, v = state
    w, m, v = adam_update(w, g, m, v, t, rule.learning_rate, rule.beta1, rule.beta2, rule.epsilon)
    return w, (m, v)
