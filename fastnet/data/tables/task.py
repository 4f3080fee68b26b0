"""What the columns that are to be predicted ask for: classes, numbers or labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastnet.data.tables.columns import Column
from fastnet.errors import DataError

TASKS = ("classification", "regression", "multilabel")

MOST_CLASSES = 1000
"""Most classes of a target."""

FEW_NUMBERS = 20
"""Whole numbers with at most this many values may be classes."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be learnt.

    Attributes
    ----------
    kind : {"classification", "regression", "multilabel"}
    sure : bool
        Whether it follows without doubt.
    why : str
        The reason, as a clause.
    """

    kind: str
    sure: bool
    why: str


def task_of(targets: Sequence[Column], task: str = "auto") -> Task:
    """Decide the task, or check the one that is chosen.

    Raises
    ------
    DataError
        If a column cannot be a target of that task, or the task is unknown.

    Examples
    --------
    >>> task_of([Column("price", "number", 1000, 0, 412, 0.5, 99.5)])
    Task(kind='regression', sure=True, why='price has 412 different numbers')
    >>> task_of([Column("class", "number", 1000, 0, 9, 1.0, 9.0, whole=True)]).sure
    False
    """
    for target in targets:
        if target.kind == "constant":
            raise DataError(f"{target.name} cannot be predicted: {target.why}")
        if target.kind == "date":
            raise DataError(f"{target.name} holds dates, which cannot be predicted; choose another target")
    if task != "auto":
        return _checked(targets, task)
    if len(targets) == 1:
        return _of_one(targets[0])
    if all(target.kind == "boolean" for target in targets):
        return Task("multilabel", True, f"all {len(targets)} targets have two values")
    other = next((target for target in targets if not _is_numeric(target)), None)
    if other is not None:
        raise DataError(
            f"target {other.name} is of kind {other.kind}: several targets must be all numbers, or all of two values; "
            "give one target, or train a model for each"
        )
    return Task("regression", True, f"all {len(targets)} targets are numbers")


def _of_one(target: Column) -> Task:
    name, distinct = target.name, target.distinct
    two = target.kind == "number" and target.whole and distinct == 2
    if two or target.kind in ("boolean", "category", "ordered"):
        return Task("classification", True, f"{name} has {distinct} different values")
    if target.kind == "number" and target.whole and distinct <= FEW_NUMBERS:
        consecutive = target.high - target.low == distinct - 1
        words = f"{name} has only {distinct} whole numbers, {target.low:g} to {target.high:g}"
        return Task("classification" if consecutive else "regression", False, words)
    if _is_numeric(target):
        return Task("regression", target.kind == "number", f"{name} has {distinct:,} different numbers")
    every = target.kind == "identifier" or distinct == target.rows - target.missing
    if target.kind == "text" and distinct <= MOST_CLASSES and not every:
        return Task("classification", False, f"{name} has {distinct:,} different texts")
    what = "a different text in every row" if every else f"{distinct:,} different texts"
    raise DataError(f"{name} cannot be predicted: it has {what}")


def _checked(targets: Sequence[Column], task: str) -> Task:
    if task not in TASKS:
        raise DataError(f"task={task!r}: unknown task {task!r}; choose auto, classification, regression or multilabel")
    for target in targets:
        named = f"task={task!r}: {target.name}"
        if task == "regression" and not _is_numeric(target):
            raise DataError(f"{named} is of kind {target.kind}; regression needs targets that are numbers")
        if task == "multilabel" and target.distinct != 2:
            raise DataError(f"{named} has {target.distinct:,} different values; labels have two values each")
        if task == "classification" and target.distinct > MOST_CLASSES:
            raise DataError(
                f"{named} has {target.distinct:,} different values; a target has at most {MOST_CLASSES:,} classes"
            )
    if task == "classification" and len(targets) > 1:
        raise DataError(
            f"task={task!r}: {len(targets)} targets are given, where classification has one target; choose multilabel, "
            "or one target"
        )
    return Task(task, True, "it was chosen")


def _is_numeric(target: Column) -> bool:
    """Whether a target holds numbers: an identifier's range shows that it has some."""
    zero_one = target.kind == "boolean" and set(target.levels) <= {"0", "1"}
    return target.kind == "number" or zero_one or (target.kind == "identifier" and target.low <= target.high)
