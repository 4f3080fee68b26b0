"""Objectives: what a network learns, by the task of its data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastnet.config.checks import LARGEST, check_choice, check_number, check_range
from fastnet.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

AUTO = "auto"

OF_TASK = {
    "classification": ("cross-entropy",),
    "regression": ("squared-error", "absolute-error", "huber", "pinball", "poisson"),
    "multilabel": ("binary-cross-entropy",),
}
"""Objectives of each task, its default first."""

OBJECTIVES = (AUTO, *(name for names in OF_TASK.values() for name in names))

CLASS_WEIGHTS = ("balanced",)

CALIBRATIONS = ("none", "temperature", "quantiles")
"""Ways to correct the answers of a trained model: the probabilities of classes, or quantiles."""

THRESHOLDS = ("accuracy", "balanced-accuracy", "f1", "mcc")
"""Metrics that a decision threshold can maximise."""

QUANTILES = (0.1, 0.5, 0.9)
"""Quantiles that are learnt by default: the median, and the borders that four of five values lie between."""

TASK_OF = {objective: task for task, names in OF_TASK.items() for objective in names}
"""The task of each objective."""

_TARGETS = {"classification": "classes", "regression": "numbers", "multilabel": "labels of 0 and 1"}


def parse_quantiles(text: str) -> tuple[float, ...]:
    """Read the text form of quantiles.

    Examples
    --------
    >>> parse_quantiles("0.1,0.5,0.9")
    (0.1, 0.5, 0.9)
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"quantiles={text!r}: write numbers between 0 and 1, such as 0.1,0.5,0.9") from None


def check_objective(
    objective: str, quantiles: Sequence[float], huber_delta: float, class_weight: str | None, label_smoothing: float
) -> None:
    """Raise `ConfigError` unless these settings are allowed, and allowed together."""
    check_choice("objective", objective, OBJECTIVES)
    check_quantiles(quantiles)
    check_range("huber_delta", huber_delta, 0.0, LARGEST, open_low=True, open_high=False)
    if class_weight is not None:
        check_choice("class_weight", class_weight, CLASS_WEIGHTS)
    if objective != AUTO:
        check_classes_only(objective, class_weight, label_smoothing)


def check_classes_only(objective: str, class_weight: str | None, label_smoothing: float) -> None:
    """Raise `ConfigError` if settings that concern classes are given with another objective."""
    if objective in OF_TASK["classification"]:
        return
    if label_smoothing > 0.0:
        raise ConfigError(
            f"label_smoothing={label_smoothing!r}: objective={objective!r} has no classes to spread a target over; "
            "leave it at 0"
        )
    if class_weight is not None:
        raise ConfigError(
            f"class_weight={class_weight!r}: objective={objective!r} has no classes to weight; leave it out"
        )


def check_corrections(objective: str, calibration: str | None, threshold: str | None) -> None:
    """Raise `ConfigError` unless what is learnt after the training is allowed with this objective."""
    if calibration is not None:
        check_choice("calibration", calibration, CALIBRATIONS)
    if threshold is not None:
        check_choice("threshold", threshold, THRESHOLDS)
    if calibration == "quantiles" and objective not in (AUTO, "pinball"):
        raise ConfigError(f"calibration='quantiles': objective={objective!r} has no quantiles; leave it out")
    if objective in (AUTO, *OF_TASK["classification"]):
        return
    wrong = calibration if calibration == "temperature" else None
    for name, value in (("calibration", wrong), ("threshold", threshold)):
        if value is not None:
            raise ConfigError(
                f"{name}={value!r}: objective={objective!r} has no probabilities of classes; leave it out"
            )


def check_quantiles(quantiles: object) -> None:
    """Raise `ConfigError` unless these are numbers between 0 and 1 in ascending order."""
    if not isinstance(quantiles, tuple) or not quantiles:
        raise ConfigError(f"quantiles={quantiles!r}: give at least one number between 0 and 1, such as (0.1, 0.5, 0.9)")
    numbers = [check_number("quantiles", level) for level in quantiles]
    for level, before in zip(numbers, (0.0, *numbers), strict=False):
        if not before < level < 1.0:
            raise ConfigError(f"quantiles={quantiles!r}: must be between 0 and 1, in ascending order, each once")


def objective_for(task: str, objective: str) -> str:
    """Return the objective for data of a task; raise `ConfigError` if the chosen one does not suit it.

    Examples
    --------
    >>> objective_for("regression", "auto"), objective_for("regression", "huber")
    ('squared-error', 'huber')
    """
    allowed = OF_TASK[task]
    if objective == AUTO:
        return allowed[0]
    if objective not in allowed:
        raise ConfigError(
            f"objective={objective!r}: the data hold {_TARGETS[task]}, so choose {' or '.join(allowed)}, or auto"
        )
    return objective


def unused_settings(objective: str, class_weight: str | None, **corrections: str | None) -> set[str]:
    """Return the settings of this module that have no effect; `corrections` are those of `check_corrections`.

    Studies leave them out, so that those made before there were objectives can go on.

    Examples
    --------
    >>> sorted(unused_settings("huber", None)), "objective" in unused_settings("auto", None)
    (['class_weight', 'quantiles'], True)
    """
    unused = {"objective"} if objective == AUTO else set()
    unused |= set() if objective == "pinball" else {"quantiles"}
    unused |= set() if objective == "huber" else {"huber_delta"}
    unused |= {name for name, value in corrections.items() if value is None}
    return unused | (set() if class_weight else {"class_weight"})
