"""Presets: named defaults of a search, for the images of the book and for tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fastnet.config.checks import check_choice
from fastnet.config.objective import AUTO
from fastnet.config.training import TrainConfig, train_config_from

PRESETS = ("auto", "book", "table")
"""Names of presets; auto is ``table`` for a table and ``book`` for anything else."""

TIMED_TRIALS = 100_000
"""Trials of a table's search with a time limit: more than fit."""

_BATCHES = ((1_024, 64), (8_192, 128), (30_000, 256))
_LARGEST_BATCH = 512


@dataclass(frozen=True, slots=True)
class Preset:
    """Defaults of a search.

    Attributes
    ----------
    settings : dict of str to value
        Fields of `SearchConfig` and of `TrainConfig` that differ from the defaults of these classes.
    space : dict of str to str, or None
        The ranges; None for those of `SearchConfig`.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    space: dict[str, str] | None = None

    @property
    def training(self) -> dict[str, Any]:
        """Those of the settings that are fields of `TrainConfig`."""
        return {name: value for name, value in self.settings.items() if name in TrainConfig.__dataclass_fields__}


def preset_of(name: str, *, rows: int, table: bool, timed: bool, task: str = "classification") -> Preset:
    """Return the defaults of a search.

    Parameters
    ----------
    name : {"auto", "book", "table"}
        See `PRESETS`.
    rows : int
        Number of samples, which determines the batch size.
    table : bool
        Whether the data are a table.
    timed : bool
        Whether the search has a time limit, which then ends the trials of a table instead of their number.
    task : {"classification", "regression", "multilabel"}
        The task of the data, which determines the metric: the loss of classes, and the usual one of anything else.

    Raises
    ------
    ConfigError
        If there is no such preset.

    Examples
    --------
    >>> preset_of("auto", rows=7043, table=True, timed=False).settings["batch_size"]
    128
    >>> preset_of("auto", rows=500, table=False, timed=False)
    Preset(settings={}, space=None)
    """
    check_choice("preset", name, PRESETS)
    if name == "book" or (name == "auto" and not table):
        return Preset()
    searching = {
        "trials": TIMED_TRIALS if timed else 54,
        "metric": "loss" if task == "classification" else AUTO,
        "pruning": "halving",
        "pack_size": 27,
        "first_epochs": 4,
        "final": 0,
        "ensemble_top": 8,
    }
    training = {
        "hidden": "128x2",
        "optimizer": "adamw",
        "learning_rate": 0.002,
        "weight_decay": 0.02,
        "dropout": "0.2",
        "schedule": "cosine",
        "batch_size": batch_size_of(rows),
        "epochs": 36,
        "early_stopping": 8,
        "train_score": "running",
    }
    space = {
        "hidden": "choice:128,128x2,256x2,64x3",
        "learning_rate": "log:0.0003:0.01",
        "weight_decay": "log:0.001:1.0",
        "dropout": "uniform:0.0:0.5",
    }
    return Preset(searching | training, space)


def usual_config(*, rows: int, table: bool, task: str = "classification") -> TrainConfig:
    """Return the settings of a training that is given none; the arguments are those of `preset_of`.

    Examples
    --------
    >>> usual_config(rows=500, table=True).optimizer, usual_config(rows=500, table=False).optimizer
    ('adamw', 'sgd')
    """
    return train_config_from(preset_of("auto", rows=rows, table=table, timed=False, task=task).training)


def batch_size_of(rows: int) -> int:
    """Return the batch size for a number of samples.

    Examples
    --------
    >>> [batch_size_of(rows) for rows in (500, 5_000, 20_000, 1_000_000)]
    [64, 128, 256, 512]
    """
    return next((batch for most, batch in _BATCHES if rows <= most), _LARGEST_BATCH)
