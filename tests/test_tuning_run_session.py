from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from runs import FakeEngine
from searches import CONFIG, HALVING, FakeRun, Ranked, StopAfter, content, fake_curves

from fastnet.tuning import Progress, Study
from fastnet.tuning.run import session


def test_every_trial_runs_once_and_comes_back_in_order(run):
    result = run()
    assert [trial.id for trial in result.trials] == list(range(23))
    assert [trial.status for trial in result.trials] == ["diverged" if i % 7 == 3 else "done" for i in range(23)]
    assert (result.interrupted, result.new_trials, result.compile_seconds) == (False, 23, 0.0)
    assert result.wall_seconds >= result.compiled_seconds > 0
    assert result.trials_per_second == 23 / (result.wall_seconds - result.final_seconds)
    assert 0 <= result.outside_share <= 1
    for trial in result.trials:
        expected = fake_curves(trial.id, trial.params["learning_rate"])
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


def test_a_search_in_which_every_trial_diverges(run):
    class Diverging(FakeRun):
        def finish(self, p):
            self.status[p] = 2

    seen: list[Progress] = []
    result = run(engine=FakeEngine(Diverging), on_progress=seen.append)
    assert (len(result.trials), result.best(), seen[-1].best) == (23, (), None)
    assert {(trial.status, trial.best_epoch) for trial in result.trials} == {("diverged", 0)}


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


@pytest.mark.parametrize("pruning", ["halving", "median"])
@pytest.mark.parametrize("stop", [0, 1, 9, 20])
def test_a_pruned_search_that_was_stopped_keeps_what_ended_and_resumes_to_the_same(run, pruning, stop):
    config = replace(HALVING, pruning=pruning)
    whole = run(config, folder="whole", engine=FakeEngine(Ranked))
    first = run(config, engine=FakeEngine(Ranked), **StopAfter(stop).options())
    held = len(first.trials)
    assert first.interrupted and stop <= held <= 23
    expected = {trial.id: (trial.status, trial.value) for trial in whole.trials}
    assert {trial.id: (trial.status, trial.value) for trial in first.trials}.items() <= expected.items()
    seen: list[Progress] = []
    second = run(config, engine=FakeEngine(Ranked), on_progress=seen.append)
    assert content(second) == content(whole)
    assert seen[0].done == held and seen[-1].done == 23, "a pack that runs again is not counted twice"


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
