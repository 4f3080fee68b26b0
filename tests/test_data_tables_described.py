"""Descriptions of a table's columns from files: each attribute has the type that it should have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fastnet.config.reading import Reading
from fastnet.data.readers.table import read_table
from fastnet.data.schema import Schema
from fastnet.errors import DataError

TABLE = {
    "size": [0.5 * k for k in range(12)],
    "day": [f"2024-05-{k + 1:02}" for k in range(12)],
    "kind": ["a", "b"] * 6,
}


def described() -> dict[str, Any]:
    schema = read_table(TABLE, Reading("kind", test="none")).schema
    assert schema is not None
    made: dict[str, Any] = json.loads(json.dumps(schema.to_dict()))
    return made


def test_a_description_is_read_as_it_was_written() -> None:
    assert Schema.from_dict(described()).to_dict() == Schema.from_dict(described()).to_dict() != {}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        *((("columns", 0, name), 5) for name in ("name", "kind", "decimal", "levels", "formats", "parts", "why")),
        *((("columns", 0, name), "x") for name in ("rows", "missing", "low", "high", "kind", "decimal", "sentinels")),
        *((("columns", 2, "levels"), [1, None]), (("columns", 1, "formats"), ["%Q"]), (("columns", 1, "parts"), ["x"])),
        (("columns", 1, "name"), "size"),
        *((("fields", 0, name), ["x"]) for name in ("name", "kind", "column", "offset")),
        (("fields", 0, "column"), "other"),
        *((("targets",), ["other"]), (("targets",), [5]), (("task",), "guess"), (("group",), "other"), (("time",), 5)),
        *((("left_out",), [["a"]]), (("left_out",), [5]), (("notes",), [5]), (("weights",), ["size"])),
    ],
)
def test_other_types_and_unknown_names_are_refused(place: tuple[Any, ...], value: object) -> None:
    made: Any = described()
    inner = made
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(DataError, match=r"^the description of .* is damaged"):
        Schema.from_dict(made)
