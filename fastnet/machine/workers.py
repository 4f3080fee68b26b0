"""What the workers of an engine have: machine, cores, threads and versions, compared with those of this process."""

from __future__ import annotations

import os
import platform
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict, dataclass
from typing import Any

from fastnet.errors import ConfigError
from fastnet.tuning.run.environment import describe_environment
from fastnet.tuning.run.wire import Build, build_here, difference
from fastnet.tuning.run.worker import name_here, own_threads
from fastnet.tuning.run.workers import workers_of

WAIT_SECONDS = 20.0
"""Longest time to wait for the workers that there are."""

CALL_SECONDS = 0.2
"""Time that a call takes, so that a worker does not answer for others."""


@dataclass(frozen=True, slots=True)
class About:
    """What a worker has.

    Parameters
    ----------
    worker : str
        Its host and process.
    build : Build
        Versions, and a hash of the library's source.
    processor, python : str
        Of its machine.
    cores, machine_cores, threads : int
        Cores that it may use, those of its machine, and networks that it trains at a time.
    problem : str
        Why a search would refuse it; empty if it would not.
    """

    worker: str
    build: Build
    processor: str
    python: str
    cores: int
    machine_cores: int
    threads: int
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return asdict(self) | {"build": self.build._asdict(), "problem": self.problem or None}


def describe_workers(executor: Any, jobs: int | None = None) -> list[About]:
    """Start or find the workers of an engine, and ask each what it has.

    Parameters
    ----------
    executor, jobs
        As for `fastnet.search`.

    Returns
    -------
    list of About
        Ordered by their names; a worker that is busy for long may be missing. Empty for the threads of this process.

    Raises
    ------
    ConfigError
        If there is no such engine, or no worker answers.

    Examples
    --------
    >>> describe_workers("local")
    []
    """
    workers = workers_of(executor, jobs)
    if workers is None:
        return []
    found: dict[str, About] = {}
    until = time.monotonic() + WAIT_SECONDS
    try:
        workers.start()
        running: set[Future[About]] = set()
        while time.monotonic() < until and len(found) < max(1, workers.width()):
            while len(running) < 2 * max(1, workers.width()):
                running.add(workers.submit(look, workers.threads, build_here()))
            ended, running = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
            for future in ended:
                about = future.result()
                found[about.worker] = about
        for future in running:
            future.cancel()
    finally:
        workers.close()
    if not found:
        raise ConfigError(
            f"executor={executor!r}: no worker has answered within {WAIT_SECONDS:.0f} s; start some first"
        )
    return [found[name] for name in sorted(found)]


def look(threads: int, build: Build) -> About:
    """Describe the worker that calls this, compared with the build of the process that leads."""
    time.sleep(CALL_SECONDS)
    environment = describe_environment(threads or own_threads())
    return About(
        worker=name_here(),
        build=build_here(),
        processor=environment["processor"],
        python=platform.python_version(),
        cores=environment["cores"],
        machine_cores=os.cpu_count() or 1,
        threads=environment["threads"],
        problem=difference(build_here(), build),
    )
