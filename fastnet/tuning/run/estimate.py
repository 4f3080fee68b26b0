"""What a search will need before it runs: epochs to train, the time that they take, and memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastnet.config.searching import SearchConfig
from fastnet.limits import resident_memory
from fastnet.tuning.rules.pruning import schedule_of, survivors
from fastnet.tuning.run.sampler import checked_space, draw_for
from fastnet.tuning.run.session import MOST_PACKS, PACK_TRIALS, stage_ids
from fastnet.tuning.run.trials import Ids, Params

if TYPE_CHECKING:
    from fastnet.training.pack import PackRun
    from fastnet.tuning.run.workshop import Recipe, Workshop

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
    workshop: Workshop, *, seconds: float = MEASURE_SECONDS, should_stop: Callable[[], bool] = lambda: False
) -> Speed:
    """Train the first trials of a search for a moment and see how fast it goes.

    Parameters
    ----------
    workshop : Workshop
        Of the search, warmed up.
    seconds : float
        Time to measure; longer, up to `LONGEST_MEASURE`, until each thread has finished an epoch.
    should_stop : callable
        Asked all the time; once it returns True the measurement ends.

    Notes
    -----
    A trial whose loss leaves the finite numbers ends early, in the measurement as in the search: all of its epochs
    count as trained. Where architectures differ, an epoch counts by its multiplications.
    """
    recipes = first_recipes(workshop)
    members = workshop.members(recipes)
    threads = workshop.threads_for(members, waiting=False)
    run = workshop.pack(recipes)
    costs = np.array([member.cost for member in members])
    began = time.perf_counter()
    run.start()
    try:
        while run.running() and not should_stop():
            elapsed = time.perf_counter() - began
            if elapsed >= LONGEST_MEASURE or (elapsed >= seconds and _trained(run).sum() >= threads):
                break
            time.sleep(_POLL_SECONDS)
        elapsed = time.perf_counter() - began
        trained, under_way = _trained(run), threads if run.running() else 0
        memory = resident_memory()
    finally:
        run.stop()
        run.join()
    work = float(trained @ costs) + under_way / 2 * float(costs.max())  # costly trials begin first
    return Speed(work / costs.mean() / elapsed, int(trained.sum()), elapsed, memory)


def first_recipes(workshop: Workshop) -> list[Recipe]:
    """Return the first trials, `SAMPLE_TRIALS` at most."""
    return workshop.recipes(*_drawn(workshop.config, np.arange(min(workshop.config.trials, SAMPLE_TRIALS))))


def _drawn(config: SearchConfig, ids: Ids) -> tuple[Ids, list[Params]]:
    return ids, draw_for(config, checked_space(config), ids)


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


def first_wave(workshop: Workshop) -> Wave:
    """Tell what trains together first, and the memory it takes, by the sizes of its arrays.

    Raises
    ------
    ConfigError
        If the memory that the workshop may use does not suffice.
    """
    from fastnet.training.pack import footprint

    config = workshop.config
    pruned = len(schedule_of(config).rungs) > 1
    ids = np.arange(len(stage_ids(config.trials, config.stages)[0]))
    if pruned:
        size = config.pack_size
        packs = [
            _drawn(config, ids[begin : begin + size]) for begin in range(0, min(len(ids), MOST_PACKS * size), size)
        ]
        packs = packs[: workshop.packs_at_once(packs)]
    else:
        packs = [_drawn(config, ids[:PACK_TRIALS])]
    members = [member for pack in packs for member in workshop.members(workshop.recipes(*pack))]
    threads = workshop.threads_for(members, waiting=pruned)
    workspaces = footprint(members, threads, waiting=False)
    kept = footprint(members, threads, waiting=True) - workspaces if pruned else 0
    return Wave(len(packs), sum(len(ids) for ids, _ in packs), threads, workspaces, kept)


def _trained(run: PackRun) -> np.ndarray:
    """Epochs of each network that are over; one that diverged is over with all of its epochs."""
    return np.where(run.status == _PENDING, run.epochs_done, run.curves.shape[2])
