"""`fastnet predict` and `evaluate` with models of tables."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from fastnet_cli.main import cli
from pyarrow import parquet

import fastnet

KNOWN = pytest.mark.filterwarnings("ignore:table has:fastnet.FastnetWarning")

N = 50
TABLE: dict[str, list[Any]] = {
    "customer": [f"c{k:04d}" for k in range(N)],
    "size": [None if k % 11 == 5 else k / 4 for k in range(N)],
    "colour": ["red", "green"] * (N // 2),
    "kind": ["b" if k % 4 == 1 or k > 40 else "a" for k in range(N)],
    "price": [round(k * 1.5 + (k % 4) * 7.25, 2) for k in range(N)],
}
CONFIG = fastnet.TrainConfig(hidden=(8,), epochs=2, learning_rate=0.05)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of classes, numbers and quantiles, and a table in two formats."""
    made = tmp_path_factory.mktemp("tables")
    for name, target, config in (
        ("classes", "kind", CONFIG),
        ("numbers", "price", CONFIG),
        ("quantiles", "price", fastnet.TrainConfig(hidden=(8,), epochs=2, objective="pinball")),
    ):
        fastnet.train(fastnet.load(TABLE, target=target), config).model.save(made / f"{name}.safetensors")
    parquet.write_table(pa.table(TABLE), made / "new.parquet")
    rows = [
        ",".join(TABLE),
        *(",".join("" if v is None else str(v) for v in row) for row in zip(*TABLE.values(), strict=True)),
    ]
    (made / "new.csv").write_text("\n".join(rows) + "\n")
    return made


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def run(*arguments: str, code: int = 0, stdin: bytes | None = None) -> Result:
    result = CliRunner().invoke(cli, arguments, input=stdin)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def table_of(text: str) -> dict[str, list[str]]:
    head, *rows = csv.reader(io.StringIO(text))
    return dict(zip(head, map(list, zip(*rows, strict=True)), strict=True))


def test_identifiers_are_copied_and_the_target_names_the_prediction() -> None:
    found = table_of(run("predict", "classes.safetensors", "--data", "new.csv", "--probabilities").stdout)
    model = fastnet.load_model("classes.safetensors")
    assert list(found) == ["customer", "kind", "p(a)", "p(b)"]
    assert found["customer"] == TABLE["customer"]
    assert found["kind"] == model.predict(TABLE).tolist()
    same = np.stack([np.float32(found["p(a)"]), np.float32(found["p(b)"])], axis=1)
    np.testing.assert_array_equal(same, model.predict_proba(TABLE))


@pytest.mark.parametrize("data", ["new.csv", "new.parquet", "-"])
@pytest.mark.parametrize("name", ["numbers", "quantiles"])
def test_command_and_python_give_the_same_bits(name: str, data: str) -> None:
    stdin = Path("new.csv").read_bytes() if data == "-" else None
    found = table_of(run("predict", f"{name}.safetensors", "--data", data, stdin=stdin).stdout)
    columns = [np.float64(values) for head, values in found.items() if head.startswith("price")]
    answers = fastnet.load_model(f"{name}.safetensors").predict(TABLE)
    np.testing.assert_array_equal(np.stack(columns, axis=1), answers.reshape(N, -1))


def test_chosen_columns_replace_the_identifiers() -> None:
    found = table_of(run("predict", "numbers.safetensors", "--data", "new.csv", "--id", "price", "--id", "kind").stdout)
    assert list(found) == ["price", "kind", "predicted price"] and found["kind"] == TABLE["kind"]


def test_json_and_parquet_hold_the_same() -> None:
    run("predict", "classes.safetensors", "--data", "new.csv", "--probabilities", "-o", "p.parquet", "--overwrite")
    text = run("predict", "classes.safetensors", "--data", "new.csv", "--probabilities", "--format", "json").stdout
    rows = [json.loads(line) for line in text.splitlines()]
    made = parquet.read_table("p.parquet")
    assert made.column_names == ["customer", "kind", "p(a)", "p(b)"]
    assert made.column("kind").to_pylist() == [row["kind"] for row in rows]
    np.testing.assert_array_equal(
        made.column("p(b)").to_numpy(), np.float32([row["probabilities"]["b"] for row in rows])
    )


@KNOWN
def test_evaluation_of_a_table() -> None:
    document = json.loads(run("evaluate", "classes.safetensors", "--data", "new.parquet", "--format", "json").stdout)
    model = fastnet.load_model("classes.safetensors")
    found = model.evaluate(TABLE)
    assert (document["metrics"], document["samples"], document["data"]) == (found.metrics, N, "new")
    assert "as many" not in run("evaluate", "numbers.safetensors", "--data", "new.csv").stdout


def test_rows_of_the_training_are_warned_of() -> None:
    assert "it knows most of them" in run("evaluate", "classes.safetensors", "--data", "new.csv").stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("predict", "classes.safetensors"), 2, "this model reads a table with the columns size, colour, price: give"),
        (("predict", "classes.safetensors", "--data", "no.csv"), 1, "no.csv: no such file or folder"),
        (("predict", "classes.safetensors", "--data", "new.csv", "--part", "test"), 2, "--part chooses a part"),
        (
            ("predict", "classes.safetensors", "--data", "new.csv", "--id", "custumer"),
            1,
            "column 'custumer' is missing",
        ),
        (("predict", "numbers.safetensors", "--data", "new.csv", "--probabilities"), 2, "have no probabilities"),
        (("predict", "classes.safetensors", "--data", "new.csv", "--format", "parquet"), 2, "Parquet is not printed"),
        (("evaluate", "classes.safetensors", "--data", "mnist5k"), 2, "this model reads a table"),
    ],
)
def test_impossible_wishes_are_refused(arguments: tuple[str, ...], code: int, says: str) -> None:
    assert says in run(*arguments, code=code).stderr
