"""A pack as a task: the same outcome in this process and in another one, both ways through pickle."""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import fastnet
from fastnet.config.searching import SearchConfig
from fastnet.config.training import TrainConfig
from fastnet.data.validation import stratified_folds
from fastnet.tuning.run.engine import LocalThreads
from fastnet.tuning.run.pack import run_pack
from fastnet.tuning.run.prepared import PreparedData, hold_prepared
from fastnet.tuning.run.sampler import checked_space, sampler_of
from fastnet.tuning.run.task import Outcome, Task, Tasks, data_name, joined

CONFIG = SearchConfig(
    trials=12,
    train=TrainConfig(hidden=(8,), epochs=9, seed=3),
    space={"learning_rate": "log:1e-3:1e6"},
    pruning="halving",
    first_epochs=1,
    folds=2,
)


@pytest.fixture
def splits(tiny_dataset):
    return stratified_folds(tiny_dataset.y, 2, seed=3)


def packs_of(dataset, splits, sizes: tuple[int, ...] = (8, 4), **more) -> list[Task]:
    """The first trials as tasks of these sizes."""
    tasks = Tasks(CONFIG, data_name(dataset, splits), threads=2)
    ends = np.cumsum([0, *sizes])
    made = []
    for low, high in pairwise(ends):
        ids = np.arange(low, high)
        made.append(tasks.of(ids, sampler_of(CONFIG).draw(checked_space(CONFIG), ids, ()), **more))
    return made


def content(outcome: Outcome) -> tuple:
    models = [
        [(*map(bytes, model.weights), *map(bytes, model.biases)) for model in networks] for networks in outcome.models
    ]
    return outcome.positions, outcome.status, outcome.curves.tobytes(), outcome.complete, models


def test_a_task_and_its_outcome_survive_pickle_and_another_process(tiny_dataset, splits):
    data = PreparedData(tiny_dataset, splits)
    task = replace(joined(packs_of(tiny_dataset, splits)), keep=True)
    again = pickle.loads(pickle.dumps(task))
    assert (again.data, again.sizes, again.schedule, again.configs) == (
        data.name, (8, 4), task.schedule, task.configs,
    )  # fmt: skip
    here = run_pack(task)
    assert sorted(set(here.status)) == ["diverged", "done", "stopped"], "trials of every kind"
    assert [len(networks) for networks in here.models] == [2 * (status == "done") for status in here.status]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=hold_prepared, initargs=(tiny_dataset, splits)) as pool:
        there = pool.submit(run_pack, task).result()
    assert content(there) == content(here)
    assert here.seconds.shape == there.seconds.shape == (12,) and (there.seconds > 0).all()


def test_nothing_depends_on_what_trains_next_to_a_pack(tiny_dataset, splits):
    held = PreparedData(tiny_dataset, splits)
    first, second = packs_of(tiny_dataset, splits)
    whole = run_pack(joined([first, second]))
    alone = {held.name: [run_pack(task) for task in (second, first)][::-1]}[held.name]
    for outcome, low in zip(alone, (0, 8), strict=True):
        high = low + len(outcome.positions)
        assert outcome.status == whole.status[low:high]
        np.testing.assert_array_equal(outcome.curves, whole.curves[low:high])


def test_a_view_on_the_side_sees_every_trial_and_changes_nothing(tiny_dataset, splits):
    held = PreparedData(tiny_dataset, splits)
    [task] = packs_of(tiny_dataset, splits, (12,))
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


def test_data_that_nobody_holds_are_not_found(tiny_dataset, splits):
    [task] = packs_of(fastnet.take_first(tiny_dataset, 80), stratified_folds(tiny_dataset.y[:80], 2), (4,))
    with pytest.raises(KeyError):
        run_pack(task)


def test_the_threads_of_this_process_run_tasks_and_count_what_compiling_takes(tiny_dataset, splits):
    engine = LocalThreads(tiny_dataset, splits, CONFIG)
    assert engine.compile_seconds == 0.0
    engine.load()
    before = engine.compile_seconds
    packs = packs_of(tiny_dataset, splits, (4, 4, 4))
    assert before > 0 and engine.fitting(packs) == 3
    assert engine.fitting([replace(task, memory=1) for task in packs]) == 1
    assert engine.run(packs[0], lambda outcome: False).complete
