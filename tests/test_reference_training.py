"""The update rules and the training run of the reference: recurrences worked by hand and properties of a trajectory."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import examples

from fastnet import reference
from fastnet.config.training import OPTIMIZERS
from fastnet.reference.rules import Rule

MOVING = ("momentum", "nesterov", "rmsprop", "adam", "adamw")

few = settings(max_examples=examples(25))


def toy_data(n=30, n_features=4, n_classes=3, seed=0):
    """Classes around well separated centres: data that any working optimizer learns."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    x = 3.0 * np.eye(n_classes, n_features)[labels] + 0.3 * generator.normal(size=(n, n_features))
    return x, labels, np.arange(0, n - 9), np.arange(n - 9, n)


def test_momentum_with_a_constant_gradient_worked_by_hand():
    rule = Rule("momentum", learning_rate=0.25, momentum=0.5)
    w, state = np.array([1.0]), reference.rules.initial_state(np.array([1.0]), "momentum")
    seen = []
    for t in (1, 2, 3):
        w, state = reference.rules.update(w, np.array([4.0]), state, t, rule)
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
    w, state = np.array([0.5]), reference.rules.initial_state(np.array([0.5]), "adam")
    for t, g in enumerate(gradients, start=1):
        w, state = reference.rules.update(w, np.array([g]), state, t, rule)
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
    state = reference.rules.initial_state(w, rule.optimizer)
    for t, g in enumerate(gradients, start=1):
        w, state = reference.rules.update(w, np.array([g]), state, t, rule)
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
    state = reference.rules.initial_state(w, "nesterov")
    for t in range(1, 31):
        w, state = reference.rules.update(w, 3.0 * w - 1.0, state, t, rule)
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
    state = expected_state = reference.rules.initial_state(w, "adamw")
    for t, g in enumerate(gradients, start=1):
        w, state = reference.rules.update(w, np.array([g]), state, t, decoupled)
        shrunken = expected * (1 - 0.1 * weight_decay)
        expected, expected_state = reference.rules.update(shrunken, np.array([g]), expected_state, t, plain)
        assert (w, state) == (expected, expected_state)


@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if name != "adamw"])
def test_weight_decay_adds_to_the_gradient(optimizer):
    w, dw = np.array([2.0, -1.0]), np.array([0.5, 3.0])
    state = tuple(0.25 + values for values in reference.rules.initial_state(w, optimizer))
    actual, actual_state = reference.rules.update(w, dw, state, 3, Rule(optimizer, 0.1, weight_decay=0.5))
    expected, expected_state = reference.rules.update(w, dw + 0.5 * w, state, 3, Rule(optimizer, 0.1))
    for a, e in zip((actual, *actual_state), (expected, *expected_state), strict=True):
        assert (a == e).all()


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_zero_gradient_shrinks_the_weights_geometrically(optimizer):
    rule = Rule(optimizer, learning_rate=0.1, weight_decay=0.5)
    start = np.array([2.0, -3.0])
    w, state = start, reference.rules.initial_state(start, optimizer)
    for t in range(1, 21):
        w, state = reference.rules.update(w, np.zeros(2), state, t, rule)
        np.testing.assert_allclose(w, start * 0.95**t, rtol=1e-14)
    assert all((moment == 0).all() for moment in state)


def test_adamw_keeps_the_decay_out_of_the_moments():
    w, dw, zeros = np.array([2.0]), np.array([0.5]), (np.zeros(1), np.zeros(1))
    decoupled, moments = reference.rules.update(w, dw, zeros, 1, Rule("adamw", weight_decay=0.1))
    plain, plain_moments = reference.rules.update(w, dw, zeros, 1, Rule("adam"))
    _, coupled_moments = reference.rules.update(w, dw, zeros, 1, Rule("adam", weight_decay=0.1))
    assert moments == plain_moments
    assert moments != coupled_moments
    assert decoupled[0] == pytest.approx(plain[0] - 0.01 * 0.1 * 2.0, rel=1e-14)


