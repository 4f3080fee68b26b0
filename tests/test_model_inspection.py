"""What is measured about a model's predictions, against scikit-learn and by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import metrics

from fastnet.model.inspection import (
    MOST_CLASSES,
    MOST_MARKS,
    MOST_POINTS,
    Sweep,
    inspect_classes,
    inspect_numbers,
    worst_rows,
)

RNG = np.random.default_rng


def answers(n: int, n_classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and classes drawn from them: a calibrated model."""
    rng = RNG(seed)
    probabilities = rng.dirichlet(np.full(n_classes, 0.5), n)
    y = np.array([rng.choice(n_classes, p=row) for row in probabilities])
    return probabilities, y


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_the_figures_of_each_class_are_those_of_scikit_learn(n_classes):
    probabilities, y = answers(400, n_classes)
    found = inspect_classes(probabilities, y, [f"c{k}" for k in range(n_classes)])
    predicted = probabilities.argmax(axis=1)
    assert found["confusion"] == metrics.confusion_matrix(y, predicted).tolist()
    assert sum(map(sum, found["confusion"])) == 400
    for k, row in enumerate(found["classes"]):
        assert row["samples"] == (y == k).sum()
        assert row["auc"] == pytest.approx(metrics.roc_auc_score(y == k, probabilities[:, k]), rel=1e-4)
        assert row["f1"] == pytest.approx(metrics.f1_score(y == k, predicted == k), rel=1e-4)
        assert row["average_precision"] == pytest.approx(
            metrics.average_precision_score(y == k, probabilities[:, k]), rel=1e-4
        )
    assert [curve["class"] for curve in found["curves"]] == ([1] if n_classes == 2 else list(range(n_classes)))
    json.dumps(found, allow_nan=False)


def test_curves_are_thinned_and_keep_their_ends():
    probabilities, y = answers(5000, 2)
    [curve] = inspect_classes(probabilities, y, ["no", "yes"])["curves"]
    x, recall, precision = (np.array(curve[name]) for name in ("false_positive_rate", "recall", "precision"))
    assert len(x) == len(recall) == len(precision) == len(curve["threshold"]) <= MOST_POINTS
    assert (x[0], recall[0], precision[0], curve["threshold"][0]) == (0.0, 0.0, 1.0, None)
    assert (x[-1], recall[-1], precision[-1]) == (1.0, 1.0, pytest.approx(y.mean(), rel=1e-4))
    area = np.sum(np.diff(x) * (recall[1:] + recall[:-1])) / 2
    assert area == pytest.approx(metrics.roc_auc_score(y, probabilities[:, 1]), abs=0.01)


def test_every_point_of_a_sweep_is_one_of_scikit_learn():
    scores, of_class = np.round(RNG(3).random(300), 2), RNG(4).random(300) < 0.3  # with ties
    sweep = Sweep.of(scores, of_class)
    false_rate, true_rate, thresholds = metrics.roc_curve(of_class, scores, drop_intermediate=False)
    assert np.array_equal(sweep.rates()[0], false_rate)
    assert np.array_equal(sweep.rates()[1], true_rate)
    assert np.array_equal(sweep.thresholds, thresholds[1:])
    precision, _, _ = metrics.precision_recall_curve(of_class, scores)
    assert np.allclose(np.append(1.0, sweep.precisions())[1:][::-1], precision[:-1])
    assert sweep.auc() == pytest.approx(metrics.roc_auc_score(of_class, scores))
    assert sweep.average_precision() == pytest.approx(metrics.average_precision_score(of_class, scores))


@pytest.mark.parametrize("n_classes", [2, 5])
def test_a_calibrated_model_lies_within_its_intervals_and_an_overconfident_one_does_not(n_classes):
    probabilities, y = answers(20_000, n_classes, seed=1)
    names = list("abcde"[:n_classes])
    good = inspect_classes(probabilities, y, names)["reliability"]
    inside = [row["low"] <= row["predicted"] <= row["high"] for row in good["bins"]]
    assert sum(inside) >= len(inside) - 1
    assert sum(row["samples"] for row in good["bins"]) == len(y)
    sharp = probabilities**3 / (probabilities**3).sum(axis=1, keepdims=True)
    assert inspect_classes(sharp, y, names)["reliability"]["error"] > 5 * good["error"]
    assert good["of"] == (1 if n_classes == 2 else None)


def test_what_the_samples_do_not_determine_is_left_open():
    found = inspect_classes(np.array([[0.9, 0.1]]), np.array([0]), ["a", "b"])
    assert found["curves"] == []
    assert [row["auc"] for row in found["classes"]] == [None, None]
    assert found["classes"][1]["recall"] is None
    json.dumps(found, allow_nan=False)


def test_many_classes_have_no_matrix_but_their_worst_confusions():
    n = MOST_CLASSES + 5
    y = np.repeat(np.arange(n), 3)
    probabilities = np.full((len(y), n), 0.5 / n)
    probabilities[np.arange(len(y)), y] = 0.6
    probabilities[y == 4, 7] = 0.9
    found = inspect_classes(probabilities, y, list(map(str, range(n))))
    assert found["confusion"] is None
    assert found["confusions"] == [{"true": 4, "predicted": 7, "count": 3, "share": 1.0}]


def test_errors_of_numbers_by_hand():
    y = np.arange(100.0)
    predictions = y + np.where(y < 50, 1.0, -3.0)
    found = inspect_numbers(predictions, y, "price")
    assert [row["bias"] for row in found["deciles"]] == [1.0] * 5 + [-3.0] * 5
    assert [row["rmse"] for row in found["deciles"]] == [1.0] * 5 + [3.0] * 5
    assert [(row["low"], row["high"], row["samples"]) for row in found["deciles"]][:2] == [(0, 9, 10), (10, 19, 10)]
    assert sum(found["residuals"]["counts"]) == 100
    assert found["residuals"]["edges"][0] == -found["residuals"]["edges"][-1] == -3.0
    assert found["marks"]["predicted"] == predictions.tolist()


@pytest.mark.parametrize("n", [1, 3, 10_000])
def test_any_number_of_samples_is_drawn_within_bounds(n):
    y = RNG(0).lognormal(size=n)
    found = inspect_numbers(y * 1.1, y, "price")
    assert len(found["marks"]["true"]) == min(n, MOST_MARKS)
    assert len(found["deciles"]) == min(n, 10)
    assert sum(row["samples"] for row in found["deciles"]) == n
    json.dumps(found, allow_nan=False)


def test_exact_predictions_have_a_histogram_too():
    found = inspect_numbers(np.ones(5), np.ones(5), "constant")
    counts = found["residuals"]["counts"]
    assert counts[len(counts) // 2] == 5


def test_the_worst_rows_come_first_and_ties_in_order():
    assert worst_rows(np.array([1.0, 5.0, 5.0, 0.0]), most=3).tolist() == [1, 2, 0]
