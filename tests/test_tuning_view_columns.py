"""The trials of a study as columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from studies import make_study

from fastnet.tuning import Study, TrialResult, rank
from fastnet.tuning.view.columns import DIVERGED, Columns


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_columns_rank_as_the_study_does(tmp_path: Path, metric: str) -> None:
    with Study.read(make_study(tmp_path / "s", 60, metric=metric)) as study:
        columns = study.columns()
        ranked = [trial.id for trial in study.iter_trials(order="best")]
    assert columns.id[columns.order()].tolist() == ranked
    goodness = columns.goodness()
    assert (np.diff(goodness[columns.order()]) <= 0).all() and goodness.min() > 0 and goodness.max() < 1
    assert len(set(goodness[columns.status == DIVERGED])) == 1


def test_trials_that_stopped_early_by_themselves_count_as_equally_long() -> None:
    none = np.empty((4, 0), np.float32)
    ended = [("done", 3, 0.9), ("done", 9, 0.8), ("stopped", 8, 0.95), ("stopped", 2, 0.99), ("diverged", 9, np.nan)]
    trials = [
        TrialResult(number, status, {}, value, value, 1, none, 0.1, epochs=epochs)
        for number, (status, epochs, value) in enumerate(ended)
    ]
    columns = Columns.of(trials[::-1], "accuracy")
    assert columns.id[columns.order()].tolist() == [trial.id for trial in rank(trials)] + [4] == [0, 1, 2, 3, 4]
    assert (np.diff(columns.goodness()) < 0).all()


def test_no_trials_are_columns_too() -> None:
    columns = Columns.of((), "loss")
    assert (len(columns), columns.order().tolist(), columns.goodness().tolist(), columns.params) == (0, [], [], {})
    assert len(Columns.joined([], "loss")) == 0
