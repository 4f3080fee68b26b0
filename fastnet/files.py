"""Writing a file whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fastnet.errors import FastnetError


def replace_file(path: Path, content: bytes) -> None:
    """Write a file beside its final place, then move it there: readers see the old content or the new, never a part.

    Parameters
    ----------
    path : Path
        Where to; its folder must exist. A file of that name is replaced.
    content : bytes
        What to write.

    Raises
    ------
    OSError
        If the folder is missing, read-only or full, with `path` as its file name; nothing is left behind.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     replace_file(Path(folder) / "a.txt", b"new")
    ...     (Path(folder) / "a.txt").read_bytes()
    b'new'
    """
    with replacing_file(path) as stream:
        stream.write(content)


def write_result(path: Path, content: bytes, failure: str) -> None:
    """Write a file as `replace_file` does, in a folder that is made if it does not exist.

    Parameters
    ----------
    path : Path
        Where to.
    content : bytes
        What to write.
    failure : str
        What to say where that fails, such as "the picture cannot be written".

    Raises
    ------
    FastnetError
        If the file cannot be written, with the reason; nothing is left behind.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_result(Path(folder) / "new" / "a.txt", b"new", "the text cannot be written")
    ...     (Path(folder) / "new" / "a.txt").read_bytes()
    b'new'
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)
    except OSError as error:
        raise FastnetError(f"{path}: {failure} ({error.strerror or error})") from error


@contextmanager
def replacing_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside its final place for a block, and move it there when the block ends without an exception.

    Parameters and exceptions are those of `replace_file`; what else the block raises is passed on.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing_file(Path(folder) / "a.txt") as stream:
    ...         _ = stream.write(b"bit by bit")
    ...     (Path(folder) / "a.txt").read_bytes()
    b'bit by bit'
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as stream:
            yield stream
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
