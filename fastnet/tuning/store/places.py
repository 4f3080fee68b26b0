"""What a file system refuses to a study where SQLite does not say it: room, permission, locks."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

from fastnet.errors import remedy

NO_LOCKS = (
    "this file system has no locks, without which two searches could write one study; choose a folder on another one, "
    "such as a local disk"
)

_with_locks: set[Path] = set()
"""Folders in which a lock was seen to work."""

_TRIED = 1 << 16
"""Bytes that are written to see whether there is room: more than the pages of one small transaction."""


def advice(error: OSError) -> str:
    """Return what to do about an error, ready to follow its reason.

    Examples
    --------
    >>> advice(OSError(errno.ENOSPC, "No space left on device")), advice(OSError(errno.EROFS, "Read-only file system"))
    ('; make room and try again', '; choose a folder you may read and write')
    """
    refused = isinstance(error, PermissionError) or error.errno == errno.EROFS
    return ("" if refused else remedy(error)) or "; choose a folder you may read and write"


def refusal(folder: Path) -> str:
    """Return why the system lets nothing be written into a folder; empty if it does, or if there is no such folder.

    Examples
    --------
    >>> refusal(Path(tempfile.gettempdir()))
    ''
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_TRIED))
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{error.strerror or error}{advice(error)}"
    return ""


def lacks_locks(folder: Path) -> bool:
    """Return whether files in a folder can be written but not locked, as on some network file systems.

    Examples
    --------
    >>> lacks_locks(Path(tempfile.gettempdir()))
    False
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    if folder in _with_locks:
        return False
    try:
        # A file of its own: closing any file of the study would release the locks that SQLite holds on it.
        with tempfile.TemporaryFile(dir=folder) as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return True
    except OSError:
        return False
    _with_locks.add(folder)
    return False
