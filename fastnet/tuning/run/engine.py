"""Engines run tasks: the threads of this process, or anything else with the same methods."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from fastnet.tuning.rules.pruning import schedule_of, survivors
from fastnet.tuning.run.sampler import checked_space, preview_of
from fastnet.tuning.run.task import Task, Watch
from fastnet.tuning.space.space import configured

if TYPE_CHECKING:
    from fastnet.config.searching import SearchConfig
    from fastnet.data.dataset import Dataset
    from fastnet.data.splitting import Split
    from fastnet.tuning.run.prepared import PreparedData

MOST_PACKS = 64
"""Most packs in one task: enough for 96 cores where three trials of each reach the last rung."""

W = TypeVar("W", bound=Watch)


class Engine(Protocol):
    """Runs tasks."""

    keeps: bool
    """Whether it can return trained networks."""

    @property
    def compile_seconds(self) -> float:
        """Time spent so far on compiling or loading kernels."""

    def load(self) -> None:
        """Load the data and compile the kernels of the first trial; called once, before anything else."""

    def run(self, work: Iterable[tuple[Task, W]], left: Callable[[], float]) -> Generator[W, None, None]:
        """Run tasks, and yield the watch of each when it has ended.

        An engine draws the next task when it has room for it. It calls a watch as `fastnet.tuning.run.pack.run_pack`
        does, perhaps without trials, and with those of its task in any number of calls; what a watch stops has ended.
        `left` returns the seconds until tasks will be stopped.
        """

    def slots(self, threads: int) -> int:
        """Return how many networks train at a time, if `threads` do in each process."""

    def packs_together(self, config: SearchConfig, size: int, threads: int) -> int:
        """Return how many packs of this size to train as one task, on as many threads in each process."""

    def fitting(self, packs: Sequence[Task]) -> int:
        """Return how many of these tasks, from the first, may be joined into one; at least 1."""

    def on(self, splits: Sequence[Split]) -> Engine:
        """Return an engine for further folds of the data, see `fastnet.tuning.run.prepared.PreparedData`."""

    def close(self) -> None:
        """End what the engine has started."""


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

    def run(self, work: Iterable[tuple[Task, W]], left: Callable[[], float]) -> Generator[W, None, None]:
        """Run tasks, one after the other."""
        from fastnet.tuning.run.pack import run_pack

        for task, watch in work:
            run_pack(task, watch)
            yield watch

    def slots(self, threads: int) -> int:
        """Return the threads of this process."""
        return threads

    def packs_together(self, config: SearchConfig, size: int, threads: int) -> int:
        """Return how many packs of this size to train as one task, see `packs_that_pay`."""
        return packs_that_pay(config, size, threads)

    def fitting(self, packs: Sequence[Task]) -> int:
        """Return how many of these tasks fit into memory together."""
        return self.data.fitting(packs)

    def on(self, splits: Sequence[Split]) -> LocalThreads:
        """Return an engine for further folds of the data."""
        return LocalThreads(self._dataset, splits, self._config, like=self)

    def close(self) -> None:
        """Do nothing: threads end with their tasks."""


def packs_that_pay(config: SearchConfig, size: int, threads: int) -> int:
    """Return the number of packs to train as one task, so that the last rung still fills the threads.

    Examples
    --------
    >>> from fastnet.config.searching import SearchConfig
    >>> packs_that_pay(SearchConfig(), 512, 8), packs_that_pay(SearchConfig(pruning="halving"), 81, 8)
    (1, 2)
    """
    schedule = schedule_of(config)
    if len(schedule.rungs) == 1:
        return 1
    last = survivors(schedule, size)[-1] * (config.folds or 1)
    return min(MOST_PACKS, max(1, -(-2 * threads // last)))
