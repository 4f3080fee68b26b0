"""The process that compiles half of a cold start: only a Python, and never waited for in vain."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fastnet.kernels import _store, warm


def alive(group: int) -> bool:
    """Whether a process of a group still runs; a zombie does not."""
    listed = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    return any(line.split()[0] == str(group) and "Z" not in line.split()[1] for line in listed.splitlines())


class TestSecondProcess:
    """The process that compiles half of a cold start."""

    @pytest.fixture(autouse=True)
    def _cold(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FASTNET_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(warm, "usable_cores", lambda: 2)

    def program(self, tmp_path: Path, name: str, script: str) -> Path:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\necho $$ >> {tmp_path / 'calls'}\n{script}\n")
        path.chmod(0o755)
        return path

    def wait_for_a_call(self, tmp_path: Path) -> None:
        calls = tmp_path / "calls"
        while not (calls.exists() and calls.read_text().endswith("\n")):  # the shell makes the file before it writes
            time.sleep(0.01)

    @pytest.mark.parametrize("name", ["app", "uwsgi", "python3", "python"])
    def test_another_program_is_not_started(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        monkeypatch.setattr(sys, "executable", str(self.program(tmp_path, name, "exec sleep 60")))
        assert not warm._is_python() or not Path("/proc/self/exe").exists()
        if Path("/proc/self/exe").exists():
            with warm.second_half():
                pass
            assert not (tmp_path / "calls").exists()

    @pytest.mark.parametrize("value", ["", None, "/nowhere/python3"])
    def test_without_an_executable_nothing_is_started(self, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
        monkeypatch.setattr(sys, "executable", value)
        assert not warm._is_python()
        with warm.second_half():
            pass

    def test_a_frozen_program_is_not_started(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert warm._is_python()
        monkeypatch.setattr(sys, "frozen", True, raising=False)
        assert not warm._is_python()

    @pytest.mark.skipif(os.name == "nt", reason="needs a shell")
    @pytest.mark.parametrize("script", ["sleep 60", "sleep 60 & exit 0", "echo hello; exec sleep 60", "exit 3"])
    def test_a_process_that_does_not_answer_is_not_waited_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
    ) -> None:
        monkeypatch.setattr(warm, "_is_python", lambda: True)
        monkeypatch.setattr(sys, "executable", str(self.program(tmp_path, "python3", script)))
        clock = time.monotonic()
        with warm.second_half():
            self.wait_for_a_call(tmp_path)
        assert time.monotonic() - clock < 50
        assert not alive(int((tmp_path / "calls").read_text()))

    @pytest.mark.skipif(os.name == "nt", reason="needs a shell")
    def test_a_process_that_answers_and_hangs_is_waited_for_no_longer_than_the_work_took(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = _store.cache_folder()
        assert folder is not None
        monkeypatch.setattr(warm, "_is_python", lambda: True)
        monkeypatch.setattr(warm, "LEAST_WAIT", 0.1)
        script = f"echo {warm._hello(folder).decode().strip()}; exec sleep 60"
        monkeypatch.setattr(sys, "executable", str(self.program(tmp_path, "python3", script)))
        clock = time.monotonic()
        with warm.second_half():
            self.wait_for_a_call(tmp_path)
            time.sleep(0.2)
        assert time.monotonic() - clock < 50

    @pytest.mark.parametrize("name", ["tempfile.TemporaryFile", "subprocess.Popen"])
    def test_the_work_continues_if_no_process_can_be_started(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        def fail(*operands: object, **options: object) -> None:
            raise FileNotFoundError(2, "No usable temporary directory found")

        monkeypatch.setattr(warm, "_is_python", lambda: True)
        monkeypatch.setattr(name, fail)
        ran = False
        with warm.second_half():
            ran = True
        assert ran

    def test_a_folder_that_cannot_be_written_needs_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("FASTNET_CACHE", str(tmp_path / "file"))
        started: list[object] = []
        monkeypatch.setattr(warm, "_compiling", lambda *operands: started.append(operands))
        with warm.second_half():
            assert started == []
