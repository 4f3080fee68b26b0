"""Options that several commands share. Names, defaults and choices come from the dataclasses of `fastnet.config`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastnet.config.network import ACTIVATIONS, INIT_OF, INITS
from fastnet.config.objective import CALIBRATIONS, CLASS_WEIGHTS, OBJECTIVES, THRESHOLDS
from fastnet.config.searching import SearchConfig
from fastnet.config.text import format_dropout, format_hidden, parse_count
from fastnet.config.training import DROPOUT_SCALINGS, LEARNING_RATES, OPTIMIZERS, SCHEDULES, TRAIN_SCORES, TrainConfig

from .completion import complete_data
from .naming import flag
from .parameters import Command, PathType, TextType

if TYPE_CHECKING:
    from fastnet.data.samples import Samples
    from fastnet.data.tables.table import Table
    from fastnet.model.predictor import Predictor

DEFAULT_DATA = "mnist5k"

_SETTINGS: dict[str, tuple[Any, str]] = {
    "hidden": (str, "Hidden layers: 100x6 is six layers of 100 units, 512,256 one of each, none softmax regression."),
    "activation": (click.Choice(ACTIVATIONS), "Activation of the hidden layers."),
    "init": (click.Choice(INITS), "Initial weights."),
    "optimizer": (click.Choice(OPTIMIZERS), "Update rule."),
    "learning_rate": (float, "Step size, greater than 0; the peak value with a schedule or a warm-up."),
    "schedule": (
        click.Choice(SCHEDULES),
        "Keep the learning rate constant, lower it every --step-epochs epochs (step), or along a cosine to 0.",
    ),
    "warmup_epochs": (float, "Epochs over which the learning rate first rises linearly, with any schedule."),
    "step_epochs": (int, "Epochs between the steps of --schedule step."),
    "step_factor": (float, "Factor applied to the learning rate at each of these steps, in (0, 1]."),
    "weight_decay": (float, "Strength of the penalty on the squared weights, at least 0."),
    "momentum": (float, "Coefficient of the optimizers momentum and nesterov, in [0, 1)."),
    "rho": (float, "Decay rate of RMSprop's running mean of squares, in [0, 1)."),
    "beta1": (float, "Decay rate of Adam's first moment, in [0, 1)."),
    "beta2": (float, "Decay rate of Adam's second moment, in [0, 1)."),
    "epsilon": (float, "Added to the denominator in AdaGrad, RMSprop and Adam, at least 1e-30."),
    "relative_rate": (float, "How much the steps of adam and adamw grow with a weight, at least 0: by 1 + K |w|."),
    "heads": (int, "Output layers whose mean is the answer, 1 to 16; each sees the first layer with other signs."),
    "label_smoothing": (float, "Share of each training target spread evenly over all classes, in [0, 1)."),
    "objective": (
        click.Choice(OBJECTIVES),
        "Loss that training minimises: cross-entropy for classes, binary-cross-entropy for labels of 0 and 1, "
        "squared-error, absolute-error, huber, pinball or poisson for numbers; auto takes the first that fits.",
    ),
    "quantiles": (str, "Quantiles of the target that --objective pinball learns, each between 0 and 1."),
    "huber_delta": (float, "Error, in standard deviations, beyond which --objective huber grows linearly."),
    "calibration": (
        click.Choice(CALIBRATIONS),
        "Correct the trained model on the validation samples: its probabilities (temperature), or the share of samples "
        "below its quantiles (quantiles, the default with --objective pinball).",
    ),
    "threshold": (
        click.Choice(THRESHOLDS),
        "Predict the second of two classes from the probability that maximises this metric on the validation samples.",
    ),
    "class_weight": (click.Choice(CLASS_WEIGHTS), "Weight samples so that all classes count alike."),
    "dropout": (str, "Probability of dropping a hidden unit in training, in [0, 1); 0,0.5 sets one for each layer."),
    "dropout_scaling": (
        click.Choice(DROPOUT_SCALINGS),
        "Scale kept units in training (inverted), or all units in evaluation, as the book does (test-time).",
    ),
    "batch_size": (int, "Samples per step."),
    "epochs": (int, "Passes over the training data."),
    "early_stopping": (int, "Stop after this many epochs without a better validation result, and keep the best epoch."),
    "train_score": (
        click.Choice(TRAIN_SCORES),
        "Score the training samples after every epoch (exact), as the mean over its batches, which costs nothing "
        "(running), or not at all (none).",
    ),
    "seed": (int, "Seed of everything random."),
}


def default_of(config: type[Any], name: str) -> Any:
    """Return the default of a configuration's field in the form of its option."""
    value = getattr(config(), name)
    written = {"hidden": format_hidden, "dropout": format_dropout, "quantiles": format_dropout}
    return written[name](value) if name in written else value


def training_options(
    *, only: Collection[str] = tuple(_SETTINGS), searched: Mapping[str, str] | None = None,
) -> Callable[[Command], Command]:  # fmt: skip
    """Add an option for each field of `TrainConfig`; those of `searched` have a range instead of a default."""
    names = [name for name in _SETTINGS if name in only]

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            command = _setting(name, (searched or {}).get(name))(command)
        return command

    return decorate


