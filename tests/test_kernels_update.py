"""The update rules of the kernels against the reference, from states and at steps of any kind."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numba
import numpy as np
import pytest
from buffers import address, checked
from cases import OPTIMIZERS, SIZES, LayerShape
from hypothesis import example, given, settings
from hypothesis import strategies as st
from layers import EPS32, Layer, Samples, assert_near, call
from properties import examples

from fastnet import reference
from fastnet.config.training import TrainConfig
from fastnet.kernels import update
from fastnet.kernels.context import N_PLACES, fill
from fastnet.kernels.host import LANES
from fastnet.kernels.memory import invoke, invoke_f64
from fastnet.kernels.vector import load_vector, store_vector
from fastnet.network.hyperparameters import trial_of

shapes = st.builds(LayerShape, *(st.sampled_from(SIZES),) * 3)
seeds = st.integers(0, 2**32 - 1)
thorough = settings(max_examples=examples(40))

ROUNDINGS = 12
"""Of the settings and of the few operations of a rule, whose terms are no larger than the sizes given below."""


class Parts(NamedTuple):
    """What the scheduler reads and writes of the bundles other than `Trial`."""

    rule: int
    hyper: np.ndarray


def hyper_at(config: TrainConfig, step: int, n_steps: int = 7) -> np.ndarray:
    """The settings of a trial, brought to its step number `step` (from 1)."""
    trial, hyper, _ = trial_of(config, 0)
    powers, context = np.ones(2), np.zeros(N_PLACES, np.int64)
    fill(context, Parts(update.RULES[config.optimizer], hyper), trial)
    for s in range(step):
        rate = config.learning_rate
        if trial.scheduler:
            rate = call(invoke_f64, trial.scheduler, context.ctypes.data, s, n_steps)
        call(update.begin_step, update.RULES[config.optimizer], rate, trial.beta1, trial.beta2, powers, hyper)
    return hyper


def rule_of(config: TrainConfig, *, biases: bool = False) -> reference.rules.Rule:
    names = [name for name in reference.rules.Rule._fields if name != "optimizer"]
    none = {"weight_decay": 0.0, "relative_rate": 0.0} if biases else {}
    values = {name: getattr(config, name) for name in names} | none
    return reference.rules.Rule(config.optimizer, **values)


def draw_states(random: np.random.Generator, optimizer: str, layer: Layer) -> tuple:
    """Optimizer states; sums and means of squares are far enough from zero for their root to be smooth."""
    moment = [random.normal(size=size) for size in ((layer.n_in, layer.n_out), layer.n_out)]
    squares = [0.5 + random.random(size) for size in ((layer.n_in, layer.n_out), layer.n_out)]
    n_states = update.N_STATES[update.RULES[optimizer]]
    states = (squares,) if optimizer in ("adagrad", "rmsprop") else (moment, squares)[:n_states]
    return tuple(tuple(a.astype(np.float32) for a in state) for state in states)


def assert_updated(actual, w, state, g, slack, step, rule) -> None:
    """Compare new parameters and states with the reference's at the gradient `g`, which is known but for `slack`."""
    double = [a.astype(np.float64) for a in (w, *state)]

    def apply(gradient: np.ndarray) -> list[np.ndarray]:
        new, new_state = reference.rules.update(double[0], gradient, tuple(double[1:]), step, rule)
        return [new, *new_state]

    expected, low, high = apply(g), apply(g - slack), apply(g + slack)
    sizes = [np.abs(e) + np.abs(before) + np.abs(g) + g * g for e, before in zip(expected, double, strict=True)]
    sizes[0] = np.abs(double[0]) + np.abs(expected[0] - double[0])
    for a, e, lo, hi, s in zip(actual, expected, low, high, sizes, strict=True):
        assert_near(a, e, 1, ROUNDINGS * s + np.maximum(np.abs(hi - e), np.abs(lo - e)) / EPS32)


