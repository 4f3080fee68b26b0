"""Several networks with the same settings, trained side by side, each as `fastnet.training.single` would train it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from fastnet.config.checks import check_interrupt, count_networks, count_threads
from fastnet.config.searching import as_settings
from fastnet.config.training import TrainConfig
from fastnet.data.dataset import Dataset
from fastnet.data.given import as_given
from fastnet.data.splitting import Split
from fastnet.limits import free_memory
from fastnet.network.goal import weights_of
from fastnet.network.memory import does_not_fit
from fastnet.network.samples import prepare
from fastnet.training.loop import EpochResult, Fit, LearningCurves
from fastnet.training.pack import Member, PackRun, alike, threads_within, warm_up
from fastnet.training.single import config_for, corrected, rows_of

if TYPE_CHECKING:
    from fastnet.model.ensemble import Ensemble
    from fastnet.model.scores import Score


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EnsembleResult:
    """A trained ensemble and a record of its training.

    Attributes
    ----------
    ensemble : Ensemble
        Networks with the weights of their best epochs, without those that diverged in their first epoch.
    curves : tuple of LearningCurves
        Curves of each network of the ensemble, one entry per finished epoch.
    validation, test : Score or None
        Scores of the ensemble; None if the data have no test set.
    member_validation, member_test : Score or None
        Means over its networks.
    epochs_done : int
        Epochs of the network that trained longest.
    seconds, compile_seconds : float
        Time of training with its evaluations; time of compiling or loading the kernels.
    diverged : int
        Networks whose training ended because loss or score was not finite, or the loss a thousand times its start.
    interrupted : bool
        Whether `should_stop`, or Ctrl-C with ``interrupt="return"``, ended the training early.
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

    def _repr_html_(self) -> str:
        """Show the ensemble, and how much better it is than its networks alone, in a notebook."""
        from fastnet import html

        pairs = {"validation": (self.validation, self.member_validation), "test": (self.test, self.member_test)}
        rows = [(part, a.name, a.value, b.value) for part, (a, b) in pairs.items() if a is not None and b is not None]
        scores = html.table(("samples", "score", "together", "alone, on average"), rows)
        return html.block(f"Trained for {self.epochs_done} epochs", scores, self.ensemble._repr_html_())


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
    """Train networks that differ only in their random numbers, and average them.

    Network i uses random stream i of the configuration's seed, so network 0 is the one that `fastnet.train` trains.
    Each keeps the weights of its best epoch and stops early on its own.

    Parameters
    ----------
    dataset : Dataset, name, path or (x, y)
        The data, as for `fastnet.train`. Scaling is learnt on the training rows only; the test set is used once, after
        the training.
    config : TrainConfig, optional
        Architecture and hyperparameters of every network.
    networks : int
        Number of networks, 1 to 1000.
    split : Split, optional
        Training and validation rows of all networks; by default a stratified 20 % for validation, drawn by the
        configuration's seed.
    jobs : int, optional
        Networks that train at a time, at least 1; by default one per usable core. The result does not depend on it.
    on_epoch : callable, optional
        Called after every epoch with the means over the networks that trained in it.
    should_stop : callable, optional
        Called about twenty times a second; once it returns True, training ends within a step and keeps the epochs that
        all networks have finished.
    interrupt : {"raise", "return"}
        What Ctrl-C does once an epoch is finished: raise KeyboardInterrupt as soon as the background has stopped, or
        return the result so far with `interrupted` set.

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
        After Ctrl-C, see `interrupt`; or if it was stopped before the end of the first epoch.

    Examples
    --------
    >>> import fastnet
    >>> data = fastnet.take_first(fastnet.load("mnist5k"), 300)
    >>> result = train_ensemble(data, fastnet.TrainConfig(hidden=(16,), learning_rate=0.1, epochs=3), networks=4)
    >>> len(result.ensemble.members), result.test.loss < result.member_test.loss
    (4, True)
    """
    dataset, networks = as_given(dataset, "dataset"), count_networks(networks)
    config = config_for(dataset, config)
    check_interrupt(interrupt)
    threads = count_threads(jobs)
    parts = rows_of(dataset, config, split)
    data = prepare(dataset, parts, config)
    clock = time.perf_counter()
    warm_up(config, data)
    members = alike(data, config, range(networks))
    fit = Fit(PackRun(members, threads_that_fit(members, threads), keep=True), config)
    compile_seconds = time.perf_counter() - clock
    fit.train(on_epoch, should_stop, returns=interrupt == "return")
    return _result(fit, dataset, parts, compile_seconds)


def _result(fit: Fit, dataset: Dataset, parts: Split, compile_seconds: float) -> EnsembleResult:
    """Average the networks that were kept, and measure them."""
    from fastnet.model.ensemble import Ensemble

    models = tuple(fit.model(t) for t in fit.kept)
    settings = as_settings(fit.config) | {"networks": len(fit.epochs_done), "data": dataset.name}
    ensemble = corrected(Ensemble(members=models, settings=settings), dataset, parts, fit.config)
    rows = parts.validation
    weights = weights_of(dataset, parts, fit.config)
    weights = None if weights is None else weights[rows]
    validation, member_validation = _scores(ensemble, dataset.x[rows], dataset.y[rows], weights)
    metrics: dict[str, Any] = validation.stored("validation")
    test = member_test = None
    if dataset.x_test is not None and dataset.y_test is not None:
        test, member_test = _scores(ensemble, dataset.x_test, dataset.y_test, dataset.weights_test)
        metrics |= test.stored("test")
    ensemble.metrics.update(metrics)
    return EnsembleResult(
        ensemble=ensemble,
        curves=tuple(fit.curves(t) for t in fit.kept),
        validation=validation,
        member_validation=member_validation,
        test=test,
        member_test=member_test,
        epochs_done=int(fit.epochs_done.max()),
        seconds=fit.seconds,
        compile_seconds=compile_seconds,
        diverged=fit.diverged,
        interrupted=fit.interrupted,
    )


def threads_that_fit(members: Sequence[Member], threads: int) -> int:
    """Return on how many threads networks that are kept can train; raise `ConfigError` if not even on one."""
    room = free_memory()
    if room is None:
        return threads
    fitting, needed = threads_within(members, min(threads, len(members)), room, waiting=True)
    if not fitting:
        raise does_not_fit(f"{len(members)} networks need", needed, room, "choose fewer of them, or smaller layers")
    return fitting


def _scores(
    ensemble: Ensemble, x: npt.NDArray[Any], y: npt.NDArray[Any], weights: npt.NDArray[Any] | None
) -> tuple[Score, Score]:
    """Measure an ensemble, and the average of its networks alone."""
    from fastnet.model.ensemble import mean_answers
    from fastnet.model.scores import Score

    answers = [member._answers(x) for member in ensemble.members]
    alone = [member._scored(of_one, y, weights) for member, of_one in zip(ensemble.members, answers, strict=True)]
    value, loss = fmean(score.value for score in alone), fmean(score.loss for score in alone)
    mean = Score(value=value, loss=loss, name=alone[0].name)
    return ensemble._scored(ensemble._adjusted(mean_answers(answers)), y, weights), mean
