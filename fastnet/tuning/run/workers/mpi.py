"""Ranks of MPI as workers, by mpi4py.futures: rank 0 leads, the others train."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from fastnet.errors import ConfigError
from fastnet.tuning.run.workers import Workers, missing

HOW = "mpiexec -n 9 python -m mpi4py.futures, followed by -m fastnet or by the file of your program"


class Ranks(Workers):
    """All ranks but the first. A rank that dies ends the whole job, whose study another job continues."""

    unbinding = "Open MPI binds each of few ranks to a core; add --bind-to none to mpiexec, or --map-by slot:PE=8"

    def __init__(self, threads: int | None) -> None:
        self.threads = 0 if threads is None else threads
        self._executor: Any = None
        self._size = 0

    def start(self) -> None:
        """Take the ranks that mpi4py.futures holds ready."""
        try:
            from mpi4py import MPI
            from mpi4py.futures import MPIPoolExecutor
        except (ImportError, RuntimeError) as error:  # mpi4py without a library of MPI raises RuntimeError
            raise missing("mpi4py with MPI", "mpi") from error
        size = MPI.COMM_WORLD.Get_size()
        if size < 2 or "mpi4py.futures" not in sys.orig_argv:
            ranks = size - 1 or "no"
            raise ConfigError(f"executor='mpi': there are {ranks} other ranks of MPI to train on; start it as: {HOW}")
        self._executor = MPIPoolExecutor(use_pkl5=True)
        self._size = size - 1

    def width(self) -> int:
        """Return the number of ranks that train."""
        return self._size

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Call a function on a rank."""
        future: Future[Any] = self._executor.submit(function, *arguments)
        return future

    def close(self) -> None:
        """Let the ranks end their orders."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)


def workers(argument: str, threads: int | None) -> Ranks:
    """Return the ranks of this job."""
    if argument:
        raise ConfigError(f"executor='mpi:{argument}': mpi takes no argument; mpiexec -n says how many ranks there are")
    return Ranks(threads)
