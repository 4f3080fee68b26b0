"""Messages on standard error other than errors, and the options --quiet and --verbose."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from fastnet.errors import FastnetWarning, MissingWarning, remedy
from fastnet.files import NO_CURRENT_FOLDER, current_folder_exists

from .naming import with_options
from .parameters import Command
from .tables import printable

QUIET, NORMAL, VERBOSE = -1, 0, 1
_KEY = "fastnet.verbosity"


def verbosity_options(text: str = "") -> Callable[[Command], Command]:
    """Add ``--quiet``, and ``--verbose`` with the help `text` unless that is empty."""

    def decorate(command: Command) -> Command:
        if text:
            command = _option("--verbose", "-v", VERBOSE, text)(command)
        return _option("--quiet", "-q", QUIET, "Print only results and errors.")(command)

    return decorate


def _option(name: str, short: str, value: int, text: str) -> Callable[[Command], Command]:
    def remember(ctx: click.Context, param: click.Parameter, given: bool) -> None:
        if not given:
            return
        if ctx.meta.get(_KEY, value) != value:
            raise click.UsageError("--quiet and --verbose contradict each other: remove one of them.", ctx)
        ctx.meta[_KEY] = value

    return click.option(name, short, is_flag=True, expose_value=False, callback=remember, help=text)


def verbosity() -> int:
    """Return the verbosity of the running command: QUIET, NORMAL or VERBOSE."""
    context = click.get_current_context(silent=True)
    return NORMAL if context is None else int(context.meta.get(_KEY, NORMAL))


def note(text: str) -> None:
    """Print a message on standard error, unless --quiet."""
    if verbosity() > QUIET:
        click.echo(text, err=True)


def details(lines: Iterable[str]) -> None:
    """Print lines on standard error if --verbose."""
    if verbosity() >= VERBOSE:
        for line in lines:
            click.echo(line, err=True)


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Print each distinct `FastnetWarning` of the block once, as a note; Python handles other warnings."""
    seen: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("always", FastnetWarning)
        before = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if not issubclass(category, FastnetWarning):
                before(message, category, *place, **more)
            elif str(message) not in seen:
                seen.add(str(message))
                text = f"Note: {printable(with_options(str(message)))}"
                if issubclass(category, MissingWarning):
                    click.echo(text, err=True)  # also with --quiet
                else:
                    note(text)

        warnings.showwarning = show
        yield


def described(error: OSError, *, advice: bool = True) -> str:
    """Describe a failure of the file system in one line, with `advice` if there is any."""
    reason = error.strerror or str(error) or type(error).__name__
    if isinstance(error, FileNotFoundError) and not current_folder_exists():
        reason = NO_CURRENT_FOLDER
    if advice:
        reason += remedy(error)
    if error.filename is None:
        return reason
    name = os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename
    return f"{name}: {reason}"
