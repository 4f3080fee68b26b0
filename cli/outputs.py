"""Where results go: file names that are free, and never a file replaced that nobody said to replace."""

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
"""Bytes of a data set's name in a file name: with a number and an ending it fits into any file system."""


def check_folder(folder: Path) -> None:
    """Raise `OSError` if the folder cannot be made, or does not take files; nothing is left of the attempt."""
    with _made(as_path(folder, "folder")) as made:
        try:
            tempfile.TemporaryFile(dir=made).close()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(made)) from error


@contextmanager
def _made(folder: Path) -> Iterator[Path]:
    """Make a folder for the time of the block; those that were not there before are gone afterwards."""
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
    """Find out before the work starts whether its result can be written to `path`.

    Raises `FastnetError` if the file exists and `overwrite` is false, and `OSError` if its folder does not take files,
    or none of that name: too long, or with characters that this file system refuses.
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
    """Make an empty file with the first free number, such as models/mnist-1.safetensors."""
    folder = as_path(folder, "folder")
    folder.mkdir(parents=True, exist_ok=True)
    stem = file_stem(name)
    for number in itertools.count(1):
        path = folder / f"{stem}-{number}{suffix}"
        try:
            path.open("x").close()
        except FileExistsError:
            continue
        return path
    raise AssertionError("unreachable")


def file_stem(name: str) -> str:
    """A name of data as the beginning of a file name: any name serves, and it stays visible and short.

    >>> file_stem("mnist"), file_stem(".hidden"), file_stem("a/b:c\\n"), file_stem("")
    ('mnist', 'hidden', 'a_b_c_', 'data')
    """
    kept = "".join("_" if char in '/\\:*?"<>|' or not char.isprintable() else char for char in name.lstrip("."))
    return os.fsencode(kept)[:LONGEST_STEM].decode(errors="ignore") or "data"


def rescue(name: str, write: Callable[[Path], None]) -> Path | None:
    """Write a result into a new folder for temporary files, where its own place takes it no more.

    Returns its path, or None if nothing can be written there either.
    """
    try:
        path = Path(tempfile.mkdtemp(prefix="fastnet-")) / name
        write(path)
    except OSError:
        return None
    return path


@contextmanager
def gone_if_empty(folder: Path) -> Iterator[Path]:
    """Take a new folder away again after the block if nothing was written into it."""
    try:
        yield folder
    finally:
        if not any(folder.iterdir()):
            folder.rmdir()


def claim_folder(parent: Path, stem: str) -> Path:
    """Make an empty folder with the first free number, such as experiments/overfit-1."""
    parent = as_path(parent, "folder")
    for number in itertools.count(1):
        folder = parent / f"{stem}-{number}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not parent.is_dir():
                raise
            continue
        return folder
    raise AssertionError("unreachable")
