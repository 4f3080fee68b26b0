from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from unsteady import SMALL, KillAt, Killer, searched

from fastnet.errors import ConfigError
from fastnet.tuning.run.workers import workers_of
from fastnet.tuning.run.workers.processes import Processes


def pids_of(workers: Processes) -> list[int]:
    return [pid for pool in workers._pools if pool is not None for pid in list(pool._processes or {})]


def test_processes_find_what_the_threads_of_this_process_find(tiny_dataset, local, tmp_path):
    assert searched(tiny_dataset, tmp_path, "processes:2") == local


def test_processes_that_are_killed_are_replaced_and_change_nothing(tiny_dataset, longer, tmp_path):
    workers = Processes(2, 1)
    killer = KillAt(lambda: pids_of(workers), 200)
    assert searched(tiny_dataset, tmp_path / "killed", workers, on_progress=killer, **SMALL) == longer
    assert killer.kills >= 2
    assert not pids_of(workers)


def test_a_part_whose_process_is_killed_five_times_in_a_row_ends_well(tiny_dataset, longer, tmp_path):
    workers = Processes(1, 1)
    with Killer(lambda: pids_of(workers), 0.5, 5) as killer:  # sooner than it has begun
        assert searched(tiny_dataset, tmp_path, workers, **SMALL) == longer
    assert killer.kills == 5


def test_a_process_of_its_own_for_each_place_and_one_file_of_data():
    workers = Processes(2, 1)
    workers.start()
    futures = [workers.submit(os.getpid) for _ in range(2)]
    pids = {future.result(60) for future in futures}
    assert len(pids) == 2 == workers.width() and os.getpid() not in pids
    path = workers.parcel("name", b"data")
    assert path == workers.parcel("name", b"data") and path.read_bytes() == b"data"
    workers.close()
    assert not path.exists()
    with pytest.raises(ProcessLookupError):
        [os.kill(pid, 0) for pid in pids]


def test_ctrl_c_is_left_to_the_process_that_leads():
    workers = Processes(1, 1)
    workers.start()
    assert workers.submit(signal.getsignal, signal.SIGINT).result(60) == signal.SIG_IGN
    threads = workers.submit(os.getenv, "NUMBA_NUM_THREADS").result(60)
    workers.close()
    assert threads == "1"


@pytest.mark.parametrize("argument", ["0", "two", "-1", "5000", "1.5"])
def test_a_number_of_processes_that_cannot_be_is_refused(argument):
    with pytest.raises(ConfigError, match=r"the number of processes must be from 1 to 4096"):
        workers_of(f"processes:{argument}")


def test_no_process_outlives_a_search_that_is_killed(tmp_path):
    command = [sys.executable, "-m", "fastnet", "search", "--trials", "100000", "--executor", "processes:2",
               "--hidden", "16", "--samples", "200", "--study", str(tmp_path / "s")]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while len(workers := children_of(process.pid)) < 2 and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(1)
        workers = children_of(process.pid)
    finally:
        process.kill()
        process.wait()
    assert len(workers) >= 2
    until = time.monotonic() + 60
    while any(alive(pid) for pid in workers) and time.monotonic() < until:
        time.sleep(0.2)
    assert not [pid for pid in workers if alive(pid)]


def alive(pid: int) -> bool:
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False


def children_of(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGHUP")
def test_a_terminal_that_closes_does_not_end_the_process_that_counts_semaphores():
    code = (
        "import os, signal, time\n"
        "from fastnet.tuning.run.workers.processes import _start_tracker\n"
        "from joblib.externals.loky.backend import resource_tracker\n"
        "_start_tracker()\n"
        "tracker = resource_tracker._resource_tracker\n"
        "os.kill(tracker._pid, signal.SIGHUP)\n"
        "time.sleep(0.3)\n"
        "assert tracker._check_alive()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
