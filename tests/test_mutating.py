"""Damaged files are read, or refused in one sentence; `python tests/mutating.py --files 100000` tries many more."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import mutating
import pytest

from fastnet.errors import FastnetError

FILES = {"npz": 150, "csr": 150, "svmlight": 150, "idx": 300, "model": 200, "study": 80, "toml": 100, "json": 150}

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the time is measured by a POSIX timer")


@pytest.mark.parametrize("reader", mutating.READERS)
def test_a_damaged_file_gives_a_result_or_one_sentence(tmp_path: Path, reader: str) -> None:
    outcomes = list(mutating.try_files(reader, tmp_path, range(FILES[reader]), seed=0))
    failures = [f"{outcome.number}: {outcome.failure}" for outcome in outcomes if outcome.failure]
    assert not failures, failures[0]
    refused = sum(outcome.kind != "result" for outcome in outcomes)
    assert 0 < refused < len(outcomes), "some files are damaged badly, and some not"


def test_a_file_follows_from_the_seed_and_its_number(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    first, again = (list(mutating.try_files("json", tmp_path / name, range(20), seed=3)) for name in "ab")
    alone = list(mutating.try_files("json", tmp_path / "c", [17], seed=3))
    assert [one.content for one in first] == [one.content for one in again]
    assert alone[0].content == first[17].content


@pytest.mark.parametrize("what", ["error", "lines", "warning", "slow"])
def test_failures_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    import time
    import warnings

    def read(path: Path, chance: random.Random) -> object:
        if path.read_bytes() == b"sound":
            return None
        if what == "error":
            raise KeyError("x")
        if what == "lines":
            raise FastnetError("one\ntwo")
        if what == "warning":
            warnings.warn("careful", UserWarning, stacklevel=1)
        time.sleep(0.3)
        return None

    monkeypatch.setattr(mutating, "MOST_SECONDS", 0.1)
    reader = mutating.Reader(lambda folder: [b"sound"], lambda chance, seeds: b"damaged", read, "file")
    monkeypatch.setitem(mutating.READERS, "json", reader)
    outcomes = list(mutating.try_files("json", tmp_path, range(2), seed=0))
    assert all(outcome.failure for outcome in outcomes)
