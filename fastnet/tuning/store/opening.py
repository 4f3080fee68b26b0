"""Opening the file of a study: finding, checking and closing it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from fastnet._version import __version__
from fastnet.errors import StudyError, warn
from fastnet.files import as_path
from fastnet.tuning.store.database import connect
from fastnet.tuning.store.folder import (
    APPLICATION_ID,
    STUDY_FILE,
    NotStartedError,
    WriterLock,
    has_log,
    is_being_written,
    study_errors,
)
from fastnet.tuning.store.places import lacks_locks
from fastnet.tuning.store.reading import StudyReader
from fastnet.tuning.store.records import FORMAT_VERSION, check_tables

BUSY_SECONDS = 10.0
"""How long SQLite itself waits, without interruption, for the short locks of readers."""

# During a search, the latest trials are in a second file, the log, until SQLite moves them to the first. The first one
# is marked meanwhile with its own inode number. A copy keeps the mark but has another number, so a copy without the log
# is recognized as a study with a part missing.
WRITING = "INSERT OR REPLACE INTO meta VALUES ('writing', ?)"
NOT_WRITING = "DELETE FROM meta WHERE key = 'writing'"
COPY_BOTH = f"copy {STUDY_FILE}-wal along with it, where the latest trials are, or copy once the search has ended"

_ALONE = "mode=ro&immutable=1"
"""How SQLite opens a file without any other files next to it."""


def _lacks_room(error: StudyError) -> bool:
    """Whether SQLite could not create, fill or lock the files that it wants next to the file of a study."""
    name = str(getattr(error.__cause__, "sqlite_errorname", ""))
    return name.startswith(("SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_READONLY", "SQLITE_PROTOCOL"))


class StudyFile(StudyReader):
    """The open file of a study, the common base of reading and writing."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: WriterLock | None = None) -> None:
        super().__init__(path, connection)
        self._lock = lock
        self._wrote = False

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Open the study in a folder for reading, also while a search is writing to it.

        Raises
        ------
        StudyError
            If there is no study, or it cannot be read.
        """
        folder = as_path(folder, "folder")
        path = folder / STUDY_FILE
        if not path.is_file():
            raise StudyError(f"{folder}: no study found (no file {STUDY_FILE}); check the folder's name")
        # In a writable folder SQLite removes its additional files when the last reader leaves. A finished study in a
        # read-only folder has no room for them and needs none.
        had_log = has_log(path)
        may_write = os.access(folder, os.W_OK) and os.access(path, os.W_OK)
        if had_log and not may_write and not has_log(path, "shm"):
            raise StudyError(
                f"{path}: the latest trials are in {STUDY_FILE}-wal, which SQLite reads only in a writable folder; "
                "copy both files to one"
            )
        if not had_log and (not may_write or lacks_locks(folder)):
            return cls._read(path, _ALONE, had_log=False, may_write=False)
        mode = "mode=rw" if may_write else "mode=ro"
        try:
            return cls._read(path, mode, had_log=had_log, may_write=may_write)
        except StudyError as error:
            if had_log or not _lacks_room(error) or is_being_written(folder):
                raise
            return cls._read(path, _ALONE, had_log=had_log, may_write=False)

    @classmethod
    def _read(cls, path: Path, mode: str, *, had_log: bool, may_write: bool) -> Self:
        with study_errors(path):
            uri = f"{path.resolve().as_uri()}?{mode}"
            study = cls(path, connect(uri, uri=True, timeout=BUSY_SECONDS))
        try:
            study._check_whole(had_log=had_log, may_write=may_write)
            with study_errors(path):
                study._connection.execute("PRAGMA query_only = ON")
        except BaseException:
            study.close()
            raise
        return study

    def close(self) -> None:
        """Close the file and release its lock; a second call does nothing."""
        try:
            if self._wrote:
                self._wrote = False
                with suppress(sqlite3.Error):  # the log then stays too, and nothing is missing
                    self._connection.execute("PRAGMA busy_timeout = 200")
                    self._connection.execute(NOT_WRITING)
            self._connection.close()
        finally:
            if self._lock is not None:
                self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        self.close()
        return False

    def _is_empty(self) -> bool:
        """Return True for an empty file and False for a study; raise `StudyError` for anything else."""
        with study_errors(self.path):
            application = self._connection.execute("PRAGMA application_id").fetchone()[0]
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            tables = dict(self._connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
        if application == 0 and not tables:
            return True
        if application != APPLICATION_ID:
            raise StudyError(
                f"{self.path}: this is an SQLite file but not a study; choose another folder or move the file away"
            )
        if version != FORMAT_VERSION:
            made = "a newer" if version > FORMAT_VERSION else "an older"
            raise StudyError(
                f"{self.path}: the study has file format {version}, and fastnet {__version__} reads {FORMAT_VERSION}; "
                f"use the fastnet that wrote it, {made} one, or choose another folder for a new study"
            )
        with study_errors(self.path):
            check_tables(tables)
        return False

    def _check_whole(self, *, had_log: bool, may_write: bool) -> None:
        """Raise `StudyError` unless this is a study that was started, and warn if a part of it is missing."""
        if self._is_empty():
            with study_errors(self.path):
                mode = self._journal_mode()
            if mode == "wal" and not had_log:
                raise StudyError(
                    f"{self.path}: this file is empty; if it was copied while a search was writing, {COPY_BOTH}"
                )
            raise NotStartedError(f"{self.path}: this study was never started; run a search in its folder first")
        if not had_log:
            self._warn_of_a_part()
        elif may_write and not is_being_written(self.path.parent):  # SQLite takes the log over now: it is whole
            with suppress(sqlite3.Error):
                self._connection.execute(NOT_WRITING)

    def _warn_of_a_part(self) -> None:
        """Warn if the file was copied while a search was writing, because the latest trials were then in the log."""
        with study_errors(self.path):
            written = self._meta("writing")
            copied = written is not None and str(written) != str(self.path.stat().st_ino)
        if copied and (self._lock is not None or not is_being_written(self.path.parent)):
            warn(
                f"{self.path}: the latest trials are missing because this file was copied while a search was writing; "
                f"{COPY_BOTH}"
            )

    def _journal_mode(self) -> str:
        """Return ``wal`` for a file that a search has written to, even if it is empty."""
        return str(self._connection.execute("PRAGMA journal_mode").fetchone()[0])
