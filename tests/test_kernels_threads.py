"""Threads for compiled code: Numba's layer, or Python's own threads where that cannot be used."""

from __future__ import annotations

import threading

import pytest

from fastnet.kernels import threads


def test_the_caller_does_all_work_if_the_system_refuses_threads(monkeypatch):
    done: list[int] = []

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    threads.run_each(done.append, 4)
    assert done == [0]


def test_an_exception_of_a_thread_is_raised():
    def fail(i: int) -> None:
        if i == 2:
            raise MemoryError("here")

    with pytest.raises(MemoryError, match="here"):
        threads.run_each(fail, 4)


def test_a_process_that_was_forked_keeps_out_of_the_layer(monkeypatch):
    assert threads.layer_problem() in ("", threads._WORKQUEUE)
    monkeypatch.setattr(threads, "_inherited", True)
    assert threads.layer_problem() == "this process was forked after Numba had started its threads"


def test_workqueue_is_not_entered(monkeypatch):
    threads.layer_problem()
    monkeypatch.setattr(threads.numba_threads, "threading_layer", lambda: "workqueue")
    assert "no two threads may enter" in threads.layer_problem()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_every_function_runs_once_and_the_first_in_the_callers_thread(n):
    ran: dict[int, str] = {}

    def note(i: int) -> None:
        ran[i] = threading.current_thread().name

    threads.run_each(note, n)
    assert sorted(ran) == list(range(n)) and ran[0] == threading.current_thread().name
    assert len(set(ran.values())) == n
