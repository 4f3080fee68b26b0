"""The loop of a search: stages, packs of trials, what is stored of them, and how far it is.

Nothing here depends on the order in which trials finish, on how many packs run together or on the number of threads.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from fastnet.config.checks import check_interrupt, count_threads
from fastnet.config.searching import SearchConfig, as_settings
from fastnet.errors import ConfigError
from fastnet.tuning.rules.pruning import schedule_of
from fastnet.tuning.run.environment import describe_environment
from fastnet.tuning.run.result import Progress, SearchResult
from fastnet.tuning.run.sampler import checked_space, draw_for
from fastnet.tuning.run.trials import Given, Ids, Params, Run, RunFactory, Trainer, Trials
from fastnet.tuning.space.space import Space
from fastnet.tuning.store.backlog import Backlog
from fastnet.tuning.store.study import Study
from fastnet.tuning.trial import TrialResult, sign

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset, Split
    from fastnet.tuning.run.workshop import Workshop

PACK_TRIALS = 512
"""Trials of one pack where none is compared with others: enough that starting it and waiting for its last trial cost
little even on many threads, few enough that its curves (0.8 kB a trial at 50 epochs) stay small whatever the number of
trials."""

RESULTS_VERSION = 2
"""Raised when a release changes what the same settings compute, so that no study mixes two kinds of trials."""

MOST_PACKS = 64
"""Packs that may train at the same time: enough for 96 cores where three trials of each reach the last rung."""

STORE_SECONDS = 0.25
"""Time between two transactions where trials are stored as they finish."""


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
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    interrupt: str = "raise",
    run_factory: RunFactory | None = None,
) -> SearchResult:
    """Run a search, or go on with one, and store every trial.

    Parameters
    ----------
    dataset : Dataset
        The trials see its training part only; the test part is used once, by the network that is kept at the end.
    config : SearchConfig
        ``config.trials`` is the total: with trials already stored, only the missing ones run.
    folder : Path
        Where the study lives; made if it does not exist.
    split : Split, optional
        Training and validation rows; a stratified part of `dataset` by the configuration's fraction and seed if left
        out. Not with ``config.folds``.
    fresh : bool
        Forget the trials that the study in `folder` holds and start over.
    jobs : int or None
        Threads, at least 1; None for as many as the process may use. The results do not depend on it.
    memory : int or None
        Bytes that a pack of trials may take; None for no limit but the machine's. The results do not depend on it.
    curves : bool
        Whether the learning curves of the trials are stored.
    on_progress : callable, optional
        Called with a `Progress` several times a second from the calling thread.
    should_stop : callable, optional
        Asked several times a second; once it returns True the search ends, with everything that is done stored.
    interrupt : {"raise", "return"}
        What Ctrl-C does once everything that is done is stored: raise KeyboardInterrupt, or return the study as it is.
    run_factory : callable, optional
        What runs the packs; compiled kernels if left out.

    Returns
    -------
    SearchResult
        All trials of the study; ``interrupted`` if `should_stop`, or Ctrl-C where that returns, ended it early.

    Raises
    ------
    ConfigError
        If the space, `jobs` or `memory` is impossible, or there is a `split` and ``config.folds`` too.
    DataError
        If the data cannot be split.
    StudyError
        If the study cannot be opened, belongs to other settings or another process, or can no longer be written;
        the trials stored before stay stored.
    KeyboardInterrupt
        After Ctrl-C, see `interrupt`. The same call again carries the study on.

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
    from fastnet.data.dataset import split as split_rows
    from fastnet.data.doubts import warn_of_doubts
    from fastnet.data.validation import stratified_folds

    clock = time.perf_counter()
    check_interrupt(interrupt)
    space = checked_space(config)
    threads = count_threads(jobs)
    seed = config.train.seed
    check_split(config, split)
    parts = split or split_rows(dataset.y, fraction=config.validation_fraction, seed=seed)
    splits = [parts] if config.folds is None else stratified_folds(dataset.y, config.folds, seed=seed)
    warn_of_doubts(dataset, parts)
    settings = study_settings(config, space, dataset.fingerprint(), split)
    with Study.open(folder, settings, about=_about(dataset, splits), fresh=fresh, curves=curves) as study:
        session = _Session(study, config, space, dataset, parts, threads, clock, on_progress, should_stop)
        if run_factory:
            session.trainer, session.trainer_keeps = Given(run_factory), False
        else:
            learnt = dataset.without_test()
            session.build_trainer = lambda: _workshop(learnt, splits, config, space, threads, memory)
        session.go()
        if session.cut is not None and interrupt == "raise":
            raise session.cut
        return session.result()


