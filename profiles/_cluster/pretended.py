"""Workers that train nothing: they return curves of the right size after the time that training would take.

The process that leads a search cannot see the difference, so what it can do with thousands of workers is measured on
one machine. Their clock is a thread of its own, whose processor time is not the leading thread's.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np

from fastnet.tuning.run.workers import Workers


class Pretended(Workers):
    """A given number of workers, each with one part at a time, as `fastnet.tuning.run.workers.Workers`.

    Parameters
    ----------
    number : int
    trial_seconds : float
        Time of a trial, give or take a tenth.
    """

    def __init__(self, number: int, trial_seconds: float) -> None:
        self._number, self._trial_seconds = number, trial_seconds
        self._free_at = [(0.0, place) for place in range(number)]
        self._due: list[tuple[float, int, Future[Any], Any]] = []
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._random = np.random.default_rng(0)
        self._ended = False
        self._clock = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Start the clock."""
        self._clock.start()

    def width(self) -> int:
        """Return the number of workers."""
        return self._number

    def submit(self, function: Callable[..., Any], order: Any, parcel: Any) -> Future[Any]:
        """Give an order to the worker that is free first; it is due when that would have trained its trials."""
        future: Future[Any] = Future()
        with self._changed:
            now = time.perf_counter()
            free, place = heapq.heappop(self._free_at)
            seconds = len(order.ids) * self._trial_seconds * float(self._random.uniform(0.9, 1.1))
            due = max(now, free) + seconds
            heapq.heappush(self._free_at, (due, place))
            heapq.heappush(self._due, (due, next(self._count), future, (order, seconds)))
            self._changed.notify()
        return future

    def close(self) -> None:
        """End the clock."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._clock.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._ended and (not self._due or self._due[0][0] > time.perf_counter()):
                    left = self._due[0][0] - time.perf_counter() if self._due else None
                    self._changed.wait(left)
                if self._ended:
                    return
                _, _, future, (order, seconds) = heapq.heappop(self._due)
            if future.set_running_or_notify_cancel():
                future.set_result(reply_to(order, seconds, self._random))


def reply_to(order: Any, seconds: float, random: np.random.Generator) -> Any:
    """Return the reply of a worker that has trained an order in this time."""
    from fastnet.tuning.run.task import Outcome
    from fastnet.tuning.run.wire import Reply, build_here
    from fastnet.tuning.trial import CURVES

    n = len(order.ids)
    outcome = Outcome(
        positions=tuple(range(n)),
        status=("done",) * n,
        curves=random.random((n, len(CURVES), order.common.epochs), np.float32),
        seconds=np.full(n, seconds / n),
        complete=True,
        compiled_seconds=seconds,
    )
    return Reply(worker="pretended", build=build_here(), outcomes=(outcome,), seconds=seconds)
