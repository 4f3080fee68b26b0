"""A study whose file another program holds locked: the search continues and stores its trials later."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from runs import FakeEngine
from searches import CONFIG, HALVING, FakeRun, content

from fastnet.config.searching import SearchConfig
from fastnet.data.dataset import Dataset
from fastnet.errors import FastnetWarning, StudyError
from fastnet.training import loop
from fastnet.tuning import STUDY_FILE, Progress, SearchResult, Study, run_study
from fastnet.tuning.run import session
from fastnet.tuning.store import backlog, study
from fastnet.tuning.store.folder import StudyLockedError


class Locker:
    """Another program that locks a study after `begin` trials, until `end` trials have ended."""

    def __init__(self, folder: Path, begin: int, end: float) -> None:
        self.path, self.begin, self.end = folder / STUDY_FILE, begin, end
        self.held: list[int] = []
        self.connection: sqlite3.Connection | None = None

    def __call__(self, progress: Progress) -> None:
        if self.connection is None and not self.held and progress.done >= self.begin:
            self.connection = sqlite3.connect(self.path, isolation_level=None)
            self.connection.execute("BEGIN IMMEDIATE")
        if self.connection is not None:
            self.held.append(progress.done)
            if progress.done >= self.end:
                self.release()

    def release(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


@pytest.fixture
def search(
    tiny_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., SearchResult]]:
    monkeypatch.setattr(loop, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(session, "STORE_SECONDS", 0.0)
    monkeypatch.setattr(study, "RETRY_SECONDS", 0.001)
    lockers = []

    def go(config: SearchConfig = CONFIG, folder: str = "s", **options: object) -> SearchResult:
        if isinstance(options.get("on_progress"), Locker):
            lockers.append(options["on_progress"])
        return run_study(tiny_dataset, config, folder=tmp_path / folder, engine=FakeEngine(FakeRun), **options)  # type: ignore[arg-type]

    yield go
    for locker in lockers:
        locker.release()


@pytest.mark.parametrize("config", [CONFIG, HALVING], ids=["alone", "compared"])
def test_trials_go_on_while_the_study_is_locked_and_are_stored_later(
    search: Callable[..., SearchResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: SearchConfig
) -> None:
    monkeypatch.setattr(session, "PACK_TRIALS", 6)
    locker = Locker(tmp_path / "s", 3, 18)
    result = search(config, on_progress=locker)
    assert locker.connection is None and len(set(locker.held)) > 1, "no trial ended while the study was locked"
    assert (result.interrupted, len(result.trials)) == (False, config.trials)
    with Study.read(tmp_path / "s") as stored:
        assert sum(run["new_trials"] for run in stored.runs()) == config.trials
    assert content(result) == content(search(config, folder="whole"))


def test_a_lock_that_lasts_causes_one_warning(
    search: Callable[..., SearchResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "NOTED_SECONDS", 0.0)
    with pytest.warns(FastnetWarning, match="another program holds the file locked; the search continues") as caught:
        search(on_progress=Locker(tmp_path / "s", 3, 18))
    assert len(caught) == 1


def test_a_lock_without_end_ends_the_search_in_a_sentence_and_loses_nothing_that_was_stored(
    search: Callable[..., SearchResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(backlog, "STOPPED_SECONDS", 0.1)
    locker = Locker(tmp_path / "s", 3, float("inf"))
    with pytest.raises(StudyError, match=r"another program holds the file locked; close it .*; \d+ trials? could not"):
        search(on_progress=locker)
    locker.release()
    with Study.read(tmp_path / "s") as stored:
        before = stored.count()
    resumed = search()
    assert 0 < before < 23 and resumed.new_trials == 23 - before
    assert content(resumed) == content(search(folder="whole"))


def test_a_search_asked_to_stop_waits_for_the_lock_only_a_little(
    search: Callable[..., SearchResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "STOPPED_SECONDS", 0.2)
    locker = Locker(tmp_path / "s", 3, float("inf"))
    with pytest.raises(StudyLockedError, match="could not be stored"):
        search(on_progress=locker, should_stop=lambda: len(locker.held) > 1)


def test_many_curves_are_not_kept_in_memory(
    search: Callable[..., SearchResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PACK_TRIALS", 6)
    monkeypatch.setattr(backlog, "MOST_BYTES", 0)
    waits = []

    def wait(self: backlog.Backlog, seconds: float) -> bool:
        waits.append(len(self))
        if len(waits) == 5:
            locker.release()
        return False

    monkeypatch.setattr(backlog.Backlog, "_while_locked", wait)
    locker = Locker(tmp_path / "s", 3, float("inf"))
    assert len(search(on_progress=locker).trials) == 23
    assert len(waits) >= 5
