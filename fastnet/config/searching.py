"""The settings of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fastnet.config.checks import MAX_NETWORKS, check_choice, check_count, check_range
from fastnet.config.metric import CHOICES, metric_of_objective
from fastnet.config.objective import AUTO, objective_for
from fastnet.config.text import (
    LEAST_FOLDS,
    MAX_CANDIDATES,
    MOST_FOLDS,
    format_dropout,
    format_hidden,
    parse_candidates,
    parse_folds,
)
from fastnet.config.training import TrainConfig
from fastnet.errors import ConfigError
from fastnet.scalars import make_plain, plain

SAMPLERS = ("random", "sobol", "grid", "tpe")
OPTUNA, GIVEN = "optuna:", "given:"
"""What the name of a sampler begins with if it is one of Optuna's, or the class of an object that was given."""
MOST_POINTS = 10_000
"""Most points that a search can try first."""
EXAMPLE = '{"learning_rate": "log:1e-6:1e-2"}'
"""A space, for messages."""
PRUNINGS = ("none", "halving", "median")
ENSEMBLES = ("average", "greedy")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    """The settings of a search: its trials, their ranges, and what follows the last of them.

    Parameters
    ----------
    trials : int
        Total number of trials of the study, including those already stored; stages share them.
    space : dict of str to str
        Text form of a distribution per searched hyperparameter, such as ``{"learning_rate": "log:1e-6:1e-2"}``;
        read and checked by `fastnet.tuning.space.space.Space`. Defaults to the ranges of section 6.5.3 of the book.
    enqueue : sequence of mappings
        Points that are tried first, as trials 0, 1, ...: values of some or all searched names; the sampler draws the
        others. At most `MOST_POINTS`.
    train : TrainConfig
        Everything that is not searched. Its ``seed`` is the seed of the study. With ``early_stopping``, a trial ends
        after that many epochs without a better `metric`; its value and its network are those of its best epoch.
    validation_fraction : float
        Share of the training data set aside for validation, in (0, 1).
    folds : int or None
        Stratified folds of a cross-validation, at least 2, instead of one validation part; a trial's value is the
        mean over them.
    sampler : {"random", "sobol", "grid", "tpe"}, or a name such as "optuna:TPESampler"
        How trials are placed in the ranges; ``tpe`` learns from earlier trials where good ones lie. After ``optuna:``
        stands a sampler of that package. `fastnet.search` also takes an object, whose class then stands after
        ``given:``.
    levels : int
        Points per range on a grid.
    pruning : {"none", "halving", "median"}
        Which trials end early: none; all but the best ``1 / eta`` at every rung of epochs; those below the median.
    eta : int
        Factor between the rungs of halving, in trials and in epochs, at least 2.
    first_epochs : int
        Epochs before trials are compared for the first time.
    pack_size : int
        Consecutive trials that are compared with one another when pruning.
    metric : {"auto", "accuracy", "loss", "rmse", "mae", "pinball"}
        How trials are compared, on the validation data. Classes have ``accuracy`` and ``loss``, labels ``loss`` and
        ``accuracy``, numbers the score of their objective and ``loss``; ``auto`` is the first of the two, except with
        ``poisson``, where it is the loss. See `for_task`.
    stages : int
        Rounds of the search; after each, the ranges shrink to where the best trials lie.
    expand : bool
        Whether a range also moves beyond its border where the best trials pile up there.
    final : int
        Candidates that are trained again on fresh seeds at the end, to choose one; 0 or ``"none"`` for no choice.
    repeats : int
        Fresh seeds per candidate.
    ensemble_top : int
        Networks of the best trials that are combined into one model at the end, up to 1000; 0 for no such model.
    ensemble : {"average", "greedy"}
        How they are combined: each counts once, or each counts as often as it improves the validation result.
    ensemble_folds : int or None
        Folds on which each trial of the ensemble is trained at the end, at least 3: the validation samples are one, and
        the training samples are divided into the others. None, or ``"none"``, for the networks of the search alone.

    Raises
    ------
    ConfigError
        If a value is outside its range, or there are `ensemble_folds` with `folds` or without an ensemble.

    Examples
    --------
    >>> SearchConfig(trials=100).space["weight_decay"]
    'log:1e-08:0.0001'
    """

    trials: int = 100
    space: dict[str, str] = field(
        default_factory=lambda: {"learning_rate": "log:1e-06:0.01", "weight_decay": "log:1e-08:0.0001"}
    )
    train: TrainConfig = field(default_factory=TrainConfig)
    validation_fraction: float = 0.2
    folds: int | None = None
    sampler: str = "random"
    enqueue: Sequence[Mapping[str, Any]] = ()
    levels: int = 10
    pruning: str = "none"
    eta: int = 3
    first_epochs: int = 5
    pack_size: int = 81
    metric: str = AUTO
    stages: int = 1
    expand: bool = False
    final: int = 5
    repeats: int = 3
    ensemble_top: int = 0
    ensemble: str = "average"
    ensemble_folds: int | None = None

    def __post_init__(self) -> None:
        make_plain(self)
        if isinstance(self.space, Mapping):
            object.__setattr__(self, "space", {plain(name): plain(text) for name, text in self.space.items()})
        else:
            raise ConfigError(f"space={str(self.space)[:40]!r}: must be names with their ranges, as in {EXAMPLE}")
        check_count("trials", self.trials, high=2**32 - 1)
        check_range("validation_fraction", self.validation_fraction, 0.0, 1.0, open_low=True)
        if self.folds is not None:
            check_count("folds", self.folds, low=2, high=100)
        check_sampler(self.sampler)
        object.__setattr__(self, "enqueue", _points(self.enqueue))
        check_count("levels", self.levels, low=2, high=10_000)
        check_choice("pruning", self.pruning, PRUNINGS)
        check_count("eta", self.eta, low=2, high=100)
        check_count("first_epochs", self.first_epochs)
        check_count("pack_size", self.pack_size, low=2, high=100_000)
        check_choice("metric", self.metric, CHOICES)
        check_count("stages", self.stages, high=100)
        if self.stages > self.trials:
            raise ConfigError(f"stages={self.stages}: {self.trials} trials cannot be shared among them; choose fewer")
        if not isinstance(self.expand, bool):
            raise ConfigError(f"expand={self.expand!r}: must be true or false")
        if isinstance(self.final, str):
            object.__setattr__(self, "final", parse_candidates(self.final))
        check_count("final", self.final, low=0, high=MAX_CANDIDATES)
        check_count("repeats", self.repeats, high=1000)
        check_count("ensemble_top", self.ensemble_top, low=0, high=MAX_NETWORKS)
        check_choice("ensemble", self.ensemble, ENSEMBLES)
        if isinstance(self.ensemble_folds, str):
            object.__setattr__(self, "ensemble_folds", parse_folds(self.ensemble_folds))
        if self.ensemble_folds is not None:
            self._check_ensemble_folds(self.ensemble_folds)

    def _check_ensemble_folds(self, n_folds: int) -> None:
        check_count("ensemble_folds", n_folds, low=LEAST_FOLDS, high=MOST_FOLDS)
        if self.folds is not None:
            raise ConfigError(
                f"ensemble_folds={n_folds}: with folds={self.folds} all samples train networks of a trial as it is; "
                "leave one of the two out"
            )
        if not self.ensemble_top:
            raise ConfigError(
                f"ensemble_folds={n_folds}: with ensemble_top=0 there is no ensemble to train; choose a larger "
                "ensemble_top or 'none' as ensemble_folds"
            )

    def for_task(self, task: str) -> SearchConfig:
        """Replace ``auto`` as metric and as objective by what it means for data of a task.

        The objective of classes stays ``auto``, as in studies made before there were others.

        Parameters
        ----------
        task : {"classification", "regression", "multilabel"}
            See `fastnet.data.Dataset`.

        Raises
        ------
        ConfigError
            If the metric or the objective does not suit the task.

        Examples
        --------
        >>> SearchConfig().for_task("classification").metric, SearchConfig().for_task("regression").metric
        ('accuracy', 'rmse')
        """
        objective = objective_for(task, self.train.objective)
        metric = metric_of_objective(objective, self.metric)
        if task == "classification":
            return replace(self, metric=metric)
        return replace(self, metric=metric, train=replace(self.train, objective=objective))


