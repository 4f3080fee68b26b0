"""`fastnet search --live`: the page of a search in another process."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SMALL = ["--hidden", "4", "--epochs", "2", "--samples", "60"]


def begin(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "fastnet_cli", "search", "--live", "--study", "s", *arguments, *SMALL]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    found = re.fullmatch(r"Live view: http://127\.0\.0\.1:(\d+/[\w-]{22})/\n", process.stderr.readline())
    assert found is not None
    return process, found[1]


def get(place: str, path: str) -> bytes:
    port, token = place.split("/")
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
    try:
        connection.request("GET", f"/{token}{path}")
        return connection.getresponse().read()
    finally:
        connection.close()


def test_a_search_is_shown_until_its_report_takes_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    process, port = begin("--trials", "40", "--final", "none")
    with process:
        deadline = time.monotonic() + 200
        while (state := json.loads(get(port, "/data")))["phase"] != "ended" and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len({point[0] for point in state["points"]}) == state["done"] == 40 and state["report"]
        assert get(port, "/report.html") == Path("s/report.html").read_bytes()
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 0 and "Traceback" not in stderr and stdout.startswith("Best-1")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_search_and_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    process, port = begin("--trials", "10000000")
    with process:
        deadline = time.monotonic() + 200
        while not json.loads(get(port, "/data"))["points"] and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        words = ""
        while process.poll() is None and not words:
            try:
                words = json.loads(get(port, "/data"))["words"]
            except OSError:
                break
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130 and "Traceback" not in stderr and words.startswith("Stopped: ")
    assert not Path("s/report.html").exists() and "continue with" in stderr


def test_without_a_port_the_search_continues(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from fastnet_cli.live import live_view

    def refused(*arguments: object) -> None:
        raise OSError(98, "Address already in use")

    monkeypatch.setattr("fastnet.report.page.LiveView", refused)
    with live_view(True, tmp_path, "accuracy") as view:
        assert view is None


def test_a_failed_search_is_reported_on_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from fastnet_cli.live import live_view

    with pytest.raises(ZeroDivisionError), live_view(True, tmp_path, "accuracy") as view:
        assert view is not None
        served = view
        raise ZeroDivisionError("no")
    assert served.document(-1, 0)["words"] == "The search failed: no"
