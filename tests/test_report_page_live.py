"""The page that shows a search while it runs: what the server gives, to whom, and how it ends."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from studies import make_study, make_trial

from fastnet.config.presets import TIMED_TRIALS
from fastnet.report.page import LiveView, live, write_report
from fastnet.tuning import Progress, TrialResult


@pytest.fixture
def view(tmp_path: Path) -> Iterator[LiveView]:
    with LiveView(tmp_path / "s") as made:
        yield made


def ask(
    view: LiveView, path: str, method: str = "GET", host: str | None = None, token: str | None = None, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", view.port, timeout=10)
    place = f"/{view.token}{path}" if token is None else f"{token}{path}"
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    try:
        connection.request(method, place, headers={"Host": host or f"127.0.0.1:{view.port}"} | named)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


def news(view: LiveView, generation: int = -1, known: int = 0) -> dict[str, Any]:
    status, content, _ = ask(view, f"/data?generation={generation}&known={known}")
    assert status == 200
    return dict(json.loads(content))


def progress(done: int, total: int = 100, ended: tuple[TrialResult, ...] = (), **more: Any) -> Progress:
    return Progress(done, total, more.pop("best", None), 20.0, 4.0, 1.5, False, ended=ended, **more)


def trial(number: int, rate: float = 0.03) -> TrialResult:
    return make_trial(number, {"learning_rate": rate}, 1, "accuracy", 0.3)


def test_the_page_is_complete_and_serves_plotly(view: LiveView) -> None:
    status, content, headers = ask(view, "/")
    assert status == 200 and b'"plotly.js"' in content and headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in headers["Content-Security-Policy"] and headers["Cache-Control"] == "no-store"
    assert len(ask(view, "/plotly.js")[1]) > 1_000_000
    assert not re.search(rb"https?://", content)


def test_only_new_trials_are_sent(view: LiveView) -> None:
    view(progress(2, ended=(trial(0), trial(1, 0.9)), best=0.8))
    first = news(view)
    assert [point[:2] for point in first["points"]] == [[0, 0], [1, 2]] and first["points"][1][2] is None
    assert first["names"] == ["learning_rate"] and first["points"][0][3] == [0.03] and first["steps"] == [[2, 0.8]]
    view(progress(3, ended=(trial(2),), best=0.8, stage=2, stages=3, diverged=1))
    second = news(view, first["generation"], 2)
    assert second["from"] == 2 and [point[0] for point in second["points"]] == [2]
    assert (second["done"], second["stage"], second["diverged"], second["steps"]) == (3, 2, 1, [[2, 0.8]])
    assert len(news(view, first["generation"], 99)["points"]) == 3, "who asks for nonsense gets everything"


def test_many_trials_are_thinned_and_then_sent_anew(view: LiveView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_POINTS", 10)
    view(progress(40, ended=tuple(map(trial, range(40)))))
    found = news(view, 0, 5)
    assert found["from"] == 0 and [point[0] for point in found["points"]] == list(range(0, 40, found["stride"]))
    assert len(found["points"]) <= 10 and found["generation"] > 0


def test_trials_of_an_earlier_run_are_there(tmp_path: Path) -> None:
    with LiveView(make_study(tmp_path / "s", 8)) as view:
        view(progress(8, best=0.5))
        assert len(news(view)["points"]) == 8


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:80"])
def test_requests_for_another_host_are_refused(view: LiveView, host: str) -> None:
    for path in ("/", "/data", "/plotly.js", "/report.html"):
        status, content, _ = ask(view, path, host=host)
        assert status == 403 and len(content) < 100


def test_a_name_that_was_bound_to_this_machine_later_gets_nothing(view: LiveView) -> None:
    """DNS rebinding: the browser of a user asks this machine, and names the site whose page asks."""
    for host in (f"rebound.example:{view.port}", f"127.0.0.1:{view.port}.example", f"[::1]:{view.port}"):
        assert ask(view, "/data", host=host)[0] == 403
    with socket.create_connection(("127.0.0.1", view.port), timeout=5) as connection:
        two = f"Host: 127.0.0.1:{view.port}\r\nHost: rebound.example\r\n"
        connection.sendall(f"GET /{view.token}/data HTTP/1.1\r\n{two}\r\n".encode())
        assert b" 403 " in connection.recv(100)


@pytest.mark.parametrize("token", ["", "/", "/data", "/AAAAAAAAAAAAAAAAAAAAAA", "//"])
def test_without_the_token_nothing_is_served(view: LiveView, token: str) -> None:
    for path in ("", "/", "/data", "/plotly.js", "/report.html"):
        if token + path:
            status, content, _ = ask(view, path, token=token)
            assert status == 403 and len(content) < 100 and view.token.encode() not in content


def test_tokens_differ(view: LiveView, tmp_path: Path) -> None:
    with LiveView(tmp_path / "other") as other:
        assert other.token != view.token and min(len(other.token), len(view.token)) >= 22
        assert ask(other, "/data", token=f"/{view.token}")[0] == 403


def test_pages_of_other_sites_get_nothing(view: LiveView) -> None:
    for origin in ("https://evil.example", "null", f"https://127.0.0.1:{view.port}", "http://127.0.0.1:1"):
        assert ask(view, "/data", Origin=origin)[0] == 403
    for site in ("cross-site", "same-site"):  # another port of this machine is the same site
        assert ask(view, "/data", Sec_Fetch_Site=site)[0] == 403
    status, _, headers = ask(view, "/data", Origin=f"http://127.0.0.1:{view.port}", Sec_Fetch_Site="same-origin")
    assert status == 200 and not [name for name in headers if name.lower().startswith("access-control")]


def test_localhost_is_this_machine_too(view: LiveView) -> None:
    assert ask(view, "/data", host=f"localhost:{view.port}")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_nothing_but_get_is_served(view: LiveView, method: str) -> None:
    assert ask(view, "/data", method)[0] == 501


@pytest.mark.parametrize("path", ["/study.sqlite", "/../../etc/passwd", "/report.html", "/data/", "/%2e%2e"])
def test_no_other_file_is_served(view: LiveView, path: str) -> None:
    assert ask(view, path)[0] == 404


def test_the_server_listens_on_this_machine_only(view: LiveView) -> None:
    with socket.create_connection(("127.0.0.1", view.port), timeout=5) as connection:
        assert connection.getpeername()[0] == "127.0.0.1"
    assert view._server.socket.getsockname()[0] == "127.0.0.1"


def test_a_silent_or_vanished_client_blocks_nobody(view: LiveView, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(("127.0.0.1", view.port)):
        gone = socket.create_connection(("127.0.0.1", view.port))
        gone.sendall(f"GET /{view.token}/plotly.js HTTP/1.1\r\nHost: 127.0.0.1:{view.port}\r\n\r\n".encode())
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        gone.close()
        assert news(view)["phase"] == "running"
    assert capfd.readouterr() == ("", "")


def test_at_the_end_a_page_that_is_looked_at_gets_the_report(view: LiveView, tmp_path: Path) -> None:
    report = write_report(make_study(tmp_path / "s", 3))
    news(view)
    ending = threading.Thread(target=view.end, args=("3 trials", report))
    ending.start()
    while news(view)["phase"] != "ended":
        time.sleep(0.01)
    assert news(view)["report"] and ending.is_alive()
    assert ask(view, "/report.html")[1] == report.read_bytes()
    ending.join(timeout=2)
    assert not ending.is_alive()


@pytest.mark.parametrize("looked_at", [False, True])
def test_nobody_waits_for_long(view: LiveView, monkeypatch: pytest.MonkeyPatch, looked_at: bool) -> None:
    monkeypatch.setattr(live, "FAREWELL_SECONDS", 0.05)
    if looked_at:
        news(view)
    view.end("over")
    assert (news(view)["phase"], news(view)["words"], news(view)["report"]) == ("ended", "over", False)


def test_a_closed_view_leaves_neither_thread_nor_port(tmp_path: Path) -> None:
    view = LiveView(tmp_path)
    view.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "fastnet-live"]
    with pytest.raises(ConnectionRefusedError):
        ask(view, "/")


# As a process of its own ----------------------------------------------------------------------------------------------


def test_a_search_that_ends_by_its_time_shows_the_time_and_no_number_of_trials_to_come(tmp_path: Path) -> None:
    with LiveView(tmp_path / "s", time_left=lambda: 4.5) as view:
        assert news(view)["share"] == 0.0
        view(progress(7, total=TIMED_TRIALS, ended=tuple(map(trial, range(7)))))
        found = news(view)
        assert (found["done"], found["total"], found["eta"]) == (7, None, 4.5)
        assert found["share"] == pytest.approx(found["elapsed"] / (found["elapsed"] + 4.5))
        view(progress(7, total=20))
        found = news(view)
        assert (found["total"], found["share"], found["eta"]) == (20, 7 / 20, 4.0)
