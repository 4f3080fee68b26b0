"""The contents and the pace of progress on standard error; `screen` draws it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self

from fastnet.config.metric import DEFAULT_METRIC
from fastnet.config.presets import TIMED_TRIALS
from fastnet.progress import words
from fastnet.progress.words import duration

from .interrupt import StopOnInterrupt
from .screen import Part, drawing, levels_for, sparkline

if TYPE_CHECKING:
    from fastnet.experiments.lab import ExperimentProgress
    from fastnet.training.loop import EpochResult
    from fastnet.tuning.run.result import Progress

LINE_SECONDS, LONGEST_PAUSE = 5.0, 60.0
"""Time between plain lines at first, and after twenty minutes."""
DRAW_SECONDS = 0.1
"""Time between drawings of the bar."""
SPARKS = 20
"""Columns of the curve of the best value."""
COMPILING, CHOOSING, ENSEMBLING = (
    (Part(first, style="bold"), *([Part(second, 1, joint="")] if second else []))
    for first, second in (words.COMPILING, words.CHOOSING, words.ENSEMBLING)
)


class Display:
    """Limits how often progress is shown; only `urgent` progress is shown at once."""

    def __init__(self, title: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._title = title
        self._drawing = drawing()
        self._clock = clock
        self._began = clock()
        self._last = -float("inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._drawing.close()

    def show(
        self, done: int, total: int, details: Sequence[Part], pace: Sequence[Part] = (), *, urgent: bool = False
    ) -> None:
        now = self._clock()
        if urgent or now - self._last >= self._pause(now):
            self._last = now
            count, share = self._count(done, total)
            self._drawing.show(count, share, details, pace)

    def _count(self, done: int, total: int) -> tuple[str, float]:
        """Return what is done, as text and as a share of the whole."""
        return f"{self._title} {done}/{total}", done / max(total, 1)

    def _pause(self, now: float) -> float:
        """Return the time between two lines: those of a whole night should be readable in the morning."""
        return DRAW_SECONDS if self._drawing.live else min(LONGEST_PAUSE, max(LINE_SECONDS, (now - self._began) / 20))


class SearchDisplay(Display):
    """Shows trials done, the best value and its course, stage and rung, trials per second and the time left.

    `time_left` returns the seconds left of --timeout, None without it.
    """

    def __init__(
        self,
        stop: StopOnInterrupt,
        *,
        metric: str = DEFAULT_METRIC,
        time_left: Callable[[], float | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__("trials", clock=clock)
        self._stop = stop
        self._metric = metric
        self._time_left = time_left
        self._best = BestSoFar()
        self._levels = levels_for(getattr(sys.stderr, "encoding", None))
        self._compiling = self._ended = False
        self._ending: tuple[Part, ...] = ()

    def __call__(self, state: Progress) -> None:
        self._stop.careful = not state.compiling
        if state.compiling:
            self.show(state.done, state.total, COMPILING, urgent=not self._compiling)
            self._compiling = True
            return
        if state.choosing or state.ensembling:
            ending = CHOOSING if state.choosing else ENSEMBLING
            self.show(state.done, state.total, ending, urgent=ending != self._ending)
            self._ending = ending
            return
        self._best.add(state.done, state.best)
        ended = state.done == state.total
        urgent = (ended and not self._ended) or (self._compiling and self._drawing.live)
        self.show(state.done, state.total, self._details(state), self._pace(state), urgent=urgent)
        self._ended, self._compiling = ended, False

    def _count(self, done: int, total: int) -> tuple[str, float]:
        left = self._time_left() if total == TIMED_TRIALS else None
        if left is None:
            return super()._count(done, total)
        passed = self._clock() - self._began  # the time ends the search, and no one asked for a number of trials
        return f"{self._title} {done}", min(passed / max(passed + left, 1e-9), 1.0)

    def _details(self, state: Progress) -> list[Part]:
        parts = [Part(words.best_text(state.best, self._metric), style="bold")]
        if self._drawing.live:
            drawn = sparkline(self._best.along(SPARKS), self._levels)
            parts += [Part(drawn, 2, "cyan", joint=" ")] if drawn else []
        return parts + [Part(text, 1) for text in words.counts_text(state)]

    def _pace(self, state: Progress) -> list[Part]:
        parts = [Part(text, 1) for text in words.steps_text(state)]
        ends = words.ends_text(state.eta_seconds, self._time_left())
        return [*parts, Part(words.rate_text(state), 2), Part(ends)]


class BestSoFar:
    """The best value after each number of trials, stored where it changed."""

    def __init__(self) -> None:
        self._steps: list[tuple[int, float]] = []
        self._done = 0

    def add(self, done: int, best: float | None) -> None:
        """Note that `best` is the best of the first `done` trials."""
        self._done = done
        if best is not None and (not self._steps or self._steps[-1][1] != best):
            self._steps.append((done, best))

    def along(self, n: int) -> list[float]:
        """Return the best value at `n` moments, evenly spaced from the first value to the last trial."""
        if not self._steps:
            return []
        begin = self._steps[0][0]
        values, step = [], 0
        for point in range(n):
            done = begin + (self._done - begin) * point / (n - 1)
            while step + 1 < len(self._steps) and self._steps[step + 1][0] <= done:
                step += 1
            values.append(self._steps[step][1])
        return values


class TrainDisplay(Display):
    """Shows epochs done, the scores and losses of the last one, averaged over networks, and the time left."""

    def __init__(
        self, epochs: int, stop: StopOnInterrupt, *, networks: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__("epoch", clock=clock)
        self._mean = "mean " if networks > 1 else ""
        self._stop = stop
        self._epochs = epochs
        self._started = clock()
        self._first: tuple[int, float] | None = None

    def __call__(self, epoch: EpochResult) -> None:
        self._stop.careful = True
        now = self._clock()
        first, since = self._first = self._first or (epoch.epoch, now)
        rate = (now - since) / (epoch.epoch - first) if epoch.epoch > first else (now - self._started) / epoch.epoch
        details = [
            Part(self._mean + words.training_text(epoch), 1),
            Part(self._mean + words.validation_text(epoch)),
        ]
        pace = [Part(words.ends_text((self._epochs - epoch.epoch) * rate))]
        self.show(epoch.epoch, self._epochs, details, pace, urgent=epoch.epoch == self._epochs)


class ExperimentDisplay(Display):
    """Shows the networks trained for the running experiment, and its number."""

    def __init__(self, total: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__("networks", clock=clock)
        self._total = total
        self._begun: list[str] = []

    def __call__(self, state: ExperimentProgress) -> None:
        new = state.experiment not in self._begun
        if new:
            self._begun.append(state.experiment)
        count = f" ({len(self._begun)} of {self._total})" if self._total > 1 else ""
        details = [Part(state.experiment, style="bold"), Part(count, 1, joint="")]
        if not state.done and self._drawing.live:
            details.append(Part("the first one compiles the kernels, or loads them from the cache", 2))
        self.show(state.done, state.total, details, [Part(duration(state.elapsed_seconds))], urgent=new)

    def clear(self) -> None:
        """Remove the bar, so that something can be printed; the next call of `show` draws it again."""
        self._drawing.close()
        self._drawing = drawing()


class DownloadDisplay(Display):
    """Shows the megabytes received of a file; a size unknown to the server is shown as those received so far."""

    def __init__(self) -> None:
        super().__init__("download (MB)")

    def __call__(self, file: str, done: int, total: int) -> None:
        size = total or done
        self.show(round(done / 1e6), round(size / 1e6), [Part(file)], urgent=bool(total) and done >= total)
