"""The trials of a study as columns, for statistics over all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastnet.config.metric import sign
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

    def iter_trials(self) -> Iterator[TrialResult]:
        """Read trials one by one, by number, without their curves."""

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
    params: dict[str, list[Value]]  # T values of each searched hyperparameter, names sorted
    metric: str

    @classmethod
    def read(cls, study: Viewed) -> Columns:
        """Read all trials of an open study."""
        rows: list[tuple[float, ...]] = []
        params: list[Any] = []
        for trial in study.iter_trials():
            rows.append((trial.id, trial.stage, STATUSES.index(trial.status), trial.epochs, trial.value, trial.seconds))
            params.append(trial.params)
        numbers = np.array(rows, dtype=np.float64).reshape(-1, 6).T  # whole numbers are exact up to 2**53
        names = sorted({name for values in params for name in values})
        number, stage, status, epochs = numbers[:4].astype(np.int64)
        value, seconds = np.ascontiguousarray(numbers[4:])
        columns = {name: [values.get(name) for values in params] for name in names}
        return cls(number, stage, status, epochs, value, seconds, columns, study.metric)

    def __len__(self) -> int:
        return len(self.id)

    def take(self, which: NDArray[Any]) -> Columns:
        """Return the trials at ascending places, or those of a (T,) mask."""
        places = np.flatnonzero(which) if which.dtype == bool else which
        params = {name: [values[place] for place in places] for name, values in self.params.items()}
        number, stage, status, epochs = (n[places] for n in (self.id, self.stage, self.status, self.epochs))
        return Columns(number, stage, status, epochs, self.value[places], self.seconds[places], params, self.metric)

    def order(self) -> Ints:
        """Return the places of the trials from best to worst, as `fastnet.tuning.trial.rank` orders them."""
        fit = self.status != DIVERGED
        return np.lexsort((self.id, *self._keys(fit)[::-1]))

    def goodness(self) -> Floats:
        """Return the share of the trials that are worse than each, in (0, 1); ties count half.

        This rank is robust against a few huge losses, and defined for trials that were stopped early or diverged, too.
        """
        fit = self.status != DIVERGED
        keys = np.stack([np.nan_to_num(key) for key in self._keys(fit)])
        _, level, counts = np.unique(-keys, axis=1, return_inverse=True, return_counts=True)
        below = np.cumsum(counts) - counts
        return np.asarray((below + counts / 2)[level.ravel()] / len(self), dtype=np.float64)

    def _keys(self, fit: NDArray[np.bool_]) -> tuple[Floats, ...]:
        """Return the keys that rank trials, the most important first, smaller being better."""
        value = np.where(fit, -sign(self.metric) * self.value, 0.0)
        return (~fit).astype(np.float64), np.where(fit, -self.epochs, 0).astype(np.float64), value
