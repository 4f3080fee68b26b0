"""Softmax cross-entropy of the kernels against the reference and the extremes of float32."""

from __future__ import annotations

import math

import numpy as np
import pytest
from buffers import address, checked
from hypothesis import example, given
from hypothesis import strategies as st
from layers import EPS32, assert_near, call
from outputs import EXP_TERMS, SUBNORMAL, classes, draw, floored, run, seeds, sizes, thorough

from fastnet import reference
from fastnet.kernels.cross_entropy import (
    LOG_ROWS,
    LOGIT,
    exp_shifted,
    softmax,
    weighted_cross_entropy,
)
from fastnet.kernels.host import LANES, round_up
from fastnet.kernels.layout import leading
from fastnet.reference.objective import Details


@thorough
@given(sizes, classes, seeds, st.sampled_from([0.0, 1e-3, 1.0, 10.0, 1e3]))
@example(100, 10, 0, 1.0)
def test_cross_entropy_is_the_reference(n_rows, n_out, seed, spread):
    logits, rows, labels = draw(seed, n_rows, n_out, spread)
    loss, correct, gradient = run(logits, rows, labels)
    (below, far), truth = floored(logits), labels[rows]
    assert correct == round(reference.objective.accuracy(logits, truth) * n_rows)
    expected = reference.objective.cross_entropy(logits.astype(np.float64), truth)
    assert loss / n_rows == pytest.approx(expected, rel=1e-6, abs=(n_out + EXP_TERMS) * EPS32)
    # An element is a probability, less one at the label: a sum of terms of size 1 at most, divided by the rows.
    size = (reference.objective.softmax(below) * far + np.eye(n_out)[truth]) / n_rows
    assert_near(gradient, reference.objective.output_gradient(below, truth), n_out + EXP_TERMS, size + SUBNORMAL)


@thorough
@given(sizes, classes, seeds, st.sampled_from([1e-3, 1.0, 10.0, 1e3]), st.sampled_from([1e-6, 0.1, 0.5, 0.999]))
@example(100, 10, 0, 1.0, 0.1)
def test_smoothed_labels_are_the_reference(n_rows, n_out, seed, spread, smoothing):
    logits, rows, labels = draw(seed, n_rows, n_out, spread)
    loss, correct, gradient = run(logits, rows, labels, smoothing=smoothing)
    (below, far), truth = floored(logits), labels[rows]
    assert correct == run(logits, rows, labels)[1]
    expected = reference.objective.cross_entropy(logits.astype(np.float64), truth, smoothing)
    assert loss / n_rows == pytest.approx(expected, rel=1e-6, abs=(n_out + EXP_TERMS) * EPS32)
    assert loss != run(logits, rows, labels)[0] or smoothing * spread < 1e-6
    size = (reference.objective.softmax(below) * far + np.eye(n_out)[truth] + smoothing / n_out) / n_rows
    right = reference.objective.output_gradient(below, truth, smoothing)
    assert_near(gradient, right, n_out + EXP_TERMS, size + SUBNORMAL)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_smoothed_loss_is_nan_if_a_class_has_no_probability(wrong):
    logits = np.ones((3, 5), np.float32)
    logits[1, 4] = wrong
    loss, _, _ = run(logits, np.arange(3), np.array([1, 1, 1]), smoothing=0.1)
    assert loss == math.inf if wrong == -np.inf else math.isnan(loss)


@thorough
@given(sizes, classes, seeds)
def test_leaving_the_gradient_out_changes_nothing_else(n_rows, n_out, seed):
    case = draw(seed, n_rows, n_out, 2.0)
    assert run(*case)[:2] == run(*case, backward=False)[:2]


@thorough
@given(st.integers(2, 200), classes, seeds, st.integers(1, 6))
def test_blocks_of_whole_logarithms_give_the_bits_of_one_sum(n_rows, n_out, seed, n_logs):
    logits, rows, labels = draw(seed, n_rows, n_out, 2.0)
    expected = run(logits, rows, labels, backward=False)[:2]
    loss, correct = 0.0, 0
    for begin in range(0, n_rows, n_logs * LOG_ROWS):
        some = slice(begin, begin + n_logs * LOG_ROWS)
        loss, found = run(logits[some], rows[some], labels, backward=False, start=loss)[:2]
        correct += found
    assert (loss, correct) == expected


def test_a_product_of_many_classes_does_not_overflow():
    logits = np.zeros((2 * LOG_ROWS + 1, 65_536), np.float32)
    loss, _, _ = run(logits, np.arange(len(logits)), np.zeros(len(logits), np.int64), backward=False)
    assert loss == pytest.approx(len(logits) * math.log(65_536), rel=1e-12)


@thorough
@given(sizes, st.integers(2, max(2, LOGIT)), seeds, st.sampled_from([0.0, 1.0, 1e3]), st.booleans())
def test_samples_side_by_side_have_the_bits_of_one_after_the_other(n_rows, n_out, seed, spread, backward):
    logits, rows, labels = draw(seed, n_rows, n_out, spread)
    more = np.pad(logits, ((0, 0), (0, LANES)), constant_values=-np.inf)  # classes that are too many, but impossible
    few, many = (run(values, rows, labels, backward=backward) for values in (logits, more))
    assert few[:2] == many[:2]
    if backward:
        np.testing.assert_array_equal(few[2], many[2][:, :n_out])


