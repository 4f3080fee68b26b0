"""What a network learns: targets in the form of its objective, and how much each sample counts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastnet.config.objective import check_classes_only, check_corrections, objective_for
from fastnet.config.training import TrainConfig
from fastnet.data.dataset import Dataset
from fastnet.data.pipeline.targets import TargetScaler, fit_targets
from fastnet.data.splitting import Split
from fastnet.errors import ConfigError, DataError

Floats = npt.NDArray[np.float32]


class Goal(NamedTuple):
    """What a network learns.

    Attributes
    ----------
    objective : str
        Name in `fastnet.kernels.objective.OBJECTIVES`.
    targets : (N,) int64 or (N, K) float32
        Classes or numbers, as the objective requires.
    weights : (N,) float32 or None
        Weight of every sample, 1 on average over the training rows and over the validation rows.
    quantiles : tuple of float
        Levels that are learnt of every target; empty unless the objective is ``pinball``.
    scaler : TargetScaler or None
        How numbers were brought to the scale of `targets`; None for classes and labels.
    n_outputs : int
        Outputs of the network.
    """

    objective: str
    targets: npt.NDArray[Any]
    weights: Floats | None
    quantiles: tuple[float, ...]
    scaler: TargetScaler | None
    n_outputs: int


def goal_of(dataset: Dataset, split: Split, config: TrainConfig) -> Goal:
    """Return what networks with these settings learn of a data set; scales are learnt from its training rows."""
    objective = objective_for(dataset.task, config.objective)
    check_classes_only(objective, config.class_weight, config.label_smoothing)
    check_corrections(objective, config.calibration, config.threshold)
    if config.threshold is not None and dataset.n_classes != 2:
        raise ConfigError(
            f"threshold={config.threshold!r}: {dataset.name} has {dataset.n_classes} classes, and a threshold decides "
            "between two; leave it out"
        )
    weights = weights_of(dataset, split, config)
    if dataset.task == "classification":
        return Goal(objective, np.array(dataset.y, np.int64), weights, (), None, dataset.n_outputs)
    if dataset.task == "multilabel":
        return Goal(objective, np.array(dataset.y, np.float32), weights, (), None, dataset.n_outputs)
    if objective == "poisson":
        _check_counts(dataset)
    scaler = fit_targets(dataset.y, split.train, weights, standardise=objective != "poisson")
    quantiles = config.quantiles if objective == "pinball" else ()
    return Goal(objective, scaler.apply(dataset.y), weights, quantiles, scaler, n_outputs_of(dataset, config))


def n_outputs_of(dataset: Dataset, config: TrainConfig) -> int:
    """Return the outputs of a network that learns a data set: one a class or target, or one a quantile of each target.

    Examples
    --------
    >>> from fastnet.data import as_dataset
    >>> n_outputs_of(as_dataset([[0.0], [1.0], [2.0]], ["a", "b", "c"]), TrainConfig())
    3
    """
    pinball = objective_for(dataset.task, config.objective) == "pinball"
    return dataset.n_outputs * (len(config.quantiles) if pinball else 1)


def _check_counts(dataset: Dataset) -> None:
    negative = np.argwhere(dataset.y < 0)
    if len(negative):
        row, target = negative[0].tolist()
        raise DataError(
            f"objective='poisson': {dataset.class_names[target]} is {dataset.y[row, target]:g} in sample {row}, and "
            "counts cannot be below 0; choose squared-error"
        )


def weights_of(dataset: Dataset, split: Split, config: TrainConfig) -> Floats | None:
    """Return the weight of every sample, with that of its class, 1 on average over each part; None if all are 1."""
    if dataset.weights is None and config.class_weight is None:
        return None
    weights = np.ones(len(dataset.y)) if dataset.weights is None else dataset.weights.astype(np.float64)
    if config.class_weight == "balanced":
        weights = weights * balanced(dataset.y[split.train], weights[split.train], dataset.n_classes)[dataset.y]
    scaled = np.ones(len(weights), np.float32)
    for rows, part in ((split.train, "training"), (split.validation, "validation")):
        mean = weights[rows].mean()
        if not mean > 0.0:
            raise DataError(f"all {len(rows)} {part} samples have the weight 0; give some of them a weight above 0")
        scaled[rows] = weights[rows] / mean
    return scaled


def balanced(labels: npt.NDArray[Any], weights: npt.NDArray[Any], n_classes: int) -> npt.NDArray[np.float64]:
    """Return a factor for each class, so that all classes of some samples have the same total weight.

    A class without a sample has the factor 1.

    Examples
    --------
    >>> balanced(np.array([0, 0, 0, 1]), np.ones(4), 3).round(3).tolist()
    [0.667, 2.0, 1.0]
    """
    totals = np.bincount(labels, weights, n_classes)
    there = totals > 0
    share = totals.sum() / max(int(there.sum()), 1)
    return np.where(there, share / np.where(there, totals, 1.0), 1.0)
