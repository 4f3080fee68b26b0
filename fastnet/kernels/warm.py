"""A cold start in two processes: half of what a pack needs compiles beside the other half, into the same cache.

Numba compiles one thing at a time in a process, and most of that is Python. On two slow cores this brought the
first search from 14 seconds of compiling to 8.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from fastnet.kernels import _store, objective, pack, step
from fastnet.limits import usable_cores

STAGES = "micro-stage"
"""Folder of the cache with the stages of training, see `step.stage`."""

LEAST_WAIT = 5.0
"""Seconds for which a process that has begun to compile is waited for at the least."""

_PYTHON = re.compile(r"(python|pypy)w?[\d.]*[a-z]?(\.exe)?")


def compile_second_half() -> None:
    """Compile epoch, evaluation, loss, initial values and the pack; the rest is left to the first process."""
    folder = _store.cache_folder()
    if folder is None:
        return
    sys.stdout.buffer.write(_hello(folder))
    sys.stdout.flush()
    step.stage(step.TRAIN_EPOCH)
    step.stage(step.EVALUATE)
    objective.stage("cross-entropy")
    pack.initialise_stage()
    pack.compile_division()


@contextmanager
def second_half() -> Iterator[None]:
    """Run `compile_second_half` in another process while the body runs, where that can help.

    That is where there is a second core, a Python that certainly is one, and a cache that can be written but holds no
    stages yet. Whatever becomes of that process, the result is right: what it has not stored is compiled here when it
    is needed. It is waited for no longer than the body took, and not at all if it has not said by then that it is
    this fastnet.
    """
    folder = _store.cache_folder()
    if folder is None or not _is_python() or usable_cores() == 1 or os.path.exists(folder / STAGES):
        yield
        return
    if _store.distrust(folder) or _store.writable(folder):
        yield
        return
    with ExitStack() as stack:
        try:
            said = stack.enter_context(tempfile.TemporaryFile())
            process = stack.enter_context(_compiling(folder, said))
        except OSError:  # no folder for temporary files, or no more processes
            yield
            return
        clock = time.perf_counter()
        yield
        said.seek(0)
        if said.read() == _hello(folder):
            with suppress(subprocess.TimeoutExpired):
                process.wait(LEAST_WAIT + time.perf_counter() - clock)


@contextmanager
def _compiling(folder: Path, output: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Start the other process, and end it, with all that it may have started, when the block ends."""
    package = str(Path(__file__).parents[2])
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")])),
        "FASTNET_CACHE": str(folder.parent.absolute()),
    }
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", "from fastnet.kernels import warm; warm.compile_second_half()"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for this process, which then ends that one
    )
    try:
        yield process
    finally:
        process.kill()
        if os.name != "nt":
            with suppress(OSError):  # it is gone already
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _is_python() -> bool:
    """Whether `sys.executable` is a Python interpreter, and not a program in which Python is embedded.

    Such a program would start a second time. Its name shows it; on Linux it must also be what runs here.
    """
    if not sys.executable or getattr(sys, "frozen", False):
        return False
    try:
        program = Path(sys.executable).resolve(strict=True)
        running = Path("/proc/self/exe").resolve() if Path("/proc/self/exe").exists() else program
        return _PYTHON.fullmatch(program.name.lower()) is not None and program.samefile(running)
    except OSError:
        return False


def _hello(folder: Path) -> bytes:
    return f"fastnet {folder.name}\n".encode()
