"""The update of the biases against the reference, and cut at any column."""

from __future__ import annotations

import numpy as np
import pytest
from buffers import checked
from cases import SIZES
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import Layer, assert_near
from properties import examples

from fastnet import reference
from fastnet.kernels import update
from fastnet.kernels.copies import TILE_SCRATCH

seeds = st.integers(0, 2**32 - 1)


def updated(layer: Layer, dy: np.ndarray, w: np.ndarray, rule: int, hyper: np.ndarray) -> np.ndarray:
    """Weights, biases and states, flat, after an update of biases that were zero by the first rows of dy."""
    full = np.full((layer.tile_rows, layer.ld), np.nan, np.float32)
    full[: layer.batch, : layer.columns] = 0
    full[: layer.batch, : layer.n_out] = dy
    b = np.zeros(layer.n_out, np.float32)
    with checked() as buffers:
        params = buffers.updated(layer.parameters(w, b, ((np.zeros_like(w), b),) * update.N_STATES[rule]))
        layer.bias_update(buffers, buffers.input(full), params, int(update.ADDRESS[rule]), buffers.input(hyper))
    return params


@settings(max_examples=examples(60))
@given(st.sampled_from(SIZES), st.sampled_from(SIZES), seeds)
def test_bias_gradient_is_the_reference(batch, n_out, seed):
    layer, random = Layer(batch, 3, n_out), np.random.default_rng(seed)
    w, dy = (random.normal(size=size).astype(np.float32) for size in ((3, n_out), (batch, n_out)))
    hyper = np.zeros((2, update.N_HYPER), np.float32)
    hyper[:, update.LEARNING_RATE] = np.nan, -1.0  # the weights' line of the settings is not the biases'
    params = updated(layer, dy, w, update.SGD, hyper)
    weights, actual = layer.unpack(params[0])
    double = dy.astype(np.float64)
    assert_near(actual, reference.network.bias_gradient(double), batch, np.abs(double).sum(axis=0))
    assert (weights == w).all(), "the update of the biases touched the weights"
    assert (layer.padding(params[0]) == 0).all(), "the padding of the biases is not zero"


@pytest.mark.parametrize("rule", [update.SGD, update.MOMENTUM])
def test_biases_beyond_the_scratch_are_updated_like_the_first(rule):
    n_out = 2 * TILE_SCRATCH + 5
    update.compile_rule(rule)
    hyper = np.zeros((2, update.N_HYPER), np.float32)
    hyper[1, update.LEARNING_RATE], hyper[1, update.MU] = 0.25, 0.5
    dy = np.random.default_rng(0).normal(size=(7, n_out)).astype(np.float32)
    whole = Layer(7, 2, n_out)
    found = [whole.unpack(line)[1] for line in updated(whole, dy, np.zeros((2, n_out), np.float32), rule, hyper)]
    for first in range(0, n_out, 300):
        some = dy[:, first : first + 300]
        part = Layer(7, 2, some.shape[1])
        lines = updated(part, some, np.zeros((2, some.shape[1]), np.float32), rule, hyper)
        for all_of_them, line in zip(found, lines, strict=True):
            assert part.unpack(line)[1].tobytes() == all_of_them[first : first + 300].tobytes()
