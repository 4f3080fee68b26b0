"""The sampler that learns from earlier trials: deterministic, inside the ranges, and nearer to good values."""

from __future__ import annotations

import math

import numpy as np
import pytest

import fastnet
from fastnet.config.searching import SearchConfig
from fastnet.config.training import TrainConfig
from fastnet.tuning.run.sampler import GENERATION_TRIALS, PACKS_OF_GENERATION, sampler_of
from fastnet.tuning.run.tpe import RANDOM_EVERY, Tpe
from fastnet.tuning.space.space import Space
from fastnet.tuning.trial import TrialResult

MIXED = Space.parse(
    {
        "learning_rate": "log:1e-6:1e-2",
        "dropout": "uniform:0:0.5",
        "hidden": "choice:100x6,512-256,none",
        "batch_size": "logint:10:500",
        "depth": "int:1:4",
    }
)


def loss_of(params):
    """A bowl whose lowest point is known."""
    rate = math.log10(params["learning_rate"] / 1e-3)
    return 0.1 * rate**2 + 4 * (params["dropout"] - 0.1) ** 2 + (0.0 if params["hidden"] == "none" else 0.5)


def trial(number, params, *, value=None, status="done", epochs=4):
    value = loss_of(params) if value is None else value
    return TrialResult(number, status, params, value, value, epochs, np.empty((4, 0), np.float32), 0.1, epochs=epochs)


def run(sampler, generations, space=MIXED):
    """Let a sampler search the bowl; return all trials."""
    history = []
    for generation in range(generations):
        ids = np.arange(generation * sampler.generation, (generation + 1) * sampler.generation)
        drawn = sampler.draw(space, ids, tuple(history))
        history += [trial(int(i), params) for i, params in zip(ids, drawn, strict=True)]
    return history


def test_it_finds_the_bottom_of_a_bowl_sooner_than_chance():
    better = []
    for seed in range(10):
        learnt = run(Tpe(seed, "loss", 20), 6)
        chance = sampler_of(SearchConfig(train=TrainConfig(seed=seed))).draw(MIXED, np.arange(120), ())
        late = [one.value for one in learnt[60:] if one.id % RANDOM_EVERY]
        better.append(np.median(late) < 0.5 * np.median([loss_of(params) for params in chance]))
        assert {one.params["hidden"] for one in learnt[60:]} == {"none", "100x6", "512-256"}, "nothing is given up"
    assert all(better)


def test_the_first_generation_and_every_third_trial_are_those_of_random_search():
    sampler, chance = Tpe(5, "loss", 30), sampler_of(SearchConfig(train=TrainConfig(seed=5)))
    ids = np.arange(30, 60)
    assert sampler.draw(MIXED, np.arange(30), ()) == chance.draw(MIXED, np.arange(30), ())
    drawn, drawn_by_chance = sampler.draw(MIXED, ids, run(sampler, 1)), chance.draw(MIXED, ids, ())
    same = [one == other for one, other in zip(drawn, drawn_by_chance, strict=True)]
    assert same == [i % RANDOM_EVERY == 0 for i in ids.tolist()]


def test_a_trial_depends_on_its_number_and_its_history_alone():
    sampler = Tpe(1, "loss", 24)
    history = tuple(run(sampler, 2))
    together = sampler.draw(MIXED, np.arange(48, 72), history)
    some = np.array([70, 49, 60])
    assert sampler.draw(MIXED, some, history) == [together[i - 48] for i in some.tolist()]
    assert Tpe(2, "loss", 24).draw(MIXED, some, history) != sampler.draw(MIXED, some, history)


def test_what_was_drawn_never_changes():
    drawn = Tpe(0, "loss", 24).draw(MIXED, np.array([25]), tuple(run(Tpe(0, "loss", 24), 1)))
    assert drawn == [
        {"batch_size": 262, "depth": 2, "dropout": 0.000770814, "hidden": "512-256", "learning_rate": 0.00036249}
    ]


