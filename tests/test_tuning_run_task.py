from __future__ import annotations

from dataclasses import replace

import numpy as np
from tasks import CONFIG, packs_of

from fastnet.config.searching import SearchConfig
from fastnet.tuning import TrialResult
from fastnet.tuning.rules.pruning import Full
from fastnet.tuning.run.task import Tasks, data_name, joined


def test_joined_tasks_keep_their_trials_in_order_and_their_groups(tiny_dataset, splits):
    first, second = packs_of(tiny_dataset, splits)
    both = joined([first, second])
    assert both.ids.tolist() == list(range(12)) and both.sizes == (8, 4)
    assert both.configs == (*first.configs, *second.configs)
    assert (both.data, both.schedule, both.threads) == (first.data, first.schedule, first.threads)
    assert both.waits and not replace(both, schedule=Full(9)).waits


def test_trials_that_are_trained_again_run_to_their_end_with_the_seeds_that_are_given():
    tasks = Tasks(SearchConfig(train=CONFIG.train), "name", threads=2, memory=10**6)
    curves = np.zeros((4, 9), np.float32)
    trials = [TrialResult.from_curves(i, "done", {"learning_rate": 0.1 * i}, curves, seconds=1.0) for i in (4, 2)]
    task = tasks.again(trials, seeds=[11, 12], keep=True)
    assert task.ids.tolist() == [4, 2] and task.keep and not task.waits and task.memory == 10**6
    assert [(config.learning_rate, config.seed) for config in task.configs] == [(0.4, 11), (0.2, 12)]
    assert [config.seed for config in tasks.again(trials).configs] == [CONFIG.train.seed] * 2


def test_the_name_of_data_changes_with_a_value_and_with_the_split(tiny_dataset, splits):
    name = data_name(tiny_dataset, splits)
    assert len(name) == 64 and name == data_name(tiny_dataset, list(splits))
    assert data_name(tiny_dataset, splits[:1]) != name
    x = tiny_dataset.x.copy()
    x[0, 0] += 1
    assert data_name(replace(tiny_dataset, x=x), splits) != name


def test_the_name_of_data_changes_with_what_is_learnt_of_them(tiny_dataset, splits):
    """Two searches that run at once in a process must not share targets or weights."""
    names = {
        data_name(tiny_dataset, splits, replace(CONFIG.train, **learnt))
        for learnt in (
            {},
            {"objective": "huber"},
            {"objective": "pinball", "quantiles": (0.5,)},
            {"class_weight": "balanced"},
        )
    }
    assert len(names) == 4
    assert data_name(tiny_dataset, splits, replace(CONFIG.train, learning_rate=0.5)) in names
