"""`fastnet experiment`: the experiments of the chapter."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastnet.config.experiment import EXPERIMENTS, ExperimentConfig
from fastnet.config.text import parse_count

from .data_options import dataset_options, load_described
from .notes import details, note, verbosity_options
from .options import default_of, format_option, jobs_option
from .outputs import check_writable, claim_folder, folder_for
from .parameters import PathType, TextType
from .progress import ExperimentDisplay

if TYPE_CHECKING:
    from fastnet.experiments import Outcome

ALL = "all"


@click.command(name="experiment")
@click.argument("name", metavar="NAME", type=click.Choice((*EXPERIMENTS, ALL)))
@dataset_options
@click.option(
    "--samples",
    type=int,
    show_default="300; 500 for search; up to 4000 for data",
    help="Use the first N training samples.",
)
@click.option(
    "--test-samples",
    type=TextType(lambda text: parse_count(text, "all", of="samples")),
    metavar="N|all",
    default=str(default_of(ExperimentConfig, "test_samples")),
    show_default=True,
    help="Test samples to evaluate after every epoch, evenly spaced over the test set.",
)
@click.option(
    "--seeds",
    type=int,
    default=default_of(ExperimentConfig, "seeds"),
    show_default=True,
    help="Networks for each setting.",
)
@click.option("--epochs", type=int, show_default="each experiment's own", help="Passes over the training data.")
@jobs_option
@click.option(
    "--output",
    "-o",
    type=PathType(file_okay=False),
    help="Folder for figures and numbers.  [default: a new one in experiments/]",
)
@click.option(
    "--overwrite", is_flag=True, allow_from_autoenv=False, help="Replace files of the same names in this folder."
)
@verbosity_options("Also print the time of each experiment, and every file.")
@format_option("Print sentences and tables, or everything as JSON.", "table", "json")
def command(
    name: str,
    samples: int | None,
    test_samples: int | None,
    seeds: int,
    epochs: int | None,
    jobs: int | None,
    output: Path | None,
    overwrite: bool,
    output_format: str,
    **given: Any,
) -> None:
    """Run an experiment of the chapter, or all of them.

    \b
    overfit         seven layers learn 300 images by heart (6.4.1)
    weight-decay    a penalty on large weights as a remedy (6.4.2)
    dropout         units dropped at random as a remedy (6.4.3)
    ensemble        ten networks averaged; is dropout roughly the same? (6.4.3)
    data            50 to 4,000 images (6.4.3)
    validation      settings chosen by the test set, and by validation data (6.5.1)
    search          100 random trials, and a grid of the same size (6.5.2, 6.5.3)
    initialisation  initial values for each activation (6.2)
    optimizers      update rules (6.1)
    all             all of them, and a page that shows them

    Each experiment reports its findings in two or three sentences, and whether the chapter's claim holds here. It
    prints its numbers with their spread over the seeds, and writes figures (PNG and SVG) and all numbers (JSON).
    Results do not depend on the number of threads.

    If the data have no test set, a fifth of the samples is set aside for it.

    \b
    Example:
      fastnet experiment overfit
      fastnet experiment all -o chapter
      fastnet experiment dropout --data mnist --seeds 10 --test-samples all
      fastnet experiment weight-decay --format json > weight-decay.json
    """
    config = ExperimentConfig(seeds=seeds, epochs=epochs, samples=samples, test_samples=test_samples)
    names = EXPERIMENTS if name == ALL else (name,)
    if output is not None:
        check_files(names, output, overwrite=overwrite)
    dataset = load_described(given)
    with folder_for(output, lambda: claim_folder(Path("experiments"), name)) as folder:
        outcomes = run(names, dataset, config, folder, jobs=jobs, output_format=output_format)
        if output_format == "json":
            print_json(outcomes)
        elif name == ALL:
            click.echo("\n".join(["", *claim_lines(outcomes)]))
        if name == ALL:
            from fastnet.experiments import write_index

            page = write_index(outcomes, folder)
            (click.echo if output_format == "table" else note)(f"page: {click.format_filename(page)}")


def check_files(names: Sequence[str], folder: Path, *, overwrite: bool) -> None:
    """Check before the first experiment that all results can be written."""
    from fastnet.experiments.files import files_of, index_of

    index = [index_of(folder)] if len(names) > 1 else []
    for path in (*(path for name in names for path in files_of(name, folder)), *index):
        check_writable(path, overwrite=overwrite)


def run(
    names: Sequence[str], dataset: Any, config: ExperimentConfig, folder: Path, *, jobs: int | None, output_format: str
) -> list[Outcome]:
    """Run experiments; write and print each as soon as it ends."""
    from fastnet.config.checks import count_threads
    from fastnet.config.searching import as_settings
    from fastnet.experiments import run_each, write
    from fastnet.tuning.run.environment import describe_environment

    outcomes: list[Outcome] = []
    environment = describe_environment(count_threads(jobs))
    with ExperimentDisplay(len(names)) as display:
        begun = time.perf_counter()
        for outcome in run_each(names, dataset, jobs=jobs, on_progress=display, **as_settings(config)):
            seconds = time.perf_counter() - begun
            files = write(outcome, folder, {"seconds": round(seconds, 3), "environment": environment})
            display.clear()
            if not outcomes:
                for text in outcome.lab["notes"]:
                    note(text)
            outcomes.append(outcome)
            if output_format == "table":
                click.echo("\n".join(outcome_lines(outcome, first=len(outcomes) == 1)))
                pictures = [path for path in files if path.suffix == ".png"]
                click.echo("\n".join(f"figure: {click.format_filename(path)}" for path in pictures))
            details([f"{outcome.name}: {seconds:.1f} s", *map(click.format_filename, files)])
            begun = time.perf_counter()
    return outcomes


def outcome_lines(outcome: Outcome, *, first: bool) -> list[str]:
    """Write an outcome as text."""
    from fastnet.report.outcome import wrapped

    lines = [] if first else [""]
    lines += [outcome.title, *wrapped(outcome.seen), *wrapped(outcome.verdict)]
    for remark in outcome.remarks:
        lines += wrapped(remark)
    for table in outcome.tables:
        lines += ["", *table.lines()]
    return lines


def claim_lines(outcomes: Sequence[Outcome]) -> list[str]:
    """List which claims hold, one line each."""
    from fastnet.report.text import aligned

    claims = [(outcome, claim) for outcome in outcomes for claim in outcome.claims]
    held = sum(claim.holds for _, claim in claims)
    rows = [[outcome.name, "holds" if claim.holds else "does not hold", claim.text] for outcome, claim in claims]
    return [f"{held} of {len(claims)} claims hold here:", *aligned(rows, "lll")]


def print_json(outcomes: Sequence[Outcome]) -> None:
    """Print one object for one experiment, or one with a list of them."""
    import json

    documents = [outcome.to_dict() for outcome in outcomes]
    document = documents[0] if len(documents) == 1 else {"schema_version": 1, "experiments": documents}
    click.echo(json.dumps(document, ensure_ascii=False, allow_nan=False))
