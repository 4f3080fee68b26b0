"""Training for an estimator: a pack that is watched a few epochs at a time, or one large network that threads share."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from fastnet.config.metric import METRICS, metric_of_objective
from fastnet.config.training import TrainConfig
from fastnet.data.pipeline.scaling import Scaler, fit_scaler
from fastnet.errors import FastnetError, warn
from fastnet.kernels import host, update
from fastnet.kernels.step import DIVERGED, DONE, PAUSED, PENDING, STOPPED
from fastnet.network.assembly import worth_sharing
from fastnet.network.samples import TrainingData, prepare
from fastnet.sklearn.given import Given
from fastnet.training.loop import curve_row, watch
from fastnet.training.pack import Kept, PackRun, Stopping, alike
from fastnet.training.single import Training

if TYPE_CHECKING:
    from fastnet.data.pipeline.pipeline import Pipeline
    from fastnet.model.classifier import Model

Integers = npt.NDArray[np.int64]

LOOK_SECONDS = 0.2
"""Time between two looks at a pack, which is also what Ctrl-C loses at most."""


class Job(NamedTuple):
    """What is to be trained.

    Attributes
    ----------
    data : TrainingData
    config : TrainConfig
    stopping : Stopping
        What ends the training early, and which weights are kept.
    networks : int
        Networks that differ in their random numbers alone.
    threads : int
        Threads that may be used.
    earlier : Kept or None
        A network to go on with.
    epochs_before : int
        Epochs that count as trained, so that others than those of `earlier` are drawn.
    """

    data: TrainingData
    config: TrainConfig
    stopping: Stopping
    networks: int = 1
    threads: int = 1
    earlier: Kept | None = None
    epochs_before: int = 0


@dataclass(slots=True)
class Fitted:
    """Trained networks.

    Attributes
    ----------
    models : list of Model
        Networks whose loss stayed finite.
    curves : ndarray, (4, E) float64
        Means of their curves, of the epochs that one of them trained; see `fastnet.training.loop.LearningCurves`.
    epochs : int
        Epochs of the network that trained longest.
    best_epoch : int
        Best epoch of the first network.
    converged : bool
        Whether training ended before the last epoch.
    kept : Kept
        What the first network needs to go on.
    spread : float
        Standard deviation of a single number to be predicted over the validation samples; NaN for anything else.
    """

    models: list[Model]
    curves: npt.NDArray[np.float64]
    epochs: int
    best_epoch: int
    converged: bool
    kept: Kept
    spread: float


class Each(Protocol):
    """What is called after each epoch; True ends the training."""

    def __call__(self, curves: npt.NDArray[Any], model: Callable[[], Model]) -> bool:
        """Take the (4, E) curves so far, and what makes a model of the network."""


def prepared(given: Given, config: TrainConfig, numbers: str, pipeline: Pipeline | None = None) -> TrainingData:
    """Make the samples ready; without validation one sample, which counts, stands for those that kernels measure."""
    dataset, split = given.dataset, given.split
    if pipeline is None and dataset.fields is None and not dataset.sparse:
        pipeline = _scaler(dataset.x, split.train, dataset.weights, raw=numbers == "raw")
    data = prepare(dataset, split, config, pipeline=pipeline)
    if given.validated:
        return data
    rows = split.train if data.weights is None else split.train[np.argsort(-data.weights[split.train], kind="stable")]
    return data.on(type(split)(split.train, rows[:1]))


def _scaler(x: npt.NDArray[Any], rows: Integers, weights: npt.NDArray[Any] | None, *, raw: bool) -> Scaler:
    """Learn means and standard deviations in which samples count by their weights, as if they were repeated."""
    if raw:
        return Scaler(np.zeros(x.shape[1], x.dtype), np.ones(x.shape[1], x.dtype))
    if weights is not None:
        rows = rows[weights[rows] > 0]
    if weights is None or len(rows) < 2:
        return fit_scaler(x, rows)
    plain = fit_scaler(x, rows)  # refuses what no scale can hold
    known, counts = x[rows].astype(np.float64), weights[rows].astype(np.float64)
    mean = np.average(known, axis=0, weights=counts)
    deviation = np.sqrt(np.average(np.square(known - mean), axis=0, weights=counts))
    constant = known.min(axis=0) == known.max(axis=0)
    scale = np.where(constant, plain.scale, 1.0 / np.where(deviation > 0.0, deviation, 1.0))
    return Scaler(mean.astype(x.dtype), scale.astype(x.dtype))


def stopping_of(metric: str, objective: str, tolerance: float, *, early: bool) -> Stopping:
    """Return the rule of an estimator: with early stopping a metric on validation samples, else the training loss."""
    if not early:
        return Stopping("train_loss", -1.0, tolerance, at_best=False)
    found = METRICS[metric_of_objective(objective) if metric == "score" else metric]
    return Stopping(found.curve, found.sign, tolerance)


def fit_networks(job: Job, each: Each | None = None, rate_after: Callable[[Any], float] | None = None) -> Fitted:
    """Train networks to their last epoch or until they stop early.

    Parameters
    ----------
    job : Job
    each : callable, optional
        See `Each`; only with one network.
    rate_after : callable, optional
        Takes the curves after each epoch, and returns the learning rate of the next; 0 ends the training.

    Raises
    ------
    FastnetError
        If no network is left whose loss is finite.
    KeyboardInterrupt
        After Ctrl-C before anything was learnt; later it ends the training with a warning.
    """
    run: PackRun | _Alone
    members = alike(job.data, job.config, range(job.networks))
    if job.networks == 1 and job.threads > 1 and job.earlier is None and worth_sharing(job.config, job.data):
        run = _Alone(job)
    else:
        run = PackRun(members, job.threads, keep=True, stop_by=job.stopping)
        if job.earlier is not None:
            run.carry_on([job.earlier] * job.networks, job.epochs_before)
    stepwise = each is not None or rate_after is not None or isinstance(run, _Alone)
    done, interrupted = _train(run, job, stepwise, each, rate_after)
    if interrupted:
        warn(f"training was interrupted; the network is that of epoch {done - job.epochs_before}")
    return collected(run, job, range(job.networks), done if interrupted else None)


def collected(run: PackRun | _Alone, job: Job, places: Sequence[int], interrupted_at: int | None = None) -> Fitted:
    """Return the networks at some places of a run as models.

    Raises
    ------
    FastnetError
        If no network is left whose loss is finite.
    """
    before, status, interrupted = job.epochs_before, run.status, interrupted_at is not None
    usable = [t for t in places if status[t] in (DONE, PAUSED) or run.has_best(t) or interrupted]
    if not usable:
        rate = job.config.effective_learning_rate
        raise FastnetError(f"learning_rate_init={rate:g}: the loss is no longer finite; try a tenth of it")
    done = run.epochs_done[usable]
    epochs = int(done.max()) if interrupted_at is None else interrupted_at
    curves = np.asarray(run.curves[usable, :, before:epochs], np.float64)
    models = [run.model(t) for t in usable]
    return Fitted(
        models=models,
        curves=curves[0] if len(curves) == 1 else _means(curves),
        epochs=epochs - before,
        best_epoch=int(models[0].metrics.get("best_epoch", epochs)) - before,
        converged=bool((done < job.config.epochs).all()),
        kept=run.kept_of(usable[0]),
        spread=_spread(job.data),
    )


def _spread(data: TrainingData) -> float:
    """Return the weighted standard deviation of the single target over the validation samples."""
    y, rows = data.dataset.y, data.validation_rows[: -host.TILE_ROWS]
    if data.target_scaler is None or y.shape[1] != 1:
        return math.nan
    counts = None if data.weights is None else data.weights[rows]
    mean = np.average(y[rows, 0], weights=counts)
    return float(np.sqrt(np.average(np.square(y[rows, 0] - mean), weights=counts)))


def _means(curves: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the mean of each curve at each epoch over the networks that trained in it."""
    counts = np.isfinite(curves).sum(axis=0)
    totals = np.where(np.isfinite(curves), curves, 0.0).sum(axis=0)
    return np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)


