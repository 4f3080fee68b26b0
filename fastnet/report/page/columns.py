"""The trials of a study as columns: what statistics over all of them are computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.config.metric import sign
from fastnet.tuning.space.names import Value
from fastnet.tuning.store.reading import StudyReader
from fastnet.tuning.trial import STATUSES

DONE, STOPPED, DIVERGED = range(3)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Trials ordered by number, one array for each field of `fastnet.tuning.TrialResult`; curves left out.

    Parameters
    ----------
    id, stage, status, epochs : (T,) int64 array
        ``status`` counts in `fastnet.tuning.trial.STATUSES`.
    value : (T,) float64 array
        NaN for a diverged trial.
    seconds : (T,) float64 array
    params : dict of str to list
        T values of each searched hyperparameter, names sorted.
    metric : str
        What `value` is.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastnet.tuning import Study
    >>> with tempfile.TemporaryDirectory() as name, Study.open(Path(name) / "s", {"seed": 0}) as study:
    ...     len(Columns.read(study))
    0
    """

    id: Ints
    stage: Ints
    status: Ints
    epochs: Ints
    value: Floats
    seconds: Floats
    params: dict[str, list[Value]]
    metric: str

    @classmethod
    def read(cls, study: StudyReader) -> Columns:
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
        """Return some of the trials: places, ascending, or a (T,) mask."""
        places = np.flatnonzero(which) if which.dtype == bool else which
        params = {name: [values[place] for place in places] for name, values in self.params.items()}
        number, stage, status, epochs = (n[places] for n in (self.id, self.stage, self.status, self.epochs))
        return Columns(number, stage, status, epochs, self.value[places], self.seconds[places], params, self.metric)

    def order(self) -> Ints:
        """Return the places of the trials from the best to the worst, as `fastnet.tuning.trial.rank` orders them.

        Diverged trials are last.
        """
        fit = self.status != DIVERGED
        return np.lexsort((self.id, *self._keys(fit)[::-1]))

    def goodness(self) -> Floats:
        """Return the share of the trials that are worse than each, ties counted half: float64 in (0, 1).

        The ranking of the study as a number: robust against a few huge losses, and defined for the trials too that
        were stopped early or diverged.
        """
        fit = self.status != DIVERGED
        keys = np.stack([np.nan_to_num(key) for key in self._keys(fit)])
        _, level, counts = np.unique(-keys, axis=1, return_inverse=True, return_counts=True)
        below = np.cumsum(counts) - counts
        return np.asarray((below + counts / 2)[level.ravel()] / len(self), dtype=np.float64)

    def _keys(self, fit: NDArray[np.bool_]) -> tuple[Floats, ...]:
        """Return what trials are ranked by, the weightiest first, smaller being better."""
        value = np.where(fit, -sign(self.metric) * self.value, 0.0)
        return (~fit).astype(np.float64), np.where(fit, -self.epochs, 0).astype(np.float64), value
