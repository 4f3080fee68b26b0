"""The environment of a run: processor, cores, versions."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from fastnet._version import __version__
from fastnet.limits import usable_cores


def describe_environment(threads: int) -> dict[str, Any]:
    """Return versions, system, processor, cores available to this process, and threads of a run."""
    packages = {"fastnet": __version__, "python": platform.python_version(), "numpy": np.__version__}
    try:
        packages["numba"] = metadata.version("numba")
    except metadata.PackageNotFoundError:
        packages["numba"] = "unknown"
    machine = {"system": platform.system(), "machine": platform.machine(), "processor": _processor()}
    return packages | machine | {"cores": usable_cores(), "threads": threads}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
