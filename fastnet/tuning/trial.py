"""One trial of a search: its hyperparameters and results, and the ranking of trials."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.config.metric import DEFAULT_METRIC, METRICS, score_of_settings, sign
from fastnet.config.training import TrainConfig, train_config_from
from fastnet.errors import StudyError
from fastnet.scalars import shortest
from fastnet.tuning.space.names import Value
from fastnet.tuning.space.space import configured

CURVES = ("train_loss", "train_score", "validation_loss", "validation_score")
"""Order of the rows of `TrialResult.curves`, in memory and in the study file."""

STATUSES = ("done", "stopped", "diverged")
"""Ways a trial can end, see `TrialResult`."""


@dataclass(frozen=True, slots=True, eq=False)
class TrialResult:
    """One trained network of a search.

    Parameters
    ----------
    id : int
        Number of the trial in its study, from 0.
    status : {"done", "stopped", "diverged"}
        Whether the trial trained to the end, which early stopping may bring forward; pruning ended it; or loss or score
        was not finite, or the loss a thousand times its start.
    params : dict of str to float, int or str
        The searched hyperparameters, names sorted.
    value : float
        The metric on the validation samples after the last epoch that ran, or after the best one in a search with
        early stopping; NaN for a diverged trial. Accuracy is a share, the loss of classes is in nats, and errors of
        numbers are in the units of a single target, see `fastnet.SearchConfig`.
    best_value : float
        Best value of the metric in any epoch; NaN if there is none.
    best_epoch : int
        The first epoch with that value, counted from 1; 0 if there is none.
    curves : (4, epochs) float32 array
        The rows that `CURVES` names, one column per epoch; NaN for epochs that did not run. It has no columns if the
        curves were not read or not stored.
    seconds : float
        Time that the trial took on its thread.
    stage : int
        Stage of the study that the trial belongs to, from 1.
    epochs : int
        Finished epochs; by default counted in the curves.
    settings : mapping, optional
        Training settings of the study that the trial was read from.

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
    settings: Mapping[str, Any] | None = None

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
        metric: str = DEFAULT_METRIC,
        at_best: bool = False,
    ) -> TrialResult:
        """Build a trial from its (4, epochs) float32 curves, which determine the three values.

        Its value is that of the last epoch that ran, or `at_best` that of the best one, for a search with early
        stopping.
        """
        measured = curve_of(curves, metric)
        ran = np.flatnonzero(np.isfinite(measured))
        value = best_value = math.nan
        best_epoch = 0
        if len(ran):
            best = int(ran[np.argmax(sign(metric) * measured[ran])])
            best_value, best_epoch = shortest(measured[best]), best + 1
            if status != "diverged":
                value = best_value if at_best else shortest(measured[ran[-1]])
        return cls(id, status, dict(sorted(params.items())), value, best_value, best_epoch, curves, seconds, stage)

    @property
    def config(self) -> TrainConfig:
        """Configuration of the network: the settings of its study with the values of `params`.

        Its ``seed`` is the study's. `fastnet.train` uses the random numbers of trial 0. The other trials have their
        own, so training with their configuration gives a similar network, not the same one.

        Raises
        ------
        StudyError
            If the trial was not read from a study, or the settings of its study are damaged.

        Examples
        --------
        >>> import dataclasses
        >>> dataclasses.replace(result.best(1)[0].config, epochs=100)  # doctest: +SKIP
        TrainConfig(hidden=(100, 100, 100, 100, 100, 100), activation='relu', init='he', optimizer='sgd', ...)
        """
        if self.settings is None:
            raise StudyError(f"trial {self.id} was not read from a study: its settings are those of the search")
        try:
            return configured(train_config_from(self.settings), self.params)
        except (TypeError, ValueError) as error:
            raise StudyError(f"trial {self.id}: the settings of its study are damaged ({error})") from None

    @property
    def score(self) -> str:
        """What the scores are: ``accuracy`` of classes and labels, in [0, 1]; ``rmse``, ``mae`` or ``pinball``."""
        return score_of_settings(self.settings).name

    @property
    def train_scored(self) -> str:
        """How `train_score` was measured: ``exact`` after each epoch, ``running`` over its batches, or ``none``."""
        return str((self.settings or {}).get("train_score", "exact"))

    @property
    def train_loss(self) -> NDArray[np.float32]:
        """(epochs,) float32: mean loss on the training data after each epoch; cross-entropy is in nats."""
        return self._curve(0)

    @property
    def train_score(self) -> NDArray[np.float32]:
        """(epochs,) float32: `score` on the training data, see `train_scored`."""
        return self._curve(1)

    @property
    def validation_loss(self) -> NDArray[np.float32]:
        """(epochs,) float32: mean loss on the validation data after each epoch; cross-entropy is in nats."""
        return self._curve(2)

    @property
    def validation_score(self) -> NDArray[np.float32]:
        """(epochs,) float32: `score` on the validation data after each epoch."""
        return self._curve(3)

    def _curve(self, row: int) -> NDArray[np.float32]:
        curve: NDArray[np.float32] = self.curves[row]
        return curve


def curve_of(curves: NDArray[np.float32], metric: str) -> NDArray[np.float32]:
    """Return the rows of (..., 4, epochs) curves that a metric is read from, (..., epochs)."""
    rows: NDArray[np.float32] = curves[..., CURVES.index(METRICS[metric].curve), :]
    return rows


def known(value: float) -> float | None:
    """Return None instead of NaN and infinity, which JSON does not have."""
    return value if math.isfinite(value) else None


def rank(trials: Iterable[TrialResult], metric: str = DEFAULT_METRIC) -> tuple[TrialResult, ...]:
    """Order the trials that did not diverge by epochs, most first, then by `TrialResult.value`, best first, then by id.

    Trials that pruning ended come after those that trained to the end, which count as equally long.
    """
    fit = [trial for trial in trials if trial.status != "diverged"]
    return tuple(sorted(fit, key=lambda trial: (*_length(trial), -sign(metric) * trial.value, trial.id)))


def _length(trial: TrialResult) -> tuple[bool, int]:
    done = trial.status == "done"
    return not done, 0 if done else -trial.epochs
