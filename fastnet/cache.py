"""The folder of compiled kernels: what it holds, and which folders beside it are of no use any more."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from fastnet.kernels import _jit

_FOLDER = re.compile(r"[0-9a-f]{16}")
_FILE = re.compile(r".+\.nb[ic](\.tmp\.[0-9a-f]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """What is kept on disk of the compiled kernels.

    Attributes
    ----------
    folder : Path or None
        Of these kernel sources, this Numba and this processor; None where nothing is kept (``FASTNET_CACHE=0``).
    functions : frozenset of str
        Files of machine code in it, one for each function.
    n_bytes : int
        Size of the folder.
    old : tuple of Path
        Folders beside it that belong to other kernel sources, another Numba or another processor.
    old_bytes : int
        Their size.
    """

    folder: Path | None
    functions: frozenset[str]
    n_bytes: int
    old: tuple[Path, ...]
    old_bytes: int


def look() -> Cache:
    """Look at what the cache holds now.

    Examples
    --------
    >>> cache = look()
    >>> cache.folder is None or cache.folder not in cache.old
    True
    """
    folder = _jit.cache_folder()
    if folder is None:
        return Cache(folder=None, functions=frozenset(), n_bytes=0, old=(), old_bytes=0)
    old = tuple(sorted(path for path in _folders(folder.parent) if path != folder))
    return Cache(
        folder=folder,
        functions=frozenset(path.relative_to(folder).as_posix() for path in folder.rglob("*.nbc")),
        n_bytes=_size(folder),
        old=old,
        old_bytes=sum(map(_size, old)),
    )


def remove_old() -> tuple[int, int]:
    """Remove the folders of other kernel sources, another Numba or another processor; return their number and size.

    What does not look like Numba's files is left alone. A process that is compiling into such a folder at this moment
    would fail to store what it compiles; one that has loaded from it goes on.

    Raises
    ------
    OSError
        If a folder cannot be removed.
    """
    cache = look()
    for folder in cache.old:
        shutil.rmtree(folder)
    return len(cache.old), cache.old_bytes


def _folders(base: Path) -> list[Path]:
    """Folders named after a hash that hold nothing but what Numba writes; `base` may be anybody's."""
    if not base.is_dir():
        return []
    named = [path for path in base.iterdir() if _FOLDER.fullmatch(path.name) and not path.is_symlink()]
    return [path for path in named if path.is_dir() and all(_is_numbas(file) for file in path.rglob("*"))]


def _is_numbas(path: Path) -> bool:
    return not path.is_symlink() and (path.is_dir() or _FILE.fullmatch(path.name) is not None)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
