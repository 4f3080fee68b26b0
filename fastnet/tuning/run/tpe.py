"""A sampler that learns from earlier trials: a tree-structured Parzen estimator, the same on every machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastnet.tuning.run.history import History
from fastnet.tuning.run.points import Floats, Ids, random_points, values_at
from fastnet.tuning.run.ranked import Ranked
from fastnet.tuning.space.distributions import Choice
from fastnet.tuning.space.names import Value, stream_of
from fastnet.tuning.space.space import Space
from fastnet.tuning.trial import TrialResult

PURPOSE_TPE = 1024
"""First purpose, in the counter of the random generator, of what a trial's candidates are made of."""

CANDIDATES = 24
"""Points of which a trial is the best one."""

GOOD_SHARE, MOST_GOOD = 0.15, 50
"""Share, and largest number, of earlier trials that count as good."""

MOST_OTHERS = 100
"""Most other trials that count, evenly from all of them: a generation is drawn in 3 ms then."""

RANDOM_EVERY = 3
"""Every third trial is drawn at random, so that no part of the space is given up and the members of an ensemble
differ."""

SPREAD, LEAST_WIDTH = 1.5, 0.05
"""Half the width of a kernel in standard deviations of the good trials, and the least one in shares of the range."""

CHANGED = 0.2
"""Probability that a candidate draws a choice anew instead of taking the good trial's."""


@dataclass(frozen=True, slots=True)
class Tpe:
    """Draws two of three trials where good trials are dense and the others are not.

    Parameters
    ----------
    seed : int
        Seed of the study, 0 to 2**64 - 1.
    metric : str
        Ranks the trials; those that trained longer come first, see `fastnet.tuning.trial.rank`.
    generation : int
        Consecutive trials with the same history.

    Notes
    -----
    Bergstra, Bardenet, Bengio and Kégl, *Algorithms for Hyper-Parameter Optimization* (NIPS 2011), with densities of
    all hyperparameters together and a share of random trials as in Falkner, Klein and Hutter, *BOHB* (ICML 2018).
    Positions are those of the ranges' own scales. Kernels are triangles, so that additions, multiplications and
    divisions in a fixed order are all it takes: the same trials on every machine.

    Examples
    --------
    >>> import numpy as np
    >>> space = Space.parse({"dropout": "uniform:0:0.5"})
    >>> curves = [np.full((4, 1), k % 10, np.float32) for k in range(30)]
    >>> known = [
    ...     TrialResult.from_curves(k, "done", {"dropout": k % 10 / 20}, of_trial, seconds=1.0, metric="loss")
    ...     for k, of_trial in enumerate(curves)
    ... ]
    >>> [params["dropout"] for params in Tpe(0, "loss", 30).draw(space, np.array([31, 32, 34, 35]), known)]
    [0.000352439, 0.00226399, 0.00232318, 0.00307253]
    """

    seed: int
    metric: str
    generation: int

    def draw(self, space: Space, ids: Ids, history: Sequence[TrialResult]) -> list[dict[str, Value]]:
        """Draw the hyperparameters of some trials, see `fastnet.tuning.run.sampler.Sampler.draw`."""
        if not space.names:
            return [{} for _ in ids]
        points = np.array(random_points(space, ids, self.seed))
        good, others = self._divided(space, history)
        if len(good):
            learns = np.flatnonzero(np.asarray(ids) % RANDOM_EVERY != 0)
            points[:, learns] = self._proposed(space, np.asarray(ids)[learns], good, others)
        return values_at(space, ids, list(points))

    def _divided(self, space: Space, history: Sequence[TrialResult]) -> tuple[Floats, Floats]:
        """Return the positions of good and of other trials, (n, D); no good ones where the trials are few."""
        if isinstance(history, History):
            ranked = history.ranked(space, self.metric)
        else:
            ranked = Ranked(space, self.metric)
            ranked.add(history)
        n, least = len(ranked), len(space.names) + 1
        n_good = min(MOST_GOOD, max(least, math.ceil(GOOD_SHARE * n))) if n >= 2 * least else 0
        n_others = n - n_good + ranked.n_diverged  # those that diverged after all that have a rank
        some = np.arange(n_good, n_good + n_others, -(-n_others // MOST_OTHERS) or 1)
        others = np.concatenate([ranked.at(some[some < n]), ranked.diverged_at(some[some >= n] - n)])
        return ranked.at(np.arange(n_good)), others

    def _proposed(self, space: Space, ids: Ids, good: Floats, others: Floats) -> Floats:
        """Return the best of the candidates of each trial, (D, T)."""
        kinds = [len(one.values) if isinstance(one, Choice) else 0 for one in space.distributions.values()]
        widths = _widths(good)
        candidates = np.array([self._candidate(space, ids, good, widths, kinds, k) for k in range(CANDIDATES)])
        flat = candidates.transpose(1, 0, 2).reshape(len(kinds), -1)
        worth = _density(flat, good, widths, kinds) / _density(flat, others, widths, kinds)
        best = worth.reshape(CANDIDATES, len(ids)).argmax(axis=0)
        chosen: Floats = candidates[best, :, np.arange(len(ids))].T
        return chosen

    def _candidate(self, space: Space, ids: Ids, good: Floats, widths: Floats, kinds: Sequence[int], k: int) -> Floats:
        """Return one point for each trial near a good trial, (D, T)."""
        from fastnet.kernels.rng import uniforms

        def drawn(name: str, part: int) -> Floats:
            numbers: Floats = uniforms(np.uint64(self.seed), ids, PURPOSE_TPE + 4 * k + part, stream_of(name))
            return numbers

        near = good[(drawn(space.names[0], 3) * len(good)).astype(np.int64)]
        out = np.empty((len(kinds), len(ids)))
        for place, (name, n_choices) in enumerate(zip(space.names, kinds, strict=True)):
            first, second = drawn(name, 0), drawn(name, 1)
            if n_choices:
                out[place] = np.where(drawn(name, 2) < CHANGED, first, near[:, place])
            else:  # the sum of two even numbers has a triangle as its density; what lies outside is mirrored
                moved = np.abs(near[:, place] + widths[place] * (first + second - 1.0))
                out[place] = np.clip(np.where(moved > 1.0, 2.0 - moved, moved), 2.0**-33, 1.0 - 2.0**-33)
        return out


def _widths(good: Floats) -> Floats:
    """Return half the width of the kernels of each hyperparameter."""
    mean = _sum(good) / len(good)
    spread = np.sqrt(_sum(np.square(good - mean)) / len(good))
    widths: Floats = np.clip(SPREAD * spread, LEAST_WIDTH, 0.5)
    return widths


def _density(points: Floats, trials: Floats, widths: Floats, kinds: Sequence[int]) -> Floats:
    """Return the density of trials at (D, P) points, with one more trial that is spread evenly over the space."""
    kernels: Floats = np.ones((len(trials), points.shape[1]))
    for place, n_choices in enumerate(kinds):
        here, there = points[place], trials[:, place, None]
        if n_choices:
            same = np.floor(here * n_choices) == np.floor(there * n_choices)
            kernels *= np.where(same, (1.0 - CHANGED) * n_choices + CHANGED, CHANGED)
        else:
            kernels *= np.maximum(0.0, 1.0 - np.abs(here - there) / widths[place]) / widths[place]
    return (1.0 + _sum(kernels)) / (len(trials) + 1)


def _sum(rows: NDArray[np.float64]) -> Floats:
    """Return the sum over rows, added one after the other."""
    total = np.zeros(rows.shape[1])
    for row in rows:
        total += row
    return total
