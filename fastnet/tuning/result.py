"""What a search gives back: trials, their ranking, and its progress on the way."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastnet.config import TrainConfig, train_config_from
from fastnet.errors import StudyError
from fastnet.scalars import shortest

if TYPE_CHECKING:
    import pyarrow as pa

    from fastnet.ensemble import Ensemble
    from fastnet.tuning.stored import StoredTrials

CURVES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
"""Order of the rows of `TrialResult.curves`, in memory and in the study file."""

STATUSES = ("done", "stopped", "diverged")
"""How a trial can end, see `TrialResult`."""

Value: TypeAlias = float | int | str
"""What a hyperparameter may be; widths of hidden layers are text, such as ``"100x6"``."""

_CURVE_OF = {"accuracy": "validation_accuracy", "loss": "validation_loss"}  # metric: the curve it is read from


@dataclass(frozen=True, slots=True, eq=False)
class TrialResult:
    """One trained network of a search.

    Parameters
    ----------
    id : int
        Number of the trial in its study, from 0.
    status : {"done", "stopped", "diverged"}
        Whether all epochs ran, the trial was ended early because others were better (pruning), or its loss left the
        finite numbers, or rose to a thousand times its start, and the trial ended there.
    params : dict of str to float, int or str
        The searched hyperparameters, names sorted.
    value : float
        The metric after the last epoch that ran: validation accuracy in [0, 1], or validation loss in nats; NaN for a
        diverged trial.
    best_value : float
        Best value of the metric in any epoch; NaN if there is none.
    best_epoch : int
        The first epoch with that value, counted from 1; 0 if there is none.
    curves : (4, epochs) float32 array
        The rows that `CURVES` names, one column per epoch; NaN for epochs that did not run. Without columns where the
        curves were not read, or were not stored.
    seconds : float
        Time that the trial took on its thread.
    stage : int
        Stage of the study that the trial belongs to, from 1.
    epochs : int
        Epochs that ran to their end; counted in the curves if left out.
    folder : Path, optional
        The folder of the study that it was read from.

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
    params: Mapping[str, Value]
    value: float
    best_value: float
    best_epoch: int
    curves: NDArray[np.float32]
    seconds: float
    stage: int = 1
    epochs: int = None  # type: ignore[assignment]  # __post_init__ counts them
    folder: Path | None = None

    def __post_init__(self) -> None:
        if self.epochs is None:
            ran = np.isfinite(self.curves[CURVES.index("validation_loss")])
            object.__setattr__(self, "epochs", int(np.count_nonzero(ran)))

    @classmethod
    def from_curves(
        cls,
        id: int,
        status: str,
        params: Mapping[str, Value],
        curves: NDArray[np.float32],
        *,
        seconds: float,
        stage: int = 1,
        metric: str = "accuracy",
    ) -> TrialResult:
        """Build a trial from its (4, epochs) float32 curves, from which the three values follow."""
        measured = curve_of(curves, metric)
        ran = np.flatnonzero(np.isfinite(measured))
        value = best_value = math.nan
        best_epoch = 0
        if len(ran):
            best = int(ran[np.argmax(sign(metric) * measured[ran])])
            best_value, best_epoch = shortest(measured[best]), best + 1
            if status != "diverged":
                value = shortest(measured[ran[-1]])
        return cls(id, status, dict(sorted(params.items())), value, best_value, best_epoch, curves, seconds, stage)

    @property
    def config(self) -> TrainConfig:
        """What the network was built and trained with: the settings of its study, read now, and the values of `params`.

        Its ``seed`` is the study's. From it `fastnet.train` draws the random numbers of trial 0; the other trials have
        their own, so a network trained with their configuration resembles theirs and is not the same.

        Raises
        ------
        StudyError
            If the trial was not read from a study, or its study is no longer there or damaged.

        Examples
        --------
        >>> import dataclasses
        >>> dataclasses.replace(result.best(1)[0].config, epochs=100)  # doctest: +SKIP
        TrainConfig(hidden=(100, 100, 100, 100, 100, 100), activation='relu', init='he', optimizer='sgd', ...)
        """
        from fastnet.tuning.space import configured
        from fastnet.tuning.study import Study

        if self.folder is None:
            raise StudyError(f"trial {self.id} was not read from a study: its settings are those of the search")
        with Study.read(self.folder) as study:
            settings = study.settings.get("train")
        try:
            return configured(train_config_from(dict(settings or {})), self.params)
        except (TypeError, ValueError) as error:
            raise StudyError(f"{self.folder}: the settings of the study are damaged ({error})") from None

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
    trials : StoredTrials
        Every stored trial, ordered by id, whichever run made it: a sequence that reads them from the study's file when
        they are asked for, so that a study of any size fits.
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
    stages : tuple of dict
        What came of each stage, see `fastnet.tuning.study.Study.stages`; the last one holds the recommendation.
    final : dict or None
        The final choice, see `fastnet.tuning.finish`; None before it was made.
    final_seconds : float
        Part of the time spent on it and on the ensemble in this run, what was compiled for it included; no trial ran
        meanwhile.
    ensemble_report : dict or None
        What came of putting the best trials together, see `fastnet.tuning.together`; None before it was done.
    """

    trials: StoredTrials
    interrupted: bool
    new_trials: int
    wall_seconds: float
    compile_seconds: float
    compiled_seconds: float
    stages: tuple[dict[str, Any], ...] = ()
    final: dict[str, Any] | None = None
    final_seconds: float = 0.0
    ensemble_report: dict[str, Any] | None = None

    def best(self, n: int = 20) -> tuple[TrialResult, ...]:
        """Return the `n` best trials, see `rank`, with their curves."""
        return self.trials.best(n)

    def count(self, status: str) -> int:
        """Return how many trials are ``done``, ``stopped`` or ``diverged``."""
        return self.trials.count_status(status)

    def to_arrow(self, *, curves: bool = False) -> pa.Table:
        """Return the trials as a pyarrow.Table, one row each, columns as in `fastnet.tuning.export.columns_of`."""
        return self.trials.to_arrow(curves=curves)

    @property
    def recommendation(self) -> dict[str, Any] | None:
        """Ranges to go on with and why, see `fastnet.tuning.advice.Recommendation.to_dict`; None before the end."""
        report = self.stages[-1]["report"] if self.stages else None
        found: dict[str, Any] | None = report.get("recommendation") if report else None
        return found

    @property
    def ensemble(self) -> Ensemble | None:
        """The best trials as one model, read from the study's folder; None where ``ensemble_top`` asked for none.

        Raises
        ------
        ModelError
            If its file is no longer there.
        """
        if self.ensemble_report is None:
            return None
        from fastnet.ensemble import Ensemble

        return Ensemble.load(self.trials.folder / self.ensemble_report["model"])

    @property
    def trials_per_second(self) -> float:
        """New trials per second, compilation and final choice left out; 0 if there were none."""
        return self.new_trials / self._search_seconds if self.new_trials and self._search_seconds > 0 else 0.0

    @property
    def outside_share(self) -> float:
        """Share of the time, compilation and final choice left out, that was not spent in compiled code, in [0, 1]."""
        if self._search_seconds <= 0:
            return 0.0
        return min(1.0, max(0.0, 1.0 - self.compiled_seconds / self._search_seconds))

    @property
    def _search_seconds(self) -> float:
        return self.wall_seconds - self.compile_seconds - self.final_seconds


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
        Best `TrialResult.value` so far of the trials that ran to their end; None before the first of them.
    trials_per_second : float
        Mean rate of this run, compilation left out; 0 before its first trial.
    eta_seconds : float or None
        Estimated time to the end; None while there is no rate.
    elapsed_seconds : float
        Time since the call, compilation included.
    compiling : bool
        Whether the kernels are being compiled or loaded from their cache.
    stage, stages : int
        The stage of the study that is running, from 1, and how many there are.
    rung, rungs : int
        Between which comparisons the trials of the running pack are, from 1, and how many such spans of epochs there
        are; 1 of 1 where no trial is ended early.
    stopped, diverged : int
        Trials so far that were ended early because others were better, and whose loss left the finite numbers.
    choosing : bool
        Whether all trials are done and the best ones are trained again on fresh seeds.
    ensembling : bool
        Whether they are trained again to be put together.
    ended : tuple of TrialResult
        The trials of this run that ended since the last report, in the order in which they did.
    """

    done: int
    total: int
    best: float | None
    trials_per_second: float
    eta_seconds: float | None
    elapsed_seconds: float
    compiling: bool
    stage: int = 1
    stages: int = 1
    rung: int = 1
    rungs: int = 1
    stopped: int = 0
    diverged: int = 0
    choosing: bool = False
    ensembling: bool = False
    ended: tuple[TrialResult, ...] = ()


