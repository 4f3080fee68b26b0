"""A pack of trials as a task, and its outcome.

The outcome is the same in any process, on any number of threads and next to any other task, so tasks may end in any
order.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastnet.config.searching import SearchConfig
from fastnet.config.training import TrainConfig
from fastnet.tuning.rules.pruning import Full, Schedule, schedule_of
from fastnet.tuning.space.names import Value
from fastnet.tuning.space.space import configured
from fastnet.tuning.trial import TrialResult

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset
    from fastnet.data.splitting import Split
    from fastnet.model.classifier import Model

Positions: TypeAlias = NDArray[np.int64]
Params: TypeAlias = Mapping[str, Value]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Task:
    """Trials that train together.

    Parameters
    ----------
    data : str
        Content hash of the prepared data, which the process that runs the task has loaded; see
        `fastnet.tuning.run.prepared`.
    ids : (T,) int64
        Numbers of the trials, which are their random streams.
    configs : tuple of TrainConfig
        One for each trial, with its seed.
    schedule : Schedule
        The rungs, and which trials continue after each.
    sizes : tuple of int
        Sizes of the groups of consecutive trials that are compared with each other; they sum to T.
    threads : int
        Networks that may train at a time.
    memory : int or None
        Memory limit in bytes; None for all that the process may use.
    keep : bool
        Whether to return the trained networks.
    stop_by : str or None
        Metric by which networks stop early and keep their best epoch; None to train all epochs.
    """

    data: str
    ids: Positions
    configs: tuple[TrainConfig, ...]
    schedule: Schedule
    sizes: tuple[int, ...]
    threads: int = 1
    memory: int | None = None
    keep: bool = False
    stop_by: str | None = None

    @property
    def waits(self) -> bool:
        """Whether trials wait at rungs for a comparison."""
        return len(self.schedule.rungs) > 1


class Unfinished(NamedTuple):
    """A trial that was stopped in the middle.

    Attributes
    ----------
    position : int
        In the task.
    curves : (4, epochs) float32
        Its curves, the mean over folds.
    models : tuple of Model
        Its networks with the weights of their best epochs so far.
    """

    position: int
    curves: NDArray[np.float32]
    models: tuple[Model, ...]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Outcome:
    """Trials of a task that ended.

    Parameters
    ----------
    positions : tuple of int
        Their positions in the task.
    status : tuple of str
        ``done``, ``stopped`` or ``diverged``, one for each.
    curves : (n, 4, epochs) float32
        Their curves, the mean over folds; NaN for epochs that did not run.
    seconds : (n,) float64
        Time of each, summed over folds.
    complete : bool
        Whether the task ran to its end.
    rung : int
        The last span of epochs that was trained, from 1.
    compile_seconds, compiled_seconds : float
        Time spent so far on compiling or loading kernels, and inside compiled code.
    models : tuple of tuple of Model
        In the last outcome of a task with `Task.keep`, their networks, one for each fold; an empty tuple for a trial
        that is not ``done``.
    unfinished : tuple of Unfinished
        In the last outcome of such a task that was stopped, the trials that were still training.
    """

    positions: tuple[int, ...]
    status: tuple[str, ...]
    curves: NDArray[np.float32]
    seconds: NDArray[np.float64]
    complete: bool = False
    rung: int = 1
    compile_seconds: float = 0.0
    compiled_seconds: float = 0.0
    models: tuple[tuple[Model, ...], ...] = ()
    unfinished: tuple[Unfinished, ...] = ()

    def moved(self, places: int) -> Outcome:
        """Return the outcome of the same trials in a task that has so many others before them."""
        if not places:
            return self
        return replace(
            self,
            positions=tuple(position + places for position in self.positions),
            unfinished=tuple(one._replace(position=one.position + places) for one in self.unfinished),
        )


Watch: TypeAlias = Callable[[Outcome], bool]
"""Called several times a second with the trials of a running task that ended since the last call, and at the end, also
after Ctrl-C, with all that ended; returns whether the task has to stop."""


@dataclass(frozen=True, slots=True)
class Tasks:
    """Makes tasks of trials of a study; `data` is from `data_name`, `threads` and `memory` are as in `Task`."""

    config: SearchConfig
    data: str
    threads: int
    memory: int | None = None

    def of(self, ids: Positions, params: Sequence[Params], **more: Any) -> Task:
        """Return the task of one pack; `more` sets other fields of `Task`."""
        train = self.config.train
        given: dict[str, Any] = {
            "configs": tuple(configured(train, values) for values in params),
            "schedule": schedule_of(self.config),
            "sizes": (len(ids),),
            "stop_by": None if train.early_stopping is None else self.config.metric,
        }
        return Task(data=self.data, ids=ids, threads=self.threads, memory=self.memory, **(given | more))

    def again(self, trials: Sequence[TrialResult], *, seeds: Sequence[int] | None = None, keep: bool = False) -> Task:
        """Return the task of training trials again to their end, with new seeds if given."""
        configs = [configured(self.config.train, trial.params) for trial in trials]
        if seeds is not None:
            configs = [replace(config, seed=seed) for config, seed in zip(configs, seeds, strict=True)]
        ids = np.array([trial.id for trial in trials], dtype=np.int64)
        return self.of(ids, (), configs=tuple(configs), schedule=Full(self.config.train.epochs), keep=keep)


def holds_networks(config: SearchConfig) -> bool:
    """Whether trials leave their networks for an ensemble.

    Only where trials wait at rungs: their weights are in memory as it is, and few reach the end.

    Examples
    --------
    >>> holds_networks(SearchConfig(ensemble_top=3)), holds_networks(SearchConfig(ensemble_top=3, pruning="halving"))
    (False, True)
    """
    return bool(config.ensemble_top) and len(schedule_of(config).rungs) > 1


def joined(tasks: Sequence[Task]) -> Task:
    """Return one task that trains the packs of several together; each is still compared on its own."""
    return replace(
        tasks[0],
        ids=np.concatenate([task.ids for task in tasks]),
        configs=tuple(config for task in tasks for config in task.configs),
        sizes=tuple(size for task in tasks for size in task.sizes),
    )


def packs_of(task: Task) -> list[Task]:
    """Return one task for each pack of a task, the reverse of `joined`."""
    ends = itertools.accumulate(task.sizes, initial=0)
    return [
        replace(task, ids=task.ids[low:high], configs=task.configs[low:high], sizes=(high - low,))
        for low, high in itertools.pairwise(ends)
    ]


def data_name(dataset: Dataset, splits: Sequence[Split], config: TrainConfig | None = None) -> str:
    """Return the content hash of data, their splits, and what is learnt of their targets, 64 hexadecimal digits."""
    config = config or TrainConfig()
    digest = hashlib.sha256(dataset.fingerprint().encode())
    digest.update(repr((config.objective, config.quantiles, config.class_weight)).encode())
    for parts in splits:
        digest.update(parts.fingerprint().encode())
    return digest.hexdigest()