def test_values_lie_in_their_ranges_and_have_their_kinds():
    for one in run(Tpe(3, "loss", 40), 4):
        assert 1e-6 <= one.params["learning_rate"] <= 1e-2 and 0 <= one.params["dropout"] <= 0.5
        assert type(one.params["batch_size"]) is int and 10 <= one.params["batch_size"] <= 500
        assert one.params["depth"] in (1, 2, 3, 4) and one.params["hidden"] in ("100x6", "512-256", "none")


def test_trials_that_trained_longer_are_better_and_diverged_ones_are_avoided():
    space = Space.parse({"dropout": "uniform:0:1e-1"})
    low = [trial(k, {"dropout": 0.01 + 0.0001 * k}, value=0.9) for k in range(6)]
    stopped = [trial(6 + k, {"dropout": 0.05 + 0.001 * k}, value=0.1, status="stopped", epochs=1) for k in range(30)]
    drawn = Tpe(0, "loss", 36).draw(space, np.arange(36, 72), (*low, *stopped))
    learnt = [params["dropout"] for k, params in enumerate(drawn) if (36 + k) % RANDOM_EVERY]
    assert np.median(learnt) < 0.02, "of trials with the same metric, those that reached the end"
    high = [trial(40 + k, {"dropout": 0.09}, value=math.nan, status="diverged") for k in range(5)]
    done = [trial(k, {"dropout": 0.003 * k}, value=1.0) for k in range(30)]
    drawn = Tpe(0, "loss", 36).draw(space, np.arange(36, 132), (*done, *high))
    learnt = np.array([params["dropout"] for k, params in enumerate(drawn) if (36 + k) % RANDOM_EVERY])
    assert np.mean(np.abs(learnt - 0.09) < 0.004) < 0.05


def test_accuracy_is_better_the_higher():
    space = Space.parse({"dropout": "uniform:0:0.9"})
    history = tuple(trial(k, {"dropout": k / 50}, value=k / 50) for k in range(40))
    drawn = Tpe(0, "accuracy", 40).draw(space, np.arange(40, 80), history)
    learnt = [params["dropout"] for k, params in enumerate(drawn) if (40 + k) % RANDOM_EVERY]
    assert np.median(learnt) > 0.6


def test_an_empty_space_and_few_trials():
    assert Tpe(0, "loss", 4).draw(Space.parse({}), np.arange(2), ()) == [{}, {}]
    few = (trial(0, Tpe(0, "loss", 4).draw(MIXED, np.arange(1), ())[0]),)
    assert len(Tpe(0, "loss", 4).draw(MIXED, np.arange(4, 8), few)) == 4


@pytest.mark.parametrize("more", [{}, {"pruning": "halving", "pack_size": 9, "first_epochs": 1}])
def test_a_generation_is_a_few_packs(more):
    sampler = sampler_of(SearchConfig(sampler="tpe", **more))
    assert sampler.generation == PACKS_OF_GENERATION * (9 if more else GENERATION_TRIALS)


@pytest.mark.core
@pytest.mark.parametrize("more", [{}, {"pruning": "halving", "pack_size": 9, "first_epochs": 1}])
def test_a_search_is_the_same_over_threads_memory_and_interruptions(digits, tmp_path, more):
    few = fastnet.take_first(digits, 100)
    how = {"sampler": "tpe", "hidden": "8", "epochs": 3, "final": 0, "optimizer": "adam", **more}
    space = {"learning_rate": "log:1e-4:1e-1", "batch_size": "choice:20,50"}
    whole = fastnet.search(space, few, trials=80, study=tmp_path / "a", jobs=2, **how)
    seen = 0

    def stop(progress):
        nonlocal seen
        seen = progress.done
        if progress.done >= 30:
            raise KeyboardInterrupt

    fastnet.search(space, few, trials=80, study=tmp_path / "b", jobs=1, on_progress=stop, interrupt="return", **how)
    resumed = fastnet.search(None, few, study=tmp_path / "b", trials=80, memory="20M", jobs=1)
    assert seen and [one.params for one in whole.trials] == [one.params for one in resumed.trials]
    for one, other in zip(whole.trials, resumed.trials, strict=True):
        np.testing.assert_array_equal(one.curves, other.curves)
