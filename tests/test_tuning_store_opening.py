"""Opening a study for reading: other formats, copies, logs, read-only folders."""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from storing import SETTINGS, TIMES, copy_while_writing, fill, in_python, make_trial

from fastnet.errors import FastnetWarning, StudyError
from fastnet.tuning import (
    STUDY_FILE,
    Study,
)


@pytest.mark.parametrize("version", [1, 99])
def test_a_study_of_another_format_is_refused_and_kept(tmp_path, version):
    fill(tmp_path, [0])
    connection = sqlite3.connect(tmp_path / STUDY_FILE)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    content = (tmp_path / STUDY_FILE).read_bytes()
    made = "an older one" if version < 2 else "a newer one"
    sentence = rf"file format {version}, and fastnet [\w.]+ reads 2; use the fastnet that wrote it, {made}, or choose "
    for attempt in (lambda: Study.read(tmp_path), lambda: Study.open(tmp_path, SETTINGS, fresh=True)):
        with pytest.raises(StudyError, match=sentence):
            attempt()
    assert (tmp_path / STUDY_FILE).read_bytes() == content


def test_reading_where_nothing_is(tmp_path):
    with pytest.raises(StudyError, match=r"no study found \(no file study.sqlite\)"):
        Study.read(tmp_path / "nowhere")
    (tmp_path / STUDY_FILE).touch()
    with pytest.raises(StudyError, match="was never started"):
        Study.read(tmp_path)


def test_a_finished_study_in_a_read_only_folder_can_be_read(tmp_path, monkeypatch):
    fill(tmp_path, [0, 1])
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["study.lock", "study.sqlite"]
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with Study.read(tmp_path) as study:
        assert len(study.trials()) == 2
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["study.lock", "study.sqlite"]


def test_a_copied_study_is_a_study(tmp_path):
    fill(tmp_path / "a", [0, 1])
    (tmp_path / "b").mkdir()
    shutil.copy(tmp_path / "a" / STUDY_FILE, tmp_path / "b" / STUDY_FILE)
    with Study.open(tmp_path / "b", SETTINGS) as study:
        assert len(study.trials()) == 2


def test_a_copy_without_its_log_has_the_settings_and_says_what_is_missing(tmp_path):
    copy_while_writing(tmp_path / "a", tmp_path / "b")
    warned = r"the latest trials are missing because .* copy study\.sqlite-wal along with it"
    for _ in range(2):
        with pytest.warns(FastnetWarning, match=warned), Study.read(tmp_path / "b") as study:
            assert (study.count(), study.settings) == (0, SETTINGS)
    with Study.read(tmp_path / "a") as study:
        assert study.count() == 9


def test_a_copy_of_a_part_without_its_log_causes_a_warning(tmp_path):
    copy_while_writing(tmp_path / "a", tmp_path / "b", checkpoint=True)
    warned = r"the latest trials are missing because .* copy study\.sqlite-wal along with it"
    for _ in range(2):
        with pytest.warns(FastnetWarning, match=warned), Study.read(tmp_path / "b") as study:
            assert study.count() == 5
    with pytest.warns(FastnetWarning, match=warned):
        fill(tmp_path / "b", range(9))
    for folder in ("a", "b"):  # nothing is missing now, and there is no warning
        with Study.read(tmp_path / folder) as study:
            assert study.count() == 9


@pytest.mark.parametrize("checkpoint", [False, True])
def test_a_copy_with_its_log_is_whole(tmp_path, checkpoint):
    copy_while_writing(tmp_path / "a", tmp_path / "b", log=True, checkpoint=checkpoint)
    for _ in range(2):  # the first reader leaves no log behind
        with Study.read(tmp_path / "b") as study:
            assert study.count() == 9
    fill(tmp_path / "b", [9])


