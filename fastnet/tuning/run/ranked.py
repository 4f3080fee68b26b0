"""Trials in the order of their rank, to which later ones are added at the same cost however many there are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastnet.config.metric import sign
from fastnet.tuning.run.points import Floats
from fastnet.tuning.space.distributions import Choice
from fastnet.tuning.space.space import Space
from fastnet.tuning.trial import TrialResult

LATEST = 4096
"""Most trials that are merged into the others only when a rank is asked for."""

_DONE = -(2.0**40)  # before every number of epochs

Ints = NDArray[np.int64]


class Ranked:
    """The places of trials in a space, and their order as in `fastnet.tuning.rank`, in 40 bytes and 8 for each name.

    Trials are added by rising number. Those whose choices the space no longer has are left out.

    Attributes
    ----------
    read : int
        Trials that were added, those that were left out included.

    Examples
    --------
    >>> space = Space.parse({"dropout": "uniform:0:0.5"})
    >>> curves = [np.full((4, 1), value, np.float32) for value in (0.5, 0.9, 0.7)]
    >>> ranked = Ranked(space, "accuracy")
    >>> ranked.add([TrialResult.from_curves(k, "done", {"dropout": k / 4}, curves[k], seconds=1.0) for k in range(3)])
    >>> len(ranked), ranked.at(np.array([0, 2])).tolist()
    (3, [[0.5], [0.0]])
    """

    def __init__(self, space: Space, metric: str) -> None:
        self.space, self.metric = space, metric
        self._positions = np.empty((1, len(space.names)))
        self.read = self._n = 0
        self._keys, self._places = np.empty(0, np.complex128), np.empty(0, np.int64)
        self._latest_keys, self._latest_places = self._keys, self._places
        self._diverged = np.empty(0, np.int64)

    def __len__(self) -> int:
        """Return the number of trials that have a rank: those that did not diverge."""
        return len(self._keys) + len(self._latest_keys)

    @property
    def n_diverged(self) -> int:
        """The number of trials that diverged."""
        return len(self._diverged)

    def add(self, trials: Sequence[TrialResult]) -> None:
        """Add trials with higher numbers than those before."""
        some = [trial for trial in trials if _lies_in(self.space, trial)]
        places = np.arange(self._n, self._n + len(some))
        while len(self._positions) < self._n + len(some):
            self._positions = np.concatenate([self._positions, np.empty_like(self._positions)])
        self._positions[places] = _positions(self.space, some)
        self._n += len(some)
        self.read += len(trials)
        fit = np.array([trial.status != "diverged" for trial in some], np.bool_)
        better = sign(self.metric)
        # Complex numbers are ordered by their real part, then by the imaginary one.
        keys = [
            complex(_DONE if trial.status == "done" else -trial.epochs, -better * trial.value)
            for trial in some
            if trial.status != "diverged"
        ]
        self._latest_keys = np.concatenate([self._latest_keys, np.array(keys, np.complex128)])
        self._latest_places = np.concatenate([self._latest_places, places[fit]])
        if not fit.all():
            self._diverged = np.concatenate([self._diverged, places[~fit]])

    def at(self, ranks: Ints) -> Floats:
        """Return the positions of the trials at some ranks, from 0, (n, D)."""
        order = np.argsort(self._latest_keys, kind="stable")  # of equal ones, the lower number comes first
        keys, places = self._latest_keys[order], self._latest_places[order]
        between = np.searchsorted(self._keys, keys, side="right")
        if len(keys) > LATEST:
            self._keys, self._places = np.insert(self._keys, between, keys), np.insert(self._places, between, places)
            self._latest_keys, self._latest_places = self._keys[:0], self._places[:0]
            return self._positions_at(self._places[ranks])
        of_latest = between + np.arange(len(keys))
        before = np.searchsorted(of_latest, ranks)
        latest = np.isin(ranks, of_latest)
        found = np.empty(len(ranks), np.int64)
        found[latest] = places[before[latest]]
        found[~latest] = self._places[(ranks - before)[~latest]]
        return self._positions_at(found)

    def diverged_at(self, which: Ints) -> Floats:
        """Return the positions of some of the trials that diverged, counted from 0 by their numbers, (n, D)."""
        return self._positions_at(self._diverged[which])

    def _positions_at(self, places: Ints) -> Floats:
        found: Floats = self._positions[places]
        return found


def _lies_in(space: Space, trial: TrialResult) -> bool:
    """Whether the choices of a trial are still those of the space, which later stages narrow."""
    choices = ((name, one) for name, one in space.distributions.items() if isinstance(one, Choice))
    return all(trial.params[name] in one.values for name, one in choices)


def _positions(space: Space, trials: Sequence[TrialResult]) -> Floats:
    """Return where trials lie, (n, D), rounded: the last bits of a logarithm depend on the processor."""
    columns = [one.position([trial.params[name] for trial in trials]) for name, one in space.distributions.items()]
    return np.round(np.array(columns, np.float64).reshape(len(columns), len(trials)).T, 9)
