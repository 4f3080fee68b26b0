"""The time limit of a search, and how it is shared between the trials and the end.

The end (final choice, ensemble, and the caller's own work, such as a report) has to fit in as well. Its duration is
estimated throughout from the trials that it would train again, so that the trials stop in time. No trial depends on it.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from fastnet.config.metric import sign
from fastnet.config.searching import SearchConfig
from fastnet.tuning.run.task import holds_networks
from fastnet.tuning.trial import TrialResult

MOST_OF_TIME = 0.5
"""Largest share of the time that is planned for the end, unless one candidate and one network of an ensemble need more;
an end that needs more is shortened."""

FOLDING_SHARE = 0.2
"""Largest share of the time that is planned for further folds of the ensemble. With 0.35, searches of 30 s found worse
networks where more trials still pay: the error on bikeshare rose by 7 %, and phoneme and splice fell by 1 and 9 %."""

MARGIN = 1.15
"""Estimated time of the end relative to the same trainings as trials: networks that are kept cost a little more."""

EARLY = 1.25
"""Factor by which more time is reserved for the end than estimated, so that a busy machine does not shorten it."""

START_SECONDS = 0.5
"""Time of the end besides training: imports, evaluation on the test set, saving models."""

STOP_SECONDS = 0.3
"""Time until running trials have stopped and those that ended are stored."""

READ_SECONDS_OF_TRIAL = 2e-4
"""Time per trial to recommend ranges at the end: 1.8 s for 20,000, twice that on a busy machine."""

COMPILE_SECONDS = 5.0
"""Time to compile shared products, for a network to keep that trains for at least `LONG_SECONDS`."""

LONG_SECONDS = 1.0
"""Training time from which threads may share the products of a network: about `fastnet.network.assembly.SHORT`."""


@dataclass(frozen=True, slots=True)
class EndPlan:
    """What the end of a search trains.

    It is `candidates` with `repeats` each, and an ensemble of the `top` trials, which are trained on `further` folds.
    """

    candidates: int
    repeats: int
    top: int
    further: int = 0


class Budget:
    """The time of a run.

    Parameters
    ----------
    config : SearchConfig
    best : iterable of TrialResult
        The best stored trials.
    threads : int
        Networks that train at a time.
    began : float
        Start of the run, by `time.perf_counter`.
    seconds : float or None
        Time for everything; None for no limit.
    held : int
        Number of stored trials.
    reserve : callable
        Returns the seconds that the caller needs after the search, given the number of trials.
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
        # Value, the better the higher; seconds to train it again; the same for the ensemble, which may hold it already.
        self._best: list[tuple[float, float, float]] = []
        self._reserved_seconds = self._least_seconds = 0.0
        self._trials = 0
        self.count(best)
        self._trials = held

    def spread(self, threads: int) -> None:
        """Take note that so many networks train at a time."""
        self._threads = threads

    def count(self, ended: Iterable[TrialResult], *, held: bool = False) -> None:
        """Include trials that ended in the estimates; `held` if the ensemble will not train them again."""
        if self._seconds is None:
            return
        more = tuple(ended)
        self._trials += len(more)
        found = [
            (self._better * trial.value, trial.seconds, 0.0 if held else trial.seconds)
            for trial in more
            if trial.status == "done"
        ]
        if found:
            whole = self.whole
            wanted = max(self._config.final, self._config.ensemble_top, 1)
            self._best = sorted(self._best + found, reverse=True)[:wanted]
            least = EndPlan(*(min(number, 1) for number in (whole.candidates, whole.repeats, whole.top)))
            self._reserved_seconds = self._reserved(self._seconds)
            self._least_seconds = self.seconds_of(least)

    @property
    def knows(self) -> bool:
        """Whether there is no time limit, or a trial has ended, from which the time of others is estimated."""
        return self._seconds is None or bool(self._best)

    @property
    def left(self) -> float:
        """Seconds left, less those that the caller needs after the search."""
        if self._seconds is None:
            return math.inf
        return self._seconds - (time.perf_counter() - self._began) - self._reserve(self._trials)

    def is_over(self) -> bool:
        """Return whether no time is left."""
        return self.left <= 0.0

    @property
    def left_for_trials(self) -> float:
        """Seconds left until the trials have to stop because the end has to begin."""
        if self._seconds is None:
            return math.inf
        left = self.left
        if left <= 0.0 or not self._best:  # networks that are still training can make an ensemble
            return left - (START_SECONDS + STOP_SECONDS if holds_networks(self._config) else 0.0)
        end = max(self._least_seconds, self._reserved_seconds)
        return left - (end + STOP_SECONDS + READ_SECONDS_OF_TRIAL * self._trials)

    def ends_trials(self) -> bool:
        """Return whether the trials have to stop."""
        return self.left_for_trials <= 0.0

    @property
    def whole(self) -> EndPlan:
        """The end that the configuration asks for."""
        config = self._config
        further = (config.ensemble_folds or 1) - 1
        return EndPlan(config.final, config.repeats if config.final else 0, config.ensemble_top, further)

    def plan(self) -> EndPlan:
        """Return the largest end that fits.

        Fewer further folds come first, then fewer repeats, then fewer candidates and a smaller ensemble.
        """
        if self.is_over():
            return EndPlan(0, 0, 0)
        plans = tuple(self._plans())
        return next((plan for plan in plans if self.seconds_of(plan) <= self.left), plans[-1])

    def top_in_time(self) -> int:
        """Return the size of the ensemble that fits once the final choice has been made."""
        if self.is_over():
            return 0
        tops = range(self._config.ensemble_top, 0, -1)
        return next((top for top in tops if top == 1 or MARGIN * self.seconds_of(EndPlan(0, 0, top)) <= self.left), 0)

    def folds_in_time(self, members: Sequence[TrialResult]) -> int:
        """Return on how many further folds these trials of the ensemble can be trained in the time left.

        Too few are none. A trial that has not ended may take as long as the longest that did.
        """
        most = self.whole.further
        if self._seconds is None:
            return most
        longest = max((seconds for _, seconds, _ in self._best), default=math.inf)
        costs = [trial.seconds if trial.status == "done" else longest for trial in members]
        left = self.left - START_SECONDS
        return next((n for n in folds_that_pay(most) if MARGIN * self._folding(costs, n) <= left), 0)

    def seconds_of(self, plan: EndPlan) -> float:
        """Estimate the duration of an end."""
        if not self._best:
            return 0.0
        costs = [seconds for _, seconds, _ in self._best]
        training = self._makespan(costs[: plan.candidates] * plan.repeats)
        training += self._makespan([seconds for *_, seconds in self._best[: plan.top]])
        training += self._folding(costs[: plan.top], plan.further)
        if plan.candidates:
            kept = max(costs) / (self._config.folds or 1)
            training += kept if kept < LONG_SECONDS else kept / self._threads + COMPILE_SECONDS
        return START_SECONDS + MARGIN * training if plan.candidates or plan.top else 0.0

    def _reserved(self, limit: float) -> float:
        """Return the time to keep for the end: with as many further folds as their share of the time allows.

        They can be fewer at last, so that no time is kept for their estimate being wrong.
        """
        whole = self.whole
        bare = self.seconds_of(replace(whole, further=0))
        kept = min(EARLY * bare, MOST_OF_TIME * limit)
        more = (self.seconds_of(replace(whole, further=n)) - bare for n in folds_that_pay(whole.further))
        most = min(FOLDING_SHARE, MOST_OF_TIME - kept / limit) * limit if limit else 0.0
        return kept + next((seconds for seconds in more if seconds <= most), 0.0)

    def _folding(self, costs: list[float], further: int) -> float:
        """Estimate the time to train trials on further folds of an ensemble, given the seconds of each on one."""
        n_folds, share = self._config.ensemble_folds, self._config.validation_fraction
        if n_folds is None or not costs:
            return 0.0
        rows = 1.0 - (1.0 - share) / (n_folds - 1)  # that train, of all; 1 - share of them did in the search
        return self._makespan(costs * further) * rows / (1.0 - share)

    def _plans(self) -> Iterator[EndPlan]:
        for further in folds_that_pay(self.whole.further):
            yield replace(self.whole, further=further)
        whole = replace(self.whole, further=0)
        for repeats in range(whole.repeats, 1, -1):
            yield EndPlan(whole.candidates, repeats, whole.top)
        steps = max(whole.candidates, whole.top, 1)
        for step in range(steps, 0, -1):
            candidates, top = (-(-number * step // steps) for number in (whole.candidates, whole.top))
            yield EndPlan(candidates, min(whole.repeats, 1), top)
        if whole.candidates:
            yield EndPlan(1, 1, 0)

    def _makespan(self, costs: list[float]) -> float:
        """Return the duration of trainings on all threads, started longest first as packs do."""
        ends = [0.0] * self._threads
        for cost in sorted(costs, reverse=True):
            heapq.heapreplace(ends, ends[0] + cost)
        return max(ends)


def folds_that_pay(most: int) -> range:
    """Return how many further folds an ensemble may have, of `most`: all, or fewer, down to two.

    The gain of one is not worth the time, which could have trained other trials.

    Examples
    --------
    >>> list(folds_that_pay(4)), list(folds_that_pay(0))
    ([4, 3, 2], [])
    """
    return range(most, 1, -1)
