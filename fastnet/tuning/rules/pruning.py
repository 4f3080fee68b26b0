"""Which trials of a pack continue, and for how long: all to the end, successive halving, or the median rule.

A schedule compares trials at *rungs*, numbers of epochs after which all remaining trials of a pack have been measured.
A pack is a fixed number of consecutive trials, given by the study's settings, so decisions depend neither on the
machine nor on which trials finish first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fastnet.config.metric import sign
from fastnet.config.searching import SearchConfig
from fastnet.tuning.trial import curve_of

Curves = NDArray[np.float32]
Positions = NDArray[np.int64]


class Schedule(Protocol):
    """A rule that decides which trials of a pack end early."""

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs after which trials are compared, ascending; the last rung is the end of training."""

    def keep(self, curves: Curves, alive: Positions, rung: int) -> Positions:
        """Choose which trials continue.

        Parameters
        ----------
        curves : (T, 4, E) float32
            Curves of the whole pack, NaN where a trial has not trained.
        alive : (A,) int64
            The trials that have just reached the rung, ascending, without those that diverged.
        rung : int
            Index of the rung, from 0.

        Returns
        -------
        (K,) int64
            The trials of `alive` that continue, ascending.
        """


@dataclass(frozen=True, slots=True)
class Full:
    """Every trial trains all epochs."""

    epochs: int

    @property
    def rungs(self) -> tuple[int, ...]:
        """The end of training."""
        return (self.epochs,)

    def keep(self, curves: Curves, alive: Positions, rung: int) -> Positions:
        """Keep all of them."""
        return alive


@dataclass(frozen=True, slots=True)
class Halving:
    """Successive halving: at every rung the best ``1 / eta`` continue, to ``eta`` times the epochs.

    The first rung is not before `first_epochs`. Trials are compared at the rung, or by their `best_so_far`.

    Notes
    -----
    Jamieson and Talwalkar, *Non-stochastic Best Arm Identification and Hyperparameter Optimization* (2016). The rungs
    are counted from the end, ``epochs / eta**k``, so that the last span is never a short one. Nothing is trained twice.

    Examples
    --------
    >>> Halving(50, 3, 2, "accuracy").rungs
    (2, 6, 17, 50)
    """

    epochs: int
    eta: int
    first_epochs: int
    metric: str
    best_so_far: bool = False

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs of each rung."""
        found = [self.epochs]
        while round(found[0] / self.eta) >= self.first_epochs:
            found.insert(0, round(found[0] / self.eta))
        return tuple(found)

    def keep(self, curves: Curves, alive: Positions, rung: int) -> Positions:
        """Keep the best, at least one; ties go to the lower loss, then to the lower number."""
        measured, loss = (self._measured(curves[alive], metric, self.rungs[rung]) for metric in (self.metric, "loss"))
        loss = -loss
        best = np.lexsort((loss, -measured))[: math.ceil(len(alive) / self.eta)]
        return np.sort(alive[best])

    def _measured(self, curves: Curves, metric: str, end: int) -> NDArray[np.float32]:
        """Return the metric of each trial up to an epoch, the better the higher."""
        found: NDArray[np.float32] = np.float32(sign(metric)) * curve_of(curves, metric)[:, :end]
        if not self.best_so_far:
            return found[:, -1]
        best: NDArray[np.float32] = np.fmax.reduce(found, axis=1)
        return best


@dataclass(frozen=True, slots=True)
class Median:
    """The median rule: a trial ends if its best epoch is worse than the median of the pack's mean epochs.

    Trials are compared every `first_epochs` epochs.

    Notes
    -----
    Golovin et al., *Google Vizier: A Service for Black-Box Optimization* (KDD 2017), section 3.2.2: a trial is stopped
    if its best value so far is strictly worse than the median of the running averages of all trials up to the same
    epoch. Here "all trials" are those of the pack; a trial that has ended counts with the epochs it ran.

    Examples
    --------
    >>> Median(10, 4, "accuracy").rungs
    (4, 8, 10)
    """

    epochs: int
    first_epochs: int
    metric: str

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs of each comparison."""
        return (*range(self.first_epochs, self.epochs, self.first_epochs), self.epochs)

    def keep(self, curves: Curves, alive: Positions, rung: int) -> Positions:
        """Keep the trials whose best epoch reaches the median."""
        measured = sign(self.metric) * curve_of(curves, self.metric)[:, : self.rungs[rung]].astype(np.float64)
        ran = np.isfinite(measured)
        began = ran.any(axis=1)
        means = np.where(ran, measured, 0.0).sum(axis=1) / np.maximum(ran.sum(axis=1), 1)
        best = np.where(ran, measured, -np.inf).max(axis=1, initial=-np.inf)
        means[~began] = -np.inf  # diverged before it was measured
        kept: Positions = alive[best[alive] >= np.median(means)]
        return kept


def schedule_of(config: SearchConfig) -> Schedule:
    """Build the schedule of a search.

    Examples
    --------
    >>> schedule_of(SearchConfig(pruning="halving", eta=2)).rungs
    (6, 12, 25, 50)
    """
    epochs = config.train.epochs
    if config.pruning == "halving":
        best_so_far = config.train.early_stopping is not None
        return Halving(epochs, config.eta, config.first_epochs, config.metric, best_so_far)
    if config.pruning == "median":
        return Median(epochs, config.first_epochs, config.metric)
    return Full(epochs)


def survivors(schedule: Schedule, trials: int) -> list[int]:
    """Return how many of a pack's trials reach each rung if none diverges; for `Median`, the most that can.

    Examples
    --------
    >>> survivors(Halving(50, 3, 2, "accuracy"), 81)
    [81, 27, 9, 3]
    """
    counts = [trials]
    for _ in schedule.rungs[1:]:
        counts.append(math.ceil(counts[-1] / schedule.eta) if isinstance(schedule, Halving) else trials)
    return counts
