"""`fastnet export`: what it writes, and what it refuses."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from exports import CLOSE, feeds_of
from fastnet_cli import export
from fastnet_cli.main import cli
from models import make_model

import fastnet
from fastnet.export import export as library

MODEL = "m.safetensors"


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == code, (result.output, result.exception)
    return result


@pytest.fixture(autouse=True)
def here(empty_folder: Path) -> None:
    """A model of arrays in the current folder."""
    make_model().save(MODEL)


def write_table(path: str, n: int, seed: int, target: str) -> None:
    """Write rows with numbers, categories, dates and missing cells, and a target of two classes or of numbers."""
    random = np.random.default_rng(seed)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["key", "size", "colour", "when", target])
        for k in range(n):
            size = random.lognormal()
            colour = ["red", "blue", "", "violet"][random.choice(4, p=[0.5, 0.3, 0.1, 0.1])]
            day = f"2024-{random.integers(1, 13):02}-{random.integers(1, 29):02}"
            value = f"{3 * size:.3f}" if target == "price" else ("big" if size > 1 else "small")
            writer.writerow([f"K{k:05}", "" if random.random() < 0.1 else f"{size:.4f}", colour, day, value])


def close(actual: str, expected: str, spread: float = 1.0) -> None:
    """Compare two outputs of predictions: names and texts as they are, numbers but for rounding."""
    (head, *found), (wanted, *rows) = (list(csv.reader(io.StringIO(text))) for text in (actual, expected))
    assert head == wanted and len(found) == len(rows) > 0
    for cells, others in zip(found, rows, strict=True):
        for cell, other in zip(cells, others, strict=True):
            assert cell == other or abs(float(cell) - float(other)) <= CLOSE * spread


@pytest.mark.parametrize(("target", "options"), [("kind", ["--probabilities"]), ("price", [])])
def test_exports_predict_what_the_command_predicts(target: str, options: list[str]) -> None:
    runtime = pytest.importorskip("onnxruntime")
    write_table("old.csv", 400, 0, target)
    write_table("new.csv", 100, 1, target)
    training = ("--data", "old.csv", "--target", target, "--hidden", "8", "--epochs", "3", "-o", "t.safetensors")
    run("train", *training, "-q")
    run("export", "t.safetensors", "t.onnx")
    run("export", "t.safetensors", "t")
    expected = run("predict", "t.safetensors", "--data", "new.csv", *options).stdout
    command = [sys.executable, "t/predict.py", "new.csv", *options]
    actual = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    model = fastnet.load_model("t.safetensors")
    rows = list(csv.DictReader(io.StringIO(expected)))
    spread = 1.0 if options else float(np.ptp([float(row["price"]) for row in rows]))
    close(actual, expected, spread)
    session = runtime.InferenceSession("t.onnx", providers=["CPUExecutionProvider"])
    answers = session.run(None, feeds_of(model, "new.csv"))
    if options:
        assert answers[0].tolist() == [row["kind"] for row in rows]
        wanted = [[float(row[f"p({name})"]) for name in model.class_names] for row in rows]
        assert np.abs(answers[1] - wanted).max() <= CLOSE
    else:
        assert np.abs(answers[0] - [float(row["price"]) for row in rows]).max() <= CLOSE * spread


def test_the_formats_are_those_of_the_library() -> None:
    assert export.FORMATS == library.FORMATS


def test_the_format_can_be_chosen() -> None:
    result = run("export", MODEL, "folder.v1", "--format", "numpy")
    assert result.stdout == "" and result.stderr == "model: folder.v1\n"
    assert sorted(path.name for path in Path("folder.v1").iterdir()) == ["predict.py", "weights.npz"]


def test_the_name_has_to_say_the_format() -> None:
    error = run("export", MODEL, "m.pt", code=1).stderr
    assert error.startswith("Error: ") and "end it in .onnx" in error


@pytest.mark.parametrize("name", ["m.onnx", "m"])
def test_nothing_is_replaced_without_permission(name: str) -> None:
    pytest.importorskip("onnx")
    run("export", MODEL, name, "-q")
    error = run("export", MODEL, name, code=1).stderr
    assert "exists: choose another name, or add --overwrite to replace it" in error
    assert run("export", MODEL, name, "--overwrite", "-q").output == ""


def test_a_missing_package_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    error = run("export", MODEL, "m.onnx", code=1).stderr
    assert "install 'fastnet-mlp[onnx]'" in error and len(error.splitlines()) == 1


def test_a_model_that_is_not_there_is_a_sentence() -> None:
    assert run("export", "none.safetensors", "m", code=1).stderr == "Error: none.safetensors: no such model file\n"
    assert not Path("m").exists()
