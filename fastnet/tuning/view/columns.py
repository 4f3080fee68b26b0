"""The trials of a study as columns, for statistics over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from fastnet.config.metric import sign
from fastnet.tuning.space.distributions import Values
from fastnet.tuning.space.names import Value
from fastnet.tuning.trial import STATUSES, TrialResult

DONE, STOPPED, DIVERGED = range(3)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Viewed(Protocol):
    """What is read of an open study, a `fastnet.tuning.store.reading.StudyReader`."""

    @property
    def metric(self) -> str:
        """How trials are compared."""

    @property
    def score(self) -> str:
        """The score of its trials."""

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that determine the trials."""

    def columns(self) -> Columns:
        """Read all trials."""

    def best(self, n: int) -> tuple[TrialResult, ...]:
        """Return the best trials with their curves."""

    def stages(self) -> list[dict[str, Any]]:
        """Return one record per stage."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Trials ordered by number, an array for each field of `fastnet.tuning.TrialResult` except the curves."""

    id: Ints
    stage: Ints
    status: Ints  # index into `fastnet.tuning.trial.STATUSES`
    epochs: Ints
    value: Floats  # NaN for a diverged trial
    seconds: Floats
    params: dict[str, Values]  # (T,) values of each searched hyperparameter, names sorted
    metric: str

    @classmethod
    def of(cls, trials: Iterable[TrialResult], metric: str) -> Self:
        """Return the columns of trials that are in memory, in any order."""
        every = sorted(trials, key=lambda trial: trial.id)
        rows = [(t.id, t.stage, STATUSES.index(t.status), t.epochs, t.value, t.seconds) for t in every]
        numbers = np.array(rows, dtype=np.float64).reshape(-1, 6).T  # whole numbers are exact up to 2**53
        names = sorted({name for trial in every for name in trial.params})
        number, stage, status, epochs = numbers[:4].astype(np.int64)
        value, seconds = np.ascontiguousarray(numbers[4:])
        params = {name: values_of([trial.params.get(name) for trial in every]) for name in names}
        return cls(number, stage, status, epochs, value, seconds, params, metric)

    @classmethod
    def joined(cls, parts: Sequence[Columns], metric: str) -> Self:
        """Return the trials of several columns, whose numbers rise from one to the next."""
        if not parts:
            return cls.of((), metric)
        names = sorted({name for part in parts for name in part.params})
        params = {name: _chained([part.of_name(name) for part in parts]) for name in names}
        fields = ("id", "stage", "status", "epochs", "value", "seconds")
        arrays = {field: np.concatenate([getattr(part, field) for part in parts]) for field in fields}
        return cls(**arrays, params=params, metric=metric)

    def __len__(self) -> int:
        return len(self.id)

    def take(self, which: NDArray[Any]) -> Columns:
        """Return the trials at ascending places, or those of a (T,) mask."""
        places = np.flatnonzero(which) if which.dtype == bool else which
        params = {name: values[places] for name, values in self.params.items()}
        number, stage, status, epochs = (n[places] for n in (self.id, self.stage, self.status, self.epochs))
        return Columns(number, stage, status, epochs, self.value[places], self.seconds[places], params, self.metric)

    def of_name(self, name: str) -> Values:
        """Return the values of a hyperparameter; None for each trial where it is not searched."""
        return self.params[name] if name in self.params else np.full(len(self), None, dtype=object)

    def order(self) -> Ints:
        """Return the places of the trials from best to worst, as `fastnet.tuning.trial.rank` orders them."""
        return np.lexsort((self.id, *self._keys()[::-1]))

    def goodness(self) -> Floats:
        """Return the share of the trials that are worse than each, in (0, 1); ties count half.

        This rank is robust against a few huge losses, and defined for trials that were stopped early or diverged, too.
        """
        keys = np.nan_to_num(np.stack(self._keys()))
        order = np.lexsort(keys[::-1])[::-1]  # the worst first
        ordered = keys[:, order]
        level = np.cumsum((ordered[:, 1:] != ordered[:, :-1]).any(axis=0))
        level = np.concatenate([level[:0], [0], level])[: len(self)]
        counts = np.bincount(level, minlength=1)
        below = np.cumsum(counts) - counts
        good = np.empty(len(self))
        good[order] = (below + counts / 2)[level] / max(len(self), 1)
        return good

    def _keys(self) -> tuple[Floats, ...]:
        """Return the keys that rank trials, the most important first, smaller being better."""
        fit, stopped = self.status != DIVERGED, self.status == STOPPED
        value = np.where(fit, -sign(self.metric) * self.value, 0.0)
        length = np.where(stopped, -self.epochs, 0)  # those that trained to their end count as equally long
        return (~fit).astype(np.float64), stopped.astype(np.float64), length.astype(np.float64), value


def values_of(values: Sequence[Value | None]) -> Values:
    """Return values as an array: float64 of numbers, int64 of whole numbers, otherwise objects, equal ones the same.

    Examples
    --------
    >>> values_of([0.5, 0.1]).dtype.name, values_of([16, 32]).dtype.name, values_of(["relu", 1]).tolist()
    ('float64', 'int64', ['relu', 1])
    """
    kinds = set(map(type, values))
    if kinds == {float} or kinds == {int}:
        return np.array(values, np.float64 if kinds == {float} else np.int64)
    once: dict[Any, Any] = {}
    found = np.empty(len(values), dtype=object)
    found[:] = [once.setdefault((type(value), value), value) for value in values]
    return found


def _chained(parts: Sequence[Values]) -> Values:
    same = len({part.dtype for part in parts}) == 1
    return np.concatenate(parts if same else [part.astype(object) for part in parts])
