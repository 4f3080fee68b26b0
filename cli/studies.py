"""`fastnet studies`: inspects, exports and removes studies."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastnet.config.settings import format_memory
from fastnet.config.text import parse_count
from fastnet.errors import FastnetError, StudyError
from fastnet.files import as_path

from .notes import note, verbosity_options
from .options import format_option, output_options
from .outputs import check_writable
from .parameters import Command, PathType, TextType
from .results import as_json
from .streams import output_is_the_result, result_stream
from .tables import LEFT, RIGHT, print_table

if TYPE_CHECKING:
    from fastnet.tuning import Study, TrialResult

STUDIES = Path("studies")
STATUSES = ("done", "stopped", "diverged")
LIMIT = 100
LARGEST = 2**32
"""A number that no study has trials for."""


@click.group(name="studies")
def command() -> None:
    """Inspect studies, export their trials, remove them.

    A study is a folder written by fastnet search. While a search is writing to it, these commands still work, except
    rm.

    \b
    Example:
      fastnet studies ls
      fastnet studies best studies/001 --format toml > best.toml
      fastnet studies export studies/001 -o trials.parquet
    """


def study_argument(command: Command) -> Command:
    """Add the folder of the study."""
    return click.argument("folder", metavar="DIR", type=PathType())(command)


@command.command(name="ls")
@click.argument("root", required=False, type=PathType())
@verbosity_options()
def list_studies(root: Path | None) -> None:
    """List the studies in a folder.

    ROOT is a folder of studies, or a study; studies/ by default. The best value is that of trials that ran to the end.
    Unreadable studies are reported on standard error.

    \b
    Example:
      fastnet studies ls
      fastnet studies ls ~/experiments
    """
    from fastnet.tuning import find_studies

    output_is_the_result()
    from .study_text import STUDY_HEADS, STUDY_SIDES, study_row

    place = root or as_path(STUDIES, "folder")
    folders = [] if root is None and not place.exists() else find_studies(place)
    rows = []
    for folder in folders:
        try:
            rows.append(study_row(folder))
        except StudyError as error:
            note(f"Note: {error}")
    if rows:
        print_table(STUDY_HEADS, STUDY_SIDES, rows)
    elif not folders:
        note(f"No studies in {click.format_filename(place)}: fastnet search makes one.")


@command.command(name="show")
@study_argument
@format_option("Print lines of text, or one line of JSON.", "table", "json")
def show(folder: Path, output_format: str) -> None:
    """Describe a study.

    DIR is the folder of the study. Prints settings, ranges, stages, the final choice, every use of the test set, and
    the runs with their machines.

    \b
    Example:
      fastnet studies show studies/001
      fastnet studies show studies/001 --format json
    """
    from fastnet.tuning import Study

    from .study_text import study_document, study_lines

    output_is_the_result()
    with Study.read(folder) as study:
        document = study_document(study, folder)
    click.echo(as_json(document) if output_format == "json" else "\n".join(study_lines(document)))


@command.command(name="best")
@study_argument
@click.option("-n", "count", type=click.IntRange(1, LARGEST), default=20, show_default=True, help="Trials to list.")
@click.option("--trial", type=click.IntRange(0, LARGEST), help="Write the settings of this trial.  [default: the best]")
@format_option("The best trials as a list, or the settings of one as a file.", "table", "toml", "json")
@verbosity_options()
def best(folder: Path, count: int, trial: int | None, output_format: str) -> None:
    """List the best trials, or write the settings of one.

    DIR is the folder of the study. Trials that ran for more epochs come first, then the better ones. --format toml or
    json writes the settings of the best trial, or of --trial, for fastnet train --config.

    \b
    Example:
      fastnet studies best studies/001 -n 5
      fastnet studies best studies/001 --format toml > best.toml
      fastnet train --config best.toml
    """
    from fastnet.report.listing import format_best
    from fastnet.tuning import Study

    output_is_the_result()
    if trial is not None and output_format == "table":
        raise FastnetError("--trial selects the settings to write: add --format toml or --format json")
    with Study.read(folder) as study:
        if output_format == "table":
            trials = study.best(count, curves=False)
            click.echo("".join(f"{line}\n" for line in format_best(trials, study.metric)), nl=False)
            if not trials:
                note(f"{click.format_filename(folder)}: every trial so far diverged, or none is stored yet.")
        else:
            click.echo(settings_text(study, folder, trial, output_format))


def settings_text(study: Study, folder: Path, number: int | None, output_format: str) -> str:
    """Write the settings of one trial as TOML or JSON."""
    import json

    from .study_commands import trial_settings
    from .study_text import trial_toml

    some = study.best(1, curves=False) if number is None else (study.trial(number),)
    if not some:
        raise StudyError(f"{folder}: every trial so far diverged, or none is stored yet; continue the search")
    if output_format == "toml":
        return trial_toml(study, some[0], folder)
    return json.dumps(trial_settings(study, some[0]), ensure_ascii=False)


@command.command(name="trials")
@study_argument
@click.option("--stage", type=click.IntRange(1, LARGEST), help="Only trials of this stage.")
@click.option("--status", type=click.Choice(STATUSES), help="Only trials with this status.")
@click.option("--sort", default="id", show_default=True, metavar="NAME", help="Order by this column, or by best.")
@click.option(
    "--limit",
    type=TextType(lambda text: parse_count(text, "all", of="trials", high=LARGEST)),
    default=str(LIMIT),
    show_default=True,
    metavar="N|all",
    help="Maximum number of trials to show.",
)
@verbosity_options()
def list_trials(folder: Path, stage: int | None, status: str | None, sort: str, limit: int | None) -> None:
    """Show trials of a study as a table.

    DIR is the folder of the study. On a terminal, a long table is shown in the pager.

    \b
    Example:
      fastnet studies trials studies/001 --sort best --limit 30
      fastnet studies trials studies/001 --status diverged --sort learning_rate
    """
    from fastnet.tuning import Study

    output_is_the_result()
    with Study.read(folder) as study:
        order = sort.replace("-", "_").replace(" ", "_")
        found = list(study.iter_trials(order=order, stage=stage, status=status, limit=limit and limit + 1))
        names = list(study.param_types())
    shown = found if limit is None else found[:limit]
    if not shown:
        note(f"{click.format_filename(folder)}: no such trials.")
        return
    heads = ["id", "stage", "status", *names, "value", "best_value", "best_epoch", "epochs", "seconds"]
    sides = [RIGHT, RIGHT, LEFT, *[RIGHT] * (len(heads) - 3)]
    print_table(heads, sides, [trial_cells(trial, names) for trial in shown])
    if len(found) > len(shown):
        note(f"The first {len(shown):,}; --limit all shows all.")


def trial_cells(trial: TrialResult, names: list[str]) -> list[str]:
    """Write a trial as cells, with a dash for the missing values of a diverged one."""
    from fastnet.tuning.space.distributions import text_of

    params = [text_of(trial.params[name]) if name in trial.params else "-" for name in names]
    values = ["-" if value != value else f"{value:.6g}" for value in (trial.value, trial.best_value)]
    epochs = [str(trial.best_epoch or "-"), str(trial.epochs)]
    return [str(trial.id), str(trial.stage), trial.status, *params, *values, *epochs, f"{trial.seconds:.3f}"]


@command.command(name="export")
@study_argument
@click.option(
    "--format",
    "output_format",
    type=click.Choice(("csv", "jsonl", "parquet", "optuna-journal")),
    help="CSV with a header, one JSON object per line, Parquet, or a journal that Optuna and its dashboard open.  "
    "[default: by the suffix of --output, else csv]",
)
@click.option("--no-times", is_flag=True, help="Omit seconds and dates, so that equal trials give equal bytes.")
@click.option("--curves", is_flag=True, help="Add the learning curves as lists; not in CSV.")
@output_options("Write to this file instead of standard output.")
@verbosity_options()
def export(
    folder: Path, output_format: str | None, no_times: bool, curves: bool, output: Path | None, overwrite: bool
) -> None:
    """Write every trial as CSV, JSON lines, Parquet or Optuna journal.

    DIR is the folder of the study. Trials are ordered by number. Columns are id, stage, status, each searched name,
    value, best_value, best_epoch, epochs and seconds. A search that was stopped and continued, or ran on another
    number of threads, exports the same except for the seconds.

    A journal has the study's ranges, settings, trials, their states and the curve of the metric; optuna-dashboard opens
    it.

    \b
    Example:
      fastnet studies export studies/001 > trials.csv
      fastnet studies export studies/001 -o trials.parquet --curves
      fastnet studies export studies/001 --format optuna-journal -o study.log
      fastnet studies export studies/001 --format jsonl --no-times | sha256sum
    """
    from fastnet.export.optuna import FORMAT, write_journal
    from fastnet.files import replacing_file
    from fastnet.tuning import Study
    from fastnet.tuning.store.export import FORMATS, write_trials

    ending = output.suffix[1:].lower() if output is not None else ""
    chosen = output_format or (ending if ending in FORMATS else "csv")
    if output is not None:
        check_writable(output, overwrite=overwrite)
    elif chosen == "parquet" and sys.stdout.isatty():
        raise FastnetError("Parquet is not for a terminal: name a file with --output, or redirect standard output")
    how: dict[str, Any] = {"times": not no_times, "curves": curves}
    write = write_journal if chosen == FORMAT else partial(write_trials, format=chosen)
    with Study.read(folder) as study:
        if output is None:
            write(study, result_stream(), **how)
            return
        output.parent.mkdir(parents=True, exist_ok=True)
        with replacing_file(output) as stream:
            written = write(study, stream, **how)
    note(f"{written:,} trials: {click.format_filename(output)}")


@command.command(name="rm")
@study_argument
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@verbosity_options()
@click.pass_context
def remove(ctx: click.Context, folder: Path, yes: bool) -> None:
    """Remove a study.

    DIR is the folder of the study. Only files written by fastnet search are removed, including its model, and the
    folder if nothing else is in it. Nothing is removed while a search is writing to it.

    \b
    Example:
      fastnet studies rm studies/001
      fastnet studies rm studies/001 --yes
    """
    from fastnet.tuning import STUDY_FILE, remove_study

    from .study_text import size_of

    name = click.format_filename(folder)
    if not yes and (folder / STUDY_FILE).is_file():
        if not can_ask():
            raise FastnetError(f"{name}: no terminal to ask for confirmation; add --yes to remove it")
        if not click.confirm(f"Remove {name}, {format_memory(size_of(folder))}?", err=True):
            note("Nothing was removed.")
            ctx.exit(1)
    left = remove_study(folder)
    kept = f"; left there: {', '.join(map(repr, left))}" if left else ""
    note(f"Removed {name}{kept}")


def can_ask() -> bool:
    """Return whether standard input and error are a terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
