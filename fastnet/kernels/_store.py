"""Machine code on disk: one folder of our own, one checked file per compiled function and argument types.

Numba's own cache is not used. Where its folder cannot be written it silently takes another one (next to the sources, or
the user's), in which functions compiled from one source share an index, and then loads the wrong code; and a damaged
file ends the process. Here a file is named after its content, repeats that inside together with a digest, and is
replaced as a whole. Code that cannot be read, trusted or stored is compiled in memory instead, and one `FastnetWarning`
names the folder.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba import config
from numba.core.caching import FunctionCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from fastnet.errors import warn
from fastnet.files import replacing_file, user_cache
from fastnet.kernels import host
from fastnet.trust import distrust, distrust_file, keep_from_others

SUFFIX = ".nbc"
_BEGIN = b"fastnet kernel 1\n"
_DIGEST_BYTES = 32

_COMPILER_SETTINGS = ("OPT", "BOUNDSCHECK", "DEBUGINFO_DEFAULT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "ENABLE_AVX")
"""Settings of Numba that change the machine code but are not part of Numba's own key."""

_IN_MEMORY = "kernels are compiled in memory, at every start"

_said: set[str] = set()


def _source_hash() -> str:
    versions = (numba.__version__, llvmlite.__version__, sys.implementation.cache_tag)
    settings = [getattr(config, name, None) for name in _COMPILER_SETTINGS]
    digest = hashlib.sha256(f"{versions} {settings} {host.LANES} {host.target()}".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def cache_folder() -> Path | None:
    """Return the folder of the compiled kernels, in ``FASTNET_CACHE`` or the user's cache.

    None with ``FASTNET_CACHE=0``, and for a user without a home folder; `why_none` says which.
    """
    base = _base()
    return base / _source_hash() if isinstance(base, Path) else None


def why_none() -> str:
    """Return why `cache_folder` is None; empty if it is a folder."""
    base = _base()
    return "" if isinstance(base, Path) else base


def _base() -> Path | str:
    """Return the parent of `cache_folder`, or why there is none."""
    chosen = os.environ.get("FASTNET_CACHE", "")
    if chosen == "0":
        return "FASTNET_CACHE=0 switches the cache of compiled kernels off"
    try:
        base = Path(chosen).expanduser() if chosen else user_cache()
    except RuntimeError:  # ~ without a home folder
        base = None
    if base is not None:
        return base
    what = f"FASTNET_CACHE={chosen}" if chosen else "the folder of the compiled kernels"
    return f"{what}: no home folder was found for this user; set FASTNET_CACHE to the name of a folder"


def say(kind: str, text: str) -> None:
    """Warn once per kind and process."""
    if kind not in _said:
        _said.add(kind)
        warn(text)


@cache
def _usable(folder: Path) -> bool:
    """Whether machine code may be loaded from a folder and stored there; warn if not."""
    reason = distrust(folder)
    if reason:
        say("refused", f"the kernel cache is not used, kernels are compiled in memory ({reason})")
    return not reason


def writable(folder: Path) -> str:
    """Try to create and write a folder; return why it fails, empty if it works."""
    try:
        _make(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _make(folder: Path) -> None:
    """Create a folder, never one that others may write to, whatever the user's mask allows."""
    for place in (folder.parent.parent, folder.parent, folder):
        if not place.is_dir():
            place.mkdir(mode=0o755, parents=True, exist_ok=True)


def content_of(data: bytes) -> bytes | None:
    """Return the machine code in a file's bytes; None if they are damaged or not ours."""
    head = len(_BEGIN) + _DIGEST_BYTES
    body = data[head:]
    right = _BEGIN + hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest()
    return body if data[:head] == right else None


class KernelCache(FunctionCache):  # type: ignore[misc]
    """Stores the machine code of one function for each combination of argument types that it is compiled for.

    Source that is compiled several times, with other options, needs a folder each.
    """

    def __init__(self, function: Callable[..., Any], folder: Path) -> None:
        self._py_func = function
        self._folder = folder
        code = function.__code__
        name = f"{Path(code.co_filename).stem}.{function.__qualname__}".replace("<", "").replace(">", "")
        self._name = f"{name}-{code.co_firstlineno}"
        # Variants of one source differ by their folder alone: not in their bytecode, which is what Numba's key names.
        self._identity = (folder.parent.name, folder.name, self._name)
        self.enable()

    @property
    def cache_path(self) -> str:
        """The folder."""
        return str(self._folder)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the stored machine code for these types, None if there is none that can be used."""
        target_context.refresh()
        key = self._index_key(sig, target_context.codegen())
        path = self._path(key)
        if not _usable(self._folder.parent):
            return None
        try:
            data = _read(path)
            if data is None:
                return None
            stored, reduced = pickle.loads(content_of(data) or b"")
            return CompileResult._rebuild(target_context, *reduced) if stored == (*self._identity, key) else None
        except OSError as error:
            say("unusable", f"{self._folder.parent}: the kernel cache cannot be read ({error.strerror}); {_IN_MEMORY}")
        except Exception:
            say(
                "damaged",
                f"{self._folder.parent}: the kernel cache contains damaged files, which are compiled again",
            )
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store machine code; if that fails it is only used, and one warning says so."""
        if data.library.has_dynamic_globals or not _usable(self._folder.parent):
            return
        key = self._index_key(sig, data.codegen)
        body = dumps(((*self._identity, key), data._reduce()))
        try:
            _make(self._folder)
            _write(self._path(key), body)
        except OSError as error:
            reason = error.strerror or error
            say("unusable", f"{self._folder.parent}: the kernel cache cannot be written ({reason}); {_IN_MEMORY}")

    def flush(self) -> None:
        """Forget nothing: files are named after their content."""

    def _path(self, key: Any) -> Path:
        return self._folder / f"{self._name}.{hashlib.sha256(str(key).encode()).hexdigest()[:16]}{SUFFIX}"


def _read(path: Path) -> bytes | None:
    """Read a file; None if it does not exist, or somebody whose code is not trusted could have written it."""
    try:
        with path.open("rb") as stream:
            if reason := distrust_file(os.fstat(stream.fileno())):
                say("refused", f"{path}: {reason}; the kernel is compiled in memory")
                return None
            return stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _write(path: Path, body: bytes) -> None:
    with replacing_file(path) as stream:
        keep_from_others(stream.fileno())
        stream.write(_BEGIN + hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest() + body)
