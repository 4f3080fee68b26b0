"""Files for results: free names, and no file replaced without permission."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fastnet.errors import FastnetError
from fastnet.files import as_path

LONGEST_STEM = 120
"""Most bytes of a data set's name in a file name: with a number and a suffix it fits into any file system."""


def check_folder(folder: Path) -> None:
    """Raise `OSError` if the folder cannot be created or written to; leaves nothing behind."""
    with _made(as_path(folder, "folder")) as made:
        try:
            tempfile.TemporaryFile(dir=made).close()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(made)) from error


@contextmanager
def _made(folder: Path) -> Iterator[Path]:
    """Create a folder for the time of the block; remove the folders created afterwards."""
    new = []
    try:
        for path in (*reversed(folder.parents), folder):
            if not path.is_dir():
                path.mkdir()
                new.append(path)
        yield folder
    finally:
        for path in reversed(new):
            with suppress(OSError):  # another process has put something into it
                path.rmdir()


def check_writable(path: Path, *, overwrite: bool) -> None:
    """Check before the work starts that its result can be written to `path`.

    Raises `FastnetError` if the file exists and `overwrite` is false, and `OSError` if its folder cannot be written to,
    or its name is too long or has characters that the file system rejects.
    """
    path = as_path(path, "path")
    if path.is_dir():
        raise FastnetError(f"{path} is a folder: give the name of a file")
    if path.exists() and not path.is_file():
        raise FastnetError(f"{path} is not a regular file: give the name of a file")
    if path.exists() and not overwrite:
        raise FastnetError(f"{path} exists: choose another name, or add --overwrite to replace it")
    check_folder(path.parent)
    if not path.exists():
        with _made(path.parent):
            path.open("x").close()
            path.unlink()


def claim_file(folder: Path, name: str, suffix: str) -> Path:
    """Create an empty file with the first free number, such as models/mnist-1.safetensors."""
    return _claim(folder, file_stem(name), suffix, lambda path: path.open("x").close())


def claim_folder(parent: Path, stem: str) -> Path:
    """Create an empty folder with the first free number, such as experiments/overfit-1."""
    return _claim(parent, stem, "", Path.mkdir)


def _claim(folder: Path, stem: str, suffix: str, create: Callable[[Path], None]) -> Path:
    folder = as_path(folder, "folder")
    folder.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        with suppress(FileExistsError):
            path = folder / f"{stem}-{number}{suffix}"
            create(path)
            return path
    raise AssertionError("unreachable")


def file_stem(name: str) -> str:
    """Return the beginning of a file name for any name of data; it is visible and short.

    >>> file_stem("mnist"), file_stem(".hidden"), file_stem("a/b:c\\n"), file_stem("")
    ('mnist', 'hidden', 'a_b_c_', 'data')
    """
    kept = "".join("_" if char in '/\\:*?"<>| ' or not char.isprintable() else char for char in name.lstrip("."))
    return os.fsencode(kept)[:LONGEST_STEM].decode(errors="ignore") or "data"


def rescue(name: str, write: Callable[[Path], None]) -> Path | None:
    """Write a result that its own folder rejects into a new temporary folder; return its path, or None on failure."""
    try:
        path = Path(tempfile.mkdtemp(prefix="fastnet-")) / name
        write(path)
    except OSError:
        return None
    return path


@contextmanager
def folder_for(given: Path | None, new: Callable[[], Path]) -> Iterator[Path]:
    """Yield the given folder, or a new one that is removed after the block if nothing was written into it."""
    folder = new() if given is None else given
    try:
        yield folder
    finally:
        if given is None and not any(folder.iterdir()):
            folder.rmdir()
