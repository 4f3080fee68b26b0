"""A page that shows a search while it runs, served to this machine only by the standard library's server.

The search hands over its progress reports; nothing is read from the study while it runs, and while nobody looks the
server only waits for a connection.
"""

from __future__ import annotations

import json
import secrets
import socketserver
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs

from fastnet._version import __version__
from fastnet.config.metric import DEFAULT_METRIC
from fastnet.config.presets import TIMED_TRIALS
from fastnet.files import shown_path
from fastnet.report.page.write import plotly_script, render
from fastnet.tuning.run.result import Progress
from fastnet.tuning.store.study import Study
from fastnet.tuning.trial import STATUSES, TrialResult, known

HOST = "127.0.0.1"
MOST_POINTS = 2000
"""Most trials that the page draws; whenever there are more, every second one is left out."""

LOOKING_SECONDS = 3.0
"""Time since the last request within which somebody is looking; the page asks every second."""

FAREWELL_SECONDS = 5.0
"""Longest time to wait at the end until the page has the report."""

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; img-src data: blob:; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'",
}


class LiveView:
    """Serves the page at `url`, on a free port of 127.0.0.1, until `close`; give it to a search as `on_progress`.

    The address contains a random token: other users of this machine, who can reach the port, do not know it.

    The page also shows the trials that the study in `folder` already has. `time_left` returns the seconds left to a
    search that ends by its time. Raises `OSError` if no port is free.
    """

    def __init__(
        self, folder: Path, metric: str = DEFAULT_METRIC, time_left: Callable[[], float | None] = lambda: None
    ) -> None:
        self._folder, self._metric, self._time_left = folder, metric, time_left
        self._lock = threading.Lock()
        self._points: list[tuple[int, int, float | None, list[Any]]] = []
        self._names: list[str] = []
        self._stride, self._generation = 1, 0
        self._steps: list[tuple[int, float]] = []
        self._state: dict[str, Any] = {"done": 0, "total": 0, "share": 0.0}
        self._phase, self._words = "running", ""
        self._report: Path | None = None
        self._asked = -float("inf")
        self._delivered = threading.Event()
        self._begun = False
        self._server = _Server((HOST, 0), self)
        self.port: int = self._server.server_address[1]
        self.token = secrets.token_urlsafe(16)
        self.url = f"http://{HOST}:{self.port}/{self.token}/"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, name="fastnet-live", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __call__(self, progress: Progress) -> None:
        """Take over the progress and the trials that have ended since the last call."""
        if not self._begun:
            self._begun = True
            if progress.done > len(progress.ended):  # some are from an earlier run
                with Study.read(self._folder) as study:
                    while -(-study.count() // self._stride) > MOST_POINTS:
                        self._stride *= 2
                    self._add(study.iter_trials(every=self._stride))
        state = {
            "done": progress.done, **self._extent(progress), "best": progress.best, "stage": progress.stage,
            "rate": progress.trials_per_second, "elapsed": progress.elapsed_seconds, "stages": progress.stages,
            "rung": progress.rung, "rungs": progress.rungs, "stopped": progress.stopped, "diverged": progress.diverged,
            "compiling": progress.compiling, "choosing": progress.choosing, "ensembling": progress.ensembling,
        }  # fmt: skip
        with self._lock:
            self._add(progress.ended)
            self._state = state
            if progress.best is not None and (not self._steps or self._steps[-1][1] != progress.best):
                self._steps.append((progress.done, progress.best))

    def _extent(self, progress: Progress) -> dict[str, Any]:
        """Return the number of trials in total, None where the time ends the search; what is done of it; the rest."""
        left, eta = self._time_left(), progress.eta_seconds
        if left is None:
            return {"total": progress.total, "share": progress.done / max(progress.total, 1), "eta": eta}
        left = max(left, 0.0)
        if progress.total == TIMED_TRIALS:  # no one asked for a number of trials
            passed = progress.elapsed_seconds
            return {"total": None, "share": passed / max(passed + left, 1e-9), "eta": left}
        share = progress.done / max(progress.total, 1)
        return {"total": progress.total, "share": share, "eta": left if eta is None else min(eta, left)}

    def end(self, words: str, report: Path | None = None) -> None:
        """Let the page show these words, or the report; if somebody is looking, wait a moment until it does.

        A second call does nothing.
        """
        with self._lock:
            if self._phase == "ended":  # by an error or Ctrl-C while it waited
                return
            self._phase, self._words, self._report = "ended", words, report
            self._delivered.clear()
            looked_at = time.monotonic() - self._asked < LOOKING_SECONDS
        if looked_at:
            self._delivered.wait(FAREWELL_SECONDS)

    def close(self) -> None:
        """Stop serving; a second call does nothing."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def document(self, generation: int, known_points: int) -> dict[str, Any]:
        """Return the state, and the points that the page does not have yet."""
        with self._lock:
            self._asked = time.monotonic()
            same = generation == self._generation
            begin = known_points if same and 0 <= known_points <= len(self._points) else 0
            found = self._state | {
                "phase": self._phase, "words": self._words, "report": self._report is not None, "metric": self._metric,
                "generation": self._generation, "from": begin, "points": self._points[begin:], "names": self._names,
                "steps": list(self._steps), "stride": self._stride,
            }  # fmt: skip
            if self._phase == "ended" and self._report is None:
                self._delivered.set()
        return found

    def report(self) -> bytes | None:
        """Return the report once it is written."""
        with self._lock:
            path = self._report
        try:
            return None if path is None else path.read_bytes()
        except OSError:
            return None

    def page(self) -> str:
        """Return the page."""
        return render("live.html", {"study": shown_path(self._folder), "version": __version__})

    def handed_over(self) -> None:
        """Note that the page has the report."""
        self._delivered.set()

    def _add(self, trials: Iterable[TrialResult]) -> None:
        for trial in trials:
            if trial.id % self._stride:
                continue
            self._names = self._names or list(trial.params)
            values = [trial.params.get(name) for name in self._names]
            self._points.append((trial.id, STATUSES.index(trial.status), known(trial.value), values))
            if len(self._points) > MOST_POINTS:
                self._stride *= 2
                self._points = [point for point in self._points if point[0] % self._stride == 0]
                self._generation += 1


class _Server(ThreadingHTTPServer):
    """Knows its view, looks up no host name, and prints nothing."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], view: LiveView) -> None:
        self.view = view
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer looks up the name of the host, which can take seconds
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a browser that went away


class _Handler(BaseHTTPRequestHandler):
    """Answers GET for four paths below the token, only if the header Host names this machine, and no other site asks.

    Another site can make a browser ask 127.0.0.1 under a name that resolves to it (DNS rebinding), or as a part of a
    page of its own; a browser then says so in Origin or Sec-Fetch-Site.
    """

    server: _Server
    server_version = "fastnet"
    sys_version = ""
    timeout = 10

    def do_GET(self) -> None:
        view = self.server.view
        if not self._is_ours():
            self._answer(b"This page is for this machine only.\n", "text/plain", HTTPStatus.FORBIDDEN)
            return
        place, _, query = self.path.partition("?")
        begin = f"/{view.token}/"
        path = place[len(begin) :]
        if not secrets.compare_digest(place[: len(begin)].encode(), begin.encode()):
            self._answer(b"The address is the one that the search printed.\n", "text/plain", HTTPStatus.FORBIDDEN)
        elif not path:
            self._answer(view.page().encode("utf-8", "replace"), "text/html")
        elif path == "data":
            document = view.document(*_numbers(query))
            self._answer(json.dumps(document, allow_nan=False).encode(), "application/json")
        elif path == "plotly.js":
            self._answer(plotly_script(), "text/javascript")
        elif path == "report.html" and (report := view.report()) is not None:
            self._answer(report, "text/html")
            view.handed_over()
        else:
            self._answer(b"There is nothing here.\n", "text/plain", HTTPStatus.NOT_FOUND)

    def _is_ours(self) -> bool:
        """Whether the headers are those of a request to this machine that no other site made."""
        hosts = [f"{name}:{self.server.view.port}" for name in (HOST, "localhost")]
        host, origin = self.headers.get_all("Host", []), self.headers.get("Origin")
        if len(host) != 1 or host[0] not in hosts:
            return False
        own = origin is None or origin == f"http://{host[0]}"
        return own and self.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")

    def _answer(self, content: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        own = {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(content))}
        for name, value in (own | _HEADERS).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _numbers(query: str) -> tuple[int, int]:
    """Read the generation and the number of points that a page has; -1 if it names none."""
    given = parse_qs(query)
    values = [given.get(name, [""])[0][:9] for name in ("generation", "known")]
    first, second = (int(text) if text.isdecimal() else -1 for text in values)
    return first, second
