"""What a search will need before it runs: epochs to train, the time that they take, and memory."""

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
from fastnet.tuning.run.sampler import checked_space, sampler_of
from fastnet.tuning.run.session import PACK_TRIALS, packs_that_pay
from fastnet.tuning.run.stages import stage_ids
from fastnet.tuning.run.task import Task, Tasks, joined

if TYPE_CHECKING:
    from fastnet.training.pack import PackRun

MEASURE_SECONDS = 2.0
"""Time that is measured where trials are short; a trial of the book takes 0.2 s."""
LONGEST_MEASURE = 20.0
"""Time after which an epoch that is still not over is no longer waited for."""

SAMPLE_TRIALS = 512
"""Trials, the first of the search, that are trained for the measurement and whose mean size stands for all."""

_POLL_SECONDS = 0.02
_PENDING = 0  # of `PackRun.status`


def epochs_to_train(config: SearchConfig, trials: int) -> int:
    """Count the epochs that `trials` trials train in all, folds included; with median pruning, at most.

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
    """How fast the first trials of a search trained.

    Parameters
    ----------
    epochs_per_second : float
        Epochs a second of a network of mean size, all threads together; those under way count as half.
    finished : int
        Epochs that came to their end; with 0 the rate is no more than a guess from above.
    seconds : float
        Time that was measured.
    memory : int or None
        Bytes that the process had in use meanwhile, see `fastnet.limits.resident_memory`.
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
    """Train the first trials of a search for a moment and see how fast it goes.

    Parameters
    ----------
    engine : LocalThreads
        Loaded.
    tasks : Tasks
        Of the search.
    seconds : float
        Time to measure; longer, up to `LONGEST_MEASURE`, until each thread has finished an epoch.
    should_stop : callable
        Asked all the time; once it returns True the measurement ends.

    Notes
    -----
    A trial whose loss leaves the finite numbers ends early, in the measurement as in the search: all of its epochs
    count as trained. Where architectures differ, an epoch counts by its multiplications.
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
    """Return the task of the first trials of a search, or of some later ones."""
    ids = np.arange(begin, begin + trials)
    return tasks.of(ids, sampler_of(tasks.config).draw(checked_space(tasks.config), ids, ()))


@dataclass(frozen=True, slots=True)
class Wave:
    """The packs that train together.

    Parameters
    ----------
    packs, trials : int
        How many packs, and trials in them.
    threads : int
        Networks that train at a time.
    workspaces : int
        Bytes that the threads need, curves and settings included.
    kept : int
        Bytes of the weights and optimizer states that trials keep while they wait to be compared; 0 without pruning.
    """

    packs: int
    trials: int
    threads: int
    workspaces: int
    kept: int


def first_wave(engine: LocalThreads, tasks: Tasks) -> Wave:
    """Return what trains at the same time first, and the memory it takes, by the sizes of its arrays.

    Raises
    ------
    ConfigError
        If the memory that the search may use does not suffice.
    """
    from fastnet.training.pack import footprint

    config = tasks.config
    trials = len(stage_ids(config.trials, config.stages)[0])
    size = config.pack_size if len(schedule_of(config).rungs) > 1 else PACK_TRIALS
    n = min(packs_that_pay(config, min(size, trials), tasks.threads), -(-trials // size))
    packs = [first_trials(tasks, min(size, trials - begin), begin) for begin in range(0, n * size, size)]
    task = joined(packs[: engine.fitting(packs)])
    members = engine.data.members(task)
    threads = engine.data.threads_for(task, members)
    workspaces = footprint(members, threads, waiting=False)
    kept = footprint(members, threads, waiting=True) - workspaces if task.waits else 0
    return Wave(len(task.sizes), len(task.ids), threads, workspaces, kept)


def _trained(run: PackRun) -> np.ndarray:
    """Epochs of each network that are over; one that diverged is over with all of its epochs."""
    return np.where(run.status == _PENDING, run.epochs_done, run.curves.shape[2])
