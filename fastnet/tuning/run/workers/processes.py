"""Processes of this machine as workers, by loky, which scikit-learn brings along with joblib."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Future
from pathlib import Path
from typing import Any

from fastnet.errors import ConfigError
from fastnet.files import remove_temporary, temporary_prefix, write_result
from fastnet.limits import usable_cores
from fastnet.tuning.run.workers import Workers

IDLE_SECONDS = 300
"""After this time without an order a process ends; the next order starts another."""


LOOK_SECONDS = 1.0
"""Time between two looks of a worker whether its leader lives."""


class Processes(Workers):
    """Worker processes, each a pool of its own: one that dies takes no other with it.

    They map the data from a file.
    """

    shares_data = True

    def __init__(self, number: int, threads: int) -> None:
        self.threads = threads
        self._pools: list[Any] = [None] * number
        self._busy = [0] * number
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def start(self) -> None:
        """Make the folder of the data; the processes start with their first orders."""
        remove_temporary(Path(tempfile.gettempdir()))
        self._folder = tempfile.TemporaryDirectory(prefix=temporary_prefix(), ignore_cleanup_errors=True)
        _start_tracker()

    def width(self) -> int:
        """Return the number of processes."""
        return len(self._pools)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Call a function in the process with the fewest calls; a process that has died is replaced."""
        place = self._busy.index(min(self._busy))
        if self._pools[place] is None:
            self._pools[place] = self._pool()
        try:
            future: Future[Any] = self._pools[place].submit(function, *arguments)
        except BrokenExecutor:
            self._pools[place] = self._pool()
            future = self._pools[place].submit(function, *arguments)
        self._busy[place] += 1
        future.add_done_callback(lambda _: self._free(place))
        return future

    def parcel(self, name: str, data: bytes) -> Path:
        """Return the file of the data."""
        assert self._folder is not None
        path = Path(self._folder.name) / name
        if not path.exists():
            write_result(path, data, "the data of the worker processes cannot be written")
        return path

    def is_loss(self, error: BaseException) -> bool:
        """Whether the process has died, or the call was cancelled."""
        return isinstance(error, (BrokenExecutor, CancelledError))

    def close(self) -> None:
        """End all processes at once, also those in the middle of an order."""
        for pool in filter(None, self._pools):
            pool.shutdown(wait=True, kill_workers=True)
        self._pools = [None] * len(self._pools)
        if self._folder is not None:
            self._folder.cleanup()

    def _free(self, place: int) -> None:
        self._busy[place] -= 1

    def _pool(self) -> Any:
        from joblib.externals.loky import ProcessPoolExecutor

        folder = "" if self._folder is None else self._folder.name
        env = {"NUMBA_NUM_THREADS": str(self.threads or usable_cores())}
        return ProcessPoolExecutor(1, timeout=IDLE_SECONDS, initializer=_begin, initargs=(os.getpid(), folder), env=env)


def _begin(leader: int, folder: str) -> None:
    """Begin a worker process of a leader: one that is killed must leave neither it nor the folder of data behind."""
    ignore_interrupts()

    def watch() -> None:
        while os.getppid() == leader:
            time.sleep(LOOK_SECONDS)
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="fastnet-leader").start()


def ignore_interrupts() -> None:
    """Leave Ctrl-C and SIGHUP, which a terminal sends to all processes, to the one that leads."""
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def _start_tracker() -> None:
    """Start the process in which loky counts semaphores so that a terminal that closes does not end it first.

    Another one would be started in its place, and print a traceback for each semaphore that it does not know.
    """
    from joblib.externals.loky.backend import resource_tracker

    if os.name == "nt":
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        resource_tracker.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def workers(argument: str, threads: int | None) -> Processes:
    """Return so many processes, by default one for each core, or for each group of `threads` cores."""
    threads = threads or 1
    if not argument:
        return Processes(max(1, usable_cores() // threads), threads)
    if not (argument.isascii() and argument.isdigit() and 1 <= int(argument) <= 4096):
        raise ConfigError(
            f"executor='processes:{argument}': the number of processes must be from 1 to 4096, such as processes:"
            f"{os.cpu_count() or 4}"
        )
    return Processes(int(argument), threads)
