"""The engine of a search whose tasks run in other processes: it cuts them to size, sends them, and takes what returns.

A part of a task that is lost, late, repeated or returned twice is harmless, because it is the same bytes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnet.errors import ConfigError, StudyError, warn
from fastnet.tuning.run.engine import MOST_PACKS, W, packs_that_pay
from fastnet.tuning.run.task import Outcome, Task, Watch
from fastnet.tuning.run.wire import Contents, Reply, build_here, check_reply, difference, order_of, packed
from fastnet.tuning.run.worker import carry_out
from fastnet.tuning.run.workers import Workers
from fastnet.tuning.trial import CURVES

if TYPE_CHECKING:
    from fastnet.config.searching import SearchConfig
    from fastnet.data.dataset import Dataset
    from fastnet.data.splitting import Split

PART_SECONDS = 2.0
"""Time that a part of a task takes on a worker: long beside the milliseconds of its way, short beside the time limit
of a search, and little to lose with a worker."""

FIRST_TRIALS = 4
"""Trials, for each thread of a worker, of the parts that are sent before the time of a trial is known."""

AHEAD = 2
"""Parts that a worker has: one that runs and the next, so that it never waits."""

POLL_SECONDS = 0.1
"""Time between two looks at time limits and interruptions."""

GRACE_SECONDS = 1.0
"""Time for running parts to return what they have when the search stops."""

PATIENCE = 20.0
"""A part that takes so many times longer than expected, and at least `PATIENCE_SECONDS`, is sent once more."""

PATIENCE_SECONDS = 60.0

UNKNOWN = 10.0
"""Factor of this time while no part has returned: the first compile kernels, and their trials may be long."""

MOST_LOSSES = 20
"""Losses of one part in a row after which the search ends: its trials end their workers."""


class RemoteEngine:
    """Runs tasks on workers.

    Parameters
    ----------
    workers : Workers
    dataset, splits, config
        As for `fastnet.tuning.run.engine.LocalThreads`.
    further : sequence of Split
        See `fastnet.tuning.run.wire.Contents`.
    """

    keeps = True
    compile_seconds = 0.0

    def __init__(
        self,
        workers: Workers,
        dataset: Dataset,
        splits: Sequence[Split],
        config: SearchConfig,
        *,
        further: Sequence[Split] = (),
    ) -> None:
        self._workers, self._config, self._threads = workers, config, workers.threads
        self._contents = Contents(dataset.without_test(), splits, config.train, further)
        self._parcel: bytes | None = None
        self._pace = Pace()
        self.patience = PATIENCE_SECONDS
        self.warned = False

    def load(self) -> None:
        """Start the workers."""
        self._workers.start()

    def slots(self, threads: int) -> int:
        """Return how many networks train at a time on all workers together, as far as it is known."""
        return max(1, self._workers.width() * (self._threads or self._pace.threads))

    def packs_together(self, config: SearchConfig, size: int, threads: int) -> int:
        """Return how many packs to train as one task: enough for the threads of a worker, and for its time."""
        per_part = self._pace.trials(PART_SECONDS) // size if self._pace.known else 1
        return min(MOST_PACKS, max(packs_that_pay(config, size, self._threads or self._pace.threads), per_part))

    def fitting(self, packs: Sequence[Task]) -> int:
        """Return their number: a worker divides them as its memory asks."""
        return len(packs)

    def on(self, splits: Sequence[Split]) -> RemoteEngine:
        """Return an engine for further folds of the data, on the same workers."""
        first = self._contents
        engine = RemoteEngine(self._workers, first.dataset, first.splits, self._config, further=splits)
        engine._pace, engine.patience = self._pace, self.patience
        return engine

    def close(self) -> None:
        """End the workers that were started for this search."""
        self._workers.close()

    def run(self, work: Iterable[tuple[Task, W]], left: Callable[[], float]) -> Generator[W, None, None]:
        """Run tasks, several at a time; see `fastnet.tuning.run.engine.Engine.run`."""
        dispatch = _Dispatch(self, iter(work), left)
        try:
            yield from dispatch.run()
        finally:
            dispatch.cancel()

    def parcel(self) -> Any:
        """Return the data of the tasks for a worker that lacks them, as the workers take them."""
        if self._parcel is None:
            self._parcel = packed(self._contents)
        return self._workers.parcel(self._contents.name, self._parcel)

    def send(self, part: Part, seconds: float) -> Future[Reply]:
        """Send a part of a task, which has to stop after so many seconds."""
        order = order_of(replace(part.task, data=self._contents.name), threads=self._threads, seconds=seconds)
        parcel = self.parcel() if part.needs_data or self._workers.shares_data else None
        return self._workers.submit(carry_out, order, parcel)


@dataclass(slots=True)
class Pace:
    """What is known about the speed of workers: seconds of a trial on one of them, and its threads."""

    seconds: float = 0.0
    threads: int = 1

    @property
    def known(self) -> bool:
        """Whether a part has returned."""
        return self.seconds > 0.0

    def count(self, reply: Reply, trials: int) -> None:
        """Take a reply into account, the later the more."""
        mine = max(reply.seconds / trials, 1e-6)
        self.seconds = mine if not self.seconds else 0.7 * self.seconds + 0.3 * mine
        self.threads = max(1, reply.threads)

    def trials(self, seconds: float) -> int:
        """Return how many trials a worker trains in this time; at least 1."""
        return max(1, int(seconds / self.seconds)) if self.seconds else FIRST_TRIALS * self.threads


@dataclass(slots=True, eq=False)
class Ticket:
    """A task under way: its watch, the trials that have not been sent, and those that have not returned."""

    task: Task
    watch: Watch
    missing: set[int] = field(init=False)
    compiled_seconds: float = 0.0
    _groups: deque[int] = field(init=False)  # sizes of what must stay together
    _begin: int = 0

    def __post_init__(self) -> None:
        trials = len(self.task.ids)
        self.missing = set(range(trials))
        self._groups = deque(self.task.sizes if self.task.waits else [1] * trials)

    @property
    def uncut(self) -> int:
        """Number of trials that have not been cut off."""
        return len(self.task.ids) - self._begin

    def cut(self, trials: int) -> Part:
        """Cut off the next part, of about so many trials; those that are compared with one another stay together."""
        sizes = [self._groups.popleft()]
        while self._groups and sum(sizes) < trials:
            sizes.append(self._groups.popleft())
        begin, self._begin = self._begin, self._begin + sum(sizes)
        end, task = self._begin, self.task
        kept = tuple(sizes) if task.waits else (end - begin,)
        piece = replace(task, ids=task.ids[begin:end], configs=task.configs[begin:end], sizes=kept)
        return Part(self, piece, begin)


@dataclass(slots=True, eq=False)
class Part:
    """Trials of a task that travel together, and what became of their attempts."""

    ticket: Ticket
    task: Task
    place: int
    needs_data: bool = False
    losses: int = 0
    copies: int = 0
    sent: float = field(default_factory=time.perf_counter)
    done: bool = False


class _Dispatch:
    """Tasks of one call of `RemoteEngine.run`: parts that wait, parts under way, and tasks that have not ended."""

    def __init__(self, engine: RemoteEngine, work: Iterator[tuple[Task, Any]], left: Callable[[], float]) -> None:
        self._engine, self._left = engine, left
        self._work: Iterator[tuple[Task, Any]] | None = work
        self._workers, self._pace = engine._workers, engine._pace
        self._lost_parts: deque[Part] = deque()
        self._flights: dict[Future[Reply], Part] = {}
        self._tickets: list[Ticket] = []
        self._uncut: deque[Ticket] = deque()  # those of which parts have not been sent
        self._uncut_trials = 0
        self._stopped = False

    def run(self) -> Iterator[Any]:
        while True:
            self._fill()
            if not self._flights and not self._lost_parts:
                return
            if not self._flights:  # nothing could be sent
                time.sleep(POLL_SECONDS)
            ended, _ = wait(self._flights, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in ended:
                part = self._flights.pop(future, None)
                if part is not None:
                    self._receive(future, part)
            yield from self._ended()
            if self._stopped or self._poll():
                yield from self._stop()
                return
            self._send_again()

    def cancel(self) -> None:
        """Cancel everything that is under way."""
        for future in self._flights:
            future.cancel()
        self._flights.clear()

    def _fill(self) -> None:
        """Send parts until every worker has the next one."""
        room = AHEAD * max(1, self._workers.width()) - len(self._flights)
        while room > 0 and (part := self._next()) is not None:
            self._send(part)
            room -= 1

    def _next(self) -> Part | None:
        """Return a part that was lost, or the next one of the tasks; None if there is none."""
        while self._lost_parts:
            part = self._lost_parts.popleft()
            if not part.done:
                return part
        places, full = AHEAD * max(1, self._workers.width()), self._pace.trials(PART_SECONDS)
        self._draw(places * full)
        if not self._uncut:
            return None
        ticket, share = self._uncut[0], -(-self._uncut_trials // places)  # fewer at the end, so that all end together
        part = ticket.cut(min(full, max(share, self._engine._threads or self._pace.threads)))
        self._uncut_trials -= len(part.task.ids)
        if not ticket.uncut:
            self._uncut.popleft()
        return part

    def _draw(self, trials: int) -> None:
        """Draw tasks until there are so many trials to send, or no more."""
        while self._work is not None and self._uncut_trials < trials:
            found = next(self._work, None)
            if found is None:
                self._work = None
                return
            ticket = Ticket(*found)
            self._tickets.append(ticket)
            self._uncut.append(ticket)
            self._uncut_trials += ticket.uncut

    def _send(self, part: Part) -> None:
        part.sent = time.perf_counter()
        try:
            future = self._engine.send(part, self._left())
        except Exception as error:  # the pool broke between two looks at it
            self._lost(part, error)
        else:
            self._flights[future] = part

    def _receive(self, future: Future[Reply], part: Part) -> None:
        """Take what a worker returned for a part, or send the part again."""
        if part.done:
            return  # a copy of it was faster
        try:
            reply = future.result()
        except (Exception, CancelledError) as error:
            self._lost(part, error)
            return
        check_reply(reply, part.task)
        check_build(reply)
        if reply.needs_data:
            part.needs_data = True
            self._send(part)
            return
        trials = sum(len(outcome.positions) for outcome in reply.outcomes)
        if trials:
            self._pace.count(reply, trials)
        self._note_binding(reply)
        self._pass_on(part, reply)
        if part.done:
            self._forget(part)
        elif not self._stopped:  # it was stopped by an estimate of the time left that has changed
            self._lost_parts.append(part)

    def _note_binding(self, reply: Reply) -> None:
        """Warn once of workers that may not use the cores that they are there for."""
        usable, all_cores = reply.cores
        if (
            self._workers.unbinding
            and not self._engine._threads
            and usable == 1 < all_cores
            and not self._engine.warned
        ):
            self._engine.warned = True
            warn(f"the worker {reply.worker} may use 1 of {all_cores} cores only: {self._workers.unbinding}")

    def _forget(self, part: Part) -> None:
        """Forget the other copies of a part that has returned."""
        if part.copies or part.losses:
            for other in [future for future, of_part in self._flights.items() if of_part is part]:
                del self._flights[other]
                other.cancel()

    def _pass_on(self, part: Part, reply: Reply) -> None:
        """Show the outcomes of a part to the watch of its task, and note whether all of its trials have ended."""
        ticket, end = part.ticket, part.place + len(part.task.ids)
        for outcome in reply.outcomes:
            ticket.compiled_seconds += outcome.compiled_seconds / max(1, self._workers.width())  # they are side by side
            moved = outcome.moved(part.place)
            ticket.missing.difference_update(moved.positions)
            shown = replace(moved, compiled_seconds=ticket.compiled_seconds, complete=not ticket.missing, unfinished=())
            self._stopped |= ticket.watch(shown)
            if self._stopped and moved.unfinished:  # else they are trained again
                ticket.watch(replace(nothing_of(ticket.task), unfinished=moved.unfinished))
        part.done = ticket.missing.isdisjoint(range(part.place, end))

    def _lost(self, part: Part, error: BaseException) -> None:
        """Send a part again whose worker is lost; raise any other error."""
        if part.done:
            return
        if not self._workers.is_loss(error):
            raise error
        part.losses += 1
        if part.losses > MOST_LOSSES:
            ids = part.task.ids.tolist()
            raise StudyError(
                f"the worker of trials {ids[0]} to {ids[-1]} was lost {part.losses} times in a row ({error}): its "
                "memory may be too small for them; all other trials that ended are stored"
            ) from error
        self._workers.renew(error)
        part.needs_data = True
        self._lost_parts.append(part)

    def _send_again(self) -> None:
        """Send a copy of the parts that have been under way for much longer than expected."""
        now = time.perf_counter()
        usual = self._engine.patience * (1.0 if self._pace.known else UNKNOWN)
        for part in list(self._flights.values()):
            expected = self._pace.seconds * len(part.task.ids)
            if now - part.sent > (1 + part.copies) * max(usual, PATIENCE * AHEAD * expected):
                part.copies += 1
                self._send(part)

    def _ended(self) -> Iterator[Any]:
        """Yield the watches of tasks whose trials have all returned."""
        over = [ticket for ticket in self._tickets if not ticket.missing]
        self._tickets = [ticket for ticket in self._tickets if ticket.missing]
        yield from (ticket.watch for ticket in over)

    def _poll(self) -> bool:
        """Return whether the search has to stop."""
        return bool(self._tickets) and self._tickets[0].watch(nothing_of(self._tickets[0].task))

    def _stop(self) -> Iterator[Any]:
        """Take what returns in a moment, and end all tasks."""
        until = time.perf_counter() + GRACE_SECONDS
        for future in list(self._flights):
            if future.cancel():
                self._flights.pop(future)
        while self._flights and (left := until - time.perf_counter()) > 0:
            ended, _ = wait(self._flights, timeout=left, return_when=FIRST_COMPLETED)
            for future in ended:
                part = self._flights.pop(future)
                if not part.done and not future.cancelled() and future.exception() is None:
                    check_reply(reply := future.result(), part.task)
                    self._pass_on(part, reply)
        yield from (ticket.watch for ticket in self._tickets)


def nothing_of(task: Task) -> Outcome:
    """Return an outcome without trials, for a watch that is asked whether to stop."""
    curves = np.empty((0, len(CURVES), task.configs[0].epochs), np.float32)
    return Outcome(positions=(), status=(), curves=curves, seconds=np.empty(0))


def check_build(reply: Reply) -> None:
    """Raise `ConfigError` if the worker that replied may have other results than this process."""
    if differs := difference(reply.build, build_here()):
        raise ConfigError(
            f"the worker {reply.worker} has {differs}: results could differ; install the same versions on both"
        )
