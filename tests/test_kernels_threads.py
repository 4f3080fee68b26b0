"""Threads for compiled code: Numba's layer, or Python's own threads where that cannot be used."""

from __future__ import annotations

import threading

import pytest

from fastnet.kernels import threads


def test_threads_that_the_system_refuses_are_done_without(monkeypatch):
    done: list[int] = []

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    threads.run_each(done.append, 4)
    assert done == [0]


def test_what_one_thread_raises_is_raised():
    def fail(i: int) -> None:
        if i == 2:
            raise MemoryError("here")

    with pytest.raises(MemoryError, match="here"):
        threads.run_each(fail, 4)