@thorough
@given(shapes, seeds, st.sampled_from(list(OPTIMIZERS)), st.integers(1, 4), st.booleans(), st.sampled_from([0.0, 0.3]))
@example(LayerShape(100, 784, 100), 0, "sgd", 1, True, 0.3)
@example(LayerShape(100, 100, 10), 0, "adam", 3, False, 0.3)
@example(LayerShape(1, 1, 1), 0, "momentum", 1, False, 0.3)
@example(LayerShape(9, 20, 100), 1, "momentum", 2, False, 0.3)  # several vectors a row, by every rule
@example(LayerShape(9, 20, 100), 1, "nesterov", 2, False, 0.3)
@example(LayerShape(9, 20, 100), 1, "adagrad", 2, False, 0.3)
@example(LayerShape(9, 20, 100), 1, "rmsprop", 2, False, 0.3)
@example(LayerShape(9, 20, 100), 1, "adamw", 2, False, 0.3)
def test_weight_and_bias_updates_are_the_reference(shape, seed, optimizer, step, listed, decay):
    layer, random = Layer(*shape), np.random.default_rng(seed)
    config = TrainConfig(optimizer=optimizer, weight_decay=decay, **OPTIMIZERS[optimizer])
    code = update.RULES[optimizer]
    update.compile_rule(code)
    w, b = (random.normal(size=size).astype(np.float32) for size in ((shape.n_in, shape.n_out), shape.n_out))
    states = draw_states(random, optimizer, layer)
    values = (random.normal(size=(shape.batch, shape.n_in)) * (random.random((shape.batch, shape.n_in)) < 0.5)).astype(
        "f"
    )
    dy = np.zeros((layer.tile_rows, layer.ld), np.float32)
    dy[: shape.batch, : shape.n_out] = random.normal(size=(shape.batch, shape.n_out)) / shape.batch
    with checked() as buffers:
        samples = Samples.make(buffers, values, np.arange(shape.batch), pad=0.0)
        params = buffers.updated(layer.parameters(w, b, states))
        gradient, hyper = buffers.input(dy), buffers.input(hyper_at(config, step))
        layer.weight_update(buffers, samples, gradient, params, int(update.ADDRESS[code]), hyper, listed=listed)
        layer.bias_update(buffers, gradient, params, int(update.ADDRESS[code]), hyper)
    assert all((layer.padding(line) == 0).all() for line in params), "the padding is not zero"
    found = list(zip(*(layer.unpack(line) for line in params), strict=True))
    x, dy64 = values.astype(np.float64), dy[: shape.batch, : shape.n_out].astype(np.float64)
    slack = shape.batch * EPS32 * (np.abs(x).T @ np.abs(dy64))
    weight_states, bias_states = [s[0] for s in states], [s[1] for s in states]
    assert_updated(found[0], w, weight_states, reference.network.weight_gradient(x, dy64), slack, step, rule_of(config))
    slack = shape.batch * EPS32 * np.abs(dy64).sum(axis=0)
    rule = rule_of(config, biases=True)
    assert_updated(found[1], b, bias_states, reference.network.bias_gradient(dy64), slack, step, rule)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_update_by_another_rule_is_rejected(optimizer):
    random = np.random.default_rng(0)
    w, g = random.normal(size=(2, 5, 7))
    state = tuple(0.5 + random.random((5, 7)) for _ in reference.rules.initial_state(w, optimizer))
    config = TrainConfig(optimizer=optimizer, weight_decay=0.3, **OPTIMIZERS[optimizer])
    rule = rule_of(config)
    right, right_state = reference.rules.update(w, g, state, 2, rule)
    single = [a.astype(np.float32) for a in (right, *right_state)]
    assert_updated(single, w, state, g, 0.0, 2, rule)
    for wrong in (
        rule._replace(weight_decay=0.0),
        rule._replace(learning_rate=rule.learning_rate * 1.001),
        *([rule._replace(momentum=0.81)] if optimizer in ("momentum", "nesterov") else []),
        *([rule._replace(optimizer="momentum")] if optimizer == "nesterov" else []),
        *([rule._replace(epsilon=0.002)] if optimizer in ("adagrad", "rmsprop") else []),
        *([rule._replace(rho=0.91)] if optimizer == "rmsprop" else []),
        *([rule._replace(beta1=0.86), rule._replace(beta2=0.991)] if "adam" in optimizer else []),
        *([rule._replace(relative_rate=2.99)] if rule.relative_rate else []),
    ):
        with pytest.raises(AssertionError, match="elements are off"):
            assert_updated(single, w, state, g, 0.0, 2, wrong)


