"""A temperature and a threshold learnt from validation samples."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

import fastnet
from fastnet.config.objective import THRESHOLDS
from fastnet.errors import ConfigError, DataError, ModelError
from fastnet.model.calibration import best_threshold, fit_temperature, with_temperature

OF_SCIKIT_LEARN = {
    "accuracy": metrics.accuracy_score,
    "balanced-accuracy": metrics.balanced_accuracy_score,
    "f1": metrics.f1_score,
    "mcc": metrics.matthews_corrcoef,
}


def calibrated(n: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.full(n_classes, 0.7), n)
    return probabilities, np.array([rng.choice(n_classes, p=row) for row in probabilities])


@pytest.mark.parametrize("n_classes", [2, 6])
@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_that_spoiled_the_probabilities_is_found(n_classes, temperature):
    probabilities, y = calibrated(20_000, n_classes)
    spoiled = with_temperature(probabilities, 1.0 / temperature)
    assert fit_temperature(spoiled, y) == pytest.approx(temperature, rel=0.05)
    assert with_temperature(spoiled, temperature) == pytest.approx(probabilities, abs=1e-6)


def test_a_temperature_keeps_rows_and_order():
    probabilities, _ = calibrated(100, 4)
    scaled = with_temperature(probabilities.astype(np.float32), 3.0)
    assert scaled.dtype == np.float32
    assert scaled.sum(axis=1) == pytest.approx(np.ones(100), abs=1e-6)
    assert np.array_equal(scaled.argsort(axis=1), probabilities.argsort(axis=1))
    assert np.isfinite(with_temperature(np.array([[1.0, 0.0]]), 0.05)).all()


def test_weighted_samples_count_as_repeated_ones():
    probabilities, y = calibrated(300, 3)
    counts = np.random.default_rng(1).integers(1, 4, 300)
    repeated = fit_temperature(np.repeat(probabilities, counts, axis=0), np.repeat(y, counts))
    assert fit_temperature(probabilities, y, counts) == pytest.approx(repeated, rel=1e-4)


@pytest.mark.parametrize("metric", THRESHOLDS)
def test_no_other_threshold_is_better(metric):
    rng = np.random.default_rng(2)
    of_class = rng.random(200) < 0.2
    scores = np.round(np.clip(0.3 * of_class + 0.5 * rng.random(200), 0, 1), 2)
    measure = OF_SCIKIT_LEARN[metric]
    found = measure(of_class, scores >= best_threshold(scores, of_class, metric))
    everywhere = [measure(of_class, scores >= at) for at in np.arange(0.0, 1.01, 0.005)]
    assert found == pytest.approx(max(everywhere))


def test_of_equal_thresholds_the_middle_one_is_chosen():
    scores, of_class = np.array([0.05, 0.1, 0.95]), np.array([False, False, True])
    assert best_threshold(scores, of_class, "accuracy") == pytest.approx(0.525)


def test_one_class_has_no_threshold():
    with pytest.raises(DataError, match="of both classes"):
        best_threshold(np.array([0.1, 0.9]), np.array([True, True]), "f1")


def noisy(n: int = 600) -> fastnet.Dataset:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 5)).astype(np.float32)
    y = x[:, 0] + rng.normal(size=n) > 1.0
    return fastnet.as_dataset(x, np.where(y, "yes", "no"), x_test=x[:100], y_test=np.where(y, "yes", "no")[:100])


SURE = {"hidden": "64", "epochs": 60, "learning_rate": 0.3, "batch_size": 20}


def test_a_training_learns_what_is_asked_for_from_its_validation_samples(tmp_path) -> None:
    data = noisy()
    parts = fastnet.split(data.y)
    plain = fastnet.train(data, fastnet.TrainConfig(**SURE), split=parts).model
    assert (plain.temperature, plain.threshold) == (1.0, None)
    assert not {"temperature", "threshold"} & plain.to_parts()[0].keys(), "files without them are as before"
    config = fastnet.TrainConfig(**SURE, calibration="temperature", threshold="f1")
    result = fastnet.train(data, config, split=parts)
    model = result.model
    x, labels = data.x[parts.validation], data.labels[parts.validation]
    assert model.temperature > 1.1 and model.threshold not in (None, 0.5)
    assert model.score(x, labels).loss < plain.score(x, labels).loss
    assert model.evaluate(x, labels).classes[1].f1 >= plain.evaluate(x, labels).classes[1].f1
    shares = model.predict_proba(x)[:, 1]
    np.testing.assert_array_equal(model.predict(x) == "yes", shares >= model.threshold)
    np.testing.assert_allclose(shares, with_temperature(plain.predict_proba(x), model.temperature)[:, 1], atol=1e-6)
    assert result.test == model.score(data.x_test, data.labels_test)
    model.save(tmp_path / "m.safetensors")
    again = fastnet.load_model(tmp_path / "m.safetensors")
    assert (again.temperature, again.threshold) == (model.temperature, model.threshold)
    by_hand = plain.calibrated(x, labels, threshold="f1")
    assert (by_hand.temperature, by_hand.threshold) == (model.temperature, model.threshold)
    assert by_hand.calibrated(x, labels).temperature == pytest.approx(by_hand.temperature, rel=1e-3), "once is enough"


def test_ensembles_learn_them_for_their_mean(tmp_path) -> None:
    data = noisy()
    config = fastnet.TrainConfig(**SURE | {"epochs": 20}, calibration="temperature", threshold="accuracy")
    found = fastnet.train_ensemble(data, config, networks=3)
    ensemble = found.ensemble
    assert ensemble.temperature != 1.0 and ensemble.threshold is not None
    assert {member.temperature for member in ensemble.members} == {1.0}
    assert found.test == ensemble.score(data.x_test, data.labels_test)
    ensemble.save(tmp_path / "e.safetensors")
    again = fastnet.load_model(tmp_path / "e.safetensors")
    assert (again.temperature, again.threshold) == (ensemble.temperature, ensemble.threshold)
    np.testing.assert_array_equal(again.predict(data.x), ensemble.predict(data.x))


def test_a_search_changes_no_trial_by_them(tmp_path) -> None:
    data = noisy(200)
    how = {"trials": 4, "hidden": "16", "epochs": 5, "ensemble_top": 2, "final": 1, "repeats": 1}
    plain = fastnet.search(None, data, study=tmp_path / "a", **how)
    asked = fastnet.search(None, data, study=tmp_path / "b", calibration="temperature", threshold="mcc", **how)
    assert [trial.value for trial in asked.trials] == [trial.value for trial in plain.trials]
    for name in ("model.safetensors", "ensemble.safetensors"):
        one, other = (fastnet.load_model(tmp_path / folder / name) for folder in "ab")
        assert (one.temperature, one.threshold) == (1.0, None)
        assert other.temperature != 1.0 and other.threshold is not None
    resumed = fastnet.search(None, data, study=tmp_path / "b", trials=5)
    assert fastnet.load_model(tmp_path / "b" / "model.safetensors").threshold is not None and resumed.new_trials == 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"threshold": "f2"}, "threshold='f2': must be one of accuracy"),
        ({"calibration": "platt"}, "calibration='platt': must be one of temperature"),
        (
            {"objective": "huber", "threshold": "f1"},
            "threshold='f1': objective='huber' has no probabilities of classes",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, says) -> None:
    with pytest.raises(ConfigError, match=says):
        fastnet.TrainConfig(**settings)


def test_a_threshold_needs_two_classes() -> None:
    three = fastnet.as_dataset(np.arange(12.0).reshape(12, 1), ["a", "b", "c"] * 4)
    with pytest.raises(ConfigError, match="threshold='f1': data has 3 classes, and a threshold decides between two"):
        fastnet.train(three, fastnet.TrainConfig(threshold="f1", epochs=1))
    model = fastnet.train(three, fastnet.TrainConfig(epochs=1, hidden=())).model
    with pytest.raises(ModelError, match="this model has 3 classes"):
        model.calibrated(three.x, three.labels, threshold="f1")
