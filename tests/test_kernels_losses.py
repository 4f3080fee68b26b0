"""The loss of one output: its exponential and logarithm against the truth, its derivatives by finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import call
from properties import examples

from fastnet.kernels import losses

few = settings(max_examples=examples(40))
EPS64 = float(np.finfo(np.float64).eps)
STEP = 1e-5
KINDS = (losses.BINARY, losses.SQUARED, losses.ABSOLUTE, losses.HUBER, losses.PINBALL, losses.POISSON)


@few
@given(st.floats(-700, 700))
def test_exp_is_within_a_few_roundings_of_the_truth(x):
    assert call(losses.exp_exact, x) == pytest.approx(math.exp(x), rel=3 * EPS64)


def test_exp_at_its_ends():
    assert call(losses.exp_exact, 0.0) == 1.0
    assert call(losses.exp_exact, 1e9) == call(losses.exp_exact, 700.0) < math.inf
    assert call(losses.exp_exact, -math.inf) == call(losses.exp_exact, -700.0) > 0.0


@few
@given(st.one_of(st.floats(0, 1), st.floats(0, 1e-10)))
def test_the_logarithm_of_one_and_a_little_keeps_the_little(x):
    assert call(losses.log_of_one_more, x) == pytest.approx(math.log1p(x), rel=8 * EPS64, abs=5e-324)


@pytest.mark.parametrize("kind", KINDS)
@few
@given(st.floats(-20, 20), st.integers(0, 5), st.sampled_from([0.1, 0.5, 0.9]))
def test_derivatives_agree_with_finite_differences(kind, z, t, setting):
    target = float(min(t, 1) if kind == losses.BINARY else t)
    kinks = (target, target - setting, target + setting)
    if kind in (losses.ABSOLUTE, losses.HUBER, losses.PINBALL) and min(abs(z - kink) for kink in kinks) < 2 * STEP:
        return
    loss, slope, _ = call(losses.term, kind, z, target, setting)
    above, below = (call(losses.term, kind, z + step, target, setting)[0] for step in (STEP, -STEP))
    size = max(1.0, abs(slope), abs(loss))
    assert (above - below) / (2 * STEP) == pytest.approx(slope, abs=1e-6 * size)
    assert loss >= -1e-12 * size


def test_a_loss_is_zero_where_output_and_target_agree():
    for kind in KINDS[1:5]:
        assert call(losses.term, kind, 0.25, 0.25, 0.5) == (0.0, 0.0, 0.0)
    assert call(losses.term, losses.POISSON, math.log(3.0), 3.0, 0.5)[:2] == pytest.approx((0.0, 0.0), abs=1e-14)
    assert call(losses.term, losses.BINARY, 800.0, 1.0, 0.5) == (pytest.approx(0.0, abs=1e-300), 0.0, 1.0)
