"""Progress of a search: trials that ended, times, and reports of both."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from fastnet.config.metric import sign
from fastnet.config.searching import SearchConfig
from fastnet.tuning.rules.pruning import schedule_of
from fastnet.tuning.run.engine import Engine
from fastnet.tuning.run.result import Progress
from fastnet.tuning.store.study import Study
from fastnet.tuning.trial import TrialResult


class Tally:
    """Counts trials and times of a run that began at `began`, by `time.perf_counter`, and reports them.

    Attributes
    ----------
    stage, rung : int
        The current ones, from 1.
    phase : {"", "choosing", "ensembling"}
        What runs after the trials.
    compiled_seconds, final_seconds : float
        See `fastnet.tuning.run.result.SearchResult`.
    """

    def __init__(
        self,
        study: Study,
        config: SearchConfig,
        engine: Engine,
        began: float,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.began = began
        self.done = self.done_before = study.count()
        self.total = max(config.trials, self.done)
        self.best = study.best_value(config.metric)
        self.stage = self.rung = 1
        self.phase = ""
        self.compiled_seconds = self.final_seconds = 0.0
        self._better = sign(config.metric)
        self._stages, self._rungs = config.stages, len(schedule_of(config).rungs)
        self._counts = {status: study.count(status) for status in ("stopped", "diverged")}
        self._ended: list[TrialResult] = []
        self._engine = engine
        self._on_progress = on_progress or (lambda progress: None)

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self.began

    @property
    def times(self) -> dict[str, float]:
        """The times so far that are stored with trials."""
        compiling = self._engine.compile_seconds
        return {
            "wall_seconds": self.elapsed,
            "compile_seconds": compiling,
            "compiled_seconds": self.compiled_seconds,
        }

    def count(self, ended: Sequence[TrialResult]) -> None:
        """Count trials of the study that ended."""
        self._ended += ended
        for trial in ended:
            self.done += 1
            if trial.status in self._counts:
                self._counts[trial.status] += 1
            better = self.best is None or self._better * trial.value > self._better * self.best
            if trial.status == "done" and better:
                self.best = trial.value

    def report(self, *, compiling: bool = False) -> None:
        """Call the user's callback with a `Progress`."""
        elapsed = self.elapsed
        searching = elapsed - self._engine.compile_seconds
        rate = (self.done - self.done_before) / searching if searching > 0 else 0.0
        ended, self._ended = tuple(self._ended), []
        self._on_progress(
            Progress(
                done=self.done,
                total=self.total,
                best=self.best,
                trials_per_second=rate,
                eta_seconds=(self.total - self.done) / rate if rate > 0 else None,
                elapsed_seconds=elapsed,
                compiling=compiling,
                choosing=self.phase == "choosing",
                ensembling=self.phase == "ensembling",
                stage=self.stage,
                stages=self._stages,
                rung=self.rung,
                rungs=self._rungs,
                ended=ended,
                **self._counts,
            )
        )
