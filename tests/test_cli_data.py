"""`fastnet data`: columns, classes and notes, as text and as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from fastnet_cli.main import cli

pytestmark = pytest.mark.usefixtures("empty_folder")

ROWS = 120
HEAD = "size,colour,day,code,text,constant,sold,price"
LINES = [
    f"{k * 7 % 31 + 0.5},{'red' if k % 3 else 'blue' if k % 2 else ''},2024-{1 + k * 5 % 12:02}-{1 + k * 7 % 28:02},"
    f"{k % 5 + 1},note {k},1,{'yes' if k * 5 % 7 < 3 else 'no'},{k * 13 % 37 * 1.25}"
    for k in range(ROWS)
]
TABLES = {
    "adult": "income", "ames": "Sale_Price", "bikeshare": "bikers", "california": "MedHouseVal",
    "credit_data": "Status", "diamonds": "price", "letter": "target", "loans_full": "interest_rate",
    "magic": "target", "marketing": "target", "phoneme": "target", "splice": "target", "wa_churn": "churn",
}  # fmt: skip


@pytest.fixture(autouse=True)
def table(empty_folder: Path) -> Path:
    (empty_folder / "t.csv").write_text("\n".join([HEAD, *LINES]) + "\n")
    return empty_folder / "t.csv"


def run(*arguments: str, code: int = 0, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(cli, ["data", *arguments], input=stdin)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def document(*arguments: str) -> dict[str, Any]:
    result = run(*arguments, "--format", "json")
    assert result.stdout.count("\n") == 1
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_columns_of_a_table_without_a_target() -> None:
    lines = run("t.csv").stdout.splitlines()
    assert lines[0] == "t: 120 rows, 8 columns"
    assert lines[2].split() == ["column", "type", "missing", "distinct", "values", "becomes"]
    assert lines[3].split() == ["size", "number", "31", "0.5", "to", "30.5"]
    assert re.fullmatch(r"colour +category +20 \(17 %\) +2 +red, blue", lines[4].rstrip())
    assert re.fullmatch(r"day +date +\d+ +2024-01-01 to 2024-12-\d\d", lines[5].rstrip())
    assert lines[8].rstrip().endswith("left out: every value is 1")
    assert lines[-1] == "Note: Name the column to be predicted as --target, such as 'price'."


def test_what_becomes_of_the_columns() -> None:
    lines = run("t.csv", "--target", "sold", "--types", "code=category").stdout.splitlines()
    assert lines[0] == (
        "t: 120 rows, 8 columns | classification of sold, 2 classes | from 2 numbers, 2 categories, 1 date"
    )
    becomes = {line.split()[0]: line for line in lines[3:11]}
    assert becomes["sold"].endswith("target") and becomes["code"].endswith("5 inputs, one a value")
    assert re.search(r"value and \d+ bins$", becomes["size"])
    assert [line.split() for line in lines[12:15]] == [
        ["class", "samples", "test_samples"], ["no", *becomes_counts(lines, 13)], ["yes", *becomes_counts(lines, 14)]
    ]  # fmt: skip
    assert "Note: Column 'constant' is left out: constant: every value is 1." in lines


def becomes_counts(lines: list[str], number: int) -> list[str]:
    counts = lines[number].split()[1:]
    assert [count.isdigit() for count in counts] == [True, True]
    return counts


def test_json_has_the_same_and_more() -> None:
    found = document("t.csv", "--target", "sold")
    assert (found["rows"], found["samples"], found["test_samples"], found["task"]) == (120, 96, 24, "classification")
    columns = {column["column"]: column for column in found["columns"]}
    assert columns["colour"]["values"] == ["red", "blue"] and columns["colour"]["missing"] == 20
    assert (columns["size"]["low"], columns["size"]["high"]) == (0.5, 30.5)
    assert columns["day"]["low"] == "2024-01-01" and columns["text"]["low"] is None
    assert sum(each["samples"] + each["test_samples"] for each in found["classes"]) == 120
    assert {"schema_version", "data", "notes", "summary"} < set(found)
    assert "classes" not in document("t.csv", "--target", "price")
    assert "rows" in document("t.csv") and "task" not in document("t.csv")


def test_sets_of_images_and_arrays() -> None:
    found = document("digits")
    assert (found["samples"], found["test_samples"], found["features"]) == (1438, 359, 64)
    assert (found["type"], found["low"], found["high"], len(found["classes"])) == ("uint8", 0.0, 255.0, 10)
    assert run("digits").stdout.splitlines()[0] == "digits: 1438 samples, 359 test samples, 64 features, 10 classes"
    np.savez("n.npz", x=np.arange(30.0).reshape(10, 3), y=np.arange(10) / 4)
    assert document("n.npz")["targets"] == [{"target": "y", "low": 0.0, "mean": 1.125, "high": 2.25}]
    assert run("n.npz").stdout.splitlines()[-1].split() == ["y", "0", "1.125", "2.25"]


def test_several_files_a_folder_and_standard_input(table: Path) -> None:
    Path("parts").mkdir()
    for name, lines in (("a", LINES[:50]), ("b", LINES[50:])):
        Path("parts", f"{name}.csv").write_text("\n".join([HEAD, *lines]) + "\n")
    expected = run("t.csv", "--target", "sold").stdout.partition("\n")[2]
    for result in (
        run("parts", "--target", "sold"), run("parts/a.csv", "parts/b.csv", "--target", "sold"),
        run("-", "--target", "sold", stdin=table.read_text()),
    ):  # fmt: skip
        assert result.stdout.partition("\n")[2] == expected


def test_doubts_are_among_the_notes() -> None:
    leaky = [f"{line},{'a' if ',yes,' in line else 'b'}" for line in LINES]
    Path("l.csv").write_text("\n".join([f"{HEAD},leak", *leaky]) + "\n")
    assert "Note: leak alone determines sold; drop it (--drop) unless it is known before sold is" in run(
        "l.csv", "--target", "sold"
    ).stdout.splitlines()  # fmt: skip
    assert not [note for note in document("l.csv", "--target", "sold", "--drop", "leak")["notes"] if "alone" in note]


def test_names_of_columns_and_values_are_no_control_codes_or_markup() -> None:
    Path("x.csv").write_text("a\x1b[31m,[bold]b,y\n" + "".join(f"{k % 7},[red]{k % 3},{k % 2}\n" for k in range(30)))
    shown = run("x.csv", "--target", "y").stdout
    assert "\x1b" not in shown and "[bold]b" in shown and "[red]0" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "Missing argument 'NAME|FILE...'"),
        (["nowhere"], 1, "unknown data set 'nowhere'"),
        (["digits", "--target", "x"], 1, "--target is given for digits, which is no table: it has its own targets"),
        (["t.csv", "--target", "solt"], 1, "--target: no column 'solt'; did you mean 'sold'? The columns are size"),
        (["t.csv", "--types", "size=big"], 1, "--types: unknown kind 'big' for column 'size'"),
        (["t.csv", "digits"], 1, "digits: is no table; several data must be files with the same columns"),
    ],
)
def test_refused(arguments: list[str], code: int, says: str) -> None:
    assert says in run(*arguments, code=code).stderr


@pytest.mark.parametrize("name", TABLES)
def test_real_tables(shared_data: Path, name: str) -> None:
    file = str(shared_data / "tables" / f"{name}.csv.gz")
    found = document(file, "--target", TABLES[name])
    numbers = {"ames", "bikeshare", "california", "diamonds", "loans_full"}
    assert found["task"] == ("regression" if name in numbers else "classification")
    assert found["rows"] == found["samples"] + found["test_samples"] > 2900
    assert [column["use"] for column in found["columns"]].count("target") == 1
    assert all(column["use"] for column in found["columns"])
    out = [column["column"] for column in found["columns"] if column["use"].startswith("left out")]
    assert out == (["emp_title"] if name == "loans_full" else [])
    leaks = [text for text in found["notes"] if "unless" in text and "known before" in text]
    assert len(leaks) == {"bikeshare": 1, "loans_full": 2}.get(name, 0)
    uncertain = [text for text in found["notes"] if text.startswith("Uncertain task")]
    assert len(uncertain) == (name == "marketing")


def test_sparse_samples(tmp_path: Path) -> None:
    lines = [f"{k % 2} qid:{k // 4} {k + 1}:{1 + k / 8}\n" for k in range(38)]
    (tmp_path / "a.svm").write_text("".join([*lines, "1 qid:98 2:1.125\n", "0 qid:99\n"]))
    found = document(str(tmp_path / "a.svm"), "--test", "none")
    assert (found["samples"], found["features"], found["groups"]) == (40, 39, 12)
    assert (found["values"], found["low"], found["high"]) == (39, 0.0, 5.625)
    assert (found["empty_samples"], found["equal_samples"], found["empty_columns"]) == (1, 1, 1)
    assert found["share_of_values"] == 39 / (40 * 39)
    shown = run(str(tmp_path / "a.svm"), "--test", "none").stdout
    assert shown.startswith(
        "a: 40 samples, 0 test samples, 39 features, 2 classes\n"
        "values: 39 not zero (2.5 %), 1.0 a sample, from 0 to 5.625\n"
        "without a value: 1 sample, 1 column; equal to an earlier sample: 1\n"
        "groups: 12, none of which is divided\n"
    )
