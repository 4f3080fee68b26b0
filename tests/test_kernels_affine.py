"""The products of one layer against the reference, over all awkward shapes, between canaries."""

from __future__ import annotations

import numpy as np
import pytest
from buffers import checked
from cases import BOOK_LAYERS, LARGE_LAYER, SIZES, WIDE_LAYER, LayerShape
from hypothesis import example, given, settings
from hypothesis import strategies as st
from layers import Layer, Samples, active_bytes, assert_near, call, lists_of, matrix, pack_bits, unpack_bits
from properties import examples

from fastnet import reference
from fastnet.kernels import affine, update
from fastnet.kernels.tile import LINEAR, RELU, RELU_KEPT

shapes = st.builds(LayerShape, *(st.sampled_from(SIZES),) * 3)
seeds = st.integers(0, 2**32 - 1)
thorough = settings(max_examples=examples(60))

SGD_HYPER = np.zeros((2, update.N_HYPER), np.float32)
SGD_HYPER[:, update.LEARNING_RATE] = 0.125


def draw(seed: int, *sizes: tuple[int, ...]) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.normal(size=size).astype(np.float32) for size in sizes]


def draw_samples(seed: int, shape: LayerShape, filled: float) -> tuple[np.ndarray, np.ndarray]:
    """More samples than the batch takes, some of their values zero, and the batch's rows, with repeats."""
    random = np.random.default_rng((seed, 1))
    values = random.normal(size=(shape.batch + 2, shape.n_in)) * (random.random((shape.batch + 2, shape.n_in)) < filled)
    return values.astype(np.float32), random.integers(0, shape.batch + 2, shape.batch)


