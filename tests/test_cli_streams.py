"""Standard streams that are closed, full, or a pipe whose reader has left: no result is lost, and nothing is silent."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from fastnet_cli import streams
from fastnet_cli.screen import Bar, Part
from fastnet_cli.streams import Sink

import fastnet
from fastnet.errors import FastnetError
from fastnet.tuning import Study

pytestmark = pytest.mark.skipif(os.name == "nt", reason="streams are closed by a POSIX shell")

PROGRAM = [sys.executable, "-m", "fastnet_cli"]
SMALL = ["--data", "digits", "--samples", "100", "--hidden", "4", "--epochs", "3"]
SEARCH = ["search", *SMALL, "--trials", "3", "--final", "none"]
full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(arguments: list[str], redirection: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command with redirections as a shell writes them."""
    command = ["sh", "-c", f'"$@" {redirection}', "sh", *PROGRAM, *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    return done


def test_a_training_needs_no_streams() -> None:
    run(["train", *SMALL, "-o", "m.safetensors"], "<&- >&- 2>&-")
    assert fastnet.load_model("m.safetensors") and Path("m.png").is_file()


def test_a_search_needs_no_standard_error_and_its_study_gets_no_messages() -> None:
    assert run([*SEARCH, "--study", "s", "-v"], "2>&-").stdout.startswith("Best-1")
    with Study.read(Path("s")) as study:
        assert [trial.id for trial in study.trials()] == [0, 1, 2]
    said = run(["studies", "export", "s"], ">&-", code=1).stderr
    assert said == "Error: standard output is closed, and this command only prints: redirect it to a file\n"
    if Path("/dev/full").exists():
        said = run(["studies", "export", "s"], ">/dev/full", code=1).stderr
        assert said == "Error: standard output: No space left on device; make room and try again\n"


@full
def test_output_that_is_full_is_reported_when_everything_is_kept() -> None:
    said = run(["train", *SMALL, "-o", "m.safetensors"], ">/dev/full", code=1).stderr
    assert said.splitlines()[-1].startswith("Error: standard output: No space left on device; printed output was lost")
    assert fastnet.load_model("m.safetensors") and Path("m.png").is_file()
    run(["train", *SMALL, "-o", "n.safetensors"], "2>/dev/full")
    assert fastnet.load_model("n.safetensors") and Path("n.png").is_file()


@pytest.mark.parametrize("arguments", [["train", *SMALL, "-o", "s/m.safetensors"], [*SEARCH, "--study", "s"]])
def test_a_reader_that_leaves_costs_nothing(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as nowhere:
        done = subprocess.run([*PROGRAM, *arguments], stdout=nowhere, stderr=nowhere, check=False)
    assert done.returncode == 1
    kept = {path.name for path in Path("s").iterdir()}
    assert kept >= ({"m.safetensors", "m.png"} if arguments[0] == "train" else {"study.sqlite", "report.html"})


def test_settings_from_an_input_that_is_closed_are_refused() -> None:
    said = run(["train", "--config", "-"], "<&-", code=1).stderr
    assert said == "Error: standard input cannot be read (it is closed); give the name of a file instead of -\n"


def test_output_in_ascii_shows_every_name_somehow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    assert run(["train", "--data", "\uac00.npz"], "", code=1).stderr.startswith("Error: ")


class Broken(io.RawIOBase):
    """Takes the given number of bytes, then fails."""

    def __init__(self, number: int, left: int = 0) -> None:
        self.number, self.left, self.taken = number, left, b""

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise io.UnsupportedOperation

    def write(self, data: Any, /) -> int:
        taken = bytes(data)[: self.left]
        if not taken:
            raise OSError(self.number, os.strerror(self.number))
        self.left -= len(taken)
        self.taken += taken
        return len(taken)


def text_of(sink: Sink) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(sink), encoding="utf-8", line_buffering=True)


@pytest.mark.parametrize("number", [5, 9, 28, 32])  # a terminal that is gone, a bad number, a full disk, no reader
def test_a_sink_notes_the_first_failure_and_takes_the_rest(number: int) -> None:
    raw = Broken(number, left=3)
    sink = Sink(raw, "standard output")
    stream = text_of(sink)
    for _ in range(3):
        stream.write("a line\n" * 5000)
        stream.flush()
    assert raw.taken == b"a l"
    assert sink.failure is not None and (sink.failure.errno, sink.failure.filename) == (number, "standard output")


def test_a_strict_sink_fails_once() -> None:
    sink = Sink(Broken(28), "standard output")
    sink.strict = True
    stream = text_of(sink)
    with pytest.raises(OSError, match="No space left on device: 'standard output'"):
        stream.write("a line\n")
    stream.flush()  # as Python does at the end


def test_a_bar_outlives_its_terminal() -> None:
    from rich.console import Console

    sink = Sink(Broken(5, left=100), "standard error")
    bar = Bar(Console(file=text_of(sink), force_terminal=True, width=80))
    for done in range(5):
        bar.show(f"trials {done}/5", done / 5, [Part("best 0.83")], [Part("ETA 0:01")])
    bar.close()
    assert sink.failure is not None and sink.failure.errno == 5


def test_a_sink_waits_for_a_slow_reader_of_a_stream_that_does_not_wait() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    received: list[bytes] = []

    def read() -> None:
        while piece := os.read(reader, 65536):
            received.append(piece)
            time.sleep(0.001)

    thread = threading.Thread(target=read)
    with os.fdopen(writer, "wb", buffering=0) as raw:
        stream = io.BufferedWriter(Sink(raw, "standard output"))  # type: ignore[arg-type]
        thread.start()
        stream.write(b"x" * 1_000_000)
        stream.flush()
    thread.join()
    os.close(reader)
    assert sum(map(len, received)) == 1_000_000


def test_only_a_command_that_prints_its_result_needs_an_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_output", Sink(None, "standard output"))
    with pytest.raises(FastnetError, match="standard output is closed"):
        streams.output_is_the_result()
    assert streams.finish(0) == 0
    monkeypatch.setattr(streams, "_output", Sink(Broken(32), "standard output"))
    streams._output.write(b"lost")  # type: ignore[union-attr]
    assert streams.finish(0) == streams.FAILED and streams.finish(130) == 130
