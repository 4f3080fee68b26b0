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
    squared = objective.OBJECTIVES["squared-error"]
    assert squared.loss(outputs, targets) == (4 / 2 + (1 + 4) / 2) / 2
    assert squared.gradient(outputs, targets).tolist() == [[-1.0, 0.0], [-0.5, -1.0]]
    assert squared.score(outputs, targets) == (4 + 1 + 4) / 4
    weighted = objective.Details(weights=np.array([0.5, 1.5]))
    assert squared.loss(outputs, targets, 0.0, weighted) == (0.5 * 4 / 2 + 1.5 * (1 + 4) / 2) / 2
    assert squared.gradient(outputs, targets, 0.0, weighted).tolist() == [[-0.5, 0.0], [-0.75, -1.5]]


OUTPUTS = np.array([[0.5, -1.2], [2.0, 0.1], [-0.3, 3.0]])
TRUTH = np.array([[1.0, 0.0], [3.0, 1.0], [0.0, 2.0]])
LABELS = np.minimum(TRUTH, 1.0)
PYTORCH = {
    "binary-cross-entropy": 0.351938,
    "squared-error": 0.765,
    "absolute-error": 0.816667,
    "huber": 0.361667,
    "poisson": 3.111750,
}
"""Values of the loss of `OUTPUTS`, a mean over rows and outputs: of PyTorch's binary_cross_entropy_with_logits,
mse_loss, l1_loss, huber_loss with a border of 0.8, and poisson_nll_loss without its constant."""


@pytest.mark.parametrize("name", PYTORCH)
def test_losses_are_those_of_pytorch(name):
    targets = LABELS if name == "binary-cross-entropy" else TRUTH
    found = objective.OBJECTIVES[name].loss(OUTPUTS, targets, 0.0, objective.Details(delta=0.8)) / 2
    if name == "squared-error":
        found *= 2  # half of it is what descends
    if name == "poisson":
        found += (TRUTH - TRUTH * np.log(np.maximum(TRUTH, 1.0))).mean()
    assert found == pytest.approx(PYTORCH[name], abs=1e-6)
    torch = pytest.importorskip("torch")
    there = {
        "binary-cross-entropy": torch.nn.functional.binary_cross_entropy_with_logits,
        "squared-error": torch.nn.functional.mse_loss,
        "absolute-error": torch.nn.functional.l1_loss,
        "huber": lambda *args: torch.nn.functional.huber_loss(*args, delta=0.8),
        "poisson": torch.nn.functional.poisson_nll_loss,
    }
    assert found == pytest.approx(float(there[name](torch.tensor(OUTPUTS), torch.tensor(targets))), rel=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_weighted_cross_entropy_is_that_of_repeated_rows(smoothing):
    labels = np.array([1, 0, 1])
    weights = objective.Details(weights=np.array([3.0, 1.0, 2.0]) / 2)  # 1 on average
    rows = np.repeat(np.arange(3), [3, 1, 2])
    entropy = objective.OBJECTIVES["cross-entropy"]
    repeated = OUTPUTS[rows], labels[rows]
    assert entropy.loss(OUTPUTS, labels, smoothing, weights) == pytest.approx(entropy.loss(*repeated, smoothing))
    assert entropy.score(OUTPUTS, labels, weights) == pytest.approx(entropy.score(*repeated))
    gradient = entropy.gradient(OUTPUTS, labels, smoothing, weights)
    expected = [entropy.gradient(*repeated, smoothing)[rows == r].sum(axis=0) for r in range(3)]
    np.testing.assert_allclose(gradient, expected, rtol=1e-12)


def test_pinball_loss_is_least_at_the_quantile():
    samples = np.arange(1.0, 102.0)[:, None]
    details = objective.Details(levels=(0.1, 0.5, 0.9))
    pinball = objective.OBJECTIVES["pinball"]

    def loss(answer):
        return pinball.loss(np.tile(answer, (len(samples), 1)), samples, 0.0, details)

    best = loss([11.0, 51.0, 91.0])
    for other in ([12.0, 51.0, 91.0], [10.0, 51.0, 91.0], [11.0, 52.0, 91.0], [11.0, 51.0, 92.0], [11.0, 51.0, 90.0]):
        assert loss(other) > best


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
