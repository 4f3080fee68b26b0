"""All activations but ReLU: their formulas over all of float32, and the stages that apply them, between canaries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from buffers import Buffers, address, checked
from cases import ACTIVATIONS, BOOK_LAYERS, LARGE_LAYER, SIZES, WIDE_LAYER, LayerShape
from hypothesis import example, given, settings
from hypothesis import strategies as st
from layers import EPS32, Layer, Samples, assert_near, call, lists_of, matrix, pack_bits
from properties import examples

from fastnet import reference
from fastnet.config import network
from fastnet.kernels import activation, affine
from fastnet.kernels.activation import APPLY, MULTIPLY
from fastnet.kernels.host import LANES, round_up
from fastnet.kernels.layout import leading
from fastnet.kernels.memory import invoke
from fastnet.kernels.operands import Curve, Matrix, Span
from fastnet.kernels.tile import LINEAR

shapes = st.builds(LayerShape, *(st.sampled_from(SIZES),) * 3)
seeds = st.integers(0, 2**32 - 1)
names = st.sampled_from(ACTIVATIONS)
thorough = settings(max_examples=examples(60))

SMALLEST = 2e-36
"""Size below which e^-87 stands for all that is smaller."""

VALUE_ROUNDINGS = {"leaky-relu": 0.5, "tanh": 1.8, "logistic": 1.7, "gelu": 4.0, "silu": 2.1}
"""Of each activation, in units of 2^-23 of its value; measured over seven million numbers."""

SLOPE_ROUNDINGS = {"leaky-relu": 0.0, "tanh": 2.7, "logistic": 2.8, "gelu": 2.0, "silu": 1.7}
"""Of the derivatives, in the same units; of 1 for those that cross zero somewhere, GELU's and SiLU's."""


def apply(name: str, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and derivatives at the numbers of one row, which need not end with a vector; the padding is looked at."""
    n, ld = len(z), leading(len(z))
    with checked() as buffers:
        row = np.full(ld, np.nan, np.float32)
        row[:n] = z
        y, slopes = buffers.updated(row), buffers.output(ld)
        stage = int(activation.stages(name)[APPLY])
        call(invoke, stage, Span(0, 1), n, Matrix(address(y), 4 * ld), address(slopes), 0, 0, np.float32(1))
    columns = round_up(n, LANES)
    for row in (y, slopes):
        assert (row[n:columns] == 0).all(), "the padding is not zero"
        assert np.isnan(row[columns:]).all(), "written beyond the last vector"
    return y[:n], slopes[:n]


