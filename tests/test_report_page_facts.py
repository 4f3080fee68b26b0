"""Sentences and facts of the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies import make_columns, make_study

from fastnet.report.page.facts import (
    MOST_RUNS,
    budget,
    cards,
    duration_text,
    kept_words,
    machine,
    setting,
    state,
    time_rows,
    time_words,
    value_text,
)
from fastnet.tuning import Study
from fastnet.tuning.view.columns import DIVERGED, STOPPED, Columns

ENDED = [{"report": {"recommendation": {"words": ""}}}]


def columns_of(*status: int) -> Columns:
    values = np.linspace(0.1, 0.9, len(status))
    columns, _ = make_columns(values[:, None], values, ("dropout",))
    return replace(columns, status=np.array(status, np.int64), seconds=np.arange(1.0, len(status) + 1))


def run(seconds: float = 10.0, **environment: Any) -> dict[str, Any]:
    return {"wall_seconds": seconds, "compile_seconds": 1.0, "compiled_seconds": 6.0, "new_trials": 18,
            "environment": environment}  # fmt: skip


def test_the_budget_counts_trials_by_status() -> None:
    facts = dict(budget(columns_of(0, 0, STOPPED, DIVERGED), [run(), run()], {"train": {"epochs": 1000}}))
    assert facts["trials"] == "4 (2 to the end, 1 stopped early, 1 diverged)"
    assert facts["epochs"] == "20 in total, at most 1,000 for a trial"
    assert (
        facts["time"] == "20.0 s in 2 runs, 2.0 s of it compiling or loading kernels" and facts["speed"] == "2 trials/s"
    )
    assert dict(budget(columns_of(0, 0), [], {})) == {"trials": "2 (all to the end)"}
    assert dict(budget(columns_of(), [], {})) == {"trials": "none yet"}


def test_given_points_are_a_part_of_the_strategy(tmp_path: Path) -> None:
    make_study(tmp_path / "s", 3)
    with Study.read(tmp_path / "s") as study:
        strategy = dict(setting(study, study.settings | {"enqueue": [{}, {}]}))["search"]
        assert strategy.endswith(", 2 given points first")
        assert "given" not in dict(setting(study, study.settings))["search"]


def test_early_runs_are_added_up() -> None:
    rows = time_rows([run(float(k)) for k in range(10, 10 + MOST_RUNS + 3)], columns_of(0, STOPPED, DIVERGED))
    assert len(rows["runs"]) == MOST_RUNS
    assert rows["runs"][0] == {"label": "runs 1 to 4", "compile": 4.0, "trials": 24.0, "rest": 18.0}
    assert rows["runs"][1]["label"] == "run 5"
    assert [part["seconds"] for part in rows["trials"]] == [1.0, 2.0, 3.0]


def test_machines_of_earlier_runs_are_mentioned() -> None:
    assert machine([]) == []
    same, other = run(processor="Abacus 9", threads=1), run(processor="Abacus 8", threads=2)
    assert machine([same, same])[0] == ("machine", "Abacus 9, 1 thread")
    assert machine([other, same])[0][1].endswith("(the last run; earlier ones ran on others)")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ((), ""),
        ((0,), "The median time of a trial on its thread was 1 s, the longest 1 s."),
        ((0, DIVERGED), "Diverged trials took 66.7 % of the time of all trials."),
        ((0, STOPPED, STOPPED), "2 trials stopped early because others were better."),
    ],
)
def test_the_time_of_trials_is_described(status: tuple[int, ...], words: str) -> None:
    assert time_words(columns_of(*status)).endswith(words)


def test_an_unfinished_study_says_so() -> None:
    columns = columns_of(0, 0)
    assert state(columns, ENDED, None, written=True).startswith("A search is writing to this study")
    assert state(columns, [], None, written=False) == "The search has not finished; it has stored 2 trials."
    assert state(columns, ENDED, {"trials": 2}, written=False) == "" == state(columns, ENDED, None, written=False)
    assert (
        state(columns, ENDED, {"trials": 1}, written=False) == "The final choice was made when the study had 1 trial."
    )


def test_the_headline_has_no_luck_with_one_trial_and_nothing_without() -> None:
    assert cards(columns_of(), [], None, 0) == []
    from fastnet.tuning import TrialResult

    curves = np.full((4, 2), 0.5, np.float32)
    best = [TrialResult.from_curves(0, "done", {}, curves, seconds=0.1)]
    notes = [cards(columns_of(*status), best, None, 0)[0]["note"] for status in ((0,), (0, 0))]
    assert notes == ["", "The best of many trials was also lucky: expect less on other data."]


def test_the_network_kept_is_described() -> None:
    kept = {"validation_accuracy": 0.86, "test_accuracy": None, "best_epoch": 5, "settings": {"seed": 77}}
    assert kept_words({}) == "" == kept_words({"kept": None})
    assert kept_words({"kept": kept}).endswith(
        "(77), with the weights of epoch 5: validation accuracy 0.86. The data have no test set."
    )
    tested = kept_words({"kept": kept | {"test_accuracy": 0.853, "test_loss": 0.51}})
    assert tested.endswith("validation accuracy 0.86, test accuracy 0.853, test loss 0.51.")


def test_times_and_values_are_written_for_people() -> None:
    assert [duration_text(seconds) for seconds in (0.04, 59.94, 60, 3599.4, 7200)] == [
        "0.0 s", "59.9 s", "1 min 0 s", "59 min 59 s", "2 h 0 min",
    ]  # fmt: skip
    assert value_text(float("nan")) == value_text(None) == "–"
