"""The update rules and the training run of the reference: recurrences worked by hand and properties of a trajectory."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import settings
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
