from __future__ import annotations

import json
import math
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fastnet.errors import FastnetWarning, StudyError
from fastnet.tuning import STUDY_FILE, Study, TrialResult, new_study_folder
from fastnet.tuning.store import folder as folder_module

SETTINGS = {
    "space": {"learning_rate": "log:1e-06:0.01"},
    "train": {"epochs": 3, "hidden": "100x6", "weight_decay": 0.0, "early_stopping": None},
    "data": "ab" * 32,
}
TIMES = {"wall_seconds": 2.0, "compile_seconds": 0.5, "compiled_seconds": 1.0}


def make_trial(number: int, status: str = "done", epochs: int = 3) -> TrialResult:
    curves = np.random.default_rng(number).random((4, epochs)).astype(np.float32)
    if status == "diverged":
        curves[:, 1:] = np.nan
    return TrialResult.from_curves(number, status, {"learning_rate": 1e-3 * (number + 1)}, curves, seconds=0.1)


def as_tuple(trial: TrialResult) -> tuple:
    values = (repr(trial.value), repr(trial.best_value), trial.best_epoch, trial.seconds, trial.curves.tobytes())
    return (trial.id, trial.status, dict(trial.params), *values)


def fill(folder: Path, numbers, settings=SETTINGS) -> None:
    with Study.open(folder, settings) as study:
        study.append([make_trial(i) for i in numbers], run=study.begin_run({}), **TIMES)


