"""Threads for compiled code: Numba's threading layer where it can be used, Python's own threads elsewhere.

Numba divides parallel kernels over the threads of a layer: tbb, omp or workqueue. Its threads do not exist in a process
that was forked after they were started; there GNU's OpenMP ends the process or waits for them forever. And workqueue
aborts the process if two threads enter it at once, which the user's own parallel code may do. In both cases nothing
here enters the layer: serial kernels run in Python threads, with the same results.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from llvmlite.binding import ffi
from numba.np.ufunc import parallel as numba_threads

from fastnet.kernels import _jit
from fastnet.kernels._jit import one_at_a_time

_WORKQUEUE = "Numba's threading layer is workqueue, which no two threads may enter at a time"

_FORKED_NO_EXEC = 0x40
"""Bit of a process's flags in Linux: it was forked and has run no other program since."""


def _is_fork() -> bool:
    """Whether this process was forked and still runs the program of its parent, as far as the system reports."""
    try:
        after_name = Path("/proc/self/stat").read_bytes().rpartition(b")")[2]
        return bool(int(after_name.split()[6]) & _FORKED_NO_EXEC)
    except (OSError, ValueError, IndexError):  # not Linux
        return False


def _layer_runs() -> bool:
    return bool(getattr(numba_threads, "_is_initialized", True))  # assume so if Numba does not report it


_inherited = _layer_runs() and _is_fork()
"""Whether the layer was started before this process was forked, by another library if this module came later."""

_llvm: Any = getattr(ffi.lib, "_lock", None) or nullcontext()


def _before_fork() -> None:
    one_at_a_time.acquire()
    _llvm.__enter__()


def _after_fork() -> None:
    _llvm.__exit__(None, None, None)
    one_at_a_time.release()


def _in_child() -> None:
    global _inherited
    _after_fork()
    starting = getattr(numba_threads, "_backend_init_thread_lock", None) or threading.Lock()
    if _layer_runs() or not starting.acquire(blocking=False):
        _inherited = True
    else:
        starting.release()


if hasattr(os, "register_at_fork"):  # a child must not find a lock held by a thread that it does not have
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)


def layer_problem() -> str:
    """Return why parallel kernels must not be called here, empty if they may; start Numba's threads unless they run."""
    if _inherited:
        return "this process was forked after Numba had started its threads"
    with one_at_a_time:
        _jit.start_threads()
    return _WORKQUEUE if numba_threads.threading_layer() == "workqueue" else ""


def run_each(function: Callable[[int], None], n: int) -> None:
    """Call ``function(0)`` to ``function(n - 1)``, each in its own thread, the first in this one, and wait for all.

    The functions share their work: if the system allows fewer threads, the existing ones do all of it. An exception of
    one is raised here.
    """
    errors: list[BaseException] = []

    def call(i: int) -> None:
        try:
            function(i)
        except BaseException as error:
            errors.append(error)

    others = [threading.Thread(target=call, args=(i,), name=f"fastnet-{i}") for i in range(1, n)]
    begun = []
    for other in others:
        try:
            other.start()
        except RuntimeError:  # the system allows no more
            break
        begun.append(other)
    call(0)
    for other in begun:
        other.join()
    if errors:
        raise errors[0]
