from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from runs import FakeEngine

from fastnet.config.searching import SearchConfig
from fastnet.config.training import TrainConfig
from fastnet.data import as_dataset
from fastnet.errors import ConfigError, StudyError
from fastnet.report import to_rows
from fastnet.training import loop
from fastnet.tuning import Progress, SearchResult, Study, run_study
from fastnet.tuning.run import session

EPOCHS = 4
CONFIG = SearchConfig(trials=23, final=0, train=TrainConfig(epochs=EPOCHS, seed=5))


def curves_of(trial: int, learning_rate: float) -> np.ndarray:
    """Curves that follow from the number and the parameters of a trial alone, with ties of the last accuracy."""
    curves = np.random.default_rng(trial).random((4, EPOCHS)).astype(np.float32)
    curves[3, -1] = np.float32(round(learning_rate * 1000) % 5) / np.float32(10)
    return curves


class FakeRun:
    """A pack that trains nothing and finishes a few trials at each look, in shuffled order; every 7th diverges."""

    def __init__(self, ids: np.ndarray, params: list[dict], order_seed: int = 0, folds: int = 1) -> None:
        n = len(ids) * folds
        self.curves = np.full((n, 4, EPOCHS), np.nan, np.float32)
        self.status = np.zeros(n, np.int8)
        self.seconds = np.zeros(n)
        self.ids = ids
        self.params = params
        self.folds = folds
        self.random = np.random.default_rng(order_seed)
        self.left: list[int] = []
        self.spans: list[tuple[list[int], int]] = []
        self.calls: list[str] = []

    def start(self, which: np.ndarray, end: int) -> None:
        self.calls.append("start")
        self.left = self.random.permutation(which).tolist()
        self.spans.append((sorted(which.tolist()), end))

    def running(self) -> bool:
        return bool(self.left) and "stop" not in self.calls

    def finished(self) -> np.ndarray:
        n = int(self.random.integers(0, 4))
        done, self.left = self.left[:n], self.left[n:]
        for p in done:
            self.finish(p)
        return np.array(done, dtype=np.int64)

    def finish(self, p: int) -> None:
        trial, fold = divmod(p, self.folds)
        number, end = int(self.ids[trial]), self.spans[-1][1]
        curves = curves_of(number, float(self.params[trial].get("learning_rate", 0.0))) + np.float32(fold)
        curves[:, 2 if number % 7 == 3 else end :] = np.nan
        self.curves[p] = curves
        self.seconds[p] = 0.5
        self.status[p] = 2 if number % 7 == 3 and end > 2 else 1 if end >= EPOCHS else 4

    def stop(self) -> None:
        self.calls.append("stop")
        for p in self.left:
            self.status[p] = 3

    def wait(self, seconds: float | None = None) -> bool:
        return not self.running()

    def join(self) -> None:
        self.calls.append("join")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(loop, "POLL_SECONDS", 0.001)


@pytest.fixture
def run(tiny_dataset, tmp_path) -> Callable[..., SearchResult]:
    """Search with fake packs; keywords of `search`, and those of SearchConfig in `config`."""

    def go(config: SearchConfig = CONFIG, folder: str = "s", **options) -> SearchResult:
        options.setdefault("engine", FakeEngine(FakeRun))
        return run_study(tiny_dataset, config, folder=tmp_path / folder, **options)

    return go


def content(result: SearchResult) -> str:
    return json.dumps(to_rows(result.trials)) + "".join(trial.curves.tobytes().hex() for trial in result.trials)


