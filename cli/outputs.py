"""Where results go: file names that are free, and never a file replaced that nobody said to replace."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastnet.errors import FastnetError
from fastnet.files import as_path


def check_folder(folder: Path) -> None:
    """Raise `OSError` if the folder, or the one in which it would be made, does not take files."""
    folder = as_path(folder, "folder").absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(existing)) from error


def check_writable(path: Path, *, overwrite: bool) -> None:
    """Find out before the work starts whether its result can be written to `path`.

    Raises `FastnetError` if the file exists and `overwrite` is false, and `OSError` if its folder does not take files.
    """
    if path.is_dir():
        raise FastnetError(f"{path} is a folder: give the name of a file")
    if path.exists() and not path.is_file():
        raise FastnetError(f"{path} is not a regular file: give the name of a file")
    if path.exists() and not overwrite:
        raise FastnetError(f"{path} exists: choose another name, or add --overwrite to replace it")
    check_folder(path.parent)


def claim_file(folder: Path, stem: str, suffix: str) -> Path:
    """Make an empty file with the first free number, such as models/mnist-1.safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        path = folder / f"{stem}-{number}{suffix}"
        try:
            path.open("x").close()
        except FileExistsError:
            continue
        return path
    raise AssertionError("unreachable")


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
