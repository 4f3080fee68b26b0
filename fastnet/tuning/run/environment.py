"""The environment of a run: processor, cores, versions."""

from __future__ import annotations

import platform
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from fastnet._version import __version__
from fastnet.limits import usable_cores


def describe_environment(threads: int) -> dict[str, Any]:
    """Return versions, system, processor, cores available to this process, and threads of a run."""
    packages = {"fastnet": __version__, "python": platform.python_version(), "numpy": np.__version__}
    packages["numba"] = _version_of_numba()
    machine = {"system": platform.system(), "machine": platform.machine(), "processor": _processor()}
    return packages | machine | {"cores": usable_cores(), "threads": threads}


@lru_cache(maxsize=1)  # the look-up reads the folders of installed packages, and Python keeps what it found
def _version_of_numba() -> str:
    try:
        return metadata.version("numba")
    except metadata.PackageNotFoundError:
        return "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
