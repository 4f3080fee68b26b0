"""A cold start in two processes: half of what a pack needs compiles in a second one, into the same cache.

Numba compiles one thing at a time in a process, and most of that is Python. On two cores this shortened a first search
of a table from 19 seconds to 16.
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

from fastnet.kernels import _store, pack, step
from fastnet.kernels import objective as objectives
from fastnet.limits import usable_cores
from fastnet.trust import distrust

STAGES = "micro-stage"
"""Folder of the cache with the stages of training, see `step.stage`."""

LEAST_WAIT = 5.0
"""Minimum wait, in seconds, for a process that has begun to compile."""

_PYTHON = re.compile(r"(python|pypy)w?[\d.]*[a-z]?(\.exe)?")


def compile_second_half(objective: str, weighted: bool) -> None:
    """Compile epoch, evaluation, loss, initial values, the pack and answers; the first process compiles the rest."""
    folder = _store.cache_folder()
    if folder is None:
        return
    sys.stdout.buffer.write(_hello(folder))
    sys.stdout.flush()
    step.stage(step.TRAIN_EPOCH)
    step.stage(step.EVALUATE)
    objectives.stage(objective, weighted)
    pack.initialise_stage()
    pack.compile_division()
    pack.compile_answers()


@contextmanager
def second_half(objective: str = "cross-entropy", weighted: bool = False) -> Iterator[None]:
    """Run `compile_second_half` in another process during the block, if that can help.

    It needs a second core, an executable that is certainly a Python, and a writable cache without stages. Whatever
    happens to that process, the result is right: code that it has not stored is compiled here when needed. It is waited
    for no longer than the block took, and not at all unless it has reported by then that it is this fastnet.
    """
    folder = _store.cache_folder()
    if folder is None or not _is_python() or usable_cores() == 1 or os.path.exists(folder / STAGES):
        yield
        return
    if distrust(folder) or _store.writable(folder):
        yield
        return
    with ExitStack() as stack:
        try:
            said = stack.enter_context(tempfile.TemporaryFile())
            process = stack.enter_context(_compiling(folder, said, objective, weighted))
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
def _compiling(folder: Path, output: IO[bytes], objective: str, weighted: bool) -> Iterator[subprocess.Popen[bytes]]:
    """Start the other process; end it, with everything that it may have started, when the block ends."""
    package = str(Path(__file__).parents[2])
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")])),
        "FASTNET_CACHE": str(folder.parent.absolute()),
    }
    code = f"from fastnet.kernels import warm; warm.compile_second_half({objective!r}, {weighted!r})"
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", code],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches this process only, which then ends the other
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
    """Whether `sys.executable` is a Python interpreter, not a program that embeds Python.

    Such a program would start a second time. Its name shows it; on Linux it must also be the running program.
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
