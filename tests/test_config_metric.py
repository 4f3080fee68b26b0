"""Metrics: their direction, their curves, and how values are written."""

from __future__ import annotations

import pytest

from fastnet.config.metric import DEFAULT_METRIC, METRICS, SCORE, Metric, score_name, sign, stored_scores
from fastnet.training.loop import LearningCurves
from fastnet.tuning.trial import CURVES


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_metric_is_read_from_a_validation_curve(metric: Metric) -> None:
    assert metric.curve in CURVES and metric.curve in LearningCurves.__dataclass_fields__
    assert metric.curve.startswith("validation_") and METRICS[metric.name] is metric


def test_accuracies_rise_and_losses_fall() -> None:
    assert (sign("accuracy"), sign("loss")) == (1.0, -1.0)
    assert DEFAULT_METRIC == SCORE.name == "accuracy"
    with pytest.raises(KeyError):
        sign("speed")


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("accuracy", 0.0, "0.00"),
        ("accuracy", 1.0, "1.00"),
        ("accuracy", 0.98125, "0.9812"),
        ("accuracy", 0.981, "0.981"),
        ("loss", 0.51234567, "0.5123"),
        ("loss", 12345.6, "1.235e+04"),
        ("loss", 2.0, "2"),
    ],
)
def test_values_are_written_briefly(metric: str, value: float, text: str) -> None:
    assert METRICS[metric].text(value) == text


def test_scores_are_stored_under_the_name_of_their_part() -> None:
    assert score_name("validation") == "validation_accuracy"
    assert stored_scores("test", 0.5, None) == {"test_accuracy": 0.5, "test_loss": None}
