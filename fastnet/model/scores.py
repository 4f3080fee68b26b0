"""Scores of predictions: the loss of an objective and its score, in float64, as training measures them every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnet.config.metric import DEFAULT_METRIC, score_of_objective, stored_scores
from fastnet.data.pipeline.targets import TargetScaler, unit_of

Floats = npt.NDArray[np.float64]

_LEAST = float(np.finfo(np.float32).tiny)
"""A probability, or the expectation of a count, below this counts as this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How well a model predicts some samples.

    Parameters
    ----------
    value : float
        Accuracy, the share of the samples whose most probable class is the true one, in [0, 1]; of labels the share
        that is right. For numbers an error: the root of the mean squared error, the mean absolute error, or the pinball
        loss, in the units of a single target; of several targets the mean over their standardised values.
    loss : float
        Mean cross-entropy in nats; a probability below 1e-38 counts as 1e-38. For labels and numbers the loss of the
        objective, summed over labels or targets, of standardised targets.
    name : str
        What `value` is: ``accuracy``, ``rmse``, ``mae`` or ``pinball``.
    """

    value: float
    loss: float
    name: str = DEFAULT_METRIC

    def stored(self, part: str) -> dict[str, float | None]:
        """Return both as models and studies store them: ``{"test_accuracy": ..., "test_loss": ...}``."""
        return stored_scores(part, self.value, self.loss, self.name)

    def of(self, metric: str) -> float:
        """Return the value of a metric: the loss, or the score."""
        return self.loss if metric == "loss" else self.value


def decided(probabilities: npt.NDArray[np.floating[Any]], threshold: float | None = None) -> npt.NDArray[np.int64]:
    """Return the predicted class of each sample: the most probable, the first of equals.

    With a threshold it is the second class from that probability on.

    Examples
    --------
    >>> decided(np.array([[0.7, 0.3], [0.5, 0.5]])).tolist(), decided(np.array([[0.7, 0.3]]), 0.3).tolist()
    ([0, 0], [1])
    """
    if threshold is not None:
        return (probabilities[:, 1].astype(np.float64) >= threshold).astype(np.int64)
    found: npt.NDArray[np.int64] = np.argmax(probabilities, axis=1)
    return found


def score_of(
    probabilities: npt.NDArray[np.floating[Any]],
    y: npt.NDArray[np.int64],
    weights: npt.NDArray[Any] | None = None,
    threshold: float | None = None,
) -> Score:
    """Measure (N, O) probabilities, N at least 1, against the true classes; see `decided`.

    Examples
    --------
    >>> score_of(np.array([[0.75, 0.25], [0.5, 0.5]]), np.array([0, 1])).value
    0.5
    """
    right = decided(probabilities, threshold) == y
    return Score(value=_mean(right, weights), loss=_mean(losses_of(probabilities, y), weights))


def losses_of(probabilities: npt.NDArray[np.floating[Any]], y: npt.NDArray[np.int64]) -> Floats:
    """Return the cross-entropy of each sample."""
    of_truth = np.maximum(probabilities[np.arange(len(y)), y].astype(np.float64), _LEAST)
    losses: Floats = -np.log(of_truth)
    return losses


def score_of_labels(probabilities: npt.NDArray[Any], y: npt.NDArray[Any], weights: Floats | None = None) -> Score:
    """Measure (N, K) probabilities of labels that are 0 or 1.

    Examples
    --------
    >>> score_of_labels(np.array([[0.75, 0.25]]), np.array([[1.0, 1.0]])).value
    0.5
    """
    right = ((probabilities > 0.5) == (y > 0.5)).mean(axis=1)
    return Score(value=_mean(right, weights), loss=_mean(losses_of_labels(probabilities, y), weights))


def losses_of_labels(probabilities: npt.NDArray[Any], y: npt.NDArray[Any]) -> Floats:
    """Return the binary cross-entropy of each sample, summed over its labels."""
    given = probabilities.astype(np.float64)
    losses: Floats = -np.log(np.maximum(np.where(y > 0.5, given, 1.0 - given), _LEAST)).sum(axis=1)
    return losses


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """What is needed to measure predictions of numbers.

    Parameters
    ----------
    objective : str
        See `fastnet.config.objective.OBJECTIVES`.
    scaler : TargetScaler
    quantiles : sequence of float
        Levels of the predictions of each target; empty unless the objective is ``pinball``.
    huber_delta : float
        Border of Huber's loss, in standardised units.
    """

    objective: str
    scaler: TargetScaler
    quantiles: Sequence[float] = ()
    huber_delta: float = 1.0

    def score(self, predictions: Floats, y: Floats, weights: Floats | None = None) -> Score:
        """Measure (N, K) predictions of (N, K) targets in their own units; of Q quantiles, (N, K * Q) predictions.

        Examples
        --------
        >>> from fastnet.data.pipeline.targets import fit_targets
        >>> y = np.array([[10.0], [30.0]])
        >>> found = Numbers("squared-error", fit_targets(y, np.arange(2))).score(np.array([[13.0], [26.0]]), y)
        >>> round(found.value, 3), round(found.loss, 5), found.name
        (3.536, 0.0625, 'rmse')
        """
        name = score_of_objective(self.objective).name
        losses, scores = self._errors(predictions, y)
        value = _mean(scores.mean(axis=1), weights)
        value = np.sqrt(value) if name == "rmse" else value
        return Score(value=float(value * unit_of(self.scaler)), loss=_mean(losses.sum(axis=1), weights), name=name)

    def losses(self, predictions: Floats, y: Floats) -> Floats:
        """Return the loss of each sample, summed over its targets and their quantiles."""
        summed: Floats = self._errors(predictions, y)[0].sum(axis=1)
        return summed

    def _errors(self, predictions: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return loss and score of each prediction, as the kernels compute them."""
        each = max(len(self.quantiles), 1)
        if self.objective == "poisson":
            expected = np.maximum(predictions, _LEAST)
            logs = np.log(np.where(y > 0, y, 1.0) / expected)
            return expected - y + y * logs, np.square(predictions - y)
        given, true = (np.log1p(values) for values in (predictions, y)) if self.scaler.log else (predictions, y)
        off = (given - np.repeat(true, each, axis=1)) / np.repeat(self.scaler.scale, each)
        if self.objective == "pinball":
            levels = np.tile(np.array(self.quantiles), y.shape[1])
            lost = off * np.where(off > 0, 1.0 - levels, -levels)
            return lost, lost
        size, delta = np.abs(off), self.huber_delta
        if self.objective == "absolute-error":
            return size, size
        squares = np.square(off)
        if self.objective == "huber":
            return np.where(size <= delta, squares / 2, delta * (size - delta / 2)), squares
        return squares / 2, squares


def _mean(values: npt.NDArray[Any], weights: npt.NDArray[Any] | None) -> float:
    return float(values.mean() if weights is None else np.average(values, weights=weights))
