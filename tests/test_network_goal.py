"""What networks learn of each task, and how much each sample counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cases import NETWORKS, blobs

import fastnet
from fastnet import TrainConfig, reference
from fastnet.data import Dataset, Split
from fastnet.errors import ConfigError, DataError
from fastnet.network.goal import goal_of
from fastnet.network.samples import prepare
from fastnet.training.loop import Fit
from fastnet.training.single import Training

PARTS = Split(np.arange(45), np.arange(45, 60))


@pytest.fixture
def classes() -> Dataset:
    return blobs(NETWORKS["one hidden layer"], 60)


@pytest.fixture
def numbers(classes: Dataset) -> Dataset:
    """Two targets of several sizes that follow from the features."""
    x = classes.x.astype(np.float64)
    y = np.stack([x[:, 0] + x[:, 1], 1000 * x[:, 2]], axis=1)
    names = ("first", "second")
    return replace(
        classes, y=y, task="regression", classes=np.zeros(0, np.int64), class_names=names, x_test=None, y_test=None
    )


def test_classes_are_learnt_as_they_are(classes):
    goal = goal_of(classes, PARTS, TrainConfig())
    assert goal.objective == "cross-entropy" and goal.weights is None and goal.scaler is None and goal.n_outputs == 4
    assert goal.targets.dtype == np.int64 and (goal.targets == classes.y).all()


def test_numbers_are_learnt_on_one_scale_and_each_quantile_has_an_output(numbers):
    goal = goal_of(numbers, PARTS, TrainConfig())
    assert goal.objective == "squared-error" and goal.targets.dtype == np.float32 and goal.n_outputs == 2
    np.testing.assert_allclose(goal.targets[PARTS.train].std(axis=0), 1, rtol=1e-5)
    wide = goal_of(numbers, PARTS, TrainConfig(objective="pinball", quantiles="0.1,0.5,0.9"))
    assert wide.n_outputs == 6 and wide.quantiles == (0.1, 0.5, 0.9)


def test_counts_are_not_scaled_and_never_negative(numbers):
    goal = goal_of(numbers, PARTS, TrainConfig(objective="poisson"))
    np.testing.assert_array_equal(goal.targets, numbers.y.astype(np.float32))
    y = numbers.y.copy()
    y[7, 1] = -2.0
    with pytest.raises(DataError, match="second is -2 in sample 7, and counts cannot be below 0"):
        goal_of(replace(numbers, y=y), PARTS, TrainConfig(objective="poisson"))


def test_settings_for_classes_do_not_suit_numbers(numbers):
    with pytest.raises(ConfigError, match="has no classes to spread"):
        goal_of(numbers, PARTS, TrainConfig(label_smoothing=0.1))
    with pytest.raises(ConfigError, match="the data hold numbers, so choose squared-error or"):
        goal_of(numbers, PARTS, TrainConfig(objective="cross-entropy"))


def test_weights_are_one_on_average_over_each_part(classes):
    weights = (np.arange(60) % 3).astype(np.float32)
    goal = goal_of(replace(classes, weights=weights), PARTS, TrainConfig())
    assert goal.weights is not None
    for rows in (PARTS.train, PARTS.validation):
        assert goal.weights[rows].mean() == pytest.approx(1, rel=1e-6)
    weights[PARTS.validation] = 0
    with pytest.raises(DataError, match="all 15 validation samples have the weight 0"):
        goal_of(replace(classes, weights=weights), PARTS, TrainConfig())


def test_balanced_classes_have_the_same_total_weight(classes):
    few = replace(classes, y=np.minimum(np.arange(60) % 10, 3))
    goal = goal_of(few, PARTS, TrainConfig(class_weight="balanced"))
    assert goal.weights is not None
    totals = np.bincount(few.y[PARTS.train], goal.weights[PARTS.train])
    np.testing.assert_allclose(totals, totals[0], rtol=1e-5)


def train(dataset: Dataset, config: TrainConfig, parts: Split) -> tuple[np.ndarray, np.ndarray]:
    training = Training(config, prepare(dataset, parts, config), 1)
    Fit(training, config).train()
    return training.curves[0], training.work.params[0].copy()


@pytest.mark.parametrize("objective", ["auto", "absolute-error", "huber", "pinball"])
def test_numbers_are_learnt(numbers, objective):
    config = TrainConfig(hidden=(20,), objective=objective, optimizer="adam", learning_rate=0.01, epochs=60)
    curves, _ = train(numbers, config, PARTS)
    assert curves[2, -1] < 0.5 * curves[2, 0]


EVERY_TASK = ("cross-entropy", "binary-cross-entropy", "squared-error", "absolute-error", "huber", "pinball", "poisson")
RULES: dict[str, dict[str, float]] = {
    "sgd": {"learning_rate": 0.05, "weight_decay": 1e-3},
    "adamw": {"learning_rate": 0.01, "weight_decay": 0.1, "epsilon": 1e-4},
}


def of_objective(classes: Dataset, numbers: Dataset, objective: str) -> Dataset:
    if objective == "cross-entropy":
        return classes
    if objective == "binary-cross-entropy":
        return replace(numbers, y=(numbers.y > np.median(numbers.y, axis=0)).astype(np.float64), task="multilabel")
    return replace(numbers, y=numbers.y / numbers.y.max(axis=0))


@pytest.mark.parametrize("optimizer", RULES)
@pytest.mark.parametrize("objective", EVERY_TASK)
def test_weighted_training_equals_training_on_repeated_rows(classes, numbers, objective, optimizer):
    """With full batches; a weight of 0 is a row that is not there."""
    data = of_objective(classes, numbers, objective)
    weights = np.arange(60) * 7 % 11 % 4
    assert set(weights[:45]) == set(weights[45:]) == {0, 1, 2, 3}
    again = np.repeat(np.arange(60), weights)
    border = weights[:45].sum()
    parts = Split(np.arange(border), np.arange(border, len(again)))
    repeated = replace(data, x=data.x[again], y=data.y[again])
    weighted = replace(data, weights=weights.astype(np.float32))
    config = TrainConfig(
        hidden=(8, 5), objective=objective, optimizer=optimizer, batch_size=10_000, epochs=20, **RULES[optimizer]
    )
    found, wanted = (fastnet.train(*each, split=some) for *each, some in (
        (weighted, config, PARTS), (repeated, config, parts)
    ))  # fmt: skip
    for name in ("weights", "biases"):
        for one, other in zip(getattr(found.model, name), getattr(wanted.model, name), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4 * np.abs(other).max())
    for name in ("train_loss", "train_score", "validation_loss", "validation_score"):
        np.testing.assert_allclose(getattr(found.curves, name), getattr(wanted.curves, name), rtol=1e-4)
    rows = PARTS.validation
    score = found.model._measure(data.x[rows], data.y[rows], weights[rows])
    of_repeated = wanted.model._measure(repeated.x[parts.validation], repeated.y[parts.validation])
    assert (score.value, score.loss) == pytest.approx((of_repeated.value, of_repeated.loss), rel=1e-4)


@pytest.mark.parametrize("optimizer", RULES)
@pytest.mark.parametrize("objective", EVERY_TASK)
def test_the_reference_trains_weighted_rows_as_repeated_ones(classes, numbers, objective, optimizer):
    data = of_objective(classes, numbers, objective)
    targets = data.y if objective == "cross-entropy" else data.y.astype(np.float64)
    x, weights = data.x / 255.0, np.arange(60) * 7 % 11 % 4
    again = np.repeat(np.arange(60), weights)
    border, levels = weights[:45].sum(), (0.2, 0.7) if objective == "pinball" else ()
    sizes = [x.shape[1], 8, data.n_outputs * (len(levels) or 1)]
    settings = {"objective": objective, "optimizer": optimizer, "batch_size": 10_000, "epochs": 10, "quantiles": levels}
    scaled = np.concatenate([part / part.mean() for part in np.split(weights, [45])])
    found = reference.training.train(
        x, targets, PARTS.train, PARTS.validation, sizes, scaled, **settings, **RULES[optimizer]
    )
    rows = np.arange(border), np.arange(border, len(again))
    wanted = reference.training.train(x[again], targets[again], *rows, sizes, **settings, **RULES[optimizer])
    for one, other in zip(found.weights + found.biases, wanted.weights + wanted.biases, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found[2:], wanted[2:], rtol=1e-9)


def test_rows_without_weight_do_not_widen_the_range_of_answers(numbers):
    weights = np.ones(60, np.float32)
    lowest = int(np.argmin(numbers.y[:45, 0]))
    weights[lowest] = 0
    scaler = goal_of(replace(numbers, weights=weights), PARTS, TrainConfig()).scaler
    assert scaler is not None and scaler.low[0] == np.delete(numbers.y[:45, 0], lowest).min()
