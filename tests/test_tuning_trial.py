"""The configuration of a trial, as `TrialResult.config` makes it of the study and of what was drawn."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet
from fastnet.errors import StudyError
from fastnet.tuning import Study, TrialResult

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


def test_a_trial_without_a_study_says_so(tmp_path: Path) -> None:
    result = fastnet.search({}, (X, Y), trials=1, study=tmp_path / "s", hidden="7", epochs=1, final=0)
    trial = result.trials[0]
    shutil.rmtree(tmp_path / "s")
    assert trial.config.hidden == (7,)
    with pytest.raises(StudyError, match="trial 3 was not read from a study"):
        _ = TrialResult.from_curves(3, "done", {}, np.zeros((4, 1), np.float32), seconds=0.1).config
