"""The rows of a trial in the tables of a study."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import numpy as np
import pytest
from storing import SETTINGS, TIMES, fill, make_trial

from fastnet.tuning import STUDY_FILE, Study, TrialResult
from fastnet.tuning.store.documents import Rules
from fastnet.tuning.store.records import as_json, curves_row, describe_differences, trial_from, trial_row


def test_the_file_holds_what_its_documentation_says(tmp_path):
    fill(tmp_path, [4])
    connection = sqlite3.connect(tmp_path / STUDY_FILE)
    meta = dict(connection.execute("SELECT key, value FROM meta"))
    assert meta["settings"] == json.dumps(SETTINGS, sort_keys=True, separators=(",", ":"))
    assert len(meta["settings_sha256"]) == 64
    blob = connection.execute("SELECT curves FROM curves WHERE id = 4").fetchone()[0]
    np.testing.assert_array_equal(np.frombuffer(blob, "<f4").reshape(4, 3), make_trial(4).curves)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA application_id").fetchone() == (0x666E6574,)
    connection.close()


def test_a_trial_takes_under_150_bytes_without_its_curves_and_16_more_for_each_epoch_that_ran(tmp_path):
    params = {"learning_rate": 0.00123457, "weight_decay": 3.85914e-07}
    curves = np.full((4, 50), np.nan, np.float32)
    curves[:, :10] = np.float32(0.123456)
    trials = [TrialResult.from_curves(i, "stopped", params, curves, seconds=0.123456789) for i in range(5000)]
    sizes = {}
    for keep in (False, True):
        with Study.open(tmp_path / str(keep), SETTINGS, curves=keep) as study:
            study.append(trials, run=study.begin_run({}), **TIMES)
        sizes[keep] = (tmp_path / str(keep) / STUDY_FILE).stat().st_size / 5000
    assert sizes[False] < 150
    assert sizes[True] - sizes[False] < 200


@pytest.mark.parametrize(
    ("curves", "planned", "stored"),
    [
        (np.ones((4, 3)), 3, 3),
        (np.full((4, 3), np.nan), 3, 0),
        (np.where(np.arange(5) < 2, 1.0, np.nan) * np.ones((4, 1)), 5, 2),
        (np.array([[1.0, 2.0, np.nan], [np.nan] * 3, [1.0, np.nan, np.nan], [1.0, np.nan, np.nan]]), 3, 2),
        (np.ones((4, 0)), 0, 0),
    ],
    ids=["whole", "nothing", "stopped", "cut in an epoch", "no columns"],
)
def test_curves_are_stored_up_to_the_last_epoch_with_a_measurement(curves: Any, planned: int, stored: int) -> None:
    curves = curves.astype(np.float32)
    epochs = int(np.isfinite(curves[2]).sum())
    trial = TrialResult(5, "done", {}, 0.5, 0.5, 1, curves, 0.1, epochs=epochs)
    number, all_epochs, blob = curves_row(trial)
    assert (number, all_epochs, len(blob)) == (5, planned, 16 * stored)
    row = (5, 1, "done", "{}", 0.5, 0.5, epochs and 1, epochs, 0.1, all_epochs, blob)
    read = trial_from(row, Rules({"space": {}, "train": {"epochs": planned}} if planned else {"space": {}}))
    assert read.curves.tobytes() == curves.tobytes()


def test_a_trial_without_curves_has_no_columns() -> None:
    trial = make_trial(3)
    row = trial_row(trial)
    read = trial_from(row, Rules({}))
    assert read.curves.shape == (4, 0) and (read.id, read.value, read.params) == (3, trial.value, trial.params)
    assert trial_from((*row, None, None), Rules({})).curves.shape == (4, 0), "the curves of this trial were not stored"


def test_json_is_sorted_or_in_the_order_given() -> None:
    assert as_json({"b": 1, "a": [0.1, None]}) == '{"a":[0.1,null],"b":1}'
    assert as_json({"b": 1, "a": 2}, ordered=True) == '{"b":1,"a":2}'
    with pytest.raises(ValueError):
        as_json({"a": float("nan")})


def test_differences_between_settings_are_named_briefly() -> None:
    old = {"train": {"epochs": 50, "seed": 0}, "data": "ab" * 32, "folds": None}
    new = {"train": {"epochs": 9, "seed": 0}, "data": "cd" * 32, "folds": None, "results": 2}
    expected = f"data {'ab' * 6} -> {'cd' * 6}, epochs 50 -> 9, results none -> 2"
    assert describe_differences(old, new) == expected
    assert describe_differences(old, old) == ""
