"""The rows of a trial in the tables of a study."""

from __future__ import annotations

import json
import sqlite3

import numpy as np
from storing import SETTINGS, TIMES, fill, make_trial

from fastnet.tuning import STUDY_FILE, Study, TrialResult


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
