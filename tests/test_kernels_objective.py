"""The objectives of the kernels against the reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cases import HUBER_DELTA, QUANTILES, WITHOUT_CLASSES
from hypothesis import example, given, settings
from hypothesis import strategies as st
from layers import EPS32, assert_near
from outputs import SUBNORMAL, draw, run, seeds, sizes
from properties import examples

from fastnet import reference
from fastnet.config.metric import score_of_objective
from fastnet.kernels.objective import OBJECTIVES
from fastnet.reference.objective import Details


def numbers(name: str, seed: int, n_rows: int, n_out: int, spread: float) -> tuple[np.ndarray, ...]:
    """Outputs, sample numbers, and the targets and weights of all samples, as an objective takes them."""
    values, rows, _ = draw(seed, n_rows, n_out, min(spread, 10.0) if name == "poisson" else spread)
    random = np.random.default_rng(seed + 1)
    targets = random.normal(size=(n_rows + 3, n_out // (2 if name == "pinball" else 1)))
    if name == "binary-cross-entropy":
        targets = targets > 0
    if name == "poisson":
        targets = np.floor(np.exp(targets))
    return values, rows, targets.astype(np.float32), random.integers(0, 4, n_rows + 3).astype(np.float32)


def details_of(name: str, weights: np.ndarray | None = None) -> Details:
    return Details(weights, QUANTILES if name == "pinball" else (), HUBER_DELTA)


@pytest.mark.parametrize("name", WITHOUT_CLASSES)
@pytest.mark.parametrize("weighted", [False, True])
@settings(max_examples=examples(25))
@given(sizes, sizes, seeds, st.sampled_from([1e-3, 1.0, 1e3]))
@example(100, 10, 0, 1.0)
def test_every_loss_of_numbers_is_the_reference(name, weighted, n_rows, n_out, seed, spread):
    n_out += n_out % 2  # two quantiles of every target
    values, rows, targets, weights = numbers(name, seed, n_rows, n_out, spread)
    formula, ours = OBJECTIVES[name].formula, weights if weighted else None
    loss, score, gradient = run(values, rows, targets, formula=formula, weights=ours, details=details_of(name))
    wide, truth = values.astype(np.float64), targets[rows].astype(np.float64)
    details = details_of(name, weights[rows].astype(np.float64) if weighted else None)
    right = reference.objective.OBJECTIVES[name]
    size = np.abs(wide) * np.abs(np.repeat(truth, n_out // truth.shape[1], axis=1)) + 1  # of terms that may cancel
    off = 4 * EPS32 * size.sum(axis=1).mean() * 4
    assert loss / n_rows == pytest.approx(right.loss(wide, truth, 0.0, details), rel=4 * EPS32, abs=1e-7 * off)
    assert score / n_rows == pytest.approx(right.score(wide, truth, details), rel=4 * EPS32, abs=1e-7 * off)
    expected = right.gradient(wide, truth, 0.0, details)
    assert_near(gradient, expected, 3, np.abs(expected) + SUBNORMAL)
    again = run(values, rows, targets, formula=formula, weights=ours, details=details_of(name), backward=False)
    assert again[:2] == (loss, score)


@pytest.mark.parametrize("name", ["cross-entropy", *WITHOUT_CLASSES])
@settings(max_examples=examples(25))
@given(st.integers(2, 60), sizes, seeds, st.integers(1, 60))
def test_weighted_losses_and_those_of_numbers_are_the_same_bits_in_any_blocks(name, n_rows, n_out, seed, size):
    n_out += n_out % 2
    values, rows, targets, weights = numbers(name, seed, n_rows, n_out, 2.0)
    if name == "cross-entropy":
        targets = np.arange(n_rows + 3) % n_out
    how = {"formula": OBJECTIVES[name].weighted, "weights": weights, "details": details_of(name)}
    expected = run(values, rows, targets, **how)[0]
    loss = 0.0
    for begin in range(0, n_rows, size):
        some = slice(begin, begin + size)
        loss = run(values[some], rows[some], targets, start=loss, **how)[0]
    assert loss == expected


@pytest.mark.parametrize("name", WITHOUT_CLASSES)
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_loss_of_numbers_is_no_number_if_an_output_is_none(name, wrong):
    values = np.ones((3, 6), np.float32)
    values[1, 4] = wrong
    targets = np.zeros((3, 3 if name == "pinball" else 6))
    loss, _, gradient = run(values, np.arange(3), targets, formula=OBJECTIVES[name].formula, details=details_of(name))
    assert not math.isfinite(loss)
    assert np.isfinite(gradient[[0, 2]]).all()


def test_every_objective_has_its_reference_and_says_which_score_is_better():
    assert OBJECTIVES.keys() == reference.objective.OBJECTIVES.keys() == {"cross-entropy", *WITHOUT_CLASSES}
    values = np.array([[0, 0, 5, -1], [4, 1, 1, 0]], np.float32)
    right = {
        "cross-entropy": np.array([2, 0]), "binary-cross-entropy": values > 0.5, "poisson": np.exp(values),
        "pinball": np.array([[0, 4], [3, 1]]),
    }  # fmt: skip
    for name, (formula, _) in OBJECTIVES.items():
        targets, details = right.get(name, values), details_of(name)
        good, bad = (
            run(outputs, np.arange(2), targets, formula=formula, details=details) for outputs in (values, -values)
        )
        assert good[0] < bad[0] and (good[1] > bad[1]) == (score_of_objective(name).sign > 0), name