def curve_of(curves: NDArray[np.float32], metric: str) -> NDArray[np.float32]:
    """Return the rows of (..., 4, epochs) curves that a metric is read from, (..., epochs)."""
    rows: NDArray[np.float32] = curves[..., CURVES.index(_CURVE_OF[metric]), :]
    return rows


def sign(metric: str) -> float:
    """Return 1 where more of the metric is better, -1 where less is.

    Examples
    --------
    >>> sign("accuracy"), sign("loss")
    (1.0, -1.0)
    """
    return 1.0 if metric == "accuracy" else -1.0


def known(value: float) -> float | None:
    """Return None in place of NaN and infinity, which JSON does not have.

    Examples
    --------
    >>> known(0.5), known(math.nan)
    (0.5, None)
    """
    return value if math.isfinite(value) else None


def rank(trials: Iterable[TrialResult], metric: str = "accuracy") -> tuple[TrialResult, ...]:
    """Order the trials that did not diverge: those of more epochs first, then the better `TrialResult.value`.

    Trials that were stopped early so come after those that ran to the end; ties go to the lower id.
    """
    fit = [trial for trial in trials if trial.status != "diverged"]
    return tuple(sorted(fit, key=lambda trial: (-trial.epochs, -sign(metric) * trial.value, trial.id)))
