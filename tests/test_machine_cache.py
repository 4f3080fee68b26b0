"""The folder of compiled kernels: what it contains, what is wrong with it, and what cleaning removes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fastnet.kernels import _store
from fastnet.machine import cache


@pytest.fixture
def current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the present kernels, with two functions."""
    monkeypatch.setenv("FASTNET_CACHE", str(tmp_path / "cache"))
    folder = _store.cache_folder()
    assert folder is not None
    for name in ("serial/rng.shuffle-1.0011.nbc", "micro-update/update._adam-2.0022.nbc"):
        (folder / name).parent.mkdir(parents=True)
        _store._write(folder / name, b"code")
    return folder


def test_old_folders_are_those_that_numba_alone_has_written(old_cache: Path) -> None:
    found = cache.look()
    assert found.folder == _store.cache_folder() and found.folder is not None and found.folder.parent == old_cache
    assert [path.name for path in found.old] == ["0123456789abcdef", "fedcba9876543210"]
    assert (found.functions, found.n_bytes, found.old_bytes) == (frozenset(), 0, 12)


def test_a_folder_is_described_by_its_files(current: Path) -> None:
    found = cache.look()
    assert found.folder == current and found.old == () and found.old_bytes == 0
    assert found.functions == {"serial/rng.shuffle-1.0011.nbc", "micro-update/update._adam-2.0022.nbc"}
    assert found.n_bytes == sum(path.stat().st_size for path in current.rglob("*.nbc"))
    assert (found.damaged, found.unkept, found.problem) == (0, "", "")


def test_damaged_and_abandoned_files_are_found_and_removed(current: Path) -> None:
    damaged = current / "serial" / "rng.shuffle-1.0011.nbc"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    abandoned, fresh = current / "serial" / ".12-ab.part", current / "serial" / ".13-cd.part"
    for path in (abandoned, fresh):
        path.write_bytes(b"12345")
    os.utime(abandoned, (0, 0))
    found = cache.look()
    assert found.damaged == 2 and found.problem == f"{current}: 2 damaged files" and found.unkept == ""
    size = damaged.stat().st_size + 5
    assert cache.clean() == cache.Cleaned(folders=0, damaged=2, n_bytes=size)
    assert fresh.exists() and not abandoned.exists() and not damaged.exists(), "another process may be writing it"
    assert cache.look().problem == "" and cache.clean() == cache.Cleaned(0, 0, 0)


def test_one_damaged_file_is_not_called_files(current: Path) -> None:
    (current / "serial" / "rng.shuffle-1.0011.nbc").write_bytes(b"")
    assert cache.look().problem == f"{current}: 1 damaged file"


def test_cleaning_removes_old_folders_and_nothing_but_machine_code(old_cache: Path) -> None:
    before = {path.name for path in old_cache.iterdir()}
    assert cache.clean() == cache.Cleaned(folders=2, damaged=0, n_bytes=12)
    current = cache.look().folder
    assert current is not None
    left = before - {"0123456789abcdef", "fedcba9876543210"}
    assert {path.name for path in old_cache.iterdir()} - {current.name} == left
    assert (old_cache / "aaaaaaaaaaaaaaaa" / "thesis.txt").exists()


def test_without_a_cache_there_is_a_reason_and_nothing_to_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTNET_CACHE", "0")
    found = cache.look()
    assert found.folder is None and found.functions == frozenset()
    assert found.unkept == found.problem == "FASTNET_CACHE=0 switches the cache of compiled kernels off"
    assert cache.clean() == cache.Cleaned(0, 0, 0)


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no permissions that os.chmod could give")
def test_a_folder_that_others_may_write_to_is_neither_read_nor_filled(current: Path) -> None:
    current.chmod(0o777)
    found = cache.look()
    assert found.unkept == found.problem == f"{current}: other users may write to it; run: chmod go-w {current}"


def test_a_file_in_place_of_the_folder_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FASTNET_CACHE", str(tmp_path / "file"))
    found = cache.look()
    assert found.functions == frozenset() and found.old == ()
    assert f"{found.folder}: cannot be written (" in found.unkept and found.problem == found.unkept
