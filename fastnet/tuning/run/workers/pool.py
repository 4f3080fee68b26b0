"""Any `concurrent.futures.Executor` of the user's as workers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Future, ThreadPoolExecutor
from typing import Any

from fastnet.errors import ConfigError, StudyError
from fastnet.tuning.run.worker import forget
from fastnet.tuning.run.workers import Workers

USUAL_WIDTH = 4
"""Number of workers of an executor that does not say."""


class Pool(Workers):
    """Workers of an executor, which the user ends unless it is `owned`; the data travel to a worker that asks."""

    def __init__(self, executor: Any, threads: int | None = None, *, owned: bool = False) -> None:
        self._executor, self._owned = executor, owned
        self._sent: set[str] = set()
        usual = 0 if isinstance(executor, ThreadPoolExecutor) else 1  # its threads are one worker's: see `carry_out`
        self.threads = usual if threads is None else threads

    def width(self) -> int:
        """Return the number of workers that the executor was made for."""
        if isinstance(self._executor, ThreadPoolExecutor):
            return 1
        names = ("_max_workers", "max_workers", "num_workers")
        known = (getattr(self._executor, name, None) for name in names)
        return next((n for n in known if isinstance(n, int) and n > 0), USUAL_WIDTH)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Submit a call; raise `StudyError` if the executor was shut down, `ConfigError` if it is none."""
        try:
            future: Any = self._executor.submit(function, *arguments)
        except BrokenExecutor:
            raise
        except RuntimeError as error:
            if "__main__" in str(error):  # multiprocessing's, in a process that runs the script again
                raise StudyError(
                    "the processes of the executor run this script again: put the search below "
                    "if __name__ == '__main__':"
                ) from error
            raise StudyError(
                f"the executor takes no calls ({error}): all trials that ended are stored; continue the study with one "
                "that is open"
            ) from error
        if not isinstance(future, Future):
            raise ConfigError(
                f"executor is a {type(self._executor).__name__}, whose calls return a {type(future).__name__}: give a "
                "concurrent.futures.Executor, whose calls return a concurrent.futures.Future"
            )
        made: Future[Any] = future
        return made

    def parcel(self, name: str, data: bytes) -> bytes:
        """Return the data as they are, and note that a worker has them."""
        self._sent.add(name)
        return data

    def is_loss(self, error: BaseException) -> bool:
        """Whether the call was cancelled, its executor is broken, or a connection was."""
        return isinstance(error, (CancelledError, BrokenExecutor, ConnectionError, EOFError))

    def renew(self, error: BaseException) -> None:
        """Raise `StudyError` if the executor is broken: only the user can make another."""
        if isinstance(error, BrokenExecutor):
            raise StudyError(
                f"the executor is broken ({error}): all trials that ended are stored; continue the study with a new one"
            ) from error

    def close(self) -> None:
        """End the executor if it is owned; what its threads have loaded of the data would stay in this process."""
        if isinstance(self._executor, ThreadPoolExecutor):
            forget(self._sent)
        if self._owned and callable(getattr(self._executor, "shutdown", None)):
            self._executor.shutdown(wait=True)
