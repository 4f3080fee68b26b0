"""`fastnet search --live`: serves the page and prints its address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .notes import note

if TYPE_CHECKING:
    from fastnet.report.page import LiveView


@contextmanager
def live_view(
    wanted: bool, folder: Path, metric: str, time_left: Callable[[], float | None] = lambda: None
) -> Iterator[LiveView | None]:
    """Serve the page while the block runs and print its address; without a port the search runs without it."""
    if not wanted:
        yield None
        return
    from fastnet.report.page import LiveView

    try:
        view = LiveView(folder, metric, time_left)
    except OSError as error:
        note(f"Note: no live view, because no port of 127.0.0.1 is available: {error.strerror or error}.")
        yield None
        return
    click.echo(f"Live view: {view.url}", err=True)  # also with --quiet: it was asked for
    try:
        yield view
    except BaseException as error:
        view.end(f"The search failed: {error}" if isinstance(error, Exception) else "The search was interrupted.")
        raise
    finally:
        view.close()
