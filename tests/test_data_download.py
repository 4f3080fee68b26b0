"""Downloads: verified, resumed at the next mirror, and never half there."""

from __future__ import annotations

import gzip
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mirrors import NAME, PACKED, SHA256, Mirror

from fastnet.data.download import fetch, unpacked_sha256
from fastnet.errors import DataError


@pytest.mark.parametrize("behaviour", ["good", "unpacked", "repacked", "unsized"])
def test_fetch_verifies_the_unpacked_content(mirror: Mirror, tmp_path: Path, behaviour: str) -> None:
    path = fetch(NAME, SHA256, mirrors=[mirror.url(behaviour)], folder=tmp_path / "a" / "b")
    assert path == tmp_path / "a" / "b" / NAME
    assert unpacked_sha256(path) == SHA256
    assert os.listdir(path.parent) == [NAME]


def test_fetch_downloads_once(mirror: Mirror, tmp_path: Path) -> None:
    for _ in range(3):
        fetch(NAME, SHA256, mirrors=[mirror.url("good")], folder=tmp_path)
    assert mirror.requests == [f"/good/{NAME}"]


@pytest.mark.parametrize("behaviour", ["missing", "other", "page", "cut", "broken"])
def test_fetch_goes_on_to_the_second_mirror(mirror: Mirror, tmp_path: Path, behaviour: str) -> None:
    path = fetch(NAME, SHA256, mirrors=[mirror.url(behaviour), mirror.url("good")], folder=tmp_path)
    assert unpacked_sha256(path) == SHA256
    assert mirror.requests == [f"/{behaviour}/{NAME}", f"/good/{NAME}"]
    assert os.listdir(tmp_path) == [NAME]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("missing", "HTTP status 404"),
        ("other", "wrong checksum"),
        ("page", "wrong checksum"),
        ("cut", "a truncated or damaged gzip file"),
        ("broken", "the transfer broke off"),
    ],
)
def test_fetch_names_every_mirror_with_its_reason(mirror: Mirror, tmp_path: Path, behaviour: str, reason: str) -> None:
    urls = [mirror.url(behaviour), mirror.url("missing")]
    with pytest.raises(DataError) as caught:
        fetch(NAME, SHA256, mirrors=urls, folder=tmp_path)
    message = str(caught.value)
    assert f"{urls[0]}{NAME} ({reason})" in message
    assert f"{urls[1]}{NAME} (HTTP status 404)" in message
    assert "FASTNET_DATA_DIR" in message
    assert "\n" not in message
    assert os.listdir(tmp_path) == []


def test_fetch_reports_that_nothing_answers(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"http://127.0.0.1:9/data.gz \(no connection\)"):
        fetch(NAME, SHA256, mirrors=["http://127.0.0.1:9/"], folder=tmp_path)


def test_fetch_reports_a_timeout(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(mirror, "answer", lambda _: released.wait(20))
    monkeypatch.setattr("fastnet.data.download.TIMEOUT_SECONDS", (1.0, 0.05))
    with pytest.raises(DataError, match="no answer in time"):
        fetch(NAME, SHA256, mirrors=[mirror.url("good")], folder=tmp_path)
    released.set()


def test_fetch_reports_a_folder_that_cannot_be_made(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be written"):
        fetch(NAME, SHA256, mirrors=[mirror.url("good")], folder=tmp_path / "file" / "folder")


def test_fetch_reports_a_full_disk(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\)"):
        fetch(NAME, SHA256, mirrors=[mirror.url("good")], folder=tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("behaviour", "total"), [("good", len(PACKED)), ("unsized", 0)])
def test_fetch_reports_progress(mirror: Mirror, tmp_path: Path, behaviour: str, total: int) -> None:
    seen: list[tuple[str, int, int]] = []
    fetch(NAME, SHA256, mirrors=[mirror.url(behaviour)], folder=tmp_path, progress=lambda *step: seen.append(step))
    assert {name for name, _, _ in seen} == {NAME}
    assert {size for _, _, size in seen} == {total}
    done = [count for _, count, _ in seen]
    assert done == sorted(done)
    assert len(set(done)) > 2
    assert done[-1] >= len(PACKED)
    assert total == 0 or done[-1] == total


def test_fetch_ends_where_a_mirror_does_not(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastnet.data.download.MOST_BYTES", 100_000)
    with pytest.raises(DataError, match=r"\(more than 0 MB\)"):
        fetch(NAME, SHA256, mirrors=[mirror.url("good")], folder=tmp_path)
    assert os.listdir(tmp_path) == []


def test_fetch_refuses_what_unpacks_without_end(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastnet.data.bounds.HARMLESS", 1000)
    monkeypatch.setattr("fastnet.data.bounds.MOST_TIMES", 100)
    mirror.files[NAME] = gzip.compress(bytes(10**6))
    with pytest.raises(DataError, match="truncated or damaged gzip file"):
        fetch(NAME, SHA256, mirrors=[mirror.url("good")], folder=tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("said", ["much", "-5", "9" * 400, ""])
def test_fetch_needs_no_honest_length(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    import requests

    get = requests.get

    def changed(*arguments: Any, **options: Any) -> Any:
        answer = get(*arguments, **options)
        answer.headers["Content-Length"] = said
        return answer

    monkeypatch.setattr(requests, "get", changed)
    seen: list[int] = []
    path = fetch(
        NAME,
        SHA256,
        mirrors=[mirror.url("good")],
        folder=tmp_path,
        progress=lambda name, done, total: seen.append(total),
    )
    assert unpacked_sha256(path) == SHA256 and set(seen) == {0}


def test_fetch_leaves_nothing_behind_when_interrupted(mirror: Mirror, tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(NAME, SHA256, mirrors=[mirror.url("good")], folder=tmp_path, progress=interrupt)
    assert os.listdir(tmp_path) == []


def test_fetch_may_run_several_times_at_once(mirror: Mirror, tmp_path: Path) -> None:
    urls = [mirror.url("broken"), mirror.url("good")]
    with ThreadPoolExecutor(6) as pool:
        paths = list(pool.map(lambda _: fetch(NAME, SHA256, mirrors=urls, folder=tmp_path), range(12)))
    assert {unpacked_sha256(path) for path in paths} == {SHA256}
    assert os.listdir(tmp_path) == [NAME]
