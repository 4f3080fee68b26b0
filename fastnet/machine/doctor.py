"""What fastnet finds on this machine: versions, processor, threads, the cache of compiled kernels, data sets."""

from __future__ import annotations

import os
from importlib import metadata
from typing import Any

from fastnet.data import registry
from fastnet.errors import DataError
from fastnet.kernels import _jit, _store, host
from fastnet.kernels.threads import layer_problem
from fastnet.limits import limits_of_process
from fastnet.machine import cache
from fastnet.network.assembly import n_threads_limit
from fastnet.tuning.run.environment import describe_environment


def describe(data_dir: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """Describe the machine and the installation, ready for JSON.

    Parameters
    ----------
    data_dir : path, optional
        Where to look for data sets, as for `fastnet.load`.

    Returns
    -------
    dict
        ``fastnet, python, numpy, numba, llvmlite`` versions; ``system, machine, processor``; the ``cores`` that the
        process may use, the ``cpu_quota`` of its container, in cores or None, and the ``memory`` in bytes that it may
        use; the ``threads`` of a search; ``threading_layer``, and ``layer_problem``, a sentence if the layer cannot be
        used, else None; ``lanes``, the float32 values of a vector, its instruction sets as ``features``, ``tile`` as
        rows and vectors; ``cache`` with ``folder``, ``functions``, ``bytes``, ``old_folders``, ``old_bytes``,
        ``damaged`` files, and ``problem``, a sentence or None; or ``cache`` None, and ``no_cache`` says why; ``data``
        with the path of each named set, None if it is not in `data_dir` or, without one, would be downloaded.

    Examples
    --------
    >>> describe()["lanes"] in (4, 8, 16)
    True
    """
    limits = limits_of_process()
    environment = describe_environment(min(limits.cores, n_threads_limit()))
    versions = {name: environment.pop(name) for name in ("fastnet", "python", "numpy", "numba")}
    return {
        **versions,
        "llvmlite": metadata.version("llvmlite"),
        **environment,
        "cpu_quota": limits.quota,
        "memory": limits.memory,
        "threading_layer": _jit.threading_layer(),
        "layer_problem": layer_problem() or None,
        "lanes": host.LANES,
        "features": host.vector_features(),
        "tile": [host.TILE_ROWS, host.TILE_VECTORS],
        "cache": _describe_cache(),
        "no_cache": _store.why_none() or None,
        "data": {name: _describe_set(name, data_dir) for name in registry.NAMES},
    }


def _describe_cache() -> dict[str, Any] | None:
    found = cache.look()
    if found.folder is None:
        return None
    return {
        "folder": str(found.folder),
        "functions": len(found.functions),
        "bytes": found.n_bytes,
        "old_folders": len(found.old),
        "old_bytes": found.old_bytes,
        "damaged": found.damaged,
        "problem": found.problem or None,
    }


def _describe_set(name: str, data_dir: str | os.PathLike[str] | None) -> str | None:
    try:
        found = registry.find(name, data_dir=data_dir)
    except DataError:  # a missing folder contains no data set
        return None
    return None if found is None else str(found)
