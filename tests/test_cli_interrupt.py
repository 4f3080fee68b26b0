"""Ctrl-C, SIGTERM, SIGHUP and the time limit: they keep finished work, each signal with its exit code."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fastnet_cli import interrupt
from fastnet_cli.interrupt import Deadline, StopOnInterrupt, signals_as_interrupts
from fastnet_cli.main import cli

from fastnet.model.ensemble import load_model
from fastnet.tuning import Study

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows sends no signals to one process")

PROGRAM = [sys.executable, "-m", "fastnet_cli"]
ENDLESS = ["--data", "digits", "--samples", "60", "--hidden", "4", "--epochs", "1000000"]
CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}
LAST_WORDS = {"SIGINT": "Interrupted.", "SIGTERM": "Terminated.", "SIGHUP": "The terminal was closed."}


@pytest.fixture(autouse=True)
def usual_handlers() -> Iterator[None]:
    usual: dict[str, Any] = dict.fromkeys(CODES, signal.SIG_DFL) | {"SIGINT": signal.default_int_handler}
    before = {
        name: signal.signal(getattr(signal, name), handler) for name, handler in usual.items()
    }  # nohup ignores one
    yield
    after = {name: signal.getsignal(getattr(signal, name)) for name in CODES}
    for name, handler in before.items():
        signal.signal(getattr(signal, name), handler)
    assert after == usual, "a handler was not put back"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(interrupt, "_clock", clock)
    return clock


def send(name: str) -> None:
    signal.raise_signal(getattr(signal, name))


@pytest.mark.parametrize("name", CODES)
def test_the_first_signal_only_requests_a_stop(name: str) -> None:
    with StopOnInterrupt() as stop:
        stop.careful = True
        assert not stop()
        send(name)
        assert stop() and interrupt.exit_code() == CODES[name]


@pytest.mark.parametrize("name", CODES)
def test_a_signal_interrupts_at_once_where_there_is_nothing_to_keep(name: str) -> None:
    with signals_as_interrupts(), pytest.raises(KeyboardInterrupt), StopOnInterrupt():
        send(name)
    assert (interrupt.exit_code(), interrupt.last_words()) == (CODES[name], LAST_WORDS[name])


@pytest.mark.parametrize("first", CODES)
@pytest.mark.parametrize("second", CODES)
def test_a_second_signal_interrupts(clock: Clock, first: str, second: str) -> None:
    with StopOnInterrupt() as stop:
        stop.careful = True
        send(first)
        clock.now += 1.5
        with pytest.raises(KeyboardInterrupt):
            send(second)
        assert interrupt.exit_code() == CODES[first]


@pytest.mark.parametrize(("first", "second"), [("SIGTERM", "SIGTERM"), ("SIGHUP", "SIGHUP"), ("SIGTERM", "SIGHUP")])
def test_a_signal_sent_twice_is_one_request(clock: Clock, first: str, second: str) -> None:
    """As `timeout` does, closing terminals and service managers: to the program, and to its group."""
    with signals_as_interrupts():
        with StopOnInterrupt() as stop:
            stop.careful = True
            send(first)
            clock.now += 0.3
            send(second)
            assert stop()
        send(second)  # the model is being saved meanwhile


def test_a_second_ctrl_c_interrupts_however_soon(clock: Clock) -> None:
    with StopOnInterrupt() as stop:
        stop.careful = True
        send("SIGINT")
        with pytest.raises(KeyboardInterrupt):
            send("SIGINT")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_ignored_signals_stay_ignored(name: str) -> None:
    number = getattr(signal, name)
    signal.signal(number, signal.SIG_IGN)
    try:
        with signals_as_interrupts(), StopOnInterrupt() as stop:
            send(name)
            assert not stop() and signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, signal.SIG_DFL)


def test_systems_without_sighup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "SIGHUP")
    with signals_as_interrupts(), StopOnInterrupt() as stop:
        stop.careful = True
        send("SIGTERM")
        assert stop()


class EndedWhenThrownAway:
    def __del__(self) -> None:
        send("SIGTERM")


@pytest.mark.parametrize("inside", [True, False])
def test_a_signal_in_a_finalizer_is_not_lost(capsys: pytest.CaptureFixture[str], inside: bool) -> None:
    with signals_as_interrupts(), pytest.raises(KeyboardInterrupt):
        if inside:
            with StopOnInterrupt():
                EndedWhenThrownAway()
                time.sleep(100)
        EndedWhenThrownAway()
        time.sleep(100)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_every_command_ends_in_a_sentence(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("fastnet.model.ensemble.load_model", lambda *given, **named: send(name))
    result = CliRunner().invoke(cli, ["evaluate", "m.safetensors"])
    assert (result.exit_code, result.stderr) == (CODES[name], LAST_WORDS[name] + "\n")


def begin(*arguments: str, **how: Any) -> subprocess.Popen[str]:
    return subprocess.Popen([*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)


def until(condition: Callable[[], object], process: subprocess.Popen[Any]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < deadline, "it does not come so far"
        time.sleep(0.05)


def ended(process: subprocess.Popen[str], name: str) -> tuple[str, str]:
    """Send a signal; return what was printed."""
    process.send_signal(getattr(signal, name))
    try:
        stdout, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == CODES[name], stderr
    assert "Traceback" not in stderr
    return stdout, stderr


def first_epochs(process: subprocess.Popen[str]) -> None:
    """Wait until there is something to keep."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch"):
            return
    raise AssertionError("it ended by itself")


