"""Ctrl-C, SIGTERM, SIGHUP and the time limit as requests to stop, so that finished work can be kept."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

FINALIZER_SECONDS = 0.02
"""Delay before an interrupt that arrived in a finalizer is repeated."""

REPEAT_SECONDS = 1.0
"""Time in which another SIGTERM or SIGHUP is the same request: `timeout` and closing terminals send them twice."""

WORDS = {"SIGINT": "Interrupted.", "SIGTERM": "Terminated.", "SIGHUP": "The terminal was closed."}
"""Signals that ask a program to end, and the message if nothing was kept."""

_clock = time.monotonic
_received: list[tuple[signal.Signals, float]] = []
"""The first signal of the running command and its time, once there is one."""
_repeated: list[int] = []
"""Our own repetition of a signal that arrived in a finalizer."""


def leave_in_silence() -> None:
    """Let Ctrl-C end the program at once, where Python would print a traceback: before a command runs, and after it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


def exit_code() -> int:
    """Return the exit code of a command ended by a signal: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
    return 128 + _signal()


def last_words() -> str:
    """Return the message if nothing was kept."""
    return WORDS[_signal().name]


def _signal() -> signal.Signals:
    return _received[0][0] if _received else signal.SIGINT


def _wanted(*names: str) -> Iterator[signal.Signals]:
    """Yield the signals that exist on this system and are not ignored, as SIGHUP is under `nohup`."""
    for name in names:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            yield number


@contextmanager
def signals_as_interrupts() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt, like Ctrl-C, while a command runs."""
    _received.clear()
    left = [signal.SIGINT] if signal.getsignal(signal.SIGINT) is _leave else []
    with _handlers(_interrupt, list(_wanted("SIGTERM", "SIGHUP"))), _handlers(signal.default_int_handler, left):
        yield


@contextmanager
def _handlers(handle: Callable[[int, FrameType | None], None], numbers: list[signal.Signals]) -> Iterator[None]:
    """Handle signals while the block runs, but not outside the main thread, where Python cannot."""
    before: dict[signal.Signals, Any] = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in numbers:
                before[number] = signal.signal(number, handle)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _is_repeated(number: int) -> bool:
    """Note a signal; return whether it only repeats the first one."""
    if _repeated:
        _repeated.clear()
        return False
    now = _clock()
    if not _received:
        _received.append((signal.Signals(number), now))
        return False
    return number != signal.SIGINT and now - _received[0][1] < REPEAT_SECONDS


def _interrupt(number: int, frame: FrameType | None) -> None:
    if not _is_repeated(number):
        _raise(number, frame)


def _raise(number: int, frame: FrameType | None) -> threading.Timer | None:
    """Raise KeyboardInterrupt, a moment later if Python runs a finalizer, where it would only print a traceback."""
    if not _in_finalizer(frame):
        raise KeyboardInterrupt
    later = threading.Timer(FINALIZER_SECONDS, _again, (number,))
    later.start()
    return later


def _again(number: int) -> None:
    _repeated.append(number)
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:  # a signal of this thread would not wake that one
        signal.pthread_kill(main, number)
    else:
        signal.raise_signal(number)


class StopOnInterrupt:
    """While this context is open and `careful`, the first signal only makes calls return True; the second interrupts.

    The signals are Ctrl-C, SIGTERM and SIGHUP. Set `careful` once there are results to keep; until then, for example
    while the kernels compile, signals interrupt at once.
    """

    def __init__(self) -> None:
        self.careful = False
        self._wanted = False
        self._handlers = _handlers(self._handle, [signal.SIGINT, *_wanted("SIGTERM", "SIGHUP")])
        self._later: threading.Timer | None = None

    def __enter__(self) -> Self:
        _received.clear()
        self._handlers.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._later is not None:
            self._later.cancel()
            _repeated.clear()
        self._handlers.__exit__(None, None, None)

    def __call__(self) -> bool:
        return self._wanted

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if _is_repeated(number):
            return
        again, self._wanted = self._wanted, True
        if again or not self.careful:
            self._later = _raise(number, frame)


def _in_finalizer(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


class Deadline:
    """The time limit of a command, counted from the creation of this object; None for no limit."""

    def __init__(self, seconds: float | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._began = clock()

    def left(self) -> float | None:
        """Return the seconds left, negative once the time is up; None without a limit."""
        return None if self.seconds is None else self.seconds - (self._clock() - self._began)
