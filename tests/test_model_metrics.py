"""Final metrics: worked by hand, weighted like repeated rows, and left out where they mean nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastnet.model.metrics import all_metrics, class_table

RANDOM = np.random.default_rng(3)
N = 40
WEIGHTS = RANDOM.integers(0, 4, N)
CLASSES = RANDOM.integers(0, 3, N)
PROBABILITIES = RANDOM.dirichlet(np.ones(3), N).astype(np.float32)
NUMBERS = RANDOM.gamma(2.0, size=(N, 2))
GUESSES = NUMBERS * RANDOM.uniform(0.5, 1.5, (N, 2))
LEVELS = (0.1, 0.5, 0.9)
CASES = {
    "classification": (CLASSES, PROBABILITIES, ()),
    "multilabel": ((NUMBERS > 2).astype(float), PROBABILITIES[:, :2], ()),
    "regression": (NUMBERS, GUESSES, ()),
    "quantiles": (NUMBERS, np.repeat(GUESSES, 3, axis=1) * np.tile([0.6, 1.0, 1.6], 2), LEVELS),
}


@pytest.mark.parametrize("case", CASES)
def test_weights_are_repeated_rows(case):
    y, predictions, levels = CASES[case]
    task = "regression" if case == "quantiles" else case
    again = np.repeat(np.arange(N), WEIGHTS)
    weighted = all_metrics(task, y, predictions, WEIGHTS.astype(np.float32), levels)
    repeated = all_metrics(task, y[again], predictions[again], quantiles=levels)
    assert weighted.keys() == repeated.keys()
    assert list(weighted.values()) == pytest.approx(list(repeated.values()), rel=1e-9)
    assert weighted != all_metrics(task, y, predictions, quantiles=levels)


def test_classes_worked_by_hand():
    y, probabilities = np.array([0, 0, 1, 1]), np.array([[0.8, 0.2], [0.4, 0.6], [0.3, 0.7], [0.1, 0.9]])
    found = all_metrics("classification", y, probabilities)
    assert list(found) == ["accuracy", "balanced_accuracy", "log_loss", "roc_auc", "average_precision", "f1", "mcc"]
    assert (found["accuracy"], found["balanced_accuracy"], found["roc_auc"]) == (0.75, 0.75, 1.0)
    assert found["log_loss"] == pytest.approx(-np.log([0.8, 0.4, 0.7, 0.9]).mean())
    assert found["f1"] == pytest.approx((2 / 3 + 0.8) / 2)
    assert found["mcc"] == pytest.approx(1 / math.sqrt(3))


def test_numbers_worked_by_hand():
    found = all_metrics("regression", np.array([[0.0], [2.0], [4.0]]), np.array([[1.0], [2.0], [2.0]]))
    assert (found["rmse"], found["mae"], found["r2"]) == pytest.approx((math.sqrt(5 / 3), 1.0, 1 - 5 / 8))
    assert found["rmsle"] == pytest.approx(math.sqrt((math.log(2) ** 2 + math.log(5 / 3) ** 2) / 3))


def test_quantiles_worked_by_hand():
    y = np.array([[1.0], [5.0]])
    found = all_metrics("regression", y, np.array([[0.0, 1.0, 2.0], [0.0, 4.0, 4.0]]), quantiles=LEVELS)
    assert found["coverage"] == 0.5 and found["mae"] == 0.5
    assert found["pinball"] == pytest.approx(np.mean([0.1 * 1 + 0 + 0.1 * 1, 0.1 * 5 + 0.5 * 1 + 0.9 * 1]) / 3)


def test_what_the_samples_do_not_define_is_left_out():
    one_class = all_metrics("classification", np.zeros(3, np.int64), PROBABILITIES[:3, :2])
    assert list(one_class) == ["accuracy", "balanced_accuracy", "log_loss", "f1"]
    assert "rmsle" not in all_metrics("regression", NUMBERS - 1, GUESSES)
    assert "r2" not in all_metrics("regression", np.ones((3, 1)), GUESSES[:3, :1])


def test_a_class_without_samples_does_not_count():
    y = np.where(CLASSES == 2, 0, CLASSES)
    found = all_metrics("classification", y, PROBABILITIES)
    recalls = [(PROBABILITIES.argmax(axis=1)[y == c] == c).mean() for c in (0, 1)]
    assert found["balanced_accuracy"] == pytest.approx(np.mean(recalls))


def test_each_class_has_its_row():
    rows = class_table(np.array([0, 1, 1, 0]), np.eye(3)[[0, 1, 0, 0]], ["a", "b", "c"])
    assert rows[0] == ("a", 2, pytest.approx(2 / 3), 1.0, pytest.approx(0.8))
    assert rows[1] == ("b", 2, 1.0, 0.5, pytest.approx(2 / 3)) and rows[2] == ("c", 0, 0.0, 0.0, 0.0)
