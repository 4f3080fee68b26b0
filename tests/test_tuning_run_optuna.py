"""Optuna's samplers in a search: the same trials over threads and interruptions, told how earlier ones ended."""

from __future__ import annotations

import math
import sys
import warnings

import numpy as np
import pytest
from test_tuning_run_tpe import MIXED, run, trial

import fastnet
from fastnet.config.searching import SearchConfig
from fastnet.config.training import TrainConfig
from fastnet.errors import ConfigError, FastnetError, FastnetWarning
from fastnet.tuning.run.optuna import OptunaSampler, best_points, sampler_named
from fastnet.tuning.run.sampler import GENERATION_TRIALS, checked_space, preview_of, sampler_of
from fastnet.tuning.space.space import Space

optuna = pytest.importorskip("optuna")

NAMES = ("TPESampler", "RandomSampler", "NSGAIISampler", "NSGAIIISampler", "QMCSampler")
HALVING = {"pruning": "halving", "pack_size": 9, "first_epochs": 1, "eta": 3}


def named(name="TPESampler", seed=0, generation=8, metric="loss", points=()):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return OptunaSampler(sampler_named(name, seed), metric, generation, points)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("name", NAMES)
def test_a_generation_follows_from_the_history_however_it_is_asked(name):
    whole = run(named(name), 6)
    for one in whole:
        assert 1e-6 <= one.params["learning_rate"] <= 1e-2 and one.params["hidden"] in ("100x6", "512-256", "none")
        assert one.params["learning_rate"] == float(f"{one.params['learning_rate']:.6g}")
        assert type(one.params["depth"]) is int
    params = [one.params for one in whole]
    again = named(name)  # as a search that continues: nothing drawn before, and all of the history at once
    assert again.draw(MIXED, np.array([46, 41]), tuple(whole[:40])) == [params[46], params[41]]
    assert again.draw(MIXED, np.arange(40, 48), tuple(whole[:40])) == params[40:48], "and again, as for a pack"
    late = named(name)
    assert late.draw(MIXED, np.array([3]), ()) == [params[3]]
    assert late.draw(MIXED, np.arange(16, 24), tuple(whole[:16])) == params[16:24]


def test_two_seeds_differ_and_large_ones_are_reduced():
    ids = np.arange(8)
    assert named(seed=1).draw(MIXED, ids, ()) != named(seed=2).draw(MIXED, ids, ())
    assert named(seed=2**32 + 1).draw(MIXED, ids, ()) == named(seed=1).draw(MIXED, ids, ())


@pytest.mark.parametrize("metric", ["loss", "accuracy"])
def test_it_learns_in_the_direction_of_the_metric(metric):
    space = Space.parse({"dropout": "uniform:0:0.9"})
    sampler, history = named(metric=metric, generation=10), []
    for generation in range(8):
        ids = np.arange(generation * 10, generation * 10 + 10)
        drawn = sampler.draw(space, ids, tuple(history))
        history += [trial(int(i), p, value=p["dropout"]) for i, p in zip(ids, drawn, strict=True)]
    late = np.median([one.value for one in history[40:]])
    assert late > 0.6 if metric == "accuracy" else late < 0.3


def test_it_is_told_how_trials_ended():
    sampler = named(generation=4)
    drawn = sampler.draw(MIXED, np.arange(4), ())
    ends = [("done", 0.5), ("stopped", 0.75), ("diverged", math.nan), ("done", 0.25)]
    history = [trial(k, drawn[k], status=status, value=value, epochs=2) for k, (status, value) in enumerate(ends)]
    sampler.draw(MIXED, np.arange(4, 8), tuple(history))
    told = sampler._study.get_trials()
    assert [one.state.name for one in told] == ["COMPLETE", "PRUNED", "FAIL", "COMPLETE"] + ["RUNNING"] * 4
    assert told[0].value == 0.5 and told[1].intermediate_values == {2: 0.75}


def test_stored_trials_that_it_would_not_draw_are_learnt_from_with_a_note():
    history = tuple(run(named(seed=1), 2))
    other = named(seed=2)
    with pytest.warns(FastnetWarning, match="trial 0 has other values than TPESampler draws now") as caught:
        drawn = other.draw(MIXED, np.arange(16, 24), history)
    assert len(caught) == 1 and len(drawn) == 8
    complete = [one for one in other._study.get_trials() if one.state.name == "COMPLETE"]
    assert [one.params["learning_rate"] for one in complete] == [one.params["learning_rate"] for one in history]


def test_points_are_asked_first_and_completed_by_the_sampler():
    points = ({"learning_rate": 1.23456789e-3, "hidden": "none"}, {}, {"depth": 3})
    drawn = named(points=points).draw(MIXED, np.arange(4), ())
    assert drawn[0]["learning_rate"] == 1.23456789e-3 and drawn[0]["hidden"] == "none" and drawn[2]["depth"] == 3
    assert all(set(one) == set(MIXED.names) for one in drawn)


def test_a_search_asks_a_pack_at_a_time():
    assert sampler_of(SearchConfig(sampler="optuna:RandomSampler")).generation == GENERATION_TRIALS
    assert sampler_of(SearchConfig(sampler="optuna:RandomSampler", **HALVING)).generation == 9
    assert preview_of(SearchConfig(sampler="optuna:TPESampler")) == sampler_of(SearchConfig())


