"""Progress: throttled plain lines off a terminal, a bar on one."""

from __future__ import annotations

import dataclasses
import io
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import redirect_stderr
from types import SimpleNamespace
from typing import Any

import click
import pytest
from fastnet_cli.interrupt import Deadline, StopOnInterrupt
from fastnet_cli.progress import BestSoFar, DownloadDisplay, SearchDisplay, TrainDisplay, duration, scored
from fastnet_cli.screen import BLOCKS, Part, fit, length, sparkline

from fastnet.tuning import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True


def epoch(number: int) -> Any:
    return SimpleNamespace(
        epoch=number, train_loss=0.5, train_score=0.9, validation_loss=0.61234, validation_score=0.8125
    )


def search_state(done: int, **changes: Any) -> Progress:
    state = Progress(done, 10, 0.83, trials_per_second=2.0, eta_seconds=61.0, elapsed_seconds=5.0, compiling=False)
    return dataclasses.replace(state, **changes)


CROWDED = {
    "total": 100_000,
    "stage": 2,
    "stages": 3,
    "rung": 3,
    "rungs": 4,
    "stopped": 1234,
    "diverged": 56,
}


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
        "trials 0/10 | compiling the kernels, or loading them from the cache",
        "trials 10/10 | best val acc:0.83 | 2.0 trials/s | ETA 0:00",
    ]


def test_search_lines_tell_stage_rung_and_what_became_of_trials(capsys: pytest.CaptureFixture[str]) -> None:
    with SearchDisplay(StopOnInterrupt(), metric="loss") as display:
        display(search_state(7, best=0.51234, stage=1, stages=3, rung=2, rungs=4, stopped=5, diverged=1))
    assert capsys.readouterr().err == (
        "trials 7/10 | best val loss:0.5123 | 5 stopped early | 1 diverged | "
        "stage 1/3 | rung 2/4 | 2.0 trials/s | ETA 1:01\n"
    )


def test_time_that_is_up_sooner_than_the_search_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    left = iter((30.0, 90.0, -1.0))
    for _ in range(3):
        with SearchDisplay(StopOnInterrupt(), time_left=lambda: next(left)) as display:
            display(search_state(7))
    ends = [line.rpartition(" | ")[2] for line in capsys.readouterr().err.splitlines()]
    assert ends == ["stops in 0:30", "ETA 1:01", "stops in 0:00"]


