"""Files for results: checked before the work, named, never replaced unasked."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fastnet_cli.main import cli
from fastnet_cli.outputs import LONGEST_STEM, check_folder, check_writable, claim_file, file_stem
from fastnet_cli.progress import TrainDisplay

import fastnet
from fastnet.errors import FastnetError

posix = pytest.mark.skipif(os.name == "nt", reason="names of bytes and deleted current folders are those of Unix")


TINY = ["--data", "digits", "--samples", "100", "--hidden", "4", "--epochs", "1", "--jobs", "1"]


TRAIN = ["train", *TINY]


SEARCH = ["search", *TINY, "--trials", "2", "--final", "none"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, while the current folder is another, empty one."""
    for name in ("home", "here", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "home"


def run(*arguments: str, code: int = 0, **variables: str) -> Result:
    result = CliRunner(env=variables).invoke(cli, list(arguments))
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_names_that_do_not_fit_are_refused_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(*arguments: Any, **more: Any) -> None:
        raise AssertionError("the work has begun")

    monkeypatch.setattr("fastnet.training.single.train", work)
    monkeypatch.setattr("fastnet.tuning.run.session.Session.go", work)
    longest = os.pathconf(".", "PC_NAME_MAX") if hasattr(os, "pathconf") else 255
    for name in ("n" * (longest + 1), "n" * (longest - 3), f"new/{'n' * (longest + 1)}/m"):
        assert run(*TRAIN, "-o", name, code=1).stderr.count("\n") == 1
    run(*SEARCH, "--study", "n" * (longest + 1), code=1)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("name", ["n" * 251, "n" * 243 + ".safetensors"])
def test_the_longest_names_can_be_given_to_models(name: str) -> None:
    for more in ([], ["--overwrite"]):
        run(*TRAIN, "-o", name, *more)
    assert fastnet.load_model(name)
    assert sorted(path.suffix for path in Path().iterdir())[0] in ("", ".png") and len(list(Path().iterdir())) == 2


def test_checking_leaves_nothing_and_harms_nothing(tmp_path: Path) -> None:
    check_writable(Path("a/b/m.safetensors"), overwrite=False)
    check_folder(Path("models/deep"))
    assert list(Path().iterdir()) == []
    Path("there").mkdir()
    Path("there/m").write_bytes(b"old")
    check_writable(Path("there/m"), overwrite=True)
    check_folder(Path("there"))
    assert Path("there/m").read_bytes() == b"old" and [path.name for path in Path().rglob("*")] == ["there", "m"]
    with pytest.raises(FastnetError, match="exists"):
        check_writable(Path("there/m"), overwrite=False)
    with pytest.raises(OSError, match=r"Not a directory|exists"):
        check_writable(Path("there/m/n"), overwrite=True)


@pytest.mark.parametrize(
    "name",
    ["mnist", ".hidden", "..", "", "-x", "a/b", r"a\b", "a\nb", "x" * 400, "\u00fc" * 200, "caf\udce9", "con:*?", " "],
)
def test_any_name_of_data_becomes_a_file_name(name: str) -> None:
    stem = file_stem(name)
    assert 0 < len(os.fsencode(stem)) <= LONGEST_STEM
    paths = [claim_file(Path("models"), name, ".safetensors") for _ in range(2)]
    assert [path.name for path in paths] == [f"{stem}-{number}.safetensors" for number in (1, 2)]
    assert sorted(Path("models").iterdir()) == sorted(paths)


def test_a_model_whose_folder_becomes_unusable_is_kept_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def spoil(display: TrainDisplay, epoch: Any) -> None:
        shutil.rmtree("results")
        Path("results").write_text("a file now", encoding="utf-8")

    Path("results").mkdir()
    monkeypatch.setattr(TrainDisplay, "__call__", spoil)
    result = run(*TRAIN, "-o", "results/m.safetensors", code=1)
    assert result.stdout.startswith("best epoch:1 of 1") and "model:" not in result.stdout
    found = list((tmp_path / "temporary").rglob("*.safetensors"))
    assert len(found) == 1 and fastnet.load_model(found[0])
    assert result.stderr.splitlines()[-1] == f"Error: results: File exists; the model is kept as {found[0]}"


def test_a_folder_that_vanishes_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("results").mkdir()
    monkeypatch.setattr(TrainDisplay, "__call__", lambda display, epoch: shutil.rmtree("results"))
    run(*TRAIN, "-o", "results/m.safetensors")
    assert sorted(path.name for path in Path("results").iterdir()) == ["m.png", "m.safetensors"]
