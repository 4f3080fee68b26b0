"""Single vectors: each operation on every lane what NumPy computes in float32, whatever the lanes hold."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from buffers import address, checked

from fastnet.kernels import vector
from fastnet.kernels.host import GROUP, LANES, MASK_BYTES
from fastnet.kernels.vector import load_vector, splat, store_vector

ODD = np.float32([0.0, -0.0, 1.5, -2.5, np.inf, -np.inf, np.nan, 1e-40, 3e38, -0.75])


def some(seed: int) -> np.ndarray:
    """One vector of ordinary and odd values."""
    random = np.random.default_rng(seed)
    return np.where(random.random(LANES) < 0.4, random.choice(ODD, LANES), random.normal(size=LANES)).astype("f")


def run(formula, *operands: np.ndarray) -> np.ndarray:
    """Apply a compiled function to vectors at addresses; the result is another vector."""
    with checked() as buffers:
        out = buffers.output(LANES)
        formula(*(address(buffers.input(operand)) for operand in operands), address(out))
    return out


@numba.njit
def added(a, b, out):
    store_vector(load_vector(a) + load_vector(b), out)


@numba.njit
def subtracted(a, b, out):
    store_vector(load_vector(a) - load_vector(b), out)


@numba.njit
def multiplied(a, b, out):
    store_vector(load_vector(a) * load_vector(b), out)


@numba.njit
def divided(a, b, out):
    store_vector(load_vector(a) / load_vector(b), out)


@numba.njit
def signed(a, b, out):
    store_vector(vector.with_sign(load_vector(a), load_vector(b)), out)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (added, np.add),
        (subtracted, np.subtract),
        (multiplied, np.multiply),
        (divided, np.divide),
        (signed, np.copysign),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("seed", range(8))
def test_two_vectors_are_combined_lane_by_lane(formula, expected, seed):
    a, b = some(seed), some(100 + seed)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(run(formula, a, b), expected(a, b))


@numba.njit
def size(a, out):
    store_vector(vector.magnitude(load_vector(a)), out)


@numba.njit
def root(a, out):
    store_vector(vector.square_root(load_vector(a)), out)


@numba.njit
def rounded(a, out):
    store_vector(vector.round_even(load_vector(a)), out)


@pytest.mark.parametrize(("formula", "expected"), [(size, np.abs), (root, np.sqrt), (rounded, np.rint)])
@pytest.mark.parametrize("seed", range(8))
def test_one_vector_is_changed_lane_by_lane(formula, expected, seed):
    a = some(seed)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(run(formula, a), expected(a))


def test_a_fused_product_is_rounded_once():
    @numba.njit
    def fuse(a, b, c, out):
        store_vector(vector.fused(load_vector(a), load_vector(b), load_vector(c)), out)

    a, b = np.full(LANES, 1 + 2.0**-12, np.float32), np.full(LANES, 1 + 2.0**-12, np.float32)
    c = np.full(LANES, -1 - 2.0**-11, np.float32)
    assert (run(fuse, a, b, c) == 2.0**-24).all(), "the exact product is 1 + 2**-11 + 2**-24"


def test_what_a_product_leaves_is_rounded_once():
    @numba.njit
    def leave(a, b, c, out):
        store_vector(vector.left_over(load_vector(a), load_vector(b), load_vector(c)), out)

    a = b = np.full(LANES, 1 + 2.0**-12, np.float32)
    whole = np.full(LANES, 1 + 2.0**-11, np.float32)
    assert (run(leave, whole, a, b) == -(2.0**-24)).all(), "the exact product is 1 + 2**-11 + 2**-24"


def test_a_near_reciprocal_is_off_by_a_twentieth():
    @numba.njit
    def near(a, out):
        store_vector(vector.near_reciprocal(load_vector(a)), out)

    errors = []
    for start in 10.0 ** np.arange(-37.0, 37.0):
        a = (start * np.random.default_rng(0).uniform(1, 10, LANES)).astype("f")
        errors.append(run(near, a).astype("d") * a - 1)
    assert 0.04 < np.abs(errors).max() < 0.0506


def test_limits_replace_values_beyond_them_and_keep_nan():
    @numba.njit
    def least(a, out):
        store_vector(vector.at_least(load_vector(a), np.float32(-1.0)), out)

    @numba.njit
    def most(a, out):
        store_vector(vector.at_most(load_vector(a), np.float32(1.0)), out)

    for seed in range(8):
        a = some(seed)
        np.testing.assert_array_equal(run(least, a), np.where(a < -1, np.float32(-1), a))
        np.testing.assert_array_equal(run(most, a), np.where(a > 1, np.float32(1), a))


def test_lanes_are_chosen_by_sign_and_a_nan_is_not_positive():
    @numba.njit
    def choose(a, yes, no, out):
        store_vector(vector.where_positive(load_vector(a), load_vector(yes), load_vector(no)), out)

    for seed in range(8):
        a, yes, no = some(seed), some(seed + 20), some(seed + 40)
        np.testing.assert_array_equal(run(choose, a, yes, no), np.where(a > 0, yes, no))


def test_lanes_are_chosen_by_bits():
    @numba.njit
    def choose(a, bits, out):
        store_vector(vector.where_bits(load_vector(a), bits), out)

    a = np.arange(1, LANES + 1, dtype=np.float32)
    for pattern in (0, 1, 2 ** (LANES - 1), 2**LANES - 1, 0x5A5A & (2**LANES - 1)):
        bits = np.array([pattern >> GROUP * byte & (2**GROUP - 1) for byte in range(MASK_BYTES)], np.uint8)
        chosen = pattern >> np.arange(LANES) & 1
        np.testing.assert_array_equal(run(choose, a, bits), a * chosen)


@pytest.mark.parametrize("count", [-1, 0, 1, LANES - 1, LANES, LANES + 5])
def test_the_first_lanes_stay_and_the_others_become_zero(count):
    @numba.njit
    def first(a, count, out):
        store_vector(vector.first_lanes(load_vector(a), count), out)

    a = np.arange(1, LANES + 1, dtype=np.float32)
    with checked() as buffers:
        out = buffers.output(LANES)
        first(address(buffers.input(a)), count, address(out))
    np.testing.assert_array_equal(out, np.where(np.arange(LANES) < count, a, 0))


def test_powers_of_two_are_exact():
    @numba.njit
    def power(a, out):
        store_vector(vector.power_of_two(load_vector(a)), out)

    exponents = np.arange(-126, 128, dtype=np.float32)
    for begin in range(0, len(exponents) - LANES, LANES):
        a = exponents[begin : begin + LANES]
        np.testing.assert_array_equal(run(power, a), 2.0 ** a.astype(np.float64))


def test_a_number_fills_every_lane():
    @numba.njit
    def fill(out):
        store_vector(splat(np.float32(0.1)), out)

    assert (run(fill) == np.float32(0.1)).all()


def test_a_block_is_transposed_within_larger_matrices():
    @numba.njit
    def transpose(source, target, stride):
        vector.transpose_block(source, stride, target, stride)

    values = np.random.default_rng(3).normal(size=(LANES, LANES + 3)).astype(np.float32)
    with checked() as buffers:
        out = buffers.output(values.shape)
        transpose(address(buffers.input(values)), address(out), values.strides[0])
    np.testing.assert_array_equal(out[:, :LANES], values[:, :LANES].T)
    assert np.isnan(out[:, LANES:]).all(), "written beyond the block"