def in_python(code: str, *arguments: object, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def test_all_of_a_batch_is_stored_or_nothing(tmp_path):
    with Study.open(tmp_path, SETTINGS) as study:
        run = study.begin_run({})
        study.append([make_trial(0)], run=run, **TIMES)
        broken = replace(make_trial(2), seconds=None)
        with pytest.raises(StudyError, match="NOT NULL"):
            study.append([make_trial(1), broken, make_trial(3)], run=run, **TIMES)
        assert study.stored_ids().tolist() == [0]
        assert study.runs()[0]["new_trials"] == 1


def test_trials_come_back_as_they_were(tmp_path):
    trials = [make_trial(5), make_trial(0), make_trial(3, "diverged")]
    with Study.open(tmp_path, SETTINGS, about={"data": "mnist5k"}) as study:
        run = study.begin_run({"python": "3"})
        study.append(trials[:2], run=run, **TIMES)
        study.append(trials[2:], run=run, **TIMES)
        assert study.stored_ids().tolist() == [0, 3, 5]
    with Study.read(tmp_path) as study:
        expected = sorted(map(as_tuple, trials))
        assert [as_tuple(trial) for trial in study.trials()] == expected
        assert study.trials()[1].curves.dtype == np.float32
        assert math.isnan(study.trials()[1].value)
        assert study.best_value() == max(trials[0].value, trials[1].value)
        assert study.settings == SETTINGS
        assert study.about == {"data": "mnist5k"}
        (record,) = study.runs()
        assert record.pop("started").endswith("+00:00")
        assert record == {"environment": {"python": "3"}, "new_trials": 3} | TIMES


def test_a_trial_is_stored_once(tmp_path):
    fill(tmp_path, [0, 1])
    fill(tmp_path, [1, 2])
    with Study.read(tmp_path) as study:
        assert study.stored_ids().tolist() == [0, 1, 2]
        assert [record["new_trials"] for record in study.runs()] == [2, 1]


def test_the_file_holds_what_its_documentation_says(tmp_path):
    fill(tmp_path, [4])
    connection = sqlite3.connect(tmp_path / STUDY_FILE)
    meta = dict(connection.execute("SELECT key, value FROM meta"))
    assert meta["settings"] == json.dumps(SETTINGS, sort_keys=True, separators=(",", ":"))
    assert len(meta["settings_sha256"]) == 64
    blob = connection.execute("SELECT curves FROM curves WHERE id = 4").fetchone()[0]
    np.testing.assert_array_equal(np.frombuffer(blob, "<f4").reshape(4, 3), make_trial(4).curves)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA application_id").fetchone() == (0x666E6574,)
    connection.close()


def test_an_empty_study(tmp_path):
    with Study.open(tmp_path / "a" / "b", SETTINGS) as study:
        assert study.stored_ids().shape == (0,)
        assert study.best_value() is None
        assert tuple(study.trials()) == study.best() == ()


def test_other_settings_are_refused_and_every_difference_is_named(tmp_path):
    fill(tmp_path, [0])
    other = {
        "space": {"weight_decay": "log:1e-08:0.0001", "learning_rate": "log:1e-05:0.01"},
        "train": {"epochs": 10, "hidden": "64", "early_stopping": None},
        "data": "cd" * 32,
    }
    with pytest.raises(StudyError) as caught:
        Study.open(tmp_path, other)
    differences = (
        "(data abababababab -> cdcdcdcdcdcd, epochs 3 -> 10, hidden 100x6 -> 64, "
        "learning_rate log:1e-06:0.01 -> log:1e-05:0.01, weight_decay 0.0 -> log:1e-08:0.0001)"
    )
    assert differences in str(caught.value)
    with Study.open(tmp_path, SETTINGS) as study:  # nothing lost, and the lock was given up
        assert study.stored_ids().tolist() == [0]


def test_fresh_starts_over(tmp_path):
    fill(tmp_path, [0, 1])
    with Study.open(tmp_path, {"seed": 1}, fresh=True) as study:
        assert study.settings == {"seed": 1}
        assert study.stored_ids().tolist() == []
        assert study.runs() == []


def test_fresh_touches_nothing_while_another_process_writes(tmp_path):
    with Study.open(tmp_path, SETTINGS) as study:
        study.append([make_trial(0)], run=study.begin_run({}), **TIMES)
        with pytest.raises(StudyError, match="another search is writing"):
            Study.open(tmp_path, {"seed": 1}, fresh=True)
        assert study.stored_ids().tolist() == [0]


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("content", [b"hello", b"\x89PNG" * 4000, b"SQLite format 3\0" + b"x" * 5000])
def test_a_file_that_is_not_a_study_is_refused_and_kept(tmp_path, content, fresh):
    (tmp_path / STUDY_FILE).write_bytes(content)
    with pytest.raises(StudyError, match=r"study\.sqlite: .*choose another folder"):
        Study.open(tmp_path, SETTINGS, fresh=fresh)
    with pytest.raises(StudyError, match="choose another folder"):
        Study.read(tmp_path)
    assert (tmp_path / STUDY_FILE).read_bytes() == content


@pytest.mark.parametrize("fresh", [False, True])
def test_someone_elses_database_is_refused_and_kept(tmp_path, fresh):
    connection = sqlite3.connect(tmp_path / STUDY_FILE)
    connection.execute("CREATE TABLE trials (id)")
    connection.close()
    content = (tmp_path / STUDY_FILE).read_bytes()
    with pytest.raises(StudyError, match="an SQLite file but not a study"):
        Study.open(tmp_path, SETTINGS, fresh=fresh)
    assert (tmp_path / STUDY_FILE).read_bytes() == content


@pytest.mark.parametrize("version", [1, 99])
def test_a_study_of_another_format_is_refused_and_kept(tmp_path, version):
    fill(tmp_path, [0])
    connection = sqlite3.connect(tmp_path / STUDY_FILE)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    content = (tmp_path / STUDY_FILE).read_bytes()
    sentence = f"file format {version}, this fastnet reads 2; use the fastnet that wrote it, or choose another folder"
    for attempt in (lambda: Study.read(tmp_path), lambda: Study.open(tmp_path, SETTINGS, fresh=True)):
        with pytest.raises(StudyError, match=sentence):
            attempt()
    assert (tmp_path / STUDY_FILE).read_bytes() == content


def test_a_damaged_study_is_told(tmp_path):
    fill(tmp_path, range(200))
    whole = (tmp_path / STUDY_FILE).read_bytes()
    (tmp_path / STUDY_FILE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StudyError, match="the file is damaged"), Study.read(tmp_path) as study:
        study.trials()


def test_reading_where_nothing_is(tmp_path):
    with pytest.raises(StudyError, match=r"no study found \(no file study.sqlite\)"):
        Study.read(tmp_path / "nowhere")
    (tmp_path / STUDY_FILE).touch()
    with pytest.raises(StudyError, match="was never started"):
        Study.read(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StudyError, match="choose a folder you may read and write"):
            Study.open(folder, SETTINGS)
    (tmp_path / "taken" / STUDY_FILE).mkdir(parents=True)
    with pytest.raises(StudyError, match="cannot be opened or created"):
        Study.open(tmp_path / "taken", SETTINGS)


@pytest.mark.skipif(sys.platform == "win32", reason="permission bits are a POSIX thing")
def test_a_read_only_folder(tmp_path):
    # Permissions do not bind the superuser, so as root the child gives up being root first.
    folder = tmp_path / "locked"
    fill(folder, [0])
    os.chmod(folder / STUDY_FILE, 0o444)
    os.chmod(folder / folder_module.LOCK_FILE, 0o444)
    os.chmod(folder, 0o555)
    code = """
    import os, sys
    from pathlib import Path
    from fastnet.errors import FastnetWarning, StudyError
    from fastnet.tuning import Study, new_study_folder
    folder = Path(sys.argv[1])
    fd = os.open(folder, os.O_RDONLY)
    if os.getuid() == 0:
        os.fchdir(fd); folder = Path(".")
        os.setgid(65534); os.setuid(65534)
    for attempt in (Study.open, lambda f, s: Study.open(f / "new", s), lambda f, s: new_study_folder(f)):
        try:
            attempt(folder, {})
        except StudyError as error:
            print(error)
    """
    done = in_python(code, folder)
    os.chmod(folder, 0o755)
    lines = done.stdout.splitlines()
    assert done.stderr == ""
    assert len(lines) == 3
    assert all("choose a folder you may" in line for line in lines)


def test_a_finished_study_in_a_read_only_folder_can_be_read(tmp_path, monkeypatch):
    fill(tmp_path, [0, 1])
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["study.lock", "study.sqlite"]
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with Study.read(tmp_path) as study:
        assert len(study.trials()) == 2
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["study.lock", "study.sqlite"]


def test_a_full_disk_is_told_and_what_was_stored_stays(tmp_path):
    with Study.open(tmp_path, SETTINGS) as study:
        run = study.begin_run({})
        study.append([make_trial(i) for i in range(10)], run=run, **TIMES)
        pages = study._connection.execute("PRAGMA page_count").fetchone()[0]
        study._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StudyError, match="the disk is full; make room and run the same command again"):
            study.append([make_trial(i, epochs=500) for i in range(10, 60)], run=run, **TIMES)
        assert study.stored_ids().tolist() == list(range(10))
    fill(tmp_path, range(10, 20))
    with Study.read(tmp_path) as study:
        assert len(study.trials()) == 20


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are a POSIX thing")
def test_a_real_write_error_is_told_and_what_was_stored_stays(tmp_path):
    code = """
    import resource, sys
    from pathlib import Path
    import numpy as np
    from fastnet.errors import FastnetWarning, StudyError
    from fastnet.tuning import Study, TrialResult
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
    times = dict(wall_seconds=0.0, compile_seconds=0.0, compiled_seconds=0.0)
    with Study.open(Path(sys.argv[1]), {}) as study:
        run = study.begin_run({})
        for i in range(1000):
            curves = np.full((4, 100), i, np.float32)
            try:
                study.append([TrialResult.from_curves(i, "done", {}, curves, seconds=0.0)], run=run, **times)
            except StudyError as error:
                print(i, error)
                break
    """
    done = in_python(code, tmp_path)
    assert done.stderr == ""
    stored, _, sentence = done.stdout.strip().partition(" ")
    assert "make room and run the same command again" in sentence
    with Study.read(tmp_path) as study:
        assert study.stored_ids().tolist() == list(range(int(stored)))