def _train(
    run: PackRun | _Alone, job: Job, stepwise: bool, each: Each | None, rate_after: Callable[[Any], float] | None
) -> tuple[int, bool]:
    """Train a run, a few epochs or one at a time; return the epochs done and whether Ctrl-C ended it."""
    which, done, step = np.arange(job.networks), job.epochs_before, 1
    while len(which) and done < job.config.epochs:
        clock, end = time.perf_counter(), min(done + step, job.config.epochs)
        try:
            watch(run, partial(run.start, which, end))
            status = run.status[which]
            if np.isin(status, (PENDING, STOPPED)).any():
                raise KeyboardInterrupt
            which, done = which[status == PAUSED], end
            curves = run.curves[0, :, job.epochs_before : done]
            if each is not None and status[0] != DIVERGED and each(curves, partial(run.model, 0)):
                break
        except KeyboardInterrupt:
            if done == job.epochs_before:
                raise
            return done, True
        if rate_after is not None:
            rate = rate_after(curves)
            if rate == 0.0:
                break
            run.set_rate(rate)
        if not stepwise:
            seconds = max(time.perf_counter() - clock, 1e-6)
            step = max(1, min(2 * step, math.ceil(LOOK_SECONDS / seconds * step)))
    return done, False


class _Alone:
    """One network whose products threads share, in the form of a pack of one that keeps its network.

    Its stopping follows the same rule as that of the compiled packs.
    """

    def __init__(self, job: Job) -> None:
        self._training = Training(job.config, job.data, job.threads)
        self._rule, self._patience = job.stopping, job.config.early_stopping
        self._epochs = job.config.epochs
        self._best: npt.NDArray[np.float32] | None = None
        self._best_epoch = self._stalled = 0
        self.wait, self.stop = self._training.wait, self._training.stop

    def start(self, which: Integers, end: int) -> None:
        self._training.start(which, end)

    def join(self) -> None:
        self._training.join()
        epoch = self._training.epochs_done
        if self._patience is None or self._training.status[0] != DONE or not epoch:
            return
        measured = self._training._curves[0, curve_row(self._rule.curve)]  # as kernels measure it, like a pack's
        curve = self._rule.sign * measured.astype(np.float32)
        best = self._best_epoch
        gain = math.inf if best == 0 else float(curve[epoch - 1]) - float(curve[best - 1])
        self._stalled = 0 if gain > self._rule.tolerance else self._stalled + 1
        if gain > 0.0:
            self._best_epoch = epoch
            self._best = self._training.parameters().copy() if self._rule.at_best else None

    @property
    def curves(self) -> npt.NDArray[np.float64]:
        return self._training.curves

    @property
    def epochs_done(self) -> Integers:
        return np.array([self._training.epochs_done])

    @property
    def status(self) -> Integers:
        over = self._patience is not None and self._stalled >= self._patience
        if self._training.status[0] != DONE or over or self._training.epochs_done == self._epochs:
            return self._training.status
        return np.array([PAUSED])

    def set_rate(self, learning_rate: float) -> None:
        self._training.work.hyper[:, update.LEARNING_RATE] = learning_rate

    def has_best(self, t: int) -> bool:
        return self._best is not None

    def kept_of(self, t: int) -> Kept:
        work = self._training.work
        parameters = work.params.copy()
        if self._best is not None:
            parameters[0, : len(self._best)] = self._best
        return Kept(parameters, work.state.copy())

    def model(self, t: int) -> Model:
        if self._best is None:
            return self._training.model(t)
        model = self._training.model(t, self._best, self._best_epoch)
        model.metrics["best_epoch"] = self._best_epoch
        return model
