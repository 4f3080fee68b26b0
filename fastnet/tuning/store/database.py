"""SQLite connections that are never in use during a fork, see `fastnet.forks`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

from fastnet.forks import no_fork

_ROWS = 32
"""Rows that an iteration fetches at a time."""


class _Cursor(sqlite3.Cursor):
    def execute(self, *arguments: Any) -> _Cursor:
        self._work(super().execute, *arguments)
        return self

    def executemany(self, *arguments: Any) -> _Cursor:
        self._work(super().executemany, *arguments)
        return self

    def fetchone(self) -> Any:
        return self._work(super().fetchone)

    def fetchmany(self, size: int | None = 1) -> list[Any]:
        rows: list[Any] = self._work(super().fetchmany, size)
        return rows

    def fetchall(self) -> list[Any]:
        rows: list[Any] = self._work(super().fetchall)
        return rows

    def _work(self, call: Callable[..., Any], *arguments: Any) -> Any:
        try:
            with no_fork:
                return call(*arguments)
        except BaseException:
            # The traceback keeps this cursor alive, and an open cursor would prevent SQLite from removing its files.
            super().close()
            raise

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # an iterator, and not the cursor itself
        while rows := self.fetchmany(_ROWS):
            yield from rows


class _Connection(sqlite3.Connection):
    def execute(self, *arguments: Any) -> _Cursor:
        return super().cursor(_Cursor).execute(*arguments)

    def executemany(self, *arguments: Any) -> _Cursor:
        return super().cursor(_Cursor).executemany(*arguments)

    def close(self) -> None:
        with no_fork:
            super().close()


def connect(database: Any, **options: Any) -> sqlite3.Connection:
    """Open a database as `sqlite3.connect` does, without implicit transactions."""
    with no_fork:
        return sqlite3.connect(database, isolation_level=None, factory=_Connection, **options)
