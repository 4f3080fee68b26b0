"""Queries of a study: everything that can be read from its file without reading all of it."""

from __future__ import annotations

import operator
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.config.metric import DEFAULT_METRIC, score_of_settings, sign
from fastnet.errors import ConfigError, StudyError
from fastnet.tuning.store import bulk, documents
from fastnet.tuning.store.documents import Rules
from fastnet.tuning.store.folder import DamagedError, study_errors
from fastnet.tuning.store.kinds import found_types, path_of, types_of
from fastnet.tuning.store.records import TRIAL_COLUMNS, sha256_of, trial_from
from fastnet.tuning.store.shapes import MOST_TRIALS, read_document, read_number, read_text, read_whole
from fastnet.tuning.trial import TrialResult
from fastnet.tuning.view.columns import Columns

FIELDS = ("id", "stage", "status", "value", "best_value", "best_epoch", "epochs", "seconds")
"""Names that trials can be ordered by, in addition to ``"best"`` and the hyperparameters."""

_FALLING = ("value", "best_value")  # the best first, whatever the metric

STEPS = 100_000
"""SQLite instructions, a millisecond or two, between checks whether a statement takes too long."""

LEAST_STEPS = 100
"""Checks that a statement always passes."""

STEPS_OF_A_BYTE = 20
"""Further instructions allowed per byte of the file. Ordering trials takes 0.6 if no curves are stored."""


