"""The register tile: what is loaded is stored again, products are added in every way to the same sums."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from buffers import CANARY, Buffers, address, checked
from layers import pack_bits, unpack_bits

from fastnet.kernels import tile
from fastnet.kernels.host import LANES, MASK_BYTES
from fastnet.kernels.memory import load_f32

ROWS, VECTORS = 3, 2
COLUMNS = VECTORS * LANES
INPUTS = 11


def whole(seed: int, *shape: int) -> np.ndarray:
    """Small whole numbers, whose sums of products are exact in float32."""
    return np.random.default_rng(seed).integers(-9, 10, shape).astype(np.float32)


@numba.njit
def strided(x, w, bias, y, ldx, ldw, ldy, n):
    acc = tile.load_row(tile.zeros(ROWS, VECTORS), bias)
    for k in range(n):
        acc = tile.rank1_strided(acc, x + 4 * k, ldx, w + k * ldw)
    tile.store(acc, y, ldy)


@numba.njit
def factors_at(first, ldx):
    return load_f32(first), load_f32(first + ldx), load_f32(first + 2 * ldx)


@numba.njit
def by_factors(x, w, bias, y, ldx, ldw, ldy, n):
    acc = tile.load_row(tile.zeros(ROWS, VECTORS), bias)
    for k in range(n):
        acc = tile.rank1(acc, factors_at(x + 4 * k, ldx), w + k * ldw)
    tile.store(acc, y, ldy)


@numba.njit
def continued(x, w, bias, y, ldx, ldw, ldy, n):
    half = n // 2
    strided(x, w, bias, y, ldx, ldw, ldy, half)
    acc = tile.load(tile.zeros(ROWS, VECTORS), y, ldy)
    for k in range(half, n):
        acc = tile.rank1_strided(acc, x + 4 * k, ldx, w + k * ldw)
    tile.store(acc, y, ldy)


@pytest.mark.parametrize("product", [strided, by_factors, continued])
def test_a_sum_of_products_is_the_matrix_product(product):
    x, w, bias = whole(0, ROWS, INPUTS), whole(1, INPUTS, COLUMNS), whole(2, COLUMNS)
    with checked() as buffers:
        y = buffers.output((ROWS, COLUMNS + 5))
        given = [buffers.input(array) for array in (x, w, bias)]
        product(*map(address, given), address(y), x.strides[0], w.strides[0], y.strides[0], INPUTS)
    np.testing.assert_array_equal(y[:, :COLUMNS], x @ w + bias)
    assert np.isnan(y[:, COLUMNS:]).all(), "written beyond the tile"


@pytest.mark.parametrize("packed", [0, 1])
def test_four_entries_of_a_list_are_four_products(packed):
    @numba.njit
    def four(entries, values, w, y, ldw):
        acc = tile.rank1_four(tile.zeros(1, VECTORS), entries, values, packed, w, ldw)
        tile.store(acc, y, 4 * COLUMNS)

    listed = [7, 0, 10, 3]
    x, w = whole(3, INPUTS), whole(4, INPUTS, COLUMNS)
    values = x[listed] if packed else x
    with checked() as buffers:
        y = buffers.output((1, COLUMNS))
        entries = sum(entry << 8 * place for place, entry in enumerate(listed))
        four(entries, address(buffers.input(values)), address(buffers.input(w)), address(y), w.strides[0])
    np.testing.assert_array_equal(y[0], x[listed] @ w[listed])


SAMPLES = np.array([4, 0, 2, 4])  # one more than the rows of a tile


def test_each_row_takes_factors_from_a_row_of_its_own():
    @numba.njit
    def run(numbers, x, ldx, w, y, ldw, n):
        acc = tile.zeros(ROWS, VECTORS)
        rows = tile.chosen_rows(acc, numbers, x, ldx)
        for k in range(n):
            acc = tile.rank1_rows(acc, rows, 4 * k, w + k * ldw)
        tile.store(acc, y, 4 * COLUMNS)

    x, w = whole(5, 5, INPUTS), whole(6, INPUTS, COLUMNS)
    with checked() as buffers:
        y = buffers.output((ROWS, COLUMNS))
        numbers, given, weights = (address(buffers.input(array)) for array in (SAMPLES, x, w))
        run(numbers, given, x.strides[0], weights, address(y), w.strides[0], INPUTS)
    np.testing.assert_array_equal(y, x[SAMPLES[:ROWS]] @ w)


def test_each_row_adds_vectors_of_its_own():
    @numba.njit
    def run(numbers, places, shares, ld, w, y, stride, offset, count):
        acc = tile.zeros(ROWS, VECTORS)
        rows, own = tile.chosen_rows(acc, numbers, places, ld), tile.chosen_rows(acc, numbers, shares, ld)
        tile.store(tile.add_levels(acc, rows, offset, w, stride, count), y, 4 * COLUMNS)
        tile.store(tile.mix_rows(acc, rows, own, offset, w, stride), y + 4 * ROWS * COLUMNS, 4 * COLUMNS)

    places, shares = np.zeros((5, 3), np.uint32), whole(5, 5, 3) / 2
    places[:, 1] = [4, 9, 1, 9, 3]
    w, at, share = whole(6, 6, COLUMNS), places[SAMPLES[:ROWS], 1], shares[SAMPLES[:ROWS], 1, None]
    with checked() as buffers:
        y = buffers.output((2, ROWS, COLUMNS))
        numbers, rows, own, weights = (address(buffers.input(array)) for array in (SAMPLES, places, shares, w))
        run(numbers, rows, own, places.strides[0], weights, address(y), w.strides[0], 4, 4)
    np.testing.assert_array_equal(y[0], np.where(at[:, None] < 4, w[np.minimum(at, 3)], 0))
    np.testing.assert_array_equal(y[1], (1 - share) * w[at] + share * w[at + 1])


def test_a_row_is_repeated_and_taken_alone():
    @numba.njit
    def run(x, y, alone, stride):
        acc = tile.load(tile.zeros(ROWS, VECTORS), x, stride)
        tile.store(tile.repeat_row(acc), y, stride)
        tile.store(tile.last_row(acc), alone, stride)

    x = whole(11, ROWS, COLUMNS)
    with checked() as buffers:
        y, alone = buffers.output((ROWS, COLUMNS)), buffers.output((1, COLUMNS))
        run(address(buffers.input(x)), address(y), address(alone), x.strides[0])
    np.testing.assert_array_equal(y, np.broadcast_to(x[0], x.shape))
    np.testing.assert_array_equal(alone[0], x[-1])


def stored(buffers: Buffers, z: np.ndarray, how, *operands) -> np.ndarray:
    """Load a tile from z and store it with one of the epilogues."""

    @numba.njit
    def run(source, target, stride, *more):
        how(tile.load(tile.zeros(ROWS, VECTORS), source, stride), target, stride, *more)

    y = buffers.output(z.shape)
    run(address(buffers.input(z)), address(y), z.strides[0], *operands)
    return y


def test_relu_leaves_scaled_outputs_and_a_bit_for_each_that_is_positive_or_not_a_number():
    z, keep = whole(5, ROWS, COLUMNS), np.random.default_rng(6).random((ROWS, COLUMNS)) < 0.6
    z[0, 0], z[1, 1] = np.nan, -0.0
    scale, ld = np.float32(1.25), VECTORS * MASK_BYTES
    with checked() as buffers:
        bits, dropped, none = (buffers.output((ROWS, ld), np.uint8) for _ in range(3))
        kept = address(buffers.input(pack_bits(keep, ld, pad=False)))
        y = stored(buffers, z, tile.finish, tile.RELU, scale, address(bits), ld, kept)
        y_kept = stored(buffers, z, tile.finish, tile.RELU_KEPT, scale, address(dropped), ld, kept)
        y_linear = stored(buffers, z, tile.finish, tile.LINEAR, scale, address(none), ld, kept)
    active = (z > 0) | np.isnan(z)
    np.testing.assert_array_equal(y, np.where(active, scale * z, 0))
    np.testing.assert_array_equal(unpack_bits(bits), active)
    np.testing.assert_array_equal(y_kept, np.where(active & keep, scale * z, 0))
    np.testing.assert_array_equal(unpack_bits(dropped), active & keep)
    np.testing.assert_array_equal(y_linear, z)
    assert (none == CANARY).all()


def test_a_gradient_passes_where_the_unit_was_active():
    z, active = whole(7, ROWS, COLUMNS), np.random.default_rng(8).random((ROWS, COLUMNS)) < 0.5
    ld = VECTORS * MASK_BYTES
    with checked() as buffers:
        bits = buffers.input(pack_bits(active, ld, pad=False))
        y = stored(buffers, z, tile.store_active, np.float32(2.0), address(bits), ld)
    np.testing.assert_array_equal(y, np.where(active, 2 * z, 0))


def test_sgd_takes_a_step_down_the_gradient_with_decay():
    gradient, w = whole(9, ROWS, COLUMNS), whole(10, ROWS, COLUMNS)

    @numba.njit
    def run(source, weights, stride):
        acc = tile.load(tile.zeros(ROWS, VECTORS), source, stride)
        tile.store_sgd(acc, weights, stride, np.float32(0.5), np.float32(0.25))

    with checked() as buffers:
        updated = buffers.updated(w)
        run(address(buffers.input(gradient)), address(updated), w.strides[0])
    np.testing.assert_array_equal(updated, w - 0.5 * (gradient + 0.25 * w))