def initial_states(weights, biases, optimizer):
    return [
        (reference.rules.initial_state(w, optimizer), reference.rules.initial_state(b, optimizer))
        for w, b in zip(weights, biases, strict=True)
    ]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_one_step_updates_every_array_by_its_rule_and_biases_never_decay(optimizer):
    x, labels, *_ = toy_data()
    weights, biases = [np.ones((4, 2)), np.ones((2, 3))], [np.ones(2), np.ones(3)]
    states, rule = initial_states(weights, biases, optimizer), Rule(optimizer, weight_decay=0.5)
    actual = reference.training.train_step(weights, biases, states, x, labels, None, 1.0, 3, rule)
    outputs = reference.network.forward(weights, biases, x, 1.0)
    dys = reference.network.backward(weights, outputs, labels, 1.0)
    for layer, (x_layer, dy) in enumerate(zip((x, outputs[0]), dys, strict=True)):
        dw, db = reference.network.weight_gradient(x_layer, dy), reference.network.bias_gradient(dy)
        w, w_state = reference.rules.update(weights[layer], dw, states[layer][0], 3, rule)
        b, b_state = reference.rules.update(biases[layer], db, states[layer][1], 3, Rule(optimizer))
        expected = (w, b, *w_state, *b_state)
        new = (actual[0][layer], actual[1][layer], *actual[2][layer][0], *actual[2][layer][1])
        assert all((a == e).all() for a, e in zip(new, expected, strict=True))


