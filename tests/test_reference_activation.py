"""The activations of the reference: known values, and derivatives by finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from fastnet import reference

STEP = 1e-6  # of the finite differences
TOLERANCE = 1e-7  # the differences' own error is about eps / STEP = 2e-10, the rest is room


def test_relu_twice_is_relu_once():
    z = np.random.default_rng(0).normal(size=(5, 7))
    once = reference.activation.relu(z)
    assert (reference.activation.relu(once) == once).all()
    assert (once >= 0).all()


def test_activations_at_numbers_that_are_known():
    z = np.array([-1.0, 0.0, 1.0, 2.0])
    known = {
        "relu": [0.0, 0.0, 1.0, 2.0],
        "leaky-relu": [-0.01, 0.0, 1.0, 2.0],
        "tanh": [-0.7615941560, 0.0, 0.7615941560, 0.9640275801],
        "logistic": [0.2689414214, 0.5, 0.7310585786, 0.8807970780],
        "gelu": [-0.1586552539, 0.0, 0.8413447461, 1.9544997361],  # from tables of the normal distribution
        "silu": [-0.2689414214, 0.0, 0.7310585786, 1.7615941560],
    }
    assert known.keys() == reference.activation.ACTIVATIONS.keys()
    for name, values in known.items():
        np.testing.assert_allclose(reference.activation.activate(z, name), values, atol=1e-9)


@pytest.mark.parametrize("activation", reference.activation.ACTIVATIONS)
def test_derivatives_of_activations_agree_with_finite_differences(activation):
    z = np.concatenate([np.linspace(-9, -0.01, 400), np.linspace(0.01, 9, 400)])
    above, below = (reference.activation.activate(z + step, activation) for step in (STEP, -STEP))
    slopes = reference.activation.activation_slope(z, activation)
    np.testing.assert_allclose(slopes, (above - below) / (2 * STEP), atol=TOLERANCE)
    single = reference.activation.activation_slope(z.astype(np.float32), activation)
    assert single.dtype == reference.activation.activate(z.astype(np.float32), activation).dtype == np.float32
    np.testing.assert_allclose(single, slopes, atol=1e-6)
