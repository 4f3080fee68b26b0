"""The folder of compiled kernels: its contents, its problems, and obsolete folders next to it."""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from fastnet.kernels import _store
from fastnet.trust import distrust

_FOLDER = re.compile(r"[0-9a-f]{16}")
_FILE = re.compile(r".+\.nb[ic](\.tmp\.[0-9a-f]+)?|\.\d+(-[0-9a-f]+)+\.part")
_BEING_WRITTEN = 600.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """The compiled kernels on disk, and the state of their folder.

    Attributes
    ----------
    folder : Path or None
        For these kernel sources, this Numba and this processor; None if nothing is stored.
    functions : frozenset of str
        Its files of machine code, one for each function and argument types.
    n_bytes : int
        Size of the folder.
    old : tuple of Path
        Folders next to it for other kernel sources, another Numba or another processor.
    old_bytes : int
        Size of those folders.
    damaged : int
        Unusable files in the folder; their kernels are compiled again.
    unkept : str
        Why newly compiled code would not be stored, as one sentence; empty if it would.
    problem : str
        What is wrong with the folder and what to do, as one sentence; empty if it can be read and written.
    """

    folder: Path | None
    functions: frozenset[str]
    n_bytes: int
    old: tuple[Path, ...]
    old_bytes: int
    damaged: int
    unkept: str
    problem: str


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What `clean` removed: the number of obsolete folders and of damaged files, and the total size."""

    folders: int
    damaged: int
    n_bytes: int


def look() -> Cache:
    """Inspect the cache: what it contains, and whether it can be used."""
    folder = _store.cache_folder()
    if folder is None:
        why = _store.why_none()
        return Cache(
            folder=None, functions=frozenset(), n_bytes=0, old=(), old_bytes=0, damaged=0, unkept=why, problem=why
        )
    old = tuple(sorted(path for path in _folders(folder.parent) if path != folder))
    unkept, unread = _unkept(folder), _unread(folder)
    damaged = 0 if unread else len(_damaged(folder))
    if damaged:
        unread = f"{folder}: {damaged} damaged file{'s' if damaged > 1 else ''}"
    return Cache(
        folder=folder,
        functions=frozenset(path.relative_to(folder).as_posix() for path in _files(folder) if path.suffix == ".nbc"),
        n_bytes=_size(folder),
        old=old,
        old_bytes=sum(map(_size, old)),
        damaged=damaged,
        unkept=unkept,
        problem=unread or unkept,
    )


def _unkept(folder: Path) -> str:
    """Return why nothing can be stored in a folder; empty if it can."""
    if distrusted := distrust(folder):
        return distrusted
    if reason := _store.writable(folder):
        return f"{folder}: cannot be written ({reason}); its kernels are used, others are compiled at every start"
    return ""


def _unread(folder: Path) -> str:
    """Return why the contents of a folder cannot be used; empty if they can."""
    if distrusted := distrust(folder):
        return distrusted
    if os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK):
        return f"{folder}: cannot be read; make it readable or set FASTNET_CACHE to another folder"
    return ""


def clean() -> Cleaned:
    """Remove the folders of other kernel sources, Numba versions or processors, and damaged files from the current one.

    Anything that does not look like machine code is left alone. A process that is compiling into such a folder fails to
    store its code; one that has loaded from it is not affected. Raises `OSError` if something cannot be removed.
    """
    cache = look()
    damaged = [] if cache.folder is None else _damaged(cache.folder)
    n_bytes = cache.old_bytes + sum(path.stat().st_size for path in damaged)
    for folder in cache.old:
        shutil.rmtree(folder)
    for path in damaged:
        path.unlink()
    return Cleaned(len(cache.old), len(damaged), n_bytes)


def _damaged(folder: Path) -> list[Path]:
    """Return the files of the current folder that contain no loadable machine code, abandoned temporary files included.

    A temporary file of the last minutes may belong to another process that is writing it.
    """
    found = []
    for path in _files(folder):
        try:
            if path.suffix == ".nbc":
                useless = _store.content_of(path.read_bytes()) is None
            else:
                useless = time.time() - path.stat().st_mtime > _BEING_WRITTEN
        except OSError:
            continue
        if useless:
            found.append(path)
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if os.path.isdir(folder) else []


def _folders(base: Path) -> list[Path]:
    """Return the folders named after a hash that contain only what Numba writes; `base` may belong to anybody."""
    if not os.path.isdir(base):  # which is false, not an error, for a name that no file can have
        return []
    named = [path for path in base.iterdir() if _FOLDER.fullmatch(path.name) and not path.is_symlink()]
    return [path for path in named if path.is_dir() and all(_is_numbas(file) for file in path.rglob("*"))]


def _is_numbas(path: Path) -> bool:
    return not path.is_symlink() and (path.is_dir() or _FILE.fullmatch(path.name) is not None)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in _files(folder))
