"""A server on this machine that delivers files correctly, or in one of the ways in which mirrors fail."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

NAME = "data.gz"
CONTENT = np.random.Philox(key=4).random_raw(40_000).tobytes()
PACKED = gzip.compress(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Mirror:
    """A server on this machine whose first path element says how it misbehaves; the rest is looked up in `files`."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {NAME: PACKED}
        self.requests: list[str] = []
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.requests.append(self.path)
                mirror.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    def url(self, behaviour: str) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/{behaviour}/"

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        _, behaviour, name = request.path.split("/", 2)
        content = self.files[name]
        if behaviour == "missing":
            request.send_error(404)
            return
        if behaviour == "other":
            content = gzip.compress(b"something else")
        if behaviour == "page":
            content = b"<html>please log in</html>"
        if behaviour == "cut":
            content = content[: len(content) // 2]
        if behaviour == "unpacked":
            content = gzip.decompress(content)
        if behaviour == "repacked":
            content = gzip.compress(gzip.decompress(content), compresslevel=1, mtime=7)
        request.send_response(200)
        if behaviour != "unsized":
            request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content[: len(content) // 2] if behaviour == "broken" else content)


@contextmanager
def serving() -> Iterator[Mirror]:
    """Run a mirror during the block."""
    mirror = Mirror()
    thread = threading.Thread(target=mirror.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield mirror
    mirror.server.shutdown()
    mirror.server.server_close()
    thread.join()
