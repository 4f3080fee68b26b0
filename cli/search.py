"""`fastnet search`: many trials with hyperparameters from given ranges, and a choice among them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.core import ParameterSource

from fastnet.config.presets import Preset, preset_of
from fastnet.config.searching import SearchConfig, as_settings
from fastnet.config.training import TrainConfig, train_config_from
from fastnet.errors import failure_as_warning

from . import results
from .budget import budget_options, explain_early_end, study_command, time_limit
from .config_file import config_options, printed, search_space
from .data_options import dataset_options, load_validated, reading_of, source_of, validation_data_option
from .grouping import GroupedCommand
from .interrupt import Deadline, StopOnInterrupt
from .live import live_view
from .notes import VERBOSE, details, note, verbosity, verbosity_options
from .options import (
    default_of,
    executor_option,
    format_option,
    jobs_option,
    samples_option,
    shown_samples,
    training_options,
    validation_option,
)
from .outputs import folder_for
from .parameters import PathType
from .progress import SearchDisplay
from .strategy import enqueue_option, given_options, preset_option, search_strategy, strategy_options, with_preset
from .streams import output_is_the_result

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset
    from fastnet.data.splitting import Split
    from fastnet.tuning.run.result import Progress, SearchResult
    from fastnet.tuning.run.resume import Known, Source
    from fastnet.tuning.trial import TrialResult

BOOK_SAMPLES = 500
"""Images of the book's search: 400 to train, 100 to validate."""
BEST = 20
REPORT_SECONDS, REPORT_SECONDS_OF_TRIAL = 0.8, 1e-4
"""Time of the picture and the report, which --timeout includes, where `pace` is 1; they take 0.4 s."""


