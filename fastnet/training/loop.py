"""The one loop of training: epochs in the background, watched and stopped, each network's best epoch kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from fastnet.config.metric import score_name, stored_scores
from fastnet.config.training import TrainConfig
from fastnet.errors import FastnetError
from fastnet.kernels.step import DIVERGED, PENDING, STOPPED
from fastnet.scalars import shortest

if TYPE_CHECKING:
    from fastnet.model.classifier import Model

Integers = npt.NDArray[np.int64]

POLL_SECONDS = 0.05
"""Longest time between two looks at what trains in the background."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochResult:
    """The four curves at one epoch.

    Attributes
    ----------
    epoch : int
        From 1.
    train_loss : float
        Mean cross-entropy over the epoch as it was met, dropout included.
    train_score, validation_loss, validation_score : float
        Measured after the epoch.
    """

    epoch: int
    train_loss: float
    train_score: float
    validation_loss: float
    validation_score: float


@dataclass(frozen=True, slots=True, eq=False)
class LearningCurves:
    """The four curves of a training, each (epochs,) float32."""

    train_loss: npt.NDArray[np.float32]
    train_score: npt.NDArray[np.float32]
    validation_loss: npt.NDArray[np.float32]
    validation_score: npt.NDArray[np.float32]


_CURVES = tuple(LearningCurves.__dataclass_fields__)  # in the order of the rows of `Run.curves`
_SCORE = _CURVES.index("validation_score")


class Watched(Protocol):
    """What works in the background, see `fastnet.training.background.Background`."""

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it has ended, at most so long; return whether it has."""

    def stop(self) -> None:
        """Ask it to end soon."""

    def join(self) -> None:
        """Wait until it has ended, and raise what went wrong in it."""


class Run(Watched, Protocol):
    """T networks that train side by side in the background: a pack, or one network whose products threads share.

    Attributes
    ----------
    curves : (T, 4, epochs) float
        Training loss and score, validation loss and score; NaN where an epoch was not finished.
    score_sign : float
        1 where more of the score is better, -1 where less is.
    """

    curves: npt.NDArray[Any]
    score_sign: float

    @property
    def status(self) -> Integers:
        """(T,) int64, see `fastnet.kernels.step`."""

    def start(self, which: Integers, end: int) -> None:
        """Train the networks at these positions up to an epoch, in the background."""

    def parameters(self, t: int) -> npt.NDArray[np.float32]:
        """Return the weights and biases of a network; they are overwritten when it trains on."""

    def model(self, t: int, parameters: npt.NDArray[np.float32], epoch: int) -> Model:
        """Return a network as a model, with the weights that it had after an epoch."""


def watch(
    run: Watched,
    begin: Callable[[], None],
    *,
    should_stop: Callable[[], bool] | None = None,
    on_look: Callable[[], None] = lambda: None,
    pause: Callable[[], float] | None = None,
) -> bool:
    """Begin something in the background and look after it until it has ended.

    Parameters
    ----------
    run : Watched
        What works.
    begin : callable
        Begins the work.
    should_stop : callable, optional
        Asked at every look; once it returns True the work is told to stop, and ends a little later.
    on_look : callable, optional
        Called at every look. An exception of any of the callables, Ctrl-C among them, ends the work and is passed on.
    pause : callable, optional
        Returns the seconds until the next look; `POLL_SECONDS` if left out.

    Returns
    -------
    bool
        Whether it was told to stop.
    """
    stopped = should_stop is not None and should_stop()  # it may be over before the first look
    if stopped:
        run.stop()
    try:
        begin()
        if stopped:  # again, so that what waits for its turn does not begin at all
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
    """Networks under training, epoch by epoch, so that each can keep its best and stop when it gets no better.

    Ten networks on two threads took 1.23 times as long as in one go where an epoch of one takes 1.4 ms, and 1.06 times
    where it takes 6 ms. Training again up to the best epoch, known from a first run, would take up to twice as long.

    Parameters
    ----------
    run : Run
        The networks, none of them trained yet.
    config : TrainConfig
        Its epochs and early stopping.

    Attributes
    ----------
    best_epoch : (T,) int64
        Epoch of the best validation score of each network, the first of equals, from 1; 0 before its first epoch.
    best : dict of int to (n_parameters,) float32
        The parameters after that epoch, by the network's position.
    epochs_done : (T,) int64
        Finished epochs, without one that was cut short.
    diverged : int
        Networks whose training ended because the loss was no longer a number, or a thousand times its start.
    interrupted : bool
        Whether training was ended early.
    """

    def __init__(self, run: Run, config: TrainConfig) -> None:
        self.config = config
        self._run = run
        networks = len(run.curves)
        self.best_epoch = np.zeros(networks, np.int64)
        self.best: dict[int, npt.NDArray[np.float32]] = {}
        self.epochs_done = np.zeros(networks, np.int64)
        self.diverged = 0
        self.interrupted = False
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
        """Train all of them to the end, to their early stop, or until told to stop.

        KeyboardInterrupt is passed on, unless it `returns` and there is an epoch to keep.
        """
        try:
            self._train(on_epoch, should_stop)
        except KeyboardInterrupt:
            if not (returns and self.kept):
                raise
            if self._taking:  # it came in the middle of that
                self._take(*self._taking)
            self.interrupted = True
        if not self.kept and not self.diverged:
            raise KeyboardInterrupt
        if not self.kept:
            raise FastnetError(
                f"learning_rate={self.config.effective_learning_rate:g}: the loss is no longer a number in the first "
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
                on_epoch(EpochResult(epoch=epoch, **dict(zip(_CURVES, means.tolist(), strict=True))))
            if self.config.early_stopping is not None:
                which = which[epoch - self.best_epoch[which] < self.config.early_stopping]
            if not len(which):
                break

    def _take(self, which: Integers, epoch: int) -> None:
        """Note that these networks finished an epoch, and copy those that are better than ever.

        A second time, nothing changes; until the end, `_taking` says that it was begun.
        """
        self._taking = which, epoch
        self.epochs_done[which] = epoch
        for t in which.tolist():
            score = self._run.score_sign * self._run.curves[t, _SCORE]
            if t not in self.best or score[epoch - 1] > score[self.best_epoch[t] - 1]:
                self.best[t] = self._run.parameters(t).copy()
                self.best_epoch[t] = epoch
        self._taking = None

    def curves(self, t: int) -> LearningCurves:
        """Return the curves of a network."""
        return LearningCurves(*self._run.curves[t, :, : self.epochs_done[t]].astype(np.float32))

    def model(self, t: int) -> Model:
        """Return a network of `kept` as a model, with the weights of its best epoch."""
        best, done = int(self.best_epoch[t]), int(self.epochs_done[t])
        model = self._run.model(t, self.best[t], best)
        model.metrics.update(best_epoch=best, epochs_done=done)
        return model


def metrics_at(curves: npt.NDArray[Any], epochs_done: int, epoch: int | None) -> dict[str, Any]:
    """Return what was measured of a network after an epoch, ready for JSON.

    Parameters
    ----------
    curves : (4, epochs) float
        Of the network, see `Run`.
    epochs_done : int
        Its finished epochs.
    epoch : int or None
        Which epoch, from 1; None for the last that was finished.
    """
    _, train_score, validation_loss, validation_score = map(shortest, curves[:, (epoch or epochs_done) - 1])
    return {
        "epochs_done": epochs_done,
        score_name("train"): train_score,
        **stored_scores("validation", validation_score, validation_loss),
    }