def test_lines_of_a_night_are_a_minute_apart(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with SearchDisplay(StopOnInterrupt(), clock=clock) as display:
        for second in range(8 * 3600):
            clock.now = float(second)
            display(search_state(1))
    assert 470 < len(capsys.readouterr().err.splitlines()) < 600


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    context = click.Context(click.Command("search"))
    context.meta["fastnet.verbosity"] = -1
    with context, SearchDisplay(StopOnInterrupt()) as display:
        display(search_state(10))
    assert capsys.readouterr().err == ""


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


def draw(*states: Any, encoding: str = "utf-8") -> str:
    stream = Terminal(encoding)
    clock = Clock()
    with redirect_stderr(stream), SearchDisplay(StopOnInterrupt(), clock=clock) as display:
        for state in states:
            clock.now += 1.0
            display(state)
    return stream.getvalue()


def last_frame(drawn: str) -> list[str]:
    """The lines that are on the screen in the end, without what colours them."""
    frame = re.split(r"\x1b\[2K", drawn)[-1]
    return [line.rstrip() for line in re.sub(r"\x1b\[[\d;?]*[a-zA-Z]|\r", "", frame).splitlines()]


@pytest.mark.usefixtures("terminal")
def test_terminal_shows_a_bar() -> None:
    drawn = draw(search_state(3), search_state(10))
    assert "10/10" in drawn and "best val acc:0.83" in drawn and "\x1b[38;5" in drawn


@pytest.mark.usefixtures("terminal")
def test_terminal_shows_how_the_best_rose() -> None:
    best = {0: None, 2: 0.1, 4: 0.5, 6: 0.5, 8: 0.8}
    lines = last_frame(draw(*(search_state(done, best=value, compiling=not done) for done, value in best.items())))
    assert lines[0].startswith("trials 8/10 ") and lines[0].endswith(" 2.0 trials/s | ETA 1:01")
    found = re.fullmatch(rf"best val acc:0.80 ([{BLOCKS}]+)", lines[1])
    assert found and found[1][0] == BLOCKS[0] and found[1][-1] == BLOCKS[-1] and BLOCKS[4] in found[1]


@pytest.mark.usefixtures("terminal")
def test_terminal_without_blocks_gets_plain_characters() -> None:
    states = [search_state(0, compiling=True), search_state(2, best=0.1), search_state(10, best=0.8)]
    drawn = draw(*states, encoding="ascii")
    assert drawn.isascii() and re.fullmatch(r"best val acc:0.80 _+#", last_frame(drawn)[1])


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("columns", [200, 140, 100, 80, 60, 50, 40, 30, 20])
def test_lines_never_wrap(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = last_frame(draw(search_state(99_999, **{**CROWDED, "best": 0.9812})))
    assert len(lines) == 2 and all(len(line) <= columns for line in lines)
    assert lines[0].startswith("trials 99999/100000"[:columns])
    assert (lines[1].startswith("best val acc:0.9812")) == (columns >= 20)
    assert "━" in lines[0] or columns < 80
    assert ("stage 2/3 | rung 3/4" in lines[0]) == (columns >= 60)
    compiling = last_frame(draw(search_state(0, compiling=True)))
    assert compiling[0].startswith("trials 0/10") and all(len(line) <= columns for line in compiling)
    assert compiling[1].startswith("compiling the kernels") == (columns >= 30)


@pytest.mark.usefixtures("terminal")
def test_bar_has_no_thread_of_its_own() -> None:
    before = threading.active_count()
    with redirect_stderr(Terminal("utf-8")), SearchDisplay(StopOnInterrupt()) as display:
        display(search_state(3))
        assert threading.active_count() == before


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


@pytest.mark.parametrize("value", ["1", "true"])
def test_forced_colour_still_writes_plain_lines_into_a_file(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", value)
    with SearchDisplay(StopOnInterrupt()) as display:
        display(search_state(10))
    assert capsys.readouterr().err.startswith("trials 10/10 | best val acc:0.83 | ")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")
def test_real_terminal_of_fifty_columns() -> None:
    shown = in_terminal(
        "from fastnet_cli.progress import SearchDisplay\n"
        "from fastnet_cli.interrupt import StopOnInterrupt\n"
        "from fastnet.tuning import Progress\n"
        "with SearchDisplay(StopOnInterrupt()) as display:\n"
        "    display(Progress(900, 1000, 0.8, 11.4, 61.0, 1.0, False, 1, 3, 2, 4, 500, 20))\n",
        columns=50,
    )
    lines = last_frame(shown)
    assert lines == ["trials 900/1000 stage 1/3 | rung 2/4 | ETA 1:01", "best val acc:0.80 | 500 stopped early"]


def in_terminal(code: str, *, columns: int) -> str:
    """What a Python program writes to a terminal of so many columns, standard error included."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    environment |= {"TERM": "xterm", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True
    )
    os.close(theirs)
    shown = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait(timeout=60) == 0, shown
    return shown.decode()


def test_parts_are_left_out_by_rank_and_from_the_right() -> None:
    parts = [Part("aaaa"), Part("bbbb", 1), Part("cccc", 2), Part("dddd", 1)]
    assert [[part.text[0] for part in fit(parts, width)] for width in (25, 24, 17, 10, 3)] == [
        ["a", "b", "c", "d"], ["a", "b", "d"], ["a", "b"], ["a"], [],
    ]  # fmt: skip
    assert length(parts) == 25 and length([]) == 0


def test_best_so_far_is_kept_where_it_changed() -> None:
    best = BestSoFar()
    assert best.along(3) == []
    best.add(0, None)
    for done in range(1, 101):
        best.add(done, 0.1 if done < 50 else 0.9)
    assert best.along(5) == [0.1, 0.1, 0.9, 0.9, 0.9] and len(best._steps) == 2
    assert sparkline(best.along(4)) == "▁▁██"


def test_deadline_is_up_after_its_seconds() -> None:
    clock = Clock()
    end, never = Deadline(90.0, clock=clock), Deadline(None, clock=clock)
    clock.now = 89.0
    assert end.left() == 1.0 and never.left() is None
    clock.now = 91.0
    assert end.left() == -1.0


def test_accuracy_has_two_to_four_decimals() -> None:
    texts = [scored("val", value).removeprefix("val acc:") for value in (0.0, 0.8, 0.83, 0.8125, 0.98117, 1.0)]
    assert texts == ["0.00", "0.80", "0.83", "0.8125", "0.9812", "1.00"]


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


class InterruptedWhenThrownAway:
    """Like the compiler's objects, which take a while to be thrown away."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.skipif(os.name == "nt", reason="Windows wakes no sleeping thread")
def test_interrupt_while_an_object_is_thrown_away_is_not_lost(capsys: pytest.CaptureFixture[str]) -> None:
    with StopOnInterrupt() as stop:
        with pytest.raises(KeyboardInterrupt):
            thrown = InterruptedWhenThrownAway()
            del thrown
            time.sleep(10)
        assert stop()
    assert capsys.readouterr().err == ""


def test_the_final_choice_is_announced_once(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with StopOnInterrupt() as stop, SearchDisplay(stop, clock=clock) as display:
        display(search_state(10))
        for _ in range(3):
            clock.now += 0.1
            display(search_state(10, choosing=True))
    lines = capsys.readouterr().err.splitlines()
    assert lines[1:] == ["trials 10/10 | training the best again on fresh seeds, then the one to keep"]