@pytest.mark.parametrize("said", ["disk I/O error", "database or disk is full", "attempt to write a readonly database"])
def test_what_sqlite_says_is_told_in_our_words(said):
    with pytest.raises(StudyError) as caught, folder_module.study_errors(Path("s/study.sqlite")):
        raise sqlite3.OperationalError(said)
    assert str(caught.value).startswith("s/study.sqlite: the ")
    assert "make room" in str(caught.value) or "choose a folder" in str(caught.value)


def test_an_error_nobody_foresaw_is_a_sentence_too():
    with (
        pytest.raises(StudyError, match="study: SQLite reports: no such thing"),
        folder_module.study_errors(Path("study")),
    ):
        raise sqlite3.OperationalError("no such thing")


HOLD = """
import sys
from pathlib import Path
import numpy as np
from fastnet.tuning import Study, TrialResult
study = Study.open(Path(sys.argv[1]), {"seed": 0})
run = study.begin_run({})
for pack in range(10**6):
    ids = range(7 * pack, 7 * pack + 7)
    trials = [TrialResult.from_curves(i, "done", {}, np.full((4, 2), i, np.float32), seconds=0.0) for i in ids]
    study.append(trials, run=run, wall_seconds=0.0, compile_seconds=0.0, compiled_seconds=0.0)
    if pack == 3:
        print("holding", flush=True)
"""


