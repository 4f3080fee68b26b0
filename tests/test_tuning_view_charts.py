"""The data of the report's charts."""

from __future__ import annotations

import numpy as np
import pytest
from studies import make_columns

from fastnet.tuning.view import charts


def test_all_trials_are_drawn_up_to_a_number_then_the_best_and_an_even_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    value = np.random.default_rng(8).random(5000)
    columns, _ = make_columns(value[:, None], value, ("dropout",))
    assert charts.drawn(columns.take(np.arange(2000)), np.arange(2000)).tolist() == list(range(2000))
    chosen = charts.drawn(columns, columns.order())
    assert len(chosen) == charts.MOST_POINTS and len(set(chosen.tolist())) == len(chosen)
    assert set(columns.order()[: charts.BEST_POINTS]) <= set(chosen)
    others = np.setdiff1d(chosen, columns.order()[: charts.BEST_POINTS])
    assert np.diff(others).max() < 12, "the others are evenly spread"


def test_long_curves_are_thinned_and_keep_their_last_epoch() -> None:
    from fastnet.tuning import TrialResult

    curves = np.linspace(0, 1, 4000, dtype=np.float32).reshape(4, 1000)
    found = charts.curves([TrialResult.from_curves(0, "done", {}, curves, seconds=0.1)])
    assert found is not None
    assert found["step"] == 5 and found["epochs"][-1] == 1000 and len(found["epochs"]) == charts.MOST_EPOCHS
    assert found["trials"][0]["validation_score"][-1] == 1.0
