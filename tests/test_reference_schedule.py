"""The schedules of the reference: their closed forms, and arithmetic that never changes a bit."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnet.reference.schedule import half_cosine, power, rate_factor


@given(st.floats(0, 1))
def test_half_a_cosine_is_within_a_few_roundings(x):
    assert half_cosine(x) == pytest.approx((1 + math.cos(math.pi * x)) / 2, rel=1e-14, abs=1e-16)


@given(st.floats(0, 1), st.integers(0, 200))
def test_a_power_by_squaring_is_a_power(base, exponent):
    assert power(base, exponent) == pytest.approx(base**exponent, rel=1e-13, abs=1e-300)


@given(st.integers(1, 9), st.integers(1, 30), st.floats(0, 1))
def test_a_cosine_falls_after_a_warm_up_that_rises(n_steps, epochs, part):
    warm = part * epochs * n_steps
    factors = [
        rate_factor(step, n_steps, epochs, "cosine", warmup_epochs=part * epochs) for step in range(n_steps * epochs)
    ]
    assert all(0 < factor <= 1 for factor in factors)
    rising = [factor for step, factor in enumerate(factors) if step + 1 < warm]
    falling = [factor for step, factor in enumerate(factors) if step >= warm]
    assert rising == sorted(rising) and falling == sorted(falling, reverse=True)


def test_steps_fall_at_the_borders_of_epochs():
    factors = [rate_factor(step, 3, 4, "step", step_epochs=2, step_factor=0.5) for step in range(12)]
    assert factors == [1.0] * 6 + [0.5] * 6


@pytest.mark.parametrize("schedule", ["constant", "step", "cosine"])
def test_a_training_of_no_steps_yet_has_its_full_rate(schedule):
    assert rate_factor(0, 5, 4, schedule) == 1.0
