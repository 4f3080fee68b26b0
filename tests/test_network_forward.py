"""The probabilities of a trained network: the reference's, in blocks and copies of any size."""

from __future__ import annotations

import numpy as np
import pytest
from cases import ACTIVATIONS, NETWORKS

from fastnet import reference
from fastnet.config.network import NetworkSpec
from fastnet.data.pipeline.scaling import Scaler
from fastnet.network import forward as module
from fastnet.network.forward import forward


def network(name: str, activation: str = "relu"):
    """A specification, weights and biases of a network of the table, and a scaler for its features."""
    shape = NETWORKS[name]
    spec = NetworkSpec(n_inputs=shape.n_features, n_outputs=shape.n_classes, hidden=shape.hidden, activation=activation)
    random = np.random.default_rng(len(name))
    pairs = list(zip(spec.sizes[:-1], spec.sizes[1:], strict=True))
    weights = [random.normal(size=pair).astype(np.float32) / np.float32(pair[0] ** 0.5) for pair in pairs]
    biases = [random.normal(size=pair[1]).astype(np.float32) for pair in pairs]
    offset, scale = random.normal(size=(2, shape.n_features)).astype(np.float32)
    return spec, weights, biases, Scaler(offset, scale)


def expected(spec, weights, biases, scales, scaler, x) -> np.ndarray:
    double = [[array.astype(np.float64) for array in arrays] for arrays in (weights, biases)]
    scaled = scaler.apply(x).astype(np.float64)
    outputs = reference.network.forward(*double, scaled, scales, None, spec.activation)
    return reference.objective.softmax(outputs[-1])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("activation", ["relu", *ACTIVATIONS])
def test_probabilities_are_the_references(name, activation):
    spec, weights, biases, scaler = network(name, activation)
    scales = [0.75] * (len(weights) - 1)
    x = np.random.default_rng(0).normal(size=(23, spec.n_inputs)).astype(np.float32)
    found = forward(spec, weights, biases, scales, scaler, x)
    assert found.shape == (23, spec.n_outputs) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected(spec, weights, biases, scales, scaler, x), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


def test_numbers_are_the_outputs_themselves_and_quantiles_come_in_order():
    spec, weights, biases, scaler = network("one hidden layer")
    x = np.random.default_rng(0).normal(size=(23, spec.n_inputs)).astype(np.float32)
    given = spec, weights, biases, [1.0], scaler, x
    double = [[array.astype(np.float64) for array in arrays] for arrays in (weights, biases)]
    outputs = reference.network.forward(*double, scaler.apply(x).astype(np.float64), [1.0], None, "relu")[-1]
    np.testing.assert_allclose(forward(*given, "squared-error"), outputs, rtol=1e-4, atol=1e-5)
    pairs = np.sort(outputs.reshape(23, -1, 2), axis=2).reshape(outputs.shape)
    np.testing.assert_allclose(forward(*given, "pinball", 2), pairs, rtol=1e-4, atol=1e-5)


def test_every_sample_has_the_same_bits_alone_in_blocks_and_in_copies(monkeypatch):
    spec, weights, biases, scaler = network("three hidden layers")
    x = np.random.default_rng(1).normal(size=(250, spec.n_inputs)).astype(np.float32)
    given = spec, weights, biases, [1.0, 1.0, 1.0], scaler
    whole = forward(*given, x)
    for rows in (slice(0, 1), slice(7, 8), slice(119, 122), slice(200, 250)):
        assert forward(*given, x[rows]).tobytes() == whole[rows].tobytes()
    monkeypatch.setattr(module, "COPY_ROWS", 60)
    assert forward(*given, x).tobytes() == whole.tobytes()


def test_no_samples_have_no_probabilities():
    spec, weights, biases, scaler = network("one hidden layer")
    x = np.zeros((0, spec.n_inputs), np.float32)
    assert forward(spec, weights, biases, [1.0], scaler, x).shape == (0, spec.n_outputs)
