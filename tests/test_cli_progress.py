"""Progress: throttled plain lines off a terminal, a bar on one."""

from __future__ import annotations

import io
import signal
from contextlib import redirect_stderr
from types import SimpleNamespace
from typing import Any

import pytest
from fastnet_cli.interrupt import StopOnInterrupt
from fastnet_cli.progress import DownloadDisplay, SearchDisplay, TrainDisplay, accuracy, duration


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def epoch(number: int) -> Any:
    return SimpleNamespace(
        epoch=number, train_loss=0.5, train_accuracy=0.9, validation_loss=0.61234, validation_accuracy=0.8125
    )


def search_state(done: int, **changes: Any) -> Any:
    state = {"done": done, "total": 10, "best": 0.83, "trials_per_second": 2.0, "eta_seconds": 61.0, "compiling": False}
    return SimpleNamespace(**{**state, **changes})


def test_plain_lines_are_few_and_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with TrainDisplay(100, StopOnInterrupt(), clock=clock) as display:
        for number in range(1, 101):
            clock.now += 1.0
            display(epoch(number))
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert len(lines) == 21 and lines[0].startswith("epoch 1/100 | train acc:0.90, loss:0.5000 | val acc:0.8125")
    assert lines[-1].startswith("epoch 100/100") and lines[-1].endswith("ETA 0:00")
    assert lines[1].startswith("epoch 6/100") and lines[1].endswith("ETA 1:34")
    assert all(line.isprintable() for line in lines)


def test_search_lines_tell_of_compilation_once(capsys: pytest.CaptureFixture[str]) -> None:
    stop = StopOnInterrupt()
    with SearchDisplay(stop) as display:
        display(search_state(0, best=None, eta_seconds=None, trials_per_second=0.0))
        display(search_state(0, compiling=True))
        display(search_state(0, compiling=True))
        assert not stop.careful
        display(search_state(3))
        assert stop.careful
        display(search_state(10, eta_seconds=0.0))
        display(search_state(10, eta_seconds=0.0))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "trials 0/10 | best val acc:- | 0.0 trials/s | ETA -:--",
        "trials 0/10 | compiling the kernels, or loading them where they are in the cache",
        "trials 10/10 | best val acc:0.83 | 2.0 trials/s | ETA 0:00",
    ]


def test_download_without_a_known_size(capsys: pytest.CaptureFixture[str]) -> None:
    with DownloadDisplay() as display:
        display("images.gz", 3_400_000, 0)
        display("labels.gz", 2_000_000, 2_000_000)
    assert capsys.readouterr().err == "download (MB) 3/3 | images.gz\ndownload (MB) 2/2 | labels.gz\n"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "120"}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def draw(*states: Any) -> str:
    stream = Terminal()
    with redirect_stderr(stream), SearchDisplay(StopOnInterrupt()) as display:
        for state in states:
            display(state)
    return stream.getvalue()


@pytest.mark.usefixtures("terminal")
def test_terminal_shows_a_bar() -> None:
    drawn = draw(search_state(3), search_state(10))
    assert "10/10" in drawn and "best val acc:0.83" in drawn and "\x1b[38;5" in drawn


@pytest.mark.usefixtures("terminal")
def test_no_color_draws_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    drawn = draw(search_state(3), search_state(10))
    assert "10/10" in drawn and "\x1b[38;5" not in drawn and "\x1b[3" not in drawn


@pytest.mark.usefixtures("terminal")
def test_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    drawn = draw(search_state(3), search_state(10))
    assert "\x1b" not in drawn and "trials 10/10" in drawn


@pytest.mark.usefixtures("terminal")
def test_unused_display_draws_nothing() -> None:
    assert draw() == ""


def test_accuracy_has_two_to_four_decimals() -> None:
    assert [accuracy(value) for value in (0.0, 0.8, 0.83, 0.8125, 0.98117, 1.0)] == [
        "0.00",
        "0.80",
        "0.83",
        "0.8125",
        "0.9812",
        "1.00",
    ]


def test_duration_counts_minutes_and_hours() -> None:
    assert [duration(seconds) for seconds in (0.4, 59.6, 3599.6, None)] == ["0:00", "1:00", "1:00:00", "-:--"]


def test_first_interrupt_is_a_wish_and_the_second_an_end() -> None:
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
