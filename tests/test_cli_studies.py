"""`fastnet studies`: what is listed, described, exported and removed, and what is refused with a sentence."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from fastnet_cli import studies
from fastnet_cli.main import cli
from listed import ENVIRONMENT, SPACE, make_study, make_trial

from fastnet.tuning import STUDY_FILE, Space, Study
from fastnet.tuning.rules.choice import choose
from fastnet.tuning.rules.narrowing import narrow

pytestmark = pytest.mark.usefixtures("empty_folder")


def run(*arguments: str, code: int = 0, **options: str) -> Result:
    result = CliRunner().invoke(cli, ["studies", *arguments], **options)
    assert result.exit_code == code, (result.output, result.exception)
    assert b"\x1b" not in result.stdout_bytes or result.stdout_bytes.startswith(b"PAR1")
    assert "\x1b" not in result.stderr and "Traceback" not in result.output
    return result


# ls, show -------------------------------------------------------------------------------------------------------------


def test_studies_are_listed_with_their_best() -> None:
    make_study()
    make_study("studies/002", metric="loss")
    make_study("studies/mine", n=0, data="flowers")
    head, *rows = run("ls").stdout.splitlines()
    assert head.split() == ["study", "data", "trials", "best", "metric", "last", "run", "size"]
    cells = [row.replace("\\", "/").split() for row in rows]
    assert [row[:5] for row in cells] == [
        ["studies/001", "mnist5k", "20", "0.1800", "accuracy"],
        ["studies/002", "mnist5k", "20", "0.0000", "loss"],
        ["studies/mine", "flowers", "0", "-", "accuracy"],
    ]
    assert all(row[-1] == "KiB" for row in cells)
    assert run("ls", "studies/002").stdout.splitlines()[1].startswith("studies")


def test_a_study_that_cannot_be_read_does_not_hide_the_others() -> None:
    make_study()
    folder = make_study("studies/002")
    connection = sqlite3.connect(folder / STUDY_FILE)
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    result = run("ls")
    assert len(result.stdout.splitlines()) == 2
    assert "Note: " in result.stderr and "file format 1, and fastnet" in result.stderr


def test_no_studies_is_a_success() -> None:
    result = run("ls")
    assert result.stdout == "" and "No studies in studies" in result.stderr


def test_a_study_being_written_is_listed_and_shown_as_such() -> None:
    folder = make_study()
    with Study.read(folder) as study:
        settings = study.settings
    with Study.open(folder, settings):
        assert "being written" in run("ls").stdout and "being written" in run("show", str(folder)).stdout
    assert "being written" not in run("ls").stdout + run("show", str(folder)).stdout


def test_everything_about_a_study_is_shown() -> None:
    folder = make_study()
    with Study.read(folder) as study:
        settings = study.settings
    with Study.open(folder, settings) as study:
        report = narrow(Space.parse(SPACE), map(make_trial, range(10))).to_dict()
        report |= {"recommendation": {"words": "Learning rate 0.001 to 0.01."}}
        kept = {"validation_accuracy": 0.9, "test_accuracy": 0.91, "test_loss": 0.3, "model": "model.safetensors"}
        choice = choose([make_trial(18)], [[make_trial(17), make_trial(16)]])
        study.append_stage(1, 0, 10, SPACE, report)
        study.append_stage(2, 10, 10, SPACE | {"learning_rate": "log:0.001:0.01"})
        study.set_final({**choice.to_dict(), "kept": kept})
        study.note_test_use({"trial": 18})
    text = run("show", str(folder)).stdout
    for part in (
        "15 done, 1 stopped, 4 diverged", "best validation accuracy 0.18", "fingerprint abababababab",
        "400 training, 100 validation samples, 784 features, 10 classes", "hidden choice:8,16x2", "sampler random",
        "optimizer sgd", "epochs 3", "stage 1   trials 0 to 9", "where the 5 best of 10 trials lie",
        "advice    Learning rate 0.001 to 0.01.", "stage 2   trials 10 to 19\n", "learning_rate log:0.001:0.01",
        "Trial 18 is the only candidate", "test acc:0.91", "model.safetensors", "test set  used 2", "run 1",
        "20 trials in 2.0 s, compile 0.5 s", "2 threads, Abacus 9, Linux, fastnet 0.1.0, Python 3.11, NumPy 2.0",
    ):  # fmt: skip
        assert part in text, part
    assert all(line.isprintable() and line == line.rstrip() for line in text.splitlines())
    document = json.loads(run("show", str(folder), "--format", "json").stdout)
    assert document["trials"] == {"done": 15, "stopped": 1, "diverged": 4} and document["schema_version"] == 1
    assert document["final"]["winner"] == 18 and document["stages"][0]["report"] == report
    assert document["runs"][0]["environment"] == ENVIRONMENT and document["settings"] == settings


# best, trials ---------------------------------------------------------------------------------------------------------


def test_best_is_the_list_of_the_book() -> None:
    folder = make_study()
    lines = run("best", str(folder), "-n", "3").stdout.splitlines()
    assert lines == [
        "Best-1 (val acc:0.18) | lr:0.0019, hidden:8",
        "Best-2 (val acc:0.17) | lr:0.0018, hidden:16x2",
        "Best-3 (val acc:0.16) | lr:0.0017, hidden:8",
    ]
    assert len(run("best", str(folder)).stdout.splitlines()) == 16
    loss = run("best", str(make_study("l", metric="loss")), "-n", "1").stdout
    assert loss.startswith("Best-1 (val loss:0.0) | lr:0.0001")


def test_train_reads_the_settings_of_a_trial() -> None:
    folder = make_study()
    text = run("best", str(folder), "--format", "toml").stdout
    assert text.startswith(f"# trial 18 of {folder}: validation accuracy 0.18 after 3 epochs\n")
    given = tomllib.loads(text)
    assert (given["hidden"], given["learning_rate"], given["data"], given["samples"]) == ("8", 0.0019, "mnist5k", 500)
    Path("best.toml").write_text(text)
    printed = CliRunner().invoke(cli, ["train", "--config", "best.toml", "--print-config"])
    assert printed.exit_code == 0, printed.output
    replayed = tomllib.loads(printed.stdout)
    assert {name: str(value) for name, value in given.items()}.items() <= {
        name: str(value) for name, value in replayed.items()
    }.items()
    as_json = run("best", str(folder), "--format", "json").stdout
    assert json.loads(as_json) == given
    other = tomllib.loads(run("best", str(folder), "--format", "toml", "--trial", "3").stdout)
    assert (other["hidden"], other["learning_rate"]) == ("16x2", pytest.approx(0.0004))


def test_settings_of_a_trial_on_a_file_do_not_name_the_data() -> None:
    text = run("best", str(make_study(data="flowers\x1b[31m")), "--format", "toml").stdout
    assert r"# data: flowers\x1b[31m; give its file with --data" in text and "data" not in tomllib.loads(text)


def test_trials_are_a_table_with_filters() -> None:
    folder = str(make_study())
    head, *rows = run("trials", folder).stdout.splitlines()
    assert head.split() == ["id", "stage", "status", "hidden", "learning_rate", "value", "best_value", "best_epoch",
                            "epochs", "seconds"]  # fmt: skip
    assert [row.split()[0] for row in rows] == [str(i) for i in range(20)]
    assert rows[4].split() == ["4", "1", "diverged", "8", "0.0005", "-", "0.04", "1", "1", "0.500"]
    ids = [row.split()[0] for row in run("trials", folder, "--sort", "best", "--limit", "3").stdout.splitlines()[1:]]
    assert ids == ["18", "17", "16"]
    result = run("trials", folder, "--stage", "2", "--status", "diverged", "--sort", "learning-rate")
    assert [row.split()[0] for row in result.stdout.splitlines()[1:]] == ["14", "19"] and result.stderr == ""
    assert "The first 3; --limit all shows all." in run("trials", folder, "--limit", "3").stderr
    assert len(run("trials", folder, "--limit", "all").stdout.splitlines()) == 21
    nothing = run("trials", folder, "--stage", "9")
    assert nothing.stdout == "" and "no such trials" in nothing.stderr


# export ---------------------------------------------------------------------------------------------------------------


def test_trials_are_exported_to_standard_output_and_to_files() -> None:
    folder = str(make_study())
    text = run("export", folder).stdout_bytes
    rows = list(csv.DictReader(io.StringIO(text.decode())))
    assert len(rows) == 20 and rows[18]["value"] == "0.18" and rows[4]["value"] == "" and rows[0]["seconds"] == "0.5"
    assert run("export", folder, "--format", "csv").stdout_bytes == text
    result = run("export", folder, "-o", "t.csv")
    assert result.stdout == "" and "20 trials: t.csv" in result.stderr and Path("t.csv").read_bytes() == text
    run("export", folder, "-o", "new/t.parquet", "--curves")
    assert pq.read_table("new/t.parquet").num_rows == 20
    assert pq.read_table(io.BytesIO(run("export", folder, "--format", "parquet").stdout_bytes)).num_rows == 20
    lines = run("export", folder, "--format", "jsonl", "--curves", "--no-times").stdout.splitlines()
    first = json.loads(lines[0])
    assert "seconds" not in first and first["train_loss"] == [0.0] * 3
    assert run("export", folder, "-o", "t.csv", "--overwrite", "-q").stderr == ""
    assert sorted(path.name for path in Path().iterdir()) == ["new", "studies", "t.csv"]


def test_a_journal_of_optuna_is_written_whole_or_not_at_all() -> None:
    folder = str(make_study())
    result = run("export", folder, "--format", "optuna-journal", "-o", "study.log")
    assert result.stdout == "" and "20 trials: study.log" in result.stderr
    lines = [json.loads(line) for line in Path("study.log").read_text().splitlines()]
    assert lines[0] == {"op_code": 0, "study_name": "001", "directions": [2], "worker_id": "fastnet"}
    assert sum(line["op_code"] == 4 for line in lines) == 20
    assert run("export", folder, "--format", "optuna-journal").stdout == Path("study.log").read_text()
    assert "train_loss" in run("export", folder, "--format", "optuna-journal", "--curves").stdout
    assert "datetime_complete" not in run("export", folder, "--format", "optuna-journal", "--no-times").stdout


# rm -------------------------------------------------------------------------------------------------------------------


def test_a_study_is_removed_on_request() -> None:
    folder = make_study()
    (folder / "best20.png").write_bytes(b"png")
    assert "Removed" in run("rm", str(folder), "--yes").stderr
    assert not folder.exists()
    other = make_study("studies/002")
    (other / "notes.txt").write_text("mine")
    assert "left there: 'notes.txt'" in run("rm", str(other), "-y").stderr
    assert [path.name for path in other.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(("answer", "code", "there"), [("y\n", 0, False), ("n\n", 1, True), ("\n", 1, True)])
def test_removal_on_a_terminal_needs_a_confirmation(
    monkeypatch: pytest.MonkeyPatch, answer: str, code: int, there: bool
) -> None:
    monkeypatch.setattr(studies, "can_ask", lambda: True)
    folder = make_study()
    result = run("rm", str(folder), input=answer, code=code)
    assert re.match(rf"Remove {re.escape(str(folder))}, [\d.]+ KiB\? \[y/N\]", result.stderr)
    assert result.stdout.split() in ([], answer.split())  # the runner of older versions of Click repeats the answer
    assert folder.exists() == there


# What is refused ------------------------------------------------------------------------------------------------------


def nothing() -> None:
    pass


def study() -> None:
    make_study("s")


def empty() -> None:
    Path("s").mkdir()
    Path("s", STUDY_FILE).touch()


def text_file() -> None:
    Path("s").mkdir()
    Path("s", STUDY_FILE).write_text("something else entirely" * 100)


def foreign() -> None:
    Path("s").mkdir()
    connection = sqlite3.connect(f"s/{STUDY_FILE}")
    connection.execute("CREATE TABLE mine (id)")
    connection.close()


def old() -> None:
    make_study("s")
    connection = sqlite3.connect(f"s/{STUDY_FILE}")
    connection.execute("PRAGMA user_version = 1")
    connection.close()


def damaged() -> None:
    make_study("s", n=400)
    content = Path("s", STUDY_FILE).read_bytes()
    Path("s", STUDY_FILE).write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


def no_trials() -> None:
    make_study("s", n=0)


def plain_file() -> None:
    Path("s").write_text("mine")


def output_there() -> None:
    make_study("s")
    Path("t.csv").write_text("mine")


READERS = (["show", "s"], ["best", "s"], ["trials", "s"], ["export", "s"])
REFUSED: list[tuple[Callable[[], None], list[str], int, str]] = [
    *((nothing, arguments, 1, "no study found") for arguments in (*READERS, ["rm", "s", "--yes"])),
    *((plain_file, arguments, 1, "no study found") for arguments in (*READERS, ["rm", "s", "--yes"])),
    *((empty, arguments, 1, "this study was never started") for arguments in READERS),
    *((text_file, arguments, 1, "not a study but some other file") for arguments in (*READERS, ["rm", "s", "-y"])),
    *((foreign, arguments, 1, "an SQLite file but not a study") for arguments in (*READERS, ["rm", "s", "-y"])),
    *((old, arguments, 1, "reads 2; use the fastnet that wrote it, an older one") for arguments in READERS),
    (damaged, ["export", "s"], 1, "the file is damaged"),
    (study, ["export", "s", "--curves"], 1, "CSV has no place for learning curves"),
    (study, ["export", "s", "--curves", "-o", "t.csv"], 1, "CSV has no place for learning curves"),
    (study, ["export", "s", "--format", "xml"], 2, "'xml' is not one of"),
    (study, ["export", "s", "-o", "s"], 1, "s is a folder: give the name of a file"),
    (output_there, ["export", "s", "-o", "t.csv"], 1, "t.csv exists: choose another name, or add --overwrite"),
    (output_there, ["export", "s", "-o", "t.csv/u.csv"], 1, "t.csv"),
    (study, ["best", "s", "--trial", "20", "--format", "toml"], 1, "no trial 20; the study has 20 trials"),
    (study, ["best", "s", "--trial", "2"], 1, "add --format toml or --format json"),
    (
        no_trials,
        ["best", "s", "--format", "json"],
        1,
        "every trial so far diverged, or none is stored yet; continue the search",
    ),
    (study, ["best", "s", "-n", "0"], 2, "not in the range 1<=x<=4294967296"),
    (study, ["trials", "s", "--sort", "colour"], 1, "sort='colour': must be one of best, id, stage"),
    (study, ["trials", "s", "--sort", "id; DROP TABLE trials"], 1, "must be one of best"),
    (study, ["trials", "s", "--status", "gone"], 2, "'gone' is not one of"),
    (study, ["trials", "s", "--stage", "0"], 2, "not in the range 1<=x<=4294967296"),
    (study, ["trials", "s", "--limit", "few"], 2, "neither a number of trials from 1 to 4294967296 nor 'all'"),
    (study, ["trials", "s", "--limit", "0"], 2, "neither a number of trials from 1 to 4294967296 nor 'all'"),
    *((study, ["trials", "s", name, "9" * 30], 2, "4294967296") for name in ("--limit", "--stage")),
    (study, ["trials", "s", "--limit", "9" * 5000], 2, "neither a number of trials"),
    *((study, ["best", "s", name, "9" * 30], 2, "not in the range") for name in ("-n", "--trial")),
    (study, ["rm", "s"], 1, "no terminal to ask for confirmation; add --yes"),
    (nothing, ["ls", "nowhere"], 1, "nowhere: no such folder"),
    (plain_file, ["ls", "s"], 1, "s: no such folder"),
    (nothing, ["show"], 2, "Missing argument 'DIR'"),
    (nothing, ["drop", "s"], 2, "No such command 'drop'"),
]


@pytest.mark.parametrize(
    ("make", "arguments", "code", "message"),
    REFUSED,
    ids=[f"{row[0].__name__} {' '.join(row[1])[:50]}" for row in REFUSED],
)
def test_bad_input_is_one_sentence(make: Callable[[], None], arguments: list[str], code: int, message: str) -> None:
    make()
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    result = run(*arguments, code=code)
    assert isinstance(result.exception, SystemExit)
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: ") and message in last
    assert code == 2 or len(result.stderr.splitlines()) == 1
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_a_study_being_written_is_read_but_not_removed() -> None:
    folder = make_study()
    with Study.read(folder) as opened:
        settings = opened.settings
    with Study.open(folder, settings):
        assert len(run("export", str(folder)).stdout.splitlines()) == 21
        refused = run("rm", str(folder), "--yes", code=1)
        assert "another search is writing to this study" in refused.stderr
    assert folder.exists()


# As a process of its own ----------------------------------------------------------------------------------------------


def in_process(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "fastnet_cli", "studies", *arguments], capture_output=True, check=False
    )


def test_parquet_goes_through_a_pipe_as_it_is() -> None:
    folder = str(make_study())
    done = in_process("export", folder, "--format", "parquet", "--no-times")
    assert done.returncode == 0 and done.stderr == b""
    assert done.stdout == run("export", folder, "--format", "parquet", "--no-times").stdout_bytes


@pytest.mark.skipif(os.name == "nt", reason="Windows does not report a pipe without a reader")
@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_a_reader_that_leaves_ends_the_export_quietly(format: str) -> None:
    folder = str(make_study(n=3000))
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "fastnet_cli", "studies", "export", folder, "--format", format]
    with os.fdopen(writer, "wb") as nowhere:
        done = subprocess.run(command, stdout=nowhere, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1 and done.stderr == b""
