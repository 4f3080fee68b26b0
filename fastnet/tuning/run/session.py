"""A search on its way through its stages: which trials train next, and what becomes of them.

Nothing here depends on the order in which trials finish, on how many packs run at the same time or on the number of
threads.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastnet.config.searching import SearchConfig
from fastnet.tuning.rules.pruning import schedule_of, survivors
from fastnet.tuning.run.budget import Budget
from fastnet.tuning.run.engine import Engine
from fastnet.tuning.run.result import SearchResult
from fastnet.tuning.run.sampler import Sampler
from fastnet.tuning.run.stages import Stages, stage_ids
from fastnet.tuning.run.storage import Storage
from fastnet.tuning.run.tally import Tally
from fastnet.tuning.run.task import Outcome, Params, Task, Tasks, joined
from fastnet.tuning.space.space import Space
from fastnet.tuning.store.study import Study
from fastnet.tuning.trial import TrialResult

if TYPE_CHECKING:
    from fastnet.model.classifier import Model

PACK_TRIALS = 512
"""Trials of one pack where none is compared with others: enough that starting it and waiting for its last trial cost
little even on many threads, few enough that its curves (0.8 kB a trial at 50 epochs) stay small whatever the number of
trials."""

STORE_SECONDS = 0.25
"""Time between two transactions where trials are stored as they end."""

MOST_PACKS = 64
"""Packs that may train as one task: enough for 96 cores where three trials of each reach the last rung."""


class Session:
    """Leads a search through its stages: decides which trials train next, and hands on what becomes of them.

    Parameters
    ----------
    study : Study
        Open to be written.
    config : SearchConfig
    space : Space
        The ranges of the first stage.
    engine : Engine
        Runs the packs.
    sampler : Sampler
        Draws the trials.
    tasks : Tasks
        Makes tasks of them.
    tally : Tally
        Counts and reports.
    budget : Budget
        The time that is left.
    should_stop : callable
        Asked several times a second.

    Attributes
    ----------
    trained : bool
        Whether no more trials are to be trained, whatever is missing.
    out_of_time : bool
        Whether the time was up before all trials were trained, or before the end was reached.
    interrupted : bool
        Whether it was stopped before its end.
    cut : KeyboardInterrupt or None
        By what, after Ctrl-C.
    """

    def __init__(
        self,
        study: Study,
        config: SearchConfig,
        space: Space,
        engine: Engine,
        sampler: Sampler,
        tasks: Tasks,
        tally: Tally,
        budget: Budget,
        should_stop: Callable[[], bool],
    ) -> None:
        self.study, self.config, self.space = study, config, space
        self.engine, self.sampler, self.tasks, self.tally = engine, sampler, tasks, tally
        self.budget = budget
        self.trained = self.interrupted = self.out_of_time = False
        self._should_stop = should_stop
        self.cut: KeyboardInterrupt | None = None
        self.storage = Storage(study, tally, lambda: self.interrupted or should_stop())
        self._stages = Stages(study, config, space)
        self._stored = set(study.stored_ids().tolist())
        self._loaded = False

    def go(self, finish: Callable[[], None]) -> None:
        """Run what is missing, stage by stage, then `finish`; Ctrl-C ends it early and is left in `cut`."""
        try:
            self.tally.report()
            if len(self._stored) < self.tally.total and not self.trained:
                self.storage.begin(self.tasks.threads)
                self.load()  # before the first trials are drawn, which takes the kernels too
            self._run_stages()
            if not self.interrupted:
                finish()
        except KeyboardInterrupt as error:
            self.interrupted, self.cut = True, error
            self.storage.flush()

    def _run_stages(self) -> None:
        for stage, ids in enumerate(stage_ids(self.config.trials, self.config.stages), start=1):
            self.tally.stage = stage
            if not self.trained:
                self.run_stage(ids)
                self.storage.flush()
            if self.interrupted:
                return
            if self.trained:
                stored = self.study.stored_ids()
                held = np.count_nonzero((ids.start <= stored) & (stored < ids.stop))
                if not held or (held < len(ids) and stage < self.config.stages):
                    return  # the ranges of the next stage follow from all trials of this one
            self.space = self._stages.end(stage, self.space)

    def load(self) -> None:
        """Load the data and the kernels, if that has not been done."""
        if not self._loaded:
            self._loaded = True
            self.tally.report(compiling=True)
            self.engine.load()

    def stopping(self) -> bool:
        """Whether what is running has to stop: asked to, or because its time is up."""
        if self._should_stop():
            self.interrupted = True
        elif self.tally.phase and self.budget.is_over():
            self.out_of_time = self.interrupted = True
        elif not self.tally.phase and self.budget.ends_trials():
            self.out_of_time = self.trained = True
        return self.interrupted or (self.trained and not self.tally.phase)

    def run_stage(self, ids: range) -> None:
        """Run the trials of a stage that are not stored, as many packs at a time as pay."""
        for generation, packs in itertools.groupby(self._missing(ids), key=lambda pack: self._generation(pack[0])):
            if self.stopping():  # with the trials of earlier generations incomplete
                return
            known = self.storage.trials_before(generation * (self.sampler.generation or 0)) if generation else ()
            for wave in self._waves(self._drawn(pack, known) for pack in packs):
                if self.stopping():
                    return
                task = joined([pack.task for pack in wave])
                self.run(task, [params for pack in wave for params in pack.params])

    def run(self, task: Task, params: Sequence[Params], *, store: bool = True) -> Intake:
        """Run a task to its end, or until the search is told to stop; store its trials where they are the study's."""
        intake = Intake(self, task, params, store=store)
        try:
            intake.complete = self.engine.run(task, intake).complete
        except KeyboardInterrupt as error:
            self.cut = error
            self.interrupted = True
        self.tally.rung = 1
        intake.close()
        return intake

    def result(self) -> SearchResult:
        """Return the whole study."""
        tally, study = self.tally, self.study
        return SearchResult(
            study.trials(),
            self.interrupted or self.out_of_time,
            study.count() - tally.done_before,
            **tally.times,
            stages=tuple(study.stages()),
            final=study.final(),
            final_seconds=tally.final_seconds,
            ensemble_report=study.ensemble(),
        )

    def _missing(self, ids: range) -> Iterator[Sequence[int]]:
        """Yield the packs of a stage that have trials to run."""
        if len(schedule_of(self.config).rungs) > 1:  # trials that are compared run together, whatever is stored of them
            size = self.config.pack_size
            chunks = (ids[begin : begin + size] for begin in range(0, len(ids), size))
            yield from (chunk for chunk in chunks if not self._stored.issuperset(chunk))
            return
        lacking = max(0, self.config.trials - len(self._stored))  # trials beyond the total fill gaps in the numbers
        numbers = itertools.islice((trial for trial in ids if trial not in self._stored), lacking)
        for _, of_one in itertools.groupby(numbers, key=self._generation):
            while chunk := list(itertools.islice(of_one, PACK_TRIALS)):
                yield chunk

    def _generation(self, trial: int) -> int:
        return trial // self.sampler.generation if self.sampler.generation else 0

    def _drawn(self, pack: Sequence[int], known: Sequence[TrialResult]) -> DrawnPack:
        ids = np.array(pack, dtype=np.int64)
        params = self.sampler.draw(self.space, ids, known)
        return DrawnPack(self.tasks.of(ids, params), params)

    def _waves(self, packs: Iterator[DrawnPack]) -> Iterator[list[DrawnPack]]:
        """Put packs together that train as one task."""
        ahead = list(itertools.islice(packs, 1))
        while ahead:
            n = packs_that_pay(self.config, len(ahead[0].params), self.tasks.threads)
            ahead += itertools.islice(packs, max(0, n - len(ahead)))
            n = self.engine.fitting([pack.task for pack in ahead]) if len(ahead) > 1 else 1
            yield ahead[:n]
            ahead = ahead[n:] or list(itertools.islice(packs, 1))


