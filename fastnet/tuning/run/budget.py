"""The time that a search may take, and how it is shared between the trials and its end.

The end (final choice, ensemble, and whatever the caller does afterwards) has to fit in too. What it takes is estimated
from the trials that it would train again, all the time, so that the trials stop when it has to begin. No result of a
trial depends on it.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from fastnet.config.metric import sign
from fastnet.config.searching import SearchConfig
from fastnet.tuning.trial import TrialResult

MOST_OF_TIME = 0.5
"""The end is planned to take at most this part of the time, or what one candidate and one network of an ensemble take;
where it needs more, it is shortened."""

MARGIN = 1.15
"""The end is reckoned to take so many times what the trials took: networks that are kept cost a little more."""

EARLY = 1.25
"""The end begins earlier than it has to by this factor, so that a busy machine does not shorten it."""

START_SECONDS = 0.5
"""Time of the end that is not training: imports, the test set, files of models."""

STOP_SECONDS = 0.3
"""Time until the trials that are training have stopped and those that ended are stored."""

READ_SECONDS_OF_TRIAL = 2e-4
"""Time that a trial takes where ranges are recommended at the end: 1.8 s for 20,000, twice that on a busy machine."""

COMPILE_SECONDS = 5.0
"""Time that compiling may take where threads share the products of the network that is kept, and is long itself."""

LONG_SECONDS = 1.0
"""From this time of a training on threads may share its products, see `fastnet.network.assembly.SHORT`."""


@dataclass(frozen=True, slots=True)
class EndPlan:
    """What the end of a search trains.

    Parameters
    ----------
    candidates, repeats : int
        Of the final choice; 0 for none.
    top : int
        Trials of the ensemble; 0 for none.
    """

    candidates: int
    repeats: int
    top: int


class Budget:
    """The time of a run.

    Parameters
    ----------
    config : SearchConfig
    best : iterable of TrialResult
        The best trials that the study holds already.
    threads : int
        Networks that train at a time.
    began : float
        When the run began, by `time.perf_counter`.
    seconds : float or None
        Time for everything; None for no limit.
    held : int
        Trials that the study holds already.
    reserve : callable
        Returns how many of them the caller needs afterwards, given the number of trials.
    """

    def __init__(
        self,
        config: SearchConfig,
        best: Iterable[TrialResult],
        threads: int,
        began: float,
        seconds: float | None,
        held: int = 0,
        reserve: Callable[[int], float] = lambda trials: 0.0,
    ) -> None:
        self._config, self._threads, self._reserve = config, threads, reserve
        self._began, self._seconds = began, seconds
        self._better = sign(config.metric)
        self._best: list[tuple[float, float]] = []  # value, the better the higher, and seconds
        self._whole_seconds = self._least_seconds = 0.0
        self._trials = 0
        self.count(best)
        self._trials = held

    def count(self, ended: Iterable[TrialResult]) -> None:
        """Take in trials that ended."""
        if self._seconds is None:
            return
        more = tuple(ended)
        self._trials += len(more)
        found = [(self._better * trial.value, trial.seconds) for trial in more if trial.status == "done"]
        if found:
            whole = self.whole
            wanted = max(self._config.final, self._config.ensemble_top, 1)
            self._best = sorted(self._best + found, reverse=True)[:wanted]
            least = EndPlan(*(min(number, 1) for number in (whole.candidates, whole.repeats, whole.top)))
            self._whole_seconds, self._least_seconds = self.seconds_of(whole), self.seconds_of(least)

    @property
    def left(self) -> float:
        """Seconds left to the run, those that the caller needs afterwards taken off."""
        if self._seconds is None:
            return math.inf
        return self._seconds - (time.perf_counter() - self._began) - self._reserve(self._trials)

    def is_over(self) -> bool:
        """Whether nothing more may be done."""
        return self.left <= 0.0

    def ends_trials(self) -> bool:
        """Whether no more trials may be trained, because the end has to begin."""
        if self._seconds is None:
            return False
        left = self.left
        if left <= 0.0 or not self._best:
            return left <= 0.0
        end = max(self._least_seconds, min(EARLY * self._whole_seconds, MOST_OF_TIME * self._seconds))
        return left <= end + STOP_SECONDS + READ_SECONDS_OF_TRIAL * self._trials

    @property
    def whole(self) -> EndPlan:
        """The end that the configuration asks for."""
        config = self._config
        return EndPlan(config.final, config.repeats if config.final else 0, config.ensemble_top)

    def plan(self) -> EndPlan:
        """Return as much of the end as there is time for.

        Fewer repeats come first, then fewer candidates and a smaller ensemble.
        """
        if self.is_over():
            return EndPlan(0, 0, 0)
        plans = tuple(self._plans())
        return next((plan for plan in plans if self.seconds_of(plan) <= self.left), plans[-1])

    def top_in_time(self) -> int:
        """Return how many trials of the ensemble there is time for, once the final choice has been made."""
        tops = range(self._config.ensemble_top, 0, -1)
        return next((top for top in tops if top == 1 or MARGIN * self.seconds_of(EndPlan(0, 0, top)) <= self.left), 0)

    def seconds_of(self, plan: EndPlan) -> float:
        """Estimate what an end takes."""
        if not self._best:
            return 0.0
        costs = [seconds for _, seconds in self._best]
        training = self._makespan(costs[: plan.candidates] * plan.repeats) + self._makespan(costs[: plan.top])
        if plan.candidates:
            kept = max(costs) / (self._config.folds or 1)
            training += kept if kept < LONG_SECONDS else kept / self._threads + COMPILE_SECONDS
        return START_SECONDS + MARGIN * training if plan.candidates or plan.top else 0.0

    def _plans(self) -> Iterator[EndPlan]:
        whole = self.whole
        for repeats in range(whole.repeats, 1, -1):
            yield EndPlan(whole.candidates, repeats, whole.top)
        steps = max(whole.candidates, whole.top, 1)
        for step in range(steps, 0, -1):
            candidates, top = (-(-number * step // steps) for number in (whole.candidates, whole.top))
            yield EndPlan(candidates, min(whole.repeats, 1), top)
        if whole.candidates:
            yield EndPlan(1, 1, 0)

    def _makespan(self, costs: list[float]) -> float:
        """Time of some trainings on all threads, the longest first, as packs begin them."""
        ends = [0.0] * self._threads
        for cost in sorted(costs, reverse=True):
            heapq.heapreplace(ends, ends[0] + cost)
        return max(ends)
