"""Columns: cells as numbers, and the kinds that a user chooses."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from fastnet.data.tables.columns import Column, choices_of, listed
from fastnet.errors import ConfigError

NAN = float("nan")


def column(kind: str, **facts: object) -> Column:
    return Column("a", kind, 9, 0, 3, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "cells", "expected"),
    [
        (column("number"), ["1.5", "x", None, "-999"], [1.5, NAN, NAN, -999]),
        (column("number", sentinels=(-999.0,)), ["1.5", "-999.0"], [1.5, NAN]),
        (column("number", decimal=","), ["1,5", "1.000,5"], [1.5, 1000.5]),
        (column("number"), [1, None, 3], [1, NAN, 3]),
        (column("category", levels=("b", "1")), ["1.0", "b", "c", "NA"], [1, 0, -1, NAN]),
        (column("category", levels=("2", "1")), [1.0, 2.0, 3.5, None], [1, 0, -1, NAN]),
        (column("category", levels=("2", "1")), [1, 2, 3, None], [1, 0, -1, NAN]),
        (column("ordered", levels=("low", "high")), ["high", "low", "mid"], [1, 0, -1]),
        (column("boolean", levels=("False", "True")), [True, False, None], [1, 0, NAN]),
        (column("boolean", levels=("false", "true")), ["TRUE", "False", "?"], [1, 0, NAN]),
        (column("date", formats=("%d.%m.%Y",)), ["02.01.1970", "1970-01-02"], [86400, NAN]),
    ],
)
def test_values(made: Column, cells: list[object], expected: list[float]) -> None:
    np.testing.assert_array_equal(made.values(pa.array(cells)), expected)


def test_which_kinds_are_left_out() -> None:
    assert [column(kind).left_out for kind in ("number", "text", "constant", "identifier")] == [False, True, True, True]


def test_choices() -> None:
    names = ("a", "b=c", "d")
    assert choices_of(["a=category", "b=c=number"], names) == {"a": "category", "b=c": "number"}
    assert choices_of({"d": "ordered:x<y"}, names) == {"d": "ordered:x<y"}
    assert choices_of(["d=ordered:x=1<y=2"], names) == {"d": "ordered:x=1<y=2"}
    assert choices_of((), names) == {}


@pytest.mark.parametrize(
    ("types", "says"),
    [
        (["z=number"], "types: no column 'z'; the columns are a, b"),
        (
            ["a=integer"],
            "unknown kind 'integer' for column 'a'; choose one of number, category, .* ordered:low<mid<high",
        ),
        (["a"], "'a' is not of the form column=kind, as in a=category"),
        (["a=number", "a=text"], "column 'a' is named twice"),
        ({"a": "identifier"}, "unknown kind 'identifier'"),
    ],
)
def test_choices_refused(types: list[str] | dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        choices_of(types, ("a", "b"))


def test_listed_shows_unprintable_names_and_few() -> None:
    assert listed(["a\n", "b"]) == "'a\\n', b"
    assert listed([str(k) for k in range(1500)], most=2) == "0, 1, ... (1,500)"
