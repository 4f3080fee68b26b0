"""Engines run tasks: the threads of this process, or anything else with the same methods."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from fastnet.tuning.run.sampler import checked_space, preview_of
from fastnet.tuning.run.task import Outcome, Task, Watch
from fastnet.tuning.space.space import configured

if TYPE_CHECKING:
    from fastnet.config.searching import SearchConfig
    from fastnet.data.dataset import Dataset, Split
    from fastnet.tuning.run.prepared import PreparedData

WAITING_BYTES = 2**31
"""Memory limit of packs that train together, if the user gives none."""


class Engine(Protocol):
    """Runs tasks."""

    keeps: bool
    """Whether it can return trained networks."""

    @property
    def compile_seconds(self) -> float:
        """Time spent so far on compiling or loading kernels."""

    def load(self) -> None:
        """Load the data and compile the kernels of the first trial; called once, before anything else."""

    def run(self, task: Task, watch: Watch) -> Outcome:
        """Run a task, see `fastnet.tuning.run.pack.run_pack`."""

    def fitting(self, packs: Sequence[Task]) -> int:
        """Return how many of these tasks, from the first, may be joined into one; at least 1."""


class LocalThreads:
    """Runs tasks on the threads of this process, one after the other.

    There is one split, or one for each fold; they may be further folds of what another engine has loaded, see
    `fastnet.tuning.run.prepared.PreparedData`.
    """

    keeps = True

    def __init__(
        self,
        dataset: Dataset,
        splits: Sequence[Split],
        config: SearchConfig,
        *,
        like: LocalThreads | None = None,
    ) -> None:
        self._dataset, self._splits, self._config, self._like = dataset, splits, config, like
        self._data: PreparedData | None = None
        self._import_seconds = 0.0

    @property
    def compile_seconds(self) -> float:
        """Time spent so far on importing, compiling or loading kernels."""
        return self._import_seconds + (self._data.compile_seconds if self._data else 0.0)

    @property
    def data(self) -> PreparedData:
        """The loaded data."""
        assert self._data is not None
        return self._data

    def load(self) -> None:
        """Prepare the data, and compile or load the kernels of the first trial."""
        clock = time.perf_counter()
        from fastnet.tuning.run.prepared import PreparedData

        self._import_seconds += time.perf_counter() - clock
        like = None if self._like is None else self._like.data
        self._data = PreparedData(self._dataset, self._splits, self._config.train, like=like)
        clock = time.perf_counter()
        [params] = preview_of(self._config).draw(checked_space(self._config), np.zeros(1, np.int64), ())
        self._import_seconds += time.perf_counter() - clock
        self._data.warm_up(configured(self._config.train, params))

    def run(self, task: Task, watch: Watch) -> Outcome:
        """Run a task."""
        from fastnet.tuning.run.pack import run_pack

        return run_pack(task, watch)

    def fitting(self, packs: Sequence[Task]) -> int:
        """Return how many of these tasks fit into memory together."""
        from fastnet.training.pack import footprint

        n = len(packs)
        while n > 1:
            first = packs[0]
            members = [member for task in packs[:n] for member in self.data.members(task)]
            best = first.keep and first.stop_by is not None
            needed = footprint(members, 1 if first.memory else first.threads, waiting=True, best=best)
            limits = (WAITING_BYTES if first.memory is None else first.memory, self.data.room)
            if all(limit is None or needed <= limit for limit in limits):
                break
            n -= 1
        return n