def test_of_equal_logits_the_first_is_the_answer():
    logits = np.array([[1, 3, 3], [2, 2, 2], [-1, -2, -1]], np.float32)
    for label, expected in ((0, 2), (1, 1), (2, 0)):
        assert run(logits, np.arange(3), np.full(3, label))[1] == expected
    assert run(np.array([[-1, -2, 5, 5]], np.float32), np.arange(1), np.array([3]))[1] == 0


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1, 4])
def test_a_loss_is_a_number_only_where_the_logits_are(wrong, place):
    logits = np.ones((3, 5), np.float32)
    logits[1, place] = wrong
    loss, _, gradient = run(logits, np.arange(3), np.array([1, 1, 1]))
    expected = wrong == -np.inf and place != 1
    assert math.isfinite(loss) == expected
    assert np.isfinite(gradient[1]).all() == (wrong == -np.inf)
    assert np.isfinite(gradient[[0, 2]]).all()


def test_far_apart_logits_neither_overflow_nor_lose_the_loss():
    loss, correct, gradient = run(np.array([[3e38, -3e38, 0]], np.float32), np.arange(1), np.array([1]))
    assert (loss, correct) == (pytest.approx(6e38), 0)
    assert gradient[0].tolist() == pytest.approx([1.0, -1.0, 0.0], abs=2e-38)


@thorough
@given(sizes, classes, seeds, st.sampled_from([1e-3, 1.0, 10.0]), st.sampled_from([0.0, 0.1, 0.9]))
def test_weighted_cross_entropy_is_the_reference(n_rows, n_out, seed, spread, smoothing):
    logits, rows, labels = draw(seed, n_rows, n_out, spread)
    weights = np.random.default_rng(seed).integers(0, 4, n_rows + 3).astype(np.float32)
    found = run(logits, rows, labels, formula=weighted_cross_entropy, weights=weights, smoothing=smoothing)
    (below, far), truth, details = floored(logits), labels[rows], Details(weights[rows].astype(np.float64))
    right = reference.objective.OBJECTIVES["cross-entropy"]
    expected = right.loss(logits.astype(np.float64), truth, smoothing, details)
    assert found[0] / n_rows == pytest.approx(expected, rel=1e-6, abs=4 * (n_out + EXP_TERMS) * EPS32)
    assert found[1] / n_rows == pytest.approx(right.score(logits, truth, details), rel=1e-12)
    size = (reference.objective.softmax(below) * far + np.eye(n_out)[truth] + smoothing / n_out) / n_rows
    wide = size * weights[rows][:, None] + SUBNORMAL
    assert_near(found[2], right.gradient(below, truth, smoothing, details), n_out + EXP_TERMS + 2, wide)


@thorough
@given(sizes, classes, seeds)
def test_equal_weights_change_no_loss_of_classes(n_rows, n_out, seed):
    logits, rows, labels = draw(seed, n_rows, n_out, 2.0)
    ones = np.ones(n_rows + 3, np.float32)
    plain = run(logits, rows, labels)
    weighted = run(logits, rows, labels, formula=weighted_cross_entropy, weights=ones)
    assert weighted[0] == pytest.approx(plain[0], rel=1e-12) and weighted[1] == plain[1]
    assert weighted[2].tobytes() == plain[2].tobytes()


def exp(x: np.ndarray, shift: float = 0.0) -> np.ndarray:
    """Call the kernel on floats between canaries; what lies beyond them in the last vector has to become zero."""
    with checked() as buffers:
        source = np.full(round_up(len(x), LANES), np.nan, np.float32)
        source[: len(x)] = x
        target = buffers.output(source.shape)
        call(exp_shifted, address(buffers.input(source)), len(x), np.float32(shift), address(target))
    assert (target[len(x) :] == 0).all()
    return target[: len(x)]


@pytest.mark.parametrize("n", [1, 3, 4, 7, 8, 15, 16, 17, 3000])
def test_exp_is_within_two_roundings_of_the_truth(n):
    x = -np.geomspace(1e-8, 86.9, n).astype(np.float32)
    np.testing.assert_allclose(exp(x), np.exp(x.astype(np.float64)), rtol=2 * EPS32)
    np.testing.assert_allclose(exp(x, -1.5), np.exp((x + np.float32(1.5)).astype(np.float64)), rtol=2 * EPS32)


def test_exp_at_its_ends():
    assert exp(np.float32([0, -0.0])).tolist() == [1, 1]
    lowest = exp(np.float32([-87, -88, -1e30, -np.inf]))
    assert (lowest == lowest[0]).all() and 0 < lowest[0] < 2e-38
    assert math.isnan(exp(np.float32([np.nan]))[0])
    assert np.isfinite(exp(np.float32([88]))[0])


@thorough
@given(sizes, classes, seeds, st.sampled_from([1.0, 30.0, 1e4]))
def test_softmax_is_the_reference(n_rows, n_out, seed, spread):
    logits = draw(seed, n_rows, n_out, spread)[0]
    with checked() as buffers:
        padded = np.full((n_rows, leading(n_out)), np.nan, np.float32)
        padded[:, :n_out] = logits
        probabilities = buffers.output((n_rows, n_out))
        call(softmax, address(buffers.updated(padded)), 4 * leading(n_out), probabilities)
    below, far = floored(logits)
    expected = reference.objective.softmax(below)
    assert_near(probabilities, expected, n_out + EXP_TERMS, expected * far + SUBNORMAL)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=(n_out + 2) * EPS32)
