"""Tables and options that cannot be used: each is refused in one sentence, before anything is trained or written."""

from __future__ import annotations

import gzip
import shlex
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli
from pyarrow import parquet

HEAD = "a,b,y\n"
ROWS = "".join(f"{k % 7 + 0.5},{'pq'[k % 2]},{'st'[k * 3 % 5 % 2]}\n" for k in range(40))


def rows(line: Any, n: int = 60) -> str:
    return "".join(f"{line(k)}\n" for k in range(n))


TEXTS = {
    "good": HEAD + ROWS,
    "empty": "",
    "header": HEAD,
    "blank": "\n\n\n",
    "ragged": HEAD + "1,p,s\n2,p\n" + ROWS,
    "long": HEAD + "1,p,s\n2,p,s,9\n" + ROWS,
    "quote": HEAD + '1,"p,s\n' + ROWS,
    "nul": HEAD + "1,p\0q,s\n" + ROWS,
    "page": "<!DOCTYPE html><html><body>404</body></html>",
    "prose": "once upon a time\nthere was\n",
    "one": "y\n" + rows(lambda k: "st"[k % 2]),
    "onerow": HEAD + "1,p,s\n",
    "tworows": HEAD + "1,p,s\n2,q,t\n",
    "oneclass": HEAD + rows(lambda k: f"{k % 9}.5,p,s"),
    "notarget": HEAD + rows(lambda k: f"{k % 9}.5,p,"),
    "untargeted": "a,b\n" + rows(lambda k: f"{k % 9}.5,{'pq'[k % 2]}"),
    "dates": "a,y\n" + rows(lambda k: f"{k % 5}.5,2024-01-{k % 28 + 1:02}"),
    "persons": "a,y\n" + rows(lambda k: f"{k % 5}.5,person {k}"),
    "many": "a,y\n" + rows(lambda k: f"{k % 5}.5,c{k % 1200}", 3000),
    "constants": "a,b,y\n" + rows(lambda k: f"1,x,{'st'[k % 2]}"),
    "huge": "a,y\n" + rows(lambda k: f"{'1e300' if k == 3 else k % 5 + 0.5},{'st'[k % 2]}"),
    "negative": "a,w,y\n" + rows(lambda k: f"{k % 5}.5,{k % 3 - 1},{'st'[k % 2]}"),
    "zero": "a,w,y\n" + rows(lambda k: f"{k % 5}.5,0,{'st'[k % 2]}"),
    "hole": "a,w,y\n" + rows(lambda k: f"{k % 5}.5,{'' if k == 7 else k % 3 + 1},{'st'[k % 2]}"),
    "onegroup": "a,g,y\n" + rows(lambda k: f"{k % 5}.5,same,{'st'[k % 2]}"),
    "renamed": "a,c,y\n" + ROWS,
    "ordered": "b,a,y\n" + ROWS,
    "newclass": HEAD + ROWS + "1,p,u\n",
    "numbers": "a,b,y\n" + rows(lambda k: f"{k % 7}.5,{k % 11 * 1.5},{k % 13 * 0.25}"),
    "mixed": "a,u,v\n" + rows(lambda k: f"{k % 7}.5,{'pqr'[k % 3]},{k % 11 * 0.5}"),
}

NO_TABLE = "several data must be files with the same columns"
ONE = "name it once"
OF_Y = "; the columns are a, b, y"
SHARE = "must be a share in (0, 1), a file, or 'none'"