@numba.njit
def inverse(a, out):
    store_vector(update.reciprocal(load_vector(a)), out)


@thorough
@given(st.floats(np.float32(1e-37).item(), np.float32(1e37).item(), width=32))
def test_a_reciprocal_without_division_is_near_the_exact_one(value):
    with checked() as buffers:
        out = buffers.output(LANES)
        inverse(address(buffers.input(np.full(LANES, value, "f"))), address(out))
    assert np.abs(out.astype("d") * value - 1).max() < 1e-7


def test_the_reciprocal_of_what_is_not_finite_is_not_finite():
    with checked() as buffers:
        out = buffers.output(LANES)
        inverse(address(buffers.input(np.full(LANES, np.inf, "f"))), address(out))
    assert not np.isfinite(out).any(), "a trial whose squares overflow has diverged"


def test_adams_bias_corrections_follow_the_steps():
    config = TrainConfig(optimizer="adam", learning_rate=0.01, beta1=0.9, beta2=0.999)
    for step in (1, 2, 10, 1000):
        hyper = hyper_at(config, step)
        assert (hyper[0] == hyper[1]).all()
        np.testing.assert_allclose(hyper[0, update.STEP], 0.01 / (1 - 0.9**step), rtol=EPS32)
        np.testing.assert_allclose(hyper[0, update.ROOT], (1 - 0.999**step) ** -0.5, rtol=EPS32)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", ["constant", "step", "cosine"])
@pytest.mark.parametrize("warmup_epochs", [0.0, 1.3])
def test_everything_follows_the_scheduled_rate(optimizer, schedule, warmup_epochs):
    config = TrainConfig(
        optimizer=optimizer, learning_rate=0.5, weight_decay=0.25, schedule=schedule, warmup_epochs=warmup_epochs,
        step_epochs=2, step_factor=0.3, epochs=6,
    )  # fmt: skip
    for step in (1, 2, 6, 7, 8, 20, 42):
        factor = reference.schedule.rate_factor(step - 1, 7, 6, schedule, warmup_epochs, 2, 0.3)
        now = trial_of(replace(config, learning_rate=0.5 * factor), 0).hyper  # what a trial of that rate begins with
        hyper = hyper_at(config, step)
        for place in set(range(update.N_HYPER)) - {update.STEP, update.ROOT}:
            assert (hyper[:, place] == now[:, place]).all(), (step, place)
        if update.RULES[optimizer] == update.ADAM:
            np.testing.assert_allclose(hyper[:, update.STEP], 0.5 * factor / (1 - 0.9**step), rtol=EPS32)


def test_a_weight_is_idle_once_its_decay_is_lost_in_rounding():
    config = TrainConfig(learning_rate=2.0**-10, weight_decay=2.0**-15, schedule="step", step_epochs=1, step_factor=0.5)
    idle = [hyper_at(config, 3 * epoch + 1, n_steps=3)[0, update.IDLE] for epoch in range(4)]
    assert idle == [0, 0, 1, 1] and update.IDLE_LIMIT == 2.0**-26


def test_a_constant_rate_is_left_as_it_was_given():
    config = TrainConfig(optimizer="sgd", learning_rate=0.1, weight_decay=1e-3, schedule="constant", warmup_epochs=0)
    assert hyper_at(config, 5).tobytes() == trial_of(config, 0).hyper.tobytes()


def steps_of(config: TrainConfig, arrays: np.ndarray, step: int = 1) -> None:
    """Take a step with the rows weights, states and, last, the gradient of a vector of float32."""
    code = update.RULES[config.optimizer]
    update.compile_rule(code)
    n, at, hyper = arrays.shape[1], arrays.ctypes.data, hyper_at(config, step)
    row = 4 * n
    call(invoke, int(update.ADDRESS[code]), 1, n, at + (len(arrays) - 1) * row, row, at, row, row, hyper[0].ctypes.data)