def forward_bound(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(x.astype(np.float64)) @ np.abs(w.astype(np.float64)) + np.abs(b)


@thorough
@given(shapes, seeds, st.sampled_from([0.0, 0.2, 1.0]), st.booleans())
@example(LayerShape(1, 1, 1), 0, 1.0, False)
@example(BOOK_LAYERS[0], 1, 0.2, True)
@example(BOOK_LAYERS[0], 1, 0.2, False)
@example(BOOK_LAYERS[2], 2, 1.0, False)
@example(WIDE_LAYER, 4, 1.0, False)
def test_affine_forward_is_the_reference(shape, seed, filled, listed):
    layer = Layer(*shape)
    values, rows = draw_samples(seed, shape, filled)
    w, b = draw(seed, (shape.n_in, shape.n_out), (shape.n_out,))
    with checked() as buffers:
        samples = Samples.make(buffers, values, rows, pad=np.nan)  # k runs over true sizes: the padding is not read
        params = buffers.input(layer.parameters(w, b))
        c, active, keep = layer.outputs(buffers), layer.bits(buffers), layer.bits(buffers)
        layer.forward(samples, params, c, active, keep, LINEAR, lists=samples.packed() if listed else None)
    x = values[rows].astype(np.float64)
    expected = reference.network.affine_forward(x, w.astype(np.float64), b.astype(np.float64))
    assert_near(c[: shape.batch, : shape.n_out], expected, shape.n_in + 1, forward_bound(x, w, b))
    assert (c[: shape.batch, shape.n_out :] == 0).all(), "the padding of the outputs is not zero"
    assert (active == 0xFF).all() and (keep == 0xFF).all(), "a linear layer has no activity bits"


@thorough
@given(shapes, seeds, st.sampled_from([0.2, 1.0]), st.booleans(), st.booleans(), st.sampled_from([1.0, 1.25, 0.75]))
@example(BOOK_LAYERS[0], 1, 0.2, True, True, 1.25)
@example(BOOK_LAYERS[1], 1, 1.0, False, False, 1.0)
def test_hidden_forward_is_the_reference_and_notes_the_active_units(shape, seed, filled, listed, dropped, scale):
    layer = Layer(*shape)
    values, rows = draw_samples(seed, shape, filled)
    w, b = draw(seed, (shape.n_in, shape.n_out), (shape.n_out,))
    mask = np.random.default_rng((seed, 2)).random((layer.tile_rows, shape.n_out)) < 0.7
    with checked() as buffers:
        samples = Samples.make(buffers, values, rows, pad=np.nan)
        params = buffers.input(layer.parameters(w, b))
        c, active = layer.outputs(buffers), layer.bits(buffers)
        keep = buffers.input(pack_bits(mask, active.shape[1], pad=True))
        lists = samples.packed() if listed else None
        layer.forward(samples, params, c, active, keep, RELU_KEPT if dropped else RELU, scale, lists)
    x = values[rows].astype(np.float64)
    kept = mask[: shape.batch] if dropped else None
    expected = reference.network.hidden_forward(x, w.astype(np.float64), b.astype(np.float64), kept, scale)
    actual = c[: shape.batch, : shape.n_out]
    assert_near(actual, expected, shape.n_in + 2, scale * forward_bound(x, w, b))
    assert (actual[expected == 0] >= 0).all() and (not dropped or (actual[~kept] == 0).all())
    assert (c[: shape.batch, shape.n_out :] == 0).all(), "the padding of the outputs is not zero"
    bits = unpack_bits(active)[: shape.batch]
    assert (bits[:, : shape.n_out] == (actual > 0)).all()
    assert not bits[:, shape.n_out :].any(), "a column of the padding is active"


def run_forward(layer: Layer, values, rows, w, b, mask, lists: str) -> bytes:
    """Outputs and activity bits of the batch; `lists` says how zeros are skipped, if at all."""
    with checked() as buffers:
        samples = Samples.make(buffers, values, rows, pad=0.0)
        params = buffers.input(layer.parameters(w, b))
        c, active = layer.outputs(buffers), layer.bits(buffers)
        keep = buffers.input(pack_bits(mask, active.shape[1], pad=False))
        given = {"dense": None, "packed": samples.packed(), "active": lists_of(buffers, values != 0)}
        layer.forward(samples, params, c, active, keep, RELU_KEPT, 1.25, given[lists])
    return c[: layer.batch].tobytes() + active[: layer.batch].tobytes()


@thorough
@given(shapes, seeds, st.sampled_from([0.0, 0.05, 0.5, 1.0]))
@example(BOOK_LAYERS[0], 3, 0.2)
@example(WIDE_LAYER, 4, 0.3)
@example(BOOK_LAYERS[1], 3, 0.5)
def test_skipping_zeros_in_the_forward_product_changes_no_bit(shape, seed, filled):
    layer = Layer(*shape)
    values, rows = draw_samples(seed, shape, filled)
    w, b = draw(seed, (shape.n_in, shape.n_out), (shape.n_out,))
    mask = np.random.default_rng((seed, 2)).random((layer.tile_rows, shape.n_out)) < 0.7
    dense, packed, active = (run_forward(layer, values, rows, w, b, mask, how) for how in ("dense", "packed", "active"))
    assert dense == packed == active


def draw_gradient(seed: int, layer: Layer, pad: float) -> np.ndarray:
    """The gradient of a layer's outputs: what a kernel may not use is NaN, the padding of its columns is `pad`."""
    dy = np.full((layer.tile_rows, layer.ld), pad, np.float32)
    dy[: layer.batch, : layer.n_out] = draw(seed, (layer.batch, layer.n_out))[0]
    dy[layer.batch :] = np.nan
    return dy


def run_input_gradient(layer: Layer, w, y, closed, seed: int, scale: float, *, listed: bool) -> np.ndarray:
    """Gradient of the inputs `y`; the outputs of `closed` have none, and `listed` skips them."""
    with checked() as buffers:
        full = draw_gradient(seed, layer, np.nan)
        full[: layer.batch, : layer.n_out][closed] = 0
        dy = buffers.input(full)
        params = buffers.input(layer.parameters(w, np.zeros(layer.n_out, np.float32)))
        transposed = buffers.output((layer.columns, layer.ld_in))
        call(affine.transpose, layer.operand(params, layer.room), matrix(transposed))
        dx = buffers.output((layer.tile_rows, layer.ld_in))
        active = np.zeros((layer.tile_rows, active_bytes(layer.n_in)), np.uint8)
        active[: layer.batch] = pack_bits(y > 0, active.shape[1], pad=False)
        lists = lists_of(buffers, ~closed) if listed else None
        layer.input_gradient(dy, transposed, dx, buffers.input(active), scale, lists)
    assert (dx[: layer.batch, layer.n_in : layer.columns_in] == 0).all(), "the padding of the gradient is not zero"
    return dx[: layer.batch, : layer.n_in]


@thorough
@given(shapes, seeds, st.sampled_from([1.0, 1.25]), st.booleans())
@example(LayerShape(100, 100, 10), 0, 1.0, False)
@example(LayerShape(100, 100, 100), 0, 1.25, True)
@example(WIDE_LAYER, 4, 1.25, False)
def test_input_gradient_is_the_reference(shape, seed, scale, listed):
    layer = Layer(*shape)
    w, y = draw(seed, (shape.n_in, shape.n_out), (shape.batch, shape.n_in))
    y = reference.activation.relu(y)
    closed = np.random.default_rng((seed, 3)).random((shape.batch, shape.n_out)) < 0.5 * listed
    actual = run_input_gradient(layer, w, y, closed, seed, scale, listed=listed)
    dy = draw_gradient(seed, layer, 0.0)[: shape.batch, : shape.n_out].astype(np.float64)
    dy[closed] = 0
    double = w.astype(np.float64)
    expected = reference.network.input_gradient(dy, double, y.astype(np.float64), scale)
    assert_near(actual, expected, shape.n_out + 1, scale * (np.abs(dy) @ np.abs(double).T))
    assert (actual[y == 0] == 0).all()


@thorough
@given(shapes, seeds, st.sampled_from([0.0, 0.5, 1.0]))
def test_skipping_zeros_in_the_input_gradient_changes_no_bit(shape, seed, share):
    layer = Layer(*shape)
    w, y = draw(seed, (shape.n_in, shape.n_out), (shape.batch, shape.n_in))
    closed = np.random.default_rng((seed, 3)).random((shape.batch, shape.n_out)) < share
    dense, listed = (run_input_gradient(layer, w, y, closed, seed, 1.25, listed=flag) for flag in (False, True))
    assert (dense == listed).all()


@thorough
@given(st.sampled_from(SIZES), st.sampled_from(SIZES), seeds)
def test_transpose_is_exact(n_in, n_out, seed):
    layer = Layer(1, n_in, n_out)
    w, b = draw(seed, (n_in, n_out), (n_out,))
    with checked() as buffers:
        params = buffers.input(layer.parameters(w, b))
        transposed = buffers.output((layer.columns, layer.ld_in))
        call(affine.transpose, layer.operand(params, layer.room), matrix(transposed))
    assert (transposed[:n_out, :n_in] == w.T).all()


def run_update(layer: Layer, values, rows, dy, flat, code: int, hyper, *, listed: bool) -> np.ndarray:
    update.compile_rule(code)
    with checked() as buffers:
        samples = Samples.make(buffers, values, rows, pad=0.0)
        params = buffers.updated(flat)
        gradient = buffers.input(dy)
        settings = buffers.input(hyper)
        layer.weight_update(buffers, samples, gradient, params, int(update.ADDRESS[code]), settings, listed=listed)
    return params


@thorough
@given(shapes, seeds, st.sampled_from([0.0, 0.2, 1.0]), st.booleans())
@example(LayerShape(1, 1, 1), 0, 1.0, False)
@example(BOOK_LAYERS[0], 1, 0.2, True)
@example(BOOK_LAYERS[1], 1, 1.0, False)
@example(WIDE_LAYER, 4, 1.0, False)
def test_weight_gradient_is_the_reference(shape, seed, filled, listed):
    # Plain SGD with a rate of -1 on weights of zero leaves the gradient itself where the weights were.
    layer = Layer(*shape)
    values, rows = draw_samples(seed, shape, filled)
    b = draw(seed, (shape.n_out,))[0]
    flat = layer.parameters(np.zeros((shape.n_in, shape.n_out), np.float32), b)
    hyper = SGD_HYPER.copy()
    hyper[:, update.LEARNING_RATE] = -1.0
    dy = draw_gradient(seed, layer, 0.0)
    params = run_update(layer, values, rows, dy, flat, update.SGD, hyper, listed=listed)
    actual, biases = layer.unpack(params[0])
    double = values[rows].astype(np.float64), dy[: shape.batch, : shape.n_out].astype(np.float64)
    expected = reference.network.weight_gradient(*double)
    assert_near(actual, expected, shape.batch, np.abs(double[0]).T @ np.abs(double[1]))
    assert (biases == b).all(), "the update of the weights touched the biases"
    assert (layer.padding(params[0]) == 0).all(), "the padding of the weights is not zero"


@thorough
@given(shapes, seeds, st.sampled_from([0.0, 0.05, 0.5, 1.0]), st.sampled_from([update.SGD, update.MOMENTUM]))
@example(BOOK_LAYERS[0], 3, 0.2, update.SGD)
@example(WIDE_LAYER, 4, 0.3, update.SGD)
def test_skipping_zeros_in_the_weight_gradient_changes_no_bit(shape, seed, filled, code):
    layer = Layer(*shape)
    values, rows = draw_samples(seed, shape, filled)
    w, v, b = draw(seed, *((shape.n_in, shape.n_out),) * 2, (shape.n_out,))
    states = ((v, b),) * update.N_STATES[code]
    hyper = SGD_HYPER.copy()
    hyper[:, update.MU], hyper[0, update.WEIGHT_DECAY] = 0.5, 0.25
    case = values, rows, draw_gradient(seed, layer, 0.0), layer.parameters(w, b, states), code, hyper
    dense, skipped = (run_update(layer, *case, listed=listed).tobytes() for listed in (False, True))
    assert dense == skipped


@pytest.mark.parametrize(
    "shape", [LARGE_LAYER, LayerShape(100, 530, 301), LayerShape(25, 784, 301), LayerShape(4, 1200, 1100)]
)
@pytest.mark.parametrize("listed", [False, True])
def test_the_parallel_kernels_give_the_serial_ones_bits(shape, listed):
    assert 2 * np.prod(shape) >= affine.PARALLEL_FLOPS, "too small to be divided over threads"
    values, rows = draw_samples(5, shape, 0.3)
    w, b, y = draw(6, (shape.n_in, shape.n_out), (shape.n_out,), (shape.batch, shape.n_in))
    closed = np.random.default_rng(3).random((shape.batch, shape.n_out)) < 0.5
    results = []
    for threads in (0, 1, 2):
        layer = Layer(*shape, threads)
        mask = np.random.default_rng(7).random((layer.tile_rows, shape.n_out)) < 0.7
        found = [run_forward(layer, values, rows, w, b, mask, how) for how in ("packed", "active")[not listed :]]
        found.append(run_forward(layer, values, rows, w, b, mask, "dense"))
        dy = draw_gradient(8, layer, 0.0)
        for code, states in ((update.SGD, ()), (update.MOMENTUM, ((w, b),))):
            flat = layer.parameters(w, b, states)
            found.append(run_update(layer, values, rows, dy, flat, code, SGD_HYPER, listed=listed).tobytes())
        found.append(run_input_gradient(layer, w, y, closed, 9, 1.25, listed=listed).tobytes())
        results.append(found)
    assert results[0] == results[1] == results[2]


def test_a_perturbed_result_is_rejected():
    shape = LayerShape(13, 37, 17)
    layer = Layer(*shape)
    values, rows = draw_samples(0, shape, 1.0)
    w, b = draw(0, (shape.n_in, shape.n_out), (shape.n_out,))
    with checked() as buffers:
        samples = Samples.make(buffers, values, rows, pad=0.0)
        c, active, keep = layer.outputs(buffers), layer.bits(buffers), layer.bits(buffers)
        layer.forward(samples, buffers.input(layer.parameters(w, b)), c, active, keep, LINEAR)
    actual, x = c[: shape.batch, : shape.n_out], values[rows].astype(np.float64)
    magnitude = forward_bound(x, w, b)
    expected = reference.network.affine_forward(x, w.astype(np.float64), b.astype(np.float64))
    assert_near(actual, expected, shape.n_in + 1, magnitude)
    ulp = np.zeros_like(actual)
    ulp[4, 5] = 2.2 * (shape.n_in + 1) * np.finfo(np.float32).eps * magnitude[4, 5]
    last = x[:, -1:] * w[-1:].astype(np.float64)
    for wrong in (actual + ulp, actual - last, actual[::-1], np.where(ulp > 0, np.nan, actual), actual * 1.001):
        with pytest.raises(AssertionError, match="elements are off"):
            assert_near(wrong, expected, shape.n_in + 1, magnitude)


def test_the_canaries_notice_a_kernel_that_writes_outside_its_buffer_or_to_its_input():
    layer = Layer(7, 5, 3)
    (w, b), values = draw(0, (5, 3), (3,)), np.ones((7, 5), np.float32)
    for smaller in ("c", "input"):
        with pytest.raises(AssertionError, match="a kernel wrote"), checked() as buffers:
            samples = Samples.make(buffers, values, np.arange(7), pad=0.0)
            params = buffers.input(layer.parameters(w, b))
            c = buffers.output((7, layer.ld)) if smaller == "c" else params
            layer.forward(samples, params, c, c, c, LINEAR)
