"""The trials of a study as a sequence that stays in its file."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from storing import MIXED, MIXED_EPOCHS, TIMES, fill_mixed, ids, mixed_trial

from fastnet.tuning import StoredTrials, Study, TrialResult, rank


def test_stored_trials_are_a_sequence_that_outlives_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fill_mixed(Path("s"))
    with Study.read(Path("s")) as study:
        stored = study.trials()
    monkeypatch.chdir("/")
    assert len(stored) == 40 and ids(stored) == list(range(40))
    assert (stored[0].id, stored[-1].id, ids(stored[5:30:10])) == (0, 39, [5, 15, 25])
    slices = (slice(None), slice(-3, None), slice(9, 5), slice(30, 3, -1), slice(None, None, -7), slice(4, 5))
    assert [ids(stored[some]) for some in slices] == [list(range(40)[some]) for some in slices]
    assert stored[3].curves.shape == (4, MIXED_EPOCHS) and ids(stored.iterate(stage=2, status="done"))[0] == 21
    assert ids(stored.best(2)) == ids(rank([mixed_trial(i) for i in range(40)])[:2])
    assert stored.count_status("diverged") == 8
    with pytest.raises(IndexError):
        stored[40]


def test_reading_trials_takes_memory_that_does_not_grow(tmp_path: Path) -> None:
    curves = np.zeros((4, 50), np.float32)
    with Study.open(tmp_path, MIXED) as study:
        params = mixed_trial(0).params
        trials = (TrialResult.from_curves(i, "done", params, curves, seconds=0.0) for i in range(3000))
        study.append(trials, run=study.begin_run({}), **TIMES)
    tracemalloc.start()
    try:
        assert sum(trial.epochs for trial in StoredTrials(tmp_path)) == 150_000
        assert tracemalloc.get_traced_memory()[1] < 300_000, "all curves would be 2.4 MB"
    finally:
        tracemalloc.stop()
