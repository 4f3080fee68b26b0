"""The trials of a study as columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from studies import make_study

from fastnet.tuning import Study
from fastnet.tuning.view.columns import DIVERGED


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_columns_rank_as_the_study_does(tmp_path: Path, metric: str) -> None:
    with Study.read(make_study(tmp_path / "s", 60, metric=metric)) as study:
        columns = study.columns()
        ranked = [trial.id for trial in study.iter_trials(order="best")]
    assert columns.id[columns.order()].tolist() == ranked
    goodness = columns.goodness()
    assert (np.diff(goodness[columns.order()]) <= 0).all() and goodness.min() > 0 and goodness.max() < 1
    assert len(set(goodness[columns.status == DIVERGED])) == 1
