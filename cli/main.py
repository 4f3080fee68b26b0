"""The command group: imports commands on first use, and turns every known failure into a one-line message."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from fastnet._version import __version__
from fastnet.errors import FastnetError

from . import streams
from .interrupt import exit_code, last_words, signals_as_interrupts
from .naming import with_options
from .notes import described, warnings_as_notes
from .tables import printable

COMMANDS = (
    *("data", "train", "evaluate", "predict", "export", "search", "studies", "report"),
    *("experiment", "warmup", "doctor", "completion"),
)


class FastnetGroup(click.Group):
    """A group whose commands are imported on first use and whose failures are one-line messages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f".{cmd_name}", __package__).command
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        with signals_as_interrupts(), failures_as_sentences(ctx), warnings_as_notes():
            return super().invoke(ctx)


@contextmanager
def failures_as_sentences(ctx: click.Context) -> Iterator[None]:
    """Turn exceptions into messages and exit codes: 1 for a known failure; for signals see `interrupt.exit_code`."""
    try:
        yield
    except FastnetError as error:
        raise click.ClickException(printable(with_options(str(error)))) from error
    except BrokenPipeError:
        raise  # the reader of our output has left: Click exits quietly with code 1
    except OSError as error:
        raise click.ClickException(printable(described(error))) from error
    except MemoryError as error:
        raise click.ClickException("not enough memory: choose smaller layers, less data or fewer trials") from error
    except KeyboardInterrupt:
        click.echo(last_words(), err=True)
        ctx.exit(exit_code())


@click.group(
    cls=FastnetGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "auto_envvar_prefix": "FASTNET",
    },
)
@click.version_option(__version__, prog_name="fastnet", message="%(prog)s %(version)s")
def cli() -> None:
    """Train fully connected networks, and search for their best hyperparameters, fast on ordinary CPUs.

    Results go to standard output, progress and notes to standard error. Exit codes: 0 success; 1 failure, with a
    one-line message on standard error; 2 wrong use of the command line; 130, 143 and 129 stopped by Ctrl-C, SIGTERM and
    SIGHUP, with finished work kept.

    Every option can also be set by an environment variable named after its command: FASTNET_TRAIN_EPOCHS=10 is the same
    as fastnet train --epochs 10. An empty variable counts as not set.

    \b
    Example:
      fastnet search --trials 1000
      fastnet train --data mnist --hidden 512x2 --optimizer adam --dropout 0.2 --epochs 10
    """


def main() -> None:
    """Run the command line; the entry point of the `fastnet` script."""
    streams.prepare()
    try:
        cli(prog_name="fastnet")
    except SystemExit as end:
        sys.exit(streams.finish(end.code) if isinstance(end.code, int) else end.code)
