"""How fast this machine is, relative to the one where times were measured."""

from __future__ import annotations

import pytest
from fastnet_cli import search

import fastnet
from fastnet import pace
from fastnet.tuning.run.assemble import COLUMN_SECONDS, INSPECTION_SECONDS, inspection_seconds


@pytest.fixture
def clock(monkeypatch):
    """Let the work take as long as a test wants."""
    pace.pace.cache_clear()
    yield lambda seconds: monkeypatch.setattr(pace, "_work", lambda: next(seconds))
    pace.pace.cache_clear()


@pytest.mark.parametrize(
    ("times", "found"), [([3.0, 2.0, 9.0], 2.0), ([99.0] * 3, pace.SLOWEST), ([0.01] * 3, pace.FASTEST)]
)
def test_the_least_of_three_counts_and_is_limited(clock, times, found):
    clock(iter([pace.MEASURED_SECONDS * time for time in times]))
    assert pace.pace() == pytest.approx(found) == pace.pace(), "measured once"


def test_a_slower_machine_reserves_more_time(clock, monkeypatch):
    table = fastnet.load({"size": [k / 4 for k in range(40)], "kind": ["a", "b"] * 20}, target="kind")
    clock(iter([2 * pace.MEASURED_SECONDS] * 3))
    assert inspection_seconds(table) == pytest.approx(2 * (INSPECTION_SECONDS + COLUMN_SECONDS))
    assert search.report_seconds(100) == pytest.approx(2 * (search.REPORT_SECONDS + 0.01))


def test_the_work_takes_time():
    assert 0 < pace._work() < 10
