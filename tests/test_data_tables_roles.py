"""Names of columns are checked, and every column that is no feature has a reason."""

from __future__ import annotations

from typing import Any

import pytest

from fastnet.data.tables.columns import Column
from fastnet.data.tables.roles import Roles, roles_of
from fastnet.errors import DataError

KINDS = {"a": "number", "b": "text", "c": "category", "day": "date", "y": "number"}
COLUMNS = tuple(Column(name, kind, 9, 0, 5, why="some reason") for name, kind in KINDS.items())


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ({}, {"b": "text: some reason"}),
        ({"drop": ["c"]}, {"b": "text: some reason", "c": "dropped"}),
        ({"features": ["a"]}, dict.fromkeys(("b", "c", "day"), "not among the features chosen")),
        (
            {"time": "day", "weights": "a"},
            {"a": "the weight of a row", "b": "text: some reason", "day": "the time of a row"},
        ),
        ({"group": "c", "features": ["c"]}, dict.fromkeys(("a", "b", "day"), "not among the features chosen")),
        ({"group": "b"}, {"b": "the group of a row"}),
    ],
)
def test_left_out(roles: dict[str, Any], expected: dict[str, str]) -> None:
    assert roles_of(tuple(KINDS), "y", **roles).left_out(COLUMNS) == expected


def test_several_targets() -> None:
    assert roles_of(tuple(KINDS), ["y", "a"]) == Roles(("y", "a"))


@pytest.mark.parametrize(
    ("targets", "roles", "says"),
    [
        (None, {}, "no target is given: name the column to be predicted as target, such as 'y'; the columns are a, b"),
        ("z", {}, "target: no column 'z'; the columns are a"),
        ("Dy", {}, r"target: no column 'Dy'; did you mean 'day'\? The columns are a"),
        ("y", {"drop": ["q"]}, "drop: no column 'q'"),
        ("y", {"features": ["y"]}, "column 'y' is named as target and as features; name it once"),
        (["y", "y"], {}, "column 'y' is named twice as target"),
        ("y", {"weights": "a", "time": "a"}, "column 'a' is named as weights and as time"),
        ("y", {"weights": "a", "features": ["a"]}, "column 'a' is named as features and as weights"),
    ],
)
def test_names_refused(targets: Any, roles: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says):
        roles_of(tuple(KINDS), targets, **roles)


def test_features_refused() -> None:
    with pytest.raises(DataError, match=r"feature 'b' is of kind text \(some reason\) and cannot be used"):
        roles_of(tuple(KINDS), "y", features=["b"]).left_out(COLUMNS)
    with pytest.raises(DataError, match="no column is left to predict y from"):
        roles_of(tuple(KINDS), "y", drop=["a", "c", "day"]).left_out(COLUMNS)
