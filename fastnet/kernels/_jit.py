"""The only place that names Numba's options; everything compiled goes through these decorators.

`kernel` compiles serial code, `entry` the same for Python to call, `parallel_kernel` the same kind of source with
`prange` over threads, `micro` what is called through its address and therefore compiled once, whoever calls it.

No `fastmath`: reassociation would break bit-identity, and assuming finite values makes `isnan` lie. Results are cached
on disk in a folder named after a hash of all kernel sources, since Numba's own check does not see a change in a callee
of another file; old folders may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import config
from numba.np.ufunc import parallel as numba_threads

from fastnet.kernels import host

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
_INNER: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def _user_cache() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _source_hash() -> str:
    digest = hashlib.sha256(f"{numba.__version__} {host.LANES} {host.target()}".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def cache_folder() -> Path | None:
    """Folder of the compiled kernels: ``FASTNET_CACHE`` or the user's cache; None when ``FASTNET_CACHE=0``."""
    chosen = os.environ.get("FASTNET_CACHE", "")
    if chosen == "0":
        return None
    base = Path(chosen) if chosen else _user_cache() / "fastnet"
    return base / _source_hash()


_CACHE = cache_folder()


def _cached(decorate: Callable[..., Any], folder: str = "") -> Any:
    """Run a Numba decorator with its cache pointed at our folder, and put the setting back.

    Numba's cache tells functions apart by file, name and line, not by options, and numbers what it stores of one
    function; two processes that add different things at the same time may choose the same number, and a third then
    loads the wrong code. So whatever is compiled more than once from one source needs a `folder` for each.
    """
    if _CACHE is None:
        return decorate(cache=False)
    before = config.CACHE_DIR
    config.CACHE_DIR = str(_CACHE / folder)
    try:
        return decorate(cache=True)
    except (RuntimeError, OSError):  # the folder cannot be written: compile in memory
        return decorate(cache=False)
    finally:
        config.CACHE_DIR = before


def typed(number: int) -> Any:
    """Return an int64 constant: a plain number has a type of its own, for which Numba compiles every callee anew."""
    return np.int64(number)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a serial kernel, lazily, at its first call from compiled code.

    It cannot be called from Python: leaving out what that needs saves a quarter of the compile time.
    """
    return _cached(lambda cache: numba.njit(cache=cache, **_OPTIONS, **_INNER)(function))


def entry(function: Callable[..., Any]) -> Any:
    """Compile a serial kernel that Python calls."""
    return _cached(lambda cache: numba.njit(cache=cache, **_OPTIONS)(function))


def parallel_kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel whose `prange` loops are divided over threads."""
    return _cached(
        lambda cache: numba.njit(cache=cache, parallel=True, nogil=True, error_model="numpy")(function), "parallel"
    )


def with_names(source: Callable[..., Any], names: dict[str, Any]) -> Callable[..., Any]:
    """Copy a function so that the given names mean something else in it.

    This is how one source becomes the serial stage of a pack's trials and the parallel stage of one large network.
    """
    copy = types.FunctionType(source.__code__, {**source.__globals__, **names}, source.__name__)
    copy.__qualname__, copy.__module__ = source.__qualname__, source.__module__
    return copy


def micro(signature: Any, function: Callable[..., Any], variant: str) -> Any:
    """Compile a microkernel or a stage at once and return it; ``.address`` is what callers need.

    `variant` tells apart what is compiled from one source.
    """
    return _cached(lambda cache: numba.cfunc(signature, cache=cache, **_OPTIONS)(function), f"micro-{variant}")


def start_threads() -> None:
    """Start Numba's threads, to be called before code that uses them is loaded from the cache.

    Such code would otherwise end the process over symbols that Numba defines only then.
    """
    numba_threads._launch_threads()


def threading_layer() -> str:
    """Name what divides parallel kernels over threads, after starting it: tbb, omp or workqueue."""
    start_threads()
    return str(numba.threading_layer())
