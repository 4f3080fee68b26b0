from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from fastnet.errors import ConfigError
from fastnet.machine import workers as found_by
from fastnet.machine.workers import describe_workers
from fastnet.tuning.run.wire import build_here
from fastnet.tuning.run.workers import Workers


def test_every_worker_says_what_it_has():
    found = describe_workers("processes:2", jobs=1)
    assert len({about.worker for about in found}) == 2
    for about in found:
        assert about.build == build_here() and about.threads == 1 and not about.problem
        assert 1 <= about.cores <= about.machine_cores
        assert about.to_dict()["build"]["fastnet"] == build_here().fastnet and about.to_dict()["problem"] is None


def test_a_worker_of_another_version_says_how_it_differs(monkeypatch):
    with ThreadPoolExecutor(1) as executor:
        other = build_here()._replace(numba="0.1")
        monkeypatch.setattr(found_by, "look", lambda threads, build: look(threads, other))
        [about] = describe_workers(executor)
    assert about.problem == f"numba {build_here().numba}, and the process that leads 0.1"


look = found_by.look


def test_an_engine_without_workers_is_told_in_a_sentence(monkeypatch):
    class Nobody(Workers):
        def width(self):
            return 0

        def submit(self, function, *arguments):
            return Future()

    monkeypatch.setattr(found_by, "WAIT_SECONDS", 0.1)
    with pytest.raises(ConfigError, match=r"no worker has answered within 0 s; start some first$"):
        describe_workers(Nobody())
