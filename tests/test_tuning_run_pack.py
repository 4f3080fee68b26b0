"""A pack as a task: the same outcome in this process and in another one, both ways through pickle."""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from tasks import packs_of

from fastnet.tuning.run.pack import held_at_best, run_pack
from fastnet.tuning.run.prepared import PreparedData
from fastnet.tuning.run.task import Outcome, joined
from fastnet.tuning.run.wire import Contents, order_of, packed
from fastnet.tuning.run.worker import carry_out


def content(outcome: Outcome) -> tuple:
    models = [
        [(*map(bytes, model.weights), *map(bytes, model.biases)) for model in networks] for networks in outcome.models
    ]
    return outcome.positions, outcome.status, outcome.curves.tobytes(), outcome.complete, models


@pytest.mark.parametrize("patience", [None, 1])
def test_a_task_and_its_outcome_survive_pickle_and_another_process(tiny_dataset, splits, patience):
    data = PreparedData(tiny_dataset, splits)
    task = replace(joined(packs_of(tiny_dataset, splits, patience=patience)), keep=True)
    again = pickle.loads(pickle.dumps(task))
    assert (again.data, again.sizes, again.schedule, again.configs) == (
        data.name, (8, 4), task.schedule, task.configs,
    )  # fmt: skip
    here = run_pack(task)
    assert sorted(set(here.status)) == ["diverged", "done", "stopped"], "trials of every kind"
    assert [len(networks) for networks in here.models] == [2 * (status == "done") for status in here.status]
    context = multiprocessing.get_context("spawn")
    contents = Contents(tiny_dataset.without_test(), splits, task.configs[0])
    order = order_of(replace(task, data=contents.name), threads=2)
    with ProcessPoolExecutor(1, context) as pool:
        [there] = pool.submit(carry_out, order, packed(contents)).result().outcomes
    assert content(there) == content(here)
    assert here.seconds.shape == there.seconds.shape == (12,) and (there.seconds > 0).all()


@pytest.mark.parametrize("patience", [None, 1])
def test_nothing_depends_on_what_trains_next_to_a_pack(tiny_dataset, splits, patience):
    held = PreparedData(tiny_dataset, splits)
    first, second = packs_of(tiny_dataset, splits, patience=patience)
    whole = run_pack(joined([first, second]))
    alone = {held.name: [run_pack(task) for task in (second, first)][::-1]}[held.name]
    for outcome, low in zip(alone, (0, 8), strict=True):
        high = low + len(outcome.positions)
        assert outcome.status == whole.status[low:high]
        np.testing.assert_array_equal(outcome.curves, whole.curves[low:high])


@pytest.mark.parametrize("patience", [None, 1])
def test_a_view_on_the_side_sees_every_trial_and_changes_nothing(tiny_dataset, splits, patience):
    held = PreparedData(tiny_dataset, splits)
    [task] = packs_of(tiny_dataset, splits, (12,), patience)
    assert task.data == held.name
    views: list[Outcome] = []

    def watch(outcome: Outcome) -> bool:
        views.append(outcome)
        return False

    watched, alone = run_pack(task, watch), run_pack(task)
    assert content(watched) == content(alone)
    *parts, whole = views
    assert content(whole) == content(watched) and not any(part.complete for part in parts)
    seen = [t for part in parts for t in part.positions]
    assert len(seen) == len(set(seen)) and [part.rung for part in views] == sorted(part.rung for part in views)


def test_a_task_that_is_stopped_returns_what_has_ended(tiny_dataset, splits):
    held = PreparedData(tiny_dataset, splits)
    [task] = packs_of(tiny_dataset, splits, (12,))
    part = run_pack(task, lambda outcome: True)
    assert not part.complete and part.rung == 1 and held.folds
    assert set(part.status) <= {"diverged"}, "no trial is stopped early before all of them have reached the rung"


def test_trials_that_stop_early_are_compared_by_their_best_epochs(tiny_dataset, splits):
    held = PreparedData(tiny_dataset, splits[:1])
    packs = packs_of(tiny_dataset, splits[:1], (12,), 1)
    outcome = run_pack(packs[0])
    assert held.folds and outcome.complete
    scores = outcome.curves[:, 3]
    epochs = np.isfinite(scores).sum(axis=1)
    ranked = sorted(range(12), key=lambda t: np.nanmax(scores[t, :1], initial=-1), reverse=True)
    fit = [t for t in ranked if outcome.status[t] != "diverged"]
    done = [t for t in fit if outcome.status[t] == "done"]
    assert done and min(epochs[done]) < 9, "one that was compared to the end stopped early"
    assert max(np.nanmax(scores[t]) for t in done) == max(np.nanmax(scores[t]) for t in fit)
    assert {int(epochs[t]) for t in fit if outcome.status[t] == "stopped"} <= {1, 2, 3}


def test_a_fold_that_ended_keeps_the_values_of_its_best_epoch():
    nan = np.nan
    scores = np.array([[[0.5, 0.7, 0.6, nan, nan], [0.1, 0.2, 0.3, 0.4, nan]], [[0.9, nan, nan, nan, nan]] * 2])
    curves = np.repeat(scores[:, :, None], 4, axis=2).astype(np.float32)
    held = held_at_best(curves, np.array([[True, False], [False, True]]), "accuracy")
    assert held.shape == curves.shape
    expected = np.array([[[0.5, 0.7, 0.6, 0.7, nan], [0.1, 0.2, 0.3, 0.4, nan]], [[0.9, nan, nan, nan, nan]] * 2])
    for row in range(4):
        np.testing.assert_array_equal(held[:, :, row], expected.astype(np.float32))
    lost = held_at_best(curves, np.array([[True, False], [False, False]]), "loss")
    np.testing.assert_array_equal(lost[0, 0, 2], np.array([0.5, 0.7, 0.6, 0.5, nan], np.float32))
