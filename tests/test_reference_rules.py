"""The update rules of the reference: the formulas of their authors, of the book and of PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import examples

from fastnet.config.training import OPTIMIZERS
from fastnet.reference import rules
from fastnet.reference.rules import Rule

few = settings(max_examples=examples(25))


def test_momentum_with_a_constant_gradient_worked_by_hand():
    rule = Rule("momentum", learning_rate=0.25, momentum=0.5)
    w, state = np.array([1.0]), rules.initial_state(np.array([1.0]), "momentum")
    seen = []
    for t in (1, 2, 3):
        w, state = rules.update(w, np.array([4.0]), state, t, rule)
        seen.append((float(w[0]), float(state[0][0])))
    assert seen == [(0.0, -1.0), (-1.5, -1.5), (-3.25, -1.75)]


def adam_by_hand(w, gradients, learning_rate, beta1, beta2, epsilon):
    """Algorithm 1 of Kingma and Ba for one number, with its bias-corrected moments written out."""
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        w -= learning_rate * (m / (1 - beta1**t)) / (math.sqrt(v / (1 - beta2**t)) + epsilon)
    return w


@few
@given(st.lists(st.floats(-10, 10), min_size=1, max_size=8), st.floats(0, 0.99), st.floats(0, 0.999))
def test_adam_follows_the_paper(gradients, beta1, beta2):
    rule = Rule("adam", learning_rate=0.01, beta1=beta1, beta2=beta2, epsilon=1e-3)
    w, state = np.array([0.5]), rules.initial_state(np.array([0.5]), "adam")
    for t, g in enumerate(gradients, start=1):
        w, state = rules.update(w, np.array([g]), state, t, rule)
    assert w[0] == pytest.approx(adam_by_hand(0.5, gradients, 0.01, beta1, beta2, 1e-3), rel=1e-9, abs=1e-12)


def nesterov_by_torch(w, gradients, rate, momentum):
    """torch.optim.SGD as documented, nesterov=True, dampening 0."""
    b = 0.0
    for t, g in enumerate(gradients):
        b = momentum * b + g if t else g
        w -= rate * (g + momentum * b)
    return w


def nesterov_by_sutskever(w, gradient, n_steps, rate, momentum):
    """Sutskever et al. 2013, equations 3 and 4, for a gradient that depends on the place; return θ + μ v."""
    theta, v = w, 0.0
    for _ in range(n_steps):
        v = momentum * v - rate * gradient(theta + momentum * v)
        theta += v
    return theta + momentum * v


def adagrad_by_torch(w, gradients, rate, epsilon):
    """torch.optim.Adagrad as documented, lr_decay 0."""
    total = 0.0
    for g in gradients:
        total += g**2
        w -= rate * g / (math.sqrt(total) + epsilon)
    return w


def rmsprop_by_torch(w, gradients, rate, alpha, epsilon):
    """torch.optim.RMSprop as documented, not centered and without momentum."""
    v = 0.0
    for g in gradients:
        v = alpha * v + (1 - alpha) * g**2
        w -= rate * g / (math.sqrt(v) + epsilon)
    return w


def walk(rule, gradients, w=0.5):
    w = np.array([w])
    state = rules.initial_state(w, rule.optimizer)
    for t, g in enumerate(gradients, start=1):
        w, state = rules.update(w, np.array([g]), state, t, rule)
    return w[0]


GRADIENTS = st.lists(st.floats(-10, 10), min_size=1, max_size=8)


@few
@given(GRADIENTS, st.floats(0, 0.99))
def test_nesterov_is_torchs(gradients, momentum):
    expected = nesterov_by_torch(0.5, gradients, 0.01, momentum)
    assert walk(Rule("nesterov", 0.01, momentum=momentum), gradients) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_nesterov_looks_ahead_as_sutskever_says(momentum):
    rule, w = Rule("nesterov", 0.1, momentum=momentum), np.array([2.0])
    state = rules.initial_state(w, "nesterov")
    for t in range(1, 31):
        w, state = rules.update(w, 3.0 * w - 1.0, state, t, rule)
        expected = nesterov_by_sutskever(2.0, lambda place: 3.0 * place - 1.0, t, 0.1, momentum)
        assert w[0] == pytest.approx(expected, rel=1e-12)


@few
@given(GRADIENTS)
def test_adagrad_is_torchs_and_the_books(gradients):
    expected = adagrad_by_torch(0.5, gradients, 0.01, 1e-7)
    assert walk(Rule("adagrad", 0.01, epsilon=1e-7), gradients) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@few
@given(GRADIENTS, st.floats(0, 0.99))
def test_rmsprop_is_torchs(gradients, alpha):
    expected = rmsprop_by_torch(0.5, gradients, 0.01, alpha, 1e-3)
    assert walk(Rule("rmsprop", 0.01, rho=alpha, epsilon=1e-3), gradients) == pytest.approx(
        expected, rel=1e-9, abs=1e-12
    )


@few
@given(st.lists(st.floats(-10, 10), min_size=1, max_size=8), st.floats(0, 0.5))
def test_adamw_is_adam_on_shrunken_weights(gradients, weight_decay):
    decoupled = Rule("adamw", 0.1, weight_decay, beta1=0.8, beta2=0.95, epsilon=1e-3)
    plain = decoupled._replace(optimizer="adam", weight_decay=0.0)
    w = expected = np.array([0.5])
    state = expected_state = rules.initial_state(w, "adamw")
    for t, g in enumerate(gradients, start=1):
        w, state = rules.update(w, np.array([g]), state, t, decoupled)
        shrunken = expected * (1 - 0.1 * weight_decay)
        expected, expected_state = rules.update(shrunken, np.array([g]), expected_state, t, plain)
        assert (w, state) == (expected, expected_state)


@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if name != "adamw"])
def test_weight_decay_adds_to_the_gradient(optimizer):
    w, dw = np.array([2.0, -1.0]), np.array([0.5, 3.0])
    state = tuple(0.25 + values for values in rules.initial_state(w, optimizer))
    actual, actual_state = rules.update(w, dw, state, 3, Rule(optimizer, 0.1, weight_decay=0.5))
    expected, expected_state = rules.update(w, dw + 0.5 * w, state, 3, Rule(optimizer, 0.1))
    for a, e in zip((actual, *actual_state), (expected, *expected_state), strict=True):
        assert (a == e).all()


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_zero_gradient_shrinks_the_weights_geometrically(optimizer):
    rule = Rule(optimizer, learning_rate=0.1, weight_decay=0.5)
    start = np.array([2.0, -3.0])
    w, state = start, rules.initial_state(start, optimizer)
    for t in range(1, 21):
        w, state = rules.update(w, np.zeros(2), state, t, rule)
        np.testing.assert_allclose(w, start * 0.95**t, rtol=1e-14)
    assert all((moment == 0).all() for moment in state)


def test_adamw_keeps_the_decay_out_of_the_moments():
    w, dw, zeros = np.array([2.0]), np.array([0.5]), (np.zeros(1), np.zeros(1))
    decoupled, moments = rules.update(w, dw, zeros, 1, Rule("adamw", weight_decay=0.1))
    plain, plain_moments = rules.update(w, dw, zeros, 1, Rule("adam"))
    _, coupled_moments = rules.update(w, dw, zeros, 1, Rule("adam", weight_decay=0.1))
    assert moments == plain_moments
    assert moments != coupled_moments
    assert decoupled[0] == pytest.approx(plain[0] - 0.01 * 0.1 * 2.0, rel=1e-14)
