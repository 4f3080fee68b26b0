"""What a search gives back: trials, their ranking, and its progress on the way."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CURVES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
"""Order of the rows of `TrialResult.curves`, in memory and in the study file."""


@dataclass(frozen=True, slots=True, eq=False)
class TrialResult:
    """One trained network of a search.

    Parameters
    ----------
    id : int
        Number of the trial in its study, from 0.
    status : {"done", "diverged"}
        Whether all epochs ran, or the loss left the finite numbers and the trial ended there.
    params : dict of str to float
        The searched hyperparameters, names sorted.
    value : float
        Validation accuracy after the last epoch, in [0, 1]; NaN for a diverged trial.
    best_value : float
        Highest validation accuracy of any epoch; NaN if there is none.
    best_epoch : int
        The first epoch with that accuracy, counted from 1; 0 if there is none.
    curves : (4, epochs) float32 array
        The rows that `CURVES` names, one column per epoch; NaN after a divergence.
    seconds : float
        Time that the trial took on its thread.

    Examples
    --------
    >>> import numpy as np
    >>> curves = np.array([[2.3, 1.0], [0.2, 0.7], [2.3, 1.2], [0.6, 0.5]], np.float32)
    >>> trial = TrialResult.from_curves(7, "done", {"learning_rate": 0.01}, curves, seconds=0.1)
    >>> trial.value, trial.best_value, trial.best_epoch
    (0.5, 0.6, 1)
    """

    id: int
    status: str
    params: Mapping[str, float]
    value: float
    best_value: float
    best_epoch: int
    curves: NDArray[np.float32]
    seconds: float

    @classmethod
    def from_curves(
        cls, id: int, status: str, params: Mapping[str, float], curves: NDArray[np.float32], *, seconds: float
    ) -> TrialResult:
        """Build a trial from its (4, epochs) float32 curves, from which the three values follow."""
        accuracy = curves[CURVES.index("validation_accuracy")]
        value = _shortest(accuracy[-1]) if status == "done" else math.nan
        finite = np.isfinite(accuracy)
        best_value, best_epoch = math.nan, 0
        if finite.any():
            best = int(np.argmax(np.where(finite, accuracy, -np.inf)))
            best_value, best_epoch = _shortest(accuracy[best]), best + 1
        return cls(id, status, dict(sorted(params.items())), value, best_value, best_epoch, curves, seconds)

    @property
    def train_loss(self) -> NDArray[np.float32]:
        """(epochs,) float32: mean cross-entropy on the training data after each epoch, in nats."""
        return self._curve(0)

    @property
    def train_accuracy(self) -> NDArray[np.float32]:
        """(epochs,) float32: accuracy on the training data after each epoch, in [0, 1]."""
        return self._curve(1)

    @property
    def validation_loss(self) -> NDArray[np.float32]:
        """(epochs,) float32: mean cross-entropy on the validation data after each epoch, in nats."""
        return self._curve(2)

    @property
    def validation_accuracy(self) -> NDArray[np.float32]:
        """(epochs,) float32: accuracy on the validation data after each epoch, in [0, 1]."""
        return self._curve(3)

    def _curve(self, row: int) -> NDArray[np.float32]:
        curve: NDArray[np.float32] = self.curves[row]
        return curve


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """All trials of a study and how the run that ended just now spent its time.

    Parameters
    ----------
    trials : tuple of TrialResult
        Every stored trial, ordered by id, whichever run made it.
    interrupted : bool
        Whether the run was stopped before all trials were done.
    new_trials : int
        Trials that this run added.
    wall_seconds : float
        Time from the call to the result.
    compile_seconds : float
        Part of it spent compiling the kernels or loading them from their cache.
    compiled_seconds : float
        Part of it during which a pack of trials was running in compiled code.
    """

    trials: tuple[TrialResult, ...]
    interrupted: bool
    new_trials: int
    wall_seconds: float
    compile_seconds: float
    compiled_seconds: float

    def best(self, n: int = 20) -> tuple[TrialResult, ...]:
        """Return the `n` best trials, see `rank`."""
        return rank(self.trials)[:n]

    @property
    def trials_per_second(self) -> float:
        """New trials per second, compilation left out; 0 if there were none."""
        return self.new_trials / self._search_seconds if self.new_trials and self._search_seconds > 0 else 0.0

    @property
    def outside_share(self) -> float:
        """Share of the time, compilation left out, that was not spent in compiled code, in [0, 1]."""
        if self._search_seconds <= 0:
            return 0.0
        return min(1.0, max(0.0, 1.0 - self.compiled_seconds / self._search_seconds))

    @property
    def _search_seconds(self) -> float:
        return self.wall_seconds - self.compile_seconds


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a search has come; given to `on_progress` several times a second.

    Parameters
    ----------
    done : int
        Trials finished, those of earlier runs of the study included.
    total : int
        Trials the study will have.
    best : float or None
        Highest validation accuracy after the last epoch so far; None before the first trial that did not diverge.
    trials_per_second : float
        Mean rate of this run, compilation left out; 0 before its first trial.
    eta_seconds : float or None
        Estimated time to the end; None while there is no rate.
    elapsed_seconds : float
        Time since the call, compilation included.
    compiling : bool
        Whether the kernels are being compiled or loaded from their cache.
    """

    done: int
    total: int
    best: float | None
    trials_per_second: float
    eta_seconds: float | None
    elapsed_seconds: float
    compiling: bool


def rank(trials: Iterable[TrialResult]) -> tuple[TrialResult, ...]:
    """Order the trials that did not diverge by `TrialResult.value`, highest first, ties by lower id."""
    return tuple(sorted((t for t in trials if t.status == "done"), key=lambda t: (-t.value, t.id)))


def _shortest(value: np.float32) -> float:
    """Return the double that prints as briefly as the float32 does: 0.83, not 0.8299999833106995."""
    return float(str(value))
