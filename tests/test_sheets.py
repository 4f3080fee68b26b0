"""Cells of CSV exports: texts that a spreadsheet would carry out begin with an apostrophe."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastnet.sheets import harmless, harmless_row

FORMULAS = ("=1+1", "+A1", "-A1", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1", "=", "-", "-1+cmd|' /C calc'!A0", "＝1+1")


@pytest.mark.parametrize("cell", FORMULAS)
def test_formulas_begin_with_an_apostrophe(cell: str) -> None:
    assert harmless(cell) == "'" + cell.replace("\r", "\n")


def test_no_cell_becomes_two_rows() -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(harmless_row(["a\r=evil()", "b\r\n=evil()"]))
    assert [*csv.reader(io.StringIO(text.getvalue(), newline=""))] == [["a\n=evil()", "b\n=evil()"]]


@pytest.mark.parametrize(
    "cell", ["", "a", "a=b", "'=1", "-1", "+5", "-1.5e-3", "-.5", "+49,1", "-inf", -1, 0.5, None, True]
)
def test_everything_else_stays_as_it_is(cell: object) -> None:
    assert harmless(cell) is cell


@example(["\r0"])
@example([""])
@given(st.lists(st.text(), min_size=1))
def test_no_cell_of_a_written_row_is_a_formula(cells: list[str]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(harmless_row(cells))
    [row] = csv.reader(io.StringIO(text.getvalue(), newline=""))
    cells = [cell.replace("\r\n", "\n").replace("\r", "\n") for cell in cells]
    for cell in row:
        if cell.startswith(tuple("=+-@\t\n")):
            float(cell.replace(",", "").rstrip("%"))  # a number
    assert [cell.removeprefix("'") for cell in row] == [cell.removeprefix("'") for cell in cells]
