"""The kinds of the values of hyperparameters."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from fastnet.tuning.store.folder import DamagedError
from fastnet.tuning.store.kinds import found_types, types_of


@pytest.fixture
def execute() -> Any:
    """A file of trials, to which `execute.add` adds some."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE trials (id INTEGER PRIMARY KEY, params TEXT)")
    yield connection.execute
    connection.close()


def add(execute: Callable[..., Any], *params: dict[str, Any]) -> None:
    for each in params:
        execute("INSERT INTO trials (params) VALUES (?)", (json.dumps(each),))


def test_the_names_settle_most_kinds(execute: Any) -> None:
    names = ("batch_size", "dropout_1", "hidden", "learning_rate")
    assert types_of(names, execute) == dict.fromkeys(names, "real")
    add(execute, {"batch_size": 16, "dropout_1": 0, "hidden": "8", "learning_rate": 1})
    expected = {"batch_size": "integer", "dropout_1": "integer", "hidden": "text", "learning_rate": "integer"}
    assert types_of(names, execute) == expected
    add(execute, {"batch_size": 16, "dropout_1": 0, "hidden": "8", "learning_rate": 0.5})
    assert types_of(names, execute) == expected | {"learning_rate": "real"}


def test_without_a_space_the_trials_settle_them(execute: Any) -> None:
    assert found_types(execute) == {}
    add(execute, {"a": 1, "b": 1, "c": 0.5}, {"b": 0.5, "c": "x"})
    assert found_types(execute) == {"a": "integer", "b": "real", "c": "text"}
    add(execute, {"a": [1]})
    with pytest.raises(DamagedError):
        found_types(execute)
