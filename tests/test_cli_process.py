"""The command line as a process of its own: exit codes, streams, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fastnet.model.classifier import Model
from fastnet.tuning import Study

pytestmark = pytest.mark.usefixtures("empty_folder")

PROGRAM = [sys.executable, "-m", "fastnet_cli"]
SMALL = ["--hidden", "4", "--epochs", "2", "--samples", "60"]


def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr and "\x1b" not in done.stdout + done.stderr
    return done


def test_exit_codes() -> None:
    assert run("--version").stdout.startswith("fastnet ")
    assert run("train", "--dropout", "1", code=1).stderr.startswith("Error: dropout=1.0")
    assert "Usage:" in run("train", "--optimizer", "adm", code=2).stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows does not report a pipe without a reader")
def test_output_nobody_reads_ends_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as nowhere:
        done = subprocess.run([*PROGRAM, "--help"], stdout=nowhere, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1 and done.stderr == ""


def test_names_that_the_output_cannot_show_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    assert r"\uac00.npz" in run("train", "--data", "\uac00.npz", code=1).stderr


def test_search_from_start_to_end_is_the_same_on_any_number_of_threads() -> None:
    rows = {}
    for jobs in ("1", "2"):
        done = run("search", "--trials", "6", "--format", "json", "--study", f"s{jobs}", "--jobs", jobs, *SMALL)
        rows[jobs] = [
            {name: value for name, value in row.items() if "seconds" not in name}
            for row in json.loads(done.stdout)["trials"]
        ]
        assert Path(f"s{jobs}/best20.png").read_bytes().startswith(b"\x89PNG")
    assert len(rows["1"]) == 6 and rows["1"] == rows["2"]


def test_two_searches_that_compile_into_one_empty_cache_find_the_same(tmp_path: Path) -> None:
    environment = os.environ | {"FASTNET_CACHE": str(tmp_path / "cache")}

    def begin(name: str) -> subprocess.Popen[str]:
        command = [*PROGRAM, "search", "--trials", "2", "--format", "json", "--study", name, *SMALL]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def result(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
        stdout, stderr = process.communicate(timeout=280)
        assert process.returncode == 0 and "Traceback" not in stderr, stderr
        return [
            {name: value for name, value in row.items() if "seconds" not in name}
            for row in json.loads(stdout)["trials"]
        ]

    first, second = begin("a"), begin("b")
    rows = result(first)
    assert len(rows) == 2 and result(second) == rows
    files = sorted(tmp_path.glob("cache/**/*.nbc"))
    assert result(begin("c")) == rows, "the third loads what the two have stored"
    assert sorted(tmp_path.glob("cache/**/*.nbc")) == files, "the two left something out"
    assert {name: curves_of(name) for name in "bc"} == {name: curves_of("a") for name in "bc"}


def curves_of(study: str) -> list[bytes]:
    with Study.read(Path(study)) as opened:
        return [trial.curves.tobytes() for trial in opened.trials()]


def test_train_evaluate_and_predict_agree() -> None:
    trained = run("train", *SMALL, "--learning-rate", "0.1", "-o", "m.safetensors").stdout
    evaluated = run("evaluate", "m.safetensors", "--format", "json").stdout
    labels = run("predict", "m.safetensors").stdout.splitlines()
    found = re.search(r"^test acc:([\d.]+), test loss:([\d.]+)$", trained, flags=re.MULTILINE)
    assert found is not None
    document = json.loads(evaluated)
    assert document["accuracy"] == pytest.approx(float(found[1]), abs=1e-4)
    assert document["loss"] == pytest.approx(float(found[2]), abs=1e-3)
    assert document["samples"] == 1000 and len(labels) == 1001
    assert Path("m.png").read_bytes().startswith(b"\x89PNG") and Model.load("m.safetensors").spec.hidden == (4,)


def test_an_ensemble_is_trained_evaluated_and_the_same_on_any_number_of_threads() -> None:
    for jobs in "12":
        trained = run(
            "train", *SMALL, "--learning-rate", "0.1", "--ensemble", "3", "-j", jobs, "-o", f"e{jobs}.safetensors"
        )
    assert Path("e1.safetensors").read_bytes() == Path("e2.safetensors").read_bytes()
    document = json.loads(run("evaluate", "e2.safetensors", "--format", "json").stdout)
    found = re.search(r"^test acc:([\d.]+), test loss:", trained.stdout, flags=re.MULTILINE)
    assert found is not None and document["accuracy"] == pytest.approx(float(found[1]), abs=1e-4)


@pytest.fixture
def endless() -> Iterator[subprocess.Popen[str]]:
    """A search that would take hours, in a folder named s, with its first trials stored."""
    command = [*PROGRAM, "search", "--trials", "10000000", "--study", "s", *SMALL]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline and process.poll() is None and not stored_trials():
                time.sleep(0.2)
            yield process
        finally:
            process.kill()


def stored_trials() -> list[int]:
    if not Path("s/study.sqlite").is_file():
        return []
    try:
        with Study.read(Path("s")) as study:
            return list(study.stored_ids().tolist())
    except ValueError:  # the process is just creating it
        return []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_interrupt_stops_and_keeps_finished_trials(endless: subprocess.Popen[str]) -> None:
    before = stored_trials()
    assert before
    endless.send_signal(signal.SIGINT)
    stdout, stderr = endless.communicate(timeout=30)
    assert endless.returncode == 130, stderr
    assert stdout.startswith("Best-1 (val acc:") and "Traceback" not in stderr
    assert stderr.splitlines()[-1].strip() == "fastnet search --study s"
    assert set(before) <= set(stored_trials())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_second_writer_is_refused(endless: subprocess.Popen[str]) -> None:
    refused = run("search", "--trials", "5", "--study", "s", *SMALL, code=1)
    assert "another search is writing to this study" in refused.stderr