@pytest.mark.parametrize("more", [{}, HALVING])
def test_a_search_is_the_same_over_threads_and_interruptions(digits, tmp_path, more):
    few = fastnet.take_first(digits, 100)
    how = {"sampler": "optuna:TPESampler", "hidden": "8", "epochs": 3, "final": 0, "optimizer": "adam", **more}
    how["enqueue"] = [{"learning_rate": 0.02}, {"batch_size": 50}]
    space = {"learning_rate": "log:1e-4:1e-1", "batch_size": "choice:20,50"}
    whole = fastnet.search(space, few, trials=80, study=tmp_path / "a", jobs=2, **how)

    def stop(progress):
        if progress.done >= 45:
            raise KeyboardInterrupt

    part = fastnet.search(
        space, few, trials=80, study=tmp_path / "b", jobs=1, on_progress=stop, interrupt="return", **how
    )
    assert part.interrupted and 0 < len(part.trials) < 80
    resumed = fastnet.search(None, few, study=tmp_path / "b", trials=80, memory="20M", jobs=1)
    assert [one.params for one in whole.trials] == [one.params for one in resumed.trials]
    for one, other in zip(whole.trials, resumed.trials, strict=True):
        np.testing.assert_array_equal(one.curves, other.curves)
    assert whole.trials[0].params["learning_rate"] == 0.02 and whole.trials[1].params["batch_size"] == 50
    named_again = fastnet.search(
        space, few, trials=80, study=tmp_path / "c", jobs=1, **how | {"sampler": optuna.samplers.TPESampler(seed=0)}
    )
    assert [one.params for one in named_again.trials] == [one.params for one in whole.trials]


def test_a_study_of_an_object_continues_with_such_an_object(digits, tmp_path):
    few = fastnet.take_first(digits, 60)
    how = {"hidden": "8", "epochs": 1, "final": 0, "study": tmp_path}
    fastnet.search(None, few, trials=3, sampler=optuna.samplers.RandomSampler(seed=5), **how)
    with pytest.raises(
        ConfigError, match="the study was made with an object of RandomSampler; continue it in Python, with such"
    ):
        fastnet.search(None, few, trials=6, **how)
    more = fastnet.search(None, few, trials=6, sampler=optuna.samplers.RandomSampler(seed=5), **how)
    assert len(more.trials) == 6
    assert len(fastnet.search(None, few, study=tmp_path, finish=True).trials) == 6, "which needs no sampler"


def test_what_optuna_has_not_is_refused(monkeypatch, tmp_path):
    with pytest.raises(ConfigError, match=r"sampler='optuna:BestSampler': Optuna .* has .*TPESampler"):
        sampler_of(SearchConfig(sampler="optuna:BestSampler"))
    with pytest.raises(ConfigError, match="optuna:GridSampler': it cannot be made from a seed alone"):
        sampler_of(SearchConfig(sampler="optuna:GridSampler"))
    with pytest.raises(ConfigError, match="stages=2: the ranges of sampler='optuna:TPESampler' are not narrowed"):
        checked_space(SearchConfig(sampler="optuna:TPESampler", stages=2))
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(
        ConfigError, match=r"optuna:TPESampler needs the package optuna: install 'fastnet-mlp\[optuna\]'"
    ):
        sampler_of(SearchConfig(sampler="optuna:TPESampler"))
    with pytest.raises(ConfigError, match="a storage of Optuna needs the package optuna"):
        best_points(tmp_path / "s.log", 20)


def test_a_sampler_that_fails_is_a_sentence():
    class Broken(optuna.samplers.RandomSampler):
        def sample_independent(self, *args):
            raise ZeroDivisionError("no points left")

    with pytest.raises(FastnetError, match=r"the sampler Broken of Optuna failed .*no points left"):
        OptunaSampler(Broken(), "loss", 4).draw(MIXED, np.arange(2), ())


def test_nothing_is_printed_and_the_verbosity_stays(capfd):
    before = optuna.logging.get_verbosity()
    run(named(), 2)
    assert capfd.readouterr() == ("", "") and optuna.logging.get_verbosity() == before


def storage_of(kind, path):
    if kind == "sqlite":
        return optuna.storages.RDBStorage(f"sqlite:///{path}")
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))


@pytest.mark.parametrize("kind", ["sqlite", "journal"])
@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_best_of_a_storage_are_its_complete_trials(tmp_path, kind, direction):
    path = tmp_path / "study.db"
    study = optuna.create_study(storage=storage_of(kind, path), direction=direction)
    study.optimize(lambda one: one.suggest_float("dropout", 0.0, 0.9), n_trials=5)
    study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    best = [point["dropout"] for point in best_points(path, 3)]
    assert best == sorted((one.value for one in study.trials[:5]), reverse=direction == "maximize")[:3]
    optuna.create_study(storage=storage_of(kind, path))
    with pytest.raises(ConfigError, match="the storage has 2 studies"):
        best_points(path, 3)


def test_a_storage_that_cannot_be_read_is_a_sentence(tmp_path):
    path = tmp_path / "study.db"
    path.write_bytes(b"SQLite format 3\0" + bytes(100))
    with pytest.raises(FastnetError, match=r"study\.db: Optuna cannot read this storage"):
        best_points(path, 3)
    many = tmp_path / "many.log"
    optuna.create_study(storage=storage_of("journal", many), directions=["minimize", "maximize"])
    with pytest.raises(ConfigError, match="the study has 2 objectives"):
        best_points(many, 3)


def test_the_named_sampler_is_seeded_by_the_study():
    config = SearchConfig(sampler="optuna:RandomSampler", train=TrainConfig(seed=7))
    ids, space = np.arange(3), Space.parse(config.space)
    expected = OptunaSampler(optuna.samplers.RandomSampler(seed=7), "loss", 3).draw(space, ids, ())
    assert sampler_of(config.for_task("classification")).draw(space, ids, ()) == expected