def vector(*values: float) -> np.ndarray:
    return np.resize(np.float32(values), LANES)


WITH_STATES = [name for name in OPTIMIZERS if update.N_STATES[update.RULES[name]]]
SHORT = {"momentum": 0.5, "rho": 0.5, "beta1": 0.5, "beta2": 0.5, "learning_rate": 0.01}


@pytest.mark.parametrize("optimizer", WITH_STATES)
def test_states_without_a_gradient_end_at_zero_and_never_become_subnormal(optimizer):
    """As those of a unit that has died; AdaGrad's sum only grows."""
    config = TrainConfig(optimizer=optimizer, **SHORT)
    n_states = update.N_STATES[update.RULES[optimizer]]
    held = vector(1.0, 1e-3, -2.0, 0.5)
    states = vector(1.0, 1e-3, 1e-20, 1e-30)
    arrays = np.stack([held, *[states] * n_states, np.zeros(LANES, np.float32)])
    double, kept, rule = held.astype(np.float64), (states.astype(np.float64),) * n_states, rule_of(config)
    for step in range(1, 260):
        steps_of(config, arrays, step)
        double, kept = reference.rules.update(double, np.zeros(LANES), kept, step, rule)
        size = np.abs(arrays[1:-1])
        assert ((size == 0) | (size >= np.finfo(np.float32).tiny)).all(), step
        for found, wanted in zip(arrays[1:-1], kept, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-4)
    assert np.isfinite(arrays).all()
    np.testing.assert_allclose(arrays[0], double, rtol=1e-4)
    assert optimizer == "adagrad" or not arrays[1:-1].any()


@pytest.mark.parametrize("optimizer", ["momentum", "nesterov", "adam", "adamw"])
def test_the_smallest_velocities_become_zero_and_no_others(optimizer):
    config = TrainConfig(optimizer=optimizer, learning_rate=0.01)
    least = np.float32(2.0**-100)
    moments, held = vector(least, 1.2 * least, -least / 2, 1e-38, np.nan), vector(1.0, 1e-3, -2.0, 0.5, 1.0)
    squares = [np.ones(LANES, np.float32)] * (update.N_STATES[update.RULES[optimizer]] - 1)
    arrays = np.stack([held, moments, *squares, np.zeros(LANES, np.float32)])
    steps_of(config, arrays, 900)
    expected = moments * np.float32(config.momentum if "adam" not in optimizer else config.beta1)
    expected[np.abs(expected) < least] = 0
    assert np.count_nonzero(expected) < LANES
    np.testing.assert_array_equal(arrays[1], expected)
    finite = ~np.isnan(moments)
    assert np.isnan(arrays[0][~finite]).all(), "a moment that is no number stays one"
    np.testing.assert_array_equal(arrays[0][finite], (hyper_at(config, 900)[0, update.SHRINK] * held)[finite])


@pytest.mark.parametrize("optimizer", ["rmsprop", "adam", "adamw"])
@pytest.mark.parametrize("epsilon", [1e-30, 1e-8, 1e-3])
def test_no_mean_of_squares_that_counts_next_to_epsilon_becomes_zero(optimizer, epsilon):
    config = TrainConfig(optimizer=optimizer, learning_rate=0.01, epsilon=epsilon, rho=0.9, beta2=0.9)
    root = max(epsilon * 2.0**-30, 1e-18)
    means = vector(4 * root**2, 0.5 * root**2, 1.0, np.nan)
    n_first = update.N_STATES[update.RULES[optimizer]] - 1
    first = [np.zeros(LANES, np.float32)] * n_first
    arrays = np.stack([np.ones(LANES, np.float32), *first, means, np.zeros(LANES, np.float32)])
    steps_of(config, arrays, 900)
    small = root**2 if epsilon > 1e-20 else 0.0
    expected = np.where(means < 2 * small, np.float32(0), np.float32(0.9) * means)
    np.testing.assert_allclose(arrays[1 + n_first], expected, rtol=1e-6)
