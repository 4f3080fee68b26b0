"""Final metrics of predictions, by scikit-learn: for classes, for labels of 0 and 1, and for numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastnet.model.scores import Score, decided

Floats = npt.NDArray[np.float64]


class ClassScores(NamedTuple):
    """How well one class is distinguished from the others."""

    name: str
    n_samples: int
    precision: float
    recall: float
    f1: float


class Evaluation(NamedTuple):
    """How well a model predicts some samples, by every metric of its task.

    Attributes
    ----------
    score : Score
        As `Predictor.score` gives it.
    metrics : dict of str to float
        See `all_metrics`; what these samples do not define is left out.
    classes : list of ClassScores
        A row for each class; empty for numbers and labels.
    n_samples : int
        Number of samples that were compared.
    """

    score: Score
    metrics: dict[str, float]
    classes: list[ClassScores]
    n_samples: int


def all_metrics(
    task: str,
    y_true: npt.NDArray[Any],
    predictions: npt.NDArray[Any],
    weights: npt.NDArray[Any] | None = None,
    quantiles: Sequence[float] = (),
    threshold: float | None = None,
) -> dict[str, float]:
    """Measure predictions by every metric of a task; a metric that these samples do not define is left out.

    Parameters
    ----------
    task : {"classification", "multilabel", "regression"}
    y_true : (N,) int64 or (N, K) float64
        Classes, labels of 0 and 1, or numbers.
    predictions : (N, K) float
        Probabilities of the classes or labels, or numbers. With Q quantiles (N, K * Q), the first Q for target one.
    weights : (N,) float, optional
        Weight of each sample; samples of weight 0 do not count at all.
    quantiles : sequence of float
        Levels of the predictions, ascending.
    threshold : float, optional
        Of the second of two classes, see `fastnet.model.scores.decided`.

    Returns
    -------
    dict of str to float

    Examples
    --------
    >>> found = all_metrics("regression", np.array([[1.0], [3.0]]), np.array([[2.0], [3.0]]))
    >>> found["mae"], found["r2"]
    (0.5, 0.5)
    """
    if weights is not None:
        counted = weights > 0
        y_true, predictions, weights = y_true[counted], predictions[counted], weights[counted].astype(np.float64)
    predictions = predictions.astype(np.float64)
    if task == "classification":
        return _of_classes(y_true, predictions, weights, threshold)
    if task == "multilabel":
        return _of_labels(y_true, predictions, weights)
    if quantiles:
        return _of_quantiles(y_true, predictions, weights, quantiles)
    return _of_numbers(y_true, predictions, weights)


def class_table(
    y_true: npt.NDArray[np.int64],
    probabilities: npt.NDArray[Any],
    names: Sequence[str],
    weights: npt.NDArray[Any] | None = None,
    threshold: float | None = None,
) -> list[ClassScores]:
    """Return precision, recall and F1 of each class, 0 where there is nothing to divide by.

    Examples
    --------
    >>> [rows.recall for rows in class_table(np.array([0, 1, 1]), np.eye(2)[[0, 1, 0]], ["no", "yes"])]
    [1.0, 0.5]
    """
    from sklearn.metrics import precision_recall_fscore_support

    labels = np.arange(len(names))
    found = precision_recall_fscore_support(
        y_true, decided(probabilities, threshold), labels=labels, sample_weight=weights, zero_division=0.0
    )
    counts = np.bincount(y_true, minlength=len(names)).tolist()
    scores = (of.tolist() for of in found[:3])
    return [ClassScores(*row) for row in zip(names, counts, *scores, strict=True)]


def _of_classes(
    y: npt.NDArray[Any], probabilities: Floats, weights: Floats | None, threshold: float | None
) -> dict[str, float]:
    from sklearn import metrics

    labels, answers = np.arange(probabilities.shape[1]), decided(probabilities, threshold)
    there = np.unique(y)
    recalls = metrics.recall_score(y, answers, labels=there, average=None, sample_weight=weights, zero_division=0.0)
    # scikit-learn wants rows that add up to 1 in float64.
    shares = probabilities / probabilities.sum(axis=1, keepdims=True)
    found = {
        "accuracy": metrics.accuracy_score(y, answers, sample_weight=weights),
        "balanced_accuracy": np.mean(recalls),
        "log_loss": metrics.log_loss(y, shares, labels=labels, sample_weight=weights) if len(labels) > 1 else 0.0,
    }
    columns = [1] if len(labels) == 2 else labels.tolist()
    truths = [(y == c, probabilities[:, c]) for c in columns]
    found |= _ranked(truths, weights)
    found["f1"] = metrics.f1_score(y, answers, labels=there, average="macro", sample_weight=weights, zero_division=0.0)
    if len(there) > 1:
        found["mcc"] = metrics.matthews_corrcoef(y, answers, sample_weight=weights)
    return {name: float(value) for name, value in found.items()}


def _of_labels(y: npt.NDArray[Any], probabilities: Floats, weights: Floats | None) -> dict[str, float]:
    from sklearn import metrics

    truth, answers = y > 0.5, probabilities > 0.5
    columns = [(truth[:, k], probabilities[:, k]) for k in range(truth.shape[1])]
    losses = [metrics.log_loss(t, p, labels=[False, True], sample_weight=weights) for t, p in columns]
    f1 = metrics.f1_score(truth, answers, average="macro", sample_weight=weights, zero_division=0.0)
    found = {
        "accuracy": np.average((truth == answers).mean(axis=1), weights=weights),
        "log_loss": np.mean(losses),
        **_ranked(columns, weights),
        "f1": f1,
    }
    return {name: float(value) for name, value in found.items()}


def _ranked(columns: list[tuple[npt.NDArray[np.bool_], Floats]], weights: Floats | None) -> dict[str, float]:
    """Return what depends on the order of probabilities alone: means over the columns with both answers."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    both = [(truth, p) for truth, p in columns if truth.any() and not truth.all()]
    if not both:
        return {}
    means: dict[str, Callable[..., float]] = {"roc_auc": roc_auc_score, "average_precision": average_precision_score}
    return {
        name: float(np.mean([score(truth, p, sample_weight=weights) for truth, p in both]))
        for name, score in means.items()
    }