def test_a_second_writer_is_refused_until_the_first_is_killed_which_leaves_whole_packs(tmp_path):
    first = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "holding\n"
        with pytest.raises(StudyError, match="another search is writing to this study; wait for it to end or choose"):
            Study.open(tmp_path, {"seed": 0})
        with Study.read(tmp_path) as reader:  # reading goes on meanwhile
            assert len(reader.stored_ids()) > 20
    finally:
        first.send_signal(signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
        first.communicate()
    with Study.open(tmp_path, {"seed": 0}) as study:
        ids = study.stored_ids()
        assert ids.tolist() == list(range(len(ids))) and len(ids) % 7 == 0
        assert [trial.curves[0, 0] for trial in study.trials()] == ids.tolist()


def test_a_second_writer_in_the_same_process_is_refused(tmp_path):
    study = Study.open(tmp_path, SETTINGS)
    with pytest.raises(StudyError, match="another search is writing"):
        Study.open(tmp_path, SETTINGS)
    study.close()
    study.close()
    Study.open(tmp_path, SETTINGS).close()


def test_a_study_killed_before_its_first_transaction_can_be_started(tmp_path):
    (tmp_path / STUDY_FILE).touch()
    fill(tmp_path, [0])
    other = tmp_path / "wal-header-only"
    other.mkdir()
    connection = sqlite3.connect(other / STUDY_FILE)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    with pytest.warns(FastnetWarning, match="this file is empty, so all trials are trained; if it was copied"):
        fill(other, [0])


def test_a_copied_study_is_a_study(tmp_path):
    fill(tmp_path / "a", [0, 1])
    (tmp_path / "b").mkdir()
    shutil.copy(tmp_path / "a" / STUDY_FILE, tmp_path / "b" / STUDY_FILE)
    with Study.open(tmp_path / "b", SETTINGS) as study:
        assert len(study.trials()) == 2


def copy_while_writing(source: Path, target: Path, *, log: bool = False, checkpoint: bool = False) -> None:
    """Copy a study while a search is writing to it."""
    with Study.open(source, SETTINGS) as study:
        run = study.begin_run({})
        study.append([make_trial(i) for i in range(5)], run=run, **TIMES)
        if checkpoint:
            study._connection.execute("PRAGMA wal_checkpoint")
        study.append([make_trial(i) for i in range(5, 9)], run=run, **TIMES)
        target.mkdir()
        for ending in ("", "-wal") if log else ("",):
            shutil.copy(source / f"{STUDY_FILE}{ending}", target)


def test_a_copy_without_its_log_is_told(tmp_path):
    copy_while_writing(tmp_path / "a", tmp_path / "b")
    for _ in range(2):
        with pytest.raises(StudyError, match=r"this file is empty; .* copy study\.sqlite-wal along with it"):
            Study.read(tmp_path / "b")
    with Study.read(tmp_path / "a") as study:
        assert study.count() == 9


def test_a_copy_of_a_part_without_its_log_is_told(tmp_path):
    copy_while_writing(tmp_path / "a", tmp_path / "b", checkpoint=True)
    warned = r"the latest trials are missing because .* copy study\.sqlite-wal along with it"
    for _ in range(2):
        with pytest.warns(FastnetWarning, match=warned), Study.read(tmp_path / "b") as study:
            assert study.count() == 5
    with pytest.warns(FastnetWarning, match=warned):
        fill(tmp_path / "b", range(9))
    for folder in ("a", "b"):  # nothing is missing now, and nothing is told
        with Study.read(tmp_path / folder) as study:
            assert study.count() == 9


@pytest.mark.parametrize("checkpoint", [False, True])
def test_a_copy_with_its_log_is_whole(tmp_path, checkpoint):
    copy_while_writing(tmp_path / "a", tmp_path / "b", log=True, checkpoint=checkpoint)
    for _ in range(2):  # the first reader leaves no log behind
        with Study.read(tmp_path / "b") as study:
            assert study.count() == 9
    fill(tmp_path / "b", [9])


def test_a_study_that_was_killed_is_no_copy(tmp_path):
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


def test_the_log_of_another_study_is_told_or_gives_a_whole_study(tmp_path):
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


def test_a_log_in_a_read_only_folder_is_told(tmp_path, monkeypatch):
    copy_while_writing(tmp_path / "a", tmp_path / "b", log=True)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(StudyError, match="SQLite reads only in a writable folder; copy both files to one"):
        Study.read(tmp_path / "b")


def test_a_trial_takes_under_150_bytes_without_its_curves_and_16_more_for_each_epoch_that_ran(tmp_path):
    params = {"learning_rate": 0.00123457, "weight_decay": 3.85914e-07}
    curves = np.full((4, 50), np.nan, np.float32)
    curves[:, :10] = np.float32(0.123456)
    trials = [TrialResult.from_curves(i, "stopped", params, curves, seconds=0.123456789) for i in range(5000)]
    sizes = {}
    for keep in (False, True):
        with Study.open(tmp_path / str(keep), SETTINGS, curves=keep) as study:
            study.append(trials, run=study.begin_run({}), **TIMES)
        sizes[keep] = (tmp_path / str(keep) / STUDY_FILE).stat().st_size / 5000
    assert sizes[False] < 150
    assert sizes[True] - sizes[False] < 200


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


def test_a_root_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="choose a folder you may read and write"):
        new_study_folder(tmp_path / "file")
