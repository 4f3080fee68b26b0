"""Presets: named defaults of a search, for the book's images, for tables and for many images in a given time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fastnet.config.checks import check_choice
from fastnet.config.objective import AUTO
from fastnet.config.training import TrainConfig, train_config_from

PRESETS = ("auto", "book", "table", "images")
"""Names of presets; auto is ``table`` for a table, ``images`` for at least `IMAGES_ROWS` other samples in a search that
the time ends, and ``book`` for anything else."""

IMAGES_ROWS = 10_000

QUALITIES = {"quick": 10.0, "good": 60.0, "best": 600.0}
"""Names of time limits, in seconds."""

TIMED_TRIALS = 100_000
"""Trials of a search that its time limit ends: more than fit."""

FOLDS, FEW_ROWS = 5, 2000
"""Folds of a table with few rows, and the most rows that are few, in a search that has a time limit."""

ENSEMBLE_FOLDS = 10
"""Folds of the ensemble of other tables in such a search, which trains on as many of them as there is time for."""

RELATIVE_RATE = 50.0
"""Relative rate where numbers are predicted: there test errors fall by 8 % (bikeshare), 4 % (california) and 1 %
(diamonds); of classes some gain and some lose. See docs/accuracy.md."""

HEADS = 4
"""Heads of a single network that predicts numbers. With them and 72 epochs instead of 36 its errors fall by 10 % on the
tables that decide and by 8 % on others, in 3.6 times the time. A search averages trials instead."""

_EPOCHS, _LONGER = 36, ((100, 300.0, 216), (500, 0.0, 108))
"""Epochs of a table's networks, and more of them for a search of numbers: rows for a second of its time at most (of all
folds), its seconds at least, and the epochs. 108 lower errors by 2.4 % (california, 275 rows a second) and 1.8 %
(bikeshare, 232). At 720 rows a second (diamonds) they change nothing, and in 10 s or with classes nothing is gained.
216 are no better in 60 s, and 1 % better in 300 s. See docs/accuracy.md."""

_BATCHES = ((1_024, 64), (100_000, 128))
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

    def beside(self, given: Mapping[str, Any]) -> Preset:
        """Leave out what contradicts settings that are given: folds of an ensemble with others, or without an ensemble.

        Examples
        --------
        >>> Preset({"epochs": 36, "ensemble_folds": 5}).beside({"ensemble_top": 0}).settings
        {'epochs': 36}
        """
        if given.get("folds") is None and given.get("ensemble_top") != 0:
            return self
        return replace(self, settings={name: self.settings[name] for name in self.settings if name != "ensemble_folds"})


@dataclass(frozen=True, slots=True)
class About:
    """What a preset follows from.

    Attributes
    ----------
    rows : int
        Number of training samples.
    table : bool
        Whether the data are a table.
    task : {"classification", "regression", "multilabel"}
        The task of the data.
    seconds : float or None
        Time limit of the search, which then ends its trials instead of their number, except with ``book``.
    counted : bool
        Whether the number of trials is given; such a search of images has the defaults of the book.
    single : bool
        Whether one network is trained, and nothing searched.
    folding : bool
        Whether folds may validate: the samples are not sparse and have no times or groups, and no validation samples
        are given.
    """

    rows: int
    table: bool
    task: str = "classification"
    seconds: float | None = None
    counted: bool = False
    single: bool = False
    folding: bool = False


def preset_of(name: str, about: About) -> Preset:
    """Return the defaults of a search; `name` is one of `PRESETS`.

    Raises
    ------
    ConfigError
        If there is no such preset.

    Examples
    --------
    >>> preset_of("auto", About(rows=7043, table=True)).settings["batch_size"]
    128
    >>> preset_of("auto", About(rows=500, table=False, seconds=60))
    Preset(settings={}, space=None)
    >>> preset_of("auto", About(rows=60_000, table=False, seconds=60)).space["hidden"]
    'choice:256x2,512,512x2'
    """
    check_choice("preset", name, PRESETS)
    timed = about.seconds is not None
    if name == "auto":
        many = timed and not about.counted and about.rows >= IMAGES_ROWS
        name = "table" if about.table else "images" if many else "book"
    if name == "book":
        return Preset()
    known = _table(about) if name == "table" else _images()
    trials = {"trials": TIMED_TRIALS} if timed else {}
    return Preset(known.settings | trials, known.space)


def _table(about: About) -> Preset:
    classes, timed = about.task == "classification", about.seconds is not None
    searching: dict[str, Any] = {
        "trials": 54,
        "metric": "loss" if classes else AUTO,
        "sampler": "tpe",
        "pruning": "halving",
        "pack_size": 27,
        "final": 0,
        "ensemble_top": 8,
        "ensemble": "greedy",
    }
    if about.rows > FEW_ROWS:
        searching["validation_fraction"] = 0.1
    if timed and about.folding and FOLDS <= about.rows <= FEW_ROWS:
        searching["folds"] = FOLDS
    elif timed and about.folding and about.rows > FEW_ROWS:
        searching["ensemble_folds"] = ENSEMBLE_FOLDS
    epochs = _epochs(about, searching.get("folds", 1))
    searching["first_epochs"] = epochs // 9
    training = {
        "hidden": "128x2",
        "optimizer": "adamw",
        "learning_rate": 0.002,
        "weight_decay": 0.02,
        "dropout": "0.2" if classes else "0.1",
        "schedule": "cosine",
        "batch_size": batch_size_of(about.rows),
        "epochs": epochs,
        "early_stopping": 2 * epochs // 9,
        "train_score": "running",
    }
    if about.task == "regression":
        training["relative_rate"] = RELATIVE_RATE
        if about.single:
            training["heads"] = HEADS
    space = {
        "hidden": "choice:128,128x2,256x2,64x3",
        "learning_rate": "log:0.0003:0.01",
        "weight_decay": "log:0.001:1.0",
        "dropout": "uniform:0.0:0.5" if classes else "uniform:0.0:0.2",
    }
    return Preset(searching | training, space)


def _epochs(about: About, folds: int) -> int:
    """Return the epochs of a table's networks."""
    if about.task != "regression":
        return _EPOCHS
    if about.single:
        return 2 * _EPOCHS
    seconds = about.seconds or 0.0
    fitting = (n for rows, least, n in _LONGER if seconds >= least and about.rows * folds <= rows * seconds)
    return next(fitting, _EPOCHS)


