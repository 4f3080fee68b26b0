"""The options of data: tables on the command line, what is printed of them, and studies that remember them."""

from __future__ import annotations

import json
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fastnet_cli.data_options import READING
from fastnet_cli.main import cli
from fastnet_cli.study_commands import commands, search_command, train_command

import fastnet
from fastnet.data.registry import load
from fastnet.tuning import Study

pytestmark = pytest.mark.usefixtures("empty_folder")

ROWS = 60
LINES = [
    f"{k % 7},{k * 0.5:.1f},{'red' if k % 3 else 'blue'},{k // 6},note {k},1,{'yes' if (k * 5) % 4 < 2 else 'no'}"
    for k in range(ROWS)
]
HEAD = "size,price,colour,shop,text,constant,sold"
SEARCH = ["--epochs", "1", "--hidden", "4", "--trials", "2", "--final", "none", "--pruning", "none", "--jobs", "1"]


@pytest.fixture(autouse=True)
def table(empty_folder: Path) -> Path:
    """A table of 60 rows, and the same rows in two files."""
    (empty_folder / "t.csv").write_text("\n".join([HEAD, *LINES]) + "\n")
    (empty_folder / "parts").mkdir()
    for name, lines in (("1", LINES[:40]), ("2", LINES[40:])):
        (empty_folder / "parts" / f"{name}.csv").write_text("\n".join([HEAD, *lines]) + "\n")
    return empty_folder / "t.csv"


