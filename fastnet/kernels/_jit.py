"""The only place that names Numba's options; everything compiled goes through these decorators.

`kernel` compiles serial code, `entry` the same for calls from Python, `parallel_kernel` source with `prange` over
threads, and `micro` functions that are called through their address and therefore compiled once for all callers.
`_library` says how.

No `fastmath`: reassociation would break bit-identity, and assuming finite values makes `isnan` lie. `_store` keeps the
machine code on disk, in a folder named after a hash of all kernel sources, since a kernel changes with its callees in
other files; old folders may be deleted at any time. Source that is compiled several times, with other options, has a
folder for each.
"""

from __future__ import annotations

import os
import types
from collections.abc import Callable, Iterable
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
from fastnet.kernels import _library, _store

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
_INNER: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

one_at_a_time = global_compiler_lock
"""Numba's own lock, held while something compiles. As a decorator it makes a function compile each thing once,
whichever threads ask for it."""

_CACHE = _store.cache_folder()


def _kept(compiled: Any, function: Callable[..., Any], folder: str) -> Any:
    """Store compiled code on disk, where there is a folder for it.

    Numba has no public way to choose where the code of one function is stored. If another version does it differently,
    its functions compile in memory.
    """
    if not _library.KNOWN:
        words = "is newer than this fastnet, which compiles kernels in memory with it, at every start"
        _store.say("library", f"Numba {numba.__version__} {words}; update fastnet, or use an earlier Numba")
        return compiled
    if _CACHE is None:
        if os.environ.get("FASTNET_CACHE") != "0":
            _store.say("none", f"{_store.why_none()}; kernels are compiled in memory, at every start")
        return compiled
    if hasattr(compiled, "_cache"):
        compiled._cache = _store.KernelCache(function, _CACHE / folder)
    return compiled


def typed(number: int) -> Any:
    """Return an int64 constant: a plain number has its own type, for which Numba compiles every callee anew."""
    return np.int64(number)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a serial kernel as a part of those that call it.

    It cannot be called from Python: omitting the wrapper saves a quarter of the compile time. It is not stored on disk,
    where those that call it are.
    """
    return numba.njit(pipeline_class=_library.INNER, **_OPTIONS, **_INNER)(function)


def entry(function: Callable[..., Any]) -> Any:
    """Compile a serial kernel that Python calls."""
    return _kept(numba.njit(pipeline_class=_library.OUTER, **_OPTIONS)(function), function, "entry")


def parallel_kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel whose `prange` loops are divided over threads."""
    return _kept(numba.njit(pipeline_class=_library.OUTER, parallel=True, **_OPTIONS)(function), function, "parallel")


def with_names(source: Callable[..., Any], names: dict[str, Any]) -> Callable[..., Any]:
    """Copy a function so that the given names refer to something else in it.

    This turns one source into the serial stage of a pack's trials and the parallel stage of one large network. It gives
    the dense products their tiles: enclosed in them, these would be compared by the cache, which finds none equal.
    """
    copy = types.FunctionType(
        source.__code__, {**source.__globals__, **names}, source.__name__, source.__defaults__, source.__closure__
    )  # fmt: skip
    copy.__qualname__, copy.__module__ = source.__qualname__, source.__module__
    return copy


def micro(signature: Any, function: Callable[..., Any], variant: str) -> Any:
    """Compile a microkernel or a stage at once and return it; callers need its ``.address``.

    `variant` distinguishes what is compiled from one source.
    """
    made = CFunc(function, normalize_signature(signature), {}, _OPTIONS, _library.OUTER)
    compiled = _kept(made, function, f"micro-{variant}")
    compiled.compile()
    return compiled


def stages(sources: Iterable[tuple[Any, Callable[..., None]]], parallel: dict[str, Any]) -> list[Any]:
    """Compile stages, each with its signature; with the `parallel` versions of the kernels they name, if any."""
    variant = "parallel" if parallel else "stage"
    if parallel:
        start_threads()
        sources = [(signature, with_names(source, parallel)) for signature, source in sources]
    return [micro(signature, source, variant) for signature, source in sources]


def start_threads() -> None:
    """Start Numba's threads; call this before loading code that uses them from the cache.

    Otherwise such code ends the process over symbols that Numba defines only then. A threading layer that was asked for
    but is not available is replaced by one that is.
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
    """Start the threads; return the layer that divides parallel kernels over them: tbb, omp or workqueue."""
    start_threads()
    return str(numba.threading_layer())


_relative_path = getattr(ir.Loc, "_get_path", None)


def _path_of(place: Any) -> str:
    """Return the source file of a message; Numba formats messages that nobody reads, as when it tries a constant."""
    try:
        return str(_relative_path(place)) if _relative_path else str(place.filename)
    except OSError:
        return str(place.filename)


# Numba makes it relative to the current folder, and compiling fails if that no longer exists.
ir.Loc._get_path = _path_of
