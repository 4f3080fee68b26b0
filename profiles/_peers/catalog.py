"""Which peers there are, what they need, and the settings in which each is fastest."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

EXTRA = "not installed: pip install '.[bench]'"


@dataclass(frozen=True)
class Entry:
    """One peer.

    Attributes
    ----------
    label : str
        What tables and pictures call it.
    home : str
        Module and class.
    packages : tuple of str
        What it imports.
    trials, network, search : bool
        The sections it takes part in; whole searches are run by those that train trials, but for `whole`.
    small, folds : bool
        Whether it trains small networks on tables, and whether it searches with folds.
    process_per_core : bool
        Whether many trials are trained by a process on each core, and not by one on all of them.
    whole : bool
        Whether it runs the cold search.
    caches : bool
        Whether something compiled survives on disk.
    as_shipped : bool
        Whether its libraries choose their instruction sets by themselves, see `environment`.
    """

    label: str
    home: str
    packages: tuple[str, ...] = ()
    trials: bool = False
    network: bool = False
    search: bool = False
    small: bool = False
    folds: bool = False
    process_per_core: bool = True
    whole: bool = False
    caches: bool = False
    as_shipped: bool = False


OURS = "fastnet"
SLOW = ("torch-compile", "jax-vmap", "optuna-threads")
"""What `--quick` leaves out: compiling takes them half a minute a process, or they are never the best of their kind."""

PEERS = {
    OURS: Entry(
        "fastnet", "with_fastnet:FastnetPeer", trials=True, network=True, search=True, small=True, folds=True,
        process_per_core=False, whole=True, caches=True,
    ),
    "numpy": Entry("NumPy, lean float32", "with_numpy:NumpyPeer", trials=True, small=True, whole=True),
    "sklearn": Entry(
        "scikit-learn partial_fit", "with_sklearn:SklearnPeer", ("sklearn", "optuna"), trials=True, network=True
    ),
    "torch": Entry(
        "PyTorch eager", "with_torch:EagerPeer", ("torch",), trials=True, network=True, small=True, whole=True
    ),
    "sklearn-shipped": Entry(
        "scikit-learn partial_fit, as shipped", "with_sklearn:SklearnPeer", ("sklearn", "optuna"), trials=True,
        as_shipped=True,
    ),
    "torch-shipped": Entry(
        "PyTorch eager, as shipped", "with_torch:EagerPeer", ("torch",), trials=True, as_shipped=True
    ),
    "torch-compile": Entry(
        "PyTorch compiled", "with_torch:CompiledPeer", ("torch",), trials=True, network=True, whole=True, caches=True
    ),
    "torch-stacked": Entry(
        "PyTorch, stacked by hand", "with_torch:StackedPeer", ("torch",), trials=True, whole=True
    ),
    "jax": Entry(
        "JAX jit + scan", "with_jax:ScanPeer", ("jax",), trials=True, network=True, small=True, whole=True, caches=True
    ),
    "jax-vmap": Entry("JAX vmap", "with_jax:VmapPeer", ("jax",), trials=True, whole=True, caches=True),
    "jax-vmap-8": Entry("JAX vmap of 8", "with_jax:VmapManyPeer", ("jax",), small=True),
    "sklearn-fit": Entry("scikit-learn fit, no scores", "with_sklearn_tables:FitPeer", ("sklearn",), small=True),
    "randomized-folds": Entry(
        "RandomizedSearchCV", "with_sklearn_tables:FoldsPeer", ("sklearn",), folds=True, process_per_core=False
    ),
    "randomized": Entry(
        "RandomizedSearchCV", "with_sklearn:RandomizedPeer", ("sklearn", "optuna"), search=True,
        process_per_core=False,
    ),
    "optuna": Entry("Optuna, processes", "with_sklearn:OptunaPeer", ("sklearn", "optuna"), search=True),
    "optuna-threads": Entry(
        "Optuna, n_jobs", "with_sklearn:OptunaPeer", ("sklearn", "optuna"), search=True,
        process_per_core=False,
    ),
}  # fmt: skip

CHECK_ALIAS = {
    **dict.fromkeys(("sklearn", "sklearn-shipped"), "with_sklearn:HePeer"),
    "sklearn-fit": "with_sklearn_tables:HeFitPeer",
}
"""What is verified in a peer's place, where as shipped it starts from other weights than the book."""


def missing(name: str) -> str:
    """Why a peer cannot take part; nothing where it can."""
    entry = PEERS[name]
    if any(find_spec(package) is None for package in entry.packages):
        return EXTRA
    if name == "torch-compile" and not compiler():
        return "left out: torch.compile needs a C++ compiler, and there is none (g++ or clang++)"
    return ""


def compiler() -> str | None:
    """Return the C++ compiler, if there is one."""
    named = os.environ.get("CXX")
    return next((path for path in map(shutil.which, (named or "g++", "c++", "clang++")) if path), None)


def tuned(features: list[str], processor: str) -> bool:
    """Whether peers can be made faster than they are as shipped, on such a processor."""
    return "AMD" in processor and "avx512f" in features


def environment(name: str, threads: int, folder: Path, features: list[str], processor: str) -> dict[str, str | None]:
    """Return the environment variables under which a peer's process runs; None takes one away.

    On AMD processors with AVX-512 both OpenBLAS and MKL (inside PyTorch) choose AVX2 kernels, at half the rate. A
    person who tunes can have the others, so the peers do: OpenBLAS by a variable, MKL by answering its question for it.
    Those that are measured as shipped too choose for themselves.
    On AMD processors without AVX-512 the latter changed nothing (0.36 s a stacked trial either way): it is left alone.
    """
    count = str(threads if name not in ("randomized", "randomized-folds", "optuna-threads") else 1)
    libraries = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")
    values: dict[str, str | None] = dict.fromkeys((f"{library}_NUM_THREADS" for library in libraries), count)
    values |= {"VECLIB_MAXIMUM_THREADS": count, "NUMBA_NUM_THREADS": str(threads), "NPROC": str(threads)}
    values |= {"JAX_PLATFORMS": "cpu", "OPENBLAS_CORETYPE": None, "OPENBLAS_L2_SIZE": None}
    if name.startswith("jax") and threads == 1:
        values["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    if tuned(features, processor) and not PEERS[name].as_shipped:
        values["OPENBLAS_CORETYPE"] = "SkylakeX"
        library = _intel_answer(folder) if name.startswith("torch") else None
        if library:
            values["LD_PRELOAD"] = str(library)
    return values


def _intel_answer(folder: Path) -> Path | None:
    """Build the one-line library that answers yes when MKL asks whether the processor is Intel's."""
    library = folder / "intel.so"
    if library.exists():
        return library
    c_compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if c_compiler is None or os.uname().sysname != "Linux":
        return None
    source = folder / "intel.c"
    source.write_text("int mkl_serv_intel_cpu_true(void) { return 1; }\n")
    done = subprocess.run([c_compiler, "-shared", "-fPIC", "-O1", "-o", library, source], capture_output=True)
    return library if done.returncode == 0 else None