def run(*arguments: str, code: int = 0, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(cli, list(arguments), input=stdin)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def train(*arguments: str, code: int = 0, stdin: str | None = None) -> Result:
    return run("train", "--epochs", "1", "--hidden", "4", "--jobs", "1", *arguments, code=code, stdin=stdin)


def test_the_options_are_the_fields_of_a_reading() -> None:
    from fastnet.config.reading import Reading

    assert set(Reading.__dataclass_fields__) == set(READING)


def test_a_table_is_described_before_the_training() -> None:
    shown = train("--data", "t.csv", "--target", "sold").stderr
    assert (
        "t: 60 rows, 7 columns | classification of sold, 2 classes | from 3 numbers, 1 category (--task, --types and"
        in shown
    )
    assert "Note: Column 'constant' is left out: constant: every value is 1." in shown
    assert "t: 38 training, 10 validation, 12 test samples" in shown


def test_nothing_is_described_when_only_results_are_wanted() -> None:
    assert "columns" not in train("--data", "t.csv", "--target", "sold", "--quiet").output


def test_columns_are_named_in_lists_and_by_repetition() -> None:
    one = train("--data", "t.csv", "--target", "sold", "--drop", "price,colour", "--drop", '"shop"').stderr
    two = train("--data", "t.csv", "--target", "sold", "--features", "size").stderr
    assert "from 1 number" in one and "from 1 number" in two and "dropped" not in one


@pytest.mark.parametrize("data", [["--data", "parts"], ["--data", "parts/1.csv", "--data", "parts/2.csv"]])
def test_several_files_are_one_table(data: list[str]) -> None:
    assert "60 rows" in train(*data, "--target", "sold").stderr


def test_standard_input_is_a_table(table: Path) -> None:
    assert "standard input: 60 rows" in train("--data", "-", "--target", "sold", stdin=table.read_text()).stderr


@pytest.mark.parametrize(
    ("options", "samples"),
    [
        (["--test", "none"], "48 training, 12 validation, 0 test"),
        (["--test", "0.5"], "24 training, 6 validation, 30 test"),
        (["--test", "parts/2.csv"], "48 training, 12 validation, 20 test"),
        (["--test", "none", "--validation", "parts/1.csv"], "60 training, 40 validation, 0 test"),
        (["--group", "shop"], "36 training, 12 validation, 12 test"),
        (["--time", "price", "--weights", "shop"], "38 training, 10 validation, 12 test"),
        (["--samples", "20"], "16 training, 4 validation, 12 test"),
    ],
)
def test_which_rows_train_validate_and_test(options: list[str], samples: str) -> None:
    assert samples in train("--data", "t.csv", "--target", "sold", *options).stderr


@pytest.mark.parametrize(
    ("options", "task"),
    [
        (["--target", "price"], "regression of price |"),
        (["--target", "size", "--task", "regression"], "regression of size |"),
        (["--target", "size"], "classification of size, 7 classes"),
        (["--target", "size,price"], "regression of size, price |"),
    ],
)
def test_tasks(options: list[str], task: str) -> None:
    assert task in train("--data", "t.csv", *options, "--numbers", "robust").stderr


def test_types_choose_what_a_column_is() -> None:
    shown = train("--data", "t.csv", "--target", "sold", "--types", "size=category,shop=ordered:0<1<2<3").stderr
    assert "from 2 categories, 1 number, 1 ordered" in shown


GIVEN = ["--data", "t.csv", "--target", "sold", "--drop", "price", "--types", "size=category", "--test", "0.3"]


@pytest.mark.parametrize("command", ["train", "search"])
def test_printed_settings_read_back(command: str) -> None:
    printed = run(command, *GIVEN, "--task", "classification", "--print-config").stdout
    found = tomllib.loads(printed)
    expected: dict[str, Any] = {"data": "t.csv", "target": ["sold"], "drop": ["price"], "types": ["size=category"]}
    expected |= {"test": 0.3, "task": "classification", "numbers": "auto"}
    assert {name: found[name] for name in expected} == expected
    Path("c.toml").write_text(printed)
    assert run(command, "--config", "c.toml", "--print-config").stdout == printed


def test_a_file_of_settings_names_columns_as_they_are() -> None:
    Path("c.toml").write_text('data = ["a.csv", "b.csv"]\ntarget = "x,y"\ndrop = ["a, b", "c"]\n')
    found = tomllib.loads(run("train", "--config", "c.toml", "--preset", "book", "--print-config").stdout)
    assert (found["data"], found["target"], found["drop"]) == (["a.csv", "b.csv"], ["x", "y"], ["a, b", "c"])
    Path("c.toml").write_text("drop = [1]\n")
    refused = run("train", "--config", "c.toml", code=1).stderr
    assert "c.toml: drop = [1]: must be a string or a list of strings" in refused


def test_the_environment_names_several_files() -> None:
    env = {"FASTNET_TRAIN_DATA": "a.csv:b.csv", "FASTNET_TRAIN_TARGET": "x y,z"}
    found = tomllib.loads(CliRunner().invoke(cli, ["train", "--preset", "book", "--print-config"], env=env).stdout)
    assert found["data"] == ["a.csv", "b.csv"] and found["target"] == ["x y", "z"]


def test_a_study_remembers_how_its_table_was_read(table: Path) -> None:
    run("search", *GIVEN, *SEARCH, "--study", "s")
    with Study.read(Path("s")) as study:
        source = study.plan()["source"]
    assert source["data"] == str(table) and source["reading"] == {
        "target": ["sold"], "drop": ["price"], "types": ["size=category"], "test": 0.3
    }  # fmt: skip
    again = run("search", "--study", "s", "--trials", "3", "--format", "json")
    assert len(json.loads(again.stdout)["trials"]) == 3
    assert "classification of sold" in again.stderr
    after = run("search", "--after", "s", "--study", "next", "--format", "json")
    assert json.loads(after.stdout)["settings"]["data"] == str(table)
    shown = run("studies", "show", "s").stdout.splitlines()
    assert f"          --data {table} --target sold --drop price --test 0.3 --types size=category" in shown
    continued = fastnet.search(study="s", trials=4, final=0)
    assert len(continued.trials) == 4


def test_a_study_continues_with_a_table_that_moved(table: Path) -> None:
    run("search", *GIVEN, *SEARCH, "--study", "s")
    table.rename("moved.csv")
    assert "t.csv: no such file" in run("search", "--study", "s", "--trials", "3", code=1).stderr
    run("search", "--study", "s", "--trials", "3", "--data", "moved.csv")


def test_a_study_of_standard_input_asks_for_its_data(table: Path) -> None:
    run("search", "--data", "-", *GIVEN[2:], *SEARCH, "--study", "s", stdin=table.read_text())
    refused = run("search", "--study", "s", "--trials", "3", code=1).stderr
    assert "s: the study read its data from standard input; give --data" in refused
    run("search", "--study", "s", "--trials", "3", "--data", "t.csv")


def test_several_files_are_remembered(table: Path) -> None:
    data = ["--data", "parts/1.csv", "--data", "parts/2.csv", "--target", "sold"]
    run("search", *data, *SEARCH, "--study", "s", "--validation", "t.csv", "--test", "parts/2.csv")
    with Study.read(Path("s")) as study:
        source = study.plan()["source"]
    assert source["data"] == [str(table.parent / "parts" / name) for name in ("1.csv", "2.csv")]
    assert source["reading"]["test"] == str(table.parent / "parts" / "2.csv")
    assert source["validation"] == str(table)
    run("search", "--study", "s", "--trials", "3")


def test_the_data_of_the_command_line_and_of_python_are_the_same(table: Path) -> None:
    run("search", *GIVEN, *SEARCH, "--study", "s")
    data = load(table, target="sold", drop=["price"], types=["size=category"], test=0.3)
    with Study.read(Path("s")) as study:
        assert study.settings["data"] == data.fingerprint()


@pytest.mark.parametrize(
    "options",
    [
        GIVEN,
        ["--data", "parts/1.csv", "--data", "parts/2.csv", "--target", "size,price", "--numbers", "robust"],
        [
            "--data",
            "t.csv",
            "--target",
            "sold",
            "--validation",
            "parts/1.csv",
            "--test",
            "parts/2.csv",
            "--samples",
            "9",
        ],
    ],
)
def test_the_commands_of_a_study_read_its_table_in_the_same_way(options: list[str], empty_folder: Path) -> None:
    run("search", *options, *SEARCH, "--study", "s")
    with Study.read(Path("s")) as study:
        command, notes = search_command(study, 2)
        trained = shlex.split(train_command(study, study.best(1)[0]))[1]
        shown = [each["text"] for each in commands(study, "s")]
        settings = study.settings
    assert notes == () and shown[0] == command
    run(*shlex.split(command)[1:], "--study", "again")
    with Study.read(Path("again")) as study:
        assert study.settings == settings
    printed = tomllib.loads(run("train", "--config", "-", "--print-config", stdin=trained).stdout)
    assert printed["preset"] == "book" and printed["hidden"] == "4"
    assert printed["target"] == options[options.index("--target") + 1].split(",")
    assert printed.get("validation") == (str(empty_folder / "parts" / "1.csv") if "--validation" in options else None)
    run("train", "--config", "-", "--quiet", stdin=trained)
    best = run("studies", "best", "s", "--format", "toml").stdout
    assert str(empty_folder) in best and "give its file" not in best


def test_the_commands_of_a_study_of_standard_input(table: Path) -> None:
    run("search", "--data", "-", *GIVEN[2:], *SEARCH, "--study", "s", stdin=table.read_text())
    with Study.read(Path("s")) as study:
        command, _ = search_command(study, 2)
    assert "--data - --target sold" in command


def test_many_notes_are_cut_short() -> None:
    names = [f"c{k}" for k in range(12)]
    lines = [",".join(["1"] * 12) + f",{k % 7 + 0.5},{'st'[k * 3 % 5 % 2]}" for k in range(60)]
    Path("c.csv").write_text("\n".join([",".join([*names, "a", "y"]), *lines]) + "\n")
    notes = [
        line for line in train("--data", "c.csv", "--target", "y").stderr.splitlines() if line.startswith("Note: ")
    ]
    assert notes[0] == "Note: Column 'c0' is left out: constant: every value is 1."
    assert notes[8] == "Note: 4 more notes like these; fastnet data lists all columns."
    assert not [note for note in notes if "'c8'" in note]
    left_out = run("data", "c.csv", "--target", "y").stdout
    assert left_out.count("left out: every value is 1") == 12
    assert "is left out" not in train("--data", "c.csv", "--target", "y", "--drop", ",".join(names)).stderr
