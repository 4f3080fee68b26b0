"""Tasks of a small search with pruning and folds, for the tests of what makes and runs them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from fastnet.config.searching import SearchConfig
from fastnet.config.training import TrainConfig
from fastnet.tuning.run.sampler import checked_space, sampler_of
from fastnet.tuning.run.task import Task, Tasks, data_name

CONFIG = SearchConfig(
    trials=12,
    train=TrainConfig(hidden=(8,), epochs=9, seed=3),
    space={"learning_rate": "log:1e-3:1e6"},
    pruning="halving",
    first_epochs=1,
    folds=2,
    metric="accuracy",
)


def packs_of(dataset, splits, sizes: tuple[int, ...] = (8, 4), patience: int | None = None) -> list[Task]:
    """The first trials as tasks of these sizes."""
    config = replace(CONFIG, train=replace(CONFIG.train, early_stopping=patience))
    tasks = Tasks(config, data_name(dataset, splits), threads=2)
    ends = np.cumsum([0, *sizes])
    made = []
    for low, high in pairwise(ends):
        ids = np.arange(low, high)
        made.append(tasks.of(ids, sampler_of(CONFIG).draw(checked_space(CONFIG), ids, ())))
    return made
