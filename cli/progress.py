"""Progress on standard error: a live bar on a terminal, plain lines everywhere else."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, Self

import click

from .interrupt import StopOnInterrupt

if TYPE_CHECKING:
    import rich.progress

    from fastnet.trainer import EpochResult
    from fastnet.tuning.result import Progress as SearchState

LINE_SECONDS = 5.0
"""Time between two plain lines."""
DRAW_SECONDS = 0.1
"""Time between two drawings of the bar."""


class _Display(Protocol):
    def show(self, done: int, total: int, text: str) -> None: ...

    def close(self) -> None: ...


class _Bar:
    """A bar that is drawn by rich, only when it is told something: no thread of its own."""

    def __init__(self, title: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[text]}"),
        )
        self._progress = Progress(*columns, console=Console(stderr=True), auto_refresh=False, redirect_stdout=False)
        self._title = title
        self._task: rich.progress.TaskID | None = None

    def show(self, done: int, total: int, text: str) -> None:
        if self._task is None:
            self._task = self._progress.add_task(self._title, total=total, text=text)
            self._progress.start()
        self._progress.update(self._task, completed=done, total=total, text=text, refresh=True)

    def close(self) -> None:
        self._progress.stop()


class _Lines:
    """One line a message, without control characters."""

    def __init__(self, title: str) -> None:
        self._title = title

    def show(self, done: int, total: int, text: str) -> None:
        click.echo(f"{self._title} {done}/{total} | {text}", err=True)

    def close(self) -> None:
        pass


class Display:
    """Chooses how to show progress and how often.

    Nothing is shown again before its time has passed, except what is `urgent`.
    """

    def __init__(self, title: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        live = on_terminal()
        self._display: _Display = _Bar(title) if live else _Lines(title)
        self._pause = DRAW_SECONDS if live else LINE_SECONDS
        self._clock = clock
        self._last = -float("inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._display.close()

    def show(self, done: int, total: int, text: str, *, urgent: bool = False) -> None:
        now = self._clock()
        if urgent or now - self._last >= self._pause:
            self._last = now
            self._display.show(done, total, text)


class SearchDisplay(Display):
    """Trials done, the best so far, trials per second and the time left."""

    def __init__(self, stop: StopOnInterrupt) -> None:
        super().__init__("trials")
        self._stop = stop
        self._compiling = self._ended = False

    def __call__(self, state: SearchState) -> None:
        self._stop.careful = not state.compiling
        if state.compiling:
            text = "compiling the kernels, or loading them where they are in the cache"
            self.show(state.done, state.total, text, urgent=not self._compiling)
            self._compiling = True
            return
        best = "-" if state.best is None else accuracy(state.best)
        rate = f"{state.trials_per_second:.1f} trials/s"
        text = f"best val acc:{best} | {rate} | ETA {duration(state.eta_seconds)}"
        ended = state.done == state.total
        self.show(state.done, state.total, text, urgent=ended and not self._ended)
        self._ended = ended


class TrainDisplay(Display):
    """Epochs done, how the last one went and the time left."""

    def __init__(self, epochs: int, stop: StopOnInterrupt, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__("epoch", clock=clock)
        self._stop = stop
        self._epochs = epochs
        self._started = clock()
        self._first: tuple[int, float] | None = None

    def __call__(self, epoch: EpochResult) -> None:
        self._stop.careful = True
        now = self._clock()
        first, since = self._first = self._first or (epoch.epoch, now)
        rate = (now - since) / (epoch.epoch - first) if epoch.epoch > first else (now - self._started) / epoch.epoch
        text = (
            f"train acc:{accuracy(epoch.train_accuracy)}, loss:{epoch.train_loss:.4f} | "
            f"val acc:{accuracy(epoch.validation_accuracy)}, loss:{epoch.validation_loss:.4f} | "
            f"ETA {duration((self._epochs - epoch.epoch) * rate)}"
        )
        self.show(epoch.epoch, self._epochs, text, urgent=epoch.epoch == self._epochs)


class DownloadDisplay(Display):
    """Megabytes received of a file; a size that the server does not tell is shown as what has come so far."""

    def __init__(self) -> None:
        super().__init__("download (MB)")

    def __call__(self, file: str, done: int, total: int) -> None:
        size = total or done
        self.show(round(done / 1e6), round(size / 1e6), file, urgent=bool(total) and done >= total)


def on_terminal() -> bool:
    """Whether standard error is a terminal that can redraw a line."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def accuracy(value: float) -> str:
    """Write an accuracy with two to four decimals: 0.83, 0.9812.

    >>> accuracy(0.8), accuracy(0.98125)
    ('0.80', '0.9812')
    """
    text = f"{value:.4f}"
    return text[:-2] + text[-2:].rstrip("0")


def duration(seconds: float | None) -> str:
    """Write a time as minutes and seconds, with hours where there are any.

    >>> duration(75.2), duration(3675), duration(None)
    ('1:15', '1:01:15', '-:--')
    """
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
