"""Which trials of a pack train on, and how far: all to the end, successive halving, or the median rule.

A schedule compares trials at *rungs*, numbers of epochs after which all trials of a pack that still train have been
measured. Packs are consecutive trials, as many as the study's settings say, so what a schedule decides depends neither
on the machine nor on which trials happened to be ready first.
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
    """What decides which trials of a pack end early."""

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs after which trials are compared, ascending; the last are all epochs."""

    def keep(self, curves: Curves, alive: Positions, rung: int) -> Positions:
        """Choose which trials go on.

        Parameters
        ----------
        curves : (T, 4, E) float32
            Of the whole pack, NaN where a trial has not trained.
        alive : (A,) int64
            The trials that have just reached the rung, ascending; those that diverged are not among them.
        rung : int
            Which one, from 0.

        Returns
        -------
        (K,) int64
            Those of `alive` that train on, ascending.
        """


@dataclass(frozen=True, slots=True)
class Full:
    """Every trial trains all epochs."""

    epochs: int

    @property
    def rungs(self) -> tuple[int, ...]:
        """One: the end."""
        return (self.epochs,)

    def keep(self, curves: Curves, alive: Positions, rung: int) -> Positions:
        """Keep all of them."""
        return alive


@dataclass(frozen=True, slots=True)
class Halving:
    """Successive halving: at every rung the best ``1 / eta`` go on, with ``eta`` times the epochs.

    Attributes
    ----------
    epochs : int
        Of the trials that survive.
    eta : int
        At least 2.
    first_epochs : int
        Fewest epochs before trials are compared.
    metric : str

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

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs of each rung."""
        found = [self.epochs]
        while round(found[0] / self.eta) >= self.first_epochs and round(found[0] / self.eta) < found[0]:
            found.insert(0, round(found[0] / self.eta))
        return tuple(found)

    def keep(self, curves: Curves, alive: Positions, rung: int) -> Positions:
        """Keep the best, at least one; of equals, as accuracies often are, those of lower loss, then lower numbers."""
        epoch = self.rungs[rung] - 1
        measured = sign(self.metric) * curve_of(curves, self.metric)[alive, epoch]
        loss = curve_of(curves, "loss")[alive, epoch]
        best = np.lexsort((loss, -measured))[: math.ceil(len(alive) / self.eta)]
        return np.sort(alive[best])


@dataclass(frozen=True, slots=True)
class Median:
    """The median rule: a trial ends when its best epoch is worse than the median of the others' mean epochs.

    Attributes
    ----------
    epochs : int
    first_epochs : int
        Epochs between two comparisons, and before the first one.
    metric : str

    Notes
    -----
    Golovin et al., *Google Vizier: A Service for Black-Box Optimization* (KDD 2017), section 3.2.2: a trial is stopped
    if its best value so far is strictly worse than the median of the running averages of all trials up to the same
    epoch. Here "all trials" are those of the pack; one that has ended counts with what it reached.

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
        """Keep those whose best epoch reaches the median."""
        measured = sign(self.metric) * curve_of(curves, self.metric)[:, : self.rungs[rung]].astype(np.float64)
        ran = np.isfinite(measured)
        began = ran.any(axis=1)
        means = np.where(ran, measured, 0.0).sum(axis=1) / np.maximum(ran.sum(axis=1), 1)
        best = np.where(ran, measured, -np.inf).max(axis=1, initial=-np.inf)
        means[~began] = -np.inf  # diverged before it was measured
        kept: Positions = alive[best[alive] >= np.median(means)]
        return kept


def schedule_of(config: SearchConfig) -> Schedule:
    """Build the schedule that a search asks for.

    Examples
    --------
    >>> schedule_of(SearchConfig(pruning="halving", eta=2)).rungs
    (6, 12, 25, 50)
    """
    epochs = config.train.epochs
    if config.pruning == "halving":
        return Halving(epochs, config.eta, config.first_epochs, config.metric)
    if config.pruning == "median":
        return Median(epochs, config.first_epochs, config.metric)
    return Full(epochs)


def survivors(schedule: Schedule, trials: int) -> list[int]:
    """Tell how many of a pack's trials train up to each rung, if none diverges; as many as there are for `Median`.

    Examples
    --------
    >>> survivors(Halving(50, 3, 2, "accuracy"), 81)
    [81, 27, 9, 3]
    """
    counts = [trials]
    for _ in schedule.rungs[1:]:
        counts.append(math.ceil(counts[-1] / schedule.eta) if isinstance(schedule, Halving) else trials)
    return counts
