"""What columns hold is found out from all of their values, in batches of any size."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from fastnet.data.tables import scan as scan_module
from fastnet.data.tables.columns import Column
from fastnet.data.tables.scan import Scan, scan
from fastnet.data.tables.table import open_table
from fastnet.errors import DataError

LETTERS = [chr(97 + k % 26) + chr(97 + k // 26) for k in range(500)]


def looked_at(values: list[Any], choice: str = "", name: str = "a", step: int = 7) -> Column:
    one, array = Scan(name), pa.array(values)
    for start in range(0, len(values), step):
        one.add(array[start : start + step])
    return one.column(choice)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2.5", "3", "?"] * 9, "number"),
        ([1, 5, 5, 3] * 9, "number"),
        (["0", "1", None] * 9, "boolean"),
        ([0.0, 1.0] * 9, "boolean"),
        (["Yes", "no"] * 9, "boolean"),
        ([True, False] * 9, "boolean"),
        (["red", "blue", "green"] * 9, "category"),
        (["low", "high", "medium"] * 9, "ordered"),
        (["2024-01-01", "2024-02-01", "2024-02-03"] * 9, "date"),
        ([date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3)] * 9, "date"),
        (["x"] * 9 + [None], "category"),
        ([None] * 9, "constant"),
        ([7] * 9, "constant"),
        (LETTERS, "identifier"),
        (list(range(10, 60)), "identifier"),
        (list(range(60, 10, -1)), "number"),
        ([f"some {text}" for text in LETTERS], "text"),
    ],
)
def test_kinds(values: list[Any], kind: str) -> None:
    assert looked_at(values).kind == kind
    assert looked_at(values, step=1000) == looked_at(values, step=1)


def test_facts_of_numbers() -> None:
    made = looked_at(["1", "2", None, "10", "2"])
    assert (made.rows, made.missing, made.distinct, made.low, made.high, made.whole) == (5, 1, 3, 1.0, 10.0, True)
    assert not looked_at([1.5, 2.0]).whole


def test_a_whole_number_is_an_identifier_by_its_name_alone() -> None:
    values = [7 * k * k % 10007 for k in range(1, 60)]
    assert looked_at(values, name="size").kind == "number"
    made = looked_at(values, name="customer_id")
    assert (made.kind, made.sure, made.left_out) == ("identifier", False, True)


def test_strays_in_a_column_of_numbers_are_missing() -> None:
    made = looked_at([*map(str, range(1, 400, 2)), "unknown", "n/a"])
    assert (made.kind, made.missing, made.why) == ("number", 2, "'unknown' counted as missing")
    assert looked_at([*map(str, range(20)), "unknown"] * 3).kind == "category"


@pytest.mark.parametrize(
    ("values", "sentinels"),
    [
        ([1, 5, 80, -999, 30], (-999.0,)),
        ([1, 5, 80, 9999, 9999], (9999.0,)),
        ([1, 5, 80, 9999], ()),  # once may be a value
        ([1, 5, 5000, 9999, 9999], ()),  # not far enough
        ([-2000, 5, 5000, -999], ()),
        ([-40, 30, -999, -99], ()),  # two: not clear
        ([-999, 999], ()),
    ],
)
def test_sentinels_stand_apart(values: list[int], sentinels: tuple[float, ...]) -> None:
    made = looked_at([*values, 2.5])
    assert made.sentinels == sentinels
    rest = [value for value in [*values, 2.5] if value not in sentinels]
    assert (made.low, made.high) == (min(rest), max(rest))
    assert made.missing == sum(value in sentinels for value in values)
    assert ("counted as missing" in made.why) == bool(sentinels)


def test_parts_of_dates_that_vary() -> None:
    assert looked_at(["2024-01-01", "2024-02-01", "2024-02-03"]).parts == ("month", "day", "weekday")
    assert looked_at([date(2024, 1, 1), date(2025, 1, 1), None], step=1).parts == ("year", "weekday")
    assert looked_at(["2024-01-01 10:00", "2024-01-01 11:30"]).parts == ("hour",)


def test_a_date_that_reads_both_ways_is_unsure() -> None:
    made = looked_at(["01/02/2024", "03/04/2024", "05/06/2024"])
    assert (made.kind, made.sure, made.formats) == ("date", False, ("%d/%m/%Y",))
    assert looked_at(["01/02/2024", "03/24/2024", "05/06/2024"]).sure
    assert looked_at(["2024-01-05", "5.1.2024", "7.1.2024"]).formats == ("%d.%m.%Y", "ISO 8601")


@pytest.mark.parametrize(
    ("values", "choice", "kind", "levels"),
    [
        (["3", "1", "3", "2"], "category", "category", ("3", "1", "2")),
        (["3", "10", "2"], "ordered", "ordered", ("2", "3", "10")),
        (["b", "a", "c"], "ordered:a<b<c", "ordered", ("a", "b", "c")),
        (["b", "a"], "boolean", "boolean", ("a", "b")),
        (["1", "x", "y"], "number", "number", ()),
        (list(range(10, 60)), "number", "number", ()),
        (["2024-01-05", "2024-01-06", "x"] * 50, "text", "text", ()),
        ([0, 1, 1], "number", "number", ()),
    ],
)
def test_chosen_kinds(values: list[Any], choice: str, kind: str, levels: tuple[str, ...]) -> None:
    made = looked_at(values, choice)
    assert (made.kind, made.levels, made.sure) == (kind, levels, True)


@pytest.mark.parametrize(
    ("values", "choice", "says"),
    [
        (["x", "y"], "number", "column 'a' cannot be of kind number: it has no numbers"),
        (["x", "y"], "date", "no dates in a known format"),
        (["x", "y", "z"], "boolean", "3 different values, not two"),
        (["x", "y"], "ordered", "give it, each value once, as in ordered:x<y"),
        (["x", "y"], "ordered:p<q", "give it"),
        (["x", "y"], "ordered:x<x", "give it"),
        ([None, None], "category", "every value is missing"),
    ],
)
def test_chosen_kinds_refused(values: list[Any], choice: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        looked_at(values, choice)


def test_more_levels_than_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_module, "MOST_LEVELS", 30)
    values = [f"some {text}" for text in LETTERS] * 2
    assert looked_at(values).kind == "text"
    assert looked_at([float(k % 97) for k in range(500)]).kind == "number"
    with pytest.raises(DataError, match="more than 30 different values"):
        looked_at(values, "category")


def test_scan_refuses_a_table_without_rows(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"a": pa.array([], pa.float64())}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="the table has no rows"):
        scan(open_table(tmp_path / "a.parquet"))


def test_real_tables(shared_data: Path) -> None:
    def kinds(name: str) -> dict[str, str]:
        return {one.name: one.kind for one in scan(open_table(shared_data / "tables" / f"{name}.csv.gz"))}

    loans = kinds("loans_full")
    assert (loans["emp_title"], loans["issue_month"], loans["interest_rate"]) == ("text", "date", "number")
    assert loans["num_accounts_120d_past_due"] == "category"
    assert {name: kind for name, kind in kinds("diamonds").items() if kind != "number"} == {
        "cut": "ordered", "clarity": "ordered", "color": "category"
    }  # fmt: skip
    assert kinds("wa_churn")["senior_citizen"] == "boolean"
