"""A search whose worker is on another host, for the system: a network namespace, whose link is cut for a while."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from unsteady import searched

import fastnet
from fastnet.tuning.run import remote

pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("default::pytest.PytestUnraisableExceptionWarning"),
]

NAME = f"fastnet{os.getpid() % 10_000}"
HERE, THERE = "10.213.77.1", "10.213.77.2"
CUT_SECONDS = 10.0
SMALL = {"trials": 1500, "hidden": "16", "epochs": 9}


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def host() -> Iterator[list[str]]:
    """Another host, joined by a cable; yields what to put before a command that runs there."""
    try:
        ip("netns", "add", NAME)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"network namespaces are not permitted here: {error}")
    try:
        ip("link", "add", f"{NAME}a", "type", "veth", "peer", "name", f"{NAME}b", "netns", NAME)
        ip("addr", "add", f"{HERE}/24", "dev", f"{NAME}a")
        ip("link", "set", f"{NAME}a", "up")
        ip("-n", NAME, "addr", "add", f"{THERE}/24", "dev", f"{NAME}b")
        ip("-n", NAME, "link", "set", f"{NAME}b", "up")
        ip("-n", NAME, "link", "set", "lo", "up")
        yield ["ip", "netns", "exec", NAME]
    except subprocess.CalledProcessError as error:
        pytest.skip(f"a pair of network devices is not permitted here: {error.stderr!r}")
    finally:
        subprocess.run(["ip", "netns", "del", NAME], check=False)


def test_a_link_that_is_cut_for_ten_seconds_changes_nothing(
    host: list[str], tiny_dataset: fastnet.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PATIENCE_SECONDS", 5.0)
    expected = searched(tiny_dataset, tmp_path / "local", **SMALL)
    file = tmp_path / "scheduler.json"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    dask = [sys.executable, "-m", "dask"]
    scheduler = subprocess.Popen(
        [
            *dask,
            "scheduler",
            "--host",
            HERE,
            "--port",
            "0",
            "--no-dashboard",
            "--no-show",
            "--scheduler-file",
            str(file),
        ],
        **quiet,
    )
    while not file.exists():
        time.sleep(0.1)
    worker = subprocess.Popen(
        [*host, *dask, "worker", "--scheduler-file", str(file), "--host", THERE, "--nthreads", "1", "--no-dashboard"],
        **quiet,
    )
    cuts: list[float] = []

    def cut(progress: fastnet.Progress) -> None:
        if progress.done > 200 and not cuts:
            cuts.append(progress.elapsed_seconds)
            ip("link", "set", f"{NAME}a", "down")
            threading.Timer(CUT_SECONDS, ip, ("link", "set", f"{NAME}a", "up")).start()

    try:
        began = time.monotonic()
        found = searched(tiny_dataset, tmp_path / "there", f"dask:{file}", on_progress=cut, **SMALL)
        took = time.monotonic() - began
    finally:
        for process in (worker, scheduler):
            process.kill()
            process.wait()
    assert found == expected
    assert cuts and took > CUT_SECONDS
