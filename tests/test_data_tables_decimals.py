"""The decimal sign of a text file, told from thousands."""

from __future__ import annotations

import pytest

from fastnet.data.tables.decimals import decimal_of


@pytest.mark.parametrize(
    ("values", "delimiter", "expected"),
    [
        (["1.5", "2"], ",", (".", True, False)),
        (["1,5", "2"], ";", (",", True, False)),
        (["0,125", "0,250"], ";", (",", True, False)),
        (["1.234,5"], ";", (",", True, False)),
        (["1,234,567", "12,000"], ";", (".", True, False)),
        (["1.234.567", "12.000"], ";", (",", True, False)),
        (["1,234", "2,345"], ",", (".", False, True)),
        (["1,234", "2,345"], ";", (",", False, True)),
        (["1.234", "2.345"], ";", (".", False, True)),
        (["850", "12", "1.200", "1.300", "2.000", "3.100", "9.500"], ";", (",", True, False)),
        (["850", "12", "1,200", "1,300", "2,000", "3,100", "9,500"], ";", (".", True, False)),
        (["1\u202f234,5", "2 345,25", "1'000,5"], ";", (",", True, False)),
        (["28.05.2022", "x"], ";", (".", False, False)),
        ([], ";", (".", False, False)),
    ],
)
def test_the_sign(values: list[str], delimiter: str, expected: tuple[str, bool, bool]) -> None:
    assert decimal_of([[value] for value in values], delimiter) == expected


def test_columns_decide_together() -> None:
    rows = [["1.234", "0,5"], ["2.345", "1,5"]]
    assert decimal_of(rows, ";") == (",", True, True)
    assert decimal_of([*rows, ["7.25"], ["1.5"], ["2.5"]], ";").sign == "."