@click.command(
    cls=GroupedCommand,
    name="search",
    first=("trials", "space", "data", "target", "hidden", "epochs", "stages", "study", "timeout"),
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
@enqueue_option
@dataset_options
@preset_option
@samples_option("500 of an image set, all of a file")
@validation_option
@validation_data_option
@training_options(searched=default_of(SearchConfig, "space"))
@jobs_option
@executor_option
@click.option(
    "--study",
    type=PathType(file_okay=False),
    help="Folder of the study. An existing study continues with its own settings and data.  [default: a new one in "
    "studies/]",
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
    executor: str | None,
    study: Path | None,
    after: Path | None,
    fresh: bool,
    finish: bool,
    timeout: float | None,
    quality: str | None,
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

    Prints the 20 best trials. The folder of the study contains every trial with its curves (study.sqlite), a picture of
    the 20 best (best20.png) and a report (report.html). Ctrl-C, SIGTERM, SIGHUP and --timeout stop the search and keep
    the finished trials; fastnet search --study FOLDER continues it, and --finish makes its final choice.

    Options not given are read from the environment (FASTNET_SEARCH_TRIALS for --trials), then from the file of
    --config, with ranges under [space].

    \b
    Example:
      fastnet search --trials 1000
      fastnet search --data mnist --samples 5000 --space dropout=uniform:0:0.5 --study studies/dropout
      fastnet search --space hidden=choice:100x6,512-256 --space optimizer=choice:sgd,adam --print-config > study.toml
      fastnet search --config study.toml --sampler sobol
      fastnet search --config study.toml --enqueue studies/001
      fastnet search --trials 8 --learning-rate 0.01 --weight-decay 1e-8 --format csv
      fastnet search --trials 100000 --study studies/night --timeout 8h
      fastnet search --trials 100000 --executor dask:tcp://scheduler:8786
    """
    from fastnet.tuning import new_study_folder

    timeout = time_limit(timeout, quality)
    deadline = Deadline(timeout)
    known = known_study(study, after, fresh=fresh, finish=finish)
    data, usual = (None, Preset()) if known else preset(ctx, settings, timeout)
    given = with_preset(ctx, settings, usual) if known is None else with_known(ctx, settings, known)
    config = SearchConfig(
        space=search_space(ctx, usual.space if known is None else known.config.space),
        train=train_config_from({name: given[name] for name in TrainConfig.__dataclass_fields__ if name in given}),
        **search_strategy(given),
    )
    if print_config or dry_run:
        output_is_the_result()
    if print_config:
        print_settings(ctx, config, given)
        return
    data = data or load_data(ctx, given, known)
    config = config.for_task(data.dataset.task)
    warn_of_idle_pruning(config)
    limits: dict[str, Any] = {"jobs": jobs, "memory": memory}
    if dry_run or verbosity() >= VERBOSE:
        from . import dry_run as plans  # not sooner: few searches print a plan

        plan = plans.Plan(data.dataset, config, split=data.split, folder=None if fresh else study, **limits)
        if dry_run:
            plans.print_and_measure(plan, output_format)
            return
        details(plans.describe(plan))
    with (
        folder_for(study, lambda: new_study_folder(Path("studies"))) as folder,
        live_view(live, folder, config.metric, deadline.left) as view,
    ):
        views = [] if view is None else [view]
        how = {"folder": folder, "fresh": fresh, "finish": finish, "executor": executor, **limits}
        result, stopped = run(data, config, deadline, *views, **how)
        best, report = result.best(BEST), None
        try:
            report = None if stopped else draw(best, folder)  # not after Ctrl-C: it takes a second
        finally:
            show(result, folder, output_format, config, best, data)
        if view is not None:
            done = results.closing_line(result, folder)
            view.end(f"Stopped: {done}" if result.interrupted else done, report)
    if not (result.new_trials or result.interrupted or finish):
        note(f"Nothing to do: the study already has {len(result.trials)} trials. Raise --trials to add more.")
    if result.final is None and config.final and best and not stopped:
        note(f"There was no time for the final choice; to make it, run: {study_command(folder, '--finish')}")
    if result.interrupted:
        ctx.exit(explain_early_end(result, folder, config.trials, None if stopped else timeout))


def known_study(study: Path | None, after: Path | None, *, fresh: bool, finish: bool) -> Known | None:
    """Return the settings of the study to continue or to follow; None for a new one."""
    from fastnet.tuning.run.resume import following, known_of

    known = None if study is None or fresh else known_of(study)
    if finish and (known is None or after is not None):
        raise click.UsageError("--finish needs --study with the folder of a study.")
    return known if after is None else following(after)


class Data(NamedTuple):
    """The samples of a search, their split if it is given, their source, and their name on the command line."""

    dataset: Dataset
    split: Split | None
    source: Source | None
    name: str


def load_data(ctx: click.Context, given: Mapping[str, Any], known: Known | None) -> Data:
    """Load the data that the options, or else the known study, name."""
    from fastnet.data.registry import NAMES
    from fastnet.tuning.run.resume import Source

    if given["data"] is None:
        assert known is not None
        known.found()
    name, samples = source_of(given["data"]), given["samples"]
    if samples is None and name in NAMES:
        samples = BOOK_SAMPLES
    dataset, split = load_validated(given, samples)
    reading = reading_of(given) or None
    source = Source.of(
        name, samples=samples or None, data_dir=given["data_dir"], validation=given["validation"], reading=reading
    )
    return Data(dataset, split, source, ", ".join(given["data"]))


def preset(ctx: click.Context, settings: Mapping[str, Any], timeout: float | None) -> tuple[Data | None, Preset]:
    """Return the defaults of a new study, and the data if they had to be loaded to know them."""
    from fastnet.data.registry import is_source_like_table
    from fastnet.tuning.run.search import about_data

    name = settings["preset"]
    counted = ctx.get_parameter_source("trials") is not ParameterSource.DEFAULT
    asks = is_source_like_table(source_of(settings["data"])) or (timeout is not None and not counted)
    if name == "book" or (name == "auto" and not asks):
        return None, Preset()
    data = load_data(ctx, settings, None)
    validated = data.split is not None or ctx.get_parameter_source("validation_fraction") is not ParameterSource.DEFAULT
    return data, preset_of(name, about_data(data.dataset, seconds=timeout, counted=counted, validated=validated))


def with_known(ctx: click.Context, settings: Mapping[str, Any], known: Known) -> dict[str, Any]:
    """Replace the options that are not given by the settings of the study."""
    given = given_options(ctx, settings)
    known = known.beside(given)
    source = known.source
    before: dict[str, Any] = as_settings(known.config) | as_settings(known.config.train)
    before["enqueue"] = json.dumps(before["enqueue"]) if before["enqueue"] else None  # as text, like the option
    before |= {"data": None, "samples": None, "data_dir": None, "validation": None}
    if source is not None:
        folder = None if source.data_dir is None else Path(source.data_dir)
        before |= {"data": source.files, "samples": source.samples or 0, "data_dir": folder}
        before |= {"validation": source.validation, **(source.reading or {})}
    return {name: before.get(name, value) for name, value in settings.items()} | given


def run(
    data: Data, config: SearchConfig, deadline: Deadline, *displays: Callable[[Progress], None], **how: Any
) -> tuple[SearchResult, bool]:
    """Run the search with its progress on standard error; return its result, and whether a signal stopped it."""
    from fastnet.tuning import run_study

    with (
        StopOnInterrupt() as stop,
        SearchDisplay(stop, metric=config.metric, time_left=deadline.left) as display,
    ):
        result = run_study(
            data.dataset, config, split=data.split, source=data.source,
            on_progress=Preloading(config.trials, display, *displays), timeout=deadline.left(), reserve=report_seconds,
            should_stop=stop, interrupt="return", **how,
        )  # fmt: skip
    return result, stop()


def warn_of_idle_pruning(config: SearchConfig) -> None:
    """Print a note if trials are too short to be compared before their end."""
    from fastnet.tuning.rules.pruning import schedule_of

    epochs = config.train.epochs
    if config.pruning != "none" and len(schedule_of(config).rungs) == 1:
        note(
            f"--pruning {config.pruning} will stop no trial early: with --epochs {epochs} and --first-epochs "
            f"{config.first_epochs} there is no comparison before the end; lower --first-epochs."
        )


def print_settings(ctx: click.Context, config: SearchConfig, given: Mapping[str, Any]) -> None:
    """Print every setting as a file, after checking the space."""
    from fastnet.tuning.run.sampler import checked_space

    space = checked_space(config).to_texts()
    values = {**given, **as_settings(config.train), "final": config.final or "none", **shown_samples(given)}
    values["ensemble_folds"] = config.ensemble_folds or "none"
    click.echo(printed(ctx, values, space), nl=False)


class Preloading:
    """Passes progress on; imports what picture and report need while the first trials run and leave Python idle."""

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
    """Estimate the time of `draw` for a number of trials."""
    from fastnet.pace import pace  # which imports NumPy, and --help does without

    return pace() * (REPORT_SECONDS + REPORT_SECONDS_OF_TRIAL * trials)


def draw(best: Sequence[TrialResult], folder: Path) -> Path | None:
    """Write the picture of the best trials, if there are any, and the report; return its path, None if it failed."""
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
    data: Data,
) -> None:
    """Print the results."""
    if output_format == "json":
        settings = {"data": data.name, "samples": data.dataset.n_samples, **used_settings(config)}
        click.echo(results.as_json(results.search_document(result, folder, settings)))
    elif output_format == "csv":
        click.echo(results.as_csv(results.trial_rows(result, config.metric)))
    else:
        lines = (
            *results.search_lines(result, folder, best, config.metric),
            *results.next_lines(result, folder, config.train.epochs),
        )
        click.echo("".join(f"{line}\n" for line in lines), nl=False)
    (click.echo if output_format == "table" else note)(results.closing_line(result, folder))


def used_settings(config: SearchConfig) -> dict[str, Any]:
    """Return the settings of a search, without fixed values of searched hyperparameters."""
    settings = as_settings(config)
    settings["train"] = {name: value for name, value in settings["train"].items() if name not in config.space}
    return settings
