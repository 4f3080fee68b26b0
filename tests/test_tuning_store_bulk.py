"""Trials read as columns: the same as one by one, and as careful."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from studies import make_study

from fastnet.errors import StudyError
from fastnet.tuning import Study
from fastnet.tuning.store import bulk
from fastnet.tuning.store.folder import STUDY_FILE
from fastnet.tuning.view.columns import Columns, values_of

SPACE = {
    "learning_rate": "log:1e-4:1",
    "depth": "int:1:4",
    "optimizer": "choice:sgd,adam",
    "dropout": "choice:0,0.5",
}


def same(one: Columns, other: Columns) -> bool:
    fields = ("id", "stage", "status", "epochs", "value", "seconds")
    pairs = [(getattr(one, name), getattr(other, name)) for name in fields]
    pairs += [(one.params[name], other.params[name]) for name in other.params]
    return one.params.keys() == other.params.keys() and all(
        a.dtype == b.dtype and (a.tolist() == b.tolist() or np.array_equal(a, b, equal_nan=True)) for a, b in pairs
    )


@pytest.mark.parametrize("rows", [1, 7, 4096])
def test_columns_are_the_trials_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(bulk, "ROWS", rows)
    with Study.read(make_study(tmp_path / "s", 50, space=SPACE, stages=2)) as study:
        for stage in (None, 1, 2, 3):
            trials = list(study.iter_trials(stage=stage))
            assert same(study.columns(stage=stage), Columns.of(trials[::-1], study.metric))
        assert any(math.isnan(value) for value in study.columns().value)
        kinds = {name: values.dtype.kind for name, values in study.columns().params.items()}
    assert kinds == {"learning_rate": "f", "depth": "i", "optimizer": "O", "dropout": "f"}


def test_a_study_without_settings_has_columns_too(tmp_path: Path) -> None:
    with Study.read(make_study(tmp_path / "from", 20, space=SPACE)) as study:
        trials = list(study.iter_trials(curves=True))
    trials[3] = replace(trials[3], params={"units": 7})
    with Study.open(tmp_path / "s", {"seed": 0}) as study:
        run = study.begin_run({})
        study.append(trials, run=run, wall_seconds=1.0, compile_seconds=0.0, compiled_seconds=1.0)
        columns = study.columns()
    assert same(columns, Columns.of(trials, "accuracy"))
    assert columns.of_name("units").tolist() == [None] * 3 + [7] + [None] * 16
    assert columns.of_name("momentum").tolist() == [None] * 20


@pytest.mark.parametrize(
    "change",
    [
        "status = 'lost'",
        "value = 'much'",
        "value = NULL, status = 'done'",
        "value = 9e999",
        "epochs = -1",
        "best_epoch = 1.5",
        "stage = 0",
        "seconds = -1.0",
        "params = '{'",
        "params = '[1,2,3,4]'",
        "params = 7",
        "params = '{},{}'",
        "params = replace(params, 'depth', 'width')",
        "params = replace(replace(params, 'sgd', 'adagrad'), 'adam', 'adagrad')",
        "params = replace(params, '\"depth\":', '\"depth\":0.')",
    ],
)
def test_a_damaged_trial_is_found_by_its_number(tmp_path: Path, change: str) -> None:
    folder = make_study(tmp_path / "s", 12, space=SPACE, diverge=2.0)
    with sqlite3.connect(folder / STUDY_FILE) as connection:
        connection.execute(f"UPDATE trials SET {change} WHERE id = 5")
    connection.close()
    with Study.read(folder) as study, pytest.raises(StudyError, match="trial 5"):
        study.columns()


def test_texts_are_kept_once() -> None:
    values = values_of(["ad" + "am" * (k < 9) for k in range(10)])
    assert values[0] is values[8] and values.tolist() == ["adam"] * 9 + ["ad"]
    assert values_of([]).dtype == object and values_of([1, 1.0]).tolist() == [1, 1.0]
    assert [type(value) for value in values_of([1, 1.0]).tolist()] == [int, float]
