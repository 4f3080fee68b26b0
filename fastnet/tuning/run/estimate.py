"""Estimates before a search runs: epochs to train, their time, and memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fastnet.config.searching import SearchConfig
from fastnet.limits import resident_memory
from fastnet.training.loop import watch
from fastnet.tuning.rules.pruning import Full, schedule_of, survivors
from fastnet.tuning.run.engine import LocalThreads
from fastnet.tuning.run.sampler import checked_space, preview_of
from fastnet.tuning.run.session import PACK_TRIALS
from fastnet.tuning.run.stages import stage_ids
from fastnet.tuning.run.task import Task, Tasks, joined

if TYPE_CHECKING:
    from fastnet.training.pack import PackRun

MEASURE_SECONDS = 2.0
"""Duration of the measurement; a trial of the book takes 0.2 s."""
LONGEST_MEASURE = 20.0
"""Longest time to wait for the first epochs to end."""

SAMPLE_TRIALS = 512
"""First trials of the search that are trained for the measurement; their mean size stands for all."""

_POLL_SECONDS = 0.02
_PENDING = 0  # of `PackRun.status`


def epochs_to_train(config: SearchConfig, trials: int) -> int:
    """Return the epochs of `trials` trials in total, folds included; with median pruning, an upper bound.

    Examples
    --------
    >>> epochs_to_train(SearchConfig(), 1000), epochs_to_train(SearchConfig(pruning="halving"), 81)
    (50000, 1080)
    """
    packs, rest = divmod(trials, config.pack_size)
    total = packs * _epochs_of_pack(config, config.pack_size) + _epochs_of_pack(config, rest)
    return total * (config.folds or 1)


def _epochs_of_pack(config: SearchConfig, trials: int) -> int:
    schedule = schedule_of(config)
    spans = np.diff([0, *schedule.rungs]).tolist()
    return sum(alive * span for alive, span in zip(survivors(schedule, trials), spans, strict=True)) if trials else 0


@dataclass(frozen=True, slots=True)
class Speed:
    """Speed of the first trials of a search.

    Parameters
    ----------
    epochs_per_second : float
        Epochs per second of a network of mean size, all threads together; unfinished epochs count as half.
    finished : int
        Epochs that ended; with 0 the rate is only an upper bound.
    seconds : float
        Duration of the measurement.
    memory : int or None
        Memory of the process in bytes, see `fastnet.limits.resident_memory`.
    """

    epochs_per_second: float
    finished: int
    seconds: float
    memory: int | None


def measure(
    engine: LocalThreads,
    tasks: Tasks,
    *,
    seconds: float = MEASURE_SECONDS,
    should_stop: Callable[[], bool] = lambda: False,
) -> Speed:
    """Measure the speed of a search by training its first trials for a moment.

    Takes `seconds`, or up to `LONGEST_MEASURE` until each thread has finished an epoch, or until `should_stop` returns
    True. All epochs of a diverged trial count as trained, since it ends early in the search as well. Epochs of
    different architectures are weighted by their multiplications.
    """
    task = first_trials(tasks, min(tasks.config.trials, SAMPLE_TRIALS))
    task = replace(task, schedule=Full(tasks.config.train.epochs))
    members = engine.data.members(task)
    threads = engine.data.threads_for(task, members)
    run = engine.data.pack(task)
    costs = np.array([member.cost for member in members])
    began = time.perf_counter()

    def enough() -> bool:
        elapsed = time.perf_counter() - began
        return should_stop() or elapsed >= LONGEST_MEASURE or (elapsed >= seconds and _trained(run).sum() >= threads)

    cut = watch(run, run.start, should_stop=enough, pause=lambda: _POLL_SECONDS)
    elapsed = time.perf_counter() - began
    trained, under_way = _trained(run), threads if cut else 0
    memory = resident_memory()
    work = float(trained @ costs) + under_way / 2 * float(costs.max())  # costly trials begin first
    return Speed(work / costs.mean() / elapsed, int(trained.sum()), elapsed, memory)


def first_trials(tasks: Tasks, trials: int, begin: int = 0) -> Task:
    """Return the task of `trials` trials of a search, from number `begin`."""
    ids = np.arange(begin, begin + trials)
    return tasks.of(ids, preview_of(tasks.config).draw(checked_space(tasks.config), ids, ()))


@dataclass(frozen=True, slots=True)
class Wave:
    """The packs that train together.

    Parameters
    ----------
    packs, trials : int
        Number of packs, and of trials in them.
    threads : int
        Networks that train at a time.
    workspaces : int
        Bytes for the threads, curves and settings included.
    kept : int
        Bytes for the weights and optimizer states of trials that wait for a comparison; 0 without pruning.
    """

    packs: int
    trials: int
    threads: int
    workspaces: int
    kept: int


def first_wave(engine: LocalThreads, tasks: Tasks) -> Wave:
    """Return the first packs that train together and their memory; `ConfigError` if that is more than allowed."""
    from fastnet.training.pack import footprint

    config = tasks.config
    trials = len(stage_ids(config.trials, config.stages)[0])
    size = config.pack_size if len(schedule_of(config).rungs) > 1 else PACK_TRIALS
    n = min(engine.packs_together(config, min(size, trials), tasks.threads), -(-trials // size))
    packs = [first_trials(tasks, min(size, trials - begin), begin) for begin in range(0, n * size, size)]
    task = joined(packs[: engine.fitting(packs)])
    members = engine.data.members(task)
    threads = engine.data.threads_for(task, members)
    workspaces = footprint(members, threads, waiting=False)
    kept = footprint(members, threads, waiting=True) - workspaces if task.waits else 0
    return Wave(len(task.sizes), len(task.ids), threads, workspaces, kept)


def _trained(run: PackRun) -> np.ndarray:
    """Return the finished epochs of each network, all of them for one that diverged."""
    return np.where(run.status == _PENDING, run.epochs_done, run.curves.shape[2])
