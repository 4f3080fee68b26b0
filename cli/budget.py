"""How long a search may take, how much memory, and whether it is only to be planned; what to say when time is up."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from fastnet.config.text import format_duration, parse_duration, parse_memory
from fastnet.errors import FastnetError

from .grouping import GroupedCommand
from .interrupt import exit_code
from .units import TextType

if TYPE_CHECKING:
    from fastnet.tuning.run.result import SearchResult

Command = TypeVar("Command", bound=Callable[..., Any])

ARGUMENTS = "fastnet.tuning.arguments"
ONE_TIME = ("--fresh", "--timeout")
"""Options that the command which carries a study on goes without."""


def budget_options(command: Command) -> Command:
    """Limits of a search: `--timeout`, `--memory`, and `--dry-run`, which only tells."""
    dry_run = click.option(
        "--dry-run",
        is_flag=True,
        allow_from_autoenv=False,
        help="Print what would run, with its memory and its time as estimated by a short measurement, and exit. Writes "
        "nothing but compiled kernels to their cache.",
    )
    memory = click.option(
        "--memory",
        type=TextType(parse_memory),
        metavar="SIZE",
        help="Memory limit for the trials of a pack, such as 512M or 2G.  [default: no limit]",
    )
    timeout = click.option(
        "--timeout",
        type=TextType(parse_duration),
        metavar="TIME",
        help="Stop after this time, such as 90s, 30m or 1h30m, and keep what is done.  [default: no limit]",
    )
    return timeout(memory(dry_run(command)))


class ResumableCommand(GroupedCommand):
    """Remembers its arguments, so that an interrupted search can say how to go on."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[ARGUMENTS] = list(args)
        return super().parse_args(ctx, args)


def carry_on(ctx: click.Context, result: SearchResult, folder: Path, trials: int, timeout: float | None) -> int:
    """Say how to go on with a search that ended early; return the exit code. `timeout` is None after a signal.

    Raises `FastnetError` if the time was too short for a single trial.
    """
    done = f"with {len(result.trials)} of {trials} trials"
    if timeout is None:
        click.echo(f"Stopped {done}; carry on with:", err=True)
    else:
        click.echo(f"The time of {format_duration(timeout)} is up {done}; carry on with:", err=True)
    click.echo(f"  {same_command(ctx, folder)}", err=True)
    if timeout is not None and not result.trials:
        raise FastnetError(f"no trial ended within {format_duration(timeout)}: allow more with --timeout")
    return exit_code() if timeout is None else 0


def same_command(ctx: click.Context, folder: Path) -> str:
    """The command that carries this study on."""
    arguments = without(ctx.command, ctx.meta[ARGUMENTS], ONE_TIME)
    if ctx.get_parameter_source("study") is ParameterSource.DEFAULT:
        arguments += ["--study", str(folder)]
    return click.format_filename(shlex.join(["fastnet", "search", *arguments]))


def without(command: click.Command, arguments: Sequence[str], names: Collection[str]) -> list[str]:
    """Take options out of a command line that `command` has accepted, their values with them."""
    options = {name: param for param in command.params if isinstance(param, click.Option) for name in param.opts}
    kept: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        name, attached = argument, True
        if argument.startswith("--"):
            name, equals, _ = argument.partition("=")
            attached = bool(equals)
        elif len(argument) > 1 and argument[0] == "-":  # -n5, -n 5, or flags in one word such as -vn 5
            letters = argument[1:]
            while len(letters) > 1 and (option := options.get(f"-{letters[0]}")) is not None and option.is_flag:
                letters = letters[1:]
            name, attached = f"-{letters[0]}", len(letters) > 1
        option = options.get(name)
        taken = [argument]
        if option is not None and not option.is_flag and not attached and rest:
            taken.append(rest.pop(0))
        if name not in names:
            kept += taken
    return kept
