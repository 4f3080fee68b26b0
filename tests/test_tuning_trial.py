"""The configuration of a trial, as `TrialResult.config` makes it of the study and of what was drawn."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet
from fastnet.errors import ConfigError, StudyError
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


NUMPY: dict[str, Any] = {
    "hidden": np.arange(8, 24, 8),
    "learning_rate": np.float32(0.1),
    "weight_decay": np.float16(0.5),
    "dropout": np.array([0.1, 0.2], dtype=np.float32),
    "batch_size": np.uint8(10),
    "epochs": np.array(3),
    "early_stopping": np.int32(2),
    "seed": np.uint64(2**64 - 1),
    "optimizer": np.str_("adam"),
    "warmup_epochs": np.float64(1),
    "momentum": np.longdouble(0.5),
}
PLAIN: dict[str, Any] = {
    "hidden": (8, 16),
    "learning_rate": 0.1,
    "weight_decay": 0.5,
    "dropout": (0.1, 0.2),
    "batch_size": 10,
    "epochs": 3,
    "early_stopping": 2,
    "seed": 2**64 - 1,
    "optimizer": "adam",
    "warmup_epochs": 1.0,
    "momentum": 0.5,
}


def test_numbers_of_numpy_are_settings_like_any_other() -> None:
    config, plain = fastnet.TrainConfig(**NUMPY), fastnet.TrainConfig(**PLAIN)
    assert config == plain and hash(config) == hash(plain) and repr(config) == repr(plain)
    types = [[type(v) for v in value] if isinstance(value, tuple) else type(value) for value in vars_of(config)]
    assert types == [[type(v) for v in value] if isinstance(value, tuple) else type(value) for value in vars_of(plain)]


def vars_of(config: Any) -> list[Any]:
    return [getattr(config, name) for name in config.__dataclass_fields__]


def test_numbers_of_numpy_in_searches_and_experiments() -> None:
    from fastnet.config.experiment import ExperimentConfig
    from fastnet.config.network import NetworkSpec

    search = fastnet.SearchConfig(
        trials=np.int64(5), validation_fraction=np.float32(0.25), folds=np.int8(3), expand=np.bool_(True),
        space={np.str_("dropout"): np.str_("uniform:0:0.5")}, pruning=np.str_("median"), final=np.array(0),
    )  # fmt: skip
    plain = fastnet.SearchConfig(
        trials=5, validation_fraction=0.25, folds=3, expand=True, space={"dropout": "uniform:0:0.5"}, pruning="median",
        final=0,
    )  # fmt: skip
    assert search == plain and repr(search) == repr(plain)
    assert ExperimentConfig(seeds=np.int16(3), samples=np.uint8(50)) == ExperimentConfig(seeds=3, samples=50)
    assert NetworkSpec(n_inputs=np.int64(3), n_outputs=np.int8(2), hidden=[np.int64(4)]).sizes == (3, 4, 2)


def test_numbers_of_numpy_as_arguments(tmp_path: Path) -> None:
    fraction, seed = np.float32(0.25), np.int64(3)
    parts, plain = fastnet.split(Y, fraction=fraction, seed=seed), fastnet.split(Y, fraction=0.25, seed=3)
    assert parts.fingerprint() == plain.fingerprint()
    config = fastnet.TrainConfig(hidden=[4], epochs=1)
    data = fastnet.take_first(fastnet.as_dataset(X, Y), np.int64(30))
    assert len(fastnet.train_ensemble(data, config, networks=np.int8(2), jobs=np.int64(1)).ensemble.members) == 2
    numbers: dict[str, Any] = {"jobs": np.int64(1), "memory": np.float64(1e8), "timeout": np.float32(1000)}
    result = fastnet.search({}, data, trials=np.int32(2), study=tmp_path, hidden="4", epochs=1, final=0, **numbers)
    assert len(result.trials) == 2
    again = fastnet.search({}, data, trials=2, study=tmp_path, hidden=np.array([4]), epochs=1, final=0)
    assert again.new_trials == 0, "the study is that of plain numbers"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"timeout": "soon"}, "'soon' is not a time: write 90 or 90s"),
        ({"timeout": -1}, "timeout=-1: must be"),
        ({"timeout": float("nan")}, "timeout=nan: must be"),
        ({"memory": "512 pages"}, "'512 pages' is not an amount of memory"),
        ({"jobs": np.float64(1.5)}, "jobs=1.5: must be a whole number"),
        ({"epochs": np.array([1, 2])}, "epochs=.*must be a whole number"),
    ],
    ids=str,
)
def test_wrong_arguments_get_a_sentence(arguments: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says):
        fastnet.search({}, (X, Y), trials=1, study=tmp_path, **{"hidden": "4", "epochs": 1, "final": 0, **arguments})


def test_train_takes_what_search_takes(tmp_path: Path) -> None:
    config = fastnet.TrainConfig(hidden=(), epochs=1)
    whole = fastnet.train(fastnet.as_dataset(X, Y), config)
    for data in ((X, Y), (X.tolist(), [str(label) for label in Y])):
        assert fastnet.train(data, config).curves.train_loss.tobytes() == whole.curves.train_loss.tobytes()
    np.savez(tmp_path / "d.npz", x=X, y=Y)
    assert fastnet.train(tmp_path / "d.npz", config).epochs_done == 1
    assert fastnet.train(str(tmp_path / "d.npz"), config).epochs_done == 1
    assert len(fastnet.train_ensemble((X, Y), config, networks=2).ensemble.members) == 2
    assert fastnet.train("digits", config).test is not None
    for wrong in ({"epochs": 1}, fastnet.SearchConfig(), "adam"):
        with pytest.raises(ConfigError, match=r"give a fastnet\.TrainConfig"):
            fastnet.train((X, Y), wrong)
    with pytest.raises(ConfigError, match="dataset is a int: give a Dataset"):
        fastnet.train(3)
