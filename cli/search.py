"""`fastnet search`: random search over hyperparameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from fastnet.config import SearchConfig, as_settings
from fastnet.errors import ConfigError

from . import results
from .budget import ResumableCommand, budget_options, carry_on
from .interrupt import Deadline, StopOnInterrupt
from .notes import VERBOSE, details, note, verbosity, verbosity_options
from .options import (
    data_options,
    default_of,
    flag,
    format_option,
    jobs_option,
    load_dataset,
    samples_option,
    train_config,
    training_options,
    validation_option,
)
from .progress import SearchDisplay

if TYPE_CHECKING:
    from fastnet.tuning.result import Progress, SearchResult

BOOK_SAMPLES = 500
"""Images that the book searches with: 400 to train, 100 to validate."""
BEST = 20


@click.command(cls=ResumableCommand, name="search")
@click.option(
    "--trials",
    "-n",
    type=int,
    default=default_of(SearchConfig, "trials"),
    show_default=True,
    help="Trials of the study in all, those it already holds included.",
)
@click.option(
    "--space",
    multiple=True,
    metavar="NAME=RANGE",
    help="Search NAME over log:LO:HI, uniform:LO:HI or choice:A,B,...; give it once for each name.",
)
@data_options
@samples_option("500 of an image set, all of a file")
@validation_option
@training_options(without=("early_stopping",), searched=default_of(SearchConfig, "space"))
@jobs_option
@click.option(
    "--study",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the study; the same command again carries it on.  [default: a new one in studies/]",
)
@click.option("--fresh", is_flag=True, help="Forget the trials that the study holds and start over.")
@budget_options
@verbosity_options("Print data, split, ranges and schedule before the search.")
@format_option("The 20 best trials as a list, or all trials as JSON or CSV.", "table", "json", "csv")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    trials: int,
    space: tuple[str, ...],
    data: str,
    data_dir: Path | None,
    samples: int | None,
    validation_fraction: float,
    jobs: int | None,
    study: Path | None,
    fresh: bool,
    timeout: float | None,
    memory: int | None,
    dry_run: bool,
    output_format: str,
    **settings: Any,
) -> None:
    """Search for good hyperparameters at random.

    Many networks train at a time. Without options this is the search of section 6.5.3 of Deep Learning from Scratch:
    learning rate and weight decay drawn on a log scale, six hidden layers of 100, 50 epochs, 500 images of which 100
    validate. A hyperparameter given a value is fixed, one given a range with --space is searched. Trial number i is the
    same on any number of threads.

    The 20 best trials are printed. Every trial and its curves are kept in study.sqlite and the curves of the 20 best
    are drawn in best20.png, both in the folder of the study. Ctrl-C stops the search and keeps what is done, as does
    the end of the time that --timeout gives; the command that carries it on is printed.

    \b
    Example:
      fastnet search --trials 1000
      fastnet search --data mnist --samples 5000 --space dropout=uniform:0:0.5 --study studies/dropout
      fastnet search --trials 8 --learning-rate 0.01 --weight-decay 1e-8 --format csv
      fastnet search --trials 100000 --study studies/night --timeout 8h
    """
    from fastnet.data.registry import NAMES
    from fastnet.tuning import search

    deadline = Deadline(timeout)
    fixed = [name for name in settings if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT]
    config = SearchConfig(
        trials=trials,
        space=search_space(space, fixed),
        train=train_config(settings),
        validation_fraction=validation_fraction,
    )
    if samples is None and data in NAMES:
        samples = BOOK_SAMPLES
    dataset = load_dataset(data, data_dir, samples)
    if dry_run or verbosity() >= VERBOSE:
        from . import dry_run as plan  # not sooner: few searches tell so much

        task = plan.Task(dataset, config, jobs=jobs, memory=memory, folder=None if fresh else study)
        if dry_run:
            plan.tell_and_measure(task, output_format)
            return
        details(plan.describe(task))
    with (
        study_folder(study) as folder,
        StopOnInterrupt() as stop,
        SearchDisplay(stop, metric=config.metric, time_left=deadline.left) as display,
    ):
        how: dict[str, Any] = {} if memory is None else {"memory": memory}
        how |= {"on_progress": Preloading(display), "should_stop": lambda: stop() or deadline()}
        result = search(dataset, config, folder=folder, fresh=fresh, jobs=jobs, **how)
    show(result, folder, output_format, config, picture=not stop(), data=data, samples=dataset.n_samples)
    if result.interrupted:
        ctx.exit(carry_on(ctx, result, folder, trials, None if stop() else timeout))


def search_space(options: Sequence[str], fixed: Sequence[str]) -> dict[str, str]:
    """The ranges to search: the default ones and those of `--space`, without the hyperparameters that are fixed."""
    from fastnet.tuning import parse_space_option

    given: dict[str, str] = {}
    for option in options:
        name, text = parse_space_option(option)
        if name in given:
            raise ConfigError(f"--space {option}: {name} already has the range {given[name]}; give it one")
        if name in fixed:
            raise ConfigError(f"--space {option}: {flag(name)} fixes {name}; leave one of the two out")
        given[name] = text
    default: dict[str, str] = default_of(SearchConfig, "space")
    return {name: text for name, text in {**default, **given}.items() if name not in fixed}


class Preloading:
    """Hands progress on, and imports what the picture needs once the first trials run: they leave Python idle."""

    def __init__(self, display: Callable[[Progress], None]) -> None:
        self._display = display
        self._compiling = self._begun = False

    def __call__(self, progress: Progress) -> None:
        self._display(progress)
        if self._compiling and not progress.compiling and not self._begun:
            from fastnet.report.figures import preload

            self._begun = True
            preload()
        self._compiling = progress.compiling


@contextmanager
def study_folder(given: Path | None) -> Iterator[Path]:
    """The folder of the study, or a new numbered one that goes away again if nothing could be written into it."""
    from fastnet.tuning import new_study_folder

    if given is not None:
        yield given
        return
    folder = new_study_folder(Path("studies"))
    try:
        yield folder
    except BaseException:
        if not any(folder.iterdir()):
            folder.rmdir()
        raise


def show(
    result: SearchResult, folder: Path, output_format: str, config: SearchConfig, *, picture: bool, **source: Any
) -> None:
    """Draw the picture and print the results; after Ctrl-C there is no picture, for it takes a second."""
    from fastnet.report.listing import format_best

    best = result.best(BEST)
    try:
        if best and picture:
            from fastnet.report.figures import best20_figure

            best20_figure(best, folder / "best20.png")
    finally:
        if output_format == "json":
            click.echo(results.as_json(results.search_document(result, folder, {**source, **used_settings(config)})))
        elif output_format == "csv":
            click.echo(results.as_csv(results.trial_rows(result)))
        else:
            click.echo("".join(f"{line}\n" for line in format_best(best)), nl=False)
        (click.echo if output_format == "table" else note)(results.closing_line(result, folder))


def used_settings(config: SearchConfig) -> dict[str, Any]:
    """The settings of a search, without the fixed values of what is searched."""
    settings = as_settings(config)
    settings["train"] = {name: value for name, value in settings["train"].items() if name not in config.space}
    return settings
