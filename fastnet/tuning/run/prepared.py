"""Prepared data of packs, which each process loads once and finds by content hash."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from weakref import WeakValueDictionary

from fastnet.config.settings import format_memory
from fastnet.config.training import TrainConfig
from fastnet.data.dataset import Dataset
from fastnet.data.splitting import Split
from fastnet.errors import ConfigError
from fastnet.limits import free_memory
from fastnet.network.assembly import Assembly, assemble, n_threads_limit
from fastnet.network.memory import does_not_fit
from fastnet.network.samples import TrainingData, prepare
from fastnet.training.pack import Member, PackRun, footprint, threads_within, warm_up
from fastnet.tuning.run.seeds import FOLD, derived_seed
from fastnet.tuning.run.task import Task, data_name

_loaded: WeakValueDictionary[str, PreparedData] = WeakValueDictionary()

WAITING_BYTES = 2**31
"""Memory limit of packs that train together, if the user gives none."""


class PreparedData:
    """The data of trials, one `TrainingData` for each fold, and the architectures compiled for them.

    Only the training part of `dataset` is used. The objective of `config` says what is learnt of its targets. The
    splits may be further folds of data that are `like` these; they share everything but the rows with the first of
    them, and the seeds of their networks follow. Tasks find the data as long as a reference to this object exists.

    Attributes
    ----------
    name : str
        From `fastnet.tuning.run.task.data_name`.
    folds : list of TrainingData
    room : int or None
        Bytes that the process may use in addition; None if unknown.
    compile_seconds : float
        Time spent on compiling or loading kernels.
    """

    def __init__(
        self,
        dataset: Dataset,
        splits: Sequence[Split],
        config: TrainConfig | None = None,
        *,
        like: PreparedData | None = None,
    ) -> None:
        self.name = data_name(dataset, splits, config)
        learnt = dataset.without_test()
        self.folds: list[TrainingData] = [
            prepare(learnt, parts, config) if like is None else like.folds[0].on(parts) for parts in splits
        ]
        self._first_fold = 0 if like is None else len(like.folds)
        self.compile_seconds = 0.0
        self.room = free_memory()
        self._fitting: dict[int, tuple[int, int]] = {}  # by threads: those that fit, in packs of at most that size
        self._assemblies: dict[tuple[object, ...], Assembly] = {}
        _loaded[self.name] = self

    def warm_up(self, config: TrainConfig) -> None:
        """Compile or load the kernels of a trial with these settings."""
        clock = time.perf_counter()
        warm_up(config, self.folds[0])
        self.compile_seconds += time.perf_counter() - clock

    def members(self, task: Task) -> list[Member]:
        """Return the networks of a task: for each trial its folds in a row."""
        return [
            Member(data, _keyed(config, fold), trial)
            for trial, config in zip(task.ids.tolist(), task.configs, strict=True)
            for fold, data in enumerate(self.folds, start=self._first_fold)
        ]

    def pack(self, task: Task) -> PackRun:
        """Build the pack of a task, on as many of its threads as fit into memory; `ConfigError` if none does."""
        members = self.members(task)
        fresh = {member.kind: member for member in members if member.kind not in self._assemblies}
        fitting, largest = self._fitting.get(task.threads, (task.threads, 0))
        if task.memory is not None or fresh or task.waits or task.keep or len(members) > largest:
            threads = self.threads_for(task, members)
            self._fitting[task.threads] = min(fitting, threads), max(largest, len(members))
        else:  # known kinds, in a pack no larger than those before
            threads = fitting
        clock = time.perf_counter()
        for kind, member in fresh.items():
            self._assemblies[kind] = assemble(member.config, member.data, parallel=False)
        self.compile_seconds += time.perf_counter() - clock
        return PackRun(members, threads, self._assemblies, keep=task.keep, stop_by=task.stop_by)

    def fitting(self, packs: Sequence[Task]) -> int:
        """Return how many of these tasks, from the first, fit into memory together; at least 1."""
        n = len(packs)
        while n > 1:
            first = packs[0]
            members = [member for task in packs[:n] for member in self.members(task)]
            best = first.keep and first.stop_by is not None
            needed = footprint(members, 1 if first.memory else first.threads, waiting=True, best=best)
            limits = (WAITING_BYTES if first.memory is None else first.memory, self.room)
            if all(limit is None or needed <= limit for limit in limits):
                break
            n -= 1
        return n

    def threads_for(self, task: Task, members: list[Member]) -> int:
        """Return how many of these networks can train at a time; `ConfigError` if none can."""
        most = min(task.threads, n_threads_limit())
        known = [limit for limit in (task.memory, self.room) if limit is not None]
        if not known or not members:
            return most
        memory = min(known)
        best = task.keep and task.stop_by is not None
        threads, needed = threads_within(members, most, memory, waiting=task.waits or task.keep, best=best)
        if threads:
            return threads
        what, fewer = "one network at a time needs", ""
        if task.keep:
            what, fewer = f"{len(members)} networks that are kept need", ", or a smaller ensemble_top"
        if task.waits:
            what, fewer = f"{len(members)} networks that wait for each other need", ", or a smaller pack_size"
        smaller = f"choose smaller layers or batches{fewer}"
        if memory == task.memory:
            raise ConfigError(
                f"memory={format_memory(memory)}: {what} {format_memory(needed)}; allow a little more than that, or "
                f"{smaller}"
            )
        raise does_not_fit(what, needed, memory, smaller)


def prepared_data(name: str) -> PreparedData:
    """Return the data that this process has loaded under a name; KeyError if there are none."""
    return _loaded[name]


def _keyed(config: TrainConfig, fold: int) -> TrainConfig:
    return config if fold == 0 else replace(config, seed=derived_seed(config.seed, FOLD, fold))
