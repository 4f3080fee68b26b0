"""The profile of a study of a million trials: what it counts, and that it asks what it says."""

from __future__ import annotations

import mmap
import sys
import threading
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

PROFILES = Path(__file__).resolve().parents[1] / "profiles"
linux = pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="counts what Linux tells in /proc")


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the folder `profiles`, which is not installed."""
    monkeypatch.setattr(sys, "path", [str(PROFILES), *sys.path])
    return import_module


def figures(report: Any) -> dict[str, float]:
    return {figure["name"]: figure["value"] for figure in report.figures}


@linux
def test_what_a_process_takes_is_counted(profile: Any, tmp_path: Path) -> None:
    process = profile("_process")
    before = process.taken(folder=tmp_path)
    (tmp_path / "file").touch()
    with (tmp_path / "file").open():
        over = threading.Event()
        started = [process.in_background(over.wait) for _ in range(20)]
        block = mmap.mmap(-1, 64_000_000)  # an array may lie in memory that an earlier test gave back to the allocator
        block.write(bytes(len(block)))
        now = process.taken(folder=tmp_path)
    over.set()
    for thread in started:
        thread.join()
    assert (now.temporary, now.descriptors) == (1, before.descriptors + 1)
    assert now.threads > before.threads + 10  # others may end meanwhile
    assert now.megabytes > before.megabytes + 0.9 * len(block) / 1e6 and now.cpu_seconds > before.cpu_seconds
    assert process.peak_megabytes() > now.megabytes - 1  # the kernel counts in batches


@linux
def test_a_watch_finds_what_grows_and_slows_down(profile: Any) -> None:
    process = profile("_process")
    watch = process.Watch()
    for k in range(1, 101):
        sample = process.Taken(100 + 0.001 * k, 50, 7 + (k > 95), 5, 0, 0, 0, 0.01 * k + 0.02 * max(0, k - 90))
        watch.note(10 * k, sample)
        watch.seconds[-1] = 0.02 * k
    assert watch.growth() == pytest.approx(100.0)
    assert (watch.of("descriptors", 0.1, 0.2), watch.most("descriptors")) == (7, 8)
    assert watch.a_trial(0.1, 0.2) == pytest.approx({"wall": 2000.0, "cpu": 1000.0})
    assert watch.a_trial(0.9, 1.0) == pytest.approx({"wall": 2000.0, "cpu": 3000.0})
    watch(SimpleNamespace(compiling=False, done=1000))
    assert len(watch.done) == 100, "no trial has ended since"


@linux
def test_a_study_is_searched_asked_and_continued(profile: Any, tmp_path: Path) -> None:
    load = profile("load")
    report = profile("_bench").Report("load", quick=True)
    load.profile(report, 600, 2, tmp_path, only="a large study")
    assert report.checks == ["trial 0 against fastnet.reference"]
    found = figures(report)
    assert found["rate"] > 0 and found["temporary files in the last tenth"] >= 0
    for step in ("questions", "continuing"):
        load.profile(report, 600, 2, tmp_path, only=step)
    found = figures(report)
    assert found["a trial by its number"] > 0 and found["to the first new trial"] > 0
    assert load.stored(tmp_path / "large") == 600 + load.MORE_TRIALS
