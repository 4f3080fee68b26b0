"""Metrics: their direction, their curves, and how values are written."""

from __future__ import annotations

import pytest

from fastnet.config.metric import (
    DEFAULT_METRIC,
    METRICS,
    SCORES,
    Metric,
    metric_of_objective,
    score_name,
    score_of_objective,
    score_of_settings,
    score_stored,
    sign,
    stored_scores,
)
from fastnet.config.objective import OBJECTIVES
from fastnet.errors import ConfigError
from fastnet.training.loop import LearningCurves
from fastnet.tuning.trial import CURVES


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_metric_is_read_from_a_validation_curve(metric: Metric) -> None:
    assert metric.curve in CURVES and metric.curve in LearningCurves.__dataclass_fields__
    assert metric.curve.startswith("validation_") and METRICS[metric.name] is metric


def test_accuracies_rise_and_losses_fall() -> None:
    assert (sign("accuracy"), sign("loss"), sign("rmse")) == (1.0, -1.0, -1.0)
    assert DEFAULT_METRIC == score_of_settings(None).name == "accuracy"
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
        ("loss", 12345.6, "12346"),
        ("loss", 2.0, "2"),
        ("rmse", 123456.7, "123457"),
        ("rmse", 1.2345e20, "1.234e+20"),
        ("mae", 0.000123456, "0.0001235"),
    ],
)
def test_values_are_written_briefly(metric: str, value: float, text: str) -> None:
    assert METRICS[metric].text(value) == text


def test_scores_are_stored_under_the_name_of_their_part() -> None:
    assert score_name("validation") == "validation_accuracy"
    assert stored_scores("test", 0.5, None) == {"test_accuracy": 0.5, "test_loss": None}
    for score in SCORES:
        assert score_stored(stored_scores("test", 0.5, 0.1, score), "test").name == score


@pytest.mark.parametrize("objective", [name for name in OBJECTIVES if name != "auto"])
def test_an_objective_is_compared_by_its_score_or_its_loss(objective: str) -> None:
    score = score_of_objective(objective)
    assert score.curve == "validation_score" and score is score_of_settings({"objective": objective})
    assert metric_of_objective(objective) in (score.name, "loss")
    assert [metric_of_objective(objective, name) for name in (score.name, "loss")] == [score.name, "loss"]
    other = next(name for name in SCORES if name != score.name)
    with pytest.raises(ConfigError, match=f"metric='{other}': networks that learn by {objective} are compared by"):
        metric_of_objective(objective, other)


@pytest.mark.parametrize(
    ("objective", "metric"),
    [
        ("cross-entropy", "accuracy"), ("binary-cross-entropy", "loss"), ("squared-error", "rmse"), ("huber", "rmse"),
        ("absolute-error", "mae"), ("pinball", "pinball"), ("poisson", "loss"),
    ],
)  # fmt: skip
def test_auto_is_the_usual_metric_of_the_objective(objective: str, metric: str) -> None:
    assert metric_of_objective(objective) == metric


def test_errors_in_units_are_written_with_four_digits_whatever_their_size() -> None:
    assert [METRICS["rmse"].fixed(value, 3) for value in (5e-7, 12.34567, 98765.4)] == ["5e-07", "12.35", "98765"]
    assert METRICS["loss"].fixed(0.5, 4) == "0.5000"
