"""A temperature, a threshold and shifts of quantiles learnt from validation samples."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from fastnet.config.objective import THRESHOLDS
from fastnet.errors import DataError
from fastnet.model.calibration import best_threshold, fit_shifts, fit_temperature, with_shifts, with_temperature

OF_SCIKIT_LEARN = {
    "accuracy": metrics.accuracy_score,
    "balanced-accuracy": metrics.balanced_accuracy_score,
    "f1": metrics.f1_score,
    "mcc": metrics.matthews_corrcoef,
}


def calibrated(n: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.full(n_classes, 0.7), n)
    return probabilities, np.array([rng.choice(n_classes, p=row) for row in probabilities])


@pytest.mark.parametrize("n_classes", [2, 6])
@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_that_spoiled_the_probabilities_is_found(n_classes, temperature):
    probabilities, y = calibrated(20_000, n_classes)
    spoiled = with_temperature(probabilities, 1.0 / temperature)
    assert fit_temperature(spoiled, y) == pytest.approx(temperature, rel=0.05)
    assert with_temperature(spoiled, temperature) == pytest.approx(probabilities, abs=1e-6)


def test_a_temperature_keeps_rows_and_order():
    probabilities, _ = calibrated(100, 4)
    scaled = with_temperature(probabilities.astype(np.float32), 3.0)
    assert scaled.dtype == np.float32
    assert scaled.sum(axis=1) == pytest.approx(np.ones(100), abs=1e-6)
    assert np.array_equal(scaled.argsort(axis=1), probabilities.argsort(axis=1))
    assert np.isfinite(with_temperature(np.array([[1.0, 0.0]]), 0.05)).all()


def test_weighted_samples_count_as_repeated_ones():
    probabilities, y = calibrated(300, 3)
    counts = np.random.default_rng(1).integers(1, 4, 300)
    repeated = fit_temperature(np.repeat(probabilities, counts, axis=0), np.repeat(y, counts))
    assert fit_temperature(probabilities, y, counts) == pytest.approx(repeated, rel=1e-4)


@pytest.mark.parametrize("metric", THRESHOLDS)
def test_no_other_threshold_is_better(metric):
    rng = np.random.default_rng(2)
    of_class = rng.random(200) < 0.2
    scores = np.round(np.clip(0.3 * of_class + 0.5 * rng.random(200), 0, 1), 2)
    measure = OF_SCIKIT_LEARN[metric]
    found = measure(of_class, scores >= best_threshold(scores, of_class, metric))
    everywhere = [measure(of_class, scores >= at) for at in np.arange(0.0, 1.01, 0.005)]
    assert found == pytest.approx(max(everywhere))


def test_of_equal_thresholds_the_middle_one_is_chosen():
    scores, of_class = np.array([0.05, 0.1, 0.95]), np.array([False, False, True])
    assert best_threshold(scores, of_class, "accuracy") == pytest.approx(0.525)


def test_one_class_has_no_threshold():
    with pytest.raises(DataError, match="of both classes"):
        best_threshold(np.array([0.1, 0.9]), np.array([True, True]), "f1")


LEVELS = (0.1, 0.5, 0.9)


def test_the_right_share_of_new_samples_lies_below_a_shifted_quantile() -> None:
    rng = np.random.default_rng(0)
    below = np.zeros(3)
    for _ in range(400):  # the mean over many small sets of validation samples is exact, not only their limit
        noise = rng.exponential(size=(21, 1))
        answers = np.array([[0.3, 0.5, 1.0]])
        shifts = fit_shifts(np.repeat(answers, 20, axis=0), noise[:20], (0.2, 0.5, 0.8))
        below += noise[20] <= answers[0] + shifts
    np.testing.assert_allclose(below / 400, (0.2, 0.5, 0.8), atol=0.06)


def test_shifts_are_those_of_numpy_for_equal_weights_and_of_repeated_samples_for_others() -> None:
    rng = np.random.default_rng(1)
    answers, y = rng.normal(size=(500, 6)), rng.normal(size=(500, 2))
    found = fit_shifts(answers, y, LEVELS)
    residuals = np.repeat(y, 3, axis=1) - answers
    wanted = [np.quantile(residuals[:, k], LEVELS[k % 3], method="weibull") for k in range(6)]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert fit_shifts(answers, y, LEVELS, np.full(500, 3.0)) == pytest.approx(found)
    counts = rng.integers(0, 4, 500)
    repeated = fit_shifts(np.repeat(answers, counts, axis=0), np.repeat(y, counts, axis=0), LEVELS)
    np.testing.assert_allclose(fit_shifts(answers, y, LEVELS, counts.astype(np.float32)), repeated, atol=0.03)


def test_shifted_quantiles_ascend_within_the_limits() -> None:
    answers = np.random.default_rng(2).normal(size=(200, 6))
    low, high = np.array([-1.0, -0.5]), np.array([1.0, 0.5])
    found = with_shifts(answers, (2.0, 0.0, -2.0, 1.0, 0.0, -1.0), low, high).reshape(200, 2, 3)
    assert (np.diff(found, axis=2) >= 0).all()
    assert (found >= low[:, None]).all() and (found <= high[:, None]).all()
