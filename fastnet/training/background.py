"""Compiled code in background threads, so that the calling thread stays free for progress and Ctrl-C.

The kernels release the interpreter lock. Work on several threads waits for its turn, because two packs at a time would
compete for the same cores. Work on one thread begins at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import TypeVar

_Result = TypeVar("_Result")

_in_turn: ThreadPoolExecutor
_at_once: ThreadPoolExecutor


def _make_executors() -> None:
    """Begin without threads, since a forked process has none of its parent's."""
    global _in_turn, _at_once
    _in_turn = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fastnet")
    _at_once = ThreadPoolExecutor(thread_name_prefix="fastnet-serial")


_make_executors()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_make_executors)


def submit(threads: int, function: Callable[[], _Result]) -> Future[_Result]:
    """Run `function`, which uses the given number of threads, in the background.

    If Ctrl-C arrives while a thread starts, `function` may run nevertheless, and the caller must end it.
    """
    executor = _in_turn if threads > 1 else _at_once
    try:
        return executor.submit(function)
    except BaseException:
        if executor not in (_in_turn, _at_once):  # another thread has just replaced them
            return submit(threads, function)
        # The executor may not know its new thread; Python would wait for it at exit, and nothing would wake it.
        _make_executors()
        executor.shutdown(wait=False)
        raise


class Background:
    """Work in the background, one piece at a time: a pack of networks, or one network."""

    def __init__(self) -> None:
        self._future: Future[None] | None = None

    def begin(self, threads: int, function: Callable[[], None]) -> None:
        """Run `function`, which uses the given number of threads, in the background; see `submit`."""
        try:
            self._future = submit(threads, function)
        except BaseException:
            self.stop()  # it may have begun
            raise

    def stop(self) -> None:
        """Ask the work to end soon; safe at any time. Subclasses first signal the compiled code."""
        if self._future is not None:
            self._future.cancel()  # work that waits for its turn never begins

    def running(self) -> bool:
        """Whether the work is waiting or under way."""
        return self._future is not None and not self._future.done()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end of the work, at most the given time; return whether it ended. `join` raises its errors."""
        if self._future is None or self._future.cancelled():
            return True
        try:
            self._future.exception(seconds)
        except CancelledError:
            return True
        except NotYet:
            return False
        return True

    def join(self) -> None:
        """Wait for the end of the work and raise its error, if any; safe before it began."""
        if self._future is not None and not self._future.cancelled():
            self._future.result()
