"""One trial: its values, its place in the ranking, and its configuration."""

from __future__ import annotations

import math
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet
from fastnet.errors import StudyError
from fastnet.tuning import Study, TrialResult
from fastnet.tuning.trial import CURVES, curve_of, known, rank

X, Y = np.random.Philox(key=1).random_raw(120).reshape(40, 3) % 97 / 97.0, np.arange(40) % 2
SEARCHES: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({}, {}),
    ({"learning_rate": "log:1e-3:1e-1", "weight_decay": "log:1e-8:1e-4"}, {"optimizer": "adam"}),
    ({"hidden": "choice:8,6-4,none"}, {"dropout": 0.0}),
    ({"width": "int:3:9"}, {"hidden": (4, 4), "dropout": (0.0, 0.25)}),
    ({"width": "int:3:9", "depth": "int:1:3"}, {"hidden": "5x2"}),
    ({"dropout_1": "uniform:0:0.5", "dropout": "uniform:0:0.2"}, {"hidden": [6, 5]}),
    ({"optimizer": "choice:sgd,adam,rmsprop", "rho": "uniform:0.8:0.9"}, {"learning_rate": np.float32(0.01)}),
    ({"activation": "choice:tanh,relu", "init": "choice:he,xavier", "batch_size": "int:5:20"}, {"epochs": np.int64(2)}),
]


@pytest.mark.parametrize(("space", "settings"), SEARCHES, ids=lambda given: "-".join(given) or "nothing")
def test_a_trial_knows_what_it_was_trained_with(space: Any, settings: Any, tmp_path: Path) -> None:
    given = {"epochs": 2, "seed": 5, **({} if "hidden" in space else {"hidden": "7"}), **settings}
    result = fastnet.search(space, (X, Y), trials=3, study=tmp_path / "s", final=0, **given)
    with Study.read(tmp_path / "s") as study:
        trials = [*result.trials, *result.best(3), study.trial(1), *study.iter_trials(), *study.best(2)]
    for trial in trials:
        config = trial.config
        assert isinstance(config, fastnet.TrainConfig) and config.epochs == 2 and config.seed == 5
        for name, value in trial.params.items():
            if name in ("learning_rate", "weight_decay", "optimizer", "rho", "activation", "init", "batch_size"):
                assert getattr(config, name) == value
        if "width" in space:
            assert config.hidden == (trial.params["width"],) * int(trial.params.get("depth", len(config.hidden)))
        if "hidden" in space:
            assert config.hidden == {"8": (8,), "6-4": (6, 4), "none": ()}[str(trial.params["hidden"])]
        if "dropout_1" in space:
            assert config.dropout == (trial.params["dropout_1"], trial.params["dropout"])
        if "optimizer" in space:
            assert config.learning_rate == 0.01
        assert pickle.loads(pickle.dumps(trial)).config == config


def test_trial_0_of_a_search_is_the_network_that_train_trains(tmp_path: Path) -> None:
    result = fastnet.search({"depth": "int:1:3"}, (X, Y), trials=1, study=tmp_path, hidden="7", epochs=3, final=0)
    [trial] = result.trials
    alone = fastnet.train((X, Y), trial.config)
    assert alone.curves.validation_loss.tobytes() == trial.validation_loss.tobytes()


def test_a_trial_without_a_study_has_no_configuration(tmp_path: Path) -> None:
    result = fastnet.search({}, (X, Y), trials=1, study=tmp_path / "s", hidden="7", epochs=1, final=0)
    trial = result.trials[0]
    shutil.rmtree(tmp_path / "s")
    assert trial.config.hidden == (7,)
    with pytest.raises(StudyError, match="trial 3 was not read from a study"):
        _ = TrialResult.from_curves(3, "done", {}, np.zeros((4, 1), np.float32), seconds=0.1).config


def curves(*validation_scores: float) -> np.ndarray:
    """Curves whose validation score is given and whose validation loss is 1 minus it."""
    score = np.array(validation_scores, np.float32)
    return np.stack([2 - score, score / 2, 1 - score, score])


NAN = float("nan")


@pytest.mark.parametrize(
    ("status", "scores", "metric", "value", "best_value", "best_epoch", "epochs"),
    [
        ("done", (0.2, 0.7, 0.7, 0.5), "accuracy", 0.5, 0.7, 2, 4),
        ("done", (0.25, 0.75, 0.5), "loss", 0.5, 0.25, 2, 3),
        ("stopped", (0.2, 0.3, NAN, NAN), "accuracy", 0.3, 0.3, 2, 2),
        ("diverged", (0.6, 0.2, NAN), "accuracy", NAN, 0.6, 1, 2),
        ("diverged", (NAN, NAN), "loss", NAN, NAN, 0, 0),
    ],
)
def test_values_follow_from_the_curves(
    status: str, scores: tuple[float, ...], metric: str, value: float, best_value: float, best_epoch: int, epochs: int
) -> None:
    trial = TrialResult.from_curves(1, status, {"b": 1, "a": 2}, curves(*scores), seconds=0.5, metric=metric)
    np.testing.assert_equal([trial.value, trial.best_value], [value, best_value])
    assert (trial.best_epoch, trial.epochs, list(trial.params)) == (best_epoch, epochs, ["a", "b"])


def test_a_value_has_the_shortest_digits_of_its_curve() -> None:
    trial = TrialResult.from_curves(0, "done", {}, curves(0.1), seconds=0.0)
    assert repr(trial.value) == "0.1" and trial.curves[3, 0] == np.float32(0.1)


def test_curves_have_names() -> None:
    trial = TrialResult.from_curves(0, "done", {}, curves(0.25, 0.5), seconds=0.0)
    for name, row in zip(CURVES, trial.curves, strict=True):
        assert getattr(trial, name).tolist() == row.tolist()
    several = np.stack([curves(0.25, 0.5), curves(0.5, 0.75)])
    assert curve_of(several, "accuracy").tolist() == [[0.25, 0.5], [0.5, 0.75]]
    assert curve_of(several, "loss").tolist() == [[0.75, 0.5], [0.5, 0.25]]


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_trials_rank_by_epochs_then_by_value_then_by_number(metric: str) -> None:
    scores = {0: (0.5, 0.5), 1: (0.9, NAN), 2: (0.1, 0.75), 3: (0.9, 0.5), 4: (0.9, NAN), 5: (NAN, NAN)}
    status = {1: "stopped", 4: "stopped", 5: "diverged"}
    trials = [
        TrialResult.from_curves(i, status.get(i, "done"), {}, curves(*s), seconds=0.0, metric=metric)
        for i, s in scores.items()
    ]
    assert [trial.id for trial in rank(reversed(trials), metric)] == [2, 0, 3, 1, 4]


def test_what_json_cannot_write_is_none() -> None:
    assert [known(value) for value in (0.5, -1e300, NAN, math.inf, -math.inf)] == [0.5, -1e300, None, None, None]


def test_damaged_settings_are_named_when_the_configuration_is_asked_for() -> None:
    trial = TrialResult(7, "done", {"learning_rate": -1.0}, 0.5, 0.5, 1, curves(0.5), 0.1, settings={"hidden": "8"})
    with pytest.raises(StudyError, match="trial 7: the settings of its study are damaged"):
        _ = trial.config
