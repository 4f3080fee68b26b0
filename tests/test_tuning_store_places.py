"""What a file system refuses to a study: room, permission, locks."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from storing import SETTINGS, fill

from fastnet.errors import StudyError
from fastnet.tuning import STUDY_FILE, Study
from fastnet.tuning.store import folder as folder_module
from fastnet.tuning.store import places

fcntl = pytest.importorskip("fcntl")


@pytest.fixture
def no_locks(monkeypatch):
    """Nothing can be locked, as SQLite and Python say it of such a file system."""

    def refuse(*given: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(places, "_with_locks", set())
    monkeypatch.setattr(fcntl, "lockf", refuse)


def full(*given: Any, **how: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_lock_that_works_is_tried_once(tmp_path, monkeypatch):
    assert not places.lacks_locks(tmp_path)
    monkeypatch.setattr(fcntl, "lockf", full)
    assert not places.lacks_locks(tmp_path)


def test_where_nothing_can_be_tried_nothing_is_said_of_locks(tmp_path, no_locks, monkeypatch):
    assert not places.lacks_locks(tmp_path / "nowhere")
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    assert not places.lacks_locks(tmp_path)


def test_a_study_needs_locks_to_be_written(tmp_path, no_locks, monkeypatch):
    monkeypatch.setattr(folder_module, "LOCK_SECONDS", 0.0)
    lock = folder_module.WriterLock(tmp_path)  # SQLite reports what it cannot lock as locked
    try:
        with pytest.raises(StudyError, match=r"this file system has no locks, .*; choose a folder on another one"):
            Study.open(tmp_path, SETTINGS)
    finally:
        lock.release()


def test_a_study_is_read_without_locks(tmp_path, no_locks, monkeypatch):
    fill(tmp_path, [0, 1])
    asked = []
    connect = folder_module.connect
    monkeypatch.setattr("fastnet.tuning.store.opening.connect", lambda *a, **k: asked.append(a[0]) or connect(*a, **k))
    with Study.read(tmp_path) as study:
        assert study.count() == 2
    assert [name.rpartition("?")[2] for name in asked] == ["mode=ro&immutable=1"]


def test_a_study_is_read_where_there_is_no_room_for_more_files(tmp_path, monkeypatch):
    fill(tmp_path, [0, 1])
    check, tried = Study._check_whole, []

    def once(self: Study, **how: bool) -> None:
        tried.append(how["may_write"])
        if len(tried) == 1:
            error = folder_module.sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"
            raise StudyError("no room") from error
        check(self, **how)

    monkeypatch.setattr(Study, "_check_whole", once)
    with Study.read(tmp_path) as study:
        assert study.count() == 2
    assert tried == [True, False]
    tried.clear()
    monkeypatch.setattr("fastnet.tuning.store.opening.is_being_written", lambda folder: True)
    with pytest.raises(StudyError, match="no room"):
        Study.read(tmp_path)


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "No space left on device; make room and try again"),
        (errno.EROFS, "Read-only file system; choose a folder you may read and write"),
        (errno.EACCES, "Permission denied; choose a folder you may read and write"),
    ],
)
def test_what_sqlite_cannot_open_has_the_reason_of_the_system(tmp_path: Path, monkeypatch, number: int, says: str):
    def refuse(*given: Any, **how: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(StudyError, match=f"{STUDY_FILE}: {says}$"), folder_module.study_errors(tmp_path / STUDY_FILE):
        raise folder_module.sqlite3.OperationalError("unable to open database file")
