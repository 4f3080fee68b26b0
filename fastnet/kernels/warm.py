"""A cold start in two processes: half of what a pack needs compiles beside the other half, into the same cache.

Numba compiles one thing at a time in a process, and most of that is Python. On two slow cores this brought the
first search from 14 seconds of compiling to 8.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fastnet.kernels import _jit, pack, step
from fastnet.kernels.context import N_PLACES
from fastnet.limits import usable_cores


def compile_second_half() -> None:
    """Compile the epoch, the evaluation, the initial values and the pack; the rest is left to the first process."""
    step.stage(step.TRAIN_EPOCH)
    step.stage(step.EVALUATE)
    pack.initialise_stage()
    pack.train_pack(np.zeros((0, 0, N_PLACES), np.int64), pack.worker_stage(), np.zeros(0, np.int64))


@contextmanager
def second_half() -> Iterator[None]:
    """Run `compile_second_half` in another process while the body runs, where that can help.

    That is where there is a second core, and a cache that holds no stages yet.

    Whatever becomes of that process, the result is right: what it has not stored is compiled here when it is needed.
    """
    folder = _jit.cache_folder()
    if folder is None or (folder / "micro-stage").exists() or not sys.executable or usable_cores() == 1:
        yield
        return
    package = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))}
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", "from fastnet.kernels import warm; warm.compile_second_half()"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for this process, which then ends that one
    )
    try:
        yield
        process.wait()
    finally:
        process.kill()
        process.wait()
