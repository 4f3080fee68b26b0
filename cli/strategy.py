"""Options of `fastnet search` for the fields of `SearchConfig`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
from click.core import ParameterSource

from fastnet.config.metric import CHOICES
from fastnet.config.presets import PRESETS, Preset
from fastnet.config.searching import ENSEMBLES, OPTUNA, PRUNINGS, SAMPLERS, SearchConfig, check_sampler
from fastnet.config.text import parse_candidates, parse_folds
from fastnet.errors import ConfigError

from .naming import flag
from .options import default_of
from .parameters import Command, TextType


class SamplerType(click.Choice[str]):
    """One of the library's samplers, or ``optuna:`` and the name of one of Optuna's."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value).startswith(OPTUNA):
            return super().convert(value, param, ctx)
        try:
            check_sampler(str(value))
        except ConfigError as error:
            self.fail(f"{error}.", param, ctx)
        return str(value)


_STRATEGY: dict[str, tuple[Any, str]] = {
    "sampler": (
        SamplerType(SAMPLERS),
        "Place trials in the ranges at random, evenly spread (sobol), on every combination (grid), or more often where "
        "earlier trials did well (tpe); optuna:NAME asks a sampler of Optuna, such as optuna:TPESampler.",
    ),
    "levels": (int, "Values of each range on a grid, including both ends."),
    "pruning": (
        click.Choice(PRUNINGS),
        "Stop trials early: none, all but the best of each pack (halving), or those below its median.",
    ),
    "eta": (int, "Halving continues the best 1/ETA of a pack, for ETA times as many epochs."),
    "first_epochs": (int, "Epochs before the first comparison, with --pruning."),
    "pack_size": (int, "Consecutive trials that are compared with one another, with --pruning."),
    "metric": (
        click.Choice(CHOICES),
        "Rank trials by this metric on the validation samples; auto is accuracy for classes, loss for labels, and the "
        "error of the objective, such as rmse, for numbers.",
    ),
    "stages": (int, "Rounds that share the trials; after each, the ranges narrow to those of the best trials."),
    "repeats": (int, "New seeds for each candidate of --final."),
    "ensemble_top": (int, "At the end, combine the networks of the N best trials into one model; 0 makes none."),
    "ensemble": (
        click.Choice(ENSEMBLES),
        "Average all of them, or only those that do best together on the validation samples (greedy).",
    ),
}


def enqueue_option(command: Command) -> Command:
    """Add `--enqueue`."""
    return click.option(
        "--enqueue",
        metavar="FILE|DIR",
        help="Try these points first: a file of JSON, JSON lines or CSV with values by name, the folder of another "
        "study, whose 20 best trials are taken, or a storage of Optuna.",
    )(command)


def preset_option(command: Command) -> Command:
    """Add `--preset`."""
    return click.option(
        "--preset",
        type=click.Choice(PRESETS),
        default=PRESETS[0],
        show_default=True,
        help="Defaults: those of the book, for tables, or for many images in a limited time; auto decides by the data.",
    )(command)


def given_options(ctx: click.Context, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that do not have the default of their option."""
    return {
        name: value for name, value in settings.items() if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT
    }


def with_preset(ctx: click.Context, settings: Mapping[str, Any], usual: Preset) -> dict[str, Any]:
    """Replace the options that are not given by the defaults of a preset."""
    given = given_options(ctx, settings)
    known = usual.beside(given).settings
    return {name: known.get(name, value) for name, value in settings.items()} | given


def strategy_options(command: Command) -> Command:
    """Add the options that `search_strategy` reads."""
    command = click.option(
        "--final",
        type=TextType(parse_candidates),
        default=str(default_of(SearchConfig, "final")),
        show_default=True,
        metavar="N|none",
        help="At the end, retrain the N best trials and evaluate the best once on the test set; none skips this.",
    )(command)
    command = click.option(
        "--expand/--no-expand",
        default=default_of(SearchConfig, "expand"),
        show_default=True,
        help="Between stages, move a range beyond its edge if the best trials pile up there.",
    )(command)
    command = click.option(
        flag("folds"),
        "folds",
        type=int,
        metavar="FOLDS",
        help="Cross-validate each trial with this many stratified folds.  [default: one validation split]",
    )(command)
    command = click.option(
        "--ensemble-folds",
        type=TextType(parse_folds),
        metavar="FOLDS|none",
        help="At the end, train each trial of the ensemble on this many folds: the validation samples of the search "
        "are one of them, and the others are parts of its training samples.  [default: none]",
    )(command)
    for name in reversed(_STRATEGY):
        kind, text = _STRATEGY[name]
        command = click.option(
            flag(name), type=kind, default=default_of(SearchConfig, name), show_default=True, help=text
        )(command)
    return command


def search_strategy(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the options that are fields of `SearchConfig`, except the ranges."""
    from fastnet.tuning.run.enqueue import read_points

    names = (*_STRATEGY, "ensemble_folds", "folds", "expand", "final", "trials", "validation_fraction")
    return {name: settings[name] for name in names} | {"enqueue": read_points(settings.get("enqueue"))}
