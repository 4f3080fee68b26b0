"""A simulation of a search on up to 10,000 workers, with what was measured on two and on pretended ones.

It has the loop of `fastnet.tuning.run.remote`: fill up to `AHEAD` parts a worker, wait for replies, take them, send
again what was lost or is overdue. Parts are cut by that module's own rule. Time on the leading process is serial:
so much for a part, for a trial, and for each part under way whenever the loop turns.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Costs:
    """What a search costs, from measurements.

    Attributes
    ----------
    trial_seconds, spread : float
        Time of a trial on a worker, and its standard deviation over parts divided by its mean.
    part, trial, flight : float
        Seconds of the leading process for a part, for a trial, and for a part under way each time its loop turns.
    trial_bytes : float
        Bytes of order and reply for a trial.
    """

    trial_seconds: float
    spread: float
    part: float
    trial: float
    flight: float
    trial_bytes: float


@dataclass(frozen=True)
class Cluster:
    """Workers, and what happens to them.

    Attributes
    ----------
    workers : int
    link : float
        Bytes a second of the leading process's network.
    delay : float
        Seconds from sending to arrival.
    failure_seconds : float
        Mean time between two failures of a worker; infinite for none.
    restart_seconds : float
        Time until a worker that failed is back.
    stragglers, slower : float
        Share of parts that take so many times longer.
    join_seconds : float
        Workers join evenly over this time.
    """

    workers: int
    link: float = 125e6
    delay: float = 1e-3
    failure_seconds: float = math.inf
    restart_seconds: float = 60.0
    stragglers: float = 0.0
    slower: float = 10.0
    join_seconds: float = 0.0


@dataclass(frozen=True)
class Found:
    """What a simulation found, after the time in which workers join.

    Attributes
    ----------
    rate : float
        Trials a second.
    efficiency : float
        The rate, divided by that of workers that never wait.
    busy : float
        Share of time in which the leading process works.
    link_busy : float
        Share of time in which its network does.
    part_trials : int
        Trials of a part.
    """

    rate: float
    efficiency: float
    busy: float
    link_busy: float
    part_trials: int

    @property
    def limit(self) -> str:
        """What holds the rate back."""
        if self.busy > 0.95:
            return "leading process"
        if self.link_busy > 0.95:
            return "network"
        return "nothing" if self.efficiency > 0.95 else "failures and waiting"


def part_trials(workers: int, trial_seconds: float, part_seconds: float | None = None) -> int:
    """Return how many trials travel together: by the rule of `remote`, or as many as fill a time.

    >>> part_trials(2, 0.1), part_trials(10_000, 0.1, part_seconds=2.0)
    (20, 20)
    """
    from fastnet.config.searching import SearchConfig
    from fastnet.tuning.run import remote
    from fastnet.tuning.run.session import PACK_TRIALS

    pace = remote.Pace(seconds=trial_seconds)
    if part_seconds is not None:
        return pace.trials(part_seconds)
    engine: Any = SimpleNamespace(_threads=1, _pace=pace)
    packs = remote.RemoteEngine.packs_together(engine, SearchConfig(), PACK_TRIALS, 1)
    return min(pace.trials(remote.PART_SECONDS), packs * PACK_TRIALS)


@dataclass(eq=False)
class _Part:
    """A part under way: when it was sent, in how many copies, and whether one has returned."""

    sent: float
    copies: int = 0
    done: bool = False


@dataclass
class _State:
    """Counters of a simulation, and what has arrived at the leading process."""

    flights: int = 0
    alive: int = 0
    trials: int = 0
    busy: float = 0.0
    link: float = 0.0
    arrived: list[tuple[_Part, bool]] = field(default_factory=list)
    under_way: dict[_Part, None] = field(default_factory=dict)


class Simulation:
    """One search.

    Parameters
    ----------
    costs : Costs
    cluster : Cluster
    part_seconds : float, optional
        Time of a part; by default parts are cut as `fastnet.tuning.run.remote` does.
    seed : int
    """

    def __init__(self, costs: Costs, cluster: Cluster, part_seconds: float | None = None, seed: int = 0) -> None:
        import simpy

        self.costs, self.cluster = costs, cluster
        self.size = part_trials(cluster.workers, costs.trial_seconds, part_seconds)
        self.env = simpy.Environment()
        self.orders = simpy.Store(self.env)
        self.random = np.random.default_rng(seed)
        self.state = _State()
        self._wake = self.env.event()
        self._link_free = 0.0

    def run(self, parts_each: float = 12.0, seconds: float = 10.0) -> Found:
        """Simulate until each worker could have trained so many parts, and at least for so many seconds.

        Workers begin at different times, so that parts do not end all at once.
        """
        env, cluster = self.env, self.cluster
        part = self.size * self.costs.trial_seconds
        for place in range(cluster.workers):
            env.process(self._worker((cluster.join_seconds + part) * place / cluster.workers))
        env.process(self._lead())
        filled = self._seconds_to_fill()
        begin = cluster.join_seconds + 3 * part + 2 * filled
        env.run(until=begin)
        before = replace(self.state)
        length = max(parts_each * part, seconds, 2 * filled)
        env.run(until=begin + length)
        rate = (self.state.trials - before.trials) / length
        return Found(
            rate=rate,
            efficiency=rate * self.costs.trial_seconds / cluster.workers,
            busy=(self.state.busy - before.busy) / length,
            link_busy=(self.state.link - before.link) / length,
            part_trials=self.size,
        )

    def _seconds_to_fill(self) -> float:
        """Return how long it takes until all workers have their parts."""
        from fastnet.tuning.run import remote

        parts = remote.AHEAD * self.cluster.workers
        return parts * max(self.costs.part, self.size * self.costs.trial_bytes / self.cluster.link)

    def _lead(self) -> Iterator[Any]:
        """Lead the search: the loop of `remote._Dispatch`."""
        from fastnet.tuning.run import remote

        state, costs, env = self.state, self.costs, self.env
        while True:
            room = max(0, remote.AHEAD * max(1, state.alive) - state.flights)
            yield from self._work(0.5 * costs.part * room)
            for _ in range(room):
                self._send(_Part(env.now))
            if not state.arrived:
                self._wake = env.event()
                yield self._wake | env.timeout(remote.POLL_SECONDS)
            yield from self._work(costs.flight * state.flights)
            taken, state.arrived = state.arrived, []
            for part, returned in taken:
                state.flights -= 1
                if part.done:
                    continue
                if returned:
                    part.done = True
                    state.under_way.pop(part, None)
                    state.trials += self.size
                    yield from self._work(0.5 * costs.part + self.size * costs.trial)
                else:
                    self._send(part)
            self._send_overdue()

    def _work(self, seconds: float) -> Iterator[Any]:
        """Let time of the leading process pass."""
        if seconds > 0.0:
            self.state.busy += seconds
            yield self.env.timeout(seconds)

    def _send(self, part: _Part) -> None:
        part.sent = self.env.now
        self.state.flights += 1
        self.state.under_way[part] = None
        arrival = self._through_link(0.2)
        self.env.timeout(arrival - self.env.now).callbacks.append(lambda _: self.orders.put(part))

    def _send_overdue(self) -> None:
        """Send copies of parts that take much longer than expected."""
        from fastnet.tuning.run import remote

        expected = remote.PATIENCE * remote.AHEAD * self.costs.trial_seconds * self.size
        patience = max(remote.PATIENCE_SECONDS, expected)
        for part in list(self.state.under_way):
            if self.env.now - part.sent <= (1 + part.copies) * patience:
                break  # those after it were sent later
            part.copies += 1
            del self.state.under_way[part]
            self._send(part)

    def _through_link(self, share: float) -> float:
        """Return when this share of a part's bytes has arrived; the network carries one part after the other."""
        seconds = share * self.size * self.costs.trial_bytes / self.cluster.link
        self._link_free = max(self._link_free, self.env.now) + seconds
        self.state.link += seconds
        return self._link_free + self.cluster.delay

    def _worker(self, joins: float) -> Iterator[Any]:
        """Train parts, one after the other, and fail now and then."""
        env, cluster, costs = self.env, self.cluster, self.costs
        yield env.timeout(joins)
        self.state.alive += 1
        fails = env.now + self.random.exponential(cluster.failure_seconds)
        while True:
            part = yield self.orders.get()
            seconds = self.size * costs.trial_seconds * max(0.1, self.random.normal(1.0, costs.spread))
            if self.random.random() < cluster.stragglers:
                seconds *= cluster.slower
            if env.now + seconds > fails:
                yield env.timeout(max(0.0, fails - env.now))
                self.state.alive -= 1
                self._arrive(part, False)
                yield env.timeout(cluster.restart_seconds)
                self.state.alive += 1
                fails = env.now + self.random.exponential(cluster.failure_seconds)
                continue
            yield env.timeout(seconds)
            arrival = self._through_link(0.8)
            env.timeout(arrival - env.now).callbacks.append(lambda _, part=part: self._arrive(part, True))

    def _arrive(self, part: _Part, returned: bool) -> None:
        self.state.arrived.append((part, returned))
        if not self._wake.triggered:
            self._wake.succeed()


WORKERS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


def swept(costs: Costs, part_seconds: float | None, counts: tuple[int, ...] = WORKERS, **more: Any) -> list[Found]:
    """Simulate clusters of growing size.

    Other fields of `Cluster` are given by name.
    """
    return [Simulation(costs, Cluster(workers, **more), part_seconds).run() for workers in counts]


def stops(counts: tuple[int, ...], found: list[Found], least: float = 0.9) -> int:
    """Return the most workers whose efficiency is at least this; 0 if none.

    >>> few = [Found(1.0, share, 0.5, 0.0, 1) for share in (1.0, 0.95, 0.4)]
    >>> stops((1, 10, 100), few)
    10
    """
    return max((n for n, one in zip(counts, found, strict=True) if one.efficiency >= least), default=0)
