"""Bad input: one clear sentence, the right exit code, no traceback, nothing left behind."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli

USAGE = 2
FAILURE = 1

SETTINGS = [
    (["train", "--dropout", "1"], FAILURE, "dropout=1.0: must be in [0, 1)"),
    (["train", "--dropout", "20"], FAILURE, "Did you mean 0.2?"),
    (["train", "--learning-rate", "-0.1"], FAILURE, "learning_rate=-0.1: must be greater than 0"),
    (["train", "--learning-rate", "nan"], FAILURE, "learning_rate=nan: must be a finite number"),
    (["train", "--hidden", "0"], FAILURE, "must be a whole number from 1"),
    (["train", "--hidden", "100x0"], FAILURE, "hidden repetition=0"),
    (["train", "--hidden", "a lot"], FAILURE, "write widths such as 100x6"),
    (["train", "--hidden", ""], FAILURE, "write widths such as 100x6"),
    (["train", "--batch-size", "0"], FAILURE, "batch_size=0"),
    (["train", "--epochs", "0"], FAILURE, "epochs=0"),
    (["train", "--seed", "-1"], FAILURE, "seed=-1"),
    (["train", "--early-stopping", "0"], FAILURE, "early_stopping=0"),
    (["train", "--validation-fraction", "1"], FAILURE, "fraction=1.0: must be in (0, 1)"),
    (["train", "--samples", "4001"], FAILURE, "take a whole number from 1 to 4000"),
    (["train", "--data", "nope"], FAILURE, "unknown data set 'nope'"),
    (["train", "--data", "mnist", "--data-dir", "nowhere"], FAILURE, "no such folder; --data-dir and FASTNET_DATA_DIR"),
    (["train", "--schedule", "cosine", "--warmup-epochs", "51"], FAILURE, "still rise after the last of 50 epochs"),
    (["train", "--warmup-epochs", "-1"], FAILURE, "warmup_epochs=-1.0: must be in [0, 1e+06]"),
    (["train", "--warmup-epochs", "nan"], FAILURE, "warmup_epochs=nan: must be a finite number"),
    (["train", "--step-epochs", "0"], FAILURE, "step_epochs=0: must be a whole number from 1"),
    (["train", "--step-factor", "0"], FAILURE, "step_factor=0.0: must be in (0, 1]"),
    (["train", "--step-factor", "10"], FAILURE, "step_factor=10.0: must be in (0, 1]. Did you mean 0.1?"),
    (["train", "--label-smoothing", "1"], FAILURE, "label_smoothing=1.0: must be in [0, 1)"),
    (["train", "--rho", "1"], FAILURE, "rho=1.0: must be in [0, 1)"),
    (["train", "--epsilon", "1e-31"], FAILURE, "epsilon=1e-31: must be in [1e-30, 1e+06]"),
    (["train", "--epsilon", "0"], FAILURE, "epsilon=0.0: must be in [1e-30, 1e+06]"),
    (["train", "--schedule", "linear"], USAGE, "'linear' is not one of"),
    (["train", "--step-epochs", "2.5"], USAGE, "'2.5' is not a valid integer"),
    (["search", "--label-smoothing", "-0.1"], FAILURE, "label_smoothing=-0.1: must be in [0, 1)"),
    (["search", "--epochs", "3", "--warmup-epochs", "4"], FAILURE, "choose at most 3"),
    (["train", "--dropout", "much"], FAILURE, "dropout='much': write a number such as 0.2"),
    (["train", "--optimizer", "adm"], USAGE, "'adm' is not one of"),
    (["train", "--activation", "step"], USAGE, "'step' is not one of"),
    (["train", "--jobs", "0"], USAGE, "not in the range x>=1"),
    (["train", "--samples", "few"], USAGE, "neither a number of samples from 1 to 2147483647 nor 'all'"),
    (["train", "--samples", "0"], USAGE, "neither a number of samples from 1 to 2147483647 nor 'all'"),
    (["train", "--rate", "1"], USAGE, "No such option"),
    (["train", "surplus"], USAGE, "unexpected extra argument"),
    (["search", "--trials", "0"], FAILURE, "trials=0"),
    (["search", "--validation-fraction", "0"], FAILURE, "validation_fraction=0.0: must be in (0, 1)"),
    (["search", "--space", "learning_rate"], FAILURE, "write NAME=RANGE"),
    (["search", "--space", "learning_rate=log:0:1"], FAILURE, "must be greater than 0 on a log scale"),
    (["search", "--space", "learning_rate=log:1:0.1"], FAILURE, "swap them"),
    (["search", "--space", "dropout=uniform:0:1"], FAILURE, "its value 1 must be in [0, 1)"),
    (["search", "--space", "colour=log:1:2"], FAILURE, "can be searched"),
    (["search", "--space", "beta1=uniform:0:0.9"], FAILURE, "does not use it"),
    (["search", "--space", "dropout=choice:0", "--space", "dropout=choice:0.5"], FAILURE, "already has the range"),
    (["search", "--space", "dropout=choice:0", "--dropout", "0.5"], FAILURE, "remove one of them"),
    (["search", "--early-stopping", "0"], FAILURE, "early_stopping=0: must be a whole number from 1"),
    (["search", "--timeout", "5 minutes"], USAGE, "'5 minutes' is not a time: write 90 or 90s, 30m, 2h or 1h30m"),
    (["search", "--timeout", "0"], USAGE, "'0' must be greater than 0 and at most a year"),
    (["search", "--timeout", "-5"], USAGE, "'-5' is not a time"),
    (["search", "--memory", "a lot"], USAGE, "'a lot' is not an amount of memory: write 512M, 2G or 2GiB"),
    (["search", "--memory", "0"], USAGE, "'0' must be at least a byte"),
    (["search", "--quiet", "--verbose"], USAGE, "--quiet and --verbose contradict each other"),
    (["search", "--dry-run", "--format", "csv"], USAGE, "--dry-run prints text only: remove --format"),
    (["completion", "tcsh"], USAGE, "'tcsh' is not one of"),
    (["search", "--format", "yaml"], USAGE, "'yaml' is not one of"),
    (["evaluate", "nope.safetensors"], FAILURE, "no such model file"),
    (["evaluate"], USAGE, "Missing argument 'MODEL'"),
    (["predict", "nope.safetensors"], FAILURE, "no such model file"),
    (["predict", "nope.safetensors", "--part", "middle"], USAGE, "'middle' is not one of"),
]


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FASTNET_DATA_DIR", raising=False)


def check_sentence(arguments: list[str], code: int, message: str) -> None:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.stdout == ""
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: ") and message in last
    if code == FAILURE:
        assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("arguments", "code", "message"), SETTINGS, ids=[" ".join(row[0]) for row in SETTINGS])
def test_impossible_settings(arguments: list[str], code: int, message: str) -> None:
    check_sentence(arguments, code, message)
    assert list(Path().rglob("*")) in ([], [Path("studies")])


def write(path: str, **arrays: Any) -> None:
    np.savez(path, **arrays)


def nan_in_data() -> None:
    write("d.npz", x=np.array([[0.0, 1.0], [np.nan, 2.0]]), y=np.array([0, 1]))


def labels_missing() -> None:
    write("d.npz", x=np.zeros((2, 2)))


def lengths_differ() -> None:
    write("d.npz", x=np.zeros((3, 2)), y=np.array([0, 1]))


def one_class() -> None:
    write("d.npz", x=np.zeros((2, 2)), y=np.array([1, 1]))


def truncated() -> None:
    write("d.npz", x=np.zeros((200, 20)), y=np.arange(200) % 2)
    Path("d.npz").write_bytes(Path("d.npz").read_bytes()[:500])


def not_an_archive() -> None:
    Path("d.npz").write_text("x,y\n1,2\n")


def nothing_there() -> None:
    pass


def a_folder() -> None:
    Path("d.npz").mkdir()


@pytest.mark.parametrize("command", ["train", "search"])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (nan_in_data, "x[1, 0] is nan: features must be finite"),
        (labels_missing, "are needed"),
        (lengths_differ, "there must be one label per sample"),
        (one_class, "at least 2 classes"),
        (truncated, "truncated or damaged"),
        (not_an_archive, "not an .npz file"),
        (nothing_there, "d.npz"),
        (a_folder, "is a folder"),
    ],
)
def test_bad_data_files(command: str, make: Callable[[], None], message: str) -> None:
    make()
    check_sentence([command, "--data", "d.npz"], FAILURE, message)
    assert not Path("studies").exists() or not any(Path("studies").iterdir())


def test_idx_folder_without_labels(idx_folder: Callable[..., Path]) -> None:
    folder = idx_folder("half")
    (folder / "train-labels-idx1-ubyte.gz").unlink()
    check_sentence(["train", "--data", "mnist", "--data-dir", str(folder)], FAILURE, "train-labels-idx1-ubyte missing")


def test_output_that_exists_is_kept() -> None:
    Path("m.safetensors").write_text("mine")
    check_sentence(["train", "-o", "m.safetensors"], FAILURE, "m.safetensors exists: choose another name")
    assert Path("m.safetensors").read_text() == "mine"


def test_picture_next_to_the_output_is_kept() -> None:
    Path("m.png").write_text("mine")
    check_sentence(["train", "-o", "m.safetensors"], FAILURE, "m.png exists: choose another name")


def test_output_that_is_not_a_file() -> None:
    check_sentence(["train", "-o", "."], FAILURE, "is a folder: give the name of a file")
    check_sentence(["predict", "m", "-o", "/dev/null", "--overwrite"], FAILURE, "/dev/null is not a regular file")


def test_output_below_a_file() -> None:
    Path("models").write_text("mine")
    check_sentence(["train"], FAILURE, "models: ")
    check_sentence(["train", "-o", "models/m.safetensors"], FAILURE, "models: ")


def test_study_below_a_file() -> None:
    Path("studies").write_text("mine")
    check_sentence(["search"], FAILURE, "studies: ")
    check_sentence(["search", "--study", "studies/a"], FAILURE, "studies/a")


def test_study_that_is_a_file() -> None:
    Path("mine.txt").write_text("mine")
    check_sentence(["search", "--study", "mine.txt"], USAGE, "'mine.txt' is a file")


def test_study_that_is_something_else() -> None:
    Path("s").mkdir()
    Path("s/study.sqlite").write_text(
        "something else entirely, and long enough to be looked at as a header of 100 b" * 9
    )
    check_sentence(["search", "--study", "s"], FAILURE, "this is not a study but some other file")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no POSIX permissions")
def test_read_only_folder(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    try:
        (folder / "probe").touch()
    except OSError:
        check_sentence(["train", "-o", "locked/m.safetensors"], FAILURE, "locked: Permission denied")
        check_sentence(["search", "--study", "locked/s"], FAILURE, "Permission denied")
    else:  # permissions do not bind the superuser: a folder in /proc does, and takes no files either
        check_sentence(["train", "-o", "/proc/m.safetensors"], FAILURE, "/proc: ")
        check_sentence(["search", "--study", "/proc/s"], FAILURE, "/proc/s")