def _of_numbers(y: npt.NDArray[Any], predictions: Floats, weights: Floats | None) -> dict[str, float]:
    """Return means over the targets; R² only where a target varies."""
    from sklearn import metrics

    # Of several targets, the root of each mean squared error is averaged.
    squares = metrics.mean_squared_error(y, predictions, sample_weight=weights, multioutput="raw_values")
    found = {
        "rmse": np.sqrt(squares).mean(),
        "mae": metrics.mean_absolute_error(y, predictions, sample_weight=weights),
    }
    if len(y) > 1 and (np.ptp(y, axis=0) > 0).all():
        found["r2"] = metrics.r2_score(y, predictions, sample_weight=weights)
    if (y >= 0).all() and (predictions >= 0).all():
        logs = np.log1p(y), np.log1p(predictions)
        squares = metrics.mean_squared_error(*logs, sample_weight=weights, multioutput="raw_values")
        found["rmsle"] = np.sqrt(squares).mean()
    return {name: float(value) for name, value in found.items()}


def _of_quantiles(
    y: npt.NDArray[Any], predictions: Floats, weights: Floats | None, quantiles: Sequence[float]
) -> dict[str, float]:
    """Return the pinball loss, the share of samples within the outer quantiles, and the metrics of the middle one."""
    from sklearn.metrics import mean_pinball_loss

    each = predictions.reshape(len(y), y.shape[1], len(quantiles))
    losses = [
        mean_pinball_loss(y, each[:, :, q], sample_weight=weights, alpha=level) for q, level in enumerate(quantiles)
    ]
    found = {"pinball": float(np.mean(losses))}
    if len(quantiles) > 1:
        inside = (each[:, :, 0] <= y) & (y <= each[:, :, -1])
        found["coverage"] = float(np.average(inside.mean(axis=1), weights=weights))
    middle = int(np.argmin(np.abs(np.array(quantiles) - 0.5)))
    return found | _of_numbers(y, each[:, :, middle], weights)
