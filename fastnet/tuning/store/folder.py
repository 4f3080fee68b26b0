"""The folder of a study: its number, the lock of its one writer, its removal, and its error messages."""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from fastnet.errors import StudyError
from fastnet.files import as_path, remove_parts, shown_path
from fastnet.tuning.store.database import connect
from fastnet.tuning.store.places import NO_LOCKS, advice, lacks_locks, refusal

STUDY_FILE = "study.sqlite"
LOCK_FILE = "study.lock"
PICTURE_FILE = "best20.png"
REPORT_FILE = "report.html"
MODEL_FILE = "model.safetensors"
ENSEMBLE_FILE = "ensemble.safetensors"
APPLICATION_ID = 0x666E6574  # "fnet" in the file's header, which distinguishes a study from other SQLite files

WRITTEN = (
    STUDY_FILE,
    *(f"{STUDY_FILE}-{end}" for end in ("wal", "shm", "journal")),
    PICTURE_FILE,
    REPORT_FILE,
    MODEL_FILE,
    ENSEMBLE_FILE,
)
"""The files that a search writes into the folder of its study besides `LOCK_FILE`; `remove_study` removes them."""

LOCK_SECONDS = 0.2
"""How long a writer waits for the lock: longer than `is_being_written` and `remove_study` hold it."""

_RESTORE = "restore it from a copy or choose another folder"
_DAMAGED = f"the file is damaged; {_RESTORE}"

# Words of SQLite's messages, in the order they are searched for, and their meaning for the user.
_REASONS = (
    ("full", "the disk is full; make room and run the same command again"),
    ("disk i/o", "the disk cannot be written, most likely it is full; make room and run the same command again"),
    ("readonly", "the file or its folder is read-only; choose a folder you may write to"),
    ("unable to open", "the file cannot be opened or created; choose a folder you may read and write"),
    ("not a database", "this is not a study but some other file; choose another folder or move the file away"),
    ("malformed", _DAMAGED),
    ("decode to utf-8", _DAMAGED),
    ("too big", _DAMAGED),
    ("interrupted", _DAMAGED),  # by `fastnet.tuning.store.reading`, if a statement does not end
    ("locked", "another program holds the file locked; close it and run the same command again"),
)


class DamagedError(Exception):
    """A value in the file of a study is impossible; the text names the value, and `study_errors` the file."""


class StudyLockedError(StudyError):
    """Another program holds the file of a study locked, so that nothing can be written to it now."""


class NotStartedError(StudyError):
    """The file of a study is empty: a search that was to fill it was ended, or found no room, before it began."""


class WriterLock:
    """The right to write to the study in an existing folder, held until `release` or the end of the process.

    An empty file named `LOCK_FILE` is left in the folder; removing it on release would let two processes lock two
    different files of the same name.

    Raises
    ------
    StudyError
        If another process, or another part of this one, holds the lock.
    sqlite3.Error
        If the file cannot be opened or created.

    Notes
    -----
    The lock is an open exclusive SQLite transaction on a file that stays empty. It works on every platform without
    platform-specific modules, and ends at once after ``kill -9``. The study file itself is not locked, so that others
    can read it meanwhile.
    """

    def __init__(self, folder: Path) -> None:
        self._connection = connect(folder / LOCK_FILE, timeout=LOCK_SECONDS)
        try:
            self._connection.execute("PRAGMA journal_mode=MEMORY")
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            self._connection.close()
            if "locked" in str(error) and not lacks_locks(folder):
                raise StudyError(
                    f"{folder}: another search is writing to this study; wait for it to end or choose another folder"
                ) from None
            raise

    def release(self) -> None:
        """Release the lock; a second call does nothing."""
        self._connection.close()


def new_study_folder(root: Path) -> Path:
    """Create the next numbered folder under `root`.

    Parameters
    ----------
    root : Path
        Created with its parents if it does not exist.

    Returns
    -------
    Path
        ``root/001``, or one more than the highest number there; empty, and never returned twice.

    Raises
    ------
    StudyError
        If it cannot be created.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as root:
    ...     [new_study_folder(Path(root)).name, new_study_folder(Path(root)).name]
    ['001', '002']
    """
    root = as_path(root, "root")
    with study_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        while True:
            numbers = [int(entry.name) for entry in root.iterdir() if entry.name.isascii() and entry.name.isdigit()]
            folder = root / f"{max(numbers, default=0) + 1:03d}"
            try:
                folder.mkdir()
            except FileExistsError:  # another process was faster
                continue
            return folder