class StopAfter:
    """Says stop once `n` trials are done."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.done = 0

    def on_progress(self, progress: Progress) -> None:
        self.done = progress.done

    def should_stop(self) -> bool:
        return self.done >= self.n

    def options(self) -> dict:
        return {"on_progress": self.on_progress, "should_stop": self.should_stop}


def test_every_trial_runs_once_and_comes_back_in_order(run):
    result = run()
    assert [trial.id for trial in result.trials] == list(range(23))
    assert [trial.status for trial in result.trials] == ["diverged" if i % 7 == 3 else "done" for i in range(23)]
    assert (result.interrupted, result.new_trials, result.compile_seconds) == (False, 23, 0.0)
    assert result.wall_seconds >= result.compiled_seconds > 0
    assert result.trials_per_second == 23 / (result.wall_seconds - result.final_seconds)
    assert 0 <= result.outside_share <= 1
    for trial in result.trials:
        expected = curves_of(trial.id, trial.params["learning_rate"])
        np.testing.assert_array_equal(trial.train_loss[:2], expected[0, :2])
        np.testing.assert_array_equal(trial.validation_score[:2], expected[3, :2])
        assert trial.seconds == 0.5


def test_the_best_are_the_done_ones_by_last_validation_accuracy(run):
    result = run()
    best = result.best(100)
    assert sorted(trial.id for trial in best) == [i for i in range(23) if i % 7 != 3]
    assert [trial.id for trial in best] == sorted((t.id for t in best), key=lambda i: (-result.trials[i].value, i))
    assert len({trial.value for trial in best}) < len(best), "there should be ties"
    assert [trial.id for trial in result.best(3)] == [trial.id for trial in best[:3]]


@pytest.mark.parametrize("pack", [1, 4, 23, 512])
def test_nothing_depends_on_packs_or_on_the_order_of_finishing(run, monkeypatch, pack):
    expected = content(run(folder="expected"))
    monkeypatch.setattr(session, "PACK_TRIALS", pack)
    for order in range(3):
        actual = run(folder=f"{pack}-{order}", engine=FakeEngine(lambda ids, params, o=order: FakeRun(ids, params, o)))
        assert content(actual) == expected


def test_a_stopped_search_keeps_what_is_done_and_resumes_to_the_same_study(run, monkeypatch):
    monkeypatch.setattr(session, "PACK_TRIALS", 6)
    expected = content(run(folder="whole"))
    lengths = []
    for n in (2, 7, 13, 14, 40):
        part = run(folder="parts", **StopAfter(n).options())
        assert part.interrupted == (n < 23)
        lengths.append(len(part.trials))
    assert lengths == sorted(lengths)
    assert lengths[-1] == 23
    assert content(part) == expected


def test_ctrl_c_ends_the_search_and_keeps_what_is_done(run, tmp_path):
    runs = []

    def factory(ids, params):
        runs.append(FakeRun(ids, params))
        return runs[-1]

    def interrupt(progress: Progress) -> None:
        if progress.done >= 5:
            raise KeyboardInterrupt

    result = run(engine=FakeEngine(factory), on_progress=interrupt, interrupt="return")
    assert result.interrupted
    assert runs[0].calls == ["start", "stop"]
    done = np.flatnonzero((runs[0].status == 1) | (runs[0].status == 2)).tolist()
    assert [trial.id for trial in result.trials] == done
    assert 5 <= len(done) < 23
    assert result.new_trials == len(done)
    assert len(run().trials) == 23


@pytest.mark.parametrize("moment", ["finished", "append", "start", "after commit"])
def test_ctrl_c_at_any_moment_loses_nothing(run, monkeypatch, moment):
    monkeypatch.setattr(session, "STORE_SECONDS", 0.0)
    runs, fired = [], []

    def once() -> None:
        if not fired:
            fired.append(True)
            raise KeyboardInterrupt

    class Interrupted(FakeRun):
        def __init__(self, ids, params):
            super().__init__(ids, params)
            runs.append(self)

        def start(self, which, end):
            super().start(which, end)
            if moment == "start":
                once()

        def finished(self):
            positions = super().finished()
            if moment == "finished" and len(self.left) < 15:
                once()
            return positions

    append = Study.append

    def interrupted_append(self, trials, **times):
        if moment == "append":
            once()
        append(self, trials, **times)
        if moment == "after commit":
            once()

    monkeypatch.setattr(Study, "append", interrupted_append)
    result = run(engine=FakeEngine(Interrupted), interrupt="return")
    assert fired
    assert result.interrupted
    done = np.flatnonzero((runs[0].status == 1) | (runs[0].status == 2)).tolist()
    assert [trial.id for trial in result.trials] == done
    assert content(run()) == content(run(folder="whole"))


def test_a_stop_before_the_first_trial(run):
    result = run(should_stop=lambda: True)
    assert (result.interrupted, tuple(result.trials), result.best()) == (True, (), ())
    assert (result.trials_per_second, result.new_trials) == (0.0, 0)


def test_trials_is_the_total(run):
    assert run(replace(CONFIG, trials=5)).new_trials == 5
    more = run(replace(CONFIG, trials=8))
    assert (more.new_trials, len(more.trials)) == (3, 8)
    fewer = run(replace(CONFIG, trials=2))
    assert (fewer.new_trials, len(fewer.trials), fewer.interrupted) == (0, 8, False)
    assert content(more) == content(run(replace(CONFIG, trials=8), folder="at once"))


def test_a_finished_study_starts_nothing(run, tmp_path):
    first = run()

    def never(ids, params):
        raise AssertionError("nothing is missing")

    again = run(engine=FakeEngine(never))
    assert content(again) == content(first)
    assert (again.new_trials, again.interrupted, again.trials_per_second) == (0, False, 0.0)
    with Study.read(tmp_path / "s") as study:
        assert len(study.runs()) == 1


def test_trials_are_counted_whatever_their_numbers(run, tmp_path):
    run(replace(CONFIG, trials=10))
    with Study.open(tmp_path / "s", read_settings(tmp_path / "s")) as study:
        study._connection.execute("DELETE FROM trials WHERE id IN (0, 4)")
        study._connection.execute("DELETE FROM curves WHERE id IN (0, 4)")
    assert run(replace(CONFIG, trials=8)).new_trials == 0
    seen: list[Progress] = []
    result = run(replace(CONFIG, trials=9), on_progress=seen.append)
    assert [trial.id for trial in result.trials] == [0, *range(1, 4), *range(5, 10)], "the lowest hole is filled"
    assert result.new_trials == 1 and {progress.total for progress in seen} == {9}
    assert [trial.id for trial in run(replace(CONFIG, trials=11)).trials] == list(range(11))


def read_settings(folder: Path) -> dict:
    with Study.read(folder) as study:
        return study.settings


def test_other_settings_are_refused_before_anything_runs(run):
    run()
    for config, sentence in [
        (replace(CONFIG, train=replace(CONFIG.train, epochs=9)), r"epochs 4 -> 9"),
        (replace(CONFIG, train=replace(CONFIG.train, seed=6)), r"seed 5 -> 6"),
        (replace(CONFIG, space={"learning_rate": "log:1e-6:1e-2"}), "weight_decay log:1e-08:0.0001 -> 0.0"),
        (replace(CONFIG, validation_fraction=0.5), "validation_fraction 0.2 -> 0.5"),
    ]:
        with pytest.raises(StudyError, match=sentence):
            run(config)
    assert run(replace(CONFIG, train=replace(CONFIG.train, seed=6)), fresh=True).new_trials == 23


def test_other_data_are_refused(run, tiny_dataset, tmp_path):
    run()
    other = as_dataset(tiny_dataset.x[::-1].copy(), tiny_dataset.y)
    with pytest.raises(StudyError, match=f"data {tiny_dataset.fingerprint()[:12]} -> {other.fingerprint()[:12]}"):
        run_study(other, CONFIG, folder=tmp_path / "s", engine=FakeEngine(FakeRun))


def test_settings_that_mean_the_same_are_the_same(run):
    run()
    space = {"weight_decay": "log:1e-8:1e-4", "learning_rate": "LOG:0.000001:0.01"}
    searched_anyway = replace(CONFIG.train, learning_rate=0.5, weight_decay=0.25)
    assert run(replace(CONFIG, space=space, train=searched_anyway)).new_trials == 0


def test_progress_counts_up_to_the_total(run):
    run(replace(CONFIG, trials=10))
    seen: list[Progress] = []
    result = run(on_progress=seen.append)
    done = [progress.done for progress in seen]
    assert (done[0], done[-1]) == (10, 23)
    assert done == sorted(done)
    assert {progress.total for progress in seen} == {23}
    assert [progress.done for progress in seen if progress.compiling] == [10], "before the first trial of this run"
    assert seen[0].best is not None
    assert seen[-1].best == result.best(1)[0].value
    assert seen[0].eta_seconds is None
    assert seen[-1].eta_seconds == 0.0
    assert all(a.elapsed_seconds <= b.elapsed_seconds for a, b in pairwise(seen))


def test_a_search_in_which_every_trial_diverges(run):
    class Diverging(FakeRun):
        def finish(self, p):
            self.status[p] = 2

    seen: list[Progress] = []
    result = run(engine=FakeEngine(Diverging), on_progress=seen.append)
    assert (len(result.trials), result.best(), seen[-1].best) == (23, (), None)
    assert {(trial.status, trial.best_epoch) for trial in result.trials} == {("diverged", 0)}


class Ranked(FakeRun):
    """A pack in which nothing diverges and a trial is as good as its number says, in every epoch."""

    value = staticmethod(lambda number, epoch: (number * 7 % 23) / 100 + 0.0 * epoch)

    def finish(self, p):
        trial, end = p // self.folds, self.spans[-1][1]
        self.curves[p, :, :end] = [self.value(int(self.ids[trial]), epoch) for epoch in range(end)]
        self.status[p] = 1 if end >= self.curves.shape[2] else 4
        self.seconds[p] += 0.25


HALVING = replace(CONFIG, pruning="halving", eta=2, first_epochs=1, pack_size=8)


def test_halving_lets_the_best_of_every_pack_train_on(run):
    runs = []

    def factory(ids, params):
        runs.append(Ranked(ids, params))
        return runs[-1]

    result = run(HALVING, engine=FakeEngine(factory))
    assert [run.ids.tolist() for run in runs] == [list(range(8)), list(range(8, 16)), list(range(16, 23))]
    for one, sizes in zip(runs, ([8, 4, 2], [8, 4, 2], [7, 4, 2]), strict=True):
        assert [(len(which), end) for which, end in one.spans] == list(zip(sizes, (1, 2, 4), strict=True))
        order = sorted(range(len(one.ids)), key=lambda t: (-Ranked.value(int(one.ids[t]), 0), t))
        assert one.spans[-1][0] == sorted(order[:2]) and one.spans[1][0] == sorted(order[: sizes[1]])
    epochs = {trial.id: trial.epochs for trial in result.trials}
    assert sorted(epochs.values()) == [1] * 11 + [2] * 6 + [4] * 6
    assert {trial.status for trial in result.trials if trial.epochs < 4} == {"stopped"}
    assert [trial.epochs for trial in result.best(12)] == [4] * 6 + [2] * 6
    assert len(result.trials) == 23 and all(trial.stage == 1 for trial in result.trials)


@pytest.mark.parametrize("config", [CONFIG, HALVING], ids=["plain", "halving"])
def test_progress_hands_over_each_trial_that_ended_once(run, config):
    seen: list[Progress] = []
    result = run(config, engine=FakeEngine(Ranked), on_progress=seen.append)
    ended = [trial for progress in seen for trial in progress.ended]
    assert sorted(trial.id for trial in ended) == [trial.id for trial in result.trials]
    assert {trial.id: trial.value for trial in ended} == {trial.id: trial.value for trial in result.trials}


@pytest.mark.parametrize("pruning", ["halving", "median"])
@pytest.mark.parametrize("stop", [0, 1, 9, 20])
def test_a_pruned_search_that_was_stopped_keeps_whole_packs_and_resumes_to_the_same(run, pruning, stop):
    config = replace(HALVING, pruning=pruning)
    whole = content(run(config, folder="whole", engine=FakeEngine(Ranked)))
    first = run(config, engine=FakeEngine(Ranked), **StopAfter(stop).options())
    assert first.interrupted and len(first.trials) in (0, 8, 16)
    assert content(run(config, engine=FakeEngine(Ranked))) == whole


def test_the_number_of_trials_belongs_to_a_pruned_or_staged_study(run):
    run(HALVING, engine=FakeEngine(Ranked))
    with pytest.raises(StudyError, match="trials 23 -> 40"):
        run(replace(HALVING, trials=40), engine=FakeEngine(Ranked))


def test_diverged_trials_do_not_train_on_and_count_as_nothing(run):
    config = replace(HALVING, trials=8, train=replace(CONFIG.train, epochs=4))

    class Some(Ranked):
        def finish(self, p):
            super().finish(p)
            if self.ids[p] % 2:
                self.status[p], self.curves[p] = 2, np.nan

    result = run(config, engine=FakeEngine(Some))
    assert [trial.status for trial in result.trials].count("diverged") == 4
    assert [trial.status for trial in result.trials].count("done") == 1, "4 left, 2 go on, 1 to the end"


def test_folds_are_averaged_and_a_trial_ends_with_its_last_fold(run):
    config = replace(CONFIG, folds=3)
    result = run(config, engine=FakeEngine(lambda ids, params: FakeRun(ids, params, folds=3)))
    single = run(CONFIG, folder="single")
    for trial, one in zip(result.trials, single.trials, strict=True):
        assert trial.status == one.status
        np.testing.assert_allclose(trial.curves, one.curves + 1, rtol=1e-6)
        assert trial.seconds == 1.5


def test_stages_share_the_trials_and_narrow_the_ranges(run, tmp_path):
    config = replace(CONFIG, trials=301, stages=3, space={"learning_rate": "log:1e-6:1e-2"})

    class Peak(Ranked):
        """Better the closer the learning rate is to 1e-3."""

        def finish(self, p):
            number = abs(np.log10(self.params[p]["learning_rate"]) + 3)
            self.curves[p] = 1 - number / 10
            self.status[p], self.seconds[p] = 1, 0.25

    result = run(config, engine=FakeEngine(Peak))
    assert [sum(trial.stage == k for trial in result.trials) for k in (1, 2, 3)] == [101, 100, 100]
    with Study.read(tmp_path / "s") as study:
        stages = study.stages()
    assert [(stage["first"], stage["count"]) for stage in stages] == [(0, 101), (101, 100), (201, 100)]
    assert stages[0]["space"] == {"learning_rate": "log:1e-06:0.01"}
    for stage in stages:
        low, high = (float(end) for end in stage["space"]["learning_rate"].split(":")[1:])
        drawn = [t.params["learning_rate"] for t in result.trials if t.stage == stage["number"]]
        assert low <= min(drawn) and max(drawn) <= high and low <= 1e-3 <= high
        assert stage["report"]["trials"] == stage["count"]
    widths = [np.ptp(np.log10([float(x) for x in s["space"]["learning_rate"].split(":")[1:]])) for s in stages]
    assert widths[0] > 2 * widths[1] > 2 * widths[2]
    for stop in (0, 60, 101, 150, 260):
        folder = f"stopped at {stop}"
        first = run(config, folder=folder, engine=FakeEngine(Peak), **StopAfter(stop).options())
        assert first.interrupted
        assert content(run(config, folder=folder, engine=FakeEngine(Peak))) == content(result)


def test_the_space_may_be_empty(run):
    result = run(replace(CONFIG, space={}))
    assert {tuple(trial.params) for trial in result.trials} == {()}


def test_a_full_disk_ends_the_search_with_the_pack_stopped(run, monkeypatch):
    monkeypatch.setattr(session, "STORE_SECONDS", 0.0)
    runs, calls = [], []
    append = Study.append

    def full(self, trials, **times):
        calls.append(len(trials))
        if len(calls) == 3:
            self._connection.execute("PRAGMA max_page_count = 1")
        append(self, trials, **times)

    def factory(ids, params):
        runs.append(FakeRun(ids, params))
        return runs[-1]

    big = replace(CONFIG, trials=400)
    with pytest.raises(StudyError, match=r"study.sqlite: the disk is full; make room and run the same command again"):
        monkeypatch.setattr(Study, "append", full)
        run(big, engine=FakeEngine(factory))
    assert runs[0].calls == ["start", "stop"]
    monkeypatch.setattr(Study, "append", append)
    resumed = run(big)
    assert resumed.new_trials < 400
    assert content(resumed) == content(run(big, folder="whole"))


def test_an_error_in_a_callback_stops_the_pack(run):
    runs = []

    def factory(ids, params):
        runs.append(FakeRun(ids, params))
        return runs[-1]

    def broken(progress: Progress) -> None:
        if runs:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run(engine=FakeEngine(factory), on_progress=broken)
    assert runs[0].calls == ["start", "stop"]
    assert len(run().trials) == 23  # the study was closed and can be gone on with


@pytest.mark.parametrize("jobs", [0, -1, 1.5, True, 5000])
def test_impossible_jobs_are_told(run, tmp_path, jobs):
    with pytest.raises(ConfigError, match=r"jobs=.*: must be a whole number from 1 to 4096"):
        run(jobs=jobs)
    assert not (tmp_path / "s").exists()


def test_mistakes_are_told_before_a_folder_is_made(run, tmp_path):
    with pytest.raises(ConfigError, match="swap them"):
        run(replace(CONFIG, space={"learning_rate": "log:1:0.1"}))
    with pytest.raises(ConfigError, match="does not use it"):
        run(replace(CONFIG, space={"momentum": "uniform:0:0.9"}))
    assert not (tmp_path / "s").exists()


def test_the_study_describes_data_and_machine(run, tmp_path):
    run(jobs=3)
    with Study.read(tmp_path / "s") as study:
        assert study.about == {
            "data": "tiny",
            "n_samples": 90,
            "n_features": 12,
            "n_classes": 3,
            "n_train": 72,
            "n_validation": 18,
        }
        (record,) = study.runs()
    assert record["environment"].keys() >= {"fastnet", "numpy", "numba", "python", "processor", "cores"}
    assert record["environment"]["threads"] == 3
    assert record["new_trials"] == 23
    assert record["wall_seconds"] >= record["compiled_seconds"] > 0


KILLED = """
import sys, time
import numpy as np
from pathlib import Path
from fastnet.data import as_dataset
from fastnet.tuning import run_study
from fastnet.tuning.run import session
sys.path.insert(0, sys.argv[2])
from runs import FakeEngine
from test_tuning_run_session import CONFIG, FakeRun
session.STORE_SECONDS = 0.0
x = (np.arange(90 * 4).reshape(90, 4) % 7).astype(np.float32)
data = as_dataset(x, np.arange(90) % 3)
def report(progress):
    print(progress.done, flush=True)
    time.sleep(0.01)