def _images() -> Preset:
    searching = {
        "trials": 18,
        "metric": AUTO,
        "validation_fraction": 0.1,
        "pruning": "halving",
        "pack_size": 9,
        "first_epochs": 4,
        "final": 0,
        "ensemble_top": 8,
        "ensemble": "greedy",
    }
    training = {
        "hidden": "512x2",
        "optimizer": "adamw",
        "learning_rate": 0.001,
        "weight_decay": 0.01,
        "dropout": "0.2",
        "schedule": "cosine",
        "batch_size": 128,
        "epochs": 12,
        "early_stopping": 12,
        "train_score": "running",
    }
    space = {
        "hidden": "choice:256x2,512,512x2",
        "learning_rate": "log:0.0005:0.003",
        "weight_decay": "log:0.001:0.3",
        "dropout": "uniform:0.1:0.4",
    }
    return Preset(searching | training, space)


def usual_config(*, rows: int, table: bool, task: str = "classification") -> TrainConfig:
    """Return the settings of a single training that is given none; the arguments are those of `About`.

    Examples
    --------
    >>> usual_config(rows=500, table=True).optimizer, usual_config(rows=500, table=False).optimizer
    ('adamw', 'sgd')
    """
    return train_config_from(preset_of("auto", About(rows=rows, table=table, task=task, single=True)).training)


def batch_size_of(rows: int) -> int:
    """Return the batch size for a number of samples.

    Examples
    --------
    >>> [batch_size_of(rows) for rows in (500, 5_000, 20_000, 1_000_000)]
    [64, 128, 128, 512]
    """
    return next((batch for most, batch in _BATCHES if rows <= most), _LARGEST_BATCH)
