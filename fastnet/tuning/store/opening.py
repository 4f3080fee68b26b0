"""The file of a study, opened to read: found, checked, closed."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from fastnet.errors import StudyError, warn
from fastnet.files import as_path
from fastnet.tuning.store.database import connect
from fastnet.tuning.store.folder import APPLICATION_ID, STUDY_FILE, WriterLock, has_log, is_being_written, telling
from fastnet.tuning.store.reading import StudyReader
from fastnet.tuning.store.records import FORMAT_VERSION, check_tables

BUSY_SECONDS = 10.0
"""How long SQLite itself waits for the short locks of readers; nothing else can be done meanwhile."""

# A search keeps its latest trials in a second file, the log, until SQLite moves them to the first. That one says so all
# the while, with the number that the file system knows it by. A copy says so too, and has another number: without the
# log it is a study with a part missing.
WRITING = "INSERT OR REPLACE INTO meta VALUES ('writing', ?)"
NOT_WRITING = "DELETE FROM meta WHERE key = 'writing'"
COPY_BOTH = f"copy {STUDY_FILE}-wal along with it, where the latest trials are, or copy once the search has ended"


class StudyFile(StudyReader):
    """What reading and writing a study have in common: its file, open until it is closed."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: WriterLock | None = None) -> None:
        super().__init__(path, connection)
        self._lock = lock
        self._wrote = False

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Open the study in a folder to read it, also while a search is writing to it.

        Raises
        ------
        StudyError
            If there is no study, or it cannot be read.
        """
        folder = as_path(folder, "folder")
        path = folder / STUDY_FILE
        if not path.is_file():
            raise StudyError(f"{folder}: no study found (no file {STUDY_FILE}); check the folder's name")
        # Where it may write, SQLite removes its files beside the study's when the last reader leaves, so let it. A
        # finished study in a folder that may not be written has no room for them, and needs none.
        had_log = has_log(path)
        may_write = os.access(folder, os.W_OK) and os.access(path, os.W_OK)
        if had_log and not may_write and not has_log(path, "shm"):
            raise StudyError(
                f"{path}: the latest trials are in {STUDY_FILE}-wal, which SQLite reads only in a folder that may be "
                "written; copy both files to one"
            )
        mode = "mode=rw" if may_write else "mode=ro" if had_log else "mode=ro&immutable=1"
        with telling(path):
            uri = f"{path.resolve().as_uri()}?{mode}"
            study = cls(path, connect(uri, uri=True, timeout=BUSY_SECONDS))
        try:
            study._check_whole(had_log=had_log, may_write=may_write)
            with telling(path):
                study._connection.execute("PRAGMA query_only = ON")
        except BaseException:
            study.close()
            raise
        return study

    def close(self) -> None:
        """Close the file and let other writers in; a second call does nothing."""
        try:
            if self._wrote:
                self._wrote = False
                with suppress(sqlite3.Error):  # then the log stays too, and nothing is missing
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
        """Tell an empty file (True) from a study (False); raise `StudyError` for anything else."""
        with telling(self.path):
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
            raise StudyError(
                f"{self.path}: the study has file format {version}, this fastnet reads {FORMAT_VERSION}; "
                "use the fastnet that wrote it, or choose another folder for a new study"
            )
        with telling(self.path):
            check_tables(tables)
        return False

    def _check_whole(self, *, had_log: bool, may_write: bool) -> None:
        """Raise `StudyError` unless this is a study with something in it, and warn if a part of it is missing."""
        if self._is_empty():
            with telling(self.path):
                mode = self._journal_mode()
            if mode == "wal" and not had_log:
                raise StudyError(
                    f"{self.path}: nothing is in this file; if it was copied while a search was writing, {COPY_BOTH}"
                )
            raise StudyError(f"{self.path}: this study was never started; run a search in its folder first")
        if not had_log:
            self._warn_of_a_part()
        elif may_write and not is_being_written(self.path.parent):  # SQLite takes the log over now: it is whole
            with suppress(sqlite3.Error):
                self._connection.execute(NOT_WRITING)

    def _warn_of_a_part(self) -> None:
        """Warn if the file was copied while a search was writing to it, which keeps its latest trials in another."""
        with telling(self.path):
            written = self._meta("writing")
            copied = written is not None and str(written) != str(self.path.stat().st_ino)
        if copied and (self._lock is not None or not is_being_written(self.path.parent)):
            warn(
                f"{self.path}: the latest trials are missing, for this file was copied while a search was writing; "
                f"{COPY_BOTH}"
            )

    def _journal_mode(self) -> str:
        """Return ``wal`` for a file that was ever written to by a search, also where nothing is in it."""
        return str(self._connection.execute("PRAGMA journal_mode").fetchone()[0])
