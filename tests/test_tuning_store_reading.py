"""What a study answers: rankings, filters, stages, the final choice; its trials as a sequence; its removal."""

from __future__ import annotations

import os
import sqlite3
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fastnet.errors import ConfigError, StudyError
from fastnet.tuning import STUDY_FILE, Space, StoredTrials, Study, TrialResult, find_studies, is_being_written, rank
from fastnet.tuning.rules.narrowing import narrow
from fastnet.tuning.store.folder import remove_study

SETTINGS = {"space": {"learning_rate": "log:1e-6:1e-2", "hidden": "choice:8,16x2"}, "metric": "accuracy"}
TIMES = {"wall_seconds": 2.0, "compile_seconds": 0.5, "compiled_seconds": 1.0}
EPOCHS = 6
CANDIDATE = {"trial": 5, "params": {"learning_rate": 0.01}, "search_value": 0.9, "values": [0.8, None], "mean": 0.8}
CANDIDATE |= {"sd": None, "low": None, "high": None, "diverged": 1}
FINAL = {"metric": "accuracy", "confidence": 0.95, "candidates": [CANDIDATE], "words": "trial 5 wins", "kept": None}


def make_trial(number: int, metric: str = "accuracy") -> TrialResult:
    """Every fifth trial diverges, every third that does not is stopped after two epochs; last values are tied."""
    rng = np.random.default_rng(number)
    curves = rng.random((4, EPOCHS)).astype(np.float32)
    curves[2:, -1] = np.float32(number % 4) / np.float32(10)
    status = "diverged" if number % 5 == 4 else "stopped" if number % 3 == 2 else "done"
    if status != "done":
        curves[:, 2:] = np.nan
    params = {"learning_rate": float(rng.random()), "hidden": ("8", "16x2")[number % 2]}
    stage = 1 + number // 20
    return TrialResult.from_curves(number, status, params, curves, seconds=0.5, stage=stage, metric=metric)


def fill(folder: Path, n: int = 40, metric: str = "accuracy", **options: bool) -> Path:
    with Study.open(folder, SETTINGS | {"metric": metric}, about={"data": "tiny"}, **options) as study:
        study.append([make_trial(i, metric) for i in range(n)], run=study.begin_run({}), **TIMES)
    return folder


def ids(trials: object) -> list[int]:
    return [trial.id for trial in trials]  # type: ignore[attr-defined]


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_the_best_are_those_of_rank(tmp_path: Path, metric: str) -> None:
    trials = [make_trial(i, metric) for i in range(40)]
    with Study.read(fill(tmp_path, metric=metric)) as study:
        expected = ids(rank(trials, metric))
        assert len(expected) == 32 and ids(study.best(100)) == expected and ids(study.best(3)) == expected[:3]
        assert ids(study.iter_trials(order="best"))[:32] == expected
        assert {trial.status for trial in study.iter_trials(order="best") if trial.id not in expected} == {"diverged"}
        done = [trial.value for trial in trials if trial.status == "done"]
        assert study.best_value() == (max(done) if metric == "accuracy" else min(done))
        best = study.best(1)[0]
        np.testing.assert_array_equal(best.curves, trials[best.id].curves)
        assert study.best(1, curves=False)[0].curves.shape == (4, 0)


def test_trials_come_back_equal_with_their_curves_and_without(tmp_path: Path) -> None:
    with Study.read(fill(tmp_path)) as study:
        for curves in (True, False):
            for trial, made in zip(study.iter_trials(curves=curves), map(make_trial, range(40)), strict=True):
                for name in ("id", "status", "params", "best_epoch", "epochs", "stage", "seconds"):
                    assert getattr(trial, name) == getattr(made, name)
                np.testing.assert_equal([trial.value, trial.best_value], [made.value, made.best_value])
                assert list(trial.params) == ["hidden", "learning_rate"]
                if curves:
                    np.testing.assert_array_equal(trial.curves, made.curves)


@pytest.mark.parametrize("order", ["value", "best_value", "seconds", "stage", "status", "learning_rate", "hidden"])
def test_trials_are_ordered_by_any_column(tmp_path: Path, order: str) -> None:
    with Study.read(fill(tmp_path)) as study:
        trials = list(study.iter_trials(order=order))
    keys = [trial.params[order] if order in trial.params else getattr(trial, order) for trial in trials]
    keys = [key for key in keys if key == key]  # without NaN, which comes last
    assert len(trials) == 40 and keys == sorted(keys, reverse=order in ("value", "best_value"))
    same = [(a.id, b.id) for a, b in pairwise(trials) if order == "seconds"]
    assert all(a < b for a, b in same)


