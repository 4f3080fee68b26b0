"""What a column that is to be predicted asks for: classes or numbers."""

from __future__ import annotations

from dataclasses import dataclass

from fastnet.data.columns import Column
from fastnet.errors import DataError

MOST_CLASSES = 1000
"""Most classes of a text column that is taken as a target."""

FEW_NUMBERS = 20
"""Whole numbers with at most this many values may be classes."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be learnt.

    Attributes
    ----------
    kind : {"classification", "regression"}
    sure : bool
        Whether it follows without doubt.
    why : str
        The reason, as a clause.
    """

    kind: str
    sure: bool
    why: str


def task_of(column: Column) -> Task:
    """Decide the task of a target column.

    Raises
    ------
    DataError
        If the column cannot be a target.

    Examples
    --------
    >>> task_of(Column("price", "number", 1000, 0, 412, 0.5, 99.5))
    Task(kind='regression', sure=True, why='price has 412 different numbers')
    >>> task_of(Column("class", "number", 1000, 0, 9, 1.0, 9.0, whole=True)).sure
    False
    """
    name, distinct = column.name, column.distinct
    if column.kind == "constant":
        raise DataError(f"{name} cannot be predicted: {column.why}")
    if column.kind in ("boolean", "category", "ordered"):
        return Task("classification", True, f"{name} has {distinct} different values")
    if column.kind == "number":
        if distinct == 2:
            return Task("classification", True, f"{name} has two values")
        if column.whole and distinct <= FEW_NUMBERS:
            consecutive = column.high - column.low == distinct - 1
            words = f"{name} has only {distinct} whole numbers, {column.low:g} to {column.high:g}"
            return Task("classification" if consecutive else "regression", False, words)
        return Task("regression", True, f"{name} has {distinct:,} different numbers")
    if column.kind == "date":
        raise DataError(f"{name} holds dates, which cannot be predicted; choose another target")
    if column.kind == "text" and distinct <= MOST_CLASSES:
        return Task("classification", False, f"{name} has {distinct:,} different texts")
    raise DataError(f"{name} cannot be predicted: {column.why}")