@pytest.mark.parametrize(("name", "networks"), [("SIGTERM", "1"), ("SIGTERM", "2"), ("SIGINT", "1")])
def test_a_training_keeps_its_best_epoch(tmp_path: Path, name: str, networks: str) -> None:
    process = begin("train", *ENDLESS, "--ensemble", networks, "-o", "m.safetensors", cwd=tmp_path)
    first_epochs(process)
    stdout, _ = ended(process, name)
    assert "model: m.safetensors" in stdout and "best epoch" in stdout
    assert "validation_accuracy" in load_model(tmp_path / "m.safetensors").metrics
    assert (tmp_path / "m.png").is_file()


def test_a_training_outlives_its_terminal(tmp_path: Path) -> None:
    """The terminal is closed: SIGHUP comes, and what is written to standard output and error fails."""
    import pty

    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, "train", *ENDLESS, "-o", "m.safetensors"], cwd=tmp_path, stdin=terminal, stdout=terminal,
        stderr=terminal, start_new_session=True, preexec_fn=lambda: _own_terminal(), env=os.environ | {"TERM": "dumb"},
    )  # fmt: skip
    try:
        os.close(terminal)
        shown = b""
        deadline = time.monotonic() + 120
        while shown.count(b"val acc") < 2 and time.monotonic() < deadline:
            if select.select([controller], [], [], 1.0)[0]:
                shown += os.read(controller, 4096)
        os.close(controller)
        assert process.wait(60) == CODES["SIGHUP"], shown
    finally:
        process.kill()
        process.wait()
    assert "validation_accuracy" in load_model(tmp_path / "m.safetensors").metrics


def _own_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_a_stopped_search_prints_how_to_continue(tmp_path: Path) -> None:
    arguments = ["search", "--trials", "10000000", "--study", "s", *ENDLESS[:-1], "2"]
    process = begin(*arguments, cwd=tmp_path)

    def stored() -> int:
        try:
            with Study.read(tmp_path / "s") as study:
                return study.count()
        except ValueError:  # it is just being made
            return 0

    until(stored, process)
    before = stored()
    stdout, stderr = ended(process, "SIGTERM")
    assert stdout.startswith("Best-1 (val acc:") and stored() >= before
    assert stderr.splitlines()[-1] == "  fastnet search --study s"


def test_a_stopped_experiment_keeps_finished_ones(tmp_path: Path) -> None:
    process = begin("experiment", "all", "--seeds", "1", "--epochs", "2", "-o", "e", cwd=tmp_path)
    until(lambda: (tmp_path / "e/overfit.png").is_file(), process)
    _, stderr = ended(process, "SIGTERM")
    assert stderr.splitlines()[-1] == LAST_WORDS["SIGTERM"]
    assert (tmp_path / "e/overfit.json").is_file()


def test_a_search_under_nohup_continues(tmp_path: Path) -> None:
    process = begin(
        "train", *ENDLESS, "-o", "m.safetensors", cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )  # fmt: skip
    first_epochs(process)
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    ended(process, "SIGTERM")
    assert (tmp_path / "m.safetensors").is_file()


def test_deadline_is_up_after_its_seconds() -> None:
    clock = Clock()
    end, never = Deadline(90.0, clock=clock), Deadline(None, clock=clock)
    clock.now += 89.0
    assert end.left() == 1.0 and never.left() is None
    clock.now += 2.0
    assert end.left() == -1.0


def test_first_interrupt_requests_a_stop_and_the_second_ends() -> None:
    before = signal.getsignal(signal.SIGINT)
    with StopOnInterrupt() as stop:
        stop.careful = True
        assert not stop()
        signal.raise_signal(signal.SIGINT)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_interrupt_before_there_is_anything_to_keep() -> None:
    with StopOnInterrupt() as stop, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert stop()


class InterruptedWhenThrownAway:
    """Like the compiler's objects, whose deletion takes a while."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.skipif(os.name == "nt", reason="Windows wakes no sleeping thread")
def test_interrupt_in_a_finalizer_is_not_lost(capsys: pytest.CaptureFixture[str]) -> None:
    with StopOnInterrupt() as stop:
        with pytest.raises(KeyboardInterrupt):
            thrown = InterruptedWhenThrownAway()
            del thrown
            time.sleep(10)
        assert stop()
    assert capsys.readouterr().err == ""
