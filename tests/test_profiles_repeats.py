"""Many searches in one process: nothing is left open, running or lying about."""

from __future__ import annotations

import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

PROFILES = Path(__file__).resolve().parents[1] / "profiles"


@pytest.fixture
def repeats(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The profile, which is not installed."""
    monkeypatch.setattr(sys, "path", [str(PROFILES), *sys.path])
    return import_module("repeats")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts what Linux tells in /proc")
@pytest.mark.filterwarnings("ignore::fastnet.errors.FastnetWarning")
def test_repeated_work_leaves_nothing_behind(
    repeats: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "temporary"
    own.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    quick = ("search_of_classes", "search_of_numbers", "search_on_an_executor", "search_that_fails", "live_view")
    work = {name: repeats.WORK[name] for name in (*quick, "training")}
    # A worker keeps the data of three searches.
    rounds = repeats.repeat(work, {}, tmp_path / "work", lambda done: done < 6)
    first, *_, last = (repeats.Counts(*each.tolist()) for each in rounds[3:])
    for name in ("descriptors", "threads", "children", "temporary", "cached", "compiled"):
        assert getattr(last, name) == getattr(first, name), name
    assert last.temporary == 0


def made(repeats: ModuleType, **growing: float) -> list[Any]:
    """Fifty rounds with noise, in which some counts grow by so much a round."""
    rng = np.random.default_rng(0)
    rounds = []
    for number in range(50):
        counts = repeats.Counts(4e8 + 1e5 * rng.standard_normal(), 7, 5, 0, 0, int(rng.integers(30, 40)), 2e5, 600, 5)
        counts = counts._replace(**{name: getattr(counts, name) + slope * number for name, slope in growing.items()})
        rounds.append(np.array(counts, np.float64))
    return rounds


@pytest.mark.parametrize(
    ("growing", "found"),
    [
        ({}, []),
        ({"memory": 2e4}, ["memory"]),
        ({"descriptors": 1.0, "cached": 2.0}, ["descriptors", "cached"]),
        ({"objects": 0.1}, ["objects"]),
        ({"threads": -0.1}, []),
    ],
)
def test_what_grows_is_found(repeats: ModuleType, growing: dict[str, float], found: list[str]) -> None:
    report = import_module("_bench").Report("repeats")
    assert repeats.judge(report, made(repeats, **growing), 12) == found
    verdicts = {figure["name"]: figure["verdict"] for figure in report.figures}
    assert [name for name, verdict in verdicts.items() if verdict == "grows"] == found


def test_work_that_leaks_is_found(repeats: ModuleType, tmp_path: Path) -> None:
    kept: list[int] = []

    def leak(folder: Path, number: int) -> None:
        kept.append(os.open(folder, os.O_RDONLY))

    rounds = repeats.repeat({"leak": leak}, {}, tmp_path / "work", lambda done: done < 4)
    for descriptor in kept:
        os.close(descriptor)
    assert "descriptors" in repeats.judge(import_module("_bench").Report("repeats"), rounds, 1)
