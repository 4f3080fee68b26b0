from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from unsteady import SMALL, KillAt, Killer, searched

import fastnet
from fastnet.errors import ConfigError, StudyError
from fastnet.tuning.run.workers import workers_of

distributed = pytest.importorskip("distributed")
dask = pytest.importorskip("dask")

# Dask leaves sockets to the collector, and names another port for its pages if the usual one is taken.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("default::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:Port 8787:UserWarning"),
]


@pytest.fixture
def cluster() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster = distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None, silence_logs=50)
        try:
            yield cluster
        finally:  # a worker that was killed while it started is waited for without end by some versions
            with contextlib.suppress(TimeoutError):
                cluster.close(timeout=30)


def pids_of(cluster: Any) -> list[int]:
    return [nanny.pid for nanny in cluster.workers.values() if nanny.pid]


def test_a_cluster_made_for_a_search_finds_what_the_threads_of_this_process_find(tiny_dataset, local, tmp_path):
    assert searched(tiny_dataset, tmp_path, "dask", jobs=1) == local


def test_workers_of_a_scheduler_and_an_executor_of_a_client_find_the_same(tiny_dataset, local, tmp_path, cluster):
    assert searched(tiny_dataset, tmp_path / "address", f"dask:{cluster.scheduler_address}") == local
    with distributed.Client(cluster) as client:
        assert searched(tiny_dataset, tmp_path / "executor", client.get_executor()) == local


def test_workers_that_are_killed_come_and_go_and_change_nothing(tiny_dataset, longer, tmp_path, cluster):
    killer = KillAt(lambda: pids_of(cluster), 200)

    def joining(progress: fastnet.Progress) -> None:
        killer(progress)
        if progress.done >= 400 and len(cluster.workers) == 2:
            cluster.scale(3)

    address = f"dask:{cluster.scheduler_address}"
    assert searched(tiny_dataset, tmp_path / "killed", address, on_progress=joining, **SMALL) == longer
    assert killer.kills >= 2


def test_a_part_whose_worker_is_killed_five_times_in_a_row_ends_well(tiny_dataset, longer, tmp_path, cluster):
    cluster.scale(1)
    with Killer(lambda: pids_of(cluster), 1.0, 5) as killer:
        assert searched(tiny_dataset, tmp_path, f"dask:{cluster.scheduler_address}", **SMALL) == longer
    assert killer.kills == 5


def test_a_study_whose_scheduler_was_killed_goes_on_elsewhere(tiny_dataset, longer, tmp_path):
    file = tmp_path / "scheduler.json"
    with scheduler(file) as process, dask.config.set({"distributed.comm.timeouts.connect": "3s"}):

        def kill(progress: fastnet.tuning.Progress) -> None:
            if progress.done > 300:
                process.kill()

        with pytest.raises(StudyError, match=r"^the scheduler of Dask at .* is gone .* continue the study"):
            searched(tiny_dataset, tmp_path / "study", f"dask:{file}", on_progress=kill, **SMALL)
    assert searched(tiny_dataset, tmp_path / "study", "processes:2", **SMALL) == longer


class scheduler:
    """A scheduler with a worker, in processes of their own."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> subprocess.Popen[bytes]:
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        command = [sys.executable, "-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                   "--no-show", "--scheduler-file", str(self._file)]  # fmt: skip
        self._process = subprocess.Popen(command, **quiet)
        until = time.monotonic() + 60
        while not self._file.exists() and time.monotonic() < until:
            time.sleep(0.1)
        command = [sys.executable, "-m", "dask", "worker", "--scheduler-file", str(self._file), "--nthreads", "2",
                   "--resources", "fastnet=1", "--no-dashboard", "--death-timeout", "10"]  # fmt: skip
        self._worker = subprocess.Popen(command, **quiet)
        return self._process

    def __exit__(self, *error: object) -> None:
        for process in (self._process, self._worker):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_scheduler_that_is_not_there_is_told_in_a_sentence(tiny_dataset, tmp_path):
    with pytest.raises(ConfigError, match=r"there is no such file of a scheduler"):
        searched(tiny_dataset, tmp_path, f"dask:{tmp_path / 'none.json'}")
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(ConfigError, match=r"^executor='dask:tcp://127\.0\.0\.1:9': no cluster answers there"),
    ):
        searched(tiny_dataset, tmp_path, "dask:tcp://127.0.0.1:9")


def test_threads_of_a_worker_are_its_own_and_one_in_a_cluster_of_this_machine():
    found = [workers_of("dask:tcp://host:8786"), workers_of("dask"), workers_of("dask:tcp://host:8786", 4)]
    assert [workers.threads for workers in found if workers] == [0, 1, 4]
