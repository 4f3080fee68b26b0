"""Queries of a study: rankings, filters, stages, the final choice."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from storing import MIXED, MIXED_EPOCHS, TIMES, fill_mixed, ids, mixed_trial

from fastnet.errors import ConfigError, StudyError
from fastnet.tuning import Space, Study, rank
from fastnet.tuning.rules.narrowing import narrow

CANDIDATE = {"trial": 5, "params": {"learning_rate": 0.01}, "search_value": 0.9, "values": [0.8, None], "mean": 0.8}
CANDIDATE |= {"sd": None, "low": None, "high": None, "diverged": 1}
FINAL = {"metric": "accuracy", "confidence": 0.95, "candidates": [CANDIDATE], "words": "trial 5 wins", "kept": None}


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_the_best_are_those_of_rank(tmp_path: Path, metric: str) -> None:
    trials = [mixed_trial(i, metric) for i in range(40)]
    with Study.read(fill_mixed(tmp_path, metric=metric)) as study:
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
    with Study.read(fill_mixed(tmp_path)) as study:
        for curves in (True, False):
            for trial, made in zip(study.iter_trials(curves=curves), map(mixed_trial, range(40)), strict=True):
                for name in ("id", "status", "params", "best_epoch", "epochs", "stage", "seconds"):
                    assert getattr(trial, name) == getattr(made, name)
                np.testing.assert_equal([trial.value, trial.best_value], [made.value, made.best_value])
                assert list(trial.params) == ["hidden", "learning_rate"]
                if curves:
                    np.testing.assert_array_equal(trial.curves, made.curves)


@pytest.mark.parametrize("order", ["value", "best_value", "seconds", "stage", "status", "learning_rate", "hidden"])
def test_trials_are_ordered_by_any_column(tmp_path: Path, order: str) -> None:
    with Study.read(fill_mixed(tmp_path)) as study:
        trials = list(study.iter_trials(order=order))
    keys = [trial.params[order] if order in trial.params else getattr(trial, order) for trial in trials]
    keys = [key for key in keys if key == key]  # without NaN, which comes last
    assert len(trials) == 40 and keys == sorted(keys, reverse=order in ("value", "best_value"))
    same = [(a.id, b.id) for a, b in pairwise(trials) if order == "seconds"]
    assert all(a < b for a, b in same)


def test_trials_are_filtered_by_stage_and_status(tmp_path: Path) -> None:
    with Study.read(fill_mixed(tmp_path)) as study:
        assert ids(study.iter_trials(stage=2)) == list(range(20, 40))
        stopped = [trial.id for trial in map(mixed_trial, range(40)) if trial.status == "stopped"]
        assert ids(study.iter_trials(status="stopped")) == stopped
        assert ids(study.iter_trials(status="stopped", stage=1, limit=2)) == stopped[:2]
        assert ids(study.iter_trials(first=5, every=16)) == [16, 32]
        assert (study.count(), study.count("stopped"), study.count("gone")) == (40, len(stopped), 0)
        assert study.param_types() == {"hidden": "text", "learning_rate": "real"}
        with pytest.raises(ConfigError, match=r"sort='colour': must be one of best, id, .*hidden, learning_rate"):
            next(study.iter_trials(order="colour"))


def test_one_trial_by_its_number(tmp_path: Path) -> None:
    with Study.read(fill_mixed(tmp_path)) as study:
        assert study.trial(7).id == 7 and study.trial(7).curves.shape == (4, MIXED_EPOCHS)
        with pytest.raises(StudyError, match="no trial 40; the study has 40 trials"):
            study.trial(40)
        assert study.trial_at(39).id == 39
        for position in (40, -1):
            with pytest.raises(IndexError):
                study.trial_at(position)


def test_curves_may_be_left_out(tmp_path: Path) -> None:
    with Study.read(fill_mixed(tmp_path, curves=False)) as study:
        trial, made = study.best(1)[0], rank([mixed_trial(i) for i in range(40)])[0]
        assert trial.curves.shape == (4, 0) and (trial.epochs, trial.value) == (made.epochs, made.value)
    with Study.open(tmp_path, MIXED, curves=True) as study:  # it is not part of what a study is
        study.append([mixed_trial(i) for i in range(50)], run=study.begin_run({}), **TIMES)
        assert study.trial(45).curves.shape == (4, MIXED_EPOCHS)


def test_stages_are_stored_and_completed(tmp_path: Path) -> None:
    space = {"learning_rate": "log:1e-6:1e-2", "hidden": "choice:8,16x2"}
    report = narrow(Space.parse(space), map(mixed_trial, range(20))).to_dict()
    with Study.open(tmp_path, MIXED) as study:
        study.append_stage(1, 0, 20, space)
        study.append_stage(2, 20, 20, space)
        study.append_stage(1, 0, 20, space, report)
    with Study.read(tmp_path) as study:
        first, second = study.stages()
    assert first == {"number": 1, "first": 0, "count": 20, "space": space, "report": report}
    assert (second["number"], second["report"]) == (2, None)


def test_the_final_choice_and_every_use_of_the_test_set_are_stored(tmp_path: Path) -> None:
    with Study.open(tmp_path, MIXED) as study:
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
    with Study.open(tmp_path, MIXED, fresh=True) as study:
        assert (study.final(), study.test_uses(), study.stages()) == (None, [], [])


def test_a_reader_sees_one_moment_while_a_search_writes(tmp_path: Path) -> None:
    fill_mixed(tmp_path, 10)
    with Study.read(tmp_path) as reader, Study.open(tmp_path, MIXED) as writer:
        trials = reader.iter_trials()
        seen = [next(trials).id]
        writer.append([mixed_trial(i) for i in range(10, 20)], run=writer.begin_run({}), **TIMES)
        seen += ids(trials)
        assert seen == list(range(10)) and reader.count() == 20
