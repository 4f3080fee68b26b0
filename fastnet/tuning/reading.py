"""Questions to a study: everything that can be read from its file without reading all of it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.errors import ConfigError, StudyError
from fastnet.tuning.folder import telling
from fastnet.tuning.records import TRIAL_COLUMNS, trial_from
from fastnet.tuning.result import TrialResult, sign

FIELDS = ("id", "stage", "status", "value", "best_value", "best_epoch", "epochs", "seconds")
"""What trials can be ordered by, besides ``"best"`` and the names of hyperparameters."""

_FALLING = ("value", "best_value")  # the best first, whatever the metric


class StudyReader:
    """The reading half of `fastnet.tuning.study.Study`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @property
    def settings(self) -> dict[str, Any]:
        """What the trials follow from."""
        return self._meta("settings")

    @property
    def about(self) -> dict[str, Any]:
        """Name and sizes of the data, as stored when the study was created."""
        return self._meta("about")

    @property
    def created(self) -> str:
        """When the study was created, in UTC, ISO 8601."""
        return self._meta_text("created")

    @property
    def settings_sha256(self) -> str:
        """Hash of the settings, 64 hexadecimal digits: studies with the same hash have the same trials."""
        return self._meta_text("settings_sha256")

    @property
    def metric(self) -> str:
        """What trials are compared by: ``accuracy`` or ``loss``."""
        return str(self.settings.get("metric", "accuracy"))

    def stored_ids(self) -> NDArray[np.int64]:
        """Return the numbers of the stored trials, (T,) int64, ascending."""
        with telling(self.path):
            rows = self._connection.execute("SELECT id FROM trials ORDER BY id")
            return np.fromiter((row[0] for row in rows), dtype=np.int64)

    def count(self, status: str | None = None) -> int:
        """Return how many trials are stored, all of them or those that are done, stopped or diverged."""
        if status is None:
            return int(self._one("SELECT count(*) FROM trials"))
        return int(self._one("SELECT count(*) FROM trials WHERE status = ?", status))

    def best_value(self, metric: str | None = None) -> float | None:
        """Return the best `TrialResult.value` of the trials that ran to their end, or None while there is none."""
        end = "max" if sign(metric or self.metric) > 0 else "min"
        value = self._one(f"SELECT {end}(value) FROM trials WHERE status = 'done'")
        return None if value is None else float(value)

    def best(self, n: int = 20, metric: str | None = None, *, curves: bool = True) -> tuple[TrialResult, ...]:
        """Return the `n` best trials.

        Parameters
        ----------
        n : int
            How many at most.
        metric : {"accuracy", "loss"}, optional
            That of the study if left out. Trials are compared by the stored `TrialResult.value`.
        curves : bool
            Whether their curves are read too.

        Returns
        -------
        tuple of TrialResult
            In the order of `fastnet.tuning.result.rank`; diverged trials are left out.
        """
        with telling(self.path):
            statement = _select(curves, "WHERE status != 'diverged'", self._order("best", metric))
            rows = self._connection.execute(f"{statement} LIMIT ?", (n,))
            return tuple(trial_from(row, self.path.parent) for row in rows)

    def iter_trials(
        self,
        *,
        curves: bool = False,
        order: str = "id",
        stage: int | None = None,
        status: str | None = None,
        limit: int | None = None,
    ) -> Iterator[TrialResult]:
        """Read trials one by one, in memory that does not grow with their number.

        Parameters
        ----------
        curves : bool
            Whether their curves are read too; without them `TrialResult.curves` has no columns.
        order : str
            ``"id"``, another of `FIELDS` or the name of a hyperparameter: smallest first, but the best first for
            values of the metric; ``"best"`` for the ranking of `best`, diverged trials last. Ties by id.
        stage : int, optional
            Only the trials of this stage.
        status : str, optional
            Only those that are ``done``, ``stopped`` or ``diverged``.
        limit : int, optional
            At most so many.

        Yields
        ------
        TrialResult
            The study as it was when the first one was read, whatever a search adds meanwhile.

        Raises
        ------
        ConfigError
            If trials cannot be ordered by that name.
        StudyError
            If the file cannot be read.
        """
        with telling(self.path):
            ordering = self._order(order)
            conditions = {"stage": stage, "status": status}
            asked = {name: value for name, value in conditions.items() if value is not None}
            where = " AND ".join(f"{name} = ?" for name in asked)
            statement = _select(curves, f"WHERE {where}" if where else "", ordering)
            parameters = (*asked.values(), -1 if limit is None else limit)
            for row in self._connection.execute(f"{statement} LIMIT ?", parameters):
                yield trial_from(row, self.path.parent)

    def trial(self, number: int) -> TrialResult:
        """Return one trial by its number, with its curves.

        Raises
        ------
        StudyError
            If the study does not hold it.
        """
        with telling(self.path):
            row = self._connection.execute(_select(True, "WHERE trials.id = ?", ""), (number,)).fetchone()
        if row is None:
            raise StudyError(f"{self.path}: there is no trial {number}; it holds {self.count()} trials, from 0")
        return trial_from(row, self.path.parent)

    def trial_at(self, position: int) -> TrialResult:
        """Return the trial at a place among all, 0 for that of the lowest number, with its curves."""
        with telling(self.path):
            statement = _select(True, "", "ORDER BY trials.id LIMIT 1 OFFSET ?")
            row = self._connection.execute(statement, (position,)).fetchone()
        if row is None:
            raise IndexError(position)
        return trial_from(row, self.path.parent)

    def param_types(self) -> dict[str, str]:
        """Return each searched name, sorted, with the kind of its values: ``real``, ``integer`` or ``text``.

        That is ``text`` where any trial has a text, else ``real`` where any has a fraction. A name of the space without
        any trial is ``real``.
        """
        with telling(self.path):
            rows = self._connection.execute(
                "SELECT DISTINCT key, type FROM trials, json_each(trials.params) ORDER BY key, type"
            ).fetchall()
        kinds = dict.fromkeys(self.settings.get("space", {}), "")
        for name, kind in rows:  # integer < real < text, as sorted
            kinds[name] = max(kinds.get(name, ""), kind)
        return {name: kinds[name] or "real" for name in sorted(kinds)}

    def runs(self) -> list[dict[str, Any]]:
        """Return one record per run of a search on this study, the first run first."""
        names = ("started", "environment", "new_trials", "wall_seconds", "compile_seconds", "compiled_seconds")
        with telling(self.path):
            rows = self._connection.execute(f"SELECT {', '.join(names)} FROM runs ORDER BY id").fetchall()
        records = [dict(zip(names, row, strict=True)) for row in rows]
        return [record | {"environment": json.loads(record["environment"])} for record in records]

    def stages(self) -> list[dict[str, Any]]:
        """Return one record per stage: ``number, first, count, space`` and ``report``, None until the stage ended."""
        names = ("number", "first", "count", "space", "report")
        with telling(self.path):
            rows = self._connection.execute(f"SELECT {', '.join(names)} FROM stages ORDER BY number").fetchall()
        records = [dict(zip(names, row, strict=True)) for row in rows]
        return [
            record | {name: record[name] and json.loads(record[name]) for name in ("space", "report")}
            for record in records
        ]

    def final(self) -> dict[str, Any] | None:
        """Return the document of `Study.set_final`, with ``decided`` for when it was stored, or None."""
        document = self._one("SELECT document FROM final")
        return None if document is None else dict(json.loads(document))

    def ensemble(self) -> dict[str, Any] | None:
        """Return the document of `Study.set_ensemble`, with ``made`` for when it was stored, or None."""
        document = self._one("SELECT value FROM meta WHERE key = 'ensemble'")
        return None if document is None else dict(json.loads(document))

    def test_uses(self) -> list[dict[str, Any]]:
        """Return what was noted at each use of the test set, with ``at`` for when, the first use first."""
        with telling(self.path):
            rows = self._connection.execute("SELECT at, document FROM test_uses ORDER BY id").fetchall()
        return [{"at": at} | json.loads(document) for at, document in rows]

    def _order(self, order: str, metric: str | None = None) -> str:
        """Write the ORDER BY of an order's name; what is no name never enters SQL."""
        way = "DESC" if sign(metric or self.metric) > 0 else "ASC"
        if order == "best":
            fit = "status != 'diverged'"
            return f"ORDER BY {fit} DESC, epochs * ({fit}) DESC, value IS NULL, value {way}, trials.id"
        if order == "id":
            return "ORDER BY trials.id"
        if order in FIELDS:
            return f"ORDER BY {order} IS NULL, {order} {way if order in _FALLING else 'ASC'}, trials.id"
        names = self.param_types()
        if order not in names:
            raise ConfigError(f"sort={order!r}: must be one of {', '.join(('best', *FIELDS, *names))}")
        path = f"'$.\"{order}\"'"
        return f"ORDER BY json_extract(params, {path}), trials.id"

    def _one(self, statement: str, *parameters: Any) -> Any:
        """Return the first value of the first row, None where there is no row."""
        with telling(self.path):
            row = self._connection.execute(statement, parameters).fetchone()
        return None if row is None else row[0]

    def _meta(self, key: str) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self._meta_text(key))
        return value

    def _meta_text(self, key: str) -> str:
        return str(self._one("SELECT value FROM meta WHERE key = ?", key))


def _select(curves: bool, where: str, order: str) -> str:
    columns, tables = TRIAL_COLUMNS, "trials"
    if curves:
        columns, tables = f"{columns}, planned, curves", "trials LEFT JOIN curves ON curves.id = trials.id"
    return f"SELECT {columns} FROM {tables} {where} {order}"