FILES = [
    ("nowhere.csv", "nowhere.csv: no such file or folder"),
    ("none", "none: no table in this folder; a table is a file in CSV, Parquet or Arrow format"),
    ("apart", "apart/2.csv: column 'b' is missing; all files need the columns of apart/1.csv"),
    ("empty.csv", "empty.csv: the file is empty"),
    ("blank.csv", "blank.csv: the file is empty"),
    ("header.csv", "header.csv: the file has names of columns and no rows"),
    ("page.csv", "page.csv: the file has names of columns and no rows"),
    ("ragged.csv", "ragged.csv: row 2 after the names has 2 values, but there are 3 columns; it begins '2,p'"),
    ("long.csv", "long.csv: row 2 after the names has 4 values, but there are 3 columns; it begins '2,p,s,9'"),
    ("quote.csv", "quote.csv, line 2: a quote opens a value and is not closed at its end"),
    ("nul.csv", "nul.csv: this is not a text file; give CSV, Parquet, Arrow or NPZ with its usual suffix"),
    ("torn.csv.gz", "torn.csv.gz: cannot be read as a table ("),
    ("fake.parquet", "fake.parquet: cannot be read as a table ("),
    ("torn.parquet", "torn.parquet: cannot be read as a table ("),
    ("fake.arrow", "fake.arrow: cannot be read as a table ("),
    ("none.parquet", "none: the table has no rows"),
    ("nested.parquet", "column 'a' has values of type list<element: int64>; text, numbers, truth values and dates can"),
    ("fake.npz", "--target is given for fake.npz, which is no table: it has its own targets"),
    ("digits", "--target is given for digits, which is no table: it has its own targets"),
    ("prose.csv", "--target: no column 'y'; the columns are once upon a time"),
    ("one.csv", "no column is left to predict y from; choose other features, or another kind for one by --types"),
    ("constants.csv", "no column is left to predict y from; left out are a (constant: every value is 1), b (constant:"),
    ("onerow.csv", "y cannot be predicted: every value is s"),
    ("oneclass.csv", "y cannot be predicted: every value is s"),
    ("notarget.csv", "y cannot be predicted: every value is missing"),
    ("untargeted.csv", "--target: no column 'y'; the columns are a, b"),
    ("dates.csv", "y holds dates, which cannot be predicted; choose another target"),
    ("persons.csv", "y cannot be predicted: it has a different text in every row"),
    ("many.csv", "y cannot be predicted: it has 1,200 different texts"),
    ("tworows.csv", "a split needs at least 2 samples, one to train and one to validate, and has 1"),
    ("huge.csv", "column 'a' has numbers beyond 3e38, the range of float32; correct them, or drop it (--drop)"),
]

