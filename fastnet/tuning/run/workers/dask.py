"""Workers of Dask: a cluster that runs, or one on this machine for the time of a search."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any
from weakref import WeakSet

from fastnet.errors import ConfigError, StudyError
from fastnet.limits import usable_cores
from fastnet.tuning.run.workers import Workers, missing, no_answer
from fastnet.tuning.run.workers.processes import ignore_interrupts

COUNT_SECONDS = 1.0
"""Time between two questions to the scheduler about its workers."""

CLOSE_SECONDS = 5.0

RESOURCE = "fastnet"
"""Resource by which a worker with several threads takes one task at a time: ``dask worker --resources fastnet=1``."""


class Dask(Workers):
    """Workers that a scheduler of Dask knows; the data travel once to each worker, also between workers."""

    def __init__(self, address: str, threads: int | None) -> None:
        self._address = address
        self._client: Any = None
        self._cluster: Any = None
        self.threads = (0 if address else 1) if threads is None else threads
        self._counted, self._number = 0.0, 0
        self._scattered: dict[str, Any] = {}
        self._carrying: WeakSet[Future[Any]] = WeakSet()  # calls that need them
        self._options: dict[str, Any] = {}

    def start(self) -> None:
        """Connect to the scheduler, or start one here, with a worker for each core or group of `threads` cores."""
        try:
            from distributed import Client, LocalCluster
        except ImportError as error:
            raise missing("distributed", "dask") from error
        if not self._address:
            self._cluster = LocalCluster(
                n_workers=max(1, usable_cores() // self.threads),
                threads_per_worker=1,
                env={"NUMBA_NUM_THREADS": str(self.threads)},
                dashboard_address=None,
                silence_logs=50,
            )
        file = Path(self._address).expanduser() if self._address.endswith(".json") else None
        if file is not None and not file.is_file():
            raise ConfigError(f"executor='dask:{self._address}': there is no such file of a scheduler")
        try:
            known = {"scheduler_file": str(file)} if file else {"address": self._cluster or self._address}
            self._client = Client(set_as_default=False, **known)
        except (OSError, ValueError, TypeError) as error:  # the last without the certificates that TLS needs
            raise no_answer(f"dask:{self._address}", error, "dask scheduler") from error
        self._client.get_versions(check=True)
        if self._cluster is not None:
            self._client.register_plugin(_quiet())

    def width(self) -> int:
        """Return the number of workers that the scheduler knows."""
        if self._client is None:
            return 0
        if time.monotonic() - self._counted > COUNT_SECONDS:
            self._look()
        return self._number

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Call a function on a worker."""
        future: Future[Any] = self._client.get_executor(pure=False, **self._options).submit(function, *arguments)
        if arguments and arguments[-1] in self._scattered.values():
            self._carrying.add(future)
        return future

    def parcel(self, name: str, data: bytes) -> Any:
        """Return the data as a future of Dask, which a worker holds; scatter them again if that is lost."""
        held = self._scattered.get(name)
        if held is None or held.status != "finished":
            held = self._scattered[name] = self._client.scatter(data, hash=False)
        return held

    def is_loss(self, error: BaseException) -> bool:
        """Whether workers died with the call, the scheduler has forgotten it, or a connection to it was lost."""
        from asyncio import CancelledError as Forgotten

        from distributed import KilledWorker

        return isinstance(error, (KilledWorker, CancelledError, Forgotten, OSError))

    def renew(self, error: BaseException) -> None:
        """Raise `StudyError` if the scheduler is gone; it replaces workers by itself."""
        if self._client.status not in ("running", "connecting"):
            raise self._gone(error) from error
        if isinstance(error, OSError):  # of a connection to a worker or to the scheduler
            self._look()

    def _look(self) -> None:
        """Count the workers; let calls be lost whose data were, for which a scheduler would wait forever."""
        try:
            self._counted, before, self._number = time.monotonic(), self._number, len(self._client.nthreads())
            if self._number != before:
                workers = self._client.scheduler_info()["workers"].values()
                limited = all(RESOURCE in worker["resources"] for worker in workers)
                self._options = {"resources": {RESOURCE: 1}} if workers and limited else {}
        except (OSError, ValueError) as error:  # after a time in which a connection that was cut may come back
            raise self._gone(error) from error
        if any(held.status != "finished" for held in self._scattered.values()):
            self._scattered.clear()
            for future in list(self._carrying):
                future.cancel()

    def _gone(self, error: BaseException) -> StudyError:
        return StudyError(
            f"the scheduler of Dask at {self._address or 'this machine'} is gone ({error}): all trials that ended are "
            "stored; continue the study with any executor"
        )

    def close(self) -> None:
        """Disconnect, and end the cluster if it was started for the search."""
        for ending in (self._client, self._cluster):
            if ending is not None:
                ending.close(timeout=CLOSE_SECONDS)
        self._client = self._cluster = None


def _quiet() -> Any:
    """Return a plugin of workers that leaves Ctrl-C, which a terminal sends to all processes, to the one that leads."""
    from distributed import WorkerPlugin

    class Quiet(WorkerPlugin):  # type: ignore[misc]
        def setup(self, worker: Any) -> None:
            ignore_interrupts()

    return Quiet()


def workers(argument: str, threads: int | None) -> Dask:
    """Return the workers of the scheduler at an address or in a file, or of a cluster on this machine."""
    return Dask(argument, threads)
