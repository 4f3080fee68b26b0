"""`fastnet experiment`: what it prints, writes and refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fastnet_cli.main import cli

pytestmark = pytest.mark.usefixtures("empty_folder")

TINY = ["--seeds", "2", "--epochs", "2", "--samples", "40", "--test-samples", "50"]


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["experiment", *arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_sentences_tables_and_figures(tmp_path: Path) -> None:
    result = run("overfit", *TINY)
    lines = result.stdout.splitlines()
    assert lines[0] == "Overfitting" and lines[1].startswith("After 2 epochs training accuracy is")
    assert "The chapter's claim does not hold here" in result.stdout
    assert "After 2 epochs, over 2 seeds" in lines
    assert lines[-1] == f"figure: {Path('experiments/overfit-1/overfit.png')}"
    assert "Tested on 50 of the 1,000 test samples" in result.stderr
    names = sorted(path.name for path in (tmp_path / "experiments" / "overfit-1").iterdir())
    assert names == ["overfit.json", "overfit.png", "overfit.svg"]


def test_results_are_numbered_and_never_replaced() -> None:
    run("optimizers", *TINY)
    first = Path("experiments/optimizers-1/optimizers.json").read_bytes()
    run("optimizers", *TINY, "--epochs", "1")
    assert Path("experiments/optimizers-1/optimizers.json").read_bytes() == first
    assert Path("experiments/optimizers-2/optimizers.json").is_file()


def test_output_is_replaced_only_on_request() -> None:
    run("overfit", *TINY, "-o", "a")
    Path("a/notes.txt").write_text("mine")
    refused = run("overfit", *TINY, "-o", "a", code=1)
    assert "overfit.png exists" in refused.stderr and "--overwrite" in refused.stderr
    run("overfit", *TINY, "-o", "a", "--overwrite", "-q")
    run("optimizers", *TINY, "-o", "a", "-q")  # other names, so nothing is in the way
    assert Path("a/notes.txt").read_text() == "mine" and Path("a/optimizers.svg").is_file()


def test_json_is_the_file_without_the_run() -> None:
    result = run("weight-decay", *TINY, "--format", "json", "-o", "a", "-j", "1")
    document, stored = json.loads(result.stdout), json.loads(Path("a/weight-decay.json").read_text(encoding="utf-8"))
    assert stored.pop("run")["environment"]["threads"] == 1
    assert document == stored and document["experiment"] == "weight-decay"


def test_all_ends_with_the_claims_and_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "fastnet_cli.experiment.EXPERIMENTS", ("overfit", "optimizers")
    )  # all of them are drawn elsewhere
    result = run("all", *TINY, "-o", "a")
    assert "claims hold here:" in result.stdout
    assert result.stdout.splitlines()[-1] == f"page: {Path('a/index.html')}"
    assert "networks 0/2 | overfit (1 of 2)" in result.stderr
    again = run("all", *TINY, "-o", "a", code=1)
    assert "exists" in again.stderr
    documents = json.loads(run("all", *TINY, "-o", "b", "-q", "--format", "json").stdout)
    assert [document["experiment"] for document in documents["experiments"]] == ["overfit", "optimizers"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["overfitting"], 2, "'overfitting' is not one of"),
        (["overfit", "--seeds", "0"], 1, "seeds=0: must be a whole number from 1 to 1000"),
        (["overfit", "--epochs", "0"], 1, "epochs=0"),
        (["overfit", "--samples", "5000"], 1, "take a whole number from 1 to 4000"),
        (["overfit", "--test-samples", "few"], 2, "neither a number of samples from 1 to 2147483647 nor 'all'"),
        (["overfit", "--data", "nothing.npz"], 1, "nothing.npz"),
        (["overfit", "--data", "digits", "--target", "x"], 1, "--target is given for digits, which is no table"),
        (["overfit", "--data", "n.csv", "--target", "y"], 1, "n has no classes (regression): experiments compare"),
        (["overfit", "-o", "file"], 2, "is a file"),
        (["overfit", "--jobs", "0"], 2, "--jobs"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(arguments: list[str], code: int, words: str) -> None:
    Path("file").write_text("mine")
    Path("n.csv").write_text("a,y\n" + "".join(f"{k % 7},{k % 23 * 0.5}\n" for k in range(90)))
    result = run(*arguments, code=code)
    assert words in result.stderr and "Traceback" not in result.output
    assert not list(Path("experiments").glob("*")) and Path("file").read_text() == "mine"


def test_a_real_process_on_a_file_without_a_test_set() -> None:
    import numpy as np

    x = np.random.Generator(np.random.Philox(1)).normal(size=(60, 4)).astype(np.float32)
    np.savez("flowers.npz", x=x, y=np.where(x[:, 0] > 0, "rose", "lily"))
    command = [sys.executable, "-m", "fastnet_cli", "experiment", "overfit", "--data", "flowers.npz", "--epochs", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "has no test set: a fifth of its samples, 12" in done.stderr
    assert "figure:" in done.stdout and "Traceback" not in done.stderr


def test_a_table_of_classes() -> None:
    rows = "".join(f"{k % 7 + 0.5},{'pq'[k % 2]},{'st'[k * 3 % 5 % 2]}\n" for k in range(200))
    Path("t.csv").write_text("a,b,y\n" + rows)
    result = run("overfit", "--data", "t.csv", "--target", "y", "--drop", "b", *TINY[:4], "--samples", "40")
    assert "t: 200 rows, 3 columns | classification of y, 2 classes | from 1 number" in result.stderr