class StudyReader:
    """The reading half of `fastnet.tuning.store.study.Study`.

    Everything is checked when it is read; damaged values raise `StudyError`.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._rules: tuple[str, Rules] | None = None  # with the text of the settings they follow from
        self._steps = 0
        connection.set_progress_handler(self._is_too_long, STEPS)

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that determine the trials."""
        with study_errors(self.path):
            return self._settings()

    @property
    def about(self) -> dict[str, Any]:
        """Name and sizes of the data, as stored when the study was created."""
        with study_errors(self.path):
            return dict(read_document(self._meta("about"), documents.ABOUT, "about"))

    @property
    def created(self) -> str:
        """When the study was created, in UTC, ISO 8601."""
        with study_errors(self.path):
            return read_text(self._meta("created"), "created")

    @property
    def settings_sha256(self) -> str:
        """Hash of the settings, 64 hexadecimal digits: studies with the same hash have the same trials."""
        with study_errors(self.path):
            return sha256_of(self._settings_text())

    @property
    def metric(self) -> str:
        """How trials are compared, a name in `fastnet.config.metric.METRICS`."""
        return str(self.settings.get("metric", DEFAULT_METRIC))

    @property
    def score(self) -> str:
        """The score of its trials: ``accuracy`` of classes and labels; ``rmse``, ``mae`` or ``pinball``."""
        return score_of_settings(self.settings.get("train")).name

    def stored_ids(self) -> NDArray[np.int64]:
        """Return the numbers of the stored trials, (T,) int64, ascending."""
        with study_errors(self.path):
            rows = self._execute("SELECT id FROM trials ORDER BY id")
            ids = np.fromiter((row[0] for row in rows), dtype=np.int64)  # SQLite's row numbers are whole
            if len(ids) and not 0 <= ids[0] <= ids[-1] <= MOST_TRIALS:
                raise DamagedError("the number of a trial")
            if (ids[1:] <= ids[:-1]).any():
                raise DamagedError("a trial is stored twice")
            return ids

    def count(self, status: str | None = None) -> int:
        """Return how many trials are stored, in total or ``done``, ``stopped`` or ``diverged``."""
        with study_errors(self.path):
            if status is None:
                # Row by row, see `_is_too_long`; without a condition SQLite would count in a single step.
                return int(self._one("SELECT count(*) FROM trials WHERE id >= ?", -(2**63)))
            return int(self._one("SELECT count(*) FROM trials WHERE status = ?", status))

    def best_value(self, metric: str | None = None) -> float | None:
        """Return the best `TrialResult.value` of the trials that ran to their end, or None if there is none."""
        end = "max" if sign(metric or self.metric) > 0 else "min"
        with study_errors(self.path):
            value = self._one(f"SELECT {end}(value) FROM trials WHERE status = 'done'")
            return None if value is None else read_number(value, "the value of a trial")

    def best(self, n: int = 20, metric: str | None = None, *, curves: bool = True) -> tuple[TrialResult, ...]:
        """Return the `n` best trials.

        Parameters
        ----------
        n : int
            Most trials to return.
        metric : str, optional
            The metric of the stored `TrialResult.value`, by default that of the study.
        curves : bool
            Whether to read their curves too.

        Returns
        -------
        tuple of TrialResult
            In the order of `fastnet.tuning.rank`, without diverged trials.
        """
        with study_errors(self.path):
            statement = _select(curves, "status != 'diverged'", self._order("best", metric))
            most = min(operator.index(n), MOST_TRIALS)
            return tuple(self._trials(f"{statement} LIMIT ?", (most,)))

    def iter_trials(
        self,
        *,
        curves: bool = False,
        order: str = "id",
        stage: int | None = None,
        status: str | None = None,
        first: int = 0,
        every: int = 1,
        limit: int | None = None,
    ) -> Iterator[TrialResult]:
        """Read trials one by one, in memory that does not grow with their number.

        Parameters
        ----------
        curves : bool
            Whether to read their curves too; otherwise `TrialResult.curves` has no columns.
        order : str
            ``"id"``, another of `FIELDS` or the name of a hyperparameter: smallest first, but values of the metric best
            first; ``"best"`` for the ranking of `best`, diverged trials last. Ties go to the lower id.
        stage : int, optional
            Only the trials of this stage.
        status : str, optional
            Only trials that are ``done``, ``stopped`` or ``diverged``.
        first : int
            Only trials with this number or a higher one.
        every : int
            Only trials whose number is a multiple of this.
        limit : int, optional
            Most trials to read.

        Yields
        ------
        TrialResult
            The study as it was at the first trial, regardless of what a search adds meanwhile.

        Raises
        ------
        ConfigError
            If trials cannot be ordered by that name.
        StudyError
            If the file cannot be read.
        """
        with study_errors(self.path):
            ordering = self._order(order)
            conditions = {"stage = ?": stage, "status = ?": status, "trials.id >= ?": first or None}
            conditions |= {"trials.id % ? = 0": every if every > 1 else None}
            asked = {text: _at_most(value) for text, value in conditions.items() if value is not None}
            statement = f"{_select(curves, ' AND '.join(asked), ordering)} LIMIT ?"
            most = -1 if limit is None else _at_most(limit)
            yield from self._trials(statement, (*asked.values(), most), ascending=order == "id")

    def columns(self, *, stage: int | None = None) -> Columns:
        """Read all trials, or those of a stage, without their curves: 60 bytes a trial instead of a kilobyte."""
        return Columns.joined(list(self.iter_columns(stage=stage)), self.metric)

    def iter_columns(self, *, stage: int | None = None) -> Iterator[Columns]:
        """Read trials by number as `columns` does, some thousand at a time."""
        with study_errors(self.path):
            where, numbers = ("", ()) if stage is None else ("stage = ?", (operator.index(stage),))
            rows = self._execute(_select(False, where, "ORDER BY trials.id"), numbers)
            try:
                chunks = iter(partial(rows.fetchmany, bulk.ROWS), [])
                yield from bulk.columns_of(chunks, self._rules_of_trials(), self.metric)
            finally:
                with suppress(sqlite3.Error):
                    rows.close()

    def trial(self, number: int) -> TrialResult:
        """Return one trial by its number, with its curves.

        Raises
        ------
        StudyError
            If the study does not contain it.
        """
        number = operator.index(number)
        with study_errors(self.path):
            wanted = number if 0 <= number <= MOST_TRIALS else -1  # SQLite accepts no larger ones
            found = next(iter(self._trials(_select(True, "trials.id = ?", ""), (wanted,))), None)
        if found is None:
            raise StudyError(f"{self.path}: no trial {number}; the study has {self.count()} trials, numbered from 0")
        return found

    def trial_at(self, position: int) -> TrialResult:
        """Return the trial at a position in the order of numbers, from 0, with its curves."""
        found = self.trials_at(range(position, position + 1)) if position >= 0 else ()
        if not found:
            raise IndexError(position)
        return found[0]

    def trials_at(self, positions: range) -> tuple[TrialResult, ...]:
        """Return the trials at some positions in the order of numbers, from 0, with their curves."""
        if not positions:
            return ()
        low, high = min(positions[0], positions[-1]), max(positions[0], positions[-1])
        part = (high - low + 1, low)
        with study_errors(self.path):
            if abs(positions.step) == 1:
                found = tuple(self._trials(_select(True, "", "ORDER BY trials.id LIMIT ? OFFSET ?"), part))
                return found[:: positions.step]
            rows = self._execute("SELECT id FROM trials ORDER BY id LIMIT ? OFFSET ?", part).fetchall()
        numbers = [row[0] for row in rows]
        return tuple(self.trial(number) for number in numbers[:: positions.step])

    def param_types(self) -> dict[str, str]:
        """Return each searched name, sorted, with the kind of its values: ``real``, ``integer`` or ``text``.

        It is ``text`` if any trial has a text, else ``real`` if any has a fraction. Without trials it is ``real``.
        """
        with study_errors(self.path):
            space = self._settings().get("space")
            found = found_types(self._execute) if space is None else types_of(tuple(space), self._execute)
        return dict(sorted(found.items()))

    def runs(self) -> list[dict[str, Any]]:
        """Return one record per run of a search on this study, in order."""
        seconds = ("wall_seconds", "compile_seconds", "compiled_seconds")
        names = ("started", "environment", "new_trials", *seconds)
        with study_errors(self.path):
            rows = self._execute(f"SELECT {', '.join(names)} FROM runs ORDER BY id").fetchall()
            records = []
            for number, (started, environment, new_trials, *times) in enumerate(rows, start=1):
                place = f"run {number}"
                record = {
                    "started": read_text(started, place),
                    "environment": read_document(environment, documents.ENVIRONMENT, place),
                    "new_trials": read_whole(new_trials, place),
                }
                records.append(record | {k: read_number(v, place) for k, v in zip(seconds, times, strict=True)})
            return records

    def stages(self) -> list[dict[str, Any]]:
        """Return one record per stage: ``number, first, count, space`` and ``report``, None until the stage ends."""
        names = ("number", "first", "count", "space", "report")
        with study_errors(self.path):
            rows = self._execute(f"SELECT {', '.join(names)} FROM stages ORDER BY number").fetchall()
            searched = self._settings().get("space", {}).keys()
            records = []
            for place, (number, first, count, space, report) in enumerate(rows, start=1):
                named = f"stage {place}"
                ranges = read_document(space, documents.SPACE, named)
                if number != place or ranges.keys() != searched:
                    raise DamagedError(named)
                record = {"number": number, "first": read_whole(first, named), "count": read_whole(count, named)}
                ended = None if report is None else read_document(report, documents.REPORT, f"the report of {named}")
                records.append(record | {"space": ranges, "report": ended})
            return records

    def final(self) -> dict[str, Any] | None:
        """Return the document of `Study.set_final` with its time, ``decided``, or None."""
        with study_errors(self.path):
            document = self._one("SELECT document FROM final")
            return None if document is None else read_document(document, documents.FINAL, "the final choice")

    def ensemble(self) -> dict[str, Any] | None:
        """Return the document of `Study.set_ensemble` with its time, ``made``, or None."""
        with study_errors(self.path):
            document = self._meta("ensemble")
            return None if document is None else read_document(document, documents.ENSEMBLE, "the ensemble")

    def inspection(self) -> dict[str, Any] | None:
        """Return the document of `Study.set_inspection`, or None."""
        with study_errors(self.path):
            document = self._meta("inspection")
            return None if document is None else read_document(document, documents.INSPECTION, "the inspection")

    def plan(self) -> dict[str, Any]:
        """Return the document of `Study.set_plan`; empty if the study has none, as in earlier versions."""
        with study_errors(self.path):
            document = self._meta("plan")
            return {} if document is None else dict(read_document(document, documents.PLAN, "the plan"))

    def test_uses(self) -> list[dict[str, Any]]:
        """Return the note of each use of the test set with its time, ``at``, in order."""
        with study_errors(self.path):
            rows = self._execute("SELECT at, document FROM test_uses ORDER BY id").fetchall()
            name = "the uses of the test set"
            return [{"at": read_text(at, name)} | read_document(text, documents.TEST_USE, name) for at, text in rows]

    def _order(self, order: str, metric: str | None = None) -> str:
        """Write the ORDER BY clause of an order's name; only known names enter SQL."""
        way = "DESC" if sign(metric or self.metric) > 0 else "ASC"
        if order == "best":
            fit, length = "status != 'diverged'", "epochs * (status = 'stopped')"
            return f"ORDER BY {fit} DESC, status = 'done' DESC, {length} DESC, value IS NULL, value {way}, trials.id"
        if order == "id":
            return "ORDER BY trials.id"
        if order in FIELDS:
            return f"ORDER BY {order} IS NULL, {order} {way if order in _FALLING else 'ASC'}, trials.id"
        names = self.param_types()
        if order not in names:
            raise ConfigError(f"sort={order!r}: must be one of {', '.join(('best', *FIELDS, *names))}")
        return f"ORDER BY json_extract(params, {path_of(order)}), trials.id"

    def _trials(self, statement: str, parameters: Sequence[Any], *, ascending: bool = False) -> Iterator[TrialResult]:
        """Read the trials that a statement of `_select` finds, whose numbers must rise if `ascending`."""
        rules = self._rules_of_trials()
        last = -1
        rows = self._execute(statement, parameters)
        try:
            for row in rows:
                trial = trial_from(row, rules)
                if ascending and trial.id <= last:
                    raise DamagedError(f"trial {trial.id} is stored twice")
                last = trial.id
                yield trial
        finally:  # SQLite would leave files behind if rows were not fetched
            with suppress(sqlite3.Error):  # the study may be closed already
                rows.close()

    def _rules_of_trials(self) -> Rules:
        text = self._settings_text()
        if self._rules is None or self._rules[0] != text:  # another process may start the study over
            self._rules = text, Rules(self._settings())
        return self._rules[1]

    def _execute(self, statement: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run a statement with the limit of `_is_too_long`."""
        self._steps = 0
        return self._connection.execute(statement, parameters)

    def _is_too_long(self) -> bool:
        """Return True to end a statement that takes too long for the size of the file.

        In a damaged file pages can refer to each other: twelve levels of pages that each refer to the next 200 times
        make 4e27 rows out of 60 kB.
        """
        self._steps += 1
        if self._steps < LEAST_STEPS:
            return False
        size = sum(os.path.getsize(path) for path in (self.path, f"{self.path}-wal") if os.path.exists(path))
        return self._steps * STEPS > LEAST_STEPS * STEPS + STEPS_OF_A_BYTE * size

    def _one(self, statement: str, *parameters: Any) -> Any:
        """Return the first value of the first row, or None without rows."""
        row = self._execute(statement, parameters).fetchone()
        return None if row is None else row[0]

    def _settings(self) -> dict[str, Any]:
        return dict(read_document(self._settings_text(), documents.SETTINGS, "settings"))

    def _settings_text(self) -> str:
        """Return the settings as stored; raise `DamagedError` unless they match their stored hash."""
        text = read_text(self._meta("settings"), "settings")
        if sha256_of(text) != self._meta("settings_sha256"):
            raise DamagedError("settings")
        return text

    def _meta(self, key: str) -> Any:
        return self._one("SELECT value FROM meta WHERE key = ?", key)


def _select(curves: bool, where: str, order: str) -> str:
    columns, tables = TRIAL_COLUMNS, "trials"
    if curves:
        columns, tables = f"{columns}, planned, curves", "trials LEFT JOIN curves ON curves.id = trials.id"
    return f"SELECT {columns} FROM {tables} {where and f'WHERE {where}'} {order}"


def _at_most(value: int | str) -> int | str:
    """Return a value of a statement; SQLite accepts no larger numbers."""
    return value if isinstance(value, str) else min(operator.index(value), MOST_TRIALS)
