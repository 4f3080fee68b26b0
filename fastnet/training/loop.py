"""The training loop: it runs epochs in the background, watches and stops them, and keeps each network's best epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from fastnet.config.metric import (
    DEFAULT_METRIC,
    METRICS,
    metric_of_objective,
    score_name,
    score_of_objective,
    stored_scores,
)
from fastnet.config.training import TrainConfig
from fastnet.errors import FastnetError
from fastnet.kernels.step import DIVERGED, PENDING, STOPPED
from fastnet.scalars import five_digits, shortest

if TYPE_CHECKING:
    from fastnet.model.classifier import Model

Integers = npt.NDArray[np.int64]

POLL_SECONDS = 0.05
"""Time between two looks at the background work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochResult:
    """The four curves at one epoch.

    Attributes
    ----------
    epoch : int
        From 1.
    train_loss : float
        Mean loss of the epoch's batches while training, dropout included.
    train_score : float
        See `train_scored`.
    validation_loss, validation_score : float
        Measured after the epoch.
    score : str
        Name of the score, see `fastnet.config.metric.SCORES`.
    train_scored : {"exact", "running", "none"}
        Whether `train_score` is measured after the epoch, the mean over its batches, or NaN.
    """

    epoch: int
    train_loss: float
    train_score: float
    validation_loss: float
    validation_score: float
    score: str = DEFAULT_METRIC
    train_scored: str = "exact"


@dataclass(frozen=True, slots=True, eq=False)
class LearningCurves:
    """The four curves of a training, each (epochs,) float32.

    `score` is the name of the score: ``accuracy`` of classes and labels, in [0, 1]; ``rmse``, ``mae`` or ``pinball`` of
    numbers, in the units of a single target, or as a mean over the standardised values of several. Losses of numbers
    are those of the standardised targets. `train_scored` is how `train_score` was measured, see `EpochResult`.
    """

    train_loss: npt.NDArray[np.float32]
    train_score: npt.NDArray[np.float32]
    validation_loss: npt.NDArray[np.float32]
    validation_score: npt.NDArray[np.float32]
    score: str = DEFAULT_METRIC
    train_scored: str = "exact"

    def panels(self) -> dict[str, dict[str, list[float | None]]]:
        """Return the curves by what is measured and of which samples, None in place of NaN.

        Examples
        --------
        >>> LearningCurves(*np.array([[2.0], [np.nan], [2.1], [0.5]]), train_scored="none").panels()["accuracy"]
        {'training': [None], 'validation': [0.5]}
        """
        pairs = {
            self.score: (self.train_score, self.validation_score),
            "loss": (self.train_loss, self.validation_loss),
        }
        return {
            name: {part: [five_digits(v) for v in curve.tolist()] for part, curve in zip(PARTS, both, strict=True)}
            for name, both in pairs.items()
        }


PARTS = ("training", "validation")

_CURVES = tuple(LearningCurves.__dataclass_fields__)[:4]  # in the order of the rows of `Run.curves`


def curve_row(name: str) -> int:
    """Return the row of a curve among the four of a network."""
    return _CURVES.index(name)


