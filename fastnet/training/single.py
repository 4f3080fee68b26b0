"""Training of one network: early stopping, the weights of the best epoch, the test set once at the end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from fastnet.config.checks import check_interrupt, count_threads
from fastnet.config.presets import usual_config
from fastnet.config.training import TrainConfig, as_train_config
from fastnet.data.dataset import Dataset
from fastnet.data.doubts import warn_of_doubts
from fastnet.data.given import as_given
from fastnet.data.splitting import Split
from fastnet.data.validation import split_of
from fastnet.errors import warn
from fastnet.kernels import pack, step
from fastnet.kernels.context import LOSS, SCORE, fill
from fastnet.kernels.threads import layer_problem
from fastnet.limits import free_memory
from fastnet.network.assembly import Assembly, assemble, initialise, n_threads_limit, shapes_of, worth_sharing
from fastnet.network.goal import weights_of
from fastnet.network.hyperparameters import trial_of
from fastnet.network.memory import does_not_fit, n_bytes
from fastnet.network.samples import TrainingData, prepare
from fastnet.progress.shown import showing
from fastnet.progress.words import frame_of_epoch
from fastnet.training.background import Background
from fastnet.training.loop import EpochResult, Fit, LearningCurves, metrics_at

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from fastnet.model.classifier import Model
    from fastnet.model.predictor import Predictor
    from fastnet.model.scores import Score

Integers = npt.NDArray[np.int64]
AnyModel = TypeVar("AnyModel", bound="Predictor")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainResult:
    """A trained network and a record of its training.

    Attributes
    ----------
    model : Model
        The network with the weights of the best epoch.
    curves : LearningCurves
        One entry per finished epoch.
    best_epoch, epochs_done : int
        Best epoch (the first of equals), from 1; number of finished epochs.
    test : Score or None
        Score of the model on the test set; None if the data have no test set.
    seconds, compile_seconds : float
        Time of training with its evaluations; time of compiling or loading the kernels.
    diverged : bool
        Whether training ended because loss or score was not finite, or the loss a thousand times its start.
    interrupted : bool
        Whether `should_stop`, or Ctrl-C with ``interrupt="return"``, ended the training early.
    """

    model: Model
    curves: LearningCurves
    best_epoch: int
    epochs_done: int
    test: Score | None
    seconds: float
    compile_seconds: float
    diverged: bool
    interrupted: bool = False

    def plot_curves(self) -> Figure:
        """Draw score and loss of training and validation samples after each epoch, as a figure of Plotly.

        Examples
        --------
        >>> import fastnet
        >>> data = fastnet.take_first(fastnet.load("mnist5k"), 200)
        >>> result = fastnet.train(data, fastnet.TrainConfig(hidden=(16,), epochs=3))
        >>> [trace.name for trace in result.plot_curves().data]
        ['training', 'validation', 'training', 'validation']
        """
        from fastnet.plots.curves import curves_of_training

        return curves_of_training(self.curves.panels(), self.best_epoch)

    def _repr_html_(self) -> str:
        """Show curves and scores in a notebook."""
        from fastnet import html

        curves = self.curves
        shown = {"training": curves.train_score.tolist(), "validation": curves.validation_score.tolist()}
        loss = {"training": curves.train_loss.tolist(), "validation": curves.validation_loss.tolist()}
        title = f"Trained for {self.epochs_done} epochs; the weights are those of epoch {self.best_epoch}"
        parts = [html.paragraph(curves.score), html.curves(shown, "epoch"), html.paragraph("loss")]
        return html.block(title, *parts, html.curves(loss, "epoch"), self.model._repr_html_())


def train(
    dataset: Dataset | str | Path | tuple[npt.ArrayLike, npt.ArrayLike],
    config: TrainConfig | None = None,
    *,
    split: Split | None = None,
    jobs: int | None = None,
    on_epoch: Callable[[EpochResult], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    progress: bool | None = None,
    interrupt: str = "raise",
) -> TrainResult:
    """Train one network and keep the weights of its best epoch.

    The best epoch is that of the highest accuracy on the validation samples; for numbers, that of the lowest error by
    the objective's score, and for labels and with ``poisson``, that of the lowest loss.

    Parameters
    ----------
    dataset : Dataset, name, path or (x, y)
        The data: a data set, its name or file as `fastnet.load` takes it, or (N, F) features and (N,) labels. Scaling
        is learnt on the training rows only; the test set is used once, after the training.
    config : TrainConfig, optional
        Architecture and hyperparameters; by default those of `TrainConfig`, or for a table those of its preset.
    split : Split, optional
        Training and validation rows; by default 20 % for validation, with the same share of
        every class (or of numbers, groups and times as `fastnet.data.validation.split_of` divides them).
    jobs : int, optional
        Threads that share each product, at least 1; by default one per usable core. The result does not depend on it.
    on_epoch : callable, optional
        Called after every epoch.
    should_stop : callable, optional
        Called about twenty times a second; once it returns True, training ends within a step and keeps the finished
        epochs.
    progress : bool, optional
        Whether to show epochs, scores and the time left: in a notebook below the cell, elsewhere as a bar on standard
        error. By default in notebooks only.
    interrupt : {"raise", "return"}
        What Ctrl-C does once an epoch is finished: raise KeyboardInterrupt as soon as the background has stopped, or
        return the result so far with `interrupted` set.

    Returns
    -------
    TrainResult

    Raises
    ------
    ConfigError
        If `jobs` is not a whole number from 1 to 4096, the network does not fit into memory, or an argument has the
        wrong type.
    DataError
        If the data cannot be used.
    FastnetError
        If the loss is not finite in the first epoch, so that there is no network to keep.
    KeyboardInterrupt
        After Ctrl-C, see `interrupt`; or if it was stopped before the end of the first epoch.

    Warns
    -----
    FastnetWarning
        If classes have no training sample, the labels look like a quantity, or the test set has other units.

    Examples
    --------
    >>> import fastnet
    >>> data = fastnet.take_first(fastnet.load("mnist5k"), 500)
    >>> result = train(data, fastnet.TrainConfig(hidden=(32,), learning_rate=0.1, epochs=3))
    >>> result.epochs_done, result.test.value > 0.5
    (3, True)
    """
    given = as_given(dataset, "dataset")
    chosen = config_for(given, config)
    parts = rows_of(given, chosen, split)
    with showing(progress, on_epoch, partial(frame_of_epoch, epochs=chosen.epochs)) as on_each:
        return train_network(
            given, chosen, parts, jobs=jobs, on_epoch=on_each, should_stop=should_stop, interrupt=interrupt
        )


def config_for(dataset: Dataset, config: TrainConfig | None) -> TrainConfig:
    """Return the settings of a training, by default the usual ones for the kind of data."""
    if config is not None:
        return as_train_config(config)
    table = dataset.like_table
    return usual_config(rows=dataset.n_samples, table=table, task=dataset.task).resolved()


def rows_of(dataset: Dataset, config: TrainConfig, split: Split | None) -> Split:
    """Return the split to train on, by default drawn by the configuration's seed; warn of doubts about the data."""
    parts = split or split_of(dataset, seed=config.seed)
    warn_of_doubts(dataset, parts)
    return parts


