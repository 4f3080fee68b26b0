"""Commands that are killed leave nothing half-written; `python tests/kills.py --kills 200` does more."""

from __future__ import annotations

import random
import signal
import sys
from pathlib import Path

import pytest
from kills import SIGNALS, Damage, Single, Tally, check_whole, kill_and_look

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


@pytest.mark.slow
def test_predictions_that_are_killed_are_the_old_ones_or_the_new_ones(tmp_path: Path) -> None:
    tally = Tally()
    told = list(kill_and_look(tmp_path, tally, kinds=["predict"], kills=1, threads=(1,), seed=3))
    assert tally.damage == [] and tally.kills.total() == 1, told
    counts = tally.as_json()
    assert counts["by_kind"] == {"predict": 1} and sum(counts["codes"].values()) == 1


@pytest.mark.slow
def test_a_search_that_is_killed_and_carried_on_is_the_one_that_never_was(tmp_path: Path) -> None:
    tally = Tally()
    told = list(kill_and_look(tmp_path, tally, kinds=["stages"], kills=2, threads=(1, 2), seed=11))
    assert tally.damage == [] and tally.kills.total() == 2 and tally.compared["stages"] >= 1, told


def test_half_a_file_is_found(tmp_path: Path) -> None:
    for name, content in (("a.html", b"<html>"), ("a.png", b"\x89PNG"), ("a.safetensors", b"half")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Damage, match=name):
            check_whole(tmp_path / name)
    check_whole(tmp_path / "nothing.png")


def test_every_signal_exists() -> None:
    assert all(isinstance(getattr(signal, name.split()[0]), signal.Signals) for name in SIGNALS)
    assert random.Random(0).choice(SIGNALS) and Single.code == 0
