"""How progress is drawn: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import os
import re
import select
import subprocess
import sys
import threading
from contextlib import redirect_stderr
from typing import Any

import pytest
from displays import Clock, search_state
from fastnet_cli.interrupt import StopOnInterrupt
from fastnet_cli.progress import SearchDisplay
from fastnet_cli.screen import BLOCKS, Part, fit, length


class Terminal(io.StringIO):
    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True


CROWDED = {
    "total": 100_000,
    "stage": 2,
    "stages": 3,
    "rung": 3,
    "rungs": 4,
    "stopped": 1234,
    "diverged": 56,
}


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
def test_terminal_shows_the_course_of_the_best() -> None:
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
def test_bar_starts_no_thread() -> None:
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
    """What a Python program writes to a terminal of the given width, standard error included."""
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
