"""Forks that wait for the sections of other threads."""

from __future__ import annotations

import threading

import pytest

from fastnet import forks
from fastnet.forks import NoFork


def test_a_fork_waits_for_the_sections_of_other_threads_alone():
    section = NoFork()
    order: list[str] = []
    entered, leave = threading.Event(), threading.Event()

    def work() -> None:
        with section, section:
            entered.set()
            leave.wait(100)
            order.append("left")

    thread = threading.Thread(target=work)
    thread.start()
    entered.wait(100)
    timer = threading.Timer(0.05, leave.set)
    timer.start()
    with section:  # its own is no reason to wait
        section.before_fork()
        order.append("forked")
        section.after_fork()
    thread.join()
    assert order == ["left", "forked"] and section.inside == 0


def test_a_fork_does_not_wait_forever(monkeypatch):
    section = NoFork()
    monkeypatch.setattr(forks, "PATIENCE_SECONDS", 0.05)
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with section:
            entered.set()
            leave.wait(100)

    thread = threading.Thread(target=stay)
    thread.start()
    entered.wait(100)
    section.before_fork()
    section.after_fork()
    assert section.inside == 1
    leave.set()
    thread.join()
    assert section.inside == 0


def test_a_child_forgets_the_threads_of_its_parent():
    section = NoFork()
    section.inside = 3  # as if other threads were inside
    section.in_child()
    assert section.inside == 0
    with section:
        section.inside = 3
        section.in_child()
        assert section.inside == 1, "the thread that forked is still inside"
    assert section.inside == 0


def test_a_section_is_left_by_an_exception_too():
    section = NoFork()
    with pytest.raises(KeyError), section:
        raise KeyError
    assert section.inside == 0
