"""Connections to SQLite: cursors that close themselves, and no implicit transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastnet.tuning.store import database
from fastnet.tuning.store.database import connect


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    opened = connect(tmp_path / "some.sqlite")
    opened.execute("CREATE TABLE numbers (n INTEGER)")
    opened.executemany("INSERT INTO numbers VALUES (?)", [(n,) for n in range(100)])
    yield opened
    opened.close()


def test_rows_come_one_by_one_all_at_once_or_some_at_a_time(connection: sqlite3.Connection) -> None:
    ask = "SELECT n FROM numbers ORDER BY n"
    rows = [(n,) for n in range(100)]
    assert list(connection.execute(ask)) == connection.execute(ask).fetchall() == rows
    cursor = connection.execute(ask)
    assert cursor.fetchone() == (0,) and cursor.fetchmany(3) == rows[1:4] and list(cursor) == rows[4:]
    assert connection.execute("SELECT n FROM numbers WHERE n = ?", (7,)).fetchone() == (7,)
    assert connection.execute("SELECT n FROM numbers WHERE n > 99").fetchone() is None


def test_nothing_begins_a_transaction_by_itself(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO numbers VALUES (100)")
    assert not connection.in_transaction
    connection.execute("BEGIN")
    connection.execute("DELETE FROM numbers")
    connection.execute("ROLLBACK")
    assert connection.execute("SELECT count(*) FROM numbers").fetchone() == (101,)


def test_a_statement_that_fails_closes_its_cursor(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError) as caught:
        connection.execute("SELECT * FROM missing")
    cursor = next(entry.locals["self"] for entry in reversed(caught.traceback) if "self" in entry.locals)
    with pytest.raises(sqlite3.ProgrammingError):
        cursor.fetchone()


def test_a_row_that_fails_closes_its_cursor(connection: sqlite3.Connection) -> None:
    connection.set_progress_handler(lambda: True, 1)
    with pytest.raises(sqlite3.OperationalError):
        connection.execute("SELECT n FROM numbers").fetchall()
    connection.set_progress_handler(None, 0)
    connection.execute("DROP TABLE numbers")  # an open cursor would keep the table locked


def test_whatever_sqlite_does_holds_off_forks(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    entered = []

    class Counted:
        def __enter__(self) -> None:
            entered.append("in")

        def __exit__(self, *error: object) -> None:
            entered.append("out")

    monkeypatch.setattr(database, "no_fork", Counted())
    connection.execute("SELECT n FROM numbers").fetchone()
    assert entered == ["in", "out"] * 2
