"""Cells of a table: what is missing, numbers and dates written as text, levels."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from fastnet.data.tables.cells import date_of, formats_of, levels_of, numbers_of, order_of, other_way, plain, seconds_of
from fastnet.errors import DataError

NAN = float("nan")
DAY = 86400.0


def same(actual: Any, expected: Any) -> None:
    np.testing.assert_array_equal(np.asarray(actual, float), np.asarray(expected, float))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([" a ", "?", "N/A", None, "NaN", "None", "b", ""]), ["a", None, None, None, None, None, "b", None]),
        (pa.array([1.5, NAN, None]), [1.5, None, None]),
        (pa.array([Decimal("1.25"), None]), [1.25, None]),
        (pa.array(["x", "y", "x"]).dictionary_encode(), ["x", "y", "x"]),
        (pa.array([True, None]), [True, None]),
        (pa.array([date(1970, 1, 2), None]), [datetime(1970, 1, 2), None]),
        (pa.nulls(2), [None, None]),
        (pa.array(["a"], pa.large_string()), ["a"]),
    ],
)
def test_plain(values: pa.Array, expected: list[Any]) -> None:
    assert plain(values, "a").to_pylist() == expected


def test_plain_refuses_other_types() -> None:
    with pytest.raises(DataError, match=r"column 'a' has values of type list<.*drop the column"):
        plain(pa.array([[1], [2]]), "a")


@pytest.mark.parametrize(
    ("text", "decimal", "number"),
    [
        ("1", ".", 1), ("-1.5e3", ".", -1500), ("+.5", ".", 0.5), ("5.", ".", 5), ("$1,234.50", ".", 1234.5),
        ("12 %", ".", 12), ("1,234,567", ".", 1234567), ("€ 3", ".", 3), ("-$5", ".", -5), ("1,5", ",", 1.5),
        ("1.234,5", ",", 1234.5), ("12a", ".", NAN), ("1,23", ".", NAN), ("1e999", ".", NAN), ("inf", ".", NAN),
        ("1 2", ".", NAN), ("0x10", ".", NAN), ("٣", ".", NAN),
    ],
)  # fmt: skip
def test_numbers_of_text(text: str, decimal: str, number: float) -> None:
    same(numbers_of(pa.array([text]), decimal), [number])


def test_numbers_of_typed_values() -> None:
    same(numbers_of(pa.array([1, None, 3], pa.int8())), [1, NAN, 3])
    same(numbers_of(pa.array([1.5, float("inf")])), [1.5, NAN])
    same(numbers_of(pa.array([True, False, None])), [1, 0, NAN])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-02", DAY), ("1970-01-02 01:00", DAY + 3600), ("1970-01-02T00:00:00+01:00", DAY - 3600),
        ("02.01.1970", DAY), ("1970/01/02", DAY), ("Jan-1970", 0.0), ("2 Jan 1970", DAY), ("January 2, 1970", DAY),
        ("19700102", NAN), ("31.02.1970", NAN), ("hello", NAN), ("2-5", NAN),
    ],
)  # fmt: skip
def test_dates_are_read_in_the_format_found(text: str, seconds: float) -> None:
    formats = formats_of([text], 1.0)
    assert bool(formats) == (not np.isnan(seconds))
    same(date_of(text, formats), seconds)


def test_formats_are_the_fewest_that_fit() -> None:
    american = [f"{1 + k % 12:02d}/{1 + k % 28:02d}/2024" for k in range(60)]
    assert formats_of(american, 1.0) == ("%m/%d/%Y",)
    assert formats_of(["01/02/2024", "03/04/2024"], 1.0) == ("%d/%m/%Y",)
    assert formats_of(["2024-01-05", "5 Jan 2024"] * 3, 1.0) == ("ISO 8601", "%d %b %Y")
    assert formats_of(["2024-01-05"] * 99 + ["soon"], 0.98) == ("ISO 8601",)
    assert formats_of(["2024-01-05"] * 99 + ["soon"], 1.0) == ()
    assert other_way("%d/%m/%Y %H:%M") == "%m/%d/%Y %H:%M"
    assert other_way("%m/%d/%Y") == "%d/%m/%Y"


def test_seconds_of_typed_values() -> None:
    same(seconds_of(plain(pa.array([datetime(1970, 1, 2), None]), "a"), []), [DAY, NAN])
    same(
        seconds_of(plain(pa.array([DAY * 1e9], pa.float64()).cast(pa.int64()).cast(pa.timestamp("ns")), "a"), []), [DAY]
    )
    same(seconds_of(pa.array([1, 2]), ["ISO 8601"]), [NAN, NAN])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([1, None]), ["1", None]),
        (pa.array([1.0, 0.5, 1.0, None]), ["1", "0.5", "1", None]),
        (pa.array([True, False]), ["true", "false"]),
        (pa.array(["1.0", "a", "2.50", "v1.0"]), ["1", "a", "2.50", "v1.0"]),
    ],
)
def test_levels_of(values: pa.Array, expected: list[str | None]) -> None:
    assert levels_of(values).to_pylist() == expected


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ({"Ideal", "Fair", "Very Good", "Good", "Premium"}, ("Fair", "Good", "Very Good", "Premium", "Ideal")),
        ({"XL", "S", "M"}, ("S", "M", "XL")),
        ({"Feb", "Jan"}, ("Jan", "Feb")),
        ({"medium", "mid"}, ()),
        ({"low", "blue"}, ()),
    ],
)
def test_order_of(levels: set[str], expected: tuple[str, ...]) -> None:
    assert order_of(sorted(levels)) == expected


def test_decimal_commas_leave_dates_and_points_alone() -> None:
    texts = ["28.05.2022", "1.234,5", "1.5", "1,5", "12.345.678", "€ 1.234,50", "3,5 %", "-1.000"]
    same(numbers_of(pa.array(texts), ","), [NAN, 1234.5, 1.5, 1.5, 12345678, 1234.5, 3.5, -1000])
