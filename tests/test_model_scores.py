"""Scores of predictions: those of training's curves, in the units of the targets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

import fastnet
from fastnet.data import Dataset, as_dataset
from fastnet.data.pipeline.targets import fit_targets
from fastnet.data.validation import split_of
from fastnet.model.scores import Numbers, Score, score_of, score_of_labels

OBJECTIVES = ("squared-error", "absolute-error", "huber", "pinball", "poisson")
QUANTILES = (0.2, 0.5, 0.9)


def numbers_of(objective: str, n_targets: int = 1, n: int = 240) -> Dataset:
    """Return numbers that follow from two features, far from standardised, or counts."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n, 2)).astype(np.float32)
    y = np.stack([300.0 * (k + 1) + 50.0 * x[:, k % 2] + rng.normal(size=n) for k in range(n_targets)], axis=1)
    if objective == "poisson":
        y = rng.poisson(np.exp(x[:, :n_targets].astype(np.float64))).astype(np.float64)
    data = as_dataset(x, np.zeros(n, np.int64), class_names=("a", "b"))
    names = tuple(f"t{k}" for k in range(n_targets))
    return replace(data, y=y, task="regression", classes=np.empty(0), class_names=names)


def trained(data: Dataset, **settings: Any) -> fastnet.TrainResult:
    config = fastnet.TrainConfig(hidden=(8,), epochs=4, learning_rate=0.05, batch_size=20, **settings)
    return fastnet.train(data, config, split=split_of(data))


@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_model_scores_what_the_curves_of_its_training_show(objective: str, n_targets: int) -> None:
    data = numbers_of(objective, n_targets)
    weights = np.random.default_rng(1).uniform(0.5, 2.0, data.n_samples).astype(np.float32)
    data = replace(data, weights=weights)
    settings = {"huber_delta": 0.3, "quantiles": QUANTILES}
    result, rows = trained(data, objective=objective, **settings), split_of(data).validation
    scaler = result.model.target_scaler
    wide = replace(scaler, low=scaler.low - 1e9, high=scaler.high + 1e9)  # curves do not clamp
    score = replace(result.model, target_scaler=wide)._measure(data.x[rows], data.y[rows], data.weights[rows])
    best = result.best_epoch - 1
    assert score.name == result.curves.score
    if objective == "pinball":  # a model sorts its quantiles, which can only help
        assert score.value <= 1.0001 * result.curves.validation_score[best]
        assert score.loss <= 1.0001 * result.curves.validation_loss[best]
    else:
        assert score.value == pytest.approx(result.curves.validation_score[best], rel=1e-4)
        assert score.loss == pytest.approx(result.curves.validation_loss[best], rel=1e-4)


@pytest.mark.parametrize("objective", [*OBJECTIVES, "binary-cross-entropy", "cross-entropy"])
def test_the_losses_of_the_samples_have_the_loss_as_their_mean(objective: str) -> None:
    data = numbers_of(objective, 2)
    if objective == "binary-cross-entropy":
        data = replace(data, y=(data.y > np.median(data.y)).astype(np.float64), task="multilabel")
    if objective == "cross-entropy":
        data = as_dataset(data.x, np.where(data.x[:, 0] > 0, "a", "b"))
    model = trained(data, objective=objective).model
    weights = np.random.default_rng(1).uniform(0.0, 2.0, data.n_samples)
    answers = model.answers(data.x)
    losses = model._losses(answers, data.y)
    assert losses.shape == (data.n_samples,)
    assert np.average(losses, weights=weights) == pytest.approx(model._scored(answers, data.y, weights).loss)
    two = fastnet.Ensemble(members=(model, model))
    np.testing.assert_array_equal(two._losses(answers, data.y), losses)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_errors_of_a_single_target_are_in_its_units(scale: float) -> None:
    rng = np.random.default_rng(0)
    y = scale * (7 + rng.normal(size=(50, 1)))
    given = y + scale * rng.normal(size=(50, 1))
    scaler = fit_targets(y, np.arange(50))
    squares = metrics.mean_squared_error(y, given)
    assert Numbers("squared-error", scaler).score(given, y).value == pytest.approx(np.sqrt(squares))
    assert Numbers("huber", scaler).score(given, y).value == pytest.approx(np.sqrt(squares))
    mae = metrics.mean_absolute_error(y, given)
    assert Numbers("absolute-error", scaler).score(given, y).value == pytest.approx(mae)
    pinball = [metrics.mean_pinball_loss(y, given, alpha=level) for level in QUANTILES]
    found = Numbers("pinball", scaler, QUANTILES).score(np.repeat(given, 3, axis=1), y)
    assert found.value == pytest.approx(np.mean(pinball)) and found.loss == pytest.approx(
        np.sum(pinball) / scaler.scale[0]
    )


def test_counts_have_half_the_deviance_as_their_loss() -> None:
    y = np.array([[0.0], [3.0], [5.0]])
    given = np.array([[0.5], [2.0], [5.0]])
    scaler = fit_targets(y, np.arange(3), standardise=False)
    found = Numbers("poisson", scaler).score(given, y)
    assert found.loss == pytest.approx(metrics.mean_poisson_deviance(y, given) / 2)
    assert found.value == pytest.approx(np.sqrt(metrics.mean_squared_error(y, given)))
    assert np.isfinite(Numbers("poisson", scaler).score(np.zeros((3, 1)), y).loss)


def test_errors_of_several_targets_are_means_over_their_standardised_values() -> None:
    rng = np.random.default_rng(0)
    y = np.array([1.0, 1000.0]) * rng.normal(size=(40, 2))
    given = y + rng.normal(size=(40, 2))
    scaler = fit_targets(y, np.arange(40))
    off = (given - y) / scaler.scale
    assert Numbers("squared-error", scaler).score(given, y).value == pytest.approx(np.sqrt(np.square(off).mean()))


def test_weights_count_as_repetitions() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 4, 30)
    repeated = np.repeat(np.arange(30), counts)
    chances, y = rng.dirichlet(np.ones(3), 30), rng.integers(0, 3, 30)
    labels, numbers = rng.integers(0, 2, (30, 2)).astype(float), rng.normal(size=(30, 2))
    scaler = fit_targets(numbers, np.arange(30))
    for measure, given, truth in (
        (score_of, chances, y),
        (score_of_labels, chances[:, :2], labels),
        (Numbers("huber", scaler).score, chances[:, :2], numbers),
    ):
        weighted, whole = measure(given, truth, counts), measure(given[repeated], truth[repeated])
        assert weighted.value == pytest.approx(whole.value) and weighted.loss == pytest.approx(whole.loss)


def test_labels_are_scored_one_by_one() -> None:
    y, given = np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([[0.9, 0.2], [0.4, 1.0]], np.float32)
    found = score_of_labels(given, y)
    assert found.value == 0.75 and found.loss == pytest.approx(-np.log([0.9, 0.8, 0.4, 1.0]).sum() / 2, rel=1e-6)
    assert np.isfinite(score_of_labels(1 - y, y).loss)


def test_a_score_knows_its_metrics() -> None:
    score = Score(value=2.5, loss=0.25, name="mae")
    assert (score.of("mae"), score.of("loss")) == (2.5, 0.25)
    assert score.stored("test") == {"test_mae": 2.5, "test_loss": 0.25}