def _setting(name: str, searched: str | None) -> Callable[[Command], Command]:
    kind, text = _SETTINGS[name]
    if searched is not None:
        text = f"{text} Fixed if given."
        return click.option(flag(name), type=kind, help=text, show_default=f"searched {searched}")
    default = default_of(TrainConfig, name)
    shown: bool | str = default is not None
    if name == "learning_rate":  # its default depends on another option
        default, shown = None, "; ".join(f"{rate:g} with {', '.join(names)}" for rate, names in optimizers_by_rate())
    if name == "init":  # this one, too
        others = " and ".join(activation for activation, init in INIT_OF.items() if init == "xavier")
        default, shown = None, f"he, but xavier with {others}"
    metavar = {"hidden": "WIDTHS", "dropout": "RATIO", "quantiles": "LEVELS", "objective": "NAME"}.get(name)
    return click.option(flag(name), type=kind, default=default, help=text, show_default=shown, metavar=metavar)


def optimizers_by_rate() -> list[tuple[float, list[str]]]:
    """Return each default learning rate with its optimizers."""
    rates = sorted(set(LEARNING_RATES.values()), reverse=True)
    return [(rate, [name for name, own in LEARNING_RATES.items() if own == rate]) for rate in rates]


def data_dir_option(command: Command) -> Command:
    """Add `--data-dir`."""
    return click.option(
        "--data-dir",
        type=PathType(),
        envvar="FASTNET_DATA_DIR",
        show_envvar=True,
        help="Folder with the files of mnist or fashion-mnist.  [default: the cache, or a download]",
    )(command)


def data_options(command: Command) -> Command:
    """Add `--data` and `--data-dir`."""
    command = data_dir_option(command)
    return click.option(
        "--data",
        default=DEFAULT_DATA,
        show_default=True,
        metavar="NAME|FILE",
        shell_complete=complete_data,
        help="mnist5k or digits (both included), mnist, fashion-mnist, an .npz file with arrays x and y, or sparse "
        "samples (.svm, .svmlight, .libsvm, or a SciPy array in an .npz file). For a model of a table, a table with "
        "the same columns.",
    )(command)


def samples_option(shown: str) -> Callable[[Command], Command]:
    """Add `--samples`; 0 means all."""
    return click.option(
        "--samples",
        type=TextType(lambda text: parse_count(text, "all", of="samples") or 0),
        metavar="N|all",
        show_default=shown,
        help="Use the first N training samples.",
    )


def shown_samples(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of `samples_option` in its written form."""
    samples = settings["samples"]
    return {"samples": "all" if samples == 0 else samples}


def validation_option(command: Command) -> Command:
    """Add `--validation-fraction`."""
    return click.option(
        "--validation-fraction",
        type=float,
        default=default_of(SearchConfig, "validation_fraction"),
        show_default=True,
        help="Share of the training samples set aside for validation, in (0, 1).",
    )(command)


def jobs_option(command: Command) -> Command:
    """Add `--jobs`."""
    return click.option(
        "--jobs",
        "-j",
        type=click.IntRange(min=1),
        show_default="all cores available",
        help="Threads; the number does not change results.",
    )(command)


def executor_option(command: Command) -> Command:
    """Add `--executor`."""
    return click.option(
        "--executor",
        metavar="ENGINE",
        help="Train on local (the threads of this process), processes[:N], dask[:ADDRESS or FILE], mpi, ray[:ADDRESS], "
        "or an engine of another package; --jobs is then the number of threads of each worker. Results do not "
        "depend on it.  [default: local]",
    )(command)


def load_part(data: str, data_dir: Path | None, part: str | None, *, labels: bool) -> Samples:
    """Load the samples of `data_options` and `part_option`, with labels if needed; progress is on standard error."""
    from fastnet.data.registry import load_samples

    from .progress import DownloadDisplay

    with DownloadDisplay() as progress:
        return load_samples(data, part=part, labels=labels, data_dir=data_dir, progress=progress)


def model_argument(command: Command) -> Command:
    """Add the model file that a command reads."""
    return click.argument("model", type=PathType())(command)


def part_option(command: Command) -> Command:
    """Add `--part`."""
    return click.option(
        "--part",
        type=click.Choice(("test", "train")),
        help="Which samples of the data to use.  [default: the test set if there is one, else all]",
    )(command)


def check_no_part(part: str | None) -> None:
    """Raise `click.UsageError` if a part of a table is asked for."""
    if part is not None:
        raise click.UsageError("--part chooses a part of a data set, and a table has only one: remove --part.")


def table_of(model: Predictor, data: str) -> Table:
    """Open the table that `--data` names for a model of a table."""
    from fastnet.data.registry import NAMES
    from fastnet.data.tables.columns import listed
    from fastnet.data.tables.table import open_table

    assert model.schema is not None
    if data in NAMES:
        raise click.UsageError(
            f"this model reads a table with the columns {listed(model.schema.features_from)}: give one by --data FILE."
        )
    return open_table(data)


def output_options(text: str) -> Callable[[Command], Command]:
    """Add `--output` with the help `text`, and `--overwrite`."""

    def decorate(command: Command) -> Command:
        command = click.option(
            "--overwrite", is_flag=True, allow_from_autoenv=False, help="Replace the file that --output names."
        )(command)
        return click.option("--output", "-o", type=PathType(), help=text)(command)

    return decorate


def format_option(text: str, *choices: str) -> Callable[[Command], Command]:
    """Add `--format` with the given choices, the first being the default."""
    return click.option(
        "--format", "output_format", type=click.Choice(choices), default=choices[0], show_default=True, help=text
    )
