"""The task that a target asks for, and how sure that is."""

from __future__ import annotations

from typing import Any

import pytest

from fastnet.data.tables.columns import Column
from fastnet.data.tables.task import Task, task_of
from fastnet.errors import DataError


def column(kind: str, distinct: int, low: float = 0.0, high: float = 1.0, **facts: Any) -> Column:
    return Column("t", kind, 1000, 0, distinct, low, high, **facts)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (column("boolean", 2), ("classification", True)),
        (column("category", 26), ("classification", True)),
        (column("ordered", 5), ("classification", True)),
        (column("number", 2, 1.0, 5.0, whole=True), ("classification", True)),
        (column("number", 2, 0.5, 1.5), ("regression", True)),
        (column("number", 9, 1.0, 9.0, whole=True), ("classification", False)),
        (column("number", 9, 1.0, 40.0, whole=True), ("regression", False)),
        (column("number", 9, 1.0, 9.0), ("regression", True)),
        (column("number", 900, 1.0, 900.0, whole=True), ("regression", True)),
        (column("identifier", 900, 1.0, 900.0, whole=True), ("regression", False)),
        (column("text", 300), ("classification", False)),
    ],
)
def test_task(target: Column, expected: tuple[str, bool]) -> None:
    made = task_of([target])
    assert (made.kind, made.sure) == expected
    assert made.why.startswith("t has")


def test_several_targets() -> None:
    number, truth = column("number", 500), column("boolean", 2)
    assert task_of([number, number]) == Task("regression", True, "all 2 targets are numbers")
    assert task_of([truth, truth, truth]) == Task("multilabel", True, "all 3 targets have two values")


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        ([column("constant", 1, why="every value is 3")], "t cannot be predicted: every value is 3"),
        ([column("date", 90)], "t holds dates"),
        ([column("text", 5000)], "t cannot be predicted: it has 5,000 different texts"),
        ([column("identifier", 900, float("nan"))], "t cannot be predicted: it has a different text in every row"),
        ([column("number", 9), column("category", 3)], "t is of kind category.* all numbers, or all of two values"),
    ],
)
def test_targets_refused(targets: list[Column], says: str) -> None:
    with pytest.raises(DataError, match=says):
        task_of(targets)


@pytest.mark.parametrize(
    ("target", "task"), [(column("number", 9, whole=True), "classification"), (column("boolean", 2), "classification"),
                         (column("number", 2), "regression")]
)  # fmt: skip
def test_chosen_tasks(target: Column, task: str) -> None:
    assert task_of([target], task) == Task(task, True, "it was chosen")


@pytest.mark.parametrize(
    ("targets", "task", "says"),
    [
        ([column("category", 3)], "regression", "task='regression': t is of kind category; .* numbers"),
        ([column("number", 5000)], "classification", "t has 5,000 different values; .* at most 1,000 classes"),
        ([column("number", 9), column("number", 9)], "classification", "one target"),
        ([column("number", 9), column("number", 9)], "multilabel", "two values"),
        (
            [column("number", 9)],
            "clustering",
            "unknown task 'clustering'; choose auto, classification, regression or m",
        ),
    ],
)
def test_chosen_tasks_refused(targets: list[Column], task: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        task_of(targets, task)
