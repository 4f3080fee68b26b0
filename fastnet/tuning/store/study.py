"""The file of a study: settings, trials, learning curves, stages and runs in SQLite.

One process writes; any number can read at the same time. At any moment, even after ``kill -9`` or with a full disk, the
file contains only whole batches of trials, each from one call of `Study.append`; a search appends whole packs. Trials
are a pure function of the settings and their number, so it does not matter which run stored which.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from fastnet._version import __version__
from fastnet.errors import StudyError, warn
from fastnet.files import as_path
from fastnet.tuning.store.database import connect
from fastnet.tuning.store.folder import STUDY_FILE, WriterLock, check_links, has_log, study_errors
from fastnet.tuning.store.opening import BUSY_SECONDS, COPY_BOTH, WRITING, StudyFile
from fastnet.tuning.store.records import (
    INSERT_CURVES,
    INSERT_TRIAL,
    SCHEMA,
    TABLES,
    as_json,
    curves_row,
    describe_differences,
    now,
    sha256_of,
    trial_row,
)
from fastnet.tuning.store.stored import StoredTrials
from fastnet.tuning.trial import STATUSES, TrialResult
from fastnet.tuning.view.plotted import StudyFigures

PATIENCE_SECONDS = 300.0
"""How long a writer waits while another program, such as a backup or a virus scanner, holds the file locked."""

RETRY_SECONDS = 0.1


class Study(StudyFile, StudyFigures):
    """An open study; `Study.open` opens it for writing, `Study.read` for reading.

    Attributes
    ----------
    while_locked : callable
        Called several times a second while a transaction waits for another program that holds the file locked, with
        the seconds it has waited; returning True ends the wait with an error.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as name, Study.open(Path(name) / "s", {"seed": 0}) as study:
    ...     study.stored_ids().tolist()
    []
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, lock: WriterLock | None = None, *, curves: bool = True
    ) -> None:
        super().__init__(path, connection, lock)
        self._curves = curves
        self.while_locked: Callable[[float], bool] = lambda seconds: False

    @classmethod
    def open(
        cls,
        folder: Path,
        settings: Mapping[str, Any],
        *,
        about: Mapping[str, Any] | None = None,
        fresh: bool = False,
        curves: bool = True,
    ) -> Study:
        """Create a study in a folder, or open the one there to continue it.

        Parameters
        ----------
        folder : Path
            Created with its parents if it does not exist.
        settings : mapping
            Everything that determines the trials, ready for JSON. An existing study must have the same settings.
        about : mapping, optional
            Name and sizes of the data, ready for JSON, stored with a new study and never compared.
        fresh : bool
            Whether to delete an existing study's trials and start over. A file that is not a study is never touched.
        curves : bool
            Whether `append` stores learning curves, 16 bytes per epoch that ran; never compared.

        Returns
        -------
        Study
            Locked against other writers until it is closed.

        Raises
        ------
        StudyError
            If the folder cannot be written, or contains a file that is not a study, a study with other settings, or one
            that another process is writing to.
        """
        folder = as_path(folder, "folder")
        path = folder / STUDY_FILE
        lock = None
        had_log = has_log(path)
        with study_errors(path):
            folder.mkdir(parents=True, exist_ok=True)
            check_links(folder)
            lock = WriterLock(folder)
        try:
            with study_errors(path):
                study = cls(path, connect(path, timeout=BUSY_SECONDS), lock, curves=curves)
        except BaseException:
            lock.release()
            raise
        try:
            study._settle(settings, about or {}, fresh, had_log)
        except BaseException:
            study.close()
            raise
        return study

    def _viewed(self) -> Self:
        return type(self).read(self.path.parent)  # also once this one is closed

    def _repr_html_(self) -> str:
        """Show the best trials, the curves of the best one and what to do next, in a notebook."""
        from fastnet.tuning.view.shown import LISTED, study_html

        with self._viewed() as study:
            counts = {status: study.count(status) for status in STATUSES}
            reports = [stage["report"] or {} for stage in study.stages()]
            advice, final = (reports[-1] if reports else {}).get("recommendation"), study.final()
            sentences = [] if advice is None else [advice["words"]]
            sentences += [] if final is None else [f"Final choice: {final['words']}"]
            return study_html(self.path.parent.name, counts, study.best(LISTED), study.metric, sentences)

    def trials(self) -> StoredTrials:
        """Return all stored trials, ordered by id, as a sequence that opens the file and reads them at each access.

        It can still be used after the study is closed.
        """
        return StoredTrials(self.path.parent)

    def begin_run(self, environment: Mapping[str, Any]) -> int:
        """Record the start of a run and its environment, ready for JSON; return its number for `append`."""
        with study_errors(self.path), self._transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO runs (started, environment, new_trials, wall_seconds, compile_seconds, compiled_seconds) "
                "VALUES (?, ?, 0, 0, 0, 0)",
                (now(), as_json(environment)),
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
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """Store a batch of trials and the times of their run so far, all or nothing.

        Parameters
        ----------
        trials : iterable of TrialResult
            A trial that is already stored is skipped, because it is the same.
        run : int
            From `begin_run`.
        wall_seconds, compile_seconds, compiled_seconds : float
            As in `fastnet.SearchResult`, up to now.
        patience : float
            Seconds to wait while another program holds the file locked; 0 to try once.

        Raises
        ------
        StudyLockedError
            If it is locked for longer; nothing of the batch is stored.
        StudyError
            If the file cannot be written; earlier batches remain stored.
        """
        batch = list(trials)
        with study_errors(self.path), self._transaction(patience) as connection:
            before = connection.total_changes
            connection.executemany(INSERT_TRIAL, map(trial_row, batch))
            added = connection.total_changes - before
            if self._curves:
                connection.executemany(INSERT_CURVES, map(curves_row, batch))
            connection.execute(
                "UPDATE runs SET new_trials = new_trials + ?, wall_seconds = ?, compile_seconds = ?, "
                "compiled_seconds = ? WHERE id = ?",
                (added, wall_seconds, compile_seconds, compiled_seconds, run),
            )

    def append_stage(
        self,
        number: int,
        first: int,
        count: int,
        space: Mapping[str, str],
        report: Mapping[str, Any] | None = None,
    ) -> None:
        """Store a stage or, called again for the same number, its report.

        Parameters
        ----------
        number : int
            From 1.
        first, count : int
            Lowest number, and number, of its trials.
        space : mapping of str to str
            Its ranges, in text form.
        report : mapping, optional
            Ready for JSON, once the stage has ended.
        """
        ended = None if report is None else as_json(report, ordered=True)
        values = (number, first, count, as_json(space, ordered=True), ended)
        self._write("INSERT OR REPLACE INTO stages VALUES (?, ?, ?, ?, ?)", *values)

    def set_final(self, document: Mapping[str, Any]) -> None:
        """Store the final choice, replacing an earlier one.

        Parameters
        ----------
        document : mapping
            Ready for JSON: candidates, repeats with their seeds, the choice, score and loss on the test set. The time
            is added as ``decided``.
        """
        text = as_json({**document, "decided": now()}, ordered=True)
        self._write_result("INSERT OR REPLACE INTO final VALUES (1, ?)", text)

    def set_ensemble(self, document: Mapping[str, Any]) -> None:
        """Store the ensemble of the best trials, replacing an earlier one.

        Parameters
        ----------
        document : mapping
            Ready for JSON, see `fastnet.tuning.run.ensemble`. The time is added as ``made``.
        """
        text = as_json({**document, "made": now()}, ordered=True)
        self._write_result("INSERT OR REPLACE INTO meta VALUES ('ensemble', ?)", text)

    def set_inspection(self, document: Mapping[str, Any]) -> None:
        """Store what was measured about the model of the study, replacing an earlier document.

        Parameters
        ----------
        document : mapping
            Ready for JSON, see `fastnet.tuning.run.inspecting`.
        """
        self._write("INSERT OR REPLACE INTO meta VALUES ('inspection', ?)", as_json(document, ordered=True))

    def set_plan(self, document: Mapping[str, Any]) -> None:
        """Store the plan of the study and the place of its data, ready for JSON, replacing an earlier plan."""
        text = as_json(document)
        with study_errors(self.path):
            before = self._meta("plan")
        if text != before:
            self._write("INSERT OR REPLACE INTO meta VALUES ('plan', ?)", text)

    def note_test_use(self, document: Mapping[str, Any]) -> None:
        """Record that the test set is used now, with a document ready for JSON, such as the trial that is tested.

        A use whose result was not stored, because the search was killed, is the same when it is repeated.
        """
        text = as_json(document, ordered=True)
        with study_errors(self.path), self._transaction() as connection:
            if self._meta("testing") == text:
                return
            connection.execute("INSERT INTO test_uses (at, document) VALUES (?, ?)", (now(), text))
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('testing', ?)", (text,))

    def _settle(self, settings: Mapping[str, Any], about: Mapping[str, Any], fresh: bool, had_log: bool) -> None:
        empty = self._is_empty()
        with study_errors(self.path):
            if empty and not had_log and self._journal_mode() == "wal":
                warn(
                    f"{self.path}: this file is empty, so all trials are trained; if it was copied while a search was "
                    f"writing, {COPY_BOTH}"
                )
            if not empty:
                self._log_writes()
        if not empty and not fresh:
            self._compare(settings)
            for _ in self.iter_columns():  # finds damage now instead of after the last trial
                pass
            if not had_log:
                self._warn_of_a_part()
            return
        self._begin_anew(settings, about, empty)

    def _log_writes(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")

    def _begin_anew(self, settings: Mapping[str, Any], about: Mapping[str, Any], empty: bool) -> None:
        """Write the settings into an empty file, or over another study; the file has them before there is a log."""
        with study_errors(self.path), self._transaction() as connection:
            for statement in SCHEMA if empty else ():
                connection.execute(statement)
            for table in TABLES:
                connection.execute(f"DELETE FROM {table}")
            text = as_json(settings)
            values = {"settings": text, "settings_sha256": sha256_of(text), "about": as_json(about), "created": now()}
            connection.executemany("INSERT INTO meta VALUES (?, ?)", values.items())
        with study_errors(self.path):
            self._log_writes()

    def _compare(self, settings: Mapping[str, Any]) -> None:
        text = as_json(settings)
        if self.settings_sha256 == sha256_of(text):
            return
        if self.settings.get("results_version") != settings.get("results_version"):
            raise StudyError(
                f"{self.path}: {self._written_by()} made this study, and fastnet {__version__} trains other weights "
                "from the same seeds: show and export it here, continue it with that one, or begin a new study, with "
                "enqueue to try its best trials first"
            )
        differences = describe_differences(self.settings, json.loads(text))
        raise StudyError(
            f"{self.path}: the study has other settings ({differences}); give the settings it was made with, choose "
            "another folder, or start over with fresh"
        )

    def _written_by(self) -> str:
        """Return the name and version of what last trained trials of this study."""
        runs = self.runs()
        version = runs[-1]["environment"].get("fastnet") if runs else None
        return f"fastnet {version}" if version and version != __version__ else "another version of fastnet"

    def _write(self, statement: str, *values: Any) -> None:
        with study_errors(self.path), self._transaction() as connection:
            connection.execute(statement, values)

    def _write_result(self, statement: str, text: str) -> None:
        """Store what a use of the test set has shown, if there was one."""
        with study_errors(self.path), self._transaction() as connection:
            connection.execute(statement, (text,))
            connection.execute("DELETE FROM meta WHERE key = 'testing'")

    @contextmanager
    def _transaction(self, patience: float = PATIENCE_SECONDS) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        self._begin(patience)
        try:
            yield connection
            connection.execute(WRITING, (str(self.path.stat().st_ino),))
            connection.execute("COMMIT")
            self._wrote = True
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _begin(self, patience: float) -> None:
        """Begin a transaction; the wait for a lock of another program is in Python, where Ctrl-C can end it."""
        connection, began = self._connection, time.monotonic()
        self._steps = 0
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    connection.execute("BEGIN IMMEDIATE")
                    return
                except sqlite3.OperationalError as error:
                    waited = time.monotonic() - began
                    if "locked" not in str(error) or waited >= patience or self.while_locked(waited):
                        raise
                time.sleep(RETRY_SECONDS)
        finally:
            connection.execute(f"PRAGMA busy_timeout = {1000 * BUSY_SECONDS:.0f}")
