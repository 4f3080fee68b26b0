"""`fastnet search`: many trials with hyperparameters from given ranges, and the choice of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from fastnet.config.searching import SearchConfig, as_settings
from fastnet.config.training import TrainConfig, train_config_from
from fastnet.errors import failure_as_warning

from . import results
from .budget import budget_options, explain_early_end, study_command
from .config_file import config_options, printed, search_space
from .grouping import GroupedCommand
from .interrupt import Deadline, StopOnInterrupt
from .live import live_view
from .notes import VERBOSE, details, note, verbosity, verbosity_options
from .options import (
    data_options,
    default_of,
    format_option,
    jobs_option,
    load_dataset,
    load_part,
    samples_option,
    shown_samples,
    training_options,
    validation_option,
)
from .outputs import gone_if_empty
from .paths import PathType
from .progress import SearchDisplay
from .strategy import search_strategy, strategy_options
from .streams import output_is_the_result

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset, Split
    from fastnet.data.samples import Samples
    from fastnet.tuning.run.result import Progress, SearchResult
    from fastnet.tuning.run.resume import Known
    from fastnet.tuning.trial import TrialResult

BOOK_SAMPLES = 500
"""Images that the book searches with: 400 to train, 100 to validate."""
BEST = 20
REPORT_SECONDS, REPORT_SECONDS_OF_TRIAL = 1.5, 1e-4
"""Time of picture and report, which --timeout includes."""


@click.command(
    cls=GroupedCommand,
    name="search",
    first=("trials", "space", "data", "hidden", "epochs", "stages", "study", "timeout"),
)
@click.option(
    "--trials",
    "-n",
    type=int,
    default=default_of(SearchConfig, "trials"),
    show_default=True,
    help="Total number of trials in the study, including those already stored.",
)
@click.option(
    "--space",
    multiple=True,
    metavar="NAME=RANGE",
    help="Search NAME over log:LO:HI, uniform:LO:HI, int:LO:HI, logint:LO:HI or choice:A,B,...; repeat it for more "
    "names.",
)
@config_options
@strategy_options
@data_options
@samples_option("500 of an image set, all of a file")
@validation_option
@click.option(
    "--validation",
    metavar="NAME|FILE",
    help="Validate on all training samples of this data set instead of a part of --data.",
)
@training_options(without=("early_stopping",), searched=default_of(SearchConfig, "space"))
@jobs_option
@click.option(
    "--study",
    type=PathType(file_okay=False),
    help="Folder of the study. An existing study continues with the settings and data it was made with.  "
    "[default: a new one in studies/]",
)
@click.option(
    "--after",
    type=PathType(file_okay=False),
    help="Make a new study like the one in this folder, in the ranges that it recommends.",
)
@click.option("--fresh", is_flag=True, allow_from_autoenv=False, help="Discard the trials in the study and start over.")
@click.option(
    "--finish",
    is_flag=True,
    allow_from_autoenv=False,
    help="Train no more trials: make the final choice, the ensemble and the report from those in the study.",
)
@budget_options
@click.option(
    "--live",
    is_flag=True,
    allow_from_autoenv=False,
    help="Serve a page on 127.0.0.1 that shows the search while it runs, and print its address on standard error.",
)
@verbosity_options("Print data, split, ranges and schedule before the search.")
@format_option("Print the 20 best trials as a list, or all trials as JSON or CSV.", "table", "json", "csv")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    print_config: bool,
    jobs: int | None,
    study: Path | None,
    after: Path | None,
    fresh: bool,
    finish: bool,
    timeout: float | None,
    memory: int | None,
    dry_run: bool,
    live: bool,
    output_format: str,
    **settings: Any,
) -> None:
    """Search for good hyperparameters.

    Trains many networks at a time, each with hyperparameters drawn from ranges. Without options this is the search of
    section 6.5.3 of Deep Learning from Scratch: learning rate and weight decay on a log scale, six hidden layers of
    100 units, 50 epochs, 500 images of which 100 validate. A hyperparameter given as an option is fixed, one given a
    range by --space is searched. Results are the same on any number of threads.

    Prints the 20 best trials. The folder of the study keeps every trial with its curves (study.sqlite), a picture of
    the 20 best (best20.png) and a report (report.html). Ctrl-C, SIGTERM, SIGHUP and --timeout stop the search and keep
    what is done; fastnet search --study FOLDER continues it, and --finish brings it to its final choice.

    Options that are not given are read from the environment (FASTNET_SEARCH_TRIALS for --trials), then from the file
    of --config, where ranges belong under [space].

    \b
    Example:
      fastnet search --trials 1000
      fastnet search --data mnist --samples 5000 --space dropout=uniform:0:0.5 --study studies/dropout
      fastnet search --space hidden=choice:100x6,512-256 --space optimizer=choice:sgd,adam --print-config > study.toml
      fastnet search --config study.toml --sampler sobol
      fastnet search --trials 8 --learning-rate 0.01 --weight-decay 1e-8 --format csv
      fastnet search --trials 100000 --study studies/night --timeout 8h
    """
    from fastnet.data.registry import NAMES
    from fastnet.tuning import run_study
    from fastnet.tuning.run.resume import Source, following, known_of

    deadline = Deadline(timeout)
    known = None if study is None or fresh else known_of(study)
    if finish and (known is None or after is not None):
        raise click.UsageError("--finish needs --study with the folder of a study.")
    if after is not None:
        known = following(after)
    given = settings if known is None else with_known(ctx, settings, known)
    config = SearchConfig(
        space=search_space(ctx, None if known is None else known.config.space),
        train=train_config_from({name: given[name] for name in TrainConfig.__dataclass_fields__ if name in given}),
        **search_strategy(given),
    )
    if print_config or dry_run:
        output_is_the_result()
    if print_config:
        print_settings(ctx, config, given)
        return
    data, data_dir, samples, validation = (given[name] for name in ("data", "data_dir", "samples", "validation"))
    if data is None:
        assert known is not None
        known.found()
    if samples is None and data in NAMES:
        samples = BOOK_SAMPLES
    dataset = load_dataset(data, data_dir, samples)
    source = Source.of(data, samples=samples or None, data_dir=data_dir, validation=validation)
    parts = None
    if validation is not None:
        dataset, parts = joined(ctx, dataset, load_part(validation, data_dir, "train", labels=True))
    warn_of_idle_pruning(config)
    if dry_run or verbosity() >= VERBOSE:
        from . import dry_run as plan  # not sooner: few searches tell so much

        search_plan = plan.Plan(dataset, config, split=parts, jobs=jobs, memory=memory, folder=None if fresh else study)
        if dry_run:
            plan.tell_and_measure(search_plan, output_format)
            return
        details(plan.describe(search_plan))
    with study_folder(study) as folder, live_view(live, folder, config.metric) as view:
        with (
            StopOnInterrupt() as stop,
            SearchDisplay(stop, metric=config.metric, time_left=deadline.left) as display,
        ):
            how: dict[str, Any] = {
                "split": parts,
                "source": source,
                "finish": finish,
                "on_progress": Preloading(config.trials, display, *([view] if view else [])),
                "timeout": deadline.left(),
                "reserve": report_seconds,
                "should_stop": stop,
                "interrupt": "return",
            }
            result = run_study(dataset, config, folder=folder, fresh=fresh, jobs=jobs, memory=memory, **how)
        best, report = result.best(BEST), None
        try:
            report = None if stop() else draw(best, folder)  # after Ctrl-C there is none, for it takes a second
        finally:
            show(result, folder, output_format, config, best, data=data, samples=dataset.n_samples)
        if view is not None:
            done = results.closing_line(result, folder)
            view.end(f"Stopped: {done}" if result.interrupted else done, report)
    if not (result.new_trials or result.interrupted or finish):
        held = len(result.trials)
        note(f"Nothing to do: the study already has {held} trials. Raise --trials to add more.")
    if result.final is None and config.final and result.best(1) and not stop():
        note(f"There was no time for the final choice; for it: {study_command(folder, '--finish')}")
    if result.interrupted:
        ctx.exit(explain_early_end(result, folder, config.trials, None if stop() else timeout))


def with_known(ctx: click.Context, settings: Mapping[str, Any], known: Known) -> dict[str, Any]:
    """Replace the options that are not given by what the study was made with."""
    source = known.source
    before: dict[str, Any] = as_settings(known.config) | as_settings(known.config.train)
    before |= {"data": None, "samples": None, "data_dir": None, "validation": None}
    if source is not None:
        folder = None if source.data_dir is None else Path(source.data_dir)
        before |= {"data": source.data, "samples": source.samples or 0, "data_dir": folder}
        before["validation"] = source.validation
    return {
        name: before.get(name, value) if ctx.get_parameter_source(name) is ParameterSource.DEFAULT else value
        for name, value in settings.items()
    }


def joined(ctx: click.Context, dataset: Dataset, validation: Samples) -> tuple[Dataset, Split]:
    """Join the training samples and those of --validation."""
    from fastnet.data.validation import with_validation

    for name, option in (("validation_fraction", "--validation-fraction"), ("folds", "--cv")):
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--validation names the samples that validate; leave {option} out.")
    return with_validation(dataset, validation)


def warn_of_idle_pruning(config: SearchConfig) -> None:
    """Say so where trials are too short to be compared before their end."""
    from fastnet.tuning.rules.pruning import schedule_of

    epochs = config.train.epochs
    if config.pruning != "none" and len(schedule_of(config).rungs) == 1:
        note(
            f"--pruning {config.pruning} will end no trial early: with --epochs {epochs} and --first-epochs "
            f"{config.first_epochs} there is no comparison before the end; choose fewer --first-epochs."
        )


def print_settings(ctx: click.Context, config: SearchConfig, given: Mapping[str, Any]) -> None:
    """Print every setting as a file, once it is known that the space serves."""
    from fastnet.tuning.run.sampler import checked_space

    space = checked_space(config).to_texts()
    values = {**given, **as_settings(config.train), "final": config.final or "none", **shown_samples(given)}
    click.echo(printed(ctx, values, space), nl=False)


class Preloading:
    """Hands progress on, and imports what picture and report need once the first trials run: they leave Python idle."""

    def __init__(self, trials: int, *displays: Callable[[Progress], None]) -> None:
        self._trials = trials
        self._displays = displays
        self._compiling = self._begun = False

    def __call__(self, progress: Progress) -> None:
        for display in self._displays:
            display(progress)
        if self._compiling and not progress.compiling and not self._begun:
            from fastnet.report import figures, page

            self._begun = True
            figures.preload()
            page.preload(self._trials)
        self._compiling = progress.compiling


def report_seconds(trials: int) -> float:
    """Estimate the time of the picture and the report of so many trials, see `draw`."""
    return REPORT_SECONDS + REPORT_SECONDS_OF_TRIAL * trials


@contextmanager
def study_folder(given: Path | None) -> Iterator[Path]:
    """The folder of the study, or a new numbered one that goes away again if nothing could be written into it."""
    if given is not None:
        yield given
        return
    from fastnet.tuning import new_study_folder

    with gone_if_empty(new_study_folder(Path("studies"))) as folder:
        yield folder


def draw(best: Sequence[TrialResult], folder: Path) -> Path | None:
    """Write the picture of the best trials, where there are any, and the report; return where that is, if it is."""
    from fastnet.report.figures import best20_figure
    from fastnet.report.page import write_report
    from fastnet.tuning import PICTURE_FILE

    from .study_commands import commands

    picture = folder / PICTURE_FILE
    with failure_as_warning(f"{picture}: the picture cannot be drawn"):
        if best:
            best20_figure(best, picture)
    with failure_as_warning(f"{folder}: the report cannot be made"):
        report = write_report(folder, commands=commands)
        note(f"report: {click.format_filename(report)}")
        return report
    return None


def show(
    result: SearchResult,
    folder: Path,
    output_format: str,
    config: SearchConfig,
    best: Sequence[TrialResult],
    **source: Any,
) -> None:
    """Print the results."""
    if output_format == "json":
        click.echo(results.as_json(results.search_document(result, folder, {**source, **used_settings(config)})))
    elif output_format == "csv":
        click.echo(results.as_csv(results.trial_rows(result)))
    else:
        lines = (
            *results.search_lines(result, folder, best, config.metric),
            *results.next_lines(result, folder, config.train.epochs),
        )
        click.echo("".join(f"{line}\n" for line in lines), nl=False)
    (click.echo if output_format == "table" else note)(results.closing_line(result, folder))


def used_settings(config: SearchConfig) -> dict[str, Any]:
    """The settings of a search, without the fixed values of what is searched."""
    settings = as_settings(config)
    settings["train"] = {name: value for name, value in settings["train"].items() if name not in config.space}
    return settings
