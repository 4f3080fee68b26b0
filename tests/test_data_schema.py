"""A schema reads the table that it is from, and any other like it, and reports what differs."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import numpy as np
import pytest

from fastnet.data.schema import Schema, fields_of
from fastnet.data.tables.columns import Column
from fastnet.data.tables.scan import scan
from fastnet.data.tables.table import open_table
from fastnet.errors import DataError

NAN = np.nan
TABLE: dict[str, list[Any]] = {
    "size": [1.5, None, 3.0, 4.25],
    "colour": ["red", "blue", "red", None],
    "fit": ["low", "high", "medium", "low"],
    "new": [True, False, True, True],
    "day": [date(2024, 1, 1), date(2024, 1, 3), None, date(2024, 2, 1)],
    "stamp": [1_700_000_001, 1_700_000_002, 1_700_000_004, 1_700_000_004],
    "target": [0.5, 1.5, 2.5, 3.5],
}


def schema_of(table: dict[str, list[Any]] = TABLE) -> Schema:
    columns = scan(open_table(table))
    fields = tuple(field for column in columns if column.name != "target" for field in fields_of(column))
    return Schema(columns, fields, ("target",), "regression", left_out=(("x", "why"),), notes=("A note.",))


EXPECTED = {
    "size": [1.5, NAN, 3.0, 4.25],
    "colour": [0, 1, 0, NAN],
    "fit": [0, 2, 1, 0],
    "new": [1, 0, 1, 1],
    "day.month": [1, 1, NAN, 2],
    "day.day": [1, 3, NAN, 1],
    "day.weekday": [0, 2, NAN, 3],
    "day": [0, 2, NAN, 31],
    "stamp": [0, 1, 3, 3],
}


def test_features() -> None:
    schema = schema_of()
    made = schema.features(TABLE)
    assert made.dtype == np.float32 and made.flags.c_contiguous
    assert [field.name for field in schema.fields] == list(EXPECTED)
    np.testing.assert_array_equal(made, np.transpose(list(EXPECTED.values())).astype(np.float32))
    assert schema.features_from == ("size", "colour", "fit", "new", "day", "stamp")


def test_features_at_places() -> None:
    schema = schema_of()
    made = schema.features(TABLE, np.array([2, -1, 0, 1]))
    np.testing.assert_array_equal(made, schema.features(TABLE)[[2, 3, 0]])


def test_the_same_rows_from_text_and_from_types(tmp_path: Any) -> None:
    text = "target,stamp,day,new,fit,colour,size\n"
    for row in zip(*reversed(TABLE.values()), strict=True):
        text += ",".join("" if value is None else str(value) for value in row) + "\n"
    (tmp_path / "a.csv").write_text(text)
    schema = schema_of()
    np.testing.assert_array_equal(schema.features(tmp_path / "a.csv"), schema.features(TABLE))


def test_json_round_trip() -> None:
    schema = schema_of()
    again = Schema.from_dict(json.loads(json.dumps(schema.to_dict(), allow_nan=False)))
    assert repr(again) == repr(schema)
    np.testing.assert_array_equal(again.features(TABLE), schema.features(TABLE))


@pytest.mark.parametrize("change", [{"fields": None}, {"more": 1}, {"columns": [{"name": "a"}]}])
def test_a_damaged_description_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="description of the table's columns is damaged"):
        Schema.from_dict(schema_of().to_dict() | change)


def test_levels_that_are_not_those_of_the_inputs_are_refused() -> None:
    damaged = schema_of().to_dict()
    place = next(place for place, column in enumerate(damaged["columns"]) if column["name"] == "colour")
    damaged["columns"][place]["levels"] = ["red", "blue", "green"]
    with pytest.raises(DataError, match="their levels are not the inputs'"):
        Schema.from_dict(damaged)


def test_a_missing_column_is_refused() -> None:
    table = {name: values for name, values in TABLE.items() if name not in ("size", "fit")}
    with pytest.raises(DataError, match="columns 'size', 'fit' are missing; it has colour, new"):
        schema_of().features(table)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, []),
        ({"target": None}, []),
        ({"size": None}, ["Column 'size' is missing."]),
        ({"more": [1, 2, 3, 4]}, ["Column 'more' is unknown and is ignored."]),
        ({"size": ["a", "b", "c", "1"]}, ["Column 'size' has other values than numbers."]),
        ({"size": ["a", "2", "3", "1"]}, ["Column 'size' has 1 values that are no numbers."]),
        ({"colour": ["red", "green", "red", "pink"]}, ["Column 'colour' has 2 values that did not occur in training."]),
        ({"fit": [None, "low", "low", None]}, ["Column 'fit' has 2 missing values; in training it had none."]),
        ({"size": [None] * 4}, ["Column 'size' has no values."]),
        ({"day": ["x", "y", "2024-01-01", "z"]}, ["Column 'day' has other values than dates."]),
    ],
)
def test_check(change: dict[str, Any], says: list[str]) -> None:
    table = {name: values for name, values in (TABLE | change).items() if values is not None}
    assert schema_of().check(table) == says


def test_numbers_that_float32_would_not_keep_apart_are_shifted() -> None:
    def offset(low: float, high: float, whole: bool) -> float:
        return fields_of(Column("a", "number", 9, 0, 9, low, high, whole))[0].offset

    assert offset(0.0, 1e9, False) == 0.0
    assert offset(1.7e9, 1.7e9 + 5, False) == 1.7e9
    assert offset(2.0**25, 2.0**26, True) == 2.0**25
    assert offset(-3.0, 1000.0, True) == 0.0
