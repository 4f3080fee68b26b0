"""A study on disk: one SQLite file that holds the settings of a search, its trials and their curves.

The file is written in one transaction per batch of finished trials, so that at any instant, also after ``kill -9`` or a
full disk, it holds whole trials only. Trials are a pure function of the settings and their number: it does not matter
which run stored which.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastnet.errors import StudyError
from fastnet.tuning.folder import WriterLock, telling
from fastnet.tuning.result import CURVES, TrialResult

STUDY_FILE = "study.sqlite"
APPLICATION_ID = 0x666E6574  # "fnet" in the file's header: how a study is told from any other SQLite file
FORMAT_VERSION = 1

_SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE runs (id INTEGER PRIMARY KEY, started TEXT NOT NULL, environment TEXT NOT NULL, "
    "new_trials INTEGER NOT NULL, wall_seconds REAL NOT NULL, compile_seconds REAL NOT NULL, "
    "compiled_seconds REAL NOT NULL)",
    "CREATE TABLE trials (id INTEGER PRIMARY KEY, status TEXT NOT NULL, params TEXT NOT NULL, value REAL, "
    "best_value REAL, best_epoch INTEGER NOT NULL, seconds REAL NOT NULL)",
    # float32, little-endian, C order: (4, epochs), rows as in fastnet.tuning.result.CURVES
    "CREATE TABLE curves (id INTEGER PRIMARY KEY REFERENCES trials (id), curves BLOB NOT NULL)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT_VERSION}",
)


class Study:
    """An open study; make one with `Study.open` to write or `Study.read` to look.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as name, Study.open(Path(name) / "s", {"seed": 0}) as study:
    ...     study.stored_ids().tolist()
    []
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: WriterLock | None) -> None:
        self.path = path
        self._connection = connection
        self._lock = lock

    @classmethod
    def open(
        cls, folder: Path, settings: Mapping[str, Any], *, about: Mapping[str, Any] | None = None, fresh: bool = False
    ) -> Study:
        """Create a study in a folder, or open the one there to go on with it.

        Parameters
        ----------
        folder : Path
            Made if it does not exist, with its parents.
        settings : mapping
            Everything the trials follow from, ready for JSON. An existing study must have been made with the same.
        about : mapping, optional
            Ready for JSON, stored with a new study and never compared: the name of the data, sizes.
        fresh : bool
            Forget an existing study's trials and start over. A file that is not a study is never touched.

        Returns
        -------
        Study
            Locked against other writers until it is closed.

        Raises
        ------
        StudyError
            If the folder cannot be written, holds a file that is not a study, a study with other settings, or one
            that another process is writing to.
        """
        path = folder / STUDY_FILE
        lock = None
        with telling(path):
            folder.mkdir(parents=True, exist_ok=True)
            lock = WriterLock(folder)
        try:
            with telling(path):
                study = cls(path, sqlite3.connect(path, timeout=10, isolation_level=None), lock)
        except BaseException:
            lock.release()
            raise
        try:
            study._settle(settings, about or {}, fresh)
        except BaseException:
            study.close()
            raise
        return study

    @classmethod
    def read(cls, folder: Path) -> Study:
        """Open the study in a folder to read it, also while a search is writing to it.

        Raises
        ------
        StudyError
            If there is no study, or it cannot be read.
        """
        path = folder / STUDY_FILE
        if not path.is_file():
            raise StudyError(f"{folder}: there is no study here (no file {STUDY_FILE}); check the folder's name")
        # A finished study in a folder that may not be written has no room for SQLite's shared-memory file.
        left = Path(f"{path}-wal").exists() or os.access(folder, os.W_OK)
        with telling(path):
            uri = path.resolve().as_uri() + ("?mode=ro" if left else "?mode=ro&immutable=1")
            study = cls(path, sqlite3.connect(uri, uri=True, timeout=10, isolation_level=None), None)
        try:
            if study._is_empty():
                raise StudyError(f"{path}: this study was never started; run a search in its folder first")
        except BaseException:
            study.close()
            raise
        return study

    @property
    def settings(self) -> dict[str, Any]:
        """What the trials follow from."""
        return self._meta("settings")

    @property
    def about(self) -> dict[str, Any]:
        """Name and sizes of the data, as stored when the study was created."""
        return self._meta("about")

    def stored_ids(self) -> NDArray[np.int64]:
        """Return the numbers of the stored trials, (T,) int64, ascending."""
        with telling(self.path):
            rows = self._connection.execute("SELECT id FROM trials ORDER BY id").fetchall()
        return np.array([row[0] for row in rows], dtype=np.int64)

    def best_value(self) -> float | None:
        """Return the highest `TrialResult.value` stored, or None while there is none."""
        with telling(self.path):
            row = self._connection.execute("SELECT max(value) FROM trials WHERE status = 'done'").fetchone()
        return None if row[0] is None else float(row[0])

    def trials(self) -> tuple[TrialResult, ...]:
        """Return every stored trial, ordered by id."""
        with telling(self.path):
            rows = self._connection.execute(
                "SELECT id, status, params, value, best_value, best_epoch, seconds, curves "
                "FROM trials JOIN curves USING (id) ORDER BY id"
            )
            return tuple(_trial_from(row) for row in rows)

    def runs(self) -> list[dict[str, Any]]:
        """Return one record per run of a search on this study, the first run first."""
        names = ("started", "environment", "new_trials", "wall_seconds", "compile_seconds", "compiled_seconds")
        with telling(self.path):
            rows = self._connection.execute(f"SELECT {', '.join(names)} FROM runs ORDER BY id").fetchall()
        records = [dict(zip(names, row, strict=True)) for row in rows]
        return [record | {"environment": json.loads(record["environment"])} for record in records]

    def begin_run(self, environment: Mapping[str, Any]) -> int:
        """Note that a run starts, where and with which versions; return its number for `append`."""
        started = datetime.now(UTC).isoformat(timespec="seconds")
        with telling(self.path), self._transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO runs (started, environment, new_trials, wall_seconds, compile_seconds, compiled_seconds) "
                "VALUES (?, ?, 0, 0, 0, 0)",
                (started, _json(environment)),
            )
            assert cursor.lastrowid is not None
            return cursor.lastrowid

    def append(
        self,
        trials: Iterable[TrialResult],
        *,
        run: int,
        wall_seconds: float,
        compile_seconds: float,
        compiled_seconds: float,
    ) -> None:
        """Store a batch of trials and how long their run has taken so far, all or nothing.

        Parameters
        ----------
        trials : iterable of TrialResult
            A trial that is already stored is left as it is: it is the same trial.
        run : int
            From `begin_run`.
        wall_seconds, compile_seconds, compiled_seconds : float
            As in `fastnet.tuning.result.SearchResult`, up to now.

        Raises
        ------
        StudyError
            If the file cannot be written; what was stored before stays stored.
        """
        batch = list(trials)
        with telling(self.path), self._transaction() as connection:
            before = connection.total_changes
            connection.executemany(
                "INSERT OR IGNORE INTO trials VALUES (?, ?, ?, ?, ?, ?, ?)", [_row_of(trial) for trial in batch]
            )
            added = connection.total_changes - before
            connection.executemany(
                "INSERT OR IGNORE INTO curves VALUES (?, ?)",
                [(trial.id, np.ascontiguousarray(trial.curves, dtype="<f4").tobytes()) for trial in batch],
            )
            connection.execute(
                "UPDATE runs SET new_trials = new_trials + ?, wall_seconds = ?, compile_seconds = ?, "
                "compiled_seconds = ? WHERE id = ?",
                (added, wall_seconds, compile_seconds, compiled_seconds, run),
            )

    def close(self) -> None:
        """Close the file and let other writers in; a second call does nothing."""
        try:
            self._connection.close()
        finally:
            if self._lock is not None:
                self._lock.release()

    def __enter__(self) -> Study:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        self.close()
        return False

    def _settle(self, settings: Mapping[str, Any], about: Mapping[str, Any], fresh: bool) -> None:
        empty = self._is_empty()
        with telling(self.path):
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
        if not empty and not fresh:
            self._compare(settings)
            return
        with telling(self.path), self._transaction() as connection:
            for statement in _SCHEMA if empty else ():
                connection.execute(statement)
            for table in ("curves", "trials", "runs", "meta"):
                connection.execute(f"DELETE FROM {table}")
            text = _json(settings)
            values = {"settings": text, "settings_sha256": _sha256(text), "about": _json(about)}
            connection.executemany("INSERT INTO meta VALUES (?, ?)", values.items())

    def _is_empty(self) -> bool:
        """Tell an empty file (True) from a study (False); raise `StudyError` for anything else."""
        with telling(self.path):
            application = self._connection.execute("PRAGMA application_id").fetchone()[0]
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application == 0 and tables == 0:
            return True
        if application != APPLICATION_ID:
            raise StudyError(
                f"{self.path}: this is an SQLite file but not a study; choose another folder or move the file away"
            )
        if version != FORMAT_VERSION:
            raise StudyError(
                f"{self.path}: the study has file format {version}, this fastnet reads {FORMAT_VERSION}; "
                "use the fastnet that wrote it or choose another folder"
            )
        return False

    def _compare(self, settings: Mapping[str, Any]) -> None:
        if self._meta_text("settings_sha256") == _sha256(_json(settings)):
            return
        differences = describe_differences(self.settings, json.loads(_json(settings)))
        raise StudyError(
            f"{self.path}: the study was made with other settings ({differences}); give the settings it was made "
            "with, choose another folder, or start it over with fresh"
        )

    def _meta(self, key: str) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self._meta_text(key))
        return value

    def _meta_text(self, key: str) -> str:
        with telling(self.path):
            row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def describe_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Name each setting that differs between two studies.

    Parameters
    ----------
    old, new : mapping
        Settings, ready for JSON; groups of them one level deep are told by the names inside.

    Returns
    -------
    str
        ``"epochs 50 -> 10, hidden 100x6 -> 64"``, names sorted, ``none`` where a setting is missing.

    Examples
    --------
    >>> describe_differences({"train": {"epochs": 50, "seed": 0}}, {"train": {"epochs": 9, "seed": 0}, "results": 2})
    'epochs 50 -> 9, results none -> 2'
    """
    before, after = _flat(old), _flat(new)
    changed = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
    return ", ".join(f"{name} {_brief(before.get(name))} -> {_brief(after.get(name))}" for name in changed)


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat.update(value if isinstance(value, Mapping) else {name: value})
    return flat


def _brief(value: Any) -> str:
    if value is None:
        return "none"
    text = str(value)
    return text[:12] if len(text) == 64 and set(text) <= set("0123456789abcdef") else text  # a SHA-256


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _row_of(trial: TrialResult) -> tuple[Any, ...]:
    # SQLite stores a NaN as NULL
    values = (trial.value, trial.best_value, trial.best_epoch, trial.seconds)
    return (trial.id, trial.status, _json(trial.params), *values)


def _trial_from(row: tuple[Any, ...]) -> TrialResult:
    trial, status, params, value, best_value, best_epoch, seconds, blob = row
    curves = np.frombuffer(blob, dtype="<f4").reshape(len(CURVES), -1).astype(np.float32)
    value, best_value = (math.nan if number is None else number for number in (value, best_value))
    return TrialResult(trial, status, json.loads(params), value, best_value, best_epoch, curves, seconds)
