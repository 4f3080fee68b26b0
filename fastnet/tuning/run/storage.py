"""Storing the trials of a run in its study as they end, with the times of the run."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastnet.tuning.run.environment import describe_environment
from fastnet.tuning.run.history import History
from fastnet.tuning.run.ranked import Ranked
from fastnet.tuning.run.tally import Tally
from fastnet.tuning.store.backlog import Backlog
from fastnet.tuning.store.study import Study
from fastnet.tuning.trial import TrialResult


class Storage:
    """Stores the trials of a run; while the file is locked, `tally` reports and `stopped` is polled."""

    def __init__(self, study: Study, tally: Tally, stopped: Callable[[], bool]) -> None:
        self._study, self._tally = study, tally
        self._run = 0
        self._last = tally.began
        self._backlog = Backlog(study, tally.report, stopped)
        self._rankings: list[Ranked] = []

    def begin(self, threads: int) -> None:
        """Record the start of a run."""
        self._run = self._study.begin_run(describe_environment(threads))

    def store(self, trials: list[TrialResult], wait: float = 0.0) -> None:
        """Store all of the trials in one transaction and empty the list, at most once in `wait` seconds."""
        if time.perf_counter() - self._last < wait:
            return
        self._backlog.store(trials, run=self._run, **self._tally.times)
        self._last = time.perf_counter()

    def flush(self) -> None:
        """Store what had to wait because another program had locked the file."""
        self._backlog.flush(run=self._run, **self._tally.times)

    def trials_before(self, number: int) -> History:
        """Return all trials with lower numbers, in order, without curves; they must have ended."""
        self.flush()
        return History(self._study, number, self._rankings)
