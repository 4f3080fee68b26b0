"""The update rules: from a gradient to new parameters, with the state of each rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastnet.reference.objective import Floats

State = tuple[Floats, ...]
"""State of an update rule for one array: nothing, (v,) or (m, v)."""


LEAST = 2.0**-100
"""Velocities and Adam's first moments below it become 0, as float32 would hold them as slow subnormal numbers."""

SHARE = 2.0**-30
"""Means of squares become 0 where their root is less than this share of ε, to which the root is added."""


def settled(values: Floats, least: float = LEAST) -> Floats:
    """Return values, and 0 instead of those that are smaller.

    >>> settled(np.array([1.0, -1e-31, 1e-30])).tolist()
    [1.0, 0.0, 1e-30]
    """
    return np.where(np.abs(values) < least, np.zeros_like(values), values)


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
    relative_rate: float = 0.0


def sgd(w: Floats, g: Floats, state: State, t: int, rule: Rule) -> tuple[Floats, State]:
    """Step down the gradient: ``w - learning_rate g``.

    >>> sgd(np.array([1.0]), np.array([2.0]), (), 1, Rule(learning_rate=0.25))
    (array([0.5]), ())
    """
    return w - rule.learning_rate * g, ()


def momentum(w: Floats, g: Floats, state: State, t: int, rule: Rule) -> tuple[Floats, State]:
    """Step with a velocity: ``v <- momentum v - learning_rate g``, then ``w <- w + v`` (Polyak 1964).

    >>> momentum(np.array([1.0]), np.array([2.0]), (np.array([1.0]),), 1, Rule(learning_rate=0.25, momentum=0.5))
    (array([1.]), (array([0.]),))
    """
    v = settled(rule.momentum * state[0] - rule.learning_rate * g)
    return w + v, (v,)


def nesterov(w: Floats, g: Floats, state: State, t: int, rule: Rule) -> tuple[Floats, State]:
    """Step with a velocity that looks ahead: ``v`` as with momentum, then ``w <- w + momentum v - learning_rate g``.

    Sutskever, Martens, Dahl and Hinton, *On the importance of initialization and momentum in deep learning*, ICML 2013,
    with `w` for their θ + momentum v, where the next gradient is wanted; this is also the form of the book and PyTorch.

    >>> nesterov(np.array([1.0]), np.array([2.0]), (np.array([2.0]),), 1, Rule(learning_rate=0.25, momentum=0.5))
    (array([0.75]), (array([0.5]),))
    """
    v = settled(rule.momentum * state[0] - rule.learning_rate * g)
    return w + rule.momentum * v - rule.learning_rate * g, (v,)


def adagrad(w: Floats, g: Floats, state: State, t: int, rule: Rule) -> tuple[Floats, State]:
    """Step by AdaGrad: ``h <- h + g²``, then ``w <- w - learning_rate g / (sqrt(h) + ε)``.

    Duchi, Hazan and Singer, *Adaptive subgradient methods for online learning and stochastic optimization*, JMLR 12
    (2011); section 6.1.5 of the book.

    >>> adagrad(np.array([1.0]), np.array([3.0]), (np.array([16.0]),), 1, Rule(learning_rate=0.5, epsilon=1.0))
    (array([0.75]), (array([25.]),))
    """
    h = state[0] + g * g
    return w - rule.learning_rate * g / (np.sqrt(h) + rule.epsilon), (h,)


def rmsprop(w: Floats, g: Floats, state: State, t: int, rule: Rule) -> tuple[Floats, State]:
    """Step by RMSprop: ``h <- ρ h + (1 - ρ) g²``, then as AdaGrad (Hinton, lecture 6e, 2012).

    >>> rmsprop(np.array([1.0]), np.array([3.0]), (np.array([23.0]),), 1, Rule("rmsprop", 0.5, rho=0.5, epsilon=2.0))
    (array([0.75]), (array([16.]),))
    """
    h = settled(rule.rho * state[0] + (1.0 - rule.rho) * g * g, (SHARE * rule.epsilon) ** 2)
    return w - rule.learning_rate * g / (np.sqrt(h) + rule.epsilon), (h,)


def adam(w: Floats, g: Floats, state: State, t: int, rule: Rule) -> tuple[Floats, State]:
    """Step by Adam; `t` counts the updates from 1 (Kingma and Ba, ICLR 2015, algorithm 1).

    ``m <- β1 m + (1 - β1) g``, ``v <- β2 v + (1 - β2) g²``,
    ``w <- w - learning_rate / (1 - β1**t) * (1 + κ |w|) * m / (sqrt(v) / sqrt(1 - β2**t) + ε)``, where κ, the relative
    rate, is not in the paper and 0 unless it is set.

    >>> w, _ = adam(np.ones(1), np.full(1, 4.0), (np.zeros(1), np.zeros(1)), 1, Rule("adam", learning_rate=0.5))
    >>> round(float(w[0]), 6)  # the first step has the length of the learning rate, whatever the gradient
    0.5
    """
    m = settled(rule.beta1 * state[0] + (1.0 - rule.beta1) * g)
    v = settled(rule.beta2 * state[1] + (1.0 - rule.beta2) * g * g, (SHARE * rule.epsilon) ** 2)
    rate = rule.learning_rate / (1.0 - rule.beta1**t) * (1.0 + rule.relative_rate * np.abs(w))
    return w - rate * m / (np.sqrt(v) / (1.0 - rule.beta2**t) ** 0.5 + rule.epsilon), (m, v)


RULES: dict[str, tuple[Callable[[Floats, Floats, State, int, Rule], tuple[Floats, State]], int]] = {
    "sgd": (sgd, 0),
    "momentum": (momentum, 1),
    "nesterov": (nesterov, 1),
    "adagrad": (adagrad, 1),
    "rmsprop": (rmsprop, 1),
    "adam": (adam, 2),
    "adamw": (adam, 2),
}
"""The step of each rule, and the number of arrays in its state."""


def initial_state(w: Floats, optimizer: str) -> State:
    """Make the state of a rule for the array `w` before the first step: zeros."""
    return tuple(np.zeros_like(w) for _ in range(RULES[optimizer][1]))


def update(w: Floats, dw: Floats, state: State, t: int, rule: Rule) -> tuple[Floats, State]:
    """Apply a rule to one array of weights; `t` counts from 1. That of biases has no weight decay and relative rate.

    λ enters the gradient as ``dw + λ w``, the gradient of ``½ λ Σ w²``. In AdamW it shrinks the weights instead, to
    ``(1 - learning_rate λ) w`` before the step (Loshchilov and Hutter, *Decoupled weight decay regularization*, ICLR
    2019).

    >>> update(np.ones(1), np.zeros(1), (), 1, Rule("sgd", learning_rate=0.5, weight_decay=0.5))[0].tolist()
    [0.75]
    """
    if rule.optimizer == "adamw":
        w, g = (1.0 - rule.learning_rate * rule.weight_decay) * w, dw
    else:
        g = dw + rule.weight_decay * w
    step, _ = RULES[rule.optimizer]
    return step(w, g, state, t, rule)
