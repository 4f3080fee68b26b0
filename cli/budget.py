"""Limits of a search: time, memory, or only a plan; and the message when the time is up."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fastnet.config.presets import QUALITIES, TIMED_TRIALS
from fastnet.config.text import format_duration, parse_duration, parse_memory
from fastnet.errors import FastnetError

from .interrupt import exit_code
from .parameters import Command, TextType

if TYPE_CHECKING:
    from fastnet.tuning.run.result import SearchResult


def budget_options(command: Command) -> Command:
    """Add `--timeout`, `--quality`, `--memory` and `--dry-run`."""
    dry_run = click.option(
        "--dry-run",
        is_flag=True,
        allow_from_autoenv=False,
        help="Print the plan, with memory and time estimated by a short measurement, and exit. Writes nothing but "
        "compiled kernels to their cache.",
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
        help="Time limit for everything, such as 90s, 30m or 1h30m: training stops early enough for the final choice, "
        "the ensemble and the report.  [default: no limit]",
    )
    names = ", ".join(f"{name} is {format_duration(seconds)}" for name, seconds in QUALITIES.items())
    quality = click.option(
        "--quality", type=click.Choice(list(QUALITIES)), help=f"Time limit by name, instead of --timeout: {names}."
    )
    return timeout(quality(memory(dry_run(command))))


def time_limit(timeout: float | None, quality: str | None) -> float | None:
    """Return the seconds that `--timeout` or `--quality` allows; None without either."""
    if timeout is not None and quality is not None:
        raise click.UsageError(
            f"--quality {quality} is a time limit of {format_duration(QUALITIES[quality])}, "
            "and --timeout gives another; leave one of them out."
        )
    return timeout if quality is None else QUALITIES[quality]


def explain_early_end(result: SearchResult, folder: Path, trials: int, timeout: float | None) -> int:
    """Print how to continue a search that ended early; return the exit code. `timeout` is None after a signal.

    Raises `FastnetError` if the time was too short for a single trial.
    """
    from fastnet.report.text import counted

    why = "Stopped" if timeout is None else f"Out of time after {format_duration(timeout)}"
    done = (
        counted(len(result.trials), "trial") if trials == TIMED_TRIALS else f"{len(result.trials)} of {trials} trials"
    )
    click.echo(f"{why} with {done}; continue with:", err=True)
    click.echo(f"  {study_command(folder)}", err=True)
    if timeout is not None and not result.trials and result.ensemble_report is None:
        raise FastnetError(f"no trial ended within {format_duration(timeout)}: allow more with --timeout")
    return exit_code() if timeout is None else 0


def study_command(folder: Path, *options: str, how: str = "--study") -> str:
    """Return the command that continues a study, or with how="--after" the one that makes another after it."""
    return click.format_filename(shlex.join(["fastnet", "search", how, str(folder), *options]))
