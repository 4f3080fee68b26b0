"""The objectives of the reference: their definitions, written out and worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import examples

from fastnet.reference import objective

LOGITS = st.lists(st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3), min_size=1, max_size=4)
few = settings(max_examples=examples(25))


def test_squared_error_worked_by_hand():
    outputs, targets = np.array([[1.0, 4.0], [0.0, -1.0]]), np.array([[3.0, 4.0], [1.0, 1.0]])
    loss, gradient, score = objective.OBJECTIVES["squared-error"]
    assert loss(outputs, targets, 0.0) == (4 / 2 + (1 + 4) / 2) / 2
    assert gradient(outputs, targets, 0.0).tolist() == [[-1.0, 0.0], [-0.5, -1.0]]
    assert score(outputs, targets) == (4 + 1 + 4) / 4


@few
@given(LOGITS, st.floats(-1e3, 1e3))
def test_softmax_does_not_change_with_a_shift(rows, shift):
    logits = np.array(rows)
    probabilities = objective.softmax(logits)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-15)
    np.testing.assert_allclose(objective.softmax(logits + shift), probabilities, rtol=1e-10, atol=1e-300)


@few
@given(LOGITS)
def test_cross_entropy_is_minus_the_log_of_softmax(rows):
    logits = np.array(rows) / 50  # keeps the probabilities above the smallest double
    labels = np.arange(len(rows)) % 3
    expected = -np.log(objective.softmax(logits)[np.arange(len(rows)), labels]).mean()
    assert objective.cross_entropy(logits, labels) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@few
@given(LOGITS, st.floats(0, 0.99))
def test_smoothed_cross_entropy_is_that_of_the_targets_written_out(rows, label_smoothing):
    logits = np.array(rows) / 50
    labels = np.arange(len(rows)) % 3
    targets = (1 - label_smoothing) * np.eye(3)[labels] + label_smoothing / 3
    expected = -(targets * np.log(objective.softmax(logits))).sum(axis=1).mean()
    assert objective.cross_entropy(logits, labels, label_smoothing) == pytest.approx(expected, rel=1e-12, abs=1e-14)
    gradient = (objective.softmax(logits) - targets) / len(rows)
    np.testing.assert_allclose(objective.output_gradient(logits, labels, label_smoothing), gradient, atol=1e-15)


def test_smoothed_loss_worked_by_hand():
    # Probabilities 3/4 and 1/4; targets 0.8 and 0.2 instead of 1 and 0.
    logits, labels = np.array([[math.log(3.0), 0.0]]), np.array([0])
    expected = 0.8 * math.log(4 / 3) + 0.2 * math.log(4)
    assert objective.cross_entropy(logits, labels, 0.4) == pytest.approx(expected, rel=1e-15)
    np.testing.assert_allclose(objective.output_gradient(logits, labels, 0.4), [[-0.05, 0.05]], rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_loss_of_huge_logits_is_finite(dtype):
    logits = np.array([[1e30, -1e30, 0.0]], dtype=dtype)
    assert objective.cross_entropy(logits, np.array([0])) == 0.0
    assert objective.cross_entropy(logits, np.array([1])) == pytest.approx(2e30)
    assert objective.softmax(logits).tolist() == [[1.0, 0.0, 0.0]]
