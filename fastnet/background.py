"""Compiled code in a thread of its own, so that the calling thread stays free for progress and Ctrl-C.

The kernels release the interpreter lock. They must never be entered from two threads at once (Numba's work queue ends
the process then), so everything parallel runs in the one thread of this module's executor.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from fastnet.kernels import pack

_Result = TypeVar("_Result")


@cache
def _executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="fastnet")


def submit(threads: int, function: Callable[[], _Result]) -> Future[_Result]:
    """Run `function` in the background with so many threads for parallel kernels.

    Parameters
    ----------
    threads : int
        At least 1; more than Numba was started with count as that.
    function : callable
        What to run; jobs run one after the other.

    Returns
    -------
    concurrent.futures.Future
    """

    def run() -> _Result:
        pack.use_threads(threads)
        return function()

    return _executor().submit(run)