def test_trials_are_filtered_by_stage_and_status(tmp_path: Path) -> None:
    with Study.read(fill(tmp_path)) as study:
        assert ids(study.iter_trials(stage=2)) == list(range(20, 40))
        stopped = [trial.id for trial in map(make_trial, range(40)) if trial.status == "stopped"]
        assert ids(study.iter_trials(status="stopped")) == stopped
        assert ids(study.iter_trials(status="stopped", stage=1, limit=2)) == stopped[:2]
        assert (study.count(), study.count("stopped"), study.count("gone")) == (40, len(stopped), 0)
        assert study.param_types() == {"hidden": "text", "learning_rate": "real"}
        with pytest.raises(ConfigError, match=r"sort='colour': must be one of best, id, .*hidden, learning_rate"):
            next(study.iter_trials(order="colour"))


def test_one_trial_by_its_number(tmp_path: Path) -> None:
    with Study.read(fill(tmp_path)) as study:
        assert study.trial(7).id == 7 and study.trial(7).curves.shape == (4, EPOCHS)
        with pytest.raises(StudyError, match="no trial 40; the study has 40 trials"):
            study.trial(40)


def test_curves_may_be_left_out(tmp_path: Path) -> None:
    with Study.read(fill(tmp_path, curves=False)) as study:
        trial, made = study.best(1)[0], rank([make_trial(i) for i in range(40)])[0]
        assert trial.curves.shape == (4, 0) and (trial.epochs, trial.value) == (made.epochs, made.value)
    with Study.open(tmp_path, SETTINGS, curves=True) as study:  # it is not part of what a study is
        study.append([make_trial(i) for i in range(50)], run=study.begin_run({}), **TIMES)
        assert study.trial(45).curves.shape == (4, EPOCHS)


def test_stages_are_stored_and_completed(tmp_path: Path) -> None:
    space = {"learning_rate": "log:1e-6:1e-2", "hidden": "choice:8,16x2"}
    report = narrow(Space.parse(space), map(make_trial, range(20))).to_dict()
    with Study.open(tmp_path, SETTINGS) as study:
        study.append_stage(1, 0, 20, space)
        study.append_stage(2, 20, 20, space)
        study.append_stage(1, 0, 20, space, report)
    with Study.read(tmp_path) as study:
        first, second = study.stages()
    assert first == {"number": 1, "first": 0, "count": 20, "space": space, "report": report}
    assert (second["number"], second["report"]) == (2, None)


def test_the_final_choice_and_every_use_of_the_test_set_are_stored(tmp_path: Path) -> None:
    with Study.open(tmp_path, SETTINGS) as study:
        assert study.final() is None and study.test_uses() == []
        study.set_final(FINAL)
        study.set_final({**FINAL, "test_accuracy": 0.91})
        study.note_test_use({"trial": 5})
        study.note_test_use({"trial": 7})
    with Study.read(tmp_path) as study:
        final = study.final()
        assert final is not None and final.pop("decided").endswith("+00:00")
        assert final == {**FINAL, "test_accuracy": 0.91}
        assert [use["trial"] for use in study.test_uses()] == [5, 7]
        assert all(use["at"].endswith("+00:00") for use in study.test_uses())
        assert study.created.endswith("+00:00") and len(study.settings_sha256) == 64
    with Study.open(tmp_path, SETTINGS, fresh=True) as study:
        assert (study.final(), study.test_uses(), study.stages()) == (None, [], [])


def test_stored_trials_are_a_sequence_that_outlives_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fill(Path("s"))
    with Study.read(Path("s")) as study:
        stored = study.trials()
    monkeypatch.chdir("/")
    assert len(stored) == 40 and ids(stored) == list(range(40))
    assert (stored[0].id, stored[-1].id, ids(stored[5:30:10])) == (0, 39, [5, 15, 25])
    assert stored[3].curves.shape == (4, EPOCHS) and ids(stored.iterate(stage=2, status="done"))[0] == 21
    assert ids(stored.best(2)) == ids(rank([make_trial(i) for i in range(40)])[:2])
    assert stored.count_status("diverged") == 8
    with pytest.raises(IndexError):
        stored[40]


