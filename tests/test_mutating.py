"""Damaged files are read, or refused in one sentence; `python tests/mutating.py --files 100000` tries many more."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import mutating
import pytest

from fastnet.errors import FastnetError

FILES = {"npz": 150, "csr": 150, "svmlight": 150, "idx": 300, "model": 200, "study": 80, "toml": 100, "json": 150}
FILES |= {"csv": 60, "packed": 60, "parquet": 80, "arrow": 80, "pipeline": 60, "points": 200, "settings": 200}
FILES |= {"parcel": 200, "message": 300}

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the time is measured by a POSIX timer")


@pytest.mark.parametrize("reader", mutating.READERS)
def test_a_damaged_file_gives_a_result_or_one_sentence(tmp_path: Path, reader: str) -> None:
    outcomes = list(mutating.try_files(reader, tmp_path, range(FILES[reader]), seed=0))
    failures = [f"{outcome.number}: {outcome.failure}" for outcome in outcomes if outcome.failure]
    assert not failures, failures[0]
    refused = sum(outcome.kind != "result" for outcome in outcomes)
    assert 0 < refused < len(outcomes), "some files are damaged badly, and some not"


@pytest.mark.parametrize("reader", [name for name, one in mutating.READERS.items() if one.parse])
def test_contents_are_parsed_without_files(tmp_path: Path, reader: str) -> None:
    outcomes = list(mutating.try_in_memory(reader, tmp_path, range(150), seed=0))
    failures = [f"{outcome.number}: {outcome.failure}" for outcome in outcomes if outcome.failure]
    assert not failures, failures[0]
    assert len(outcomes) == 150
    of_files = mutating.try_files(reader, tmp_path, range(5), seed=0)
    assert [one.content for one in of_files] == [one.content for one in outcomes[:5]]


def test_the_fuzzer_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    import fuzzing

    monkeypatch.setitem(sys.modules, "atheris", None)
    monkeypatch.setattr(sys, "argv", ["fuzzing.py", "idx"])
    with pytest.raises(SystemExit, match=r"^fuzzing\.py needs atheris, which is not installed: pip install atheris$"):
        fuzzing.main()


def test_counts_of_several_processes_are_one_table(tmp_path: Path) -> None:
    import json

    import fuzzing

    path = tmp_path / "counts"
    one = {"reader": "idx", "files": 3, "kinds": {"result": 1, "DataError": 2}, "slowest": 0.1, "MiB": 50}
    lines = [one, {"reader": "idx", "files": 2, "kinds": {"failure": 2}, "slowest": 0.3, "MiB": 40}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert fuzzing.table(path).splitlines()[2:] == ["| idx | 5 | 1 | 2 | 2 | 0.30 | 50 |", "5 inputs"]


def test_a_file_that_failed_can_be_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import fuzzing

    (tmp_path / "kept").write_bytes(b"\0\0\x08\x01\0\0\0\x02ab")
    assert fuzzing.replay("idx", tmp_path / "kept", tmp_path) == 0
    assert capsys.readouterr().out.strip().endswith(("result", "DataError"))


def test_a_file_follows_from_the_seed_and_its_number(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    first, again = (list(mutating.try_files("json", tmp_path / name, range(20), seed=3)) for name in "ab")
    alone = list(mutating.try_files("json", tmp_path / "c", [17], seed=3))
    assert [one.content for one in first] == [one.content for one in again]
    assert alone[0].content == first[17].content


class TwoLinesError(FastnetError):
    def __str__(self) -> str:
        return "one\ntwo"


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
            raise TwoLinesError
        if what == "warning":
            warnings.warn("careful", UserWarning, stacklevel=1)
        time.sleep(0.3)
        return None

    monkeypatch.setattr(mutating, "MOST_SECONDS", 0.1)
    reader = mutating.Reader(lambda folder: [b"sound"], lambda chance, seeds: b"damaged", read, "file")
    monkeypatch.setitem(mutating.READERS, "json", reader)
    outcomes = list(mutating.try_files("json", tmp_path, range(2), seed=0))
    assert all(outcome.failure for outcome in outcomes)
