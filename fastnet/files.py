"""Paths as users write them, and files that are written completely or not at all."""

from __future__ import annotations

import math
import os
import platform
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from fastnet.errors import ConfigError, FastnetError, remedy

NO_CURRENT_FOLDER = "the current folder no longer exists; change to another one, or give absolute paths"

DAY = 86_400

_PART = re.compile(r"\.(?P<pid>\d{1,10})-(?P<place>[0-9a-f]{8})-\w+\.part", re.ASCII)
_TEMPORARY = re.compile(r"fastnet-(?P<pid>\d{1,10})-(?P<place>[0-9a-f]{8})-\w+", re.ASCII)


def as_path(given: str | bytes | os.PathLike[str] | os.PathLike[bytes], name: str) -> Path:
    """Read a path as a user gives it; a leading ``~`` or ``~user`` is a home folder.

    Parameters
    ----------
    given : str, bytes or path-like
        Where the user or the home folder is unknown, a name such as ``~notes`` is taken literally if a file of that
        name exists.
    name : str
        Name of the argument or setting, for errors.

    Returns
    -------
    Path
        Relative where `given` is.

    Raises
    ------
    ConfigError
        If it is not a path, is empty, contains a null character, or begins with a ``~`` that cannot be resolved.
    FastnetError
        If it is relative and the current folder no longer exists.

    Examples
    --------
    >>> as_path("~/first.safetensors", "path").parent == Path.home()
    True
    >>> as_path("", "study")
    Traceback (most recent call last):
    ...
    fastnet.errors.ConfigError: study is empty: give the path of a file or folder
    """
    if not isinstance(given, (str, bytes, os.PathLike)):
        raise ConfigError(f"{name} is {given!r}: give a path, as text or as pathlib.Path")
    text = os.fsdecode(given)
    if not text:
        raise ConfigError(f"{name} is empty: give the path of a file or folder")
    if "\0" in text:
        raise ConfigError(f"{name} {text!r}: a path cannot contain a null character")
    if text.startswith("~") and (expanded := os.path.expanduser(text)) != text:
        text = expanded
    elif text.startswith("~") and not os.path.lexists(text):
        user = text[1:].partition("/")[0]
        unknown = f"unknown user {user!r}" if user else "the home folder is unknown because HOME is not set"
        raise ConfigError(f"{name} {text!r}: {unknown}; write the path in full, or ./{text} for a file of that name")
    path = Path(text)
    if not path.is_absolute() and not current_folder_exists():
        raise FastnetError(f"{path}: {NO_CURRENT_FOLDER}")
    return path


def shown_path(path: str | os.PathLike[str]) -> str:
    """Write a path or a part of one as text that can be stored and printed, whatever bytes it contains."""
    return os.fsencode(path).decode("utf-8", "replace")


def user_cache() -> Path | None:
    """Return fastnet's folder in the user's cache; None for a user without a home folder."""
    from platformdirs import user_cache_path

    try:
        folder = user_cache_path("fastnet", appauthor=False)
    except RuntimeError:
        return None
    return folder if folder.is_absolute() else None  # versions of platformdirs differ in what they do without a home


def current_folder_exists() -> bool:
    """Return whether the folder that relative paths start from exists."""
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def replace_file(path: Path, content: bytes) -> None:
    """Write a file next to its destination, then move it there: readers see the old content or the new, never a part.

    The folder must exist. Raises `OSError`, with `path` as its file name, if the folder is missing, read-only or full;
    nothing is left behind.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     replace_file(Path(folder) / "a.txt", b"new")
    ...     (Path(folder) / "a.txt").read_bytes()
    b'new'
    """
    with replacing_file(path) as stream:
        stream.write(content)


def write_result(path: Path, content: bytes, failure: str) -> None:
    """Write a file as `replace_file` does, and create its folder if necessary.

    Raises `FastnetError` with the `failure`, such as "the picture cannot be written", and the reason if it cannot be
    written; nothing is left behind.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_result(Path(folder) / "new" / "a.txt", b"new", "the text cannot be written")
    ...     (Path(folder) / "new" / "a.txt").read_bytes()
    b'new'
    """
    path = as_path(path, "path")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)
    except OSError as error:
        raise FastnetError(f"{path}: {failure} ({error.strerror or error}){remedy(error)}") from error


@contextmanager
def replacing_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file next to `path` for the block, and move it there if the block ends without an exception.

    It raises what `replace_file` raises, and passes on any other exception of the block.
    """
    temporary = part_next_to(path)
    try:
        with temporary.open("wb") as stream:
            remove_parts(path.parent, os.fstat(stream.fileno()).st_mtime)
            yield stream
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):  # in a folder that became read-only the first error tells more
            temporary.unlink(missing_ok=True)


def part_next_to(path: Path) -> Path:
    """Return the name of a new file next to another, which `remove_parts` knows if this process is killed.

    It is short, so that any name works that the file system allows, and random, because threads of one process may meet
    there.
    """
    return path.with_name(f".{os.getpid()}-{_place()}-{os.urandom(4).hex()}.part")


def temporary_prefix() -> str:
    """Return how the names of temporary files and folders begin, which `remove_temporary` knows."""
    return f"fastnet-{os.getpid()}-{_place()}-"


def remove_parts(folder: Path, now: float = -math.inf) -> None:
    """Remove the files that killed processes were writing in a folder.

    Parameters
    ----------
    folder : Path
    now : float, optional
        Time of a file that was written to the folder just now, by the clock of its file system. What other machines
        began is then removed after a day.
    """
    for entry in _named(folder, _PART):
        found = _PART.fullmatch(entry.name)
        assert found is not None
        with suppress(OSError):
            if _is_abandoned(found) or now - entry.stat(follow_symlinks=False).st_mtime > DAY:
                os.unlink(entry)


def remove_temporary(folder: Path) -> None:
    """Remove the temporary files and folders that killed processes of this machine and user have left in a folder."""
    for entry in _named(folder, _TEMPORARY):
        found = _TEMPORARY.fullmatch(entry.name)
        assert found is not None
        with suppress(OSError):
            own = not hasattr(os, "getuid") or entry.stat(follow_symlinks=False).st_uid == os.getuid()
            if own and _is_abandoned(found):
                shutil.rmtree(entry) if entry.is_dir(follow_symlinks=False) else os.unlink(entry)


def _named(folder: Path, names: re.Pattern[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if names.fullmatch(entry.name)]
    except OSError:
        return []


def _is_abandoned(found: re.Match[str]) -> bool:
    """Whether the process that a name tells of ran here and runs no more."""
    if found["place"] != _place() or os.name == "nt":  # where a signal to look for a process would end it
        return False
    try:
        os.kill(int(found["pid"]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        pass
    return False


@cache
def _place() -> str:
    """Return a name of where the numbers of processes are this process's: machine, start of the system, container."""
    parts = [platform.node()]
    with suppress(OSError):
        parts += [Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"), os.readlink("/proc/self/ns/pid")]
    return f"{zlib.crc32(' '.join(parts).encode(errors='replace')):08x}"
