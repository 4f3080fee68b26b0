"""The first layer of a table: what its written-out columns give, and the same bits however the work is divided."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cases import OPTIMIZERS
from runs import VALIDATION_LOSS, run_pack
from tables import draw_encoded, table_of

import fastnet
from fastnet import reference
from fastnet.config.training import TrainConfig
from fastnet.data import as_dataset
from fastnet.kernels import host, layout
from fastnet.network import assembly
from fastnet.network.assembly import n_threads_limit
from fastnet.network.coding import code
from fastnet.network.forward import forward
from fastnet.network.samples import prepare
from fastnet.training.single import Training

CONFIG = TrainConfig(hidden=(70, 9), epochs=3, batch_size=50, learning_rate=0.01, weight_decay=0.01, seed=7)


def layers_of(run, t=0):
    """Weights and biases of a trained network."""
    return layout.unpack_parameters(run._layout(t).table, run.parameters(t))


def data_of(n: int, *, encode: bool = True, **how):
    dataset = table_of(n, **how)
    return prepare(dataset, fastnet.split(dataset.y), encode=encode)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adamw", "rmsprop"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_training_is_that_of_the_written_out_columns(optimizer, activation):
    config = replace(CONFIG, optimizer=optimizer, activation=activation, dropout=0.2)
    short, full = (run_pack(data_of(300, encode=encode), config, [1, 5], keep=True) for encode in (True, False))
    assert short.curves.shape == full.curves.shape and np.isfinite(full.curves).all()
    atol = 5e-4 if optimizer == "rmsprop" else 2e-4  # its first steps divide by the root of a gradient near 0
    np.testing.assert_allclose(short.curves, full.curves, atol=atol)
    for trial in range(2):
        for found, expected in zip(layers_of(short, trial)[0], layers_of(full, trial)[0], strict=True):
            np.testing.assert_allclose(found, expected, atol=atol)


def samples_of(encoded, *, encode: bool):
    """Samples of three classes whose inputs are `encoded`, or the same written out."""
    full = encoded.written_out()
    dataset = as_dataset(full, np.arange(len(full)) % 3)
    data = prepare(dataset, fastnet.split(dataset.y), skip_zeros=False)
    padded = layout.aligned((len(full), layout.leading(full.shape[1])))
    padded[:, : full.shape[1]] = full
    coded = code(encoded)
    return replace(data, x=coded.dense, coded=coded) if encode else replace(data, x=padded)


TABLES = {
    "no dense inputs": (0, [3, 1, 9], [4]),
    "a number alone": (0, [16], []),
    "categories alone": (0, [], [2, 1, 5]),
    "whole tiles of dense inputs": (12, [7], [3]),
    "dense inputs that fill no tile": (11, [7, 2], []),
    "many columns": (25, [17] * 13, [3] * 12),
}


@pytest.mark.parametrize("hidden", [(130,), ()])
@pytest.mark.parametrize("table", TABLES)
def test_a_step_has_the_gradient_of_the_reference(table, hidden):
    config = TrainConfig(hidden=hidden, epochs=1, batch_size=1000, learning_rate=1.0, optimizer="sgd", seed=3)
    encoded = draw_encoded(90, *TABLES[table])
    data = samples_of(encoded, encode=True)
    before = layers_of(run_pack(data, replace(config, learning_rate=1e-30), [3], keep=True))
    after = layers_of(run_pack(data, config, [3], keep=True))
    weights, biases = ([array.astype(np.float64) for array in arrays] for arrays in before)
    rows = data.train_rows[: data.n_train]
    columns = reference.columns.Table(*(array[rows] for array in encoded[:4]), *encoded[4:])
    first = reference.columns.forward(columns, weights[0], biases[0])
    outputs = [first] if not hidden else [np.maximum(first, 0), np.maximum(first, 0) @ weights[1] + biases[1]]
    dy = reference.network.backward(weights, outputs, data.targets[rows], 1.0)[0]
    np.testing.assert_allclose(before[0][0] - after[0][0], reference.columns.weight_gradient(columns, dy), atol=3e-6)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("table", TABLES)
def test_every_rule_moves_every_row_as_the_dense_product_does(table, optimizer):
    more = {"weight_decay": 0.05, "epochs": 3, "batch_size": 16, **OPTIMIZERS[optimizer]}
    config = TrainConfig(hidden=(21,), optimizer=optimizer, seed=5, **more)
    encoded = draw_encoded(90, *TABLES[table])
    short, full = (run_pack(samples_of(encoded, encode=encode), config, [2], keep=True) for encode in (True, False))
    for found, expected in zip(layers_of(short)[0], layers_of(full)[0], strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)
    np.testing.assert_allclose(short.curves, full.curves, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("jobs", [2, 3])
def test_bits_do_not_depend_on_the_threads_of_a_pack(jobs):
    data = data_of(300)
    one, more = (run_pack(data, CONFIG, [0, 1, 2, 3], jobs=n) for n in (1, jobs))
    assert one.curves.tobytes() == more.curves.tobytes()


def test_threads_that_share_a_network_give_the_bits_of_a_pack(monkeypatch):
    config = replace(CONFIG, hidden=(512, 16), batch_size=1024, epochs=2)
    data = data_of(3000)
    if n_threads_limit() < 2:
        pytest.skip("compiled code has one thread here")
    monkeypatch.setattr(assembly, "BLOCK_ROWS", assembly.PARALLEL_BLOCK_ROWS)  # sums of losses are cut in blocks
    shared = Training(config, data, 2)
    assert shared.threads == 2
    shared.start()
    shared.join()
    pack = run_pack(data, config, [0])
    assert shared.curves[0].astype(np.float32).tobytes() == pack.curves[0].tobytes()


@pytest.mark.parametrize("n", [1, 119, 500])
def test_predictions_are_those_of_the_written_out_network(n):
    data = data_of(300)
    weights, biases = layers_of(run_pack(data, CONFIG, [2], keep=True))
    x = table_of(n, seed=5).x
    spec = CONFIG.network(data.n_inputs, data.n_outputs)
    found = forward(spec, weights, biases, [1.0, 1.0], data.pipeline, x)
    hidden = data.pipeline.apply(x).astype(np.float64)
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        hidden = np.maximum(hidden @ weight + bias, 0)
    logits = hidden @ weights[-1] + biases[-1]
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), atol=1e-5)


def test_a_prediction_is_what_the_evaluation_saw():
    data = data_of(300)
    run = run_pack(data, replace(CONFIG, epochs=1), [2], keep=True)
    rows = data.validation_rows[: -host.TILE_ROWS]
    spec = CONFIG.network(data.n_inputs, data.n_outputs)
    answers = forward(spec, *layers_of(run), [1.0, 1.0], data.pipeline, data.dataset.x[rows])
    loss = -np.log(answers[np.arange(len(rows)), data.targets[rows]].astype(np.float64)).mean()
    assert loss == pytest.approx(run.curves[0, VALIDATION_LOSS, 0], rel=2e-6)