@dataclass(frozen=True, slots=True)
class DrawnPack:
    """Trials that are compared with one another, with their searched hyperparameters."""

    task: Task
    params: Sequence[Params]


class Intake:
    """Takes in what becomes of the trials of a task while it runs: the view on its side.

    Attributes
    ----------
    complete : bool
        Whether the task ran to its end.
    """

    def __init__(self, session: Session, task: Task, params: Sequence[Params], *, store: bool) -> None:
        self.complete = False
        self._session, self._task, self._params, self._store = session, task, params, store
        self._results: dict[int, TrialResult] = {}
        self._waiting: list[TrialResult] = []
        self._models: dict[int, tuple[Model, ...]] = {}
        self._spent = session.tally.compiled_seconds

    def __call__(self, outcome: Outcome) -> bool:
        """Take in trials that ended; return whether the task is to be stopped."""
        session, tally = self._session, self._session.tally
        new = {t: self._result(outcome, place) for place, t in enumerate(outcome.positions) if t not in self._results}
        if self._store:
            self._waiting += new.values()  # first: what Ctrl-C lets into both is offered twice and stored once
            tally.count(tuple(new.values()))
            session.budget.count(new.values())
        self._results.update(new)
        self._models.update(zip(outcome.positions, outcome.models, strict=False))
        tally.compiled_seconds, tally.rung = self._spent + outcome.compiled_seconds, outcome.rung
        if not self._task.waits:
            session.storage.store(self._waiting, wait=STORE_SECONDS)
        tally.report()
        return session.stopping()

    def close(self) -> None:
        """Store what is not stored yet; of trials that are compared with others only if all of them have ended."""
        if self._store and (self.complete or not self._task.waits):
            self._session.storage.store(self._waiting)
            self._session.tally.report()

    def in_order(self) -> list[TrialResult]:
        """Return the trials that ended, in the order in which they were given."""
        return [self._results[t] for t in sorted(self._results)]

    def models(self) -> list[tuple[Model, ...]]:
        """Return their networks in the same order, where the task keeps them."""
        return [self._models[t] for t in sorted(self._models)]

    def _result(self, outcome: Outcome, place: int) -> TrialResult:
        t = outcome.positions[place]
        return TrialResult.from_curves(
            int(self._task.ids[t]),
            outcome.status[place],
            self._params[t],
            outcome.curves[place],
            seconds=float(outcome.seconds[place]),
            stage=self._session.tally.stage,
            metric=self._session.config.metric,
        )


def packs_that_pay(config: SearchConfig, size: int, threads: int) -> int:
    """Return how many packs of this size should train as one task: with so many the last rung still fills the threads.

    Examples
    --------
    >>> packs_that_pay(SearchConfig(), 512, 8), packs_that_pay(SearchConfig(pruning="halving"), 81, 8)
    (1, 2)
    """
    schedule = schedule_of(config)
    if len(schedule.rungs) == 1:
        return 1
    last = survivors(schedule, size)[-1] * (config.folds or 1)
    return min(MOST_PACKS, max(1, -(-2 * threads // last)))
