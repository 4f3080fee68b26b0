from __future__ import annotations

from dataclasses import replace

import pytest
from searches import FINAL

from fastnet.errors import ModelError


def test_shares_and_rates_leave_compiling_and_the_final_choice_out(run):
    result = replace(run(), wall_seconds=10.0, compile_seconds=4.0, final_seconds=1.0, compiled_seconds=4.0)
    assert result.trials_per_second == pytest.approx(23 / 5) and result.outside_share == pytest.approx(0.2)
    assert replace(result, compiled_seconds=6.0).outside_share == 0.0, "clocks of two threads differ a little"
    none = replace(result, new_trials=0, wall_seconds=4.0, final_seconds=0.0)
    assert none.trials_per_second == 0.0 == none.outside_share


def test_trials_are_counted_ranked_and_made_a_table(run):
    result = run()
    assert [result.count(status) for status in ("done", "stopped", "diverged")] == [20, 0, 3]
    assert [trial.id for trial in result.best(2)] == [trial.id for trial in result.best()][:2]
    table = result.to_arrow(curves=True)
    assert table.num_rows == 23 and {"id", "status", "learning_rate", "validation_accuracy"} <= set(table.column_names)


def test_recommendation_and_ensemble_are_there_once_they_are_made(run):
    result = run(FINAL)
    assert {item["name"] for item in result.recommendation["ranges"]} == {"learning_rate", "weight_decay"}
    assert result.ensemble is None and replace(result, stages=()).recommendation is None
    lost = replace(result, ensemble_report={"model": "ensemble.safetensors"})
    with pytest.raises(ModelError, match=r"ensemble\.safetensors"):
        _ = lost.ensemble