def test_a_study_that_was_killed_is_not_a_copy(tmp_path):
    code = """
    import os, sys
    from pathlib import Path
    from fastnet.tuning import Study
    study = Study.open(Path(sys.argv[1]), {"seed": 0})
    study.begin_run({})
    study._connection.execute("PRAGMA wal_checkpoint")
    study.begin_run({})
    os._exit(1)
    """
    in_python(code, tmp_path)
    assert (tmp_path / f"{STUDY_FILE}-wal").stat().st_size > 0
    for _ in range(2):
        with Study.read(tmp_path) as study:
            assert len(study.runs()) == 2
    Study.open(tmp_path, {"seed": 0}).close()


def test_the_log_of_another_study_is_refused_or_gives_a_whole_study(tmp_path):
    other = SETTINGS | {"data": "cd" * 32}
    fill(tmp_path / "a", range(40))
    with Study.open(tmp_path / "b", other) as study:
        study.append([make_trial(i) for i in range(3)], run=study.begin_run({}), **TIMES)
        shutil.copy(tmp_path / "b" / f"{STUDY_FILE}-wal", tmp_path / "a")
    try:
        with Study.read(tmp_path / "a") as study:
            found = (study.settings, len(list(study.iter_trials(curves=True))))
    except StudyError as error:
        assert "damaged" in str(error)
    else:
        assert found in ((SETTINGS, 40), (other, 3))


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="links are a POSIX thing")
def test_a_link_to_the_file_of_a_study_that_is_being_written_reads_its_log(tmp_path):
    (tmp_path / "link").mkdir()
    with Study.open(tmp_path / "a", SETTINGS) as study:
        study.append([make_trial(0)], run=study.begin_run({}), **TIMES)
        (tmp_path / "link" / STUDY_FILE).symlink_to(tmp_path / "a" / STUDY_FILE)
        with Study.read(tmp_path / "link") as linked:
            assert linked.count() == 1


def test_a_log_in_a_read_only_folder_is_reported(tmp_path, monkeypatch):
    copy_while_writing(tmp_path / "a", tmp_path / "b", log=True)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(StudyError, match="SQLite reads only in a writable folder; copy both files to one"):
        Study.read(tmp_path / "b")


def test_reading_leaves_nothing_behind_and_can_write_nothing(tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in fill(tmp_path, range(40)).iterdir()}
    with Study.read(tmp_path) as study:
        assert len(list(study.iter_trials())) == 40
        with pytest.raises(StudyError, match="read-only"):
            study.note_test_use({})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


OLD = Path(__file__).with_name("old")


def old_study(name: str, folder: Path) -> Path:
    """A study that an earlier version wrote."""
    folder.mkdir()
    (folder / STUDY_FILE).write_bytes(gzip.decompress((OLD / f"study-{name}.sqlite.gz").read_bytes()))
    return folder


def test_an_old_study_is_read_and_exported_but_not_continued_with_other_bits(tmp_path: Path) -> None:
    folder = old_study("first-of-format-2", tmp_path / "s")
    with Study.read(folder) as study:
        assert study.count() == 6 and study.final() is not None
        assert all(trial.curves.shape == (4, 2) for trial in study.iter_trials(curves=True))
        settings = study.settings
    content = (folder / STUDY_FILE).read_bytes()
    with pytest.raises(StudyError, match=r"fastnet 0\.1\.0 made this study, .* continue it with that one, or begin"):
        Study.open(folder, settings | {"results_version": 10**6})
    with Study.read(folder) as study:
        assert study.count() == 6
    assert len(content) == (folder / STUDY_FILE).stat().st_size


def test_a_study_of_the_first_format_is_refused_with_a_way_out(tmp_path: Path) -> None:
    folder = old_study("of-format-1", tmp_path / "s")
    content = (folder / STUDY_FILE).read_bytes()
    with pytest.raises(StudyError, match=r"file format 1, .*; use the fastnet that wrote it, an older one, or choose"):
        Study.read(folder)
    assert (folder / STUDY_FILE).read_bytes() == content