def exact(name: str, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and derivatives in float64."""
    double = z.astype(np.float64)
    with np.errstate(all="ignore"):
        return reference.activation.activate(double, name), reference.activation.activation_slope(double, name)


def everywhere() -> np.ndarray:
    """Numbers of every size from the smallest to the largest of float32, most of them where something happens."""
    sizes = np.concatenate(
        [np.geomspace(1e-45, 3.4e38, 60_001), np.linspace(0, 20, 100_001), np.linspace(20, 200, 50_001)]
    )
    return np.concatenate([sizes, -sizes]).astype(np.float32)


def test_there_is_a_formula_for_every_activation_but_relu():
    assert {"relu", *activation.FORMULAS} == set(network.ACTIVATIONS) == set(reference.activation.ACTIVATIONS)
    assert set(ACTIVATIONS) == set(activation.FORMULAS)
    assert activation.stages("relu").tolist() == [0, 0]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_and_derivatives_are_right_over_all_of_float32(name):
    z = everywhere()
    (y, slopes), (right, right_slopes) = apply(name, z), exact(name, z)
    assert (np.abs(y - right) <= VALUE_ROUNDINGS[name] * EPS32 * np.abs(right) + SMALLEST).all()
    size = 1.0 if name in ("gelu", "silu") else np.abs(right_slopes)
    right_slopes = np.where(np.isfinite(right_slopes), right_slopes, z > 0)  # GELU's, where z² is too large
    assert (np.abs(slopes - right_slopes) <= SLOPE_ROUNDINGS[name] * EPS32 * size + SMALLEST).all()
    for wrong in (y * np.float32(1 + 8 * EPS32), np.where(z == z[-1], np.nan, y)):
        assert not (np.abs(wrong - right) <= VALUE_ROUNDINGS[name] * EPS32 * np.abs(right) + SMALLEST).all()


LIMITS = {
    "leaky-relu": (-math.inf, 0.01, math.inf, 1), "tanh": (-1, 0, 1, 0), "logistic": (0, 0, 1, 0),
    "gelu": (0, 0, math.inf, 1), "silu": (0, 0, math.inf, 1),
}  # fmt: skip
"""Value and derivative at minus infinity and at infinity."""


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_infinities_give_the_limits_and_a_nan_stays_one(name):
    y, slopes = apply(name, np.float32([-np.inf, np.inf, np.nan]))
    found = [y[0], slopes[0], y[1], slopes[1]]
    assert found == pytest.approx(LIMITS[name], rel=EPS32, abs=SMALLEST)
    assert math.isnan(y[2]) and (math.isnan(slopes[2]) or name == "leaky-relu")


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_function_rises_where_its_derivative_says_so(name):
    z = np.linspace(-6, 6, 4001, dtype=np.float32)
    y, slopes = apply(name, z)
    steps, middle = np.diff(y.astype(np.float64)), (slopes[1:].astype(np.float64) + slopes[:-1]) / 2
    smooth = z[1:] * z[:-1] > 0 if name == "leaky-relu" else np.ones(4000, bool)
    np.testing.assert_allclose((steps / np.diff(z.astype(np.float64)))[smooth], middle[smooth], atol=5e-4)


def draw(seed: int, *sizes: tuple[int, ...]) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.normal(size=size).astype(np.float32) for size in sizes]


def run_forward(
    layer: Layer, seed: int, name: str | None, *, how: str = "dense", dropped: bool = False, training: bool = True,
    scale: float = 1.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Outputs and derivatives of one layer, whole buffers, and the units that dropout keeps; without a name z itself.

    how : dense, or by lists of the samples ("packed") or of a hidden layer's active outputs ("active")
    """
    random = np.random.default_rng((seed, 1))
    values = random.normal(size=(layer.batch, layer.n_in)) * (random.random((layer.batch, layer.n_in)) < 0.4)
    w, b = draw(seed, (layer.n_in, layer.n_out), (layer.n_out,))
    mask = random.random((layer.tile_rows, layer.n_out)) < 0.7
    with checked() as buffers:
        samples = Samples.make(buffers, values.astype(np.float32), np.arange(layer.batch), pad=0.0)
        c, active, slopes = layer.outputs(buffers), layer.bits(buffers), buffers.output((layer.tile_rows, layer.ld))
        keep = buffers.input(pack_bits(mask, active.shape[1], pad=True))
        curve = None
        if name:
            stage = int(activation.stages(name)[APPLY])
            curve = Curve(stage, address(slopes) if training else 0, address(keep) if dropped else 0)
        lists = {"dense": None, "packed": samples.packed(), "active": lists_of(buffers, values != 0)}[how]
        params = buffers.input(layer.parameters(w, b))
        layer.forward(samples, params, c, active, keep, LINEAR, scale, lists, curve)
    return c, slopes, mask[: layer.batch] if dropped else np.ones((layer.batch, layer.n_out), bool)


@thorough
@given(shapes, seeds, names, st.sampled_from(["dense", "packed", "active"]), st.booleans(), st.booleans())
@example(BOOK_LAYERS[0], 1, "logistic", "packed", True, True)
@example(BOOK_LAYERS[1], 1, "gelu", "dense", False, True)
@example(LayerShape(1, 1, 1), 1, "logistic", "dense", True, False)
@example(WIDE_LAYER, 4, "tanh", "dense", True, True)
def test_a_layer_applies_its_activation_to_the_forward_product(shape, seed, name, how, dropped, training):
    layer, scale = Layer(*shape), 1.25 if dropped else 0.75
    z = run_forward(layer, seed, None, how=how)[0]
    y, slopes, kept = run_forward(layer, seed, name, how=how, dropped=dropped, training=training, scale=scale)
    inside = slice(shape.batch), slice(shape.n_out)
    assert z[inside].any()
    right, right_slopes = (np.where(kept, scale * values, 0.0) for values in exact(name, z[inside]))
    assert_near(y[inside], right, 6, np.abs(right) + SMALLEST / EPS32)
    assert (y[inside][~kept] == 0).all()
    assert (y[: shape.batch, shape.n_out :] == 0).all(), "the padding of the outputs is not zero"
    assert y[shape.batch :].tobytes() == z[shape.batch :].tobytes(), "rows beyond the batch have changed"
    if not training:
        assert np.isnan(slopes).all(), "derivatives in evaluation"
        return
    assert_near(slopes[inside], right_slopes, 6, np.full(right.shape, scale))
    assert (slopes[inside][~kept] == 0).all()
    assert (slopes[: shape.batch, shape.n_out : layer.columns] == 0).all(), "the padding of the derivatives is not zero"
    assert np.isnan(slopes[shape.batch :]).all() and np.isnan(slopes[:, layer.columns :]).all()


def run_input_gradient(buffers: Buffers, layer: Layer, seed: int, dy: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Gradient of a layer's inputs, the whole buffer; the derivatives are padded as the forward product leaves them."""
    [w] = draw(seed, (layer.n_in, layer.n_out))
    full = np.full((layer.tile_rows, layer.ld), np.nan, np.float32)
    full[: layer.batch, : layer.n_out] = dy
    beside = np.full((layer.tile_rows, layer.ld_in), np.nan, np.float32)
    beside[: layer.batch, : layer.columns_in] = 0
    beside[: layer.batch, : layer.n_in] = slopes
    params = buffers.input(layer.parameters(w, np.zeros(layer.n_out, np.float32)))
    transposed = buffers.output((layer.columns, layer.ld_in))
    call(affine.transpose, layer.operand(params, layer.room), matrix(transposed))
    dx = buffers.output((layer.tile_rows, layer.ld_in))
    curve = Curve(int(activation.stages("tanh")[MULTIPLY]), address(buffers.input(beside)), 0)
    layer.input_gradient(buffers.input(full), transposed, dx, np.zeros((1, 1), np.uint8), 9.0, None, curve)
    return dx


@thorough
@given(shapes, seeds)
@example(LayerShape(100, 100, 10), 0)
@example(WIDE_LAYER, 4)
def test_the_input_gradient_is_multiplied_by_the_derivatives(shape, seed):
    layer = Layer(*shape)
    dy, slopes = draw(seed + 1, (shape.batch, shape.n_out), (shape.batch, shape.n_in))
    with checked() as buffers:
        dx = run_input_gradient(buffers, layer, seed, dy, slopes)
    [w] = draw(seed, (shape.n_in, shape.n_out))
    double, wide = w.astype(np.float64), slopes.astype(np.float64)
    expected = (dy.astype(np.float64) @ double.T) * wide
    size = (np.abs(dy).astype(np.float64) @ np.abs(double).T) * np.abs(wide)
    assert_near(dx[: shape.batch, : shape.n_in], expected, shape.n_out + 1, size)
    assert (dx[: shape.batch, shape.n_in : layer.columns_in] == 0).all(), "the padding of the gradient is not zero"


@pytest.mark.parametrize("n_in", [1, 5, 17, 31])
def test_an_infinite_gradient_leaves_the_padding_zero(n_in):
    layer = Layer(3, n_in, 4)
    dy, slopes = draw(0, (3, 4), (3, n_in))
    dy[1] = np.inf
    with checked() as buffers:
        dx = run_input_gradient(buffers, layer, 0, dy, slopes)
    assert not np.isfinite(dx[1, :n_in]).any() and np.isfinite(dx[[0, 2], :n_in]).all()
    assert (dx[:3, n_in : layer.columns_in] == 0).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("shape", [LARGE_LAYER, LayerShape(100, 530, 301), LayerShape(4, 1200, 1100)])
def test_threads_that_share_a_product_give_the_bits_of_one(name, shape):
    assert 2 * np.prod(shape) >= affine.PARALLEL_FLOPS, "too small to be divided over threads"
    dy, slopes = draw(8, (shape.batch, shape.n_out), (shape.batch, shape.n_in))
    found = []
    for threads in (0, 1, 2):
        layer = Layer(*shape, threads)
        y, beside, _ = run_forward(layer, 5, name, dropped=True, scale=1.25)
        with checked() as buffers:
            dx = run_input_gradient(buffers, layer, 6, dy, slopes)
        found.append([part[: shape.batch].tobytes() for part in (y, beside, dx)])
    assert found[0] == found[1] == found[2]
