"""Targets that are numbers: their scale, their range and the way back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fastnet.data.pipeline.targets import FARTHEST, TargetScaler, fit_targets, unit_of
from fastnet.errors import DataError

Y = np.random.default_rng(0).normal(size=(50, 2)) * [1.0, 1e6] + [0.0, 3e6]
ROWS = np.arange(40)


@pytest.mark.parametrize("log", [False, True])
def test_targets_are_standard_on_the_training_rows_and_come_back(log):
    y = np.abs(Y) if log else Y
    scaler = fit_targets(y, ROWS, log=log)
    scaled = scaler.apply(y)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled[ROWS].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled[ROWS].std(axis=0), 1, rtol=1e-6)
    np.testing.assert_allclose(scaler.invert(scaled)[ROWS], y[ROWS], rtol=1e-5, atol=1e-6)


def test_predictions_stay_in_the_range_of_the_training_targets():
    scaler = fit_targets(Y, ROWS)
    far = scaler.invert(np.array([[1e9, -1e9]], np.float32))[0]
    assert far.tolist() == [Y[ROWS, 0].max(), Y[ROWS, 1].min()]


def test_weights_count_and_other_rows_do_not():
    weights = np.arange(50.0) % 4
    repeated = np.repeat(ROWS, (weights[ROWS]).astype(int))
    weighted, expected = fit_targets(Y, ROWS, weights), fit_targets(Y, repeated)
    np.testing.assert_allclose(weighted.mean, expected.mean, rtol=1e-12)
    np.testing.assert_allclose(weighted.scale, expected.scale, rtol=1e-12)
    other = Y.copy()
    other[40:] = 1e12
    assert fit_targets(other, ROWS).high.tolist() == fit_targets(Y, ROWS).high.tolist()


def test_a_constant_target_keeps_its_scale():
    scaler = fit_targets(np.full((9, 1), 0.1), np.arange(9))
    assert scaler.scale.tolist() == [1.0] and scaler.invert(scaler.apply(np.full((1, 1), 0.1)))[0, 0] == 0.1


def test_quantiles_of_a_target_share_its_scale():
    scaler = fit_targets(Y, ROWS)
    outputs = np.array([[-0.1, 0.1, -0.2, 0.2]])
    expected = [scaler.invert(outputs[:, [q, 2 + q]])[0] for q in range(2)]
    assert scaler.invert(outputs)[0].tolist() == [expected[0][0], expected[1][0], expected[0][1], expected[1][1]]


def test_counts_stay_as_they_are():
    scaler = fit_targets(np.array([[0.0], [7.0]]), np.arange(2), standardise=False)
    assert scaler.apply(np.array([[3.0]])).tolist() == [[3.0]]


def test_a_scaler_comes_back_from_its_parts():
    scaler = fit_targets(np.abs(Y), ROWS, log=True)
    header, arrays = scaler.to_parts()
    again = TargetScaler.from_parts(json.loads(json.dumps(header)), arrays)
    outputs = np.linspace(-1, 1, 8).reshape(4, 2)
    assert again.invert(outputs).tobytes() == scaler.invert(outputs).tobytes() and again.log


def test_a_single_target_has_a_unit():
    one = np.array([[10.0], [30.0]])
    assert unit_of(fit_targets(one, np.arange(2))) == 10.0
    assert unit_of(fit_targets(one, np.arange(2), log=True)) == unit_of(fit_targets(np.abs(Y), ROWS)) == 1.0
    assert unit_of(fit_targets(one, np.arange(2), standardise=False)) == unit_of(None) == 1.0
    for scale in (1e-35, 1e35):
        assert unit_of(fit_targets(scale * one, np.arange(2))) == 1.0


def test_a_target_whose_differences_float64_cannot_hold_is_refused():
    with pytest.raises(DataError, match=r"y holds numbers up to 1e\+308: the most is 1e\+250"):
        fit_targets(np.array([[-1e308], [1e308]]), np.arange(2))
    assert fit_targets(np.array([[-1e308], [1e308]]), np.arange(2), standardise=False).scale == [1.0]


@pytest.mark.parametrize(
    "y", [[[0.0], [1e150]], [[0.0], [1e-200]], [[1.0], [1e250]], [[1e250], [1e250]], [[5e-324], [5e-324]]]
)
def test_large_small_and_constant_targets_are_learnt(y):
    scaler = fit_targets(np.array(y), np.arange(2))
    assert np.isfinite(scaler.apply(np.array(y))).all() and scaler.scale > 0


def test_a_target_too_far_from_the_training_rows_is_refused():
    scaler = fit_targets(np.array([[1.0], [3.0]]), np.arange(2))
    assert np.isfinite(np.square(scaler.apply(np.array([[2.0], [FARTHEST]])))).all()
    with pytest.raises(DataError, match="y\\[1\\] holds 1e\\+30: too far from the training samples"):
        scaler.apply(np.array([[2.0], [1e30]]))
