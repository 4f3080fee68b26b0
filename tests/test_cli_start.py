"""The entry point: Ctrl-C before a command runs ends the program in silence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from fastnet_cli import interrupt


@pytest.fixture
def left(monkeypatch):
    """The exit codes with which the program left, and the usual handler of Ctrl-C."""
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield codes
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_leaves_at_once_except_while_a_command_runs(left):
    interrupt.leave_in_silence()
    signal.raise_signal(signal.SIGINT)
    assert left == [130]
    with pytest.raises(KeyboardInterrupt), interrupt.signals_as_interrupts():
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    assert left == [130, 130]


def test_a_handler_of_somebody_else_stays(left):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupt.leave_in_silence()
    with interrupt.signals_as_interrupts():
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    assert left == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_ctrl_c_while_the_program_is_imported_prints_nothing():
    code = (
        "import builtins, os, signal, sys\n"
        "load = builtins.__import__\n"
        "def late(name, *more):\n"
        "    if name == 'click':\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return load(name, *more)\n"
        "from fastnet_cli.start import main\n"
        "builtins.__import__ = late\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
