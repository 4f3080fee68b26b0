"""The loop of a search: plan the trials, run them in packs, store what is done, say how far it is.

Nothing here depends on the order in which trials finish, on the size of a pack or on the number of threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastnet.config import SearchConfig, as_settings, count_threads
from fastnet.tuning.environment import describe_environment
from fastnet.tuning.result import Progress, SearchResult, TrialResult
from fastnet.tuning.sampler import checked_space, sample
from fastnet.tuning.space import Space
from fastnet.tuning.study import Study

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset, Split

PACK_TRIALS = 512
"""Trials of one pack: enough that starting it and waiting for its last trial cost little even on many threads, few
enough that its curves (0.8 kB a trial at 50 epochs) stay small whatever the number of trials."""

RESULTS_VERSION = 1
"""Raised when a release changes what the same settings compute, so that no study mixes two kinds of trials."""

POLL_SECONDS = 0.05
STORE_SECONDS = 0.25

DONE, DIVERGED = 1, 2
_STATUS = {DONE: "done", DIVERGED: "diverged"}

Ids: TypeAlias = NDArray[np.int64]


class Run(Protocol):
    """A pack of trials that runs in the background, such as `fastnet.packs.PackRun`; position p is the p-th id."""

    status: NDArray[Any]
    seconds: NDArray[np.float64]

    @property
    def curves(self) -> NDArray[np.float32]:
        """Curves of all trials, (T, 4, epochs), rows as named in `CURVES`."""

    def start(self) -> None:
        """Begin in the background."""

    def running(self) -> bool:
        """Whether it still works."""

    def finished(self) -> NDArray[np.int64]:
        """Positions finished since the last call, in any order."""

    def stop(self) -> None:
        """Ask it to end soon, leaving trials unfinished; harmless at any time."""

    def join(self) -> None:
        """Wait until it has ended; harmless before `start`."""


RunFactory: TypeAlias = Callable[[Ids, dict[str, NDArray[np.float64]]], Run]
"""Builds a run from trial numbers and their searched hyperparameters."""


def search(
    dataset: Dataset,
    config: SearchConfig,
    *,
    folder: Path,
    fresh: bool = False,
    jobs: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    run_factory: RunFactory | None = None,
) -> SearchResult:
    """Run a random search, or go on with one, and store every trial.

    Parameters
    ----------
    dataset : Dataset
        Only its training part is used; validation data are split off it before anything is learnt.
    config : SearchConfig
        ``config.trials`` is the total: with trials already stored, only the missing ones run.
    folder : Path
        Where the study lives; made if it does not exist.
    fresh : bool
        Forget the trials that the study in `folder` holds and start over.
    jobs : int or None
        Threads, at least 1; None for as many as the process may use. The results do not depend on it.
    on_progress : callable, optional
        Called with a `Progress` several times a second from the calling thread.
    should_stop : callable, optional
        Asked several times a second; once it returns True the search ends as at Ctrl-C.
    run_factory : callable, optional
        What runs the packs; `fastnet.packs.PackRun` if left out.

    Returns
    -------
    SearchResult
        All trials of the study; ``interrupted`` after Ctrl-C or `should_stop`, with everything that was done stored.

    Raises
    ------
    ConfigError
        If the space or `jobs` is impossible.
    DataError
        If the data cannot be split.
    StudyError
        If the study cannot be opened, belongs to other settings or another process, or can no longer be written;
        the trials stored before stay stored.

    Notes
    -----
    Random search on a log scale: *Deep Learning from Scratch*, section 6.5.2; Bergstra and Bengio, *Random Search for
    Hyper-Parameter Optimization*, JMLR 13 (2012).

    Examples
    --------
    >>> import fastnet
    >>> from pathlib import Path
    >>> data = fastnet.take_first(fastnet.load("mnist5k"), 500)  # doctest: +SKIP
    >>> result = search(data, fastnet.SearchConfig(trials=100), folder=Path("studies/first"))  # doctest: +SKIP
    >>> result.best(1)[0].params  # doctest: +SKIP
    {'learning_rate': 0.00921764, 'weight_decay': 3.85914e-07}
    """
    from fastnet.data.dataset import split

    clock = time.perf_counter()
    space = checked_space(config)
    threads = count_threads(jobs)
    parts = split(dataset.y, fraction=config.validation_fraction, seed=config.train.seed)
    settings = study_settings(config, space, dataset.fingerprint())
    with Study.open(folder, settings, about=_about(dataset, parts), fresh=fresh) as study:
        session = _Session(study, config, space, clock, on_progress, should_stop)
        session.go(run_factory, lambda: _compiled_factory(dataset, parts, config, threads), threads)
        return session.result()


def study_settings(config: SearchConfig, space: Space, fingerprint: str) -> dict[str, Any]:
    """Collect everything that the trials of a study follow from, ready for JSON.

    The number of trials is not part of it, and of a searched hyperparameter only its range is.

    Examples
    --------
    >>> config = SearchConfig()
    >>> settings = study_settings(config, Space.parse(config.space), "00" * 32)
    >>> settings["space"]["learning_rate"], settings["train"]["hidden"], "learning_rate" in settings["train"]
    ('log:1e-06:0.01', '100x6', False)
    """
    settings = as_settings(config)
    for name in ("trials", "final", "repeats"):  # they change no trial
        del settings[name]
    fixed = {name: value for name, value in settings["train"].items() if name not in space.names}
    extra = {"data": fingerprint, "results_version": RESULTS_VERSION}
    return settings | {"space": space.to_texts(), "train": fixed} | extra


class _Session:
    """One run of a search on an open study."""

    def __init__(
        self,
        study: Study,
        config: SearchConfig,
        space: Space,
        clock: float,
        on_progress: Callable[[Progress], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self.study = study
        self.space = space
        self.seed = config.train.seed
        self.stored = set(study.stored_ids().tolist())
        self.planned = config.trials
        self.total = self.planned + sum(trial >= self.planned for trial in self.stored)
        self.best = study.best_value()
        self.on_progress = on_progress or (lambda progress: None)
        self.should_stop = should_stop or (lambda: False)
        self.clock = self.last_store = clock
        self.done = self.done_before = len(self.stored)
        self.compile_seconds = self.compiled_seconds = 0.0
        self.interrupted = False
        self.run_id = 0

    def go(self, factory: RunFactory | None, compiled: Callable[[], tuple[RunFactory, float]], threads: int) -> None:
        """Run what is missing; Ctrl-C ends it early and is not passed on."""
        try:
            self.report()
            if len(self.stored) == self.total:
                return
            self.run_id = self.study.begin_run(describe_environment(threads))
            if factory is None:
                self.report(compiling=True)
                factory, self.compile_seconds = compiled()
            for ids in _packs(self.planned, self.stored):
                if self.interrupted or self.should_stop():
                    self.interrupted = True
                    break
                self.run_pack(factory, ids)
        except KeyboardInterrupt:
            self.interrupted = True

    def run_pack(self, factory: RunFactory, ids: Ids) -> None:
        """Run one pack to its end, or to the moment when the search is told to stop, and store what is done."""
        hyper = sample(self.space, self.seed, ids)
        pack = _Pack(factory(ids, hyper), ids, hyper)
        started = time.perf_counter()
        spent = self.compiled_seconds
        try:
            pack.run.start()
            while pack.run.running():
                self.collect(pack)
                self.compiled_seconds = spent + time.perf_counter() - started
                self.store(pack, wait=STORE_SECONDS)
                self.report()
                if self.should_stop():
                    self.interrupted = True
                    break
                time.sleep(pack.pause(time.perf_counter() - started))
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            pack.run.stop()
            pack.run.join()
        self.compiled_seconds = spent + time.perf_counter() - started
        self.collect(pack, ended=True)
        self.store(pack)
        self.report()
        assert self.interrupted or not pack.open, "a pack ended before its trials did"

    def collect(self, pack: _Pack, *, ended: bool = False) -> None:
        """Take over the trials that finished since the last time."""
        for trial in pack.take(ended=ended):
            self.done += 1
            if trial.status == "done" and (self.best is None or trial.value > self.best):
                self.best = trial.value

    def store(self, pack: _Pack, wait: float = 0.0) -> None:
        """Store the trials taken over, unless the last time was less than `wait` seconds ago."""
        now = time.perf_counter()
        if now - self.last_store < wait:
            return
        self.study.append(
            pack.waiting,
            run=self.run_id,
            wall_seconds=now - self.clock,
            compile_seconds=self.compile_seconds,
            compiled_seconds=self.compiled_seconds,
        )
        pack.waiting.clear()
        self.last_store = now

    def report(self, *, compiling: bool = False) -> None:
        """Tell how far the search is."""
        elapsed = time.perf_counter() - self.clock
        searching = elapsed - self.compile_seconds
        rate = (self.done - self.done_before) / searching if searching > 0 else 0.0
        eta = (self.total - self.done) / rate if rate > 0 else None
        self.on_progress(Progress(self.done, self.total, self.best, rate, eta, elapsed, compiling))

    def result(self) -> SearchResult:
        """Read back the whole study."""
        trials = self.study.trials()
        wall = time.perf_counter() - self.clock
        new = len(trials) - self.done_before
        return SearchResult(trials, self.interrupted, new, wall, self.compile_seconds, self.compiled_seconds)


class _Pack:
    """The bookkeeping of one running pack: which trials are still open, which wait to be stored."""

    def __init__(self, run: Run, ids: Ids, hyper: dict[str, NDArray[np.float64]]) -> None:
        self.run = run
        self.ids = ids
        self.hyper = hyper
        self.open = set(range(len(ids)))
        self.waiting: list[TrialResult] = []

    def take(self, *, ended: bool) -> list[TrialResult]:
        """Move finished trials from `open` to `waiting`; once the run has ended, whatever it had announced."""
        positions = sorted(self.open) if ended else self.run.finished().tolist()
        finished = [p for p in positions if p in self.open and int(self.run.status[p]) in _STATUS]
        curves = self.run.curves[finished]
        taken = [self._trial(p, curve) for p, curve in zip(finished, curves, strict=True)]
        # Waiting first: what Ctrl-C lets into both lists is offered twice and stored once.
        self.waiting.extend(taken)
        self.open.difference_update(finished)
        return taken

    def pause(self, elapsed: float) -> float:
        """Time to sleep before the next look: half of what the pack still needs, at most `POLL_SECONDS`."""
        finished = len(self.ids) - len(self.open)
        left = elapsed * len(self.open) / finished if finished else elapsed
        return min(POLL_SECONDS, max(0.001, left / 2))

    def _trial(self, p: int, curves: NDArray[np.float32]) -> TrialResult:
        params = {name: float(values[p]) for name, values in self.hyper.items()}
        status = _STATUS[int(self.run.status[p])]
        return TrialResult.from_curves(int(self.ids[p]), status, params, curves, seconds=float(self.run.seconds[p]))


def _packs(trials: int, stored: set[int]) -> Iterator[Ids]:
    """Yield the numbers below `trials` that are not stored, ascending, `PACK_TRIALS` at a time."""
    ids: list[int] = []
    for trial in range(trials):
        if trial not in stored:
            ids.append(trial)
        if len(ids) == PACK_TRIALS:
            yield np.array(ids, dtype=np.int64)
            ids = []
    if ids:
        yield np.array(ids, dtype=np.int64)


def _compiled_factory(dataset: Dataset, parts: Split, config: SearchConfig, threads: int) -> tuple[RunFactory, float]:
    """Prepare the data once, compile or load the kernels, and tell how long the kernels took."""
    from fastnet.data.preprocess import fit_scaler

    clock = time.perf_counter()
    from fastnet.network import prepare
    from fastnet.packs import PackRun, warm_up

    sample(Space.parse(config.space), config.train.seed, np.zeros(1, dtype=np.int64))
    seconds = time.perf_counter() - clock
    data = prepare(dataset, parts, fit_scaler(dataset.x, parts.train))
    seconds += warm_up(config.train, data)
    return (lambda ids, hyper: PackRun(data, config.train, ids, hyper, threads)), seconds


def _about(dataset: Dataset, parts: Split) -> dict[str, Any]:
    return {
        "data": dataset.name,
        "n_samples": dataset.n_samples,
        "n_features": dataset.n_features,
        "n_classes": dataset.n_classes,
        "n_train": len(parts.train),
        "n_validation": len(parts.validation),
    }
