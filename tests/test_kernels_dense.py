"""Tiles of the dense products: which rows they cover, and that no bit depends on the tile that a row is in."""

from __future__ import annotations

import numpy as np
import pytest
from buffers import checked
from hypothesis import given
from hypothesis import strategies as st
from layers import Layer, Samples, call, matrix

from fastnet.kernels import affine, dense, update
from fastnet.kernels.host import TILE_ROWS, round_up
from fastnet.kernels.operands import Span
from fastnet.kernels.tile import RELU

MOST = 26
"""Rows after which every remainder of six has been met with sixes before it, and without."""


@given(st.integers(0, 50), st.integers(1, 200))
def test_tiles_cover_every_row_and_at_most_one_more(first, n_rows):
    last = first + n_rows
    few = call(dense.end_of_sixes, Span(first, last))
    covered = round_up(last - few, dense.FEW_ROWS) + few - first
    assert (few - first) % TILE_ROWS == 0 and n_rows <= covered <= round_up(n_rows, TILE_ROWS), "within the buffers"
    assert covered - n_rows < 2 or n_rows < dense.FEW_ROWS


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).normal(size=shape).astype(np.float32)


def forward(batch: int) -> np.ndarray:
    layer, x = Layer(batch, 9, 21), drawn(MOST, 9)
    with checked() as buffers:
        params = buffers.input(layer.parameters(drawn(9, 21), drawn(21)))
        y, bits = layer.outputs(buffers), layer.bits(buffers)
        layer.forward(Samples.make(buffers, x, np.arange(batch), pad=0.0), params, y, bits, bits, RELU)
    return y[:batch, :21]


def input_gradient(batch: int) -> np.ndarray:
    layer = Layer(batch, 21, 9)
    dy = np.zeros((layer.tile_rows, layer.ld), np.float32)
    dy[:batch, :9] = drawn(MOST, 9)[:batch]
    with checked() as buffers:
        params = buffers.input(layer.parameters(drawn(21, 9), np.zeros(9, np.float32)))
        transposed = buffers.output((layer.columns, layer.ld_in))
        call(affine.transpose, layer.operand(params, layer.room), matrix(transposed))
        dx = buffers.output((layer.tile_rows, layer.ld_in))
        active = buffers.input(np.full((layer.tile_rows, 8), 255, np.uint8))
        layer.input_gradient(buffers.input(dy), transposed, dx, active, 1.0)
    return dx[:batch, :21]


def weight_update(n_in: int, rule: int = update.SGD) -> np.ndarray:
    layer, dy = Layer(5, n_in, 21), np.zeros((6, Layer(5, n_in, 21).ld), np.float32)
    dy[:5, :21] = drawn(5, 21)
    hyper = np.zeros((2, update.N_HYPER), np.float32)
    hyper[:, update.LEARNING_RATE], hyper[:, update.MU] = 0.25, 0.5
    update.compile_rule(rule)
    w, none = drawn(MOST, 21)[:n_in], (np.zeros((n_in, 21), np.float32), np.zeros(21, np.float32))
    with checked() as buffers:
        params = buffers.updated(layer.parameters(w, none[1], (none,) * update.N_STATES[rule]))
        samples = Samples.make(buffers, drawn(5, MOST)[:, :n_in].copy(), np.arange(5), pad=0.0)
        layer.weight_update(
            buffers, samples, buffers.input(dy), params, int(update.ADDRESS[rule]), buffers.input(hyper)
        )
    assert (layer.padding(params[0]) == 0).all(), "rows beyond the last are not zero"
    return layer.unpack(params[0])[0]


@pytest.mark.parametrize(
    "product", [forward, input_gradient, weight_update, lambda n: weight_update(n, update.MOMENTUM)]
)
def test_no_bit_depends_on_the_tile_that_a_row_is_in(product):
    full = product(MOST)
    for n_rows in range(1, MOST):
        assert product(n_rows).tobytes() == np.ascontiguousarray(full[:n_rows]).tobytes(), n_rows
