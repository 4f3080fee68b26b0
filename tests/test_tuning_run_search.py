"""`fastnet.search`: the search as one function, on real networks."""

from __future__ import annotations

import itertools
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet
from fastnet.errors import ConfigError, DataError, StudyError
from fastnet.tuning import Study

X, Y = np.random.Philox(key=1).random_raw(120).reshape(40, 3) % 97 / 97.0, np.arange(40) % 2
SPACE = {"learning_rate": "log:1e-3:1e-1", "hidden": "choice:8,6-4", "optimizer": "choice:sgd,adam"}


def rows(result: fastnet.SearchResult) -> bytes:
    return (
        b"".join(trial.curves.tobytes() for trial in result.trials)
        + repr([(trial.id, trial.params, trial.value, trial.status) for trial in result.trials]).encode()
    )


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"sampler": "sobol"},
        {"pruning": "halving", "pack_size": 9, "first_epochs": 1},
        {"pruning": "median", "pack_size": 5, "first_epochs": 1},
        {"folds": 3},
        {"stages": 3},
        {"stages": 2, "pruning": "halving", "pack_size": 4, "first_epochs": 1, "folds": 2, "metric": "loss"},
    ],
    ids=lambda how: "-".join(map(str, how.values())) or "plain",
)
def test_a_search_is_the_same_on_any_threads_in_any_memory_and_in_parts(digits, tmp_path, how):
    options = {"trials": 18, "epochs": 4, "final": 0, "seed": 3, **how}
    whole = fastnet.search(SPACE, digits, study=tmp_path / "whole", jobs=1, **options)
    assert len(whole.trials) == 18 and not whole.interrupted
    two = fastnet.search(SPACE, digits, study=tmp_path / "two", jobs=2, memory=8_000_000, **options)
    assert rows(two) == rows(whole)
    seen = []
    stopped = fastnet.search(
        SPACE, digits, study=tmp_path / "parts", jobs=2, timeout=0.0, on_progress=seen.append, **options
    )
    assert stopped.interrupted and seen
    resumed = fastnet.search(SPACE, digits, study=tmp_path / "parts", jobs=2, **options)
    assert rows(resumed) == rows(whole)
    if "pruning" in how:
        assert {trial.status for trial in whole.trials} >= {"done", "stopped"}
        assert all(np.isnan(trial.curves[:, trial.epochs :]).all() for trial in whole.trials)


def test_the_final_network_is_trained_tested_once_and_saved(digits, tmp_path):
    options = {"trials": 6, "epochs": 5, "hidden": "16", "final": 2, "repeats": 2, "batch_size": 20}
    space = {"learning_rate": "log:1e-2:1e-1"}
    result = fastnet.search(space, digits, study=tmp_path, jobs=2, **options)
    kept = result.final["kept"]
    model = fastnet.Model.load(tmp_path / "model.safetensors")
    score = model.score(digits.x_test, digits.y_test)
    assert kept["test_accuracy"] == score.value == model.metrics["test_accuracy"]
    assert kept["settings"]["hidden"] == "16" and kept["settings"]["seed"] != 0
    winner = next(row for row in result.final["candidates"] if row["trial"] == result.final["winner"])
    assert kept["settings"]["learning_rate"] == winner["params"]["learning_rate"]
    with Study.read(tmp_path) as study:
        assert len(study.test_uses()) == 1
    before = (tmp_path / "model.safetensors").read_bytes()
    again = fastnet.search(space, digits, study=tmp_path, **options)
    assert again.final == result.final and (tmp_path / "model.safetensors").read_bytes() == before
    with Study.read(tmp_path) as study:
        assert len(study.test_uses()) == 1, "the test set is used once"


def test_no_choice_leaves_the_test_set_alone(digits, tmp_path):
    words = {"hidden": "8", "final": "none", "memory": "2G", "timeout": "10m"}  # as they are typed
    result = fastnet.search(None, digits, trials=3, study=tmp_path, epochs=1, **words)
    assert len(result.trials) == 3 and not result.interrupted
    assert result.final is None and not (tmp_path / "model.safetensors").exists()
    with Study.read(tmp_path) as study:
        assert study.test_uses() == []


