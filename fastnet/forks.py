"""Delay forks until no other thread holds a lock that the child could never release.

SQLite shares locks between all connections of a process. A child forked while another thread held one would wait for it
forever. All use of SQLite therefore happens inside `no_fork`, and `os.fork` waits until no other thread is inside.
"""

from __future__ import annotations

import os
import threading
import time

PATIENCE_SECONDS = 30.0
"""Longest wait of a fork: longer than any transaction takes, and finite."""


class NoFork:
    """A section of code that any number of threads may enter, but that no fork by another thread interrupts.

    Examples
    --------
    >>> section = NoFork()
    >>> with section, section:
    ...     section.inside
    1
    """

    def __init__(self) -> None:
        self.inside = 0
        self._changed = threading.Condition()
        self._own = threading.local()

    def __enter__(self) -> None:
        depth = self._depth()
        if depth == 0:
            with self._changed:
                self.inside += 1
        self._own.depth = depth + 1

    def __exit__(self, *error: object) -> None:
        self._own.depth = depth = self._depth() - 1
        if depth == 0:
            with self._changed:
                self.inside -= 1
                self._changed.notify_all()

    def _depth(self) -> int:
        depth: int = getattr(self._own, "depth", 0)
        return depth

    def before_fork(self) -> None:
        """Wait until no other thread is inside, then let none in."""
        own = int(self._depth() > 0)
        ends = time.monotonic() + PATIENCE_SECONDS
        self._changed.acquire()
        while self.inside > own and (left := ends - time.monotonic()) > 0:
            self._changed.wait(left)

    def after_fork(self) -> None:
        """Let threads in again."""
        self._changed.release()

    def in_child(self) -> None:
        """Forget the parent's threads."""
        self.inside = int(self._depth() > 0)
        self._changed = threading.Condition()


no_fork = NoFork()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=no_fork.before_fork, after_in_parent=no_fork.after_fork, after_in_child=no_fork.in_child)
