"""How much a file may claim: no header gets memory that is not there, and no small file unpacks without end."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, BinaryIO

from fastnet.errors import DataError
from fastnet.limits import free_memory

HARMLESS = 1 << 28
"""Bytes that any file may unpack to, however small it is."""

MOST_TIMES = 1100
"""Times its own size that a larger one may unpack to. Deflate reaches 1,032 at most, and data stay far below; bzip2 and
Zstandard can write a terabyte of zeros in a few kilobytes."""


def check_room(shown: str, needed: int, what: str) -> None:
    """Raise `DataError` if something of a file takes more memory than is free.

    Parameters
    ----------
    shown : str
        The file, for the message.
    needed : int
        Bytes.
    what : str
        What takes them, such as "its arrays take".

    Examples
    --------
    >>> check_room("a.npz", 10**15, "its arrays take")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    fastnet.errors.DataError: a.npz: its arrays take 1,000,000.0 GB of memory, and ... GB are free; give fewer ...
    """
    free = free_memory()
    if free is not None and needed > free:
        raise DataError(
            f"{shown}: {what} {needed / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB are free; give fewer samples, "
            "or get the file again if it should be smaller"
        )


def check_unpacked(shown: str, unpacked: int, packed: int) -> None:
    """Raise `DataError` if a file unpacks to very much more than its own size.

    Examples
    --------
    >>> check_unpacked("a.bz2", 10**12, 700_000)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    fastnet.errors.DataError: a.bz2: unpacks to more than 1,100 times its 700,000 bytes, beyond 268 MB; if this is ...
    """
    if unpacked > max(HARMLESS, MOST_TIMES * packed):
        raise DataError(
            f"{shown}: unpacks to more than {MOST_TIMES:,} times its {packed:,} bytes, beyond {HARMLESS / 1e6:.0f} MB; "
            "if this is right, unpack it first"
        )


class Unpacking(io.RawIOBase):
    """A stream of what a packed file contains, which ends with a `DataError` where `check_unpacked` does."""

    def __init__(self, stream: Any, path: Path) -> None:
        self._stream, self._shown = stream, str(path)
        self._packed, self._unpacked = path.stat().st_size, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; return the number of bytes."""
        view = memoryview(buffer).cast("B")
        part = self._stream.read(len(view))
        view[: len(part)] = part
        self._unpacked += len(part)
        check_unpacked(self._shown, self._unpacked, self._packed)
        return len(part)

    def close(self) -> None:
        """Close the file, too."""
        self._stream.close()
        super().close()


def unpacking(stream: Any, path: Path) -> BinaryIO:
    """Return a buffered stream of a packed file's content, checked on the way."""
    return io.BufferedReader(Unpacking(stream, path), 1 << 16)
