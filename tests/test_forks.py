"""Forks that wait for the sections of other threads."""

from __future__ import annotations

import threading

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
