"""One network, trained to be kept: early stopping, the best epoch's weights, the test set once at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as NotYet
from concurrent.futures import wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fastnet.config.checks import check_interrupt, count_threads
from fastnet.config.training import TrainConfig, as_train_config
from fastnet.data.dataset import Dataset, Split
from fastnet.data.dataset import split as split_rows
from fastnet.data.doubts import warn_of_doubts
from fastnet.data.pipeline.scaling import Scaler, fit_scaler
from fastnet.data.registry import as_given
from fastnet.errors import FastnetError, warn
from fastnet.kernels import pack, step
from fastnet.kernels.context import LOSS, SCORE, fill
from fastnet.kernels.threads import layer_problem
from fastnet.limits import free_memory
from fastnet.network.assembly import Assembly, assemble, initialise, n_threads_limit, shapes_of, worth_sharing
from fastnet.network.hyperparameters import trial_of
from fastnet.network.memory import does_not_fit, n_bytes
from fastnet.network.samples import TrainingData, prepare
from fastnet.training import background

if TYPE_CHECKING:
    from fastnet.model.classifier import Model

POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochResult:
    """What one epoch came to.

    Attributes
    ----------
    epoch : int
        From 1.
    train_loss : float
        Mean cross-entropy over the epoch as it was met, dropout included.
    train_accuracy, validation_loss, validation_accuracy : float
        Measured after the epoch.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float


@dataclass(frozen=True, slots=True, eq=False)
class LearningCurves:
    """The four curves of a training, each (epochs,) float32."""

    train_loss: npt.NDArray[np.float32]
    train_accuracy: npt.NDArray[np.float32]
    validation_loss: npt.NDArray[np.float32]
    validation_accuracy: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainResult:
    """A trained network and how it came about.

    Attributes
    ----------
    model : Model
        With the weights of the best epoch.
    curves : LearningCurves
        One entry per finished epoch.
    best_epoch, epochs_done : int
        Epoch of the highest validation accuracy (the first of equals), from 1; number of finished epochs.
    test_accuracy, test_loss : float or None
        On the test set with the best epoch's weights; None where the data have no test set.
    seconds, compile_seconds : float
        Training with its evaluations; compiling or loading the kernels.
    diverged : bool
        Whether training ended because the loss was no longer a number, or a thousand times what it began with.
    interrupted : bool
        Whether training was ended early by `should_stop`, or by Ctrl-C where that returns.
    """

    model: Model
    curves: LearningCurves
    best_epoch: int
    epochs_done: int
    test_accuracy: float | None
    test_loss: float | None
    seconds: float
    compile_seconds: float
    diverged: bool
    interrupted: bool = False


