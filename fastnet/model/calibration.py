"""Corrections learnt from validation samples: a temperature and a threshold of classes, and shifts of quantiles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet.config.checks import check_choice
from fastnet.config.objective import THRESHOLDS
from fastnet.errors import DataError, ModelError
from fastnet.model.inspection import Sweep

if TYPE_CHECKING:
    from fastnet.config.training import TrainConfig

Floats = NDArray[np.floating[Any]]

LOWEST, HIGHEST = 0.05, 20.0
"""Range of temperatures."""

ENOUGH = 200
"""Validation samples from which quantiles are calibrated by default.

Measured on california and ames, two seeds each: the shifts of 20 samples raise the mean pinball loss of new ones by 3
to 6 %, those of 100 by about 1 %, those of 200 by 0.2 to 0.6 %, and those of 3,300 lower it."""


def corrections(
    answers: Floats,
    y: NDArray[Any],
    weights: Floats | None = None,
    *,
    temperature: bool,
    threshold: str | None,
) -> dict[str, float]:
    """Learn a temperature and a threshold from a model's (N, O) probabilities of samples and their classes.

    Returns the ``temperature`` that these are to be scaled with, and the ``threshold`` of scaled ones, if wanted.
    """
    found: dict[str, float] = {}
    if temperature:
        factor = fit_temperature(answers, y, weights)
        found["temperature"] = factor
        answers = with_temperature(answers, factor)
    if threshold is not None:
        check_choice("threshold", threshold, THRESHOLDS)
        if answers.shape[1] != 2:
            raise ModelError(f"this model has {answers.shape[1]} classes, and a threshold decides between two")
        found["threshold"] = best_threshold(answers[:, 1], y == 1, threshold)
    return found


def asks_for_any(config: TrainConfig, quantiles: Sequence[float], n: int) -> bool:
    """Whether a training learns corrections from n samples; those of quantiles by default, if there are enough."""
    if quantiles:
        return config.calibration == "quantiles" or (config.calibration is None and n >= ENOUGH)
    return config.calibration == "temperature" or config.threshold is not None


def asked_for(
    config: TrainConfig, quantiles: Sequence[float], answers: Floats, y: NDArray[Any], weights: Floats | None = None
) -> dict[str, Any]:
    """Learn the corrections of a model with these quantiles that the settings of its training ask for."""
    if not asks_for_any(config, quantiles, len(y)):
        return {}
    if quantiles:
        return {"shifts": fit_shifts(answers, y, quantiles, weights)}
    wanted = config.calibration == "temperature"
    return corrections(answers, y, weights, temperature=wanted, threshold=config.threshold)


def with_shifts(answers: Floats, shifts: Sequence[float], low: Floats, high: Floats) -> Floats:
    """Return (N, K * Q) quantiles, shifted, in ascending order for each of K targets, and within its (K,) limits.

    Examples
    --------
    >>> with_shifts(np.array([[1.0, 2.0, 9.0]]), [1.5, 0.0, 2.0], np.array([0.0]), np.array([10.0])).tolist()
    [[2.0, 2.5, 10.0]]
    """
    each = (answers + np.asarray(shifts)).reshape(len(answers), len(low), -1)
    within: Floats = np.clip(np.sort(each, axis=2), low[:, None], high[:, None]).reshape(answers.shape)
    return within


def fit_shifts(
    answers: Floats, y: Floats, quantiles: Sequence[float], weights: Floats | None = None
) -> tuple[float, ...]:
    """Find what to add to each quantile, so that its share of new samples lies below it.

    Parameters
    ----------
    answers : (N, K * Q) ndarray
        Quantiles of validation samples, N at least 1, the first Q of the first target.
    y : (N, K) ndarray
        Their targets.
    quantiles : sequence of Q floats
        The levels.
    weights : (N,) ndarray, optional
        Weights of the samples, at least one of them above 0.

    Returns
    -------
    tuple of float
        K * Q shifts in the units of the targets.

    Notes
    -----
    Each is the quantile of the residuals at its level, where the k-th smallest of N residuals is taken for the quantile
    at k / (N + 1): a new residual is as likely to lie below the smallest as between two neighbours. If the samples are
    new to the model and like those to come, the share below a quantile is right on average, for any N. Each side of an
    interval has its own shift (Romano, Patterson and Candès, *Conformalized quantile regression*, NeurIPS 2019, theorem
    2).

    Examples
    --------
    >>> fit_shifts(np.zeros((3, 1)), np.array([[4.0], [2.0], [8.0]]), [0.5])
    (4.0,)
    """
    counts = np.ones(len(y)) if weights is None else weights.astype(np.float64)
    counting = counts > 0
    counts = counts[counting]
    residuals = (np.repeat(y, len(quantiles), axis=1) - answers)[counting].astype(np.float64)
    shifts = []
    for level, of_one in zip(np.tile(quantiles, y.shape[1]), residuals.T, strict=True):
        order = np.argsort(of_one, kind="stable")
        shares = np.cumsum(counts[order]) / (counts.sum() + counts.mean())
        shifts.append(float(np.interp(level, shares, of_one[order])))
    return tuple(shifts)


def with_temperature(probabilities: Floats, temperature: float) -> Floats:
    """Return (N, O) probabilities as they would be with all logits divided by a temperature above 0.

    Above 1 they become less certain, below 1 more; the order of the classes stays the same.

    Examples
    --------
    >>> with_temperature(np.array([[0.8, 0.2]]), 2.0).round(3).tolist()
    [[0.667, 0.333]]
    """
    logits = _logs(probabilities) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    scaled: Floats = (powers / powers.sum(axis=1, keepdims=True)).astype(probabilities.dtype)
    return scaled


def fit_temperature(probabilities: Floats, y: NDArray[np.int64], weights: Floats | None = None) -> float:
    """Find the temperature with the smallest cross-entropy on some samples.

    Parameters
    ----------
    probabilities : (N, O) ndarray
        Of validation samples, N at least 1.
    y : (N,) ndarray of int
        Their classes.
    weights : (N,) ndarray, optional
        Weights of the samples.

    Returns
    -------
    float
        Between 0.05 and 20; the ends are reached only where every sample is right, or the probabilities say nothing.

    Notes
    -----
    Guo et al., *On calibration of modern neural networks*, ICML 2017. The loss is convex in the inverse temperature, so
    Brent's method on its logarithm finds the minimum.

    Examples
    --------
    >>> fit_temperature(np.array([[0.9, 0.1]] * 10), np.array([0] * 7 + [1] * 3)) > 2  # right 7 times in 10, not 9
    True
    """
    from scipy.optimize import minimize_scalar

    logs = _logs(probabilities)
    rows = np.arange(len(y))

    def loss(log_temperature: float) -> float:
        logits = logs * math.exp(-log_temperature)
        top = logits.max(axis=1)
        losses = top + np.log(np.exp(logits - top[:, None]).sum(axis=1)) - logits[rows, y]
        return float(np.average(losses, weights=weights))

    ends = math.log(LOWEST), math.log(HIGHEST)
    found = minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-6})
    return math.exp(float(found.x))


def best_threshold(scores: Floats, of_class: NDArray[np.bool_], metric: str) -> float:
    """Find the threshold on the probability of the second class that maximises a metric.

    Parameters
    ----------
    scores : (N,) ndarray
        Probabilities of the second class.
    of_class : (N,) ndarray of bool
        Whether each sample belongs to it; there must be samples of both classes.
    metric : {"accuracy", "balanced-accuracy", "f1", "mcc"}

    Returns
    -------
    float
        In the middle between two neighbouring scores; samples at or above it belong to the class. Of equally good
        thresholds the one closest to 0.5.

    Raises
    ------
    DataError
        If all samples belong to the same class.

    Examples
    --------
    >>> best_threshold(np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, False, True, True]), "f1")
    0.25
    """
    sweep = Sweep.of(scores.astype(np.float64), of_class)
    if sweep is None:
        raise DataError("a threshold needs validation samples of both classes; all of these are of one class")
    values = _values(sweep, metric)
    below = np.append(sweep.thresholds[1:], 0.0)
    middles = (sweep.thresholds + below) / 2
    # At the last one every sample belongs to the class, at the first of these none does.
    middles = np.append((1.0 + sweep.thresholds[0]) / 2, middles)
    best = np.flatnonzero(values >= values.max() - 1e-12)
    return float(middles[best[np.argmin(np.abs(middles[best] - 0.5))]])


def _values(sweep: Sweep, metric: str) -> Floats:
    """Return the metric with no sample taken for the class, and at each threshold of a sweep."""
    hits, wrong = np.append(0, sweep.hits).astype(float), np.append(0, sweep.others).astype(float)
    n_class, n_others = hits[-1], wrong[-1]
    missed, rejected = n_class - hits, n_others - wrong
    values: Floats
    if metric == "accuracy":
        values = (hits + rejected) / (n_class + n_others)
    elif metric == "balanced-accuracy":
        values = (hits / n_class + rejected / n_others) / 2
    elif metric == "f1":
        values = 2 * hits / (2 * hits + wrong + missed)
    else:
        spread = np.sqrt((hits + wrong) * n_class * n_others * (missed + rejected))
        values = (hits * rejected - wrong * missed) / np.where(spread > 0, spread, 1.0)
    return values


def _logs(probabilities: Floats) -> NDArray[np.float64]:
    logs: NDArray[np.float64] = np.log(np.maximum(probabilities.astype(np.float64), np.finfo(np.float32).tiny))
    return logs


def corrections_of(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return temperature, threshold and shifts from the description of a model's file."""
    found: dict[str, Any] = {name: float(header[name]) for name in ("temperature", "threshold") if name in header}
    if "shifts" in header:
        found["shifts"] = tuple(float(shift) for shift in header["shifts"])
    return found


def check_shifts(shifts: Sequence[float], n_quantiles: int) -> None:
    """Raise `ModelError` unless a model can have these shifts: none, or one for each quantile of each target."""
    if shifts and (len(shifts) != n_quantiles or not all(map(math.isfinite, shifts))):
        raise ModelError(f"shifts={tuple(shifts)!r}: must be {n_quantiles} finite numbers, one for each quantile")


def check_corrections(temperature: float, threshold: float | None, n_classes: int) -> None:
    """Raise `ModelError` unless a model can have this temperature and threshold."""
    if not 0.0 < temperature < math.inf:
        raise ModelError(f"temperature={temperature!r}: must be a finite number above 0")
    if threshold is not None and (not 0.0 <= threshold <= 1.0 or n_classes != 2):
        raise ModelError(f"threshold={threshold!r}: must be between 0 and 1, and of two classes")
