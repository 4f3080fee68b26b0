"""The only place that names Numba's options; everything compiled goes through these decorators.

`kernel` compiles serial code, `entry` the same for Python to call, `parallel_kernel` the same kind of source with
`prange` over threads, `micro` what is called through its address and therefore compiled once, whoever calls it.

No `fastmath`: reassociation would break bit-identity, and assuming finite values makes `isnan` lie. `_store` keeps the
machine code on disk, in a folder named after a hash of all kernel sources, since a kernel changes with its callees in
other files; old folders may be deleted at any time. What is compiled more than once from one source, with other
options, has a folder for each.
"""

from __future__ import annotations

import os
import types
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import config
from numba.core import ir
from numba.core.ccallback import CFunc
from numba.core.compiler_lock import global_compiler_lock
from numba.core.sigutils import normalize_signature
from numba.np.ufunc import parallel as numba_threads

from fastnet.errors import warn
from fastnet.kernels import _store

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
_INNER: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

one_at_a_time = global_compiler_lock
"""Numba's own lock, held while something is compiled. As a decorator it makes a function compile what is missing once,
whichever threads ask for it."""

_CACHE = _store.cache_folder()


def _kept(compiled: Any, function: Callable[..., Any], folder: str) -> Any:
    """Keep what is compiled on disk, where there is a folder for it.

    Numba has no public way to say where one function's code is kept. Should another version do it otherwise, its
    functions compile in memory.
    """
    if _CACHE is None:
        if os.environ.get("FASTNET_CACHE") != "0":
            _store.say("none", f"{_store.why_none()}; kernels are compiled in memory, at every start")
        return compiled
    if hasattr(compiled, "_cache"):
        compiled._cache = _store.KernelCache(function, _CACHE / folder)
    return compiled


def typed(number: int) -> Any:
    """Return an int64 constant: a plain number has a type of its own, for which Numba compiles every callee anew."""
    return np.int64(number)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a serial kernel, lazily, at its first call from compiled code.

    It cannot be called from Python: leaving out what that needs saves a quarter of the compile time.
    """
    return _kept(numba.njit(**_OPTIONS, **_INNER)(function), function, "serial")


def entry(function: Callable[..., Any]) -> Any:
    """Compile a serial kernel that Python calls."""
    return _kept(numba.njit(**_OPTIONS)(function), function, "entry")


def parallel_kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel whose `prange` loops are divided over threads."""
    return _kept(numba.njit(parallel=True, **_OPTIONS)(function), function, "parallel")


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
    compiled = _kept(CFunc(function, normalize_signature(signature), {}, _OPTIONS), function, f"micro-{variant}")
    compiled.compile()
    return compiled


def start_threads() -> None:
    """Start Numba's threads, to be called before code that uses them is loaded from the cache.

    Such code would otherwise end the process over symbols that Numba defines only then. A threading layer that was
    asked for and is not there is replaced by one that is.
    """
    try:
        numba_threads._launch_threads()
    except ValueError:
        asked = f"NUMBA_THREADING_LAYER={config.THREADING_LAYER}"
        if config.THREADING_LAYER == "default":
            asked = f"NUMBA_THREADING_LAYER_PRIORITY={' '.join(config.THREADING_LAYER_PRIORITY)}"
        warn(f"{asked}: this threading layer is not available here, so another one is used; correct or unset it")
        config.THREADING_LAYER, config.THREADING_LAYER_PRIORITY = "default", ["tbb", "omp", "workqueue"]
        numba_threads._launch_threads()


def threading_layer() -> str:
    """Name what divides parallel kernels over threads, after starting it: tbb, omp or workqueue."""
    start_threads()
    return str(numba.threading_layer())


_relative_path = getattr(ir.Loc, "_get_path", None)


def _path_of(place: Any) -> str:
    """Name the source of a message, which Numba writes even where nobody reads it, as when it tries for a constant."""
    try:
        return str(_relative_path(place)) if _relative_path else str(place.filename)
    except OSError:
        return str(place.filename)


# Numba names it relative to the current folder, and fails to compile where that does not exist any more.
ir.Loc._get_path = _path_of
