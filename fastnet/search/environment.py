"""What a search runs on: processor, cores, versions."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from fastnet._version import __version__
from fastnet.errors import ConfigError


def count_threads(jobs: int | None) -> int:
    """Return how many threads to use: `jobs`, or with None as many as there are cores for this process.

    Raises
    ------
    ConfigError
        If `jobs` is not a whole number from 1 to 4096.

    Examples
    --------
    >>> count_threads(2)
    2
    """
    if jobs is None:
        return _usable_cores()
    if isinstance(jobs, bool) or not isinstance(jobs, int) or not 1 <= jobs <= 4096:
        raise ConfigError(f"jobs={jobs!r}: must be a whole number from 1 to 4096")
    return jobs


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_environment(threads: int) -> dict[str, Any]:
    """Describe what a run uses: versions, system, processor, cores of the machine for this process, threads."""
    packages = {"fastnet": __version__, "python": platform.python_version(), "numpy": np.__version__}
    try:
        packages["numba"] = metadata.version("numba")
    except metadata.PackageNotFoundError:
        packages["numba"] = "unknown"
    machine = {"system": platform.system(), "machine": platform.machine(), "processor": _processor()}
    return packages | machine | {"cores": _usable_cores(), "threads": threads}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
