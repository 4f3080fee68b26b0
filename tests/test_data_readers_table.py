"""Tables as data sets: targets, test sets, weights, groups and times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnet.data import Dataset
from fastnet.data.readers.table import Reading, read_table
from fastnet.errors import ConfigError, DataError

N = 40
TABLE: dict[str, list[Any]] = {
    "size": [k / 4 for k in range(N)],
    "colour": ["red", "green", "blue", "green"] * (N // 4),
    "price": [round((k * 7 % N) * 1.25 + 0.3, 2) for k in range(N)],
    "ripe": ["yes", "no", "no", "yes"] * (N // 4),
    "code": [k % 5 + 1 for k in range(N)],
    "weight": [1.0 + k % 3 for k in range(N)],
    "farm": [f"farm {k % 8}" for k in range(N)],
    "when": [f"2024-01-{1 + (k * 3) % 28:02d}" for k in range(N)],
}


def read(target: Any, table: dict[str, list[Any]] = TABLE, **reading: Any) -> Dataset:
    return read_table(table, Reading(target, **reading))


def sizes(data: Dataset) -> list[int]:
    """Return the rows of the table that train and that test, by the column that numbers them."""
    place = [field.name for field in data.fields or ()].index("size")
    assert data.x_test is not None
    return [*(data.x[:, place] * 4).astype(int), -1, *(data.x_test[:, place] * 4).astype(int)]


def test_classes() -> None:
    data = read("colour")
    assert (data.task, data.class_names, data.n_samples, len(data.y_test)) == (
        "classification", ("blue", "green", "red"), 32, 8
    )  # fmt: skip
    rows = sizes(data)
    train, test = rows[: rows.index(-1)], rows[rows.index(-1) + 1 :]
    assert sorted(train + test) == list(range(N)) and train == sorted(train) and test == sorted(test)
    assert [data.class_names[k] for k in data.y] == [TABLE["colour"][row] for row in train]
    assert [data.class_names[k] for k in data.y_test] == [TABLE["colour"][row] for row in test]
    assert np.bincount(data.y_test).tolist() == [2, 4, 2]
    assert not data.x.flags.writeable and not data.y.flags.writeable


def test_numbers_and_several_targets() -> None:
    data = read("price")
    assert (data.task, data.class_names, data.classes.size, data.y.shape) == ("regression", ("price",), 0, (32, 1))
    rows = sizes(data)
    np.testing.assert_array_equal(data.y[:, 0], np.array(TABLE["price"])[rows[:32]])
    assert read(["price", "size"], drop=["code"]).y.shape == (32, 2)
    labels = TABLE | {"sold": [True, False] * (N // 2)}
    data = read(["ripe", "sold"], labels, test="none")
    assert (data.task, data.x_test) == ("multilabel", None)
    assert data.y.tolist()[:4] == [[1, 1], [0, 0], [0, 1], [1, 0]]


def test_whole_numbers_are_uncertain() -> None:
    data = read("code")
    assert (data.task, data.class_names) == ("classification", ("1", "2", "3", "4", "5"))
    assert data.schema is not None and "Uncertain task: code has only 5 whole numbers, 1 to 5" in data.schema.notes[0]
    assert read("code", task="regression").task == "regression"


def test_weights_groups_and_times() -> None:
    data = read("price", weights="weight", group="farm", time="when")
    assert data.weights is not None and data.weights_test is not None and data.times is not None
    rows = sizes(data)
    assert data.weights.tolist() == [TABLE["weight"][row] for row in rows[:32]]
    assert data.weights_test.tolist() == [TABLE["weight"][row] for row in rows[33:]]
    assert max(TABLE["when"][row] for row in rows[:32]) <= min(TABLE["when"][row] for row in rows[33:])
    assert {field.column for field in data.fields or ()} == {"size", "colour", "ripe", "code"}
    rows = sizes(read("price", group="farm"))
    train, test = rows[: rows.index(-1)], rows[rows.index(-1) + 1 :]
    assert test and not {TABLE["farm"][row] for row in train} & {TABLE["farm"][row] for row in test}


def test_rows_without_a_target_are_left_out() -> None:
    data = read("price", TABLE | {"price": [None, None, *TABLE["price"][2:]]}, test="none")
    assert data.n_samples == N - 2 and data.x[0, 0] == 0.5
    assert data.schema is not None and data.schema.notes[-1] == "2 rows without a target are left out."


def test_a_test_set_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("colour,size,price\ngreen,1,3\n,2,4\nblue,5,6\n")
    data = read("colour", test=tmp_path / "t.csv", features=["price", "size"])
    assert (data.n_samples, data.y_test.tolist()) == (N, [1, 0])
    assert data.x_test.tolist() == [[1, 3], [5, 6]]
    (tmp_path / "t.csv").write_text("colour,size,price\npink,1,3\n")
    with pytest.raises(DataError, match="target 'colour' has values that the training rows do not have"):
        read("colour", test=tmp_path / "t.csv", features=["price", "size"])


def test_types_and_what_is_left_out() -> None:
    data = read("price", TABLE | {"only": [1] * N}, types=["code=category"], drop=["size"], numbers="robust")
    assert data.schema is not None and data.numbers == "robust"
    assert dict(data.schema.left_out) == {"size": "dropped", "only": "constant: every value is 1"}
    assert {field.name: field.kind for field in data.fields or ()}["code"] == "category"
    assert "Column 'only' is left out: constant: every value is 1." in data.schema.notes


@pytest.mark.parametrize(
    ("target", "reading", "error", "says"),
    [
        (None, {}, DataError, "no target is given"),
        ("none", {}, DataError, "target: no column 'none'"),
        ("price", {"test": 1.5}, ConfigError, r"test=1.5: must be a share in \(0, 1\), a file, or 'none'"),
        ("price", {"test": "absent.csv"}, DataError, "absent.csv: no such file"),
        ("price", {"numbers": "log"}, ConfigError, "numbers='log': choose one of auto, piecewise"),
        ("price", {"task": "ranking"}, ConfigError, "task='ranking': choose one of auto, classification"),
        ("price", {"types": ["size=whole"]}, ConfigError, "unknown kind 'whole'"),
        (
            "price",
            {"weights": "colour"},
            DataError,
            "weights: column 'colour' is of kind category, where number is needed",
        ),
    ],
)
def test_refused(target: Any, reading: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        read(target, **reading)


def test_weights_and_times_refused() -> None:
    with pytest.raises(DataError, match="'weight' must not be negative"):
        read("price", TABLE | {"weight": [-1, *TABLE["weight"][1:]]}, weights="weight")
    with pytest.raises(DataError, match="column 'when' has no number or date in row 2"):
        read("price", TABLE | {"when": [TABLE["when"][0], None, *TABLE["when"][2:]]}, time="when")


def test_the_same_data_set_from_a_file(tmp_path: Path) -> None:
    lines = [",".join(map(str, row)) for row in zip(*TABLE.values(), strict=True)]
    (tmp_path / "a.csv").write_text("\n".join([",".join(TABLE), *lines]))
    assert read_table(tmp_path / "a.csv", Reading("price")).fingerprint() == read("price").fingerprint()


def test_real_tables(shared_data: Path) -> None:
    def of(name: str, target: str) -> tuple[str, int, int]:
        data = read_table(shared_data / "tables" / f"{name}.csv.gz", Reading(target))
        return data.task, data.n_samples, data.n_outputs

    assert of("phoneme", "target") == ("classification", 4323, 2)
    assert of("marketing", "target") == ("classification", 5501, 9)
    assert of("bikeshare", "bikers") == ("regression", 6916, 1)
