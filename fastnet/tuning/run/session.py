"""A search running through its stages: which trials train next, and what happens to their results.

Nothing here depends on the order in which trials finish, on the number of packs that run at the same time, or on the
number of threads.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastnet.config.metric import sign
from fastnet.config.searching import SearchConfig
from fastnet.tuning.rules.pruning import schedule_of
from fastnet.tuning.run.budget import Budget
from fastnet.tuning.run.engine import Engine
from fastnet.tuning.run.numbers import Numbers
from fastnet.tuning.run.result import SearchResult
from fastnet.tuning.run.sampler import Sampler
from fastnet.tuning.run.stages import Stages, stage_ids
from fastnet.tuning.run.storage import Storage
from fastnet.tuning.run.tally import Tally
from fastnet.tuning.run.task import Outcome, Params, Task, Tasks, holds_networks, joined
from fastnet.tuning.space.space import Space
from fastnet.tuning.store.study import Study
from fastnet.tuning.trial import TrialResult

if TYPE_CHECKING:
    from fastnet.model.classifier import Model

PACK_TRIALS = 512
"""Trials of a pack without pruning: enough that starting it and waiting for its last trial cost little even on many
threads, few enough that its curves (0.8 kB a trial at 50 epochs) stay small."""

STORE_SECONDS = 0.25
"""Time between two transactions while trials end."""


class Session:
    """Leads a search through its stages: decides which trials train next and passes on their results.

    Attributes
    ----------
    trained : bool
        Whether no more trials are to be trained, even if some are missing.
    out_of_time : bool
        Whether the time was up before all trials were trained, or before the final choice and ensemble were complete.
    interrupted : bool
        Whether the search was told to stop.
    cut : KeyboardInterrupt or None
        The Ctrl-C that stopped it.
    networks : dict of int to tuple of Model
        The networks of the best trials of this session that an ensemble may need, by the numbers of the trials.
    unfinished : dict of int to tuple of TrialResult and Model
        The best of the trials that were still training when the time was up; they are not stored.
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
        self.cut: KeyboardInterrupt | None = None
        self.storage = Storage(study, tally, lambda: self.interrupted or should_stop())
        self.stored = Numbers(study.stored_ids())
        self.networks: dict[int, tuple[Model, ...]] = {}
        self.unfinished: list[tuple[TrialResult, tuple[Model, ...]]] = []
        self._worth: dict[int, float] = {}
        self._should_stop = should_stop
        self._stages = Stages(study, config, space)
        self._spare = 0.0
        self._loaded = False

    def go(self, finish: Callable[[], None]) -> None:
        """Run the missing trials stage by stage, then `finish`; Ctrl-C ends this early and is kept in `cut`."""
        try:
            self.tally.report()
            if len(self.stored) < self.tally.total and not self.trained:
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
        """Load the data and the kernels, once."""
        if not self._loaded:
            self._loaded = True
            self.tally.report(compiling=True)
            self.engine.load()
            self.budget.spread(self.engine.slots(self.tasks.threads))

    def stopping(self) -> bool:
        """Return whether the running task has to stop: on request, or because its time is up."""
        ending = bool(self.tally.phase)
        if self._should_stop():
            self.interrupted = True
        elif self.budget.left <= self._spare if ending else self.budget.ends_trials():
            self.out_of_time = True
            self.trained = True
            return True
        return self.interrupted or (self.trained and not ending)

    def _seconds_left(self) -> float:
        """Return the seconds until the running task has to stop because its time is up."""
        return self.budget.left - self._spare if self.tally.phase else self.budget.left_for_trials

    def run_stage(self, ids: range) -> None:
        """Run the trials of a stage that are not stored."""
        for generation, packs in itertools.groupby(self._missing(ids), key=lambda pack: self._generation(pack[0])):
            if self.stopping():  # with the trials of earlier generations incomplete
                return
            known = self.storage.trials_before(generation * (self.sampler.generation or 0)) if generation else ()
            self._run(self._work(packs, known), self._take)

    def _work(self, packs: Iterable[Sequence[int]], known: Sequence[TrialResult]) -> Iterator[Intake]:
        """Draw the tasks of a generation, each when the engine has room for it."""
        for wave in self._waves(self._drawn(pack, known) for pack in packs):
            if self.stopping():
                return
            task = joined([pack.task for pack in wave])
            yield Intake(self, task, [params for pack in wave for params in pack.params], store=True)

    def _take(self, intake: Intake) -> None:
        """Store the trials of a task that has ended, and hold the networks that may be needed."""
        self.storage.store(intake.waiting)
        self._hold(intake)
        self.tally.report()

    def _hold(self, intake: Intake) -> None:
        """Hold the networks of the best trials, so that the ensemble need not train them again."""
        for place, models in intake.models.items():
            if models:
                trial = intake.results[place]
                self.networks[trial.id], self._worth[trial.id] = models, sign(self.config.metric) * trial.value
        best = sorted(self.networks, key=lambda trial: (-self._worth[trial], trial))[: self.config.ensemble_top]
        self.networks = {trial: self.networks[trial] for trial in best}
        better = sign(self.config.metric)
        known = sorted(intake.unfinished, key=lambda one: (-better * one[0].value, one[0].id))
        self.unfinished = known[: self.config.ensemble_top]

    def run_again(
        self, task: Task, trials: Sequence[TrialResult], *, spare: float = 0.0, engine: Engine | None = None
    ) -> Intake:
        """Run a task of trials that are trained again, until it ends, has to stop, or only `spare` seconds are left.

        By default the engine of the trials runs it.
        """
        intake = Intake(self, task, [trial.params for trial in trials], store=False)
        self._spare = spare
        try:
            self._run([intake], lambda ended: None, engine)
        finally:
            self._spare = 0.0
        return intake

    def _run(self, work: Iterable[Intake], take: Callable[[Intake], None], engine: Engine | None = None) -> None:
        """Run tasks, and `take` each when it ends; after Ctrl-C also those that have not."""
        begun: list[Intake] = []

        def beginning() -> Iterator[tuple[Task, Intake]]:
            for intake in work:
                begun.append(intake)
                yield intake.task, intake

        try:
            with closing((engine or self.engine).run(beginning(), self._seconds_left)) as ending:
                for intake in ending:
                    take(intake)
                    begun.remove(intake)
        except KeyboardInterrupt as error:
            self.interrupted, self.cut = True, error
            for intake in begun:
                take(intake)
        self.tally.rung = 1

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
        if len(schedule_of(self.config).rungs) > 1:  # trials that are compared run together, even if some are stored
            size = self.config.pack_size
            chunks = (ids[begin : begin + size] for begin in range(0, len(ids), size))
            yield from (chunk for chunk in chunks if not all(trial in self.stored for trial in chunk))
            return
        lacking = max(0, self.config.trials - len(self.stored))  # trials beyond the total fill gaps in the numbers
        numbers = itertools.islice((trial for trial in ids if trial not in self.stored), lacking)
        for _, of_one in itertools.groupby(numbers, key=self._generation):
            while chunk := list(itertools.islice(of_one, PACK_TRIALS)):
                yield chunk

    def _generation(self, trial: int) -> int:
        return trial // self.sampler.generation if self.sampler.generation else 0

    def _drawn(self, pack: Sequence[int], known: Sequence[TrialResult]) -> DrawnPack:
        ids = np.array(pack, dtype=np.int64)
        params = self.sampler.draw(self.space, ids, known)
        return DrawnPack(self.tasks.of(ids, params, keep=self.engine.keeps and holds_networks(self.config)), params)

    def _waves(self, packs: Iterator[DrawnPack]) -> Iterator[list[DrawnPack]]:
        """Group packs that train as one task."""
        ahead = list(itertools.islice(packs, 1))
        while ahead:
            n = self.engine.packs_together(self.config, len(ahead[0].params), self.tasks.threads)
            if not self.budget.knows:  # a first pack ends sooner alone, and there may be no time for more
                n = 1
            ahead += itertools.islice(packs, max(0, n - len(ahead)))
            n = self.engine.fitting([pack.task for pack in ahead]) if len(ahead) > 1 else 1
            yield ahead[:n]
            ahead = ahead[n:] or list(itertools.islice(packs, 1))


