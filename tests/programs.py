"""Programs that tests run in a process of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest


def as_user(command: list[str]) -> list[str]:
    """Put a command so that it may write only what its user may: root writes everywhere."""
    if os.name == "nt":
        pytest.skip("Windows keeps no permissions that os.chmod could take away")
    if os.geteuid() != 0:
        return command
    if shutil.which("setpriv") is None:
        pytest.skip("runs as root, and setpriv, which could drop its privileges, is missing")
    return ["setpriv", "--inh-caps=-all", "--bounding-set=-all", *command]


def run(code: str, *, user: bool = False, **settings: str | None) -> tuple[list[str], list[str]]:
    """Run a program in a process of its own; return the lines it prints, and the notes in one line each."""
    command = [sys.executable, "-P", "-c", code]
    environment = {**os.environ, **{name: value for name, value in settings.items() if value is not None}}
    for name in (name for name, value in settings.items() if value is None):
        environment.pop(name, None)
    done = subprocess.run(
        as_user(command) if user else command, env=environment, text=True, timeout=280, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines(), [line for line in done.stderr.splitlines() if "FastnetWarning" in line]