run_study(data, CONFIG, folder=Path(sys.argv[1]), engine=FakeEngine(FakeRun), on_progress=report)
"""


def test_a_search_killed_at_any_moment_resumes_to_the_same_study(tmp_path):
    x = (np.arange(90 * 4).reshape(90, 4) % 7).astype(np.float32)
    data = as_dataset(x, np.arange(90) % 3)
    expected = content(run_study(data, CONFIG, folder=tmp_path / "whole", engine=FakeEngine(FakeRun)))
    for at_least in (4, 12):
        command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "s"), str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if int(line) >= at_least:
                    child.kill()
        assert child.returncode not in (0, 1)  # 1 of a program that is wrong
    part = run_study(data, CONFIG, folder=tmp_path / "s", engine=FakeEngine(FakeRun))
    assert content(part) == expected


FINAL = replace(CONFIG, final=3, repeats=4)


class Lucky(Ranked):
    """A pack whose trials are as good as they were in the search, but for trial 16: on fresh seeds it is the best."""

    def finish(self, p):
        super().finish(p)
        trial = int(self.ids[p])
        again = self.ids.tolist().count(trial) > 1
        self.curves[p, 3] = 0.99 if again and trial == 16 else Ranked.value(trial, 0)


def test_the_final_choice_goes_by_fresh_seeds_and_is_made_once(run, tmp_path):
    runs = []

    def factory(ids, params):
        runs.append(Lucky(ids, params))
        return runs[-1]

    result = run(FINAL, engine=FakeEngine(factory))
    best = [trial.id for trial in result.best(3)]
    assert runs[-1].ids.tolist() == [trial for trial in best for _ in range(4)]
    final = result.final
    assert [row["trial"] for row in final["candidates"]] == sorted(
        best, key=lambda t: -(0.99 if t == 16 else Ranked.value(t, 0))
    )
    assert 16 in best and final["winner"] == 16 and final["kept"] is None
    assert len(result.trials) == 23, "repeats are no trials"
    seeds = [seed for of_trial in final["seeds"].values() for seed in of_trial]
    assert len(set(seeds)) == 12 and CONFIG.train.seed not in seeds
    n = len(runs)
    assert run(FINAL, engine=FakeEngine(factory)).final == final and len(runs) == n
    assert (
        run(replace(FINAL, repeats=2), engine=FakeEngine(factory)).final["seeds"] != final["seeds"]
        and len(runs) == n + 1
    )
    more = run(replace(FINAL, trials=30), engine=FakeEngine(factory))
    assert more.final["trials"] == 30 and len(runs) == n + 3


def test_a_stop_during_the_final_choice_leaves_it_to_the_next_run(run):
    stop = StopAfter(23)
    seen = []

    def on_progress(progress):
        seen.append(progress.choosing)
        stop.done = 23 if progress.choosing else 0

    first = run(FINAL, engine=FakeEngine(Lucky), on_progress=on_progress, should_stop=stop.should_stop)
    assert first.interrupted and first.final is None and len(first.trials) == 23 and any(seen)
    assert run(FINAL, engine=FakeEngine(Lucky)).final["winner"] == 16


def test_nothing_is_chosen_where_everything_diverged(run):
    class Diverging(FakeRun):
        def finish(self, p):
            self.status[p] = 2

    assert run(FINAL, engine=FakeEngine(Diverging)).final is None


class Following:
    """Draws near the best trial of earlier generations; the first one at random. Notes what it was given."""

    generation = 6

    def __init__(self) -> None:
        self.given: dict[int, list[tuple[int, float]]] = {}

    def draw(self, space, ids, history):
        generation = int(min(ids)) // self.generation
        known = [(trial.id, trial.value) for trial in history if trial.status == "done"]
        assert all(trial.id < generation * self.generation for trial in history)
        assert self.given.setdefault(generation, known) == known, "the same for every trial of a generation"
        best = max(history, key=lambda trial: (trial.status == "done", trial.value), default=None)
        near = best.params["learning_rate"] if best else 1e-3
        return [{"learning_rate": near * (1 + int(trial) / 100)} for trial in ids]


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        replace(HALVING, pack_size=4),
        replace(CONFIG, stages=2),
    ],
    ids=["alone", "compared", "in stages"],
)
def test_a_sampler_knows_earlier_generations_only_also_after_a_resume(run, config, monkeypatch):
    config = replace(config, space={"learning_rate": "log:1e-6:1e-1"})
    monkeypatch.setattr(session, "PACK_TRIALS", 4)
    whole, parts = Following(), [Following() for _ in range(3)]
    expected = content(run(config, folder="whole", sampler=whole))
    assert whole.given[0] == []
    assert set(whole.given) >= {1, 2, 3} and all(len(known) for k, known in whole.given.items() if k)
    for sampler, n in zip(parts, (5, 14, 99), strict=True):
        last = run(config, folder="parts", sampler=sampler, **StopAfter(n).options())
    assert content(last) == expected
    for sampler in parts:
        assert {k: whole.given[k] for k in sampler.given} == sampler.given
