from __future__ import annotations

import time
from dataclasses import replace

import pytest
from runs import FakeEngine
from searches import CONFIG, FINAL, FakeRun, Ranked, StopAfter

import fastnet
from fastnet.tuning.run import final, session
from fastnet.tuning.run.budget import Budget


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
    assert runs[-1].ids.tolist() == best * 4
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


class TimeIsUp:
    """A clock of a search that stops once `now` returns True."""

    def __init__(self, monkeypatch, now) -> None:
        self.now = now
        monkeypatch.setattr(Budget, "left", property(lambda budget: 0.0 if self.now() else 1e6))


def test_a_deadline_during_the_final_choice_decides_from_the_repeats_that_ended(run, monkeypatch):
    again: list[int] = []

    class Counted(Lucky):
        def finish(self, p):
            super().finish(p)
            if len(set(self.ids.tolist())) < len(self.ids):
                again.append(int(self.ids[p]))

    with monkeypatch.context() as patch:
        TimeIsUp(patch, lambda: len(again) >= 5)
        first = run(FINAL, engine=FakeEngine(Counted), timeout=60.0)
    assert first.interrupted and 5 <= len(again) < 12 and len(first.trials) == 23
    made = {row["trial"]: len(row["values"]) for row in first.final["candidates"]}
    assert made == {trial: again.count(trial) for trial in set(again)}
    assert first.final["shortened"] == {"candidates": len(made), "repeats": min(made.values())}
    assert {trial: len(seeds) for trial, seeds in first.final["seeds"].items()} == {str(t): n for t, n in made.items()}
    second = run(FINAL, engine=FakeEngine(Lucky))
    assert "shortened" not in second.final and [len(row["values"]) for row in second.final["candidates"]] == [4, 4, 4]


SEARCH = {"trials": 6, "hidden": "16", "epochs": 30, "batch_size": 10, "final": 2, "repeats": 2, "ensemble_top": 3}


def test_a_deadline_during_the_training_of_the_winner_keeps_its_best_epoch(tiny_dataset, tmp_path, monkeypatch):
    began = []
    train_winner = final.train_winner

    def long(dataset, parts, config, *how):
        began.append(time.perf_counter())
        return train_winner(dataset, parts, replace(config, epochs=10**6), *how)

    with monkeypatch.context() as patch:
        patch.setattr(final, "train_winner", long)
        TimeIsUp(patch, lambda: began and time.perf_counter() > began[0] + 0.3)
        first = fastnet.search(None, tiny_dataset, study=tmp_path / "s", timeout=60, **SEARCH)
    made = first.final["shortened"]
    assert first.interrupted and made["candidates"] == made["repeats"] == 2 and made["epochs"] > 1
    kept = first.final["kept"]
    model = fastnet.load_model(tmp_path / "s" / kept["model"])
    assert 1 <= kept["best_epoch"] <= made["epochs"] == model.metrics["epochs_done"]
    assert first.ensemble_report is None, "no time is left for it"
    whole = fastnet.search(None, tiny_dataset, study=tmp_path / "s", finish=True)
    assert "shortened" not in whole.final and whole.ensemble is not None and not whole.interrupted


def test_a_deadline_during_the_ensemble_combines_the_networks_that_ended(tiny_dataset, tmp_path, monkeypatch):
    ended: list[int] = []

    class Watched(session.Intake):
        def __call__(self, outcome):
            ended.append(0 if self._store else len(self.results))
            return super().__call__(outcome)

    options = SEARCH | {"final": 0, "epochs": 60_000}  # 0.7 s a network, so that a look falls between two
    with monkeypatch.context() as patch:
        patch.setattr(session, "Intake", Watched)
        TimeIsUp(patch, lambda: ended and ended[-1] >= 1)
        first = fastnet.search(None, tiny_dataset, study=tmp_path / "s", timeout=60, jobs=1, **options)
    report = first.ensemble_report
    assert first.interrupted and report["shortened"] == len(report["members"]) in (1, 2)
    assert len(first.ensemble.members) == report["shortened"]
    assert len(fastnet.search(None, tiny_dataset, study=tmp_path / "s", finish=True).ensemble_report["members"]) == 3


@pytest.mark.parametrize("folds", [None, 2])
def test_where_no_trial_ends_in_time_the_best_in_training_are_combined(folds, tiny_dataset, tmp_path, monkeypatch):
    seen: list[int] = []

    class Watched(session.Intake):
        def __call__(self, outcome):
            seen.append(outcome.rung)
            return super().__call__(outcome)

    options = {"trials": 9, "pruning": "halving", "pack_size": 9, "first_epochs": 4, "epochs": 4000, "batch_size": 10}
    options |= {"hidden": "16", "early_stopping": 4000, "final": 0, "ensemble_top": 3, "folds": folds, "metric": "loss"}
    with monkeypatch.context() as patch:
        patch.setattr(session, "Intake", Watched)
        patch.setattr(Budget, "ends_trials", lambda budget: len(seen) > 3 and seen[-1] > 1)
        first = fastnet.search(None, tiny_dataset, study=tmp_path / "s", timeout=60, jobs=2, **options)
    report = first.ensemble_report
    assert first.interrupted and not [trial for trial in first.trials if trial.status == "done"]
    assert report["shortened"] == 0 and 1 <= len(report["members"]) <= 3
    assert len(first.ensemble.members) == len(report["members"]) * (folds or 1)
    found = first.ensemble.score(tiny_dataset.x_test, tiny_dataset.y_test)
    assert (found.value, found.loss) == (report["test_accuracy"], report["test_loss"])
    values = [row["search_value"] for row in report["members"]]
    assert values == sorted(values)