def test_trials_do_not_see_the_test_set(digits, tmp_path):
    """With another test set the same trials are done; only the data's fingerprint, and so the study, differs."""
    other = fastnet.as_dataset(
        digits.x,
        digits.y,
        x_test=digits.x_test[::-1][:7],
        y_test=digits.y_test[::-1][:7],
        class_names=digits.class_names,
    )
    options = {"trials": 4, "hidden": "8", "epochs": 2, "final": 0}
    first = fastnet.search(None, digits, study=tmp_path / "a", **options)
    second = fastnet.search(None, other, study=tmp_path / "b", **options)
    assert rows(first) == rows(second)


def test_arrays_names_and_a_validation_set_are_taken(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, y = np.asarray(digits.x), np.asarray(digits.y)
    options = {"trials": 2, "hidden": "8", "epochs": 2, "final": 0}
    result = fastnet.search({}, (x[:100], y[:100]), validation=(x[100:], y[100:]), **options)
    assert result.trials[0].params == {} and Path("studies/001/study.sqlite").is_file()
    with pytest.raises(StudyError, match="rows"):
        fastnet.search({}, (x, y), study="studies/001", **options)
    with pytest.raises(ConfigError, match="folds=3: the samples that validate are given"):
        fastnet.search({}, (x[:100], y[:100]), validation=(x[100:], y[100:]), folds=3, **options)
    named = fastnet.search(None, "mnist5k", study="named", **{**options, "trials": 1})
    assert sorted(named.trials[0].params) == ["learning_rate", "weight_decay"]
    assert result.to_arrow().num_rows == 2


@pytest.mark.parametrize(
    ("space", "settings", "sentence"),
    [
        ({}, {"epoch": 3}, "unknown setting 'epoch' of a search; did you mean epochs?"),
        (
            {"learning_rate": "log:1e-3:1"},
            {"learning_rate": 0.1},
            "learning_rate is searched and has the fixed value 0.1",
        ),
        ({"learning_rate": "lag:1:2"}, {}, "write a range as"),
        ({}, {"hidden": "100x"}, "write widths such as"),
        ({}, {"folds": 1}, "folds=1: must be a whole number from 2"),
        ({}, {"pruning": "hyperband"}, "must be one of none, halving, median"),
        ({}, {"memory": 1000}, "memory=1000 B: one network at a time needs"),
        ({}, {"early_stopping": 0}, "early_stopping=0: must be a whole number from 1"),
        ({}, {"stages": 5}, "stages=5: 4 trials cannot be shared"),
    ],
)
def test_wrong_settings_are_refused_with_a_sentence(digits, tmp_path, space, settings, sentence):
    with pytest.raises(ConfigError, match=sentence.replace("?", r"\?").replace("(", r"\(")):
        fastnet.search(space, digits, trials=4, study=tmp_path, **settings)


def test_data_of_no_known_kind_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="data is a int: give a Dataset"):
        fastnet.search({}, 3, study=tmp_path)
    with pytest.raises(DataError):
        fastnet.search({}, ([[1.0]], [0, 1]), study=tmp_path)


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


def test_a_clock_that_jumps_changes_nothing(digits, tmp_path, monkeypatch):
    options = {"trials": 6, "epochs": 2, "hidden": "8", "final": 1, "repeats": 1, "stages": 2, "timeout": 600.0}
    whole = fastnet.search(None, digits, study=tmp_path / "whole", **options)
    real, jumps = time.time, itertools.cycle((36_000.0, -36_000.0))

    class Jumping(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.fromtimestamp(time.time(), tz)

    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))
    monkeypatch.setattr("fastnet.tuning.store.records.datetime", Jumping)
    result = fastnet.search(None, digits, study=tmp_path / "jumped", **options)
    assert rows(result) == rows(whole) and not result.interrupted
    assert min(trial.seconds for trial in result.trials) >= 0.0 and 0.0 <= result.wall_seconds < 600.0
    with Study.read(tmp_path / "jumped") as study:
        assert study.final() is not None and all(run["wall_seconds"] >= 0.0 for run in study.runs())
        assert abs(datetime.fromisoformat(study.created).timestamp() - real()) > 10_000.0
