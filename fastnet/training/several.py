"""Several networks of the same settings, trained side by side, each as `fastnet.training.single` would."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastnet.config.checks import check_interrupt, count_networks, count_threads
from fastnet.config.searching import as_settings
from fastnet.config.training import TrainConfig, as_train_config
from fastnet.data.dataset import Dataset, Split
from fastnet.data.dataset import split as split_rows
from fastnet.data.doubts import warn_of_doubts
from fastnet.data.pipeline.scaling import Scaler, fit_scaler
from fastnet.data.registry import as_given
from fastnet.kernels import step
from fastnet.limits import free_memory
from fastnet.network.memory import does_not_fit
from fastnet.network.samples import TrainingData, prepare
from fastnet.training.pack import Member, PackRun, alike, threads_within, warm_up
from fastnet.training.single import POLL_SECONDS, EpochResult, LearningCurves, never_learnt

if TYPE_CHECKING:
    from fastnet.model.classifier import Model
    from fastnet.model.ensemble import Ensemble
    from fastnet.model.predictor import Score

Integers = npt.NDArray[np.int64]

_CURVES = tuple(LearningCurves.__dataclass_fields__)  # in the order of the rows of `PackRun.curves`
_VALIDATION_ACCURACY = _CURVES.index("validation_accuracy")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EnsembleResult:
    """A trained ensemble and how it came about.

    Attributes
    ----------
    ensemble : Ensemble
        Of networks with the weights of their best epochs; those that diverged in their first epoch are left out.
    curves : tuple of LearningCurves
        Of each network of the ensemble, one entry per epoch that it finished.
    validation, test : Score or None
        Of the ensemble; None where the data have no test set.
    member_validation, member_test : Score or None
        Means over its networks.
    epochs_done : int
        Epochs of the network that trained longest.
    seconds, compile_seconds : float
        Training with its evaluations; compiling or loading the kernels.
    diverged : int
        Networks whose training ended because the loss was no longer a number, or a thousand times what it began with.
    interrupted : bool
        Whether training was ended early by `should_stop`, or by Ctrl-C where that returns.
    """

    ensemble: Ensemble
    curves: tuple[LearningCurves, ...]
    validation: Score
    member_validation: Score
    test: Score | None
    member_test: Score | None
    epochs_done: int
    seconds: float
    compile_seconds: float
    diverged: int
    interrupted: bool = False


def train_ensemble(
    dataset: Dataset | str | Path | tuple[npt.ArrayLike, npt.ArrayLike],
    config: TrainConfig | None = None,
    *,
    networks: int = 10,
    split: Split | None = None,
    jobs: int | None = None,
    on_epoch: Callable[[EpochResult], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    interrupt: str = "raise",
) -> EnsembleResult:
    """Train networks that differ by their random numbers alone, and average them.

    Network i has the random stream i of the configuration's seed, so the first one is what `fastnet.train` trains.
    Each keeps the weights of its best epoch and stops early by itself.

    Parameters
    ----------
    dataset : Dataset, name, path or (x, y)
        What they learn, as for `fastnet.train`. Scaling is learnt on its training rows only; its test set is used once,
        after the training.
    config : TrainConfig, optional
        Architecture and hyperparameters of every network; the defaults if left out.
    networks : int
        How many, 1 to 1000.
    split : Split, optional
        Training and validation rows, for all of them the same; 20 % stratified validation by the configuration's seed
        if left out.
    jobs : int, optional
        Networks that train at a time, at least 1; as many as the process may use threads if left out. The result does
        not depend on it.
    on_epoch : callable, optional
        Called after every epoch with the means over the networks that trained in it.
    should_stop : callable, optional
        Asked about twenty times a second; once it returns True training ends within a step and keeps the epochs that
        all networks have done.
    interrupt : {"raise", "return"}
        What Ctrl-C does once an epoch has ended: raise KeyboardInterrupt as soon as the background has stopped, or
        return what was trained until then, with `interrupted` set.

    Returns
    -------
    EnsembleResult

    Raises
    ------
    ConfigError
        If `networks` is not a whole number from 1 to 1000, or `jobs` from 1 to 4096, or an argument is of another kind.
    DataError
        If the data cannot be used.
    FastnetError
        If no loss is finite in the first epoch, so that there is no network to keep.
    KeyboardInterrupt
        After Ctrl-C, see `interrupt`; or if it was stopped before the first epoch ended.

    Examples
    --------
    >>> import fastnet
    >>> data = fastnet.take_first(fastnet.load("mnist5k"), 300)
    >>> result = train_ensemble(data, fastnet.TrainConfig(hidden=(16,), learning_rate=0.1, epochs=3), networks=4)
    >>> len(result.ensemble.members), result.test.loss < result.member_test.loss
    (4, True)
    """
    from fastnet.model.ensemble import Ensemble

    dataset, config, networks = as_given(dataset, "dataset"), as_train_config(config), count_networks(networks)
    check_interrupt(interrupt)
    threads = count_threads(jobs)
    parts = split or split_rows(dataset.y, seed=config.seed)
    warn_of_doubts(dataset, parts)
    scaler = fit_scaler(dataset.x, parts.train)
    data = prepare(dataset, parts, scaler)
    clock = time.perf_counter()
    warm_up(config, data)
    training = _Training(config, data, networks, threads)
    compile_seconds = time.perf_counter() - clock
    clock = time.perf_counter()
    training.run(on_epoch, should_stop, returns=interrupt == "return")
    seconds = time.perf_counter() - clock
    members = training.models(dataset, scaler)
    validation, member_validation = _scores(members, dataset.x[parts.validation], dataset.y[parts.validation])
    metrics: dict[str, Any] = {"validation_accuracy": validation.accuracy, "validation_loss": validation.loss}
    test = member_test = None
    if dataset.x_test is not None and dataset.y_test is not None:
        test, member_test = _scores(members, dataset.x_test, dataset.y_test)
        metrics |= {"test_accuracy": test.accuracy, "test_loss": test.loss}
    settings = as_settings(config) | {"networks": networks, "data": dataset.name}
    return EnsembleResult(
        ensemble=Ensemble(members=members, settings=settings, metrics=metrics),
        curves=tuple(training.curves(t) for t in training.kept),
        validation=validation,
        member_validation=member_validation,
        test=test,
        member_test=member_test,
        epochs_done=int(training.epochs_done.max()),
        seconds=seconds,
        compile_seconds=compile_seconds,
        diverged=training.diverged,
        interrupted=training.interrupted,
    )


def threads_that_fit(members: Sequence[Member], threads: int) -> int:
    """Return on how many threads networks that are kept can train; `ConfigError` if not even on one."""
    room = free_memory()
    if room is None:
        return threads
    fitting, needed = threads_within(members, min(threads, len(members)), room, waiting=True)
    if not fitting:
        raise does_not_fit(f"{len(members)} networks need", needed, room, "choose fewer of them, or smaller layers")
    return fitting


class _Training:
    """Networks under training, epoch by epoch, so that each can keep its best and stop when it gets no better.

    Ten networks on two threads took 1.23 times as long as in one go where an epoch of one takes 1.4 ms, and 1.06 times
    where it takes 6 ms. Training again up to the best epoch, known from a first run, would take up to twice as long.
    """

    def __init__(self, config: TrainConfig, data: TrainingData, networks: int, threads: int) -> None:
        self.config = config
        members = alike(data, config, range(networks))
        self.pack = PackRun(members, threads_that_fit(members, threads), keep=True)
        self.best_epoch = np.zeros(networks, np.int64)
        self.best: dict[int, npt.NDArray[np.float32]] = {}
        self.epochs_done = np.zeros(networks, np.int64)  # without an epoch that was cut short
        self.diverged = 0
        self.interrupted = False
        self._taking: tuple[Integers, int] | None = None

    @property
    def kept(self) -> list[int]:
        """Networks that finished an epoch."""
        return np.flatnonzero(self.epochs_done).tolist()

    def run(
        self,
        on_epoch: Callable[[EpochResult], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        *,
        returns: bool = False,
    ) -> None:
        """Train all of them to the end, to their early stop, or until told to stop; see `Training.run`."""
        try:
            self._run(on_epoch, should_stop)
        except KeyboardInterrupt:
            if not (returns and self.kept):
                raise
            if self._taking:  # it came in the middle of that
                self._take(*self._taking)
            self.interrupted = True
        if not self.kept and not self.diverged:
            raise KeyboardInterrupt
        if not self.kept:
            raise never_learnt(self.config)

    def _run(self, on_epoch: Callable[[EpochResult], None] | None, should_stop: Callable[[], bool] | None) -> None:
        which = np.arange(len(self.best_epoch))
        for epoch in range(1, self.config.epochs + 1):
            if not self._train(which, epoch, should_stop):
                self.interrupted = True
                break
            fit = self.pack.status[which] != step.DIVERGED
            self.diverged += int((~fit).sum())
            which = which[fit]
            if not len(which):
                break
            self._take(which, epoch)
            if on_epoch:
                means = self.pack.curves[which, :, epoch - 1].mean(axis=0, dtype=np.float64)
                on_epoch(EpochResult(epoch=epoch, **dict(zip(_CURVES, means.tolist(), strict=True))))
            patience = self.config.early_stopping
            if patience is not None:
                which = which[epoch - self.best_epoch[which] < patience]
            if not len(which):
                break

    def _train(self, which: Integers, end: int, should_stop: Callable[[], bool] | None) -> bool:
        """Train these networks up to an epoch; return whether all of them came to its end, or diverged."""
        if should_stop and should_stop():  # an epoch may be over before the first poll
            self.pack.stop()
        self.pack.start(which, end)
        try:
            while not self.pack.wait(POLL_SECONDS):
                if should_stop and should_stop():
                    self.pack.stop()
        except BaseException:
            self.pack.stop()
            self.pack.join()
            raise
        self.pack.join()
        return not np.isin(self.pack.status[which], (step.PENDING, step.STOPPED)).any()

    def _take(self, which: Integers, epoch: int) -> None:
        """Note that these networks finished an epoch, and copy those that are better than ever.

        A second time, nothing changes; until the end, `_taking` says that it was begun.
        """
        self._taking = which, epoch
        self.epochs_done[which] = epoch
        for t in which.tolist():
            accuracy = self.pack.curves[t, _VALIDATION_ACCURACY]
            if t not in self.best or accuracy[epoch - 1] > accuracy[self.best_epoch[t] - 1]:
                self.best[t] = self.pack.parameters(t).copy()
                self.best_epoch[t] = epoch
        self._taking = None

    def curves(self, t: int) -> LearningCurves:
        """Return the curves of a network."""
        return LearningCurves(*self.pack.curves[t, :, : self.epochs_done[t]])

    def models(self, dataset: Dataset, scaler: Scaler) -> tuple[Model, ...]:
        """Return the networks of the best epochs."""
        models = []
        for t in self.kept:
            epochs = {"best_epoch": int(self.best_epoch[t]), "epochs_done": int(self.epochs_done[t])}
            model = self.pack.model(t, dataset, scaler, self.best[t], epochs["best_epoch"])
            model.metrics.update(epochs)
            models.append(model)
        return tuple(models)


def _scores(members: Sequence[Model], x: npt.NDArray[Any], y: npt.NDArray[np.int64]) -> tuple[Score, Score]:
    """Measure the ensemble of some networks, and on average each of them alone."""
    from fastnet.model.ensemble import mean_probabilities
    from fastnet.model.predictor import Score, score_of

    probabilities = [member._probabilities(x) for member in members]
    alone = [score_of(of_one, y) for of_one in probabilities]
    mean = Score(accuracy=fmean(score.accuracy for score in alone), loss=fmean(score.loss for score in alone))
    return score_of(mean_probabilities(probabilities), y), mean