@dataclass(frozen=True, slots=True)
class DrawnPack:
    """Trials that are compared with one another, and their searched hyperparameters."""

    task: Task
    params: Sequence[Params]


class Intake:
    """Receives the trials of a task while it runs: its `Watch`.

    Attributes
    ----------
    task : Task
    results : dict of int to TrialResult
        The trials that ended, by their positions in the task.
    models : dict of int to tuple of Model
        Their networks, if the task keeps them.
    waiting : list of TrialResult
        Those that are still to be stored.
    unfinished : list of tuple of TrialResult and networks
        Trials that were still training when the task was stopped, if it keeps networks.
    """

    def __init__(self, session: Session, task: Task, params: Sequence[Params], *, store: bool) -> None:
        self.results: dict[int, TrialResult] = {}
        self.models: dict[int, tuple[Model, ...]] = {}
        self.waiting: list[TrialResult] = []
        self.unfinished: list[tuple[TrialResult, tuple[Model, ...]]] = []
        self.task = task
        self._session, self._params, self._store = session, params, store
        self._compiled_seconds = 0.0

    def __call__(self, outcome: Outcome) -> bool:
        """Receive trials that ended; return whether the task has to stop."""
        session, tally = self._session, self._session.tally
        new = {t: self._result(outcome, place) for place, t in enumerate(outcome.positions) if t not in self.results}
        if self._store:
            self.waiting += new.values()  # first: trials that Ctrl-C lets into both are offered twice and stored once
            # A pack whose trials are compared runs again as a whole, also where some of them are stored.
            tally.count([trial for trial in new.values() if trial.id not in session.stored])
            session.budget.count(new.values(), held=self.task.keep)
        self.results.update(new)
        self.models.update(zip(outcome.positions, outcome.models, strict=False))
        self.unfinished += [
            (self._trial(one.position, "stopped", one.curves), one.models) for one in outcome.unfinished
        ]
        tally.compiled_seconds += outcome.compiled_seconds - self._compiled_seconds
        self._compiled_seconds, tally.rung = outcome.compiled_seconds, outcome.rung
        if not self.task.waits:
            session.storage.store(self.waiting, wait=STORE_SECONDS)
        tally.report()
        return session.stopping()

    def _result(self, outcome: Outcome, place: int) -> TrialResult:
        seconds = float(outcome.seconds[place])
        return self._trial(outcome.positions[place], outcome.status[place], outcome.curves[place], seconds)

    def _trial(self, t: int, status: str, curves: NDArray[np.float32], seconds: float = 0.0) -> TrialResult:
        return TrialResult.from_curves(
            int(self.task.ids[t]),
            status,
            self._params[t],
            curves,
            seconds=seconds,
            stage=self._session.tally.stage,
            metric=self._session.config.metric,
            at_best=self.task.stop_by is not None,
        )