def check_links(folder: Path) -> None:
    """Raise `StudyError` if writing to a study would create a file in another folder, or fill one there.

    A study may be a link to a study elsewhere. A folder from a stranger may have links to anything.
    """
    lock, path = folder / LOCK_FILE, folder / STUDY_FILE
    astray = lock if lock.is_symlink() else path if path.is_symlink() and not _size_of(path) else None
    if astray is not None:
        raise StudyError(
            f"{astray}: is a link to {shown_path(os.readlink(astray))}, where no study is; remove the link"
        )


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def has_log(path: Path, ending: str = "wal") -> bool:
    """Whether SQLite's log of the latest writes, or its file with another `ending`, exists and is not empty.

    It lies next to the file of the study, or next to the file that a link points to.
    """
    try:
        return os.stat(f"{os.path.realpath(path)}-{ending}").st_size > 0
    except OSError:
        return False


def is_being_written(folder: Path) -> bool:
    """Return whether a process is writing to the study in a folder now, without disturbing it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     lock = WriterLock(Path(name))
    ...     held = is_being_written(Path(name))
    ...     lock.release()
    ...     held, is_being_written(Path(name))
    (True, False)
    """
    path = folder / LOCK_FILE
    if not path.is_file():
        return False
    try:
        with closing(connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=0)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except (sqlite3.Error, UnicodeError) as error:
        return "locked" in str(error) and not lacks_locks(folder)
    return False


def find_studies(root: Path) -> list[Path]:
    """List the folders of studies: `root` itself and those directly below it, numbers by value, then names.

    Raises
    ------
    StudyError
        If `root` is not a readable folder.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     (new_study_folder(Path(root)) / STUDY_FILE).touch()
    ...     [folder.name for folder in find_studies(Path(root))]
    ['001']
    """
    root = as_path(root, "root")
    if not root.is_dir():
        raise StudyError(f"{root}: no such folder; give the folder that holds studies, or one of them")
    with study_errors(root):
        below = [folder for folder in root.iterdir() if (folder / STUDY_FILE).is_file()]
    below.sort(key=lambda folder: (int(folder.name) if folder.name.isdecimal() else math.inf, folder.name))
    return [root, *below] if (root / STUDY_FILE).is_file() else below


def remove_study(folder: Path) -> list[str]:
    """Remove a study: the files that a search writes into its folder, and the folder if nothing else is in it.

    Parameters
    ----------
    folder : Path
        Its `STUDY_FILE` must be a study, of any format.

    Returns
    -------
    list of str
        Names of other files in the folder, sorted; empty if the folder is removed.

    Raises
    ------
    StudyError
        If there is no study, another process is writing to it, or a file cannot be removed.
    """
    folder = as_path(folder, "folder")
    path = folder / STUDY_FILE
    if not path.is_file() or path.is_symlink() or folder.is_symlink():
        raise StudyError(f"{folder}: no study found (no file {STUDY_FILE}); nothing was removed")
    with study_errors(path):
        _check_study(path)
        lock = WriterLock(folder)
        try:
            remove_parts(folder)
            for name in reversed(WRITTEN):
                (folder / name).unlink(missing_ok=True)
        finally:
            lock.release()
        (folder / LOCK_FILE).unlink(missing_ok=True)
        left = sorted(entry.name for entry in folder.iterdir())
        if not left:
            folder.rmdir()
        return left


def _check_study(path: Path) -> None:
    """Raise `StudyError` unless a file is a study, possibly damaged, or an empty file that a search was to fill."""
    with path.open("rb") as file:
        head = file.read(72)
    if head.startswith(b"SQLite format 3\0") and head[68:] == APPLICATION_ID.to_bytes(4, "big"):
        return
    with closing(connect(path, timeout=10)) as connection:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION_ID and (application or tables):
        raise StudyError(f"{path}: this is an SQLite file but not a study; nothing was removed")


@contextmanager
def study_errors(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and the file system, and every `DamagedError`, into a `StudyError` of one sentence.

    Examples
    --------
    >>> from pathlib import Path
    >>> with study_errors(Path("a.sqlite")):
    ...     raise PermissionError(13, "Permission denied")
    Traceback (most recent call last):
    ...
    fastnet.errors.StudyError: a.sqlite: Permission denied; choose a folder you may read and write
    """
    try:
        yield
    except DamagedError as error:
        raise StudyError(f"{path}: the file is damaged ({error}); {_RESTORE}") from error
    except UnicodeError as error:  # in SQLite's message if it cannot read the names of the tables
        raise StudyError(f"{path}: {_DAMAGED}") from error
    except sqlite3.Error as error:
        message = str(error).lower()
        reason = next((text for words, text in _REASONS if words in message), f"SQLite reports: {error}")
        locked = "locked" in message
        if "unable to open" in message:
            reason = refusal(path.parent) or reason
        elif (locked or "disk i/o" in message) and lacks_locks(path.parent):
            reason, locked = NO_LOCKS, False
        kind = StudyLockedError if locked else StudyError
        raise kind(f"{path}: {reason}") from error
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror or error}{advice(error)}") from error
