"""A temperature, a threshold and shifts of quantiles learnt from validation samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

import fastnet
from fastnet.config.objective import THRESHOLDS
from fastnet.errors import ConfigError, DataError, ModelError
from fastnet.model.calibration import ENOUGH, best_threshold, fit_shifts, fit_temperature, with_shifts, with_temperature
from fastnet.tuning import Study

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


LEVELS = (0.1, 0.5, 0.9)


def test_the_right_share_of_new_samples_lies_below_a_shifted_quantile() -> None:
    rng = np.random.default_rng(0)
    below = np.zeros(3)
    for _ in range(400):  # the mean over many small sets of validation samples is exact, not only their limit
        noise = rng.exponential(size=(21, 1))
        answers = np.array([[0.3, 0.5, 1.0]])
        shifts = fit_shifts(np.repeat(answers, 20, axis=0), noise[:20], (0.2, 0.5, 0.8))
        below += noise[20] <= answers[0] + shifts
    np.testing.assert_allclose(below / 400, (0.2, 0.5, 0.8), atol=0.06)


def test_shifts_are_those_of_numpy_for_equal_weights_and_of_repeated_samples_for_others() -> None:
    rng = np.random.default_rng(1)
    answers, y = rng.normal(size=(500, 6)), rng.normal(size=(500, 2))
    found = fit_shifts(answers, y, LEVELS)
    residuals = np.repeat(y, 3, axis=1) - answers
    wanted = [np.quantile(residuals[:, k], LEVELS[k % 3], method="weibull") for k in range(6)]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert fit_shifts(answers, y, LEVELS, np.full(500, 3.0)) == pytest.approx(found)
    counts = rng.integers(0, 4, 500)
    repeated = fit_shifts(np.repeat(answers, counts, axis=0), np.repeat(y, counts, axis=0), LEVELS)
    np.testing.assert_allclose(fit_shifts(answers, y, LEVELS, counts.astype(np.float32)), repeated, atol=0.03)


def test_shifted_quantiles_ascend_within_the_limits() -> None:
    answers = np.random.default_rng(2).normal(size=(200, 6))
    low, high = np.array([-1.0, -0.5]), np.array([1.0, 0.5])
    found = with_shifts(answers, (2.0, 0.0, -2.0, 1.0, 0.0, -1.0), low, high).reshape(200, 2, 3)
    assert (np.diff(found, axis=2) >= 0).all()
    assert (found >= low[:, None]).all() and (found <= high[:, None]).all()


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
