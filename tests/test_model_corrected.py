"""Models and ensembles that correct their answers by validation samples: from the training to the file and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fastnet
from fastnet.errors import ConfigError, ModelError
from fastnet.model.calibration import ENOUGH, fit_shifts, with_temperature
from fastnet.tuning import Study

LEVELS = (0.1, 0.5, 0.9)


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
        ({"calibration": "platt"}, "calibration='platt': must be one of none, temperature, quantiles"),
        (
            {"objective": "pinball", "calibration": "temperature"},
            "calibration='temperature': objective='pinball' has no probabilities of classes",
        ),
        ({"objective": "huber", "calibration": "quantiles"}, "calibration='quantiles': objective='huber' has no quant"),
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


def skewed(n: int = ENOUGH * 10, targets: int = 1) -> fastnet.Dataset:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    y = x[:, :targets] + rng.exponential(size=(n, targets))
    return fastnet.as_dataset(x[: n // 2], y[: n // 2], x_test=x[n // 2 :], y_test=y[n // 2 :], task="regression")


PINBALL = {"objective": "pinball", "hidden": "16", "epochs": 3, "learning_rate": 0.01}  # far from learnt


@pytest.mark.parametrize("targets", [1, 2])
def test_quantiles_are_calibrated_unless_none_is_asked_for(tmp_path, targets) -> None:
    data = skewed(targets=targets)
    parts = fastnet.split(np.zeros(data.n_samples))
    plain = fastnet.train(data, fastnet.TrainConfig(**PINBALL, calibration="none"), split=parts).model
    assert plain.shifts == () and "shifts" not in plain.to_parts()[0], "files without shifts are as before"
    result = fastnet.train(data, fastnet.TrainConfig(**PINBALL), split=parts)
    model = result.model
    x, y = data.x[parts.validation], data.y[parts.validation]
    assert model.shifts == fit_shifts(plain.answers(x), y, LEVELS)
    below = (y <= model.answers(x).reshape(-1, targets, 3)[:, :, 2]).mean()
    assert below == pytest.approx(0.9, abs=0.03)

    def off(model):
        return abs(model.evaluate(data.x_test, data.y_test).metrics["coverage"] - 0.8)

    assert off(model) < 0.1 < off(plain)
    assert result.test == model.score(data.x_test, data.y_test)
    asked = fastnet.train(data, fastnet.TrainConfig(**PINBALL, calibration="quantiles"), split=parts).model
    by_hand = plain.calibrated(x, y)
    assert asked.shifts == model.shifts == by_hand.shifts
    model.save(tmp_path / "m.safetensors")
    again = fastnet.load_model(tmp_path / "m.safetensors")
    assert again.shifts == model.shifts
    np.testing.assert_array_equal(again.predict(data.x_test), model.predict(data.x_test))
    with pytest.raises(ModelError, match="no probabilities of classes"):
        plain.calibrated(x, y, threshold="f1")
    with pytest.raises(ModelError, match=f"shifts=.*must be {3 * targets} finite numbers"):
        replace(model, shifts=(1.0,))


def test_few_validation_samples_calibrate_quantiles_only_if_asked_for() -> None:
    data = skewed(ENOUGH * 10 - 20)
    assert fastnet.train(data, fastnet.TrainConfig(**PINBALL)).model.shifts == ()
    assert fastnet.train(data, fastnet.TrainConfig(**PINBALL, calibration="quantiles")).model.shifts


def test_ensembles_and_searches_calibrate_the_mean(tmp_path) -> None:
    data = skewed()
    found = fastnet.train_ensemble(data, fastnet.TrainConfig(**PINBALL), networks=3)
    assert found.ensemble.shifts and {member.shifts for member in found.ensemble.members} == {()}
    assert found.test == found.ensemble.score(data.x_test, data.y_test)
    how = {"trials": 4, "ensemble_top": 2, "final": 1, "repeats": 1, **PINBALL}
    done = fastnet.search(None, data, study=tmp_path / "a", **how)
    plain = fastnet.search(None, data, study=tmp_path / "b", calibration="none", **how)
    assert [trial.value for trial in done.trials] == [trial.value for trial in plain.trials]
    for name in ("model.safetensors", "ensemble.safetensors"):
        one, other = (fastnet.load_model(tmp_path / folder / name) for folder in "ab")
        assert len(one.shifts) == 3 and other.shifts == ()
    with Study.read(tmp_path / "a") as study:
        [target] = study.inspection()["targets"]
    assert [row["level"] for row in target["quantiles"]] == list(LEVELS)
    ensemble = fastnet.load_model(tmp_path / "a" / "ensemble.safetensors")
    shares = (data.y_test <= ensemble.predict(data.x_test)).mean(axis=0)
    assert [row["share"] for row in target["quantiles"]] == pytest.approx(shares.tolist(), rel=1e-4)
    assert [row["shift"] for row in target["quantiles"]] == pytest.approx(list(ensemble.shifts), rel=1e-4)
