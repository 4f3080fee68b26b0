"""The folder of a study: its number, the lock of its one writer, and what can go wrong with it, in words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastnet.errors import StudyError

LOCK_FILE = "study.lock"

# What SQLite says, in the order it is looked for, and what that means to the user.
_REASONS = (
    ("full", "the disk is full; make room and run the same command again"),
    ("disk i/o", "the disk cannot be written, most likely it is full; make room and run the same command again"),
    ("readonly", "the file or its folder is read-only; choose a folder you may write to"),
    ("unable to open", "the file cannot be opened or created; choose a folder you may read and write"),
    ("not a database", "this is not a study but some other file; choose another folder or move the file away"),
    ("malformed", "the file is damaged; restore it from a copy or choose another folder"),
    ("locked", "another program holds the file locked; close it and run the same command again"),
)


class WriterLock:
    """The right to write to the study in a folder, held until `release` or the end of the process.

    Parameters
    ----------
    folder : Path
        An existing folder. An empty file named `LOCK_FILE` is left in it; removing that file on release would let two
        processes lock two different files of the same name.

    Raises
    ------
    StudyError
        If another process, or another part of this one, holds the lock.
    sqlite3.Error
        If the file cannot be opened or created.

    Notes
    -----
    The lock is an open exclusive SQLite transaction on a file that stays empty: byte-range locks on every platform,
    without a platform's own module, and gone at once after ``kill -9``. The study file itself is not locked, so that
    others can read it meanwhile.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lock = WriterLock(Path(folder))
    ...     lock.release()
    """

    def __init__(self, folder: Path) -> None:
        self._connection = sqlite3.connect(folder / LOCK_FILE, timeout=0, isolation_level=None)
        try:
            self._connection.execute("PRAGMA journal_mode=MEMORY")
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            self._connection.close()
            if "locked" in str(error):
                raise StudyError(
                    f"{folder}: another search is writing to this study; wait for it to end or choose another folder"
                ) from None
            raise

    def release(self) -> None:
        """Give the lock up; a second call does nothing."""
        self._connection.close()


def new_study_folder(root: Path) -> Path:
    """Make the next numbered folder under `root`.

    Parameters
    ----------
    root : Path
        Made if it does not exist, with its parents.

    Returns
    -------
    Path
        ``root/001``, or one more than the highest number there; empty, and given to no one else.

    Raises
    ------
    StudyError
        If it cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as root:
    ...     [new_study_folder(Path(root)).name, new_study_folder(Path(root)).name]
    ['001', '002']
    """
    with telling(root):
        root.mkdir(parents=True, exist_ok=True)
        while True:
            numbers = [int(entry.name) for entry in root.iterdir() if entry.name.isascii() and entry.name.isdigit()]
            folder = root / f"{max(numbers, default=0) + 1:03d}"
            try:
                folder.mkdir()
            except FileExistsError:  # another process was faster
                continue
            return folder


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system complain about inside the block into a `StudyError` of one sentence.

    Examples
    --------
    >>> from pathlib import Path
    >>> with telling(Path("a.sqlite")):
    ...     raise PermissionError(13, "Permission denied")
    Traceback (most recent call last):
    ...
    fastnet.errors.StudyError: a.sqlite: Permission denied; choose a folder you may read and write
    """
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if isinstance(error, sqlite3.Error):
            said = str(error).lower()
            reason = next((text for words, text in _REASONS if words in said), f"SQLite says: {error}")
        else:
            reason = f"{error.strerror or error}; choose a folder you may read and write"
        raise StudyError(f"{path}: {reason}") from error
