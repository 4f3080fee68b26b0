"""Compiled code in threads of its own, so that the calling thread stays free for progress and Ctrl-C.

The kernels release the interpreter lock. What uses several threads waits for its turn, whoever asks for it: two packs
at a time would share the same cores. What uses one thread begins at once, whatever else is running.
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
    """Begin without threads: a process that was forked has none of those of its parent."""
    global _in_turn, _at_once
    _in_turn = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fastnet")
    _at_once = ThreadPoolExecutor(thread_name_prefix="fastnet-serial")


_make_executors()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_make_executors)


def submit(threads: int, function: Callable[[], _Result]) -> Future[_Result]:
    """Run `function` in the background.

    Parameters
    ----------
    threads : int
        How many it uses, at least 1.
    function : callable
        What to run.

    Returns
    -------
    concurrent.futures.Future

    Notes
    -----
    Where Ctrl-C comes while it starts a thread, `function` may run all the same, and the caller has to end it.
    """
    executor = _in_turn if threads > 1 else _at_once
    try:
        return executor.submit(function)
    except BaseException:
        if executor not in (_in_turn, _at_once):  # another thread has just replaced them
            return submit(threads, function)
        # The executor may not know its new thread, which Python would wait for at its end and nobody would wake.
        _make_executors()
        executor.shutdown(wait=False)
        raise


class Background:
    """Work in the background, a piece at a time: a pack of networks, or one network."""

    def __init__(self) -> None:
        self._future: Future[None] | None = None

    def begin(self, threads: int, function: Callable[[], None]) -> None:
        """Run `function`, which uses so many threads, in the background; see `submit`."""
        try:
            self._future = submit(threads, function)
        except BaseException:
            self.stop()  # it may have begun
            raise

    def stop(self) -> None:
        """Ask the work to end soon; harmless at any time. Subclasses tell the compiled code first."""
        if self._future is not None:
            self._future.cancel()  # where it waits for other work, it need not begin

    def running(self) -> bool:
        """Whether it still works."""
        return self._future is not None and not self._future.done()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it has ended, at most so long; return whether it has. What went wrong is left to `join`."""
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
        """Wait until it has ended, and raise what went wrong in it; harmless before it began."""
        if self._future is not None and not self._future.cancelled():
            self._future.result()
