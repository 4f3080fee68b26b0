"""`fastnet report`: writes the report of a study again."""

from __future__ import annotations

from pathlib import Path

import click

from .notes import note, verbosity_options
from .options import output_options
from .outputs import check_writable
from .studies import study_argument


@click.command(name="report")
@study_argument
@click.option("--open", "show", is_flag=True, allow_from_autoenv=False, help="Open it in the browser.")
@output_options("Write to this file instead of report.html in the folder of the study.")
@verbosity_options()
def command(folder: Path, show: bool, output: Path | None, overwrite: bool) -> None:
    """Write the report of a study.

    DIR is the folder of the study. The report is a single page of HTML that works in any browser and loads nothing from
    a network. A search writes it at its end; this command writes it at any time, also while a search is running or
    after it was stopped.

    \b
    Example:
      fastnet report studies/001 --open
      fastnet report studies/001 -o report-of-monday.html
    """
    from fastnet.report.page import write_report

    from .study_commands import commands

    if output is not None:
        check_writable(output, overwrite=overwrite)
    path = write_report(folder, output, commands=commands)
    note(f"report: {click.format_filename(path)}")
    if show:
        import webbrowser

        if not webbrowser.open(path.resolve().as_uri()):
            note(f"No browser could be started; open {click.format_filename(path)} yourself.")
