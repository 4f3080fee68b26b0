"""The tables of the report: texts, and the keys that sort them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastnet.report.page.tables import MISSING, MOST_ROWS, best_table, candidate_table, ensemble_table
from fastnet.tuning import TrialResult


def trial(number: int, value: float, **params: Any) -> TrialResult:
    curves = np.full((4, 3), value, np.float32)
    return TrialResult.from_curves(number, "done", params, curves, seconds=0.25)


def test_the_stage_is_a_column_only_where_there_are_several() -> None:
    trials = [trial(3, 0.8, learning_rate=0.1)]
    plain, staged = (best_table(trials, ["learning_rate"], stages=stages) for stages in (False, True))
    assert set(staged["heads"]) - set(plain["heads"]) == {"stage"}
    for table in (plain, staged):
        assert {len(row) for row in table["rows"]} == {len(table["heads"])}


def test_missing_values_sort_as_nothing_and_choices_as_texts() -> None:
    trials = [trial(0, 0.8, activation="relu"), trial(1, math.nan, activation="tanh"), trial(2, 0.7)]
    table = best_table(trials, ["activation"], stages=False)
    value, activation = table["heads"].index("value"), table["heads"].index("activation")
    assert [row[value] == MISSING for row in table["rows"]] == [False, True, False]
    assert [row[activation] for row in table["rows"]] == [("relu", "relu"), ("tanh", "tanh"), MISSING]
    assert table["texts"] == ["status", "activation"]
    assert float(table["rows"][0][value][1]) == trials[0].value  # with all digits, though fewer are shown


def test_more_trials_than_fit_are_left_out() -> None:
    assert len(best_table([trial(k, 0.5) for k in range(MOST_ROWS + 5)], [], stages=False)["rows"]) == MOST_ROWS


def test_candidates_show_each_seed_and_dashes_for_what_diverged() -> None:
    scores = [
        {"trial": 4, "search_value": 0.9, "mean": 0.85, "sd": 0.01, "low": 0.8, "high": 0.9, "values": [0.84, 0.86],
         "diverged": 0, "params": {"dropout": 0.1}},
        {"trial": 5, "search_value": 0.8, "mean": None, "sd": None, "low": None, "high": None, "values": [None, None],
         "diverged": 2, "params": {}},
    ]  # fmt: skip
    table = candidate_table({"metric": "accuracy", "candidates": scores, "confidence": 0.95, "seeds": {"4": [11, 12]}})
    rows = [dict(zip(table["heads"], row, strict=True)) for row in table["rows"]]
    assert rows[0]["95 % interval"] == ("0.800 to 0.900", "0.8") and rows[0]["seeds"] == ("11, 12", "11, 12")
    assert rows[0]["each seed"][0] == "0.84, 0.86" and rows[1]["each seed"][0] == "diverged, diverged"
    assert all(rows[1][head] == MISSING for head in ("mean", "sd", "95 % interval", "dropout"))


def test_ensembles_are_compared_with_the_best_alone() -> None:
    validation = {
        "best": {"networks": 1, "accuracy": 0.8, "loss": 0.5},
        "greedy": {"networks": 4, "accuracy": 0.9, "loss": 0.4},
    }
    table = ensemble_table({"validation": validation})
    assert [[text for text, _ in row] for row in table["rows"]] == [
        ["the best alone", "1", "0.8", "0.5"], ["greedy", "4", "0.9", "0.4"],
    ]  # fmt: skip
