"""The trials of a study as columns: what statistics over all of them are computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.tuning.reading import StudyReader
from fastnet.tuning.result import Value, sign

STATUSES = ("done", "stopped", "diverged")
"""What the numbers in `Columns.status` stand for."""

DONE, STOPPED, DIVERGED = range(3)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Trials ordered by number, one array for each field of `fastnet.tuning.TrialResult`; curves left out.

    Parameters
    ----------
    id, stage, status, epochs : (T,) int64 array
        ``status`` counts in `STATUSES`.
    value : (T,) float64 array
        NaN for a diverged trial.
    seconds : (T,) float64 array
    params : dict of str to list
        T values of each searched hyperparameter, names sorted.
    metric : {"accuracy", "loss"}
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
        numbers: dict[str, list[Any]] = {name: [] for name in ("id", "stage", "status", "epochs", "value", "seconds")}
        params: list[Any] = []
        for trial in study.iter_trials():
            numbers["id"].append(trial.id)
            numbers["stage"].append(trial.stage)
            numbers["status"].append(STATUSES.index(trial.status))
            numbers["epochs"].append(trial.epochs)
            numbers["value"].append(trial.value)
            numbers["seconds"].append(trial.seconds)
            params.append(trial.params)
        names = sorted({name for values in params for name in values})
        kinds = {name: np.float64 if name in ("value", "seconds") else np.int64 for name in numbers}
        return cls(
            **{name: np.array(values, dtype=kinds[name]) for name, values in numbers.items()},
            params={name: [values[name] for values in params] for name in names},
            metric=study.metric,
        )

    def __len__(self) -> int:
        return len(self.id)

    def take(self, which: NDArray[Any]) -> Columns:
        """Return some of the trials: places, ascending, or a (T,) mask."""
        places = np.flatnonzero(which) if which.dtype == bool else which
        params = {name: [values[place] for place in places] for name, values in self.params.items()}
        fields = ("id", "stage", "status", "epochs", "value", "seconds")
        return Columns(**{name: getattr(self, name)[places] for name in fields}, params=params, metric=self.metric)

    def order(self) -> Ints:
        """Return the places of the trials from the best to the worst, as `fastnet.tuning.result.rank` orders them.

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
        """What trials are ranked by, the weightiest first, smaller being better."""
        value = np.where(fit, -sign(self.metric) * self.value, 0.0)
        return (~fit).astype(np.float64), np.where(fit, -self.epochs, 0).astype(np.float64), value
