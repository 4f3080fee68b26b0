"""Paths as users write them, and files written whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import fastnet
from fastnet import files
from fastnet.data import registry
from fastnet.data.readers import idx, npz
from fastnet.errors import ConfigError, FastnetError
from fastnet.files import as_path, replace_file, write_result
from fastnet.report.page import write_report
from fastnet.tuning import Study, find_studies, remove_study

posix = pytest.mark.skipif(os.name == "nt", reason="names of other users' homes and of bytes are those of Unix")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, while the current folder is another one."""
    for name in ("home", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("given", ["~/a", b"~/a", Path("~/a")])
def test_a_tilde_is_the_home_folder(home: Path, given: str | bytes | Path) -> None:
    assert as_path(given, "path") == home / "a"


def test_a_tilde_elsewhere_is_a_character(home: Path) -> None:
    assert as_path("a/~", "path") == Path("a/~") and as_path("./~", "path") == Path("~")
    assert as_path("~", "path") == home


@posix
def test_the_home_of_a_user_who_is_not_there_is_refused_unless_a_file_has_that_name() -> None:
    with pytest.raises(ConfigError, match=r"^study '~nobody-here/s': unknown user .* \./~nobody-here"):
        as_path("~nobody-here/s", "study")
    Path("~notes.npz").touch()
    assert as_path("~notes.npz", "path") == Path("~notes.npz")


@posix
def test_a_tilde_without_a_home_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda text: text)  # as where HOME is unset and the user unknown
    with pytest.raises(ConfigError, match="the home folder is unknown because HOME is not set"):
        as_path("~/s", "study")


@pytest.mark.parametrize("given", ["", b"", "a\0b", 3, None])
def test_anything_but_a_path_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError, match=r"^study.*(is empty|give a path|null character)"):
        as_path(given, "study")


@posix
def test_names_of_any_bytes_can_be_written() -> None:
    path = as_path(b"caf\xe9.bin", "path")
    write_result(path, b"1", "cannot be written")
    assert os.listdir(b".") == [b"caf\xe9.bin"]


@posix
def test_a_relative_path_needs_a_current_folder(tmp_path: Path) -> None:
    os.rmdir(tmp_path / "here")
    with pytest.raises(FastnetError, match=r"^a: the current folder no longer exists; change"):
        as_path("a", "path")
    assert as_path(tmp_path / "a", "path") == tmp_path / "a"
    assert as_path("~/a", "path").name == "a"


def test_any_name_that_the_file_system_allows_can_be_written(home: Path) -> None:
    longest = os.pathconf(home, "PC_NAME_MAX") if hasattr(os, "pathconf") else 255
    for length in range(longest - 20, longest + 1):
        name = "n" * length
        replace_file(home / name, b"new")
        assert (home / name).read_bytes() == b"new"
        (home / name).unlink()
    with pytest.raises(FastnetError, match="cannot be kept"):
        write_result(home / ("n" * (longest + 1)), b"new", "cannot be kept")
    assert list(home.iterdir()) == []


def test_threads_may_write_the_same_file(home: Path) -> None:
    contents = [bytes([number]) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: replace_file(home / "a", content), contents * 5))
    assert (home / "a").read_bytes() in contents
    assert [path.name for path in home.iterdir()] == ["a"]


def test_what_takes_a_path_takes_a_tilde(home: Path, tiny_dataset: fastnet.Dataset) -> None:
    model = fastnet.train(tiny_dataset, fastnet.TrainConfig(hidden=(4,), epochs=1)).model
    model.save("~/m.safetensors")
    assert fastnet.Model.load("~/m.safetensors").spec == fastnet.load_model("~/m.safetensors").spec == model.spec
    result = fastnet.search(None, tiny_dataset, trials=1, study="~/s", hidden="4", epochs=1, final=0)
    assert len(result.trials) == 1
    with Study.read("~/s") as study:
        assert study.count() == 1
    assert write_report("~/s") == home / "s" / "report.html"
    assert find_studies("~") == [home / "s"]
    remove_study("~/s")
    assert sorted(path.name for path in home.iterdir()) == ["m.safetensors"]
    assert list(Path().iterdir()) == []