def test_reading_trials_takes_memory_that_does_not_grow(tmp_path: Path) -> None:
    curves = np.zeros((4, 50), np.float32)
    with Study.open(tmp_path, SETTINGS) as study:
        params = make_trial(0).params
        trials = (TrialResult.from_curves(i, "done", params, curves, seconds=0.0) for i in range(3000))
        study.append(trials, run=study.begin_run({}), **TIMES)
    tracemalloc.start()
    try:
        assert sum(trial.epochs for trial in StoredTrials(tmp_path)) == 150_000
        assert tracemalloc.get_traced_memory()[1] < 300_000, "all curves would be 2.4 MB"
    finally:
        tracemalloc.stop()


def test_a_reader_sees_one_moment_while_a_search_writes(tmp_path: Path) -> None:
    fill(tmp_path, 10)
    with Study.read(tmp_path) as reader, Study.open(tmp_path, SETTINGS) as writer:
        trials = reader.iter_trials()
        seen = [next(trials).id]
        writer.append([make_trial(i) for i in range(10, 20)], run=writer.begin_run({}), **TIMES)
        seen += ids(trials)
        assert seen == list(range(10)) and reader.count() == 20


def test_reading_leaves_nothing_behind_and_can_write_nothing(tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in fill(tmp_path).iterdir()}
    with Study.read(tmp_path) as study:
        assert len(list(study.iter_trials())) == 40
        with pytest.raises(StudyError, match="read-only"):
            study.note_test_use({})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


# The folder -----------------------------------------------------------------------------------------------------------


def test_studies_are_found_by_number_then_by_name(tmp_path: Path) -> None:
    for name in ("010", "9", "b", "a", "1000"):
        fill(tmp_path / name, 1)
    (tmp_path / "011").mkdir()
    (tmp_path / "notes").write_text("")
    assert [folder.name for folder in find_studies(tmp_path)] == ["9", "010", "1000", "a", "b"]
    assert find_studies(tmp_path / "a") == [tmp_path / "a"]
    with pytest.raises(StudyError, match="no such folder"):
        find_studies(tmp_path / "nowhere")


def test_whether_a_study_is_being_written_is_told(tmp_path: Path) -> None:
    assert not is_being_written(tmp_path)
    with Study.open(tmp_path, SETTINGS):
        assert is_being_written(tmp_path)
    assert not is_being_written(tmp_path)


def test_removing_a_study_removes_what_a_search_wrote_and_nothing_else(tmp_path: Path) -> None:
    folder = fill(tmp_path / "s", 3)
    for name in ("best20.png", "model.safetensors"):
        (folder / name).write_bytes(b"it")
    (folder / "notes.txt").write_text("mine")
    assert remove_study(folder) == ["notes.txt"]
    assert [entry.name for entry in folder.iterdir()] == ["notes.txt"]
    (folder / "notes.txt").unlink()
    fill(folder, 3)
    assert remove_study(folder) == [] and not folder.exists()


def test_what_is_not_a_study_is_not_removed(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no study found"):
        remove_study(tmp_path)
    connection = sqlite3.connect(tmp_path / STUDY_FILE)
    connection.execute("CREATE TABLE mine (id)")
    connection.close()
    with pytest.raises(StudyError, match="an SQLite file but not a study; nothing was removed"):
        remove_study(tmp_path)
    (tmp_path / STUDY_FILE).write_text("something else entirely" * 100)
    with pytest.raises(StudyError, match="not a study but some other file"):
        remove_study(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [STUDY_FILE]


def test_a_study_being_written_is_not_removed(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    with Study.open(tmp_path, SETTINGS) as study:
        with pytest.raises(StudyError, match="another search is writing to this study"):
            remove_study(tmp_path)
        assert study.count() == 3


def test_a_study_of_an_old_format_and_one_never_started_can_be_removed(tmp_path: Path) -> None:
    fill(tmp_path / "old", 3)
    connection = sqlite3.connect(tmp_path / "old" / STUDY_FILE)
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / STUDY_FILE).touch()
    assert remove_study(tmp_path / "old") == remove_study(tmp_path / "empty") == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="links are a POSIX thing")
def test_a_link_to_a_study_is_not_removed(tmp_path: Path) -> None:
    fill(tmp_path / "s", 3)
    (tmp_path / "link").symlink_to(tmp_path / "s")
    with pytest.raises(StudyError, match="nothing was removed"):
        remove_study(tmp_path / "link")
    assert (tmp_path / "s" / STUDY_FILE).is_file()
