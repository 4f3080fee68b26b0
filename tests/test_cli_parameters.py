"""Paths on the command line, in files and in the environment: home folders, odd names, folders that go away."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from fastnet_cli.main import cli
from fastnet_cli.parameters import ListType
from hypothesis import given
from hypothesis import strategies as st

from fastnet.files import NO_CURRENT_FOLDER
from fastnet.tuning import Study

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


def test_a_tilde_is_the_home_folder_wherever_it_is_written(home: Path) -> None:
    run(*SEARCH, "--study=~/option")
    run(*SEARCH, FASTNET_SEARCH_STUDY="~/variable")
    Path("c.toml").write_text('study = "~/file"\n', encoding="utf-8")
    run(*SEARCH, "--config", "c.toml")
    Path("c.toml").rename(home / "c.json").write_text('{"study": "~/json"}', encoding="utf-8")
    run(*SEARCH, "--config=~/c.json")
    for name in ("option", "variable", "file", "json"):
        with Study.read(home / name) as study:
            assert study.count() == 2
    run(*TRAIN, "--output=~/m.safetensors")
    run("evaluate", "~/m.safetensors", "--data", "digits")
    run("predict", "~/m.safetensors", "--data", "digits", "--output=~/p.csv")
    run("studies", "export", "~/option", "-o", "~/e.csv")
    run("report", "~/option", "-o", "~/r.html")
    assert "variable" in run("studies", "ls", "~").stdout
    assert {"m.safetensors", "m.png", "p.csv", "e.csv", "r.html"} <= {path.name for path in home.iterdir()}
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        [*SEARCH, "--study", ""],
        [*TRAIN, "-o", ""],
        ["train", "--data-dir", ""],
        ["train", "--config", ""],
        ["experiment", "overfit", "-o", ""],
        ["evaluate", ""],
        ["predict", "m.safetensors", "-o", ""],
        ["report", ""],
        ["studies", "ls", ""],
        ["studies", "export", "s", "-o", ""],
    ],
)
def test_empty_names_are_refused(arguments: list[str]) -> None:
    assert "the path is empty: give the path of a file or folder" in run(*arguments, code=2).stderr
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("value", ['""', r'"a\u0000b"'])
@pytest.mark.parametrize("name", ["study", "data_dir"])
def test_empty_and_impossible_names_in_a_file_are_refused(name: str, value: str) -> None:
    Path("c.toml").write_text(f"{name} = {value}\n", encoding="utf-8")
    assert run("search", "--config", "c.toml", code=1).stderr.startswith(f"Error: c.toml: {name} = {value}: the path ")
    assert [path.name for path in Path().iterdir()] == ["c.toml"]


def test_an_empty_variable_counts_as_not_set() -> None:
    run(*SEARCH, FASTNET_SEARCH_STUDY="", FASTNET_DATA_DIR="", FASTNET_SEARCH_CONFIG="")
    assert [path.name for path in Path().iterdir()] == ["studies"]


@posix
def test_names_of_any_bytes_work_from_start_to_end() -> None:
    odd = os.fsdecode(b"caf\xe9")
    np.savez(f"{odd}.npz", x=np.arange(160.0).reshape(40, 4), y=np.arange(40) % 2)
    data = ["--data", f"{odd}.npz", "--hidden", "4", "--epochs", "1", "--jobs", "1"]
    run("search", *data, "--trials", "2", "--study", odd)
    run("search", *data, "--trials", "3", "--study", odd, "--format", "json", "--final", "none")
    for words in (["show"], ["show", "--format", "json"], ["best", "--format", "toml"], ["export"]):
        run("studies", words[0], odd, *words[1:])
    run("report", odd)
    run("studies", "ls", ".")
    run("train", *data, "-o", f"{odd}.safetensors")
    run("evaluate", f"{odd}.safetensors", *data[:2], "--format", "json").stdout.encode()
    run("predict", f"{odd}.safetensors", *data[:2], "-o", f"{odd}.csv")
    run("experiment", "overfit", *data[:2], "--samples", "20", "--seeds", "2", "--epochs", "1", "-o", f"{odd}-e")
    assert os.fsencode(f"{odd}.csv") in os.listdir(b".")


@posix
def test_without_a_current_folder_every_command_reports_it_or_works(tmp_path: Path) -> None:
    model, study = str(tmp_path / "m.safetensors"), str(tmp_path / "s")
    run(*TRAIN, "-o", model)
    run(*SEARCH, "--study", study)
    os.rmdir(tmp_path / "here")
    relative = [
        TRAIN, SEARCH, [*TRAIN, "-o", "m.safetensors"], ["evaluate", "m.safetensors"], ["studies", "ls"],
        ["studies", "show", "s"], ["studies", "export", study, "-o", "x"], ["report", "s"], ["train", "--config", "c"],
        ["experiment", "overfit"], ["predict", model, "--data", "digits", "-o", "x"],
    ]  # fmt: skip
    for arguments in relative:
        said = run(*arguments, code=1).stderr.splitlines()[-1]
        assert said.endswith(NO_CURRENT_FOLDER)
    for arguments in (
        [*TRAIN, "-o", model, "--overwrite"], [*SEARCH, "--study", study], ["evaluate", model, "--data", "digits"],
        ["studies", "ls", str(tmp_path)], ["studies", "show", study], ["report", study],
    ):  # fmt: skip
        run(*arguments)
    assert "OK: the kernels agree" in run("doctor").stdout


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1), min_size=1))
def test_lists_read_back_as_they_were_written(items: list[str]) -> None:
    assert ListType().convert(ListType.written(items), None, None) == items


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("a,b", ["a", "b"]), ("a, b", ["a", "b"]), ('"a,b",c', ["a,b", "c"]), ("a b", ["a b"]), ("", []), (",", []),
        ('say ""hi""', ['say ""hi""']), ("a,", ["a"]),
    ],
)  # fmt: skip
def test_lists(text: str, items: list[str]) -> None:
    assert ListType().convert(text, None, None) == items
