"""Ctrl-C, and the end of the time given, as a wish to stop, so that what is done can be kept."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

FINALIZER_SECONDS = 0.02
"""Time after which an interrupt is tried again that came while Python threw an object away."""


class StopOnInterrupt:
    """While this context is open and `careful`, Ctrl-C only makes calling it return True; a second one interrupts.

    Set `careful` once there is something to keep. Until then, as while the kernels compile, Ctrl-C interrupts at once.
    """

    def __init__(self) -> None:
        self.careful = False
        self._wanted = False
        self._previous: Any = None
        self._later: threading.Timer | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *error: object) -> None:
        if self._later is not None:
            self._later.cancel()
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def __call__(self) -> bool:
        return self._wanted

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self._wanted = self._wanted, True
        if not again and self.careful:
            return
        if _in_finalizer(frame):  # Python would print the interrupt as a traceback there, and go on
            self._later = threading.Timer(FINALIZER_SECONDS, signal.raise_signal, (signal.SIGINT,))
            self._later.start()
            return
        raise KeyboardInterrupt


def _in_finalizer(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


class Deadline:
    """Becomes true so many seconds after it was made; never with None."""

    def __init__(self, seconds: float | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._began = clock()

    def __call__(self) -> bool:
        left = self.left()
        return left is not None and left <= 0

    def left(self) -> float | None:
        """Seconds that are left, below 0 once the time is up; None where there is no end."""
        return None if self.seconds is None else self.seconds - (self._clock() - self._began)