def train(
    dataset: Dataset | str | Path | tuple[npt.ArrayLike, npt.ArrayLike],
    config: TrainConfig | None = None,
    *,
    split: Split | None = None,
    jobs: int | None = None,
    on_epoch: Callable[[EpochResult], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    interrupt: str = "raise",
) -> TrainResult:
    """Train one network and keep the weights of its best epoch.

    Parameters
    ----------
    dataset : Dataset, name, path or (x, y)
        What it learns: a data set, its name or file as `fastnet.load` takes it, or (N, F) features and (N,) labels.
        Scaling is learnt on its training rows only; its test set is used once, after the training.
    config : TrainConfig, optional
        Architecture and hyperparameters; the defaults if left out.
    split : Split, optional
        Training and validation rows; 20 % stratified validation by the configuration's seed if left out.
    jobs : int, optional
        Threads that share each product, at least 1; all that the process may use if left out. The result does not
        depend on it.
    on_epoch : callable, optional
        Called after every epoch.
    should_stop : callable, optional
        Asked about twenty times a second; once it returns True training ends within a step and keeps what is done.
    interrupt : {"raise", "return"}
        What Ctrl-C does once an epoch has ended: raise KeyboardInterrupt as soon as the background has stopped, or
        return what was trained until then, with `interrupted` set.

    Returns
    -------
    TrainResult

    Raises
    ------
    ConfigError
        If `jobs` is not a whole number from 1 to 4096, the network does not fit into memory, or an argument is of
        another kind.
    DataError
        If the data cannot be used.
    FastnetError
        If the loss is not finite in the first epoch, so that there is no network to keep.
    KeyboardInterrupt
        After Ctrl-C, see `interrupt`; or if it was stopped before the first epoch ended.

    Warns
    -----
    FastnetWarning
        If classes have no training sample, the labels look like a quantity, or the test set is in other units.

    Examples
    --------
    >>> import fastnet
    >>> data = fastnet.take_first(fastnet.load("mnist5k"), 500)
    >>> result = train(data, fastnet.TrainConfig(hidden=(32,), learning_rate=0.1, epochs=3))
    >>> result.epochs_done, result.test_accuracy > 0.5
    (3, True)
    """
    given, chosen = as_given(dataset, "dataset"), as_train_config(config)
    parts = split or split_rows(given.y, seed=chosen.seed)
    warn_of_doubts(given, parts)
    return train_network(
        given, chosen, parts, jobs=jobs, on_epoch=on_epoch, should_stop=should_stop, interrupt=interrupt
    )


def train_network(
    dataset: Dataset,
    config: TrainConfig,
    parts: Split,
    *,
    jobs: int | None = None,
    on_epoch: Callable[[EpochResult], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    interrupt: str = "raise",
) -> TrainResult:
    """Train one network as `train` does, on data that were looked at before."""
    check_interrupt(interrupt)
    threads = min(count_threads(jobs), n_threads_limit())
    scaler = fit_scaler(dataset.x, parts.train)
    data = prepare(dataset, parts, scaler)
    clock = time.perf_counter()
    training = Training(config, data, threads)
    compile_seconds = time.perf_counter() - clock
    seconds = training.run(on_epoch, should_stop, returns=interrupt == "return")
    model = training.model(dataset, scaler)
    score = None
    if dataset.x_test is not None and dataset.y_test is not None:
        score = model._measure(dataset.x_test, dataset.y_test)
        model.metrics["test_accuracy"], model.metrics["test_loss"] = score.accuracy, score.loss
    return TrainResult(
        model=model,
        curves=training.curves(),
        best_epoch=training.best_epoch,
        epochs_done=len(training.epochs),
        test_accuracy=score.accuracy if score else None,
        test_loss=score.loss if score else None,
        seconds=seconds,
        compile_seconds=compile_seconds,
        diverged=training.status == step.DIVERGED,
        interrupted=training.interrupted,
    )


def never_learnt(config: TrainConfig) -> FastnetError:
    """Return what is raised where the loss is not finite in the first epoch."""
    return FastnetError(
        f"learning_rate={config.learning_rate:g}: the loss is no longer a number in the first epoch; try a tenth of it"
    )


def threads_for(config: TrainConfig, data: TrainingData, threads: int) -> int:
    """Return how many of these threads share the products of a network; warn where that should be more than one."""
    if threads == 1 or not worth_sharing(config, data):
        return 1
    problem = layer_problem()
    if not problem:
        return threads
    warn(
        f"one thread trains this network and not {threads}, for {problem}; start the process anew (by spawn), or "
        "install tbb"
    )
    return 1


def check_room(config: TrainConfig, data: TrainingData, threads: int) -> None:
    """Raise `ConfigError` if the network cannot fit into the memory that the process may use."""
    shapes = shapes_of(config, data, parallel=threads > 1, threads=threads)
    best = n_bytes((shapes["params"][0][1],), np.float32)
    needed, room = sum(n_bytes(*shape) for shape in shapes.values()) + best, free_memory()
    if room is not None and needed > room:
        raise does_not_fit("training this network needs", needed, room)


class Training:
    """One network under training, epoch by epoch.

    Parameters
    ----------
    config : TrainConfig
        Architecture and hyperparameters.
    data : TrainingData
        From `fastnet.network.samples.prepare`.
    threads : int
        Threads that share each product where the network is large enough to gain.
    stream : int
        Random stream; 0 unless a trial of a search is to be trained again.
    """

    def __init__(self, config: TrainConfig, data: TrainingData, threads: int, stream: int = 0) -> None:
        self.config = config
        self.threads = threads_for(config, data, threads)
        check_room(config, data, self.threads)
        self.assembly: Assembly = assemble(config, data, parallel=self.threads > 1)
        contexts, works = self.assembly.contexts(1, self.threads)
        self.context, self.work = contexts[0], works[0]
        settings = trial_of(config, stream)
        fill(self.context, settings.trial)
        self.work.hyper[...], self.work.dropout[...] = settings.hyper, settings.dropout
        self.stop = np.zeros(1, np.int64)
        self.status = step.DONE
        self.interrupted = False
        self.epochs: list[EpochResult] = []
        self.best_epoch = 0
        self.best_parameters = self.work.params[0].copy()
        initialise(self.context)
        self._call(step.EVALUATE, step.TRAINING, np.ones(1, np.int64))  # compiles the caller and returns at once

    def _call(self, stage: int, argument: int, stop: npt.NDArray[np.int64]) -> int:
        return int(pack.run_stage(int(self.assembly.net.stages[stage]), self.context, argument, stop))

    def run(
        self,
        on_epoch: Callable[[EpochResult], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        *,
        returns: bool = False,
    ) -> float:
        """Train to the end, to the early stop, or until told to stop; return the seconds it took.

        KeyboardInterrupt is passed on, unless it `returns` and there is an epoch to keep.
        """
        clock = time.perf_counter()
        try:
            self._run(on_epoch, should_stop)
        except KeyboardInterrupt:
            if not (returns and self.epochs):
                raise
            self._take(self.epochs[-1])  # it may have come in the middle of that
            self.interrupted = True
        if not self.epochs and self.status == step.STOPPED:
            raise KeyboardInterrupt
        if not self.epochs:
            raise never_learnt(self.config)
        return time.perf_counter() - clock

    def _run(self, on_epoch: Callable[[EpochResult], None] | None, should_stop: Callable[[], bool] | None) -> None:
        for epoch in range(self.config.epochs):
            result = self._epoch(epoch, should_stop)
            if result is None:
                self.interrupted = self.status != step.DIVERGED
                break
            self.epochs.append(result)
            self._take(result)
            if on_epoch:
                on_epoch(result)
            patience = self.config.early_stopping
            if patience is not None and result.epoch - self.best_epoch >= patience:
                break

    def _take(self, result: EpochResult) -> None:
        """Keep the weights of the last epoch if it is better than all before; a second time, nothing changes."""
        best = self.epochs[self.best_epoch - 1].validation_accuracy if self.best_epoch else -1.0
        if result.validation_accuracy > best:
            self.best_parameters[:] = self.work.params[0]
            self.best_epoch = result.epoch  # last: an interrupt must not leave the number without its weights

    def _epoch(self, epoch: int, should_stop: Callable[[], bool] | None) -> EpochResult | None:
        """Train and evaluate one epoch in the background; None if it did not come to its end."""
        if should_stop and should_stop():  # an epoch may be over before the first poll
            self.stop[0] = 1
        future = None
        try:
            future = background.submit(self.threads, lambda: self._train_and_evaluate(epoch))
            while True:
                try:
                    return future.result(timeout=POLL_SECONDS)
                except NotYet:
                    if should_stop and should_stop():
                        self.stop[0] = 1
                        if future.cancel():  # it still waited for its turn
                            self.status = step.STOPPED
                            return None
        except BaseException:
            self.stop[0] = 1
            if future is not None and not future.cancel():
                wait([future])
            raise

    def _train_and_evaluate(self, epoch: int) -> EpochResult | None:
        if self.threads > 1:
            pack.use_threads(self.threads)
        state = self.work.state
        self.status = self._call(step.TRAIN_EPOCH, epoch, self.stop)
        if self.status != step.DONE:
            return None
        train_loss = float(state[LOSS])
        self._call(step.EVALUATE, step.TRAINING, self.stop)
        train_accuracy = float(state[SCORE])
        self.status = self._call(step.EVALUATE, step.VALIDATION, self.stop)
        if self.status == step.DONE and not np.isfinite(state[LOSS]):
            self.status = step.DIVERGED
        if self.status != step.DONE or self.stop[0]:
            return None
        return EpochResult(
            epoch=epoch + 1,
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            validation_loss=float(state[LOSS]),
            validation_accuracy=float(state[SCORE]),
        )

    def curves(self) -> LearningCurves:
        """Return the curves of the finished epochs."""
        names = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
        return LearningCurves(*(np.array([getattr(e, name) for e in self.epochs], np.float32) for name in names))

    def model(self, dataset: Dataset, scaler: Scaler) -> Model:
        """Return the network of the best epoch as a model."""
        from fastnet.model.classifier import trained_model

        best = self.epochs[self.best_epoch - 1]
        metrics = {
            "best_epoch": self.best_epoch,
            "epochs_done": len(self.epochs),
            "train_accuracy": best.train_accuracy,
            "validation_accuracy": best.validation_accuracy,
            "validation_loss": best.validation_loss,
        }
        return trained_model(self.config, dataset, scaler, self.assembly.layout.table, self.best_parameters, metrics)
