"""Predictions and scores of every model, and the samples it accepts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from models import make_model
from tables import table_of

import fastnet
from fastnet.data import Dataset, split
from fastnet.errors import DataError, ModelError
from fastnet.model.predictor import Predictor
from fastnet.model.scores import score_of

pytestmark = pytest.mark.filterwarnings("ignore:.* alone nearly determines")  # simple targets


def test_check_fits_names_both_sides(tiny_dataset: Dataset) -> None:
    make_model().check_fits(tiny_dataset)
    with pytest.raises(ModelError, match="tiny has 12 features: this model reads 11"):
        make_model(n_inputs=11).check_fits(tiny_dataset)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((2, 11)), ModelError, "x has 11 features: this model reads 12"),
        (np.zeros(11), ModelError, r"x has shape \(11,\)"),
        (np.zeros((3, 4)), ModelError, "x has 4 features: this model reads 12"),
        (np.full((1, 12), np.nan), DataError, "x"),
        ([["a"] * 12], DataError, "must be numbers"),
    ],
)
def test_predict_rejects_impossible_features(x: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make_model().predict(x)


def test_a_single_sample_may_come_without_its_first_axis() -> None:
    model = make_model(n_inputs=9)
    sample = (np.arange(9) * 28).astype(np.uint8)
    expected = model.predict_proba(sample.reshape(1, 9))
    for x in (sample, sample.tolist(), sample.reshape(3, 3), sample.reshape(3, 3, 1), sample.reshape(1, 3, 3)):
        assert model.predict_proba(x).tobytes() == expected.tobytes()
    several = np.stack([sample] * 3).reshape(3, 3, 3)
    assert model.predict_proba(several).shape == (3, 3)


def test_a_table_that_could_be_an_image_is_a_table() -> None:
    model = make_model(n_inputs=3)
    assert model.predict_proba(np.zeros((3, 3))).shape == (3, 3)


def test_predictions_agree_with_one_another() -> None:
    model = make_model()
    x = (np.random.Philox(key=4).random_raw(20 * 12) % 256).astype(np.uint8).reshape(20, 12)
    probabilities, positions = model.predict_proba(x), model.predict_index(x)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-6)
    assert positions.dtype == np.int64 and (positions == probabilities.argmax(axis=1)).all()
    assert (model.predict(x) == model.classes[positions]).all()
    assert model.score(x, model.predict(x)).value == 1.0


def test_a_score_is_accuracy_and_mean_cross_entropy() -> None:
    probabilities = np.array([[0.75, 0.25], [0.5, 0.5], [0.125, 0.875]], np.float32)
    score = score_of(probabilities, np.array([0, 1, 1]))
    assert score.value == 2 / 3, "on a tie the first class is predicted"
    assert score.loss == pytest.approx(-np.log([0.75, 0.5, 0.875]).mean())
    assert score.stored("test") == {"test_accuracy": score.value, "test_loss": score.loss}
    impossible = score_of(np.array([[1.0, 0.0]], np.float32), np.array([1]))
    assert impossible.value == 0.0 and impossible.loss == pytest.approx(87.3, abs=0.1)


CONFIG = fastnet.TrainConfig(hidden=(8,), epochs=3, optimizer="adamw", batch_size=32)


def numbers_of(n_targets: int) -> Dataset:
    """A table of which the targets are numbers."""
    table = table_of(200)
    y = np.stack([np.nan_to_num(table.x[:, 5]) * (k + 1) + 3 for k in range(n_targets)], axis=1).astype(np.float64)
    names = ("a", "b", "c")[:n_targets]
    return replace(table, y=y, task="regression", classes=np.empty(0), class_names=names)


def trained(dataset: Dataset, **settings: Any) -> Predictor:
    parts = split(np.zeros(dataset.n_samples))
    return fastnet.train(dataset, replace(CONFIG, **settings), split=parts).model


@pytest.mark.parametrize(
    ("n_targets", "objective", "shape"),
    [(1, "squared-error", (200,)), (2, "huber", (200, 2)), (1, "pinball", (200, 3)), (2, "pinball", (200, 2, 3))],
)
def test_numbers_are_in_their_own_units_and_within_the_training_range(n_targets, objective, shape, tmp_path) -> None:
    data = numbers_of(n_targets)
    model = trained(data, objective=objective)
    found = model.predict(data.x)
    assert found.shape == shape and found.dtype == np.float64
    assert (found >= 3).all() and (found <= data.y.max()).all()
    if objective == "pinball":
        assert (np.diff(found, axis=-1) >= 0).all()
    score, measured = model.score(data.x, data.y), model.evaluate(data.x, data.y).metrics
    assert score.name == ("pinball" if objective == "pinball" else "rmse")
    if n_targets == 1:
        assert score.value == pytest.approx(measured[score.name], rel=1e-12)
    assert list(score.stored("test")) == [f"test_{score.name}", "test_loss"]
    model.save(tmp_path / "m.safetensors")
    loaded = fastnet.load_model(tmp_path / "m.safetensors")
    assert loaded.predict(data.x).tobytes() == found.tobytes() and loaded.task == "regression"
    with pytest.raises(ModelError, match="this model predicts numbers, which have no probabilities; use predict"):
        model.predict_proba(data.x)
    with pytest.raises(ModelError, match="no classes to choose from"):
        model.predict_index(data.x)


def test_labels_are_predicted_one_by_one(tmp_path) -> None:
    y = (numbers_of(2).y > 4).astype(np.float64)
    data = replace(numbers_of(2), y=y, task="multilabel")
    model = trained(data, epochs=20)
    found = model.predict(data.x)
    assert found.shape == (200, 2) and found.dtype == np.int64 and set(found.ravel()) == {0, 1}
    assert (found == (model.predict_proba(data.x) > 0.5)).all()
    assert model.score(data.x, y).value == pytest.approx((found == y).mean())
    model.save(tmp_path / "m.safetensors")
    assert fastnet.load_model(tmp_path / "m.safetensors").predict(data.x).tobytes() == found.tobytes()
    with pytest.raises(DataError, match="y holds other values than 0 and 1"):
        model.score(data.x, y + 1)


def test_a_table_is_read_with_its_missing_values_and_learnt(tmp_path) -> None:
    data = table_of(1000)
    model = trained(data, epochs=20, hidden=(16,))
    assert np.isnan(data.x).any() and model.score(data.x, data.labels).value > 0.9
    assert model.n_inputs == 6 < model.pipeline.n_inputs
    model.save(tmp_path / "m.safetensors")
    loaded = fastnet.load_model(tmp_path / "m.safetensors")
    assert loaded.predict_proba(data.x).tobytes() == model.predict_proba(data.x).tobytes()
    infinite = data.x.copy()
    infinite[3, 0] = np.inf
    with pytest.raises(DataError, match=r"x\[3, 0\] is inf"):
        model.predict(infinite)


def test_an_ensemble_averages_numbers_and_members_must_agree() -> None:
    data = numbers_of(2)
    first, second = (trained(data, seed=seed) for seed in (1, 2))
    ensemble = fastnet.Ensemble(members=(first, second), weights=(3, 1))
    mean = (3 * first.predict(data.x) + second.predict(data.x)) / 4
    np.testing.assert_allclose(ensemble.predict(data.x), mean, rtol=1e-12)
    assert ensemble.score(data.x, data.y).name == "rmse"
    with pytest.raises(ModelError, match="network 1 of the ensemble learnt another task or other quantiles"):
        fastnet.Ensemble(members=(first, trained(replace(data, y=(data.y > 4) * 1.0, task="multilabel"))))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a", "b"], "y holds values that are no numbers"),
        ([1.0, 2.0, 3.0], r"y has shape \(3,\): 2 samples of 1 targets need shape \(2, 1\)"),
        ([1.0, np.nan], r"y\[1\] holds nan: targets must be finite"),
    ],
)
def test_targets_that_are_no_numbers_are_refused(y, message) -> None:
    data = numbers_of(1)
    with pytest.raises(DataError, match=message):
        trained(data, epochs=1).score(data.x[:2], y)


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [np.nan, 1.0]])
def test_weights_are_checked_and_count(weights) -> None:
    data = numbers_of(1)
    model = trained(data, epochs=1)
    with pytest.raises(DataError, match="must be 2 finite numbers of at least 0"):
        model.evaluate(data.x[:2], data.y[:2], weights)
    assert model.evaluate(data.x[:2], data.y[:2], [1, 0]).metrics == model.evaluate(data.x[:1], data.y[:1]).metrics
