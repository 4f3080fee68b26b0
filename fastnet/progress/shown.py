"""Progress in a notebook or on a terminal, while a search or a training runs.

Nothing is shown unless the caller asks for it or runs a notebook, and showing changes no result.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from html import escape
from typing import Any, Protocol, TypeVar

from fastnet.errors import ConfigError
from fastnet.progress.words import Frame, duration

DRAW_SECONDS = 0.2
"""Least time between two drawings."""


class Display(Protocol):
    """Where progress is shown."""

    def draw(self, frame: Frame) -> None:
        """Show a frame in place of the last one."""

    def close(self) -> None:
        """Leave the last frame as it is."""


class NotebookDisplay:
    """One output of a notebook's cell, which changes."""

    def __init__(self) -> None:
        self._handle: Any = None

    def draw(self, frame: Frame) -> None:
        """Show a frame as HTML; frontends without HTML show the line."""
        from IPython.display import display

        show: Any = display  # without annotations
        shown = {"text/html": html_of(frame), "text/plain": frame.line}
        if self._handle is None:
            self._handle = show(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)

    def close(self) -> None:
        """Leave the output as it is."""


class TerminalDisplay:
    """A bar on standard error."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        count, facts = (TextColumn(f"{{task.fields[{name}]}}", markup=False) for name in ("count", "facts"))
        self._bar = Progress(count, BarColumn(), facts, console=Console(stderr=True), auto_refresh=False)
        self._task: Any = None

    def draw(self, frame: Frame) -> None:
        """Show a frame; a standard error that is no terminal gets the last one only."""
        fields: dict[str, Any] = {"count": frame.done, "facts": " | ".join(frame.facts)}
        if self._task is None:
            self._bar.start()
            self._task = self._bar.add_task("", total=1.0, **fields)
        self._bar.update(self._task, completed=frame.share, refresh=True, **fields)

    def close(self) -> None:
        """End the bar, which shows the cursor again."""
        self._bar.stop()


def html_of(frame: Frame) -> str:
    """Write a frame as HTML without scripts, in the colours of the page around it.

    Examples
    --------
    >>> shown = html_of(Frame("trials 1/4", 0.25, ("best < 1",)))
    >>> "width:25.0%" in shown, "best &lt; 1" in shown
    (True, True)
    """
    percent = f"{100 * frame.share:.1f}"
    bar = (
        f'<div role="progressbar" aria-valuenow="{percent}" aria-valuemin="0" aria-valuemax="100" '
        'style="width:16em;height:.7em;border:1px solid rgba(128,128,128,.5);border-radius:.35em;overflow:hidden">'
        f'<div style="width:{percent}%;height:100%;background:#3d85c6"></div></div>'
    )
    words = "".join(f'<span style="margin-left:1em">{escape(fact)}</span>' for fact in frame.facts)
    return (
        '<div style="display:flex;flex-wrap:wrap;align-items:center;font-variant-numeric:tabular-nums">'
        f'<strong style="margin-right:1em">{escape(frame.done)}</strong>{bar}{words}</div>'
    )


State = TypeVar("State")


class Shown:
    """Draws states as frames, a few a second, and the last one whenever it ends.

    A display that fails, such as a standard error that is closed, is left alone from then on: what it shows goes on.
    """

    def __init__(self, display: Display, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._display = display
        self._clock = clock
        self._began, self._last = clock(), -float("inf")
        self._waiting: Callable[[float, bool], Frame] | None = None
        self._failed = False

    def show(self, make: Callable[[float, bool], Frame]) -> None:
        """Draw what `make` returns, see `showing`, unless the last drawing was a moment ago."""
        now = self._clock()
        self._waiting = make
        if now - self._last >= DRAW_SECONDS:
            self._last = now
            self._draw(make(now - self._began, False))

    def close(self, *words: str) -> None:
        """Draw the last state, with the time that everything took and how it ended in place of the time left."""
        seconds = self._clock() - self._began
        try:
            if self._waiting is not None:
                frame = self._waiting(seconds, True)
                self._draw(replace(frame, facts=(*frame.facts[:-1], duration(seconds), *words)))
        finally:
            with suppress(Exception):
                self._display.close()

    def _draw(self, frame: Frame) -> None:
        if not self._failed:
            try:
                self._display.draw(frame)
            except Exception:  # whatever a stream or a frontend may raise
                self._failed = True


def display_for(progress: object) -> Display | None:
    """Return where progress is shown: True asks for it, None leaves it to whether this is a notebook.

    Raises
    ------
    ConfigError
        If it is neither of them nor False.
    """
    if not (progress is None or progress is True or progress is False):
        raise ConfigError(f"progress={progress!r}: must be True, False or None, which shows it in notebooks only")
    if progress is False:
        return None
    if in_kernel():
        return NotebookDisplay()
    return TerminalDisplay() if progress else None


def in_kernel() -> bool:
    """Whether this code runs in the kernel of a notebook; nothing is imported to find out."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None and hasattr(module, "get_ipython") else None
    return getattr(shell, "kernel", None) is not None


@contextmanager
def showing(
    progress: object, given: Callable[[State], None] | None, frame: Callable[[State, float, bool], Frame]
) -> Iterator[Callable[[State], None] | None]:
    """Show states while a block runs, and pass them on.

    Parameters
    ----------
    progress : bool or None
        See `display_for`.
    given : callable, optional
        The caller's own callback, called after each state is shown.
    frame : callable
        Makes what is shown of a state, given the seconds since the start and whether this is the end, too.

    Yields
    ------
    callable or None
        What to call with each state: `given` if nothing is shown.
    """
    display = display_for(progress)
    if display is None:
        yield given
        return
    shown = Shown(display)

    def each(state: State) -> None:
        shown.show(lambda seconds, ended: frame(state, seconds, ended))
        if given is not None:
            given(state)

    try:
        yield each
    except KeyboardInterrupt:
        shown.close("interrupted")
        raise
    except BaseException:
        shown.close("ended by an error")
        raise
    shown.close()