def check_split(config: SearchConfig, split: Split | None) -> None:
    """Raise `ConfigError` if the samples that validate are decided twice."""
    if split is not None and config.folds is not None:
        raise ConfigError(f"folds={config.folds}: the samples that validate are given; leave one of the two out")


def study_settings(config: SearchConfig, space: Space, fingerprint: str, split: Split | None = None) -> dict[str, Any]:
    """Collect everything that the trials of a study follow from, ready for JSON.

    Of a searched hyperparameter only its range is part of it. The number of trials is where trials depend on it:
    where they are compared with each other, or stages share them.

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
    left_out = {"final", "repeats", "ensemble_top", "ensemble"}  # they change no trial
    if config.pruning == "none":
        left_out |= {"eta", "first_epochs", "pack_size"}
        left_out |= {"trials"} if config.stages == 1 else set()
    if config.pruning == "median":
        left_out |= {"eta"}
    if config.sampler != "grid":
        left_out |= {"levels"}
    if config.stages == 1:
        left_out |= {"expand"}
    settings = {name: value for name, value in settings.items() if name not in left_out}
    fixed = {name: value for name, value in settings["train"].items() if name not in space.names}
    extra = {"data": fingerprint, "results_version": RESULTS_VERSION}
    if split is not None:
        extra["rows"] = split.fingerprint()
        del settings["validation_fraction"]
    return settings | {"space": space.to_texts(), "train": fixed} | extra


class _Session:
    """One run of a search on an open study."""

    def __init__(
        self,
        study: Study,
        config: SearchConfig,
        space: Space,
        dataset: Dataset,
        parts: Split,
        threads: int,
        clock: float,
        on_progress: Callable[[Progress], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self.study = study
        self.config = config
        self.space = self.first_space = space
        self.trainer: Trainer | None = None
        self.build_trainer: Callable[[], Trainer] | None = None
        self.dataset, self.parts = dataset, parts  # with the test part; what trains the trials is given none
        self.threads = threads
        self.schedule = schedule_of(config)
        self.stored = set(study.stored_ids().tolist())
        self.total = config.trials + sum(trial >= config.trials for trial in self.stored)
        self.best = study.best_value(config.metric)
        self.ended: list[TrialResult] = []
        self.counts = {status: study.count(status) for status in ("stopped", "diverged")}
        self.on_progress = on_progress or (lambda progress: None)
        self.should_stop = should_stop or (lambda: False)
        self.clock = self.last_store = clock
        self.done = self.done_before = len(self.stored)
        self.compiled_seconds = 0.0
        self.interrupted = False
        self.cut: KeyboardInterrupt | None = None
        self.run_id = 0
        self.stage = self.rung = 1
        self.choosing = self.ensembling = False
        self.final_seconds = 0.0
        self.trainer_keeps = True
        self.backlog = Backlog(study, self.report, lambda: self.interrupted or self.should_stop())

    def go(self) -> None:
        """Run what is missing, stage by stage; Ctrl-C ends it early and is left in `cut`."""
        try:
            self.report()
            if len(self.stored) < self.total:
                self.run_id = self.study.begin_run(describe_environment(self.threads))
                self.ready()  # before the first trials are drawn, which takes the kernels too
            for stage, ids in enumerate(stage_ids(self.config.trials, self.config.stages), start=1):
                self.stage = stage
                self.run_stage(ids)
                self.backlog.flush(**self.so_far())
                if self.interrupted:
                    return
                self.narrow(ids)
            self.finish()
        except KeyboardInterrupt as error:
            self.interrupted, self.cut = True, error
            self.backlog.flush(**self.so_far())

    @property
    def compile_seconds(self) -> float:
        """Time spent on compiling or loading kernels."""
        return self.trainer.compile_seconds if self.trainer else 0.0

    def ready(self) -> Trainer:
        """Return what trains; the first call imports and compiles, or loads, the kernels."""
        if self.trainer is None:
            assert self.build_trainer is not None
            self.report(compiling=True)
            self.trainer = self.build_trainer()
        return self.trainer

    def run_stage(self, ids: range) -> None:
        """Run the trials of a stage that are not stored, as many packs at a time as pay."""
        waiting = len(self.schedule.rungs) > 1
        packs = self._missing(ids)
        for together in self._waves(packs) if waiting else ([pack] for pack in packs):
            if self.interrupted or self.should_stop():
                self.interrupted = True
                return
            self.run_packs(together, waiting=waiting)

    def _missing(self, ids: range) -> Iterator[tuple[Ids, list[Params]]]:
        """Yield the packs of a stage that have trials to run, with their hyperparameters."""
        if len(self.schedule.rungs) > 1:  # trials that are compared run together, whatever is stored of them
            size = self.config.pack_size
            chunks = (ids[begin : begin + size] for begin in range(0, len(ids), size))
            missing: Iterator[Sequence[int]] = (chunk for chunk in chunks if not self.stored.issuperset(chunk))
        else:
            missing = _chunks((trial for trial in ids if trial not in self.stored), PACK_TRIALS)
        for chunk in missing:
            numbers = np.array(chunk, dtype=np.int64)
            yield numbers, draw_for(self.config, self.space, numbers)

    def _waves(self, packs: Iterator[tuple[Ids, list[Params]]]) -> Iterator[list[tuple[Ids, list[Params]]]]:
        """Put packs together that train at the same time; only the next few are drawn ahead."""
        ahead = list(itertools.islice(packs, MOST_PACKS))
        while ahead:
            n = self.ready().packs_at_once(ahead)
            yield ahead[:n]
            ahead = ahead[n:] + list(itertools.islice(packs, n))

    def run_packs(self, packs: list[tuple[Ids, list[Params]]], *, waiting: bool) -> None:
        """Run some packs together to their end, or until the search is told to stop, and store what is done."""
        ids = np.concatenate([numbers for numbers, _ in packs])
        params = [values for _, of_pack in packs for values in of_pack]
        run = self.ready().run(ids, params, waiting=waiting)
        trials = Trials(run, ids, params, self.stage, self.config)
        bounds = np.cumsum([0, *(len(numbers) for numbers, _ in packs)])
        alive = np.arange(len(ids))
        for rung, end in enumerate(self.schedule.rungs, start=1):
            self.rung = rung
            if len(alive):
                self.train(trials, alive, end, store=not waiting)
            if self.interrupted:
                return
            alive = self.compare(trials, alive, bounds)
        self.rung = 1
        if waiting:
            self.store(trials.waiting)
            self.report()
        assert len(alive) == 0 and not trials.open, "a pack ended before its trials did"

    def train(self, trials: Trials, alive: Ids, end: int, *, store: bool) -> None:
        """Train some trials of a pack up to an epoch."""
        started, spent = time.perf_counter(), self.compiled_seconds
        try:
            trials.start(alive, end)
            while trials.run.running():
                self.collect(trials)
                self.compiled_seconds = spent + time.perf_counter() - started
                if store:
                    self.store(trials.waiting, wait=STORE_SECONDS)
                self.report()
                if self.should_stop():
                    self.interrupted = True
                    break
                time.sleep(trials.pause(time.perf_counter() - started))
        except KeyboardInterrupt as error:
            self.interrupted, self.cut = True, error
        finally:
            if trials.run.running():  # Ctrl-C, or something went wrong
                trials.run.stop()
            trials.run.join()
        self.compiled_seconds = spent + time.perf_counter() - started
        self.collect(trials, ended=True)
        if store:
            self.store(trials.waiting)
            self.report()

    def compare(self, trials: Trials, alive: Ids, bounds: NDArray[np.int64]) -> Ids:
        """Let the schedule choose, pack by pack, which trials go on; the others have ended."""
        fit = np.array([t for t in alive if t in trials.open], dtype=np.int64)
        if self.rung == len(self.schedule.rungs):
            return fit
        curves = trials.curves()
        kept: list[Ids] = []
        for low, high in itertools.pairwise(bounds.tolist()):
            here = fit[(fit >= low) & (fit < high)]
            if len(here):
                kept.append(low + self.schedule.keep(curves[low:high], here - low, self.rung - 1))
        going = np.concatenate(kept) if kept else fit[:0]
        self.count(trials.end(sorted(set(fit.tolist()) - set(going.tolist())), "stopped"))
        return going

    def collect(self, trials: Trials, *, ended: bool = False) -> None:
        """Take over the trials that finished since the last time."""
        self.count(trials.take(ended=ended))

    def count(self, ended: list[TrialResult]) -> None:
        """Keep count of trials that ended; candidates that are trained again are no trials of the study."""
        if self.choosing or self.ensembling:
            return
        self.ended += ended
        better = sign(self.config.metric)
        for trial in ended:
            self.done += 1
            if trial.status in self.counts:
                self.counts[trial.status] += 1
            if trial.status == "done" and (self.best is None or better * trial.value > better * self.best):
                self.best = trial.value

    def store(self, waiting: list[TrialResult], wait: float = 0.0) -> None:
        """Store trials, all or none of them, unless the last time was less than `wait` seconds ago."""
        if time.perf_counter() - self.last_store < wait:
            return
        self.backlog.store(waiting, **self.so_far())
        self.last_store = time.perf_counter()

    def so_far(self) -> dict[str, Any]:
        """Return which run this is and the times that are stored with its trials."""
        wall = time.perf_counter() - self.clock
        times = {"compile_seconds": self.compile_seconds, "compiled_seconds": self.compiled_seconds}
        return {"run": self.run_id, "wall_seconds": wall, **times}

    def narrow(self, ids: range) -> None:
        """Store what the stage that has ended came to, and take the ranges of the next one from it."""
        from fastnet.tuning.rules.narrowing import narrow

        known = {record["number"]: record for record in self.study.stages()}
        if self.stage + 1 not in known:
            trials = self.study.iter_trials(stage=self.stage)
            expand = (
                self.config.expand and self.stage < self.config.stages
            )  # there is no stage to try it after the last
            report = narrow(self.space, trials, metric=self.config.metric, expand=expand)
            document = report.to_dict()
            if self.stage == self.config.stages:
                document |= {"recommendation": self.recommendation()}
            self.study.append_stage(self.stage, ids.start, len(ids), self.space.to_texts(), document)
            if self.stage < self.config.stages:
                following = stage_ids(self.config.trials, self.config.stages)[self.stage]
                texts = report.space.to_texts()
                self.study.append_stage(self.stage + 1, following.start, len(following), texts)
                known[self.stage + 1] = {"space": texts}
        if self.stage < self.config.stages:
            self.space = Space.parse(known[self.stage + 1]["space"])

    def recommendation(self) -> dict[str, Any]:
        """Say which ranges to go on with, ready for JSON."""
        from fastnet.tuning.rules.advice import LOOKED_AT, recommend

        metric = self.config.metric
        best = self.study.best(LOOKED_AT, metric)
        space, expand = self.first_space, self.config.expand
        return recommend(space, self.study.iter_trials(), metric, expand=expand, best=best).to_dict()

    def finish(self) -> None:
        """Choose and put together; what that takes is kept apart from the times of the trials."""
        clock, compiling, compiled = time.perf_counter(), self.compile_seconds, self.compiled_seconds
        try:
            self.choose()
            if not self.interrupted:
                self.put_together()
        finally:
            self.final_seconds = time.perf_counter() - clock - (self.compile_seconds - compiling)
            self.compiled_seconds = compiled

    def choose(self) -> None:
        """Train the best trials again on fresh seeds, keep one of them, and use the test set once."""
        before = self.study.final()
        count = self.study.count()
        same = {"trials": count, "wanted": self.config.final, "repeats": self.config.repeats}
        if self.config.final == 0 or (before is not None and same.items() <= before.items()):
            return
        from fastnet.tuning.run.final import decide, keep, repeats_of, winner_config

        repeats = repeats_of(self.study, self.config)
        if not repeats:
            return
        self.choosing = True
        ids = np.array([repeat.candidate.id for repeat in repeats], dtype=np.int64)
        params = [dict(repeat.candidate.params) for repeat in repeats]
        run = self.ready().run(ids, params, waiting=False, seeds=[repeat.seed for repeat in repeats])
        results = self.again(run, ids, params)
        if self.interrupted:
            return
        document = decide(repeats, results, self.config, self.dataset)
        kept = None
        if self.trainer_keeps:
            config = winner_config(document, self.config)
            kept = keep(self.study, self.dataset, self.parts, config, self.threads, self.should_stop)
            self.interrupted = kept is None
        if not self.interrupted:
            self.study.set_final({**document, **same, "kept": kept})

    def put_together(self) -> None:
        """Train the best trials again as they were, put their networks together, and use the test set once."""
        config = self.config
        before = self.study.ensemble()
        same = {"trials": self.study.count(), "top": config.ensemble_top, "method": config.ensemble}
        if config.ensemble_top == 0 or (before is not None and same.items() <= before.items()):
            return
        from fastnet.tuning.run.ensemble import best_finished, put_together

        found = best_finished(self.study, config.ensemble_top)
        if not found or not self.trainer_keeps:
            return
        self.choosing, self.ensembling = False, True
        ids = np.array([trial.id for trial in found], dtype=np.int64)
        params = [dict(trial.params) for trial in found]
        workshop = cast("Workshop", self.ready())
        run = workshop.run(ids, params, waiting=False, keep=True)
        self.again(run, ids, params)
        if not self.interrupted:
            document = put_together(self.study, self.dataset, workshop, run, found, config)
            self.study.set_ensemble({**document, **same})

    def again(self, run: Run, ids: Ids, params: list[Params]) -> list[TrialResult]:
        """Train trials of the study to the end that are not to be stored."""
        trials = Trials(run, ids, params, self.stage, self.config)
        self.train(trials, np.arange(len(ids)), self.config.train.epochs, store=False)
        return trials.in_order()

    def report(self, *, compiling: bool = False) -> None:
        """Tell how far the search is."""
        elapsed = time.perf_counter() - self.clock
        searching = elapsed - self.compile_seconds
        rate = (self.done - self.done_before) / searching if searching > 0 else 0.0
        ended, self.ended = tuple(self.ended), []
        self.on_progress(
            Progress(
                done=self.done,
                total=self.total,
                best=self.best,
                trials_per_second=rate,
                eta_seconds=(self.total - self.done) / rate if rate > 0 else None,
                elapsed_seconds=elapsed,
                compiling=compiling,
                choosing=self.choosing,
                ensembling=self.ensembling,
                stage=self.stage,
                stages=self.config.stages,
                rung=self.rung,
                rungs=len(self.schedule.rungs),
                ended=ended,
                **self.counts,
            )
        )

    def result(self) -> SearchResult:
        """Return the whole study."""
        trials = self.study.trials()
        wall = time.perf_counter() - self.clock
        new = self.study.count() - self.done_before
        times = (wall, self.compile_seconds, self.compiled_seconds)
        return SearchResult(
            trials,
            self.interrupted,
            new,
            *times,
            stages=tuple(self.study.stages()),
            final=self.study.final(),
            final_seconds=self.final_seconds,
            ensemble_report=self.study.ensemble(),
        )


def stage_ids(trials: int, stages: int) -> list[range]:
    """Share trials among stages: consecutive numbers, the first stages one more where they do not divide.

    Examples
    --------
    >>> stage_ids(10, 3)
    [range(0, 4), range(4, 7), range(7, 10)]
    """
    each, more = divmod(trials, stages)
    begins = [stage * each + min(stage, more) for stage in range(stages + 1)]
    return [range(begin, end) for begin, end in itertools.pairwise(begins)]


def _chunks(numbers: Iterator[int], size: int) -> Iterator[list[int]]:
    while chunk := list(itertools.islice(numbers, size)):
        yield chunk


def _workshop(
    dataset: Dataset, splits: list[Split], config: SearchConfig, space: Space, threads: int, memory: int | None
) -> Trainer:
    clock = time.perf_counter()
    from fastnet.tuning.run.workshop import Workshop

    seconds = time.perf_counter() - clock
    workshop = Workshop(dataset, splits, config, threads, memory)
    workshop.warm_up(space)
    workshop.compile_seconds += seconds
    return workshop


def _about(dataset: Dataset, splits: list[Split]) -> dict[str, Any]:
    return {
        "data": dataset.name,
        "n_samples": dataset.n_samples,
        "n_features": dataset.n_features,
        "n_classes": dataset.n_classes,
        "n_train": len(splits[0].train),
        "n_validation": len(splits[0].validation),
    }
