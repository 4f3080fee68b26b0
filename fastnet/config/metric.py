"""Metrics: how trials and candidates are compared, measured on the validation samples.

Next to its loss, each objective has a score, measured after every epoch: accuracy for classes and labels, an error in
the units of the targets for numbers. Networks are compared by either of the two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from fastnet.config.objective import AUTO
from fastnet.errors import ConfigError


class Metric(NamedTuple):  # a dataclass takes 1.4 ms of every start, this 0.6
    """One way to compare networks.

    Attributes
    ----------
    name : str
        Its name for users and in studies.
    sign : float
        1 if higher is better, -1 if lower is.
    curve : str
        The validation curve it is read from: ``validation_score`` or ``validation_loss``.
    short : str
        Its name where space is short.
    title : str
        Its name as a heading.
    most : float
        Its largest possible value; the smallest is 0.
    in_units : bool
        Whether it is in the units of the targets, so that only relative differences can be judged.
    """

    name: str
    sign: float
    curve: str
    short: str
    title: str
    most: float = math.inf
    in_units: bool = False

    def text(self, value: float) -> str:
        """Write a value: a share with two to four decimals, anything else with four digits.

        Examples
        --------
        >>> METRICS["accuracy"].text(0.8), METRICS["accuracy"].text(0.98125), METRICS["loss"].text(0.51234567)
        ('0.80', '0.9812', '0.5123')
        """
        if self.most != 1.0:
            return four_digits(value)
        text = f"{value:.4f}"
        return text[:-2] + text[-2:].rstrip("0")

    def fixed(self, value: float, decimals: int) -> str:
        """Write a value with the given decimals, or with four digits if it is in the units of the targets.

        Examples
        --------
        >>> METRICS["accuracy"].fixed(0.8, 3), METRICS["rmse"].fixed(53_210.84, 3), METRICS["rmse"].fixed(0.0123456, 3)
        ('0.800', '53211', '0.01235')
        """
        return four_digits(value) if self.in_units else f"{value:.{decimals}f}"


def four_digits(value: float) -> str:
    """Write a number with four digits, or as a whole number if it has more.

    Examples
    --------
    >>> four_digits(0.0123456), four_digits(12345.6)
    ('0.01235', '12346')
    """
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"


METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", 1.0, "validation_score", "acc", "Accuracy", 1.0),
        Metric("loss", -1.0, "validation_loss", "loss", "Loss"),
        Metric("rmse", -1.0, "validation_score", "rmse", "RMSE", in_units=True),
        Metric("mae", -1.0, "validation_score", "mae", "MAE", in_units=True),
        Metric("pinball", -1.0, "validation_score", "pinball", "Pinball loss", in_units=True),
    )
}
"""Metrics by name."""

DEFAULT_METRIC = "accuracy"
"""The metric of classes, and of studies that do not name theirs."""

CHOICES = (AUTO, *METRICS)
"""What a search accepts as its metric."""

SCORES = tuple(name for name, metric in METRICS.items() if metric.curve == "validation_score")
"""Names of scores."""

_OF_OBJECTIVE = {
    "cross-entropy": ("accuracy", "loss"),
    "binary-cross-entropy": ("loss", "accuracy"),
    "squared-error": ("rmse", "loss"),
    "absolute-error": ("mae", "loss"),
    "huber": ("rmse", "loss"),
    "pinball": ("pinball", "loss"),
    "poisson": ("loss", "rmse"),
}
"""The score and the loss of each objective, its default first."""


def score_of_objective(objective: str) -> Metric:
    """Return the score of an objective; of ``auto``, which studies of classes store, the accuracy.

    Examples
    --------
    >>> score_of_objective("poisson").name, score_of_objective("auto").name
    ('rmse', 'accuracy')
    """
    names = _OF_OBJECTIVE["cross-entropy" if objective == AUTO else objective]
    return next(METRICS[name] for name in names if name in SCORES)


def score_of_settings(settings: Mapping[str, Any] | None) -> Metric:
    """Return the score of networks with these settings of `fastnet.TrainConfig`.

    Examples
    --------
    >>> score_of_settings({"objective": "huber", "epochs": 9}).name, score_of_settings(None).name
    ('rmse', 'accuracy')
    """
    return score_of_objective((settings or {}).get("objective", AUTO))


def metric_of_objective(objective: str, metric: str = AUTO) -> str:
    """Return the metric for networks of an objective; raise `ConfigError` if the chosen one does not suit it.

    Examples
    --------
    >>> metric_of_objective("huber"), metric_of_objective("huber", "loss")
    ('rmse', 'loss')
    """
    allowed = _OF_OBJECTIVE[objective]
    if metric == AUTO:
        return allowed[0]
    if metric not in allowed:
        raise ConfigError(
            f"metric={metric!r}: networks that learn by {objective} are compared by {' or '.join(allowed)}; choose one "
            "of them, or auto"
        )
    return metric


def score_name(part: str, score: str = DEFAULT_METRIC) -> str:
    """Return the stored and exported name of a part's score: ``validation_accuracy``; without a part, its own."""
    return f"{part}_{score}" if part else score


def stored_scores(
    part: str, value: float | None, loss: float | None, score: str = DEFAULT_METRIC
) -> dict[str, float | None]:
    """Name a score and a loss as they are stored.

    Examples
    --------
    >>> stored_scores("test", 0.83, 0.61)
    {'test_accuracy': 0.83, 'test_loss': 0.61}
    """
    return {score_name(part, score): value, f"{part}_loss": loss}


def score_stored(document: Mapping[str, Any], part: str = "") -> Metric:
    """Return the score that a document holds of a part, under its `score_name`.

    Examples
    --------
    >>> score_stored({"test_rmse": 2.5, "test_loss": 0.1}, "test").name, score_stored({"accuracy": 0.9}).name
    ('rmse', 'accuracy')
    """
    return next(METRICS[name] for name in SCORES if score_name(part, name) in document)


def sign(metric: str) -> float:
    """Return 1 if a higher value of the metric is better, -1 if a lower one is."""
    return METRICS[metric].sign