def train_network(
    dataset: Dataset,
    config: TrainConfig,
    parts: Split,
    *,
    jobs: int | None = None,
    on_epoch: Callable[[EpochResult], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    interrupt: str = "raise",
    metric: str | None = None,
) -> TrainResult:
    """Train one network as `train` does, without its warnings about the data, its best epoch chosen by `metric`."""
    check_interrupt(interrupt)
    threads = min(count_threads(jobs), n_threads_limit())
    data = prepare(dataset, parts, config)
    clock = time.perf_counter()
    training = Training(config, data, threads)
    compile_seconds = time.perf_counter() - clock
    fit = Fit(training, config, metric)
    fit.train(on_epoch, should_stop, returns=interrupt == "return")
    model = corrected(fit.model(0), dataset, parts, config)
    test = None
    if dataset.x_test is not None and dataset.y_test is not None:
        test = model._measure(dataset.x_test, dataset.y_test, dataset.weights_test)
        model.metrics.update(test.stored("test"))
    return TrainResult(
        model=model,
        curves=fit.curves(0),
        best_epoch=int(fit.best_epoch[0]),
        epochs_done=int(fit.epochs_done[0]),
        test=test,
        seconds=fit.seconds,
        compile_seconds=compile_seconds,
        diverged=fit.diverged > 0,
        interrupted=fit.interrupted,
    )


def corrected(model: AnyModel, dataset: Dataset, parts: Split, config: TrainConfig) -> AnyModel:
    """Return a model with the corrections that its settings ask for, learnt from validation samples.

    `parts.validation` are samples that it was not trained on.
    """
    from fastnet.model.calibration import asked_for, asks_for_any

    rows = parts.validation
    if not asks_for_any(config, model.quantiles, len(rows)):
        return model
    weights = weights_of(dataset, parts, config)
    counted = None if weights is None else weights[rows]
    answers = model._answers(dataset.x[rows])
    return model._corrected(asked_for(config, model.quantiles, answers, dataset.y[rows], counted))


def threads_for(config: TrainConfig, data: TrainingData, threads: int) -> int:
    """Return how many of these threads share the products of a network; warn if they should but cannot."""
    if threads == 1 or not worth_sharing(config, data):
        return 1
    problem = layer_problem()
    if not problem:
        return threads
    warn(
        f"this network trains on one thread instead of {threads}, because {problem}; start the process with spawn, or "
        "install tbb"
    )
    return 1


def check_room(config: TrainConfig, data: TrainingData, threads: int) -> None:
    """Raise `ConfigError` if the network does not fit into the memory that the process may use."""
    shapes = shapes_of(config, data, parallel=threads > 1, threads=threads)
    best = n_bytes((shapes["params"][0][1],), np.float32)
    needed, room = sum(n_bytes(*shape) for shape in shapes.values()) + best, free_memory()
    if room is not None and needed > room:
        raise does_not_fit("training this network needs", needed, room)


class Training(Background):
    """One network in training: a `fastnet.training.loop.Run` whose products threads share if it is large enough.

    `stream` is its random stream: 0 unless a trial of a search is trained again.
    """

    def __init__(self, config: TrainConfig, data: TrainingData, threads: int, stream: int = 0) -> None:
        super().__init__()
        self.config, self.data = config, data
        self.threads = threads_for(config, data, threads)
        check_room(config, data, self.threads)
        self.assembly: Assembly = assemble(config, data, parallel=self.threads > 1)
        contexts, works = self.assembly.contexts(1, self.threads)
        self.context, self.work = contexts[0], works[0]
        settings = trial_of(config, stream)
        fill(self.context, settings.trial)
        self.work.hyper[...], self.work.dropout[...] = settings.hyper, settings.dropout
        self._curves = np.full((1, 4, config.epochs), np.nan)
        self.objective = data.objective
        self.status = np.array([step.PENDING])
        self.epochs_done = 0
        self.control = np.zeros(1, np.int64)
        initialise(self.context)
        self.call(step.EVALUATE, step.TRAINING, np.ones(1, np.int64))  # compiles the caller and returns at once

    @property
    def curves(self) -> npt.NDArray[np.float64]:
        """(1, 4, epochs) float64, as `PackRun.curves`."""
        return self.data.in_units(self._curves)

    def call(self, stage: int, argument: int, control: Integers) -> int:
        """Call a stage of the network in this thread; return its status."""
        return int(pack.run_stage(int(self.assembly.net.stages[stage]), self.context, argument, control))

    def start(self, which: Integers | None = None, end: int | None = None) -> None:
        """Train in the background up to the epoch `end`, by default the last."""
        epochs = range(self.epochs_done, self.config.epochs if end is None else end)
        self.status[0] = step.PENDING
        self.begin(self.threads, lambda: self._train(epochs))

    def stop(self) -> None:
        """Ask the training to end before its next step, giving up the current epoch. Safe at any time."""
        self.control[0] = 1
        super().stop()

    def _train(self, epochs: range) -> None:
        if self.threads > 1:
            pack.use_threads(self.threads)
        for epoch in epochs:
            self.status[0] = self._epoch(epoch)
            if self.status[0] != step.DONE:
                break
            self.epochs_done = epoch + 1

    def _epoch(self, epoch: int) -> int:
        """Train and evaluate one epoch; return the status."""
        state = self.work.state
        status = self.call(step.TRAIN_EPOCH, epoch, self.control)
        if status != step.DONE:
            return status
        train_loss, train_score = float(state[LOSS]), float(state[SCORE])
        if self.config.train_score == "exact":
            self.call(step.EVALUATE, step.TRAINING, self.control)
            train_score = float(state[SCORE])
        elif self.config.train_score == "none":
            train_score = math.nan
        status = self.call(step.EVALUATE, step.VALIDATION, self.control)
        if status != step.DONE:
            return status
        measured = np.abs([train_loss, state[LOSS], state[SCORE]])
        if abs(train_score) > step.LARGEST or not (measured <= step.LARGEST).all():
            return step.DIVERGED
        if self.control[0]:
            return step.STOPPED
        self._curves[0, :, epoch] = train_loss, train_score, state[LOSS], state[SCORE]
        return step.DONE

    def parameters(self, t: int = 0) -> npt.NDArray[np.float32]:
        """Return the weights and biases, (n_parameters,) float32, which further training overwrites."""
        parameters: npt.NDArray[np.float32] = self.work.params[0]
        return parameters

    def model(self, t: int = 0, parameters: npt.NDArray[np.float32] | None = None, epoch: int | None = None) -> Model:
        """Return the network as a model, as `PackRun.model` does."""
        from fastnet.model.classifier import trained_model

        metrics = metrics_at(self.curves[0], self.epochs_done, epoch, self.data.score.name)
        flat = self.parameters() if parameters is None else parameters
        return trained_model(self.config, self.data, self.assembly.layout.table, flat, metrics)
