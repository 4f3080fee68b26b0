"""Assembling and running a search from its settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastnet.config.checks import check_interrupt, count_threads
from fastnet.config.objective import unused_settings
from fastnet.config.searching import SearchConfig, as_settings
from fastnet.errors import ConfigError
from fastnet.pace import pace
from fastnet.tuning.run.budget import Budget
from fastnet.tuning.run.ending import Ending
from fastnet.tuning.run.engine import Engine, LocalThreads
from fastnet.tuning.run.enqueue import checked_points
from fastnet.tuning.run.result import Progress, SearchResult
from fastnet.tuning.run.resume import Source, plan_of
from fastnet.tuning.run.sampler import checked_space, preview_of, sampler_of
from fastnet.tuning.run.session import Session
from fastnet.tuning.run.tally import Tally
from fastnet.tuning.run.task import Tasks, data_name
from fastnet.tuning.run.workers import workers_of
from fastnet.tuning.space.space import Space
from fastnet.tuning.store.study import Study

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset
    from fastnet.data.splitting import Split

INSPECTION_SECONDS, COLUMN_SECONDS = 1.1, 0.035
"""Time to measure which columns of a table a model relies on, and more for each, where `pace` is 1: 0.3 s for 19 and
eight networks, 1.2 s for 60, 3.0 s for 73, and 1.2 s for 16 where the networks have 26 outputs."""

RESULTS_VERSION = 4
"""Increased when a release changes the results of the same settings, so that no study mixes two kinds of trials."""


def run_study(
    dataset: Dataset,
    config: SearchConfig,
    *,
    folder: Path,
    split: Split | None = None,
    fresh: bool = False,
    jobs: int | None = None,
    memory: int | None = None,
    curves: bool = True,
    source: Source | None = None,
    finish: bool = False,
    timeout: float | None = None,
    reserve: Callable[[int], float] = lambda trials: 0.0,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    interrupt: str = "raise",
    engine: Engine | None = None,
    executor: Any = None,
    sampler: Any = None,
) -> SearchResult:
    """Run or continue a search, and store every trial.

    Parameters
    ----------
    dataset : Dataset
        The trials use its training part only; the test part evaluates the network that is kept at the end.
    config : SearchConfig
        ``config.trials`` is the total: only trials that are not stored run.
    folder : Path
        Of the study; created if missing.
    split : Split, optional
        Training and validation rows; by default those of `split_of` by the configuration's fraction and seed. Not with
        ``config.folds`` or ``config.ensemble_folds``.
    fresh, finish, jobs, interrupt
        As for `fastnet.search`.
    memory : int or None
        Bytes that a pack of trials may take; None for all that the process may use. Results do not depend on it.
    curves : bool
        Whether to store learning curves.
    source : Source, optional
        Where `dataset` comes from, so that the study can load it again.
    timeout : float, optional
        Seconds for everything, see `fastnet.search`.
    reserve : callable
        Returns the seconds of these that the caller needs after the search, given the number of trials.
    on_progress : callable, optional
        Called with a `Progress` several times a second from the calling thread.
    should_stop : callable, optional
        Polled several times a second; when it returns True the search ends with all finished trials stored.
    engine, executor : Engine, and see `fastnet.search`; optional
        Run packs; the threads of this process by default.
    sampler : Sampler or optuna.samplers.BaseSampler, optional
        Draws the trials; by default the one that `config` names.

    Returns
    -------
    SearchResult
        All trials of the study.

    Raises
    ------
    ConfigError
        If the space, `jobs` or `memory` is invalid, or there is a `split` as well as folds.
    DataError
        If the data cannot be split.
    StudyError
        If the study cannot be opened, has other settings, is in use, or can no longer be written.
    KeyboardInterrupt
        After Ctrl-C, see `interrupt`. The same call again continues the study.

    Notes
    -----
    Random search on a log scale and its narrowing: *Deep Learning from Scratch*, section 6.5; Bergstra and Bengio,
    *Random Search for Hyper-Parameter Optimization*, JMLR 13 (2012).

    Examples
    --------
    >>> import fastnet
    >>> from pathlib import Path
    >>> data = fastnet.take_first(fastnet.load("mnist5k"), 500)  # doctest: +SKIP
    >>> result = run_study(data, fastnet.SearchConfig(trials=100), folder=Path("studies/first"))  # doctest: +SKIP
    >>> result.best(1)[0].params  # doctest: +SKIP
    {'learning_rate': 0.00921764, 'weight_decay': 3.85914e-07}
    """
    from fastnet.data.doubts import warn_of_doubts
    from fastnet.data.validation import folds_of, further_folds, split_of

    clock = time.perf_counter()
    check_interrupt(interrupt)
    space = checked_space(config)
    threads = count_threads(jobs)
    config = config.for_task(dataset.task)
    seed = config.train.seed
    check_split(config, split)
    parts = split or split_of(dataset, config.validation_fraction, seed)
    splits = [parts] if config.folds is None else folds_of(dataset, config.folds, seed)
    further = further_folds(dataset, parts, config.ensemble_folds, seed) if config.ensemble_folds else []
    warn_of_doubts(dataset, parts)
    settings = study_settings(config, space, dataset.fingerprint(), split)
    drawing = preview_of(config) if finish else sampler_of(config, sampler)
    opened = Study.open(folder, settings, about=_about(dataset, splits), fresh=fresh, curves=curves)
    with opened as study, ExitStack() as closing_after:
        study.set_plan(plan_of(config, source or _source_of(study)))
        engine = engine or closing_after.enter_context(closing(engine_of(executor, dataset, splits, config, jobs)))
        tally = Tally(study, config, engine, clock, on_progress)
        best = study.best(max(config.final, config.ensemble_top, 1), curves=False) if timeout is not None else ()
        ahead = inspection_seconds(dataset)
        budget = Budget(
            config, best, engine.slots(threads), clock, timeout, tally.done, lambda trials: reserve(trials) + ahead
        )
        stop = should_stop or (lambda: False)
        tasks = Tasks(config, data_name(dataset, splits, config.train), threads, memory)
        session = Session(study, config, space, engine, drawing, tasks, tally, budget, stop)
        session.trained = finish
        session.go(lambda: Ending(session, dataset, parts, splits, further).finish())
        if session.cut is not None and interrupt == "raise":
            raise session.cut
        return session.result()


def engine_of(
    executor: Any, dataset: Dataset, splits: Sequence[Split], config: SearchConfig, jobs: int | None
) -> Engine:
    """Return the engine that an executor stands for, see `fastnet.tuning.run.workers.workers_of`."""
    workers = None if executor is None else workers_of(executor, jobs)
    if workers is None:
        return LocalThreads(dataset, splits, config)
    from fastnet.tuning.run.remote import RemoteEngine

    return RemoteEngine(workers, dataset, splits, config)


def inspection_seconds(dataset: Dataset) -> float:
    """Estimate the time to measure what the report shows about the columns of the data here; 0 for arrays."""
    if not dataset.like_table:
        return 0.0
    from fastnet.model.sparse_reliance import MOST_USED

    n_columns = min(dataset.n_features, MOST_USED) if dataset.sparse else dataset.n_features
    return pace() * (INSPECTION_SECONDS + COLUMN_SECONDS * n_columns)


def check_split(config: SearchConfig, split: Split | None) -> None:
    """Raise `ConfigError` if the validation samples are given as well as folds."""
    for name in ("folds", "ensemble_folds"):
        if split is not None and (n_folds := getattr(config, name)) is not None:
            raise ConfigError(f"{name}={n_folds}: the samples that validate are given; leave one of the two out")


def study_settings(config: SearchConfig, space: Space, fingerprint: str, split: Split | None = None) -> dict[str, Any]:
    """Collect everything that determines the trials of a study, ready for JSON.

    A searched hyperparameter enters with its range. The number of trials is included only if trials depend on it, with
    pruning or stages.

    Examples
    --------
    >>> config = SearchConfig()
    >>> settings = study_settings(config, Space.parse(config.space), "00" * 32)
    >>> settings["space"]["learning_rate"], settings["train"]["hidden"], "learning_rate" in settings["train"]
    ('log:1e-06:0.01', '100x6', False)
    >>> "trials" in settings, "trials" in study_settings(SearchConfig(stages=2), Space({}), "00" * 32)
    (False, True)
    """
    settings = as_settings(config)
    left_out = {"final", "repeats", "ensemble_top", "ensemble", "ensemble_folds"}  # they change no trial
    if config.pruning == "none":
        left_out |= {"eta", "first_epochs", "pack_size"}
        left_out |= {"trials"} if config.stages == 1 else set()
    if config.pruning == "median":
        left_out |= {"eta"}
    if config.sampler != "grid":
        left_out |= {"levels"}
    if config.stages == 1:
        left_out |= {"expand"}
    if not config.enqueue:
        left_out |= {"enqueue"}
    else:
        settings["enqueue"] = list(checked_points(config, space))
    settings = {name: value for name, value in settings.items() if name not in left_out}
    train = config.train
    after = {"calibration": train.calibration, "threshold": train.threshold}
    unused = unused_settings(train.objective, train.class_weight, **after) | set(space.names)
    if train.train_score == "exact":  # what studies did before there was a choice
        unused.add("train_score")
    fixed = {name: value for name, value in settings["train"].items() if name not in unused}
    extra = {"data": fingerprint, "results_version": RESULTS_VERSION}
    if split is not None:
        extra["rows"] = split.fingerprint()
        del settings["validation_fraction"]
    return settings | {"space": space.to_texts(), "train": fixed} | extra


def _source_of(study: Study) -> Source | None:
    """Return the last known source of the data; they are the same, since their hash is compared."""
    source = study.plan().get("source")
    return None if source is None else Source(**source)


def _about(dataset: Dataset, splits: list[Split]) -> dict[str, Any]:
    return {
        "data": dataset.name,
        "n_samples": dataset.n_samples,
        "n_features": dataset.n_features,
        "n_classes" if dataset.task == "classification" else "n_targets": dataset.n_outputs,
        "n_train": len(splits[0].train),
        "n_validation": len(splits[0].validation),
    }