class Watched(Protocol):
    """Background work, see `fastnet.training.background.Background`."""

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end of the work, at most the given time; return whether it ended."""

    def stop(self) -> None:
        """Ask the work to end soon."""

    def join(self) -> None:
        """Wait for the end of the work and raise its error, if any."""


class Run(Watched, Protocol):
    """T networks that train side by side in the background: a pack, or one network whose products threads share.

    Attributes
    ----------
    objective : str
        What the networks learn.
    """

    objective: str

    @property
    def curves(self) -> npt.NDArray[Any]:
        """(T, 4, epochs) float: training loss and score, validation loss and score; NaN for unfinished epochs."""

    @property
    def status(self) -> Integers:
        """(T,) int64, see `fastnet.kernels.step`."""

    def start(self, which: Integers, end: int) -> None:
        """Train the networks at these positions up to an epoch, in the background."""

    def parameters(self, t: int) -> npt.NDArray[np.float32]:
        """Return the weights and biases of a network, which further training overwrites."""

    def model(self, t: int, parameters: npt.NDArray[np.float32], epoch: int) -> Model:
        """Return a network as a model with the parameters it had after an epoch."""


def watch(
    run: Watched,
    begin: Callable[[], None],
    *,
    should_stop: Callable[[], bool] | None = None,
    on_look: Callable[[], None] = lambda: None,
    pause: Callable[[], float] | None = None,
) -> bool:
    """Begin background work and watch it to its end; return whether it was asked to stop.

    Parameters
    ----------
    run : Watched
        The work.
    begin : callable
        Begins the work.
    should_stop : callable, optional
        Called at every look; once it returns True, the work is asked to stop.
    on_look : callable, optional
        Called at every look. An exception in any of the callables, or Ctrl-C, ends the work before it propagates.
    pause : callable, optional
        Returns the seconds until the next look, by default `POLL_SECONDS`.
    """
    stopped = should_stop is not None and should_stop()  # the work may end before the first look
    if stopped:
        run.stop()
    try:
        begin()
        if stopped:  # again, so that work waiting for its turn never begins
            run.stop()
        while not run.wait(pause() if pause else POLL_SECONDS):
            on_look()
            if should_stop is not None and not stopped and should_stop():
                stopped = True
                run.stop()
    except BaseException:
        run.stop()
        run.wait()
        raise
    run.join()
    return stopped


class Fit:
    """Networks in training, epoch by epoch, so that each can keep its best epoch and stop early.

    Stopping after every epoch costs a factor of 1.23 for ten networks on two threads if an epoch of one takes 1.4 ms,
    and of 1.06 if it takes 6 ms. Training up to the known best epoch a second time would cost a factor of up to 2.

    Parameters
    ----------
    run : Run
        The networks, none of them trained yet.
    config : TrainConfig
        Its epochs and early stopping apply.
    metric : str, optional
        The metric on the validation samples that decides about the best epoch; by default that of the objective.

    Attributes
    ----------
    best_epoch : (T,) int64
        Best epoch of each network, the first of equals, from 1; 0 before its first epoch.
    best : dict of int to (n_parameters,) float32
        The parameters after that epoch, by the network's position.
    epochs_done : (T,) int64
        Finished epochs, without one that was cut short.
    diverged : int
        Networks whose training ended because loss or score was not finite, or the loss a thousand times its start.
    interrupted : bool
        Whether training ended early.
    seconds : float
        Time of `train`.
    """

    def __init__(self, run: Run, config: TrainConfig, metric: str | None = None) -> None:
        self.config = config
        self._run = run
        self._metric = METRICS[metric or metric_of_objective(run.objective)]
        self._score = score_of_objective(run.objective).name
        networks = len(run.curves)
        self.best_epoch = np.zeros(networks, np.int64)
        self.best: dict[int, npt.NDArray[np.float32]] = {}
        self.epochs_done = np.zeros(networks, np.int64)
        self.diverged = 0
        self.interrupted = False
        self.seconds = 0.0
        self._taking: tuple[Integers, int] | None = None

    @property
    def kept(self) -> list[int]:
        """Networks that finished an epoch."""
        return np.flatnonzero(self.epochs_done).tolist()

    def train(
        self,
        on_epoch: Callable[[EpochResult], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        *,
        returns: bool = False,
    ) -> None:
        """Train all networks until the last epoch, their early stop, or `should_stop`.

        KeyboardInterrupt propagates, unless `returns` is set and there is an epoch to keep.
        """
        clock = time.perf_counter()
        try:
            self._train(on_epoch, should_stop)
        except KeyboardInterrupt:
            if not (returns and self.kept):
                raise
            if self._taking:  # the interrupt came in the middle of it
                self._take(*self._taking)
            self.interrupted = True
        self.seconds = time.perf_counter() - clock
        if not self.kept and not self.diverged:
            raise KeyboardInterrupt
        if not self.kept:
            raise FastnetError(
                f"learning_rate={self.config.effective_learning_rate:g}: the loss is not finite in the first "
                "epoch; try a tenth of it"
            )

    def _train(self, on_epoch: Callable[[EpochResult], None] | None, should_stop: Callable[[], bool] | None) -> None:
        run, which = self._run, np.arange(len(self.best_epoch))
        for epoch in range(1, self.config.epochs + 1):
            watch(run, partial(run.start, which, epoch), should_stop=should_stop)
            status = run.status[which]
            if np.isin(status, (PENDING, STOPPED)).any():
                self.interrupted = True
                break
            which = which[status != DIVERGED]
            self.diverged += int((status == DIVERGED).sum())
            if not len(which):
                break
            self._take(which, epoch)
            if on_epoch:
                means = run.curves[which, :, epoch - 1].mean(axis=0, dtype=np.float64)
                measured = dict(zip(_CURVES, means.tolist(), strict=True))
                on_epoch(EpochResult(epoch=epoch, score=self._score, train_scored=self.config.train_score, **measured))
            if self.config.early_stopping is not None:
                which = which[epoch - self.best_epoch[which] < self.config.early_stopping]
            if not len(which):
                break

    def _take(self, which: Integers, epoch: int) -> None:
        """Record that these networks finished an epoch, and copy those that reached their best one.

        Repeating the call changes nothing; `_taking` is set while it is under way.
        """
        self._taking = which, epoch
        self.epochs_done[which] = epoch
        measured = self._metric.sign * self._run.curves[:, curve_row(self._metric.curve)]
        for t in which.tolist():
            if t not in self.best or measured[t, epoch - 1] > measured[t, self.best_epoch[t] - 1]:
                self.best[t] = self._run.parameters(t).copy()
                self.best_epoch[t] = epoch
        self._taking = None

    def curves(self, t: int) -> LearningCurves:
        """Return the curves of a network."""
        rows = zip(_CURVES, self._run.curves[t, :, : self.epochs_done[t]].astype(np.float32), strict=True)
        return LearningCurves(**dict(rows), score=self._score, train_scored=self.config.train_score)

    def model(self, t: int) -> Model:
        """Return a network of `kept` as a model, with the weights of its best epoch."""
        best, done = int(self.best_epoch[t]), int(self.epochs_done[t])
        model = self._run.model(t, self.best[t], best)
        model.metrics.update(best_epoch=best, epochs_done=done)
        return model


def metrics_at(
    curves: npt.NDArray[Any], epochs_done: int, epoch: int | None, score: str = DEFAULT_METRIC
) -> dict[str, Any]:
    """Return a network's scores after an epoch, by default its last, ready for JSON; `curves` is (4, epochs)."""
    _, train_score, validation_loss, validation_score = map(shortest, curves[:, (epoch or epochs_done) - 1])
    return {
        "epochs_done": epochs_done,
        score_name("train", score): train_score if math.isfinite(train_score) else None,
        **stored_scores("validation", validation_score, validation_loss, score),
    }
