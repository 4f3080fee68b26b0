"""The folder of a study: its number, its lock, its removal, and the wording of SQLite's errors."""

from __future__ import annotations

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from storing import SETTINGS, fill, in_python

from fastnet.errors import StudyError
from fastnet.tuning import (
    STUDY_FILE,
    Study,
    find_studies,
    is_being_written,
    new_study_folder,
)
from fastnet.tuning.store.folder import LOCK_FILE, WriterLock, remove_study, study_errors


def test_studies_are_found_by_number_then_by_name(tmp_path: Path) -> None:
    for name in ("010", "9", "b", "a", "1000"):
        fill(tmp_path / name, range(1))
    (tmp_path / "011").mkdir()
    (tmp_path / "notes").write_text("")
    assert [folder.name for folder in find_studies(tmp_path)] == ["9", "010", "1000", "a", "b"]
    assert find_studies(tmp_path / "a") == [tmp_path / "a"]
    with pytest.raises(StudyError, match="no such folder"):
        find_studies(tmp_path / "nowhere")


def test_a_study_being_written_is_recognized(tmp_path: Path) -> None:
    assert not is_being_written(tmp_path)
    with Study.open(tmp_path, SETTINGS):
        assert is_being_written(tmp_path)
    assert not is_being_written(tmp_path)


def test_removing_a_study_removes_what_a_search_wrote_and_nothing_else(tmp_path: Path) -> None:
    folder = fill(tmp_path / "s", range(3))
    for name in ("best20.png", "model.safetensors"):
        (folder / name).write_bytes(b"it")
    (folder / "notes.txt").write_text("mine")
    assert remove_study(folder) == ["notes.txt"]
    assert [entry.name for entry in folder.iterdir()] == ["notes.txt"]
    (folder / "notes.txt").unlink()
    fill(folder, range(3))
    assert remove_study(folder) == [] and not folder.exists()


def test_what_is_not_a_study_is_not_removed(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no study found"):
        remove_study(tmp_path)
    connection = sqlite3.connect(tmp_path / STUDY_FILE)
    connection.execute("CREATE TABLE mine (id)")
    connection.close()
    with pytest.raises(StudyError, match="an SQLite file but not a study; nothing was removed"):
        remove_study(tmp_path)
    (tmp_path / STUDY_FILE).write_text("something else entirely" * 100)
    with pytest.raises(StudyError, match="not a study but some other file"):
        remove_study(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [STUDY_FILE]


def test_a_study_being_written_is_not_removed(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    with Study.open(tmp_path, SETTINGS) as study:
        with pytest.raises(StudyError, match="another search is writing to this study"):
            remove_study(tmp_path)
        assert study.count() == 3


def test_a_study_of_an_old_format_and_one_never_started_can_be_removed(tmp_path: Path) -> None:
    fill(tmp_path / "old", range(3))
    connection = sqlite3.connect(tmp_path / "old" / STUDY_FILE)
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / STUDY_FILE).touch()
    assert remove_study(tmp_path / "old") == remove_study(tmp_path / "empty") == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="links are a POSIX thing")
def test_a_link_to_a_study_is_not_removed(tmp_path: Path) -> None:
    fill(tmp_path / "s", range(3))
    (tmp_path / "link").symlink_to(tmp_path / "s")
    with pytest.raises(StudyError, match="nothing was removed"):
        remove_study(tmp_path / "link")
    assert (tmp_path / "s" / STUDY_FILE).is_file()


def test_study_folders_are_numbered(tmp_path):
    root = tmp_path / "a" / "studies"
    assert [new_study_folder(root).name for _ in range(3)] == ["001", "002", "003"]
    (root / "041").mkdir()
    (root / "mine").mkdir()
    (root / "099").write_text("a file takes its number too")
    assert new_study_folder(root).name == "100"
    (root / "999").mkdir()
    assert new_study_folder(root).name == "1000"


def test_study_folders_are_given_out_once(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: new_study_folder(tmp_path), range(40)))
    assert sorted(folder.name for folder in folders) == [f"{i:03d}" for i in range(1, 41)]


def test_a_root_that_cannot_be_created_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="choose a folder you may read and write"):
        new_study_folder(tmp_path / "file")


@pytest.mark.parametrize("said", ["disk I/O error", "database or disk is full", "attempt to write a readonly database"])
def test_errors_of_sqlite_are_reworded(said):
    with pytest.raises(StudyError) as caught, study_errors(Path("s/study.sqlite")):
        raise sqlite3.OperationalError(said)
    assert str(caught.value).startswith("s/study.sqlite: the ")
    assert "make room" in str(caught.value) or "choose a folder" in str(caught.value)


def test_an_error_nobody_foresaw_is_a_sentence_too():
    with (
        pytest.raises(StudyError, match="study: SQLite reports: no such thing"),
        study_errors(Path("study")),
    ):
        raise sqlite3.OperationalError("no such thing")


def test_one_writer_at_a_time_holds_the_lock(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path)
    assert is_being_written(tmp_path)
    with pytest.raises(StudyError, match="another search is writing to this study; wait for it to end"):
        WriterLock(tmp_path)
    lock.release()
    lock.release()
    assert not is_being_written(tmp_path) and (tmp_path / LOCK_FILE).read_bytes() == b""
    WriterLock(tmp_path).release()
    with pytest.raises(sqlite3.Error):
        WriterLock(tmp_path / "missing")


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = """
    import os, sys
    from pathlib import Path
    from fastnet.tuning.store.folder import WriterLock
    lock = WriterLock(Path(sys.argv[1]))
    os._exit(9)
    """
    assert in_python(code, tmp_path).returncode == 9 and (tmp_path / LOCK_FILE).is_file()
    WriterLock(tmp_path).release()
