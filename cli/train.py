"""`fastnet train`: one network, or an ensemble of several, on one data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from fastnet.config.checks import count_networks
from fastnet.config.metric import METRICS
from fastnet.config.presets import About, preset_of
from fastnet.config.searching import as_settings
from fastnet.config.training import TrainConfig, train_config_from
from fastnet.errors import FastnetError, failure_as_warning
from fastnet.progress.words import TRAINING, scored

from .config_file import config_options, printed, with_parts
from .data_options import dataset_options, load_validated, source_of, validation_data_option
from .grouping import GroupedCommand
from .interrupt import StopOnInterrupt, exit_code
from .notes import described, details, note, verbosity_options
from .options import (
    jobs_option,
    output_options,
    samples_option,
    shown_samples,
    training_options,
    validation_option,
)
from .outputs import check_folder, check_writable, claim_file, rescue
from .progress import TrainDisplay
from .strategy import preset_option, with_preset
from .streams import output_is_the_result

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset
    from fastnet.data.splitting import Split
    from fastnet.model.predictor import Predictor
    from fastnet.training.several import EnsembleResult
    from fastnet.training.single import TrainResult

MODELS = Path("models")
SUFFIX = ".safetensors"


@click.command(
    cls=GroupedCommand,
    name="train",
    first=("data", "target", "hidden", "epochs", "optimizer", "learning_rate", "networks", "output"),
)
@dataset_options
@samples_option("all")
@validation_option
@validation_data_option
@training_options()
@click.option(
    "--ensemble",
    "networks",
    type=int,
    default=1,
    show_default=True,
    metavar="N",
    help="Train N networks that differ only in their random numbers, and average their probabilities.",
)
@preset_option
@jobs_option
@config_options
@verbosity_options("Print all settings before the training.")
@output_options("Write the model here, and its learning curve next to it as PNG.  [default: a new file in models/]")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    samples: int | None,
    validation_fraction: float,
    networks: int,
    jobs: int | None,
    output: Path | None,
    overwrite: bool,
    print_config: bool,
    **settings: Any,
) -> None:
    """Train one network and keep the weights of its best epoch.

    The best epoch is the one with the highest accuracy on the validation samples; of numbers, the one with the lowest
    error, and of labels and counts (poisson), the one with the lowest loss. The test set is used once, at the
    end, with the weights of that epoch. Results do not depend on the number of threads.

    With --ensemble several networks are trained and saved as one model. Each keeps its own best epoch.

    Ctrl-C, SIGTERM and SIGHUP end the training and keep the best epoch so far.

    Options not given are read from the environment (FASTNET_TRAIN_EPOCHS for --epochs), then from the file of --config,
    which can be a trial of a search: {"learning_rate": 0.01, "hidden": "100x6"}.

    \b
    Example:
      fastnet train
      fastnet train --data mnist --hidden 512x2 --optimizer adam --dropout 0.2 --epochs 10
      fastnet train --data mnist --samples 1000 --hidden 100x2 --ensemble 10
      fastnet train --config trial.json --epochs 100
      fastnet train --data flowers.npz --hidden 64,32 --early-stopping 10 -o flowers.safetensors
    """
    data, settings = with_usual(ctx, settings, samples)
    given = {name: settings[name] for name in TrainConfig.__dataclass_fields__ if name in settings}
    config = with_parts(ctx, train_config_from(given))
    if print_config:
        output_is_the_result()
        click.echo(printed(ctx, {**as_settings(config), **shown_samples(ctx.params)}), nl=False)
        return
    from fastnet.data.validation import split_of

    networks = count_networks(networks)
    prepare(output, overwrite=overwrite)
    dataset, parts = data or load_validated(settings, samples)
    parts = parts or split_of(dataset, validation_fraction, config.seed)
    with StopOnInterrupt() as stop, TrainDisplay(config.epochs, stop, networks=networks) as display:
        outcome = run(dataset, config, networks, parts, on_epoch=display, jobs=jobs, should_stop=stop)
    save(outcome, output, dataset.name)
    if stop():
        ctx.exit(exit_code())


def with_usual(
    ctx: click.Context, settings: dict[str, Any], samples: int | None
) -> tuple[tuple[Dataset, Split | None] | None, dict[str, Any]]:
    """Return the data, if the defaults depend on them, and the settings with these defaults."""
    from fastnet.data.registry import is_source_like_table

    name = settings["preset"]
    if name == "book" or (name == "auto" and not is_source_like_table(source_of(settings["data"]))):
        return None, settings
    dataset, parts = load_validated(settings, samples)
    about = About(rows=dataset.n_samples, table=dataset.like_table, task=dataset.task, single=True)
    usual = preset_of(name, about)
    return (dataset, parts), with_preset(ctx, settings, usual)


class Outcome(NamedTuple):
    """The result of a training: lines to print, the model, a function that draws its picture, a warning."""

    lines: list[str]
    model: Predictor
    draw: Callable[[Path], None]
    warning: str


def run(dataset: Dataset, config: TrainConfig, networks: int, parts: Split, **how: Any) -> Outcome:
    """Describe the training, and train."""
    note(description(dataset, parts, config) + (f" | {networks} networks" if networks > 1 else ""))
    details(settings_lines(config))
    # Imported here: bad data should be rejected before compiled code is loaded.
    if networks > 1:
        from fastnet.training.several import train_ensemble

        return several(train_ensemble(dataset, config, networks=networks, split=parts, **how), config)
    from fastnet.training.single import train

    return single(train(dataset, config, split=parts, **how), config)


def prepare(output: Path | None, *, overwrite: bool) -> None:
    """Check before the training that its result can be written."""
    if output is None:
        check_folder(MODELS)
    else:
        check_writable(output, overwrite=overwrite)
        check_writable(picture_of(output), overwrite=overwrite)


def picture_of(model: Path) -> Path:
    """Return the file of the learning curve of a model."""
    return model.with_name(model.name.removesuffix(SUFFIX) + ".png")


def description(dataset: Dataset, parts: Split, config: TrainConfig) -> str:
    """Describe data, network and training in one line."""
    from fastnet.network.samples import network_of

    network = network_of(config, dataset, parts)
    return (
        f"{dataset.name}: {len(parts.train)} training, {len(parts.validation)} validation, {dataset.n_test} test "
        "samples | "
        f"{network.text}, {network.n_parameters:,} parameters | "
        f"{config.activation}, {config.optimizer}, lr:{config.effective_learning_rate}, seed:{config.seed}"
    )


def settings_lines(config: TrainConfig) -> list[str]:
    """List every setting, for --verbose."""
    return [f"  {name} {value}" for name, value in as_settings(config).items() if value is not None]


def single(result: TrainResult, config: TrainConfig) -> Outcome:
    """Describe the result of one network."""
    best = result.best_epoch - 1
    curves = result.curves
    trained = ""
    if curves.train_scored != "none":
        trained = f"{scored(TRAINING[curves.train_scored], curves.train_score[best], curves.score)}, "
    lines = [
        f"best epoch:{result.best_epoch} of {result.epochs_done}, {trained}"
        f"{scored('val', curves.validation_score[best], curves.score)}, seed:{config.seed}"
    ]
    if result.test is not None:
        lines.append(f"{scored('test', result.test.value, result.test.name)}, test loss:{result.test.loss:.4f}")
    lines.append(time_line(result))

    def draw(path: Path) -> None:
        from fastnet.report.figures import learning_curve_figure

        learning_curve_figure(curves, path, result.best_epoch)

    warning = "The training diverged and ended early: try a lower --learning-rate." if result.diverged else ""
    return Outcome(lines, result.model, draw, warning)


def several(result: EnsembleResult, config: TrainConfig) -> Outcome:
    """Describe the result of an ensemble, with the average of its networks."""
    from fastnet.report.text import counted

    members, score = result.ensemble.members, METRICS[result.validation.name]
    epochs = sorted({member.metrics["best_epoch"] for member in members})
    span = f"{epochs[0]} to {epochs[-1]}" if len(epochs) > 1 else str(epochs[0])
    lines = [
        f"best epochs:{span} of {result.epochs_done}, seed:{config.seed}",
        f"{scored('val', result.validation.value, score.name)}, its {counted(len(members), 'network')} alone "
        f"{score.text(result.member_validation.value)} on average",
    ]
    if result.test is not None and result.member_test is not None:
        lines.append(
            f"{scored('test', result.test.value, score.name)}, test loss:{result.test.loss:.4f}, alone "
            f"{score.text(result.member_test.value)}, {result.member_test.loss:.4f}"
        )
    lines.append(time_line(result))

    def draw(path: Path) -> None:
        from fastnet.report.figures import ensemble_curve_figure

        ensemble_curve_figure(result.curves, result.validation, path)

    warning = ""
    if result.diverged:
        warning = f"{counted(result.diverged, 'network')} diverged and ended early: try a lower --learning-rate."
    return Outcome(lines, result.ensemble, draw, warning)


def time_line(result: TrainResult | EnsembleResult) -> str:
    """Describe the time of a training."""
    return f"{result.epochs_done} epochs in {result.seconds:.1f} s, compile {result.compile_seconds:.1f} s"


def show(outcome: Outcome) -> None:
    """Print the result of the training."""
    click.echo("\n".join(outcome.lines))
    if outcome.warning:
        click.echo(outcome.warning, err=True)


def save(outcome: Outcome, output: Path | None, name: str) -> None:
    """Save the model first, then print, then draw the picture, so that only the disk can cost the model."""
    try:
        path = write_model(outcome.model, output, name)
    except (OSError, FastnetError) as error:
        show(outcome)
        reason = described(error, advice=False) if isinstance(error, OSError) else str(error)
        kept = rescue(f"model{SUFFIX}", outcome.model.save)
        rescued = (
            "lost: the temporary folder rejects it, too; make room and train again"
            if kept is None
            else f"kept as {kept}"
        )
        raise FastnetError(f"{reason}; the model is {rescued}") from error
    show(outcome)
    click.echo(f"model: {click.format_filename(path)}")
    picture = picture_of(path)
    with failure_as_warning(f"{picture}: the picture cannot be drawn"):
        outcome.draw(picture)
        click.echo(f"curve: {click.format_filename(picture)}")


def write_model(model: Predictor, output: Path | None, name: str) -> Path:
    """Write the model, under a new name if none is given."""
    path = output or claim_file(MODELS, name, SUFFIX)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        model.save(path)
    except BaseException:
        if output is None:
            path.unlink(missing_ok=True)  # the claimed name; it is still empty
        raise
    return path
