"""Work in background threads: waiting, stopping, and errors."""

from __future__ import annotations

import threading

import pytest

from fastnet.training.background import Background, submit
from fastnet.training.loop import watch


def test_what_goes_wrong_in_the_background_is_raised():
    run = Background()

    def fail() -> None:
        raise ArithmeticError("in the kernel")

    with pytest.raises(ArithmeticError, match="in the kernel"):
        watch(run, lambda: run.begin(1, fail))


def test_work_runs_alongside_the_caller() -> None:
    go, work = threading.Event(), Background()
    assert not work.running() and work.wait() and work.wait(0.0), "nothing has begun"
    work.join()
    work.begin(1, lambda: go.wait(60))
    assert work.running() and not work.wait(0.01)
    go.set()
    assert work.wait(60) and not work.running()
    work.join()


def test_an_error_waits_for_the_join() -> None:
    def fail() -> None:
        raise ArithmeticError("in the kernel")

    work = Background()
    work.begin(1, fail)
    assert work.wait(60)
    for _ in range(2):
        with pytest.raises(ArithmeticError, match="in the kernel"):
            work.join()


def test_several_threads_take_turns_and_one_begins_at_once() -> None:
    go, order = threading.Event(), []

    def first() -> None:
        assert go.wait(60)
        order.append("first")

    waits = [submit(2, first), submit(2, lambda: order.append("second"))]
    submit(1, lambda: order.append("alone")).result(60)
    assert order == ["alone"] and not any(future.done() for future in waits)
    go.set()
    for future in waits:
        future.result(60)
    assert order == ["alone", "first", "second"]


def test_work_that_waits_for_its_turn_never_begins_once_stopped() -> None:
    go, began = threading.Event(), []
    busy = submit(2, lambda: go.wait(60))
    work = Background()
    work.begin(2, lambda: began.append(1))
    work.stop()
    assert work.wait(0.0) and not work.running()
    work.join()
    go.set()
    assert busy.result(60) and submit(2, lambda: "next").result(60) == "next" and not began