@pytest.mark.parametrize(
    ("optimizer", "learning_rate"), [("sgd", 0.1), ("adagrad", 0.1), *((name, 0.02) for name in MOVING)]
)
def test_training_learns_a_separable_toy(optimizer, learning_rate):
    options = {"optimizer": optimizer, "learning_rate": learning_rate, "weight_decay": 1e-3}
    result = reference.training.train(*toy_data(), [4, 8, 3], batch_size=8, epochs=30, **options)
    assert result.train_loss[-1] < 0.1 * result.train_loss[0]
    assert result.train_score[-1] == result.validation_score[-1] == 1.0
    assert result.validation_loss[-1] < 0.2


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_training_is_the_steps_in_shuffled_order_with_a_short_last_batch(optimizer):
    x, labels, train_rows, validation_rows = toy_data(n=16)  # 7 training rows: batches of 3, 3 and 1
    options = {"learning_rate": 0.05, "weight_decay": 0.01, "momentum": 0.5}
    options |= {"optimizer": optimizer, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-4}
    rule = Rule(**options)
    weights = [
        reference.rng.initial_weights(11, 5, layer, *shape, "xavier").astype(np.float64)
        for layer, shape in enumerate([(4, 6), (6, 3)])
    ]
    biases = [np.zeros(6), np.zeros(3)]
    states = initial_states(weights, biases, optimizer)
    met = []
    for step, (epoch, places) in enumerate(product((0, 1), ([0, 1, 2], [3, 4, 5], [6]))):
        rows = train_rows[reference.rng.shuffle(11, 5, epoch, 7)][places]
        keeps = [reference.rng.keep_mask(11, 5, 0, step, len(rows), 6, 0.3)]
        batch = (x[rows], labels[rows], keeps, 1 / 0.7, step + 1, rule)
        weights, biases, states, loss = reference.training.train_step(weights, biases, states, *batch)
        met.append(loss * len(rows) / 7)
    options |= {"init": "xavier", "dropout": 0.3, "batch_size": 3, "epochs": 2, "seed": 11, "stream": 5}
    result = reference.training.train(*toy_data(n=16), [4, 6, 3], **options)
    assert all((a == e).all() for a, e in zip(result.weights + result.biases, weights + biases, strict=True))
    np.testing.assert_allclose(result.train_loss, [sum(met[:3]), sum(met[3:])], rtol=1e-14)
    assert (
        result.train_score[1] == reference.network.evaluate(weights, biases, x[train_rows], labels[train_rows], 1.0)[1]
    )
    expected = reference.network.evaluate(weights, biases, x[validation_rows], labels[validation_rows], 1.0)
    assert (result.validation_loss[1], result.validation_score[1]) == expected


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", ["step", "cosine"])
def test_a_schedule_changes_the_rate_of_every_step_and_smoothing_the_loss(optimizer, schedule):
    x, labels, train_rows, validation_rows = toy_data(n=16)  # 7 training rows: batches of 3, 3 and 1
    moving = {"schedule": schedule, "warmup_epochs": 1.5, "step_epochs": 2, "step_factor": 0.25}
    rule = Rule(optimizer, learning_rate=0.05, weight_decay=0.1, epsilon=1e-3)
    weights = [reference.rng.initial_weights(3, 0, 0, 4, 3, "he").astype(np.float64)]
    biases = [np.zeros(3)]
    states = initial_states(weights, biases, optimizer)
    met, rates = [], []
    for step, (epoch, places) in enumerate(product(range(4), ([0, 1, 2], [3, 4, 5], [6]))):
        rows = train_rows[reference.rng.shuffle(3, 0, epoch, 7)][places]
        passed = max(step - 4.5, 0) / 7.5
        later = 0.25 ** (epoch // 2) if schedule == "step" else (1 + math.cos(math.pi * passed)) / 2
        rates.append(0.05 * min(1, (step + 1) / 4.5) * later)
        now = rule._replace(learning_rate=rates[-1])
        batch = (x[rows], labels[rows], None, 1.0, step + 1, now, 0.2)
        weights, biases, states, loss = reference.training.train_step(weights, biases, states, *batch)
        met.append(loss * len(rows) / 7)
    options = {"optimizer": optimizer, "learning_rate": 0.05, "weight_decay": 0.1, "epsilon": 1e-3, **moving}
    options |= {"label_smoothing": 0.2, "batch_size": 3, "epochs": 4, "seed": 3}
    result = reference.training.train(*toy_data(n=16), [4, 3], **options)
    for a, e in zip(result.weights + result.biases, weights + biases, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-12)
    np.testing.assert_allclose(result.train_loss, np.reshape(met, (4, 3)).sum(axis=1), rtol=1e-13)
    expected = reference.network.evaluate(weights, biases, x[validation_rows], labels[validation_rows], 1.0)
    np.testing.assert_allclose([result.validation_loss[-1], result.validation_score[-1]], expected, rtol=1e-12)


def test_training_loss_weighs_every_sample_alike():
    # With a step too small to matter, the loss met batch by batch is the loss of all training rows at the start.
    data = toy_data()
    result = reference.training.train(*data, [4, 5, 3], learning_rate=1e-300, batch_size=8, epochs=1)
    x, labels, train_rows, _ = data
    expected = reference.network.evaluate(result.weights, result.biases, x[train_rows], labels[train_rows], 1.0)[0]
    assert result.train_loss[0] == pytest.approx(expected, rel=1e-14)


def test_a_batch_larger_than_the_data_is_all_the_data():
    expected = reference.training.train(*toy_data(), [4, 5, 3], batch_size=21, epochs=3)
    actual = reference.training.train(*toy_data(), [4, 5, 3], batch_size=1000, epochs=3)
    assert all((a == e).all() for a, e in zip(actual.weights, expected.weights, strict=True))
    assert all((a == e).all() for a, e in zip(actual[2:], expected[2:], strict=True))


def test_test_time_dropout_evaluates_with_the_smaller_outputs():
    x, _, *rows = toy_data(n=109, seed=1)
    labels = np.random.default_rng(2).integers(0, 3, 109)  # noise: the scale then decides many a row
    options = {"dropout": 0.75, "dropout_scaling": "test-time", "learning_rate": 0.5, "epochs": 20}
    result = reference.training.train(x, labels, *rows, [4, 16, 3], **options)
    (train_right, right), (train_wrong, wrong) = (
        [reference.network.evaluate(result.weights, result.biases, x[part], labels[part], scale) for part in rows]
        for scale in (0.25, 1.0)
    )
    assert result.train_score[-1] == train_right[1] != train_wrong[1]
    assert (result.validation_loss[-1], result.validation_score[-1]) == right != wrong


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_float32_stays_float32_and_near_float64(optimizer):
    x, labels, *rows = toy_data()
    options = {"optimizer": optimizer, "weight_decay": 1e-3, "dropout": 0.2, "batch_size": 8, "epochs": 3}
    double = reference.training.train(x, labels, *rows, [4, 5, 3], **options)
    single = reference.training.train(x.astype(np.float32), labels, *rows, [4, 5, 3], **options)
    for expected, actual in zip(double.weights + double.biases, single.weights + single.biases, strict=True):
        assert (expected.dtype, actual.dtype) == (np.float64, np.float32)
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(single.train_loss, double.train_loss, rtol=1e-4)


def test_a_longer_run_begins_like_a_shorter_one_and_streams_differ():
    short = reference.training.train(*toy_data(), [4, 5, 3], dropout=0.2, epochs=2)
    long = reference.training.train(*toy_data(), [4, 5, 3], dropout=0.2, epochs=4)
    other = reference.training.train(*toy_data(), [4, 5, 3], dropout=0.2, epochs=2, stream=1)
    assert all((s == part[:2]).all() for s, part in zip(short[2:], long[2:], strict=True))
    assert (short.train_loss != other.train_loss).all()


def test_divergence_runs_to_its_end_in_nan():
    result = reference.training.train(*toy_data(), [4, 8, 8, 3], learning_rate=1e200, epochs=5)
    assert np.isnan(result.train_loss[-1])
    assert len(result.validation_score) == 5
