"""Writing a study: batches, settings, other writers, locks, full disks, read-only folders."""

from __future__ import annotations

import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from storing import SETTINGS, TIMES, fill, in_python, make_trial

from fastnet.errors import FastnetWarning, StudyError
from fastnet.tuning import STUDY_FILE, Study, TrialResult
from fastnet.tuning.store import folder as folder_module


def as_tuple(trial: TrialResult) -> tuple:
    values = (repr(trial.value), repr(trial.best_value), trial.best_epoch, trial.seconds, trial.curves.tobytes())
    return (trial.id, trial.status, dict(trial.params), *values)


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


def test_a_damaged_study_is_reported(tmp_path):
    fill(tmp_path, range(200))
    whole = (tmp_path / STUDY_FILE).read_bytes()
    (tmp_path / STUDY_FILE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StudyError, match="the file is damaged"), Study.read(tmp_path) as study:
        study.trials()


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


def test_a_full_disk_is_reported_and_stored_trials_stay(tmp_path):
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
def test_a_real_write_error_is_reported_and_stored_trials_stay(tmp_path):
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


def test_ctrl_c_ends_the_wait_for_a_lock(tmp_path: Path) -> None:
    def interrupt(seconds: float) -> bool:
        raise KeyboardInterrupt

    with Study.open(tmp_path, {"seed": 0}) as stored:
        stored.while_locked = interrupt
        with locked(tmp_path), pytest.raises(KeyboardInterrupt):
            stored.begin_run({})
        assert stored.runs() == []
        stored.begin_run({})
        assert len(stored.runs()) == 1


@pytest.mark.parametrize("what", ["run", "stage", "final", "ensemble", "plan", "use"])
def test_whatever_is_stored_waits_for_the_lock(tmp_path: Path, what: str) -> None:
    with Study.open(tmp_path, {"seed": 0}) as stored:
        store = {
            "run": lambda: stored.begin_run({}),
            "stage": lambda: stored.append_stage(1, 0, 1, {}),
            "final": lambda: stored.set_final({}),
            "ensemble": lambda: stored.set_ensemble({}),
            "plan": lambda: stored.set_plan({}),
            "use": lambda: stored.note_test_use({}),
        }[what]
        other = sqlite3.connect(tmp_path / STUDY_FILE, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.3, other.close)
        timer.start()
        try:
            store()
        finally:
            timer.join()
        count = "SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM stages) + (SELECT count(*) FROM final) + "
        count += "(SELECT count(*) FROM test_uses) + (SELECT count(*) FROM meta WHERE key IN ('ensemble', 'plan'))"
        assert stored._connection.execute(count).fetchone() == (1,)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    connection = sqlite3.connect(folder / STUDY_FILE, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.close()
