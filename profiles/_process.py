"""What a process takes of its machine: memory, descriptors, threads, child processes, temporary files."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SELF = "self"
_SHARED = Path("/dev/shm")


class Taken(NamedTuple):
    """What a process takes at a moment."""

    megabytes: float
    own: float  # MB of it that are not pages of files, which a system takes back when they are idle
    descriptors: int
    threads: int
    children: int
    temporary: int  # files and folders in the folder for temporary files
    shared: int  # entries in the folder for shared memory
    cpu_seconds: float


def taken(process: int | str = SELF, *, folder: Path | None = None) -> Taken:
    """Return what a process takes now; Linux only. `folder` is that for temporary files, by default this process's."""
    proc = Path("/proc") / str(process)
    pages, of_files = map(int, (proc / "statm").read_text().split()[1:3])
    fields = (proc / "stat").read_text().rpartition(")")[2].split()
    tasks = list((proc / "task").iterdir())
    children = 0
    for task in tasks:
        try:
            children += len((task / "children").read_text().split())
        except OSError:  # a thread that has ended, or a kernel that does not tell
            continue
    ticks = os.sysconf("SC_CLK_TCK")
    return Taken(
        pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        (pages - of_files) * os.sysconf("SC_PAGE_SIZE") / 1e6,
        len(os.listdir(proc / "fd")),
        len(tasks),
        children,
        len(os.listdir(folder or tempfile.gettempdir())),
        len(os.listdir(_SHARED)) if _SHARED.is_dir() else 0,
        time.process_time() if process == SELF else (int(fields[11]) + int(fields[12])) / ticks,
    )


def settled() -> Taken:
    """Return what this process takes once it has given back the memory that it does not use."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)
    return taken()


def forget_peak() -> None:
    """Let `peak_megabytes` begin anew."""
    with contextlib.suppress(OSError):  # the peak is then that of the whole run
        Path("/proc/self/clear_refs").write_text("5")


def peak_megabytes(process: int | str = SELF) -> float:
    """Return the most memory that a process has taken."""
    lines = (Path("/proc") / str(process) / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


class Watch:
    """Notes what a process takes as a search advances; to be given as `on_progress`."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.seconds: list[float] = []
        self.cpu: list[float] = []
        self.samples: list[Taken] = []

    def __call__(self, progress: Any) -> None:
        """Take a sample when trials have ended."""
        if not progress.compiling and (not self.done or progress.done > self.done[-1]):
            self.note(progress.done, taken())

    def note(self, done: int, sample: Taken) -> None:
        """Keep a sample."""
        self.done.append(done)
        self.seconds.append(time.perf_counter())
        self.samples.append(sample)

    def of(self, name: str, low: float, high: float) -> float:
        """Return the median of a field while this part of the trials was done."""
        share = np.array(self.done) / self.done[-1]
        some = [getattr(s, name) for s, part in zip(self.samples, share, strict=True) if low <= part <= high]
        return float(np.median(some or [getattr(self.samples[-1], name)]))

    def most(self, name: str, low: float = 0.1) -> float:
        """Return the largest value of a field after a share of the trials."""
        begin = low * self.done[-1]
        return max(getattr(s, name) for s, n in zip(self.samples, self.done, strict=True) if n >= begin)

    def a_trial(self, low: float, high: float) -> dict[str, float]:
        """Return the microseconds of wall time and of processor time for a trial in this part of the trials."""
        share = np.array(self.done) / self.done[-1]
        first, last = int(np.searchsorted(share, low)), int(np.searchsorted(share, high))
        trials = max(self.done[last] - self.done[first], 1)
        cpu = self.samples[last].cpu_seconds - self.samples[first].cpu_seconds
        return {"wall": 1e6 * (self.seconds[last] - self.seconds[first]) / trials, "cpu": 1e6 * cpu / trials}

    def since_the_last(self) -> dict[str, float]:
        """Return the seconds of wall time and of processor time since the last sample."""
        cpu = taken().cpu_seconds - self.samples[-1].cpu_seconds
        return {"wall": time.perf_counter() - self.seconds[-1], "cpu": cpu}

    def growth(self, low: float = 0.1) -> float:
        """Return the bytes of memory that a trial adds after a share of the trials: the slope of a line."""
        share = np.array(self.done) / self.done[-1] >= low
        done, memory = np.array(self.done)[share], np.array([s.megabytes for s in self.samples])[share]
        return float(1e6 * np.polyfit(done, memory, 1)[0]) if len(done) > 1 else 0.0


def in_background(call: Any, *arguments: Any) -> threading.Thread:
    """Run something in a thread that ends with the process."""
    thread = threading.Thread(target=call, args=arguments, daemon=True)
    thread.start()
    return thread