def test_data_are_read_from_the_home_folder(home: Path, tiny_dataset: fastnet.Dataset) -> None:
    npz.np.savez(home / "d.npz", x=tiny_dataset.x, y=tiny_dataset.y)
    assert fastnet.load("~/d.npz").name == npz.read_npz("~/d.npz").name == "d"
    with pytest.raises(FastnetError, match="data_dir is empty"):
        registry.load("mnist", data_dir="")
    with pytest.raises(FastnetError, match=r"^unknown data set ''"):
        fastnet.load("")


@pytest.mark.parametrize(
    "use",
    [
        lambda data: fastnet.search(None, data, study=""),
        lambda data: fastnet.Model.load(""),
        lambda data: fastnet.load_model(""),
        lambda data: fastnet.train(data, fastnet.TrainConfig(hidden=(4,), epochs=1)).model.save(""),
        lambda data: write_report(""),
        lambda data: Study.read(""),
        lambda data: find_studies(""),
        lambda data: npz.read_npz(""),
        lambda data: idx.read_idx_folder("", name="mnist", class_names=()),
    ],
)
def test_empty_names_are_refused(tiny_dataset: fastnet.Dataset, use: Any) -> None:
    with pytest.raises(FastnetError, match=r"^(path|study|folder|root) is empty: give the path"):
        use(tiny_dataset)
    assert list(Path().iterdir()) == []


@posix
def test_a_search_without_a_folder_says_that_the_current_one_is_gone(
    tmp_path: Path, tiny_dataset: fastnet.Dataset
) -> None:
    os.rmdir(tmp_path / "here")
    with pytest.raises(FastnetError, match=files.NO_CURRENT_FOLDER):
        fastnet.search(None, tiny_dataset, trials=1, hidden="4", epochs=1)
    result = fastnet.search(None, tiny_dataset, trials=1, study=tmp_path / "s", hidden="4", epochs=1, final=0)
    assert len(result.trials) == 1


def left_by(pid: int | str, folder: Path, *, place: str | None = None, age: float = 0.0) -> Path:
    """A file that a process was writing."""
    path = folder / f".{pid}-{place or files._place()}-{os.urandom(4).hex()}.part"
    path.write_bytes(b"half")
    moment = path.stat().st_mtime - age
    os.utime(path, (moment, moment))
    return path


@pytest.fixture
def ended() -> int:
    """The number of a process that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


@pytest.mark.skipif(os.name == "nt", reason="Windows does not say whether a process runs")
def test_what_killed_processes_were_writing_is_removed(tmp_path: Path, ended: int) -> None:
    gone = left_by(ended, tmp_path), left_by(ended, tmp_path, place="00000000", age=2 * files.DAY)
    stays = left_by(os.getpid(), tmp_path), left_by(ended, tmp_path, place="00000000", age=60.0)
    (tmp_path / f".{ended}-x.part").touch()  # somebody else's
    files.replace_file(tmp_path / "a.txt", b"new")
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in stays) and (tmp_path / f".{ended}-x.part").exists()
    files.remove_parts(tmp_path / "nowhere")


@pytest.mark.skipif(os.name == "nt", reason="Windows does not say whether a process runs")
def test_temporary_files_of_killed_processes_are_removed(tmp_path: Path, ended: int) -> None:
    theirs = files.temporary_prefix().replace(str(os.getpid()), str(ended))
    (tmp_path / f"{theirs}ab").mkdir()
    (tmp_path / f"{theirs}ab" / "data").touch()
    (tmp_path / f"{theirs}cd").touch()
    own = tmp_path / f"{files.temporary_prefix()}ab"
    own.touch()
    files.remove_temporary(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("fastnet-")] == [own.name]