OPTIONS = [
    ("good", "", "no target is given: name the column to be predicted as --target, such as 'y'" + OF_Y),
    ("good", "--target ''", "no target is given: name the column to be predicted as --target, such as 'y'" + OF_Y),
    ("good", "--target z", "--target: no column 'z'" + OF_Y),
    ("good", "--target Y", "--target: no column 'Y'; did you mean 'y'? The columns are a, b, y"),
    ("good", "--target y,y", "column 'y' is named twice as --target; " + ONE),
    ("good", "--target y --drop y", "column 'y' is named as --target and as --drop; " + ONE),
    ("good", "--target y --drop q", "--drop: no column 'q'" + OF_Y),
    ("good", "--target y --features q", "--features: no column 'q'" + OF_Y),
    ("good", "--target y --features a --drop a", "column 'a' is named as --features and as --drop; " + ONE),
    ("good", "--target y --drop a,b", "no column is left to predict y from; left out are a (dropped), b (dropped)"),
    (
        "good",
        "--target y --group b --time a",
        "no column is left to predict y from; left out are a (the time of a row)",
    ),
    ("good", "--target y --types a", "--types: 'a' is not of the form column=kind, as in a=category"),
    ("good", "--target y --types a=num", "--types: unknown kind 'num' for column 'a'; choose one of number, category"),
    ("good", "--target y --types q=number", "--types: no column 'q'" + OF_Y),
    ("good", "--target y --types a=number,a=text", "--types: column 'a' is named twice"),
    ("good", "--target y --types b=number", "column 'b' cannot be of kind number: it has no numbers"),
    (
        "good",
        "--target y --types b=date",
        "column 'b' cannot be of kind date: its values are no dates in a known format",
    ),
    ("good", "--target y --types b=ordered", "column 'b': the order of its values is not known; give it"),
    ("good", "--target y --types b=ordered:p", "column 'b': the order of its values is not known; give it"),
    ("good", "--target y --types b=text --features b", "cannot be used; choose another kind for it by --types"),
    ("good", "--target y --task regression", "--task=regression: y is of kind category; regression needs targets that"),
    ("good", "--target y,b --task classification", "--task=classification: 2 targets are given, where classification"),
    (
        "many",
        "--target y --task classification",
        "--task=classification: y has 1,200 different values; a target has at",
    ),
    ("numbers", "--target y --task multilabel", "--task=multilabel: y has 13 different values; labels have two values"),
    (
        "mixed",
        "--target u,v",
        "target u is of kind category: several targets must be all numbers, or all of two values",
    ),
    ("good", "--target y --test 0", f"--test=0.0: {SHARE}"),
    ("good", "--target y --test 1", f"--test=1.0: {SHARE}"),
    ("good", "--target y --test 2.5", f"--test=2.5: {SHARE}"),
    ("good", "--target y --test nan", f"--test=nan: {SHARE}"),
    ("good", "--target y --test nowhere.csv", "nowhere.csv: no such file or folder"),
    ("good", "--target y --test none/", "none: no table in this folder"),
    ("good", "--target y --test renamed.csv", "renamed: column 'b' is missing; it has a, c, y"),
    ("good", "--target y --test newclass.csv", "newclass: target 'y' has values that the training rows do not have"),
    ("good", "--target y --test notarget.csv", "notarget: no row has a target"),
    ("good", "--target y --test untargeted.csv", "untargeted: column 'y' is missing; it has a, b"),
    ("good", "--target y --validation nowhere.csv", "nowhere.csv: no such file or folder"),
    ("good", "--target y --validation renamed.csv", "renamed: column 'b' is missing; it has a, c, y"),
    ("good", "--target y --validation newclass.csv", "newclass: target 'y' has values that the training rows do not"),
    (
        "good",
        "--target y --validation digits",
        "--validation digits: is no table, unlike --data; both must have the same",
    ),
    ("good", "--target y --weights b", "--weights: column 'b' is of kind category, where number is needed"),
    ("good", "--target y --weights q", "--weights: no column 'q'" + OF_Y),
    ("negative", "--target y --weights w", "negative: weights in column 'w' must not be negative, nor all 0"),
    ("zero", "--target y --weights w", "--weights: column 'w' is of kind constant, where number is needed"),
    ("hole", "--target y --weights w", "hole: column 'w' has no number or date in row 8; every row needs one"),
    ("hole", "--target y --time w", "hole: column 'w' has no number or date in row 8; every row needs one"),
    ("good", "--target y --time b", "--time: column 'b' is of kind category, where number or date is needed"),
    ("good", "--target y --time a --weights a", "column 'a' is named as --weights and as --time; " + ONE),
    ("good", "--target y --group q", "--group: no column 'q'" + OF_Y),
    ("good", "--target y --group y", "column 'y' is named as --target and as --group; " + ONE),
    ("onegroup", "--target y --group g", "onegroup has a single group, which cannot be divided"),
    ("numbers", "--target y --objective cross-entropy", "objective='cross-entropy': the data hold numbers"),
    (
        "numbers",
        "--target y --class-weight balanced",
        "class_weight='balanced': objective='squared-error' has no classes",
    ),
    (
        "good",
        "--data renamed.csv --target y",
        "renamed.csv: column 'b' is missing; all files need the columns of good.csv",
    ),
    (
        "good",
        "--data ordered.csv --target y",
        "ordered.csv: the columns are in another order; all files need the columns",
    ),
    ("good", "--data digits --target y", f"digits: is no table; {NO_TABLE}"),
    ("good", "--data fake.npz --target y", f"fake.npz: is no table; {NO_TABLE}"),
    (
        "good",
        "--target y --samples 1000",
        "samples=1000: good has 32 training samples; take a whole number from 1 to 32",
    ),
]