def check_sampler(name: object) -> None:
    """Raise `ConfigError` unless a value names a sampler; whether Optuna has it is found out when it is built."""
    for prefix in (OPTUNA, GIVEN):
        if isinstance(name, str) and name.startswith(prefix) and name.removeprefix(prefix).isidentifier():
            return
    if name not in SAMPLERS:
        raise ConfigError(
            f"sampler={name!r}: must be one of {', '.join(SAMPLERS)}, or optuna:NAME, such as optuna:TPESampler"
        )


def _points(given: object) -> tuple[dict[str, Any], ...]:
    """Return points with plain values, without those that are None."""
    if isinstance(given, (str, Mapping)) or not isinstance(given, Sequence):
        raise ConfigError(f"enqueue={str(given)[:40]!r}: must be a list of mappings from names to values")
    if len(given) > MOST_POINTS:
        raise ConfigError(f"enqueue: {len(given)} points are more than {MOST_POINTS}; give fewer")
    points = []
    for number, point in enumerate(given, start=1):
        if not isinstance(point, Mapping):
            raise ConfigError(f"enqueue, point {number}: {str(point)[:40]!r} is not a mapping from names to values")
        values = {str(name): plain(value) for name, value in point.items()}
        points.append({name: value for name, value in values.items() if value is not None})
    return tuple(points)


def as_settings(config: Any) -> dict[str, Any]:
    """Flatten a configuration into JSON-ready names and values, with `hidden` in its text form.

    An omitted learning rate is written as the optimizer's default, or as None if the optimizer is searched. The same
    holds for initial values and the activation.

    Examples
    --------
    >>> as_settings(TrainConfig(hidden=(64, 64)))["hidden"]
    '64x2'
    """
    if isinstance(config, TrainConfig):
        config = config.resolved()
    values = {name: getattr(config, name) for name in config.__dataclass_fields__}
    if "hidden" in values:
        values["hidden"] = format_hidden(values["hidden"])
    for name in ("dropout", "quantiles"):
        if isinstance(values.get(name), tuple):
            values[name] = format_dropout(values[name])
    if "enqueue" in values:
        values["enqueue"] = [dict(point) for point in values["enqueue"]]
    if isinstance(train := values.get("train"), TrainConfig):
        values["train"] = as_settings(train)
        for name, other in (("learning_rate", "optimizer"), ("init", "activation")):
            if other in values["space"] and getattr(train, name) is None:
                values["train"][name] = None
    return values
