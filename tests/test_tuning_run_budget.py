"""The time of a search is the time for everything, and no trial depends on it."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet
from fastnet.config.searching import SearchConfig
from fastnet.tuning import Study, TrialResult
from fastnet.tuning.run.budget import COMPILE_SECONDS, EARLY, FOLDING_SHARE, MARGIN, START_SECONDS, Budget, EndPlan

CONFIG = SearchConfig(final=3, repeats=2, ensemble_top=4, metric="accuracy")


def trial(number: int, value: float, seconds: float, status: str = "done") -> TrialResult:
    curves = np.full((4, 2), value, np.float32)
    return TrialResult.from_curves(number, status, {}, curves, seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def budget(seconds: float | None, config: SearchConfig = CONFIG, threads: int = 2, reserve: float = 0.0) -> Budget:
    return Budget(config, (), threads, 100.0, seconds, 0, lambda trials: reserve)


def test_without_a_limit_nothing_ends_and_nothing_is_shortened(clock: list[float]) -> None:
    free = budget(None)
    free.count([trial(0, 0.5, 1e6)])
    assert free.left == math.inf and not free.is_over() and not free.ends_trials()
    assert free.plan() == EndPlan(3, 2, 4) and free.top_in_time() == 4


def test_the_end_is_estimated_from_the_best_trials(clock: list[float]) -> None:
    some = budget(100.0)
    some.count([trial(i, i / 10, 0.5) for i in range(8)] + [trial(9, 0.99, 9.0, "diverged")])
    # 6 trainings and 4 on two threads, one network to keep
    assert some.seconds_of(EndPlan(3, 2, 4)) == pytest.approx(START_SECONDS + MARGIN * (1.5 + 1.0 + 0.5))
    some.count([trial(10, 1.0, 4.0)])
    # the longest runs beside others: 4 + 5 times a half on two threads end after 4 s or more
    assert some.seconds_of(EndPlan(1, 2, 0)) == pytest.approx(START_SECONDS + MARGIN * (4.0 + 2.0 + COMPILE_SECONDS))
    assert some.seconds_of(EndPlan(0, 0, 0)) == 0.0


def test_trials_end_when_the_end_has_to_begin(clock: list[float]) -> None:
    some = budget(60.0, reserve=2.0)
    clock[0] = 157.9
    assert some.left == pytest.approx(0.1) and not some.ends_trials(), "no trial has ended: the whole time is theirs"
    clock[0] = 158.0
    assert some.ends_trials() and some.is_over()
    clock[0] = 120.0
    some.count([trial(i, 0.5, 0.5) for i in range(4)])
    assert not some.ends_trials()
    clock[0] = 158.0 - 1.2 * some.seconds_of(EndPlan(3, 2, 4))
    assert some.ends_trials() and some.plan() == EndPlan(3, 2, 4), "all of it"


def test_an_end_that_is_too_long_is_shortened_evenly(clock: list[float]) -> None:
    slow = budget(60.0)
    slow.count([trial(i, 0.5, 8.0) for i in range(4)])
    clock[0] = 129.0
    assert not slow.ends_trials()
    clock[0] = 130.0
    assert slow.ends_trials() and slow.plan() == EndPlan(2, 1, 2)
    made = [EndPlan(3, 2, 4), EndPlan(3, 1, 4), EndPlan(3, 1, 3), EndPlan(2, 1, 2), EndPlan(1, 1, 1), EndPlan(1, 1, 0)]
    assert list(dict.fromkeys(slow._plans())) == made
    clock[0] = 160.0
    assert slow.plan() == EndPlan(0, 0, 0) and slow.is_over()
    assert [plan.top for plan in budget(1.0, replace(CONFIG, ensemble_top=0))._plans()][-2:] == [0, 0]
    assert list(budget(1.0, replace(CONFIG, final=0))._plans())[-1] == EndPlan(0, 0, 1)


SEARCH = {"hidden": "16", "epochs": 20, "batch_size": 10, "final": 2, "repeats": 2, "ensemble_top": 3}


def trials_of(folder: Path) -> dict[int, bytes]:
    with Study.read(folder) as study:
        return {trial.id: trial.curves.tobytes() for trial in study.iter_trials(curves=True)}


def test_a_search_that_runs_out_of_time_ends_with_model_and_ensemble(
    tiny_dataset: fastnet.Dataset, tmp_path: Path
) -> None:
    fastnet.search(None, tiny_dataset, study=tmp_path / "warm", trials=2, **SEARCH)
    result = fastnet.search(None, tiny_dataset, study=tmp_path / "s", trials=10**7, timeout="8s", **SEARCH)
    assert result.interrupted and 0 < len(result.trials) < 10**7
    assert result.final is not None and result.final["kept"] is not None and result.ensemble is not None
    assert result.final["trials"] == len(result.trials)
    stored = trials_of(tmp_path / "s")
    some = dict(list(stored.items())[:20])
    free = fastnet.search(None, tiny_dataset, study=tmp_path / "free", trials=20, final=0, **_without(SEARCH))
    assert {trial.id: trial.curves.tobytes() for trial in free.trials if trial.id in some} == some


def _without(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in ("final", "repeats", "ensemble_top")}


def test_what_there_was_no_time_for_is_noted_and_made_up_for(
    tiny_dataset: fastnet.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**SEARCH, "study": tmp_path, "trials": 6}
    with monkeypatch.context() as short:
        short.setattr(Budget, "plan", lambda self: EndPlan(1, 1, 1))
        short.setattr(Budget, "top_in_time", lambda self: 1)
        result = fastnet.search(None, tiny_dataset, timeout=600, **options)
        assert result.final["shortened"] == {"candidates": 1, "repeats": 1} and len(result.final["candidates"]) == 1
        assert result.ensemble_report["shortened"] == 1 and len(result.ensemble_report["members"]) == 1
        again = fastnet.search(None, tiny_dataset, timeout=600, **options)
        assert again.final == result.final and again.ensemble_report == result.ensemble_report, "no more time than then"
    whole = fastnet.search(None, tiny_dataset, study=tmp_path, finish=True)
    assert "shortened" not in whole.final and len(whole.final["candidates"]) == 2
    assert "shortened" not in whole.ensemble_report and len(whole.ensemble_report["members"]) == 3
    assert fastnet.search(None, tiny_dataset, study=tmp_path).final == whole.final


FOLDED = replace(CONFIG, final=0, ensemble_folds=5)


def test_the_end_includes_the_further_folds_of_the_ensemble(clock: list[float]) -> None:
    some = budget(100.0, FOLDED)
    some.count([trial(i, i / 10, 0.5) for i in range(8)])
    assert some.whole == EndPlan(0, 0, 4, 4)
    # 4 trainings again, and 4 for each of 4 trials, all on as many rows, on two threads
    assert some.seconds_of(some.whole) == pytest.approx(START_SECONDS + MARGIN * (1.0 + 4.0))
    three = budget(100.0, replace(FOLDED, ensemble_folds=3))
    three.count([trial(i, i / 10, 0.5) for i in range(8)])
    # 60 % of the rows train, of which 80 % did
    assert three.seconds_of(EndPlan(0, 0, 4, 2)) == pytest.approx(START_SECONDS + MARGIN * (1.0 + 1.5))
    clock[0] = 200.0 - 1.1 * some.seconds_of(some.whole)
    assert some.ends_trials() and some.plan() == some.whole


@pytest.mark.parametrize(("seconds", "further"), [(1.2, 4), (1.5, 3), (2.0, 2), (3.0, 0), (100.0, 0)])
def test_further_folds_that_do_not_fit_into_their_share_are_fewer_or_none(
    seconds: float, further: int, clock: list[float]
) -> None:
    some = budget(60.0, FOLDED)
    some.count([trial(i, 0.5, seconds) for i in range(4)], held=True)
    bare, aimed, one_more = (some.seconds_of(EndPlan(0, 0, 4, n)) for n in (0, further, max(further + 1, 2)))
    assert aimed - bare <= FOLDING_SHARE * 60.0
    assert further == 4 or one_more - bare > FOLDING_SHARE * 60.0, "not fewer than fit"
    kept = EARLY * bare + (aimed - bare)
    for left, ends in ((kept + 1.0, False), (kept, True)):
        clock[0] = 160.0 - left
        assert some.ends_trials() == ends, "the rest of the time trains more trials"


def test_as_many_further_folds_as_fit_into_the_time_left(clock: list[float]) -> None:
    members = [trial(0, 0.9, 1.0), trial(1, 0.8, 1.0), trial(2, 0.7, 1.0), trial(3, 0.6, 1.0)]
    some = budget(60.0, FOLDED)
    some.count(members)
    for left, further in ((10.0, 4), (8.0, 3), (6.0, 2), (5.0, 0), (0.1, 0), (-1.0, 0)):
        clock[0] = 160.0 - left
        assert some.folds_in_time(members) == further
    clock[0] = 154.0
    assert some.folds_in_time(members[:2]) == 4, "fewer trials have more"
    assert some.folds_in_time([trial(9, 0.95, 0.0, "stopped"), *members[:3]]) == 2, "as long as the longest"
    assert budget(60.0, FOLDED).folds_in_time([trial(9, 0.95, 0.0, "stopped")]) == 0, "nothing is known"
    assert budget(None, FOLDED).folds_in_time(members) == 4