USAGE = [
    ("--task ranking", "Invalid value for '--task': 'ranking' is not one of 'auto', 'classification'"),
    ("--numbers log", "Invalid value for '--numbers': 'log' is not one of 'auto', 'piecewise'"),
    ("--target", "Option '--target' requires an argument."),
    ("--validation good.csv --validation-fraction 0.3", "remove --validation-fraction."),
]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    for name, text in TEXTS.items():
        (folder / f"{name}.csv").write_text(text)
    (folder / "torn.csv.gz").write_bytes(gzip.compress((HEAD + ROWS * 200).encode())[:-200])
    (folder / "fake.parquet").write_text("PAR1 but not really")
    (folder / "fake.arrow").write_text("ARROW1 neither")
    (folder / "fake.npz").write_text(HEAD + ROWS)
    parquet.write_table(pa.table({"a": [[1], [2]] * 20, "y": ["s", "t"] * 20}), folder / "nested.parquet")
    parquet.write_table(pa.table({"a": pa.array([], "f8"), "y": pa.array([], "string")}), folder / "none.parquet")
    (folder / "torn.parquet").write_bytes((folder / "nested.parquet").read_bytes()[:-60])
    (folder / "none").mkdir()
    (folder / "none" / "readme.md").write_text("no table")
    (folder / "apart").mkdir()
    for number, head in (("1", HEAD), ("2", "a,c,y\n")):
        (folder / "apart" / f"{number}.csv").write_text(head + ROWS)
    return folder


def refusal(tables: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int) -> str:
    """The one line that a training with these options ends with."""
    monkeypatch.chdir(tables)
    monkeypatch.setattr("fastnet.training.single.Fit", lambda *_, **__: pytest.fail("it trains"))
    before = sorted(tables.iterdir())
    result = CliRunner().invoke(cli, ["train", "--epochs", "1", "--quiet", *arguments])
    assert result.exit_code == code and result.stdout == "", result.output
    assert sorted(tables.iterdir()) == before
    *usage, line = result.stderr.strip().splitlines()
    assert line.startswith("Error: ") and (code == 2 or not usage), result.stderr
    return line.removeprefix("Error: ")


@pytest.mark.parametrize(("file", "says"), FILES, ids=[file for file, _ in FILES])
def test_files_refused(tables: Path, monkeypatch: pytest.MonkeyPatch, file: str, says: str) -> None:
    assert says in refusal(tables, monkeypatch, ["--data", file, "--target", "y"], 1)


@pytest.mark.parametrize(("table", "options", "says"), OPTIONS, ids=[f"{a} {b}" for a, b, _ in OPTIONS])
def test_options_refused(
    tables: Path, monkeypatch: pytest.MonkeyPatch, table: str, options: str, says: str
) -> None:  # fmt: skip
    assert says in refusal(tables, monkeypatch, ["--data", f"{table}.csv", *shlex.split(options)], 1)


@pytest.mark.parametrize(("options", "says"), USAGE, ids=[options for options, _ in USAGE])
def test_wrong_usage(tables: Path, monkeypatch: pytest.MonkeyPatch, options: str, says: str) -> None:
    arguments = ["--data", "good.csv", "--target", "y", *options.split()]
    assert says in refusal(tables, monkeypatch, arguments, 2)


@pytest.mark.parametrize("command", ["search", "data"])
def test_other_commands_refuse_the_same(tables: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.chdir(tables)
    data = ["--data", "good.csv"] if command == "search" else ["good.csv"]
    result = CliRunner().invoke(cli, [command, *data, "--target", "x"])
    assert result.exit_code == 1 and "Error: --target: no column 'x'; the columns are a, b, y" in result.stderr
    assert not (tables / "studies").exists()


def test_standard_input_without_anything(tables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "standard input: the file is empty" in refusal(tables, monkeypatch, ["--data", "-", "--target", "y"], 1)
