"""The arithmetic of ranges: exact to the last digits, and the same on every machine."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fastnet.tuning.space.arithmetic import log_ratio, round_to_six_digits, scaled_exp, snapped


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=20))
def test_rounding_is_that_of_the_decimal_text(values):
    expected = [float(f"{value:.6g}") for value in values]
    assert round_to_six_digits(values).tolist() == expected


@given(st.integers(100_000, 999_999), st.integers(-25, 15), st.sampled_from([-1, 0, 1]))
def test_rounding_near_a_half_is_that_of_the_decimal_text(digits, exponent, step):
    value = float(f"{digits}.5e{exponent}")
    value = math.nextafter(value, math.inf * step) if step else value
    assert round_to_six_digits([value, -value]).tolist() == [float(f"{v:.6g}") for v in (value, -value)]


def test_rounding_keeps_the_shape() -> None:
    assert round_to_six_digits(np.full((2, 3), 1 / 3)).tolist() == [[0.333333] * 3] * 2
    assert round_to_six_digits([]).shape == (0,)


@given(st.floats(1e-300, 1e300), st.floats(-600.0, 600.0))
def test_exponentials_are_exact_to_a_few_units_in_the_last_place(scale: float, t: float) -> None:
    with localcontext(prec=60):
        exact = float(Decimal(scale) * Decimal(t).exp())
    assume(1e-300 < exact < 1e300)
    found = scaled_exp(scale, np.array([t]))[0]
    assert abs(found - exact) <= 4 * math.ulp(exact)


def test_exponentials_that_are_known_have_these_bits() -> None:
    found = scaled_exp(0.1, np.array([0.0, 1.0, -20.0, 300.5])).tolist()
    bits = ["0x1.999999999999ap-4", "0x1.165a208dd12bbp-2", "0x1.c540a231f1d72p-33", "0x1.27b01e2d915d5p+430"]
    assert [value.hex() for value in found] == bits


@given(st.floats(1e-12, 1e12), st.floats(1e-12, 1e12))
def test_logarithms_of_ratios_are_the_nearest_doubles(low: float, high: float) -> None:
    with localcontext(prec=60):
        exact = float((Decimal(high) / Decimal(low)).ln())
    assert log_ratio(low, high) == pytest.approx(exact, rel=1e-15, abs=1e-39)
    assert log_ratio(low, low) == 0.0


@pytest.mark.parametrize(
    ("value", "expected"), [(0.7 * 10, 7.0), (7.0, 7.0), (-1e-10, 0.0), (6.99, 6.99), (1e9 + 0.4, 1e9), (0.5, 0.5)]
)
def test_products_that_should_be_whole_are_whole(value: float, expected: float) -> None:
    assert snapped(value) == expected
