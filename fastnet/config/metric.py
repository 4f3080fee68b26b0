"""Metrics: how trials and candidates are compared, measured on the validation samples."""

from __future__ import annotations

import math
from typing import NamedTuple


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
    most : float
        Its largest possible value; the smallest is 0.
    """

    name: str
    sign: float
    curve: str
    short: str
    most: float = math.inf

    def text(self, value: float) -> str:
        """Write a value: a share with two to four decimals, anything else with four digits.

        Examples
        --------
        >>> METRICS["accuracy"].text(0.8), METRICS["accuracy"].text(0.98125), METRICS["loss"].text(0.51234567)
        ('0.80', '0.9812', '0.5123')
        """
        if self.most != 1.0:
            return f"{value:.4g}"
        text = f"{value:.4f}"
        return text[:-2] + text[-2:].rstrip("0")


METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", 1.0, "validation_score", "acc", 1.0),
        Metric("loss", -1.0, "validation_loss", "loss"),
    )
}
"""Metrics by name, the default first."""

DEFAULT_METRIC = next(iter(METRICS))

SCORE = METRICS["accuracy"]
"""The score of networks that classify, next to their loss."""


def score_name(part: str) -> str:
    """Return the stored and exported name of a part's score: ``validation_accuracy`` for ``validation``."""
    return f"{part}_{SCORE.name}"


def stored_scores(part: str, score: float | None, loss: float | None) -> dict[str, float | None]:
    """Name a score and a loss as they are stored.

    Examples
    --------
    >>> stored_scores("test", 0.83, 0.61)
    {'test_accuracy': 0.83, 'test_loss': 0.61}
    """
    return {score_name(part): score, f"{part}_loss": loss}


def sign(metric: str) -> float:
    """Return 1 if a higher value of the metric is better, -1 if a lower one is."""
    return METRICS[metric].sign
