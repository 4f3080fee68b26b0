"""Models of tables: other tables like the one they were trained on."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import fastnet
from fastnet.data.given import with_validation_given
from fastnet.errors import DataError, FastnetWarning

KNOWN = pytest.mark.filterwarnings("ignore:table has:fastnet.FastnetWarning")

N = 60
TABLE: dict[str, list[Any]] = {
    "id": [f"c{k:04d}" for k in range(N)],
    "size": [None if k % 11 == 5 else k / 4 for k in range(N)],
    "colour": ["red", "green", "blue", "green"] * (N // 4),
    "day": [f"2024-{1 + k % 12:02d}-{1 + k % 28:02d}" for k in range(N)],
    "weight": [1.0 + k % 3 for k in range(N)],
    "kind": ["b" if k % 4 == 1 or k > 40 else "a" for k in range(N)],
    "price": [round(k * 1.5 + (k % 4) * 7.25, 2) for k in range(N)],
}
CONFIG = fastnet.TrainConfig(hidden=(8,), epochs=3, learning_rate=0.05)


def trained(target: str = "kind", **reading: Any) -> tuple[fastnet.Dataset, fastnet.Model]:
    data = fastnet.load(TABLE, target=target, **reading)
    return data, fastnet.train(data, CONFIG).model


def same(one: Any, two: Any) -> None:
    np.testing.assert_array_equal(one, two)


@pytest.fixture(scope="module")
def classes() -> tuple[fastnet.Dataset, fastnet.Model]:
    return trained(drop=["price"], test="none")


@pytest.fixture(scope="module")
def numbers() -> tuple[fastnet.Dataset, fastnet.Model]:
    return trained("price", test="none", weights="weight")


def quietly(model: fastnet.Model, table: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return model.predict(table)


def test_a_table_is_read_like_the_one_of_the_training(classes: Any, numbers: Any) -> None:
    for data, model in (classes, numbers):
        same(quietly(model, TABLE), model.predict(data.x))
        assert quietly(model, pa.table(TABLE)).tolist() == model.predict(TABLE).tolist()


def test_columns_may_be_in_any_order_and_unused_ones_absent(classes: Any) -> None:
    _, model = classes
    fewer = {name: TABLE[name] for name in ("day", "weight", "colour", "size")}
    same(quietly(model, fewer), model.predict(TABLE))


@pytest.mark.parametrize("form", ["csv", "csv.gz", "parquet"])
def test_files_are_tables(form: str, classes: Any, tmp_path: Path) -> None:
    _, model = classes
    path = tmp_path / f"rows.{form}"
    if form == "parquet":
        parquet.write_table(pa.table(TABLE), path)
    else:
        import pandas as pd

        pd.DataFrame(TABLE).to_csv(path, index=False)
    same(quietly(model, path), model.predict(TABLE))
    same(quietly(model, str(path)), model.predict(TABLE))


@pytest.mark.parametrize("ensemble", [False, True])
def test_the_file_of_a_model_holds_the_columns(ensemble: bool, tmp_path: Path) -> None:
    data = fastnet.load(TABLE, target="kind", drop=["price"])
    if ensemble:
        model: Any = fastnet.train_ensemble(data, CONFIG, networks=2).ensemble
    else:
        model = fastnet.train(data, CONFIG).model
    model.save(tmp_path / "m.safetensors")
    again = fastnet.load_model(tmp_path / "m.safetensors")
    assert repr(again.schema) == repr(model.schema)
    same(quietly(again, TABLE), model.predict(TABLE))
    header, _ = again.to_parts()
    assert json.dumps(header).count('"left_out"') == 1


@KNOWN
def test_evaluation_reads_targets_and_weights(classes: Any, numbers: Any) -> None:
    for data, model in (classes, numbers):
        by_table, by_hand = model.evaluate(TABLE), model.evaluate(data.x, _truth(data), data.weights)
        assert by_table == by_hand
        assert model.score(TABLE) == by_table.score
    unweighted = {name: values for name, values in TABLE.items() if name != "weight"}
    data, model = numbers
    assert model.evaluate(unweighted) == model.evaluate(data.x, data.y)


def _truth(data: fastnet.Dataset) -> Any:
    return data.labels if data.task == "classification" else data.y


@KNOWN
def test_rows_without_a_target_are_not_compared(numbers: Any) -> None:
    data, model = numbers
    table = TABLE | {"price": [None, *TABLE["price"][1:]]}
    assert model.score(table) == model.evaluate(data.x[1:], data.y[1:], data.weights[1:]).score
    with pytest.raises(DataError, match="no row has a target to compare with"):
        model.score(table | {"price": [None] * N})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"colour": ["red", "pink"] * (N // 2)}, "column 'colour' has 30 values that did not occur in training"),
        ({"more": [1] * N}, "column 'more' is unknown and is ignored"),
        ({"size": ["7", "x", "8"] * (N // 3)}, "column 'size' has 20 values that are no numbers"),
    ],
)
def test_differences_are_warned_of(change: Any, says: str, classes: Any) -> None:
    with pytest.warns(FastnetWarning, match=says):
        classes[1].predict(TABLE | change)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"size": ["tall"] * N},
            "column 'size' held numbers in training, and here it has other values, such as 'tall'",
        ),
        ({"day": ["soon"] * N}, "column 'day' held dates in training, and here it has other values, such as 'soon'"),
        ({"size": None}, "column 'size' is missing; it has id, colour"),
    ],
)
def test_tables_that_are_too_different_are_refused(change: Any, says: str, classes: Any) -> None:
    table = {name: values for name, values in (TABLE | change).items() if values is not None}
    with pytest.raises(DataError, match=says):
        classes[1].predict(table)


def test_unknown_classes_and_missing_targets_are_refused(classes: Any) -> None:
    with pytest.raises(DataError, match="target 'kind' has values that the training rows do not have"):
        classes[1].score(TABLE | {"kind": ["c"] * N})
    with pytest.raises(DataError, match="column 'kind' is missing"):
        classes[1].score({name: values for name, values in TABLE.items() if name != "kind"})
    with pytest.raises(DataError, match="y is missing"):
        classes[1].score(classes[0].x)


def test_a_validation_table_is_read_like_the_training_table() -> None:
    data = fastnet.load(TABLE, target="price", weights="weight", test="none")
    joined, parts = with_validation_given(data, TABLE)
    same(joined.x[parts.validation], data.x)
    same(joined.y[parts.validation], data.y)
    same(joined.weights, np.tile(data.weights, 2))
