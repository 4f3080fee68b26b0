"""A table in which everything is as in exported files, from reading it to predicting later rows."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli
from messy import DROPPED, KINDS, LEAKS, TARGET, write_messy

import fastnet
from fastnet.data.doubts import doubts
from fastnet.errors import DataError, FastnetWarning

ROWS = 3000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("messy")
    write_messy(made / "customers.csv", ROWS)
    write_messy(made / "later.csv", 500, later=True, target=False)
    return made


@pytest.fixture(scope="module")
def data(folder: Path) -> fastnet.Dataset:
    return fastnet.load(folder / "customers.csv", target=TARGET)


def test_every_column_is_read_as_a_person_would(data: fastnet.Dataset) -> None:
    schema = data.schema
    assert schema is not None
    found = {column.name: column.kind for column in schema.columns}
    alike = {"category": ("category", "boolean"), "boolean": ("category", "boolean"), "text": ("text", "identifier")}
    wrong = {name: found[name] for name, kind in KINDS.items() if found[name] not in alike.get(kind, (kind,))}
    assert not wrong
    assert {name for name, _ in schema.left_out} == set(DROPPED)
    assert data.task == "classification" and set(data.class_names) == {"ja", "nein"}
    assert data.n_samples + len(data.y_test) == ROWS
    texts = " ".join(schema.notes)
    assert "-999 counted as missing" in texts and all(f"'{name}' is left out" in texts for name in DROPPED)


def test_the_leak_is_reported(data: fastnet.Dataset) -> None:
    said = list(doubts(data, fastnet.split(data.y)))
    assert [name for name in KINDS if any(name in sentence for sentence in said if "determines" in sentence)] == [
        *LEAKS,
        TARGET,
    ]


def test_command_and_python_train_and_predict_the_same_bits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    how = ["--preset", "book", "--hidden", "16", "--epochs", "3", "--optimizer", "adamw", "--learning-rate", "0.003"]
    what = ["--data", "customers.csv", "--target", TARGET, "--drop", "closed on"]
    result = CliRunner().invoke(cli, ["train", *what, *how, "-o", "m.safetensors", "--overwrite"])
    assert result.exit_code == 0, result.output
    data = fastnet.load("customers.csv", target=TARGET, drop=["closed on"])
    config = fastnet.TrainConfig(hidden=(16,), epochs=3, optimizer="adamw", learning_rate=0.003)
    mine, other = fastnet.train(data, config).model, fastnet.load_model("m.safetensors")
    for one, two in zip(mine.weights, other.weights, strict=True):
        np.testing.assert_array_equal(one, two)
    with pytest.warns(FastnetWarning) as caught:
        expected = mine.predict_proba("later.csv")
    said = " ".join(str(warning.message) for warning in caught)
    assert "column 'Stadt' has" in said and "that did not occur in training" in said
    result = CliRunner().invoke(cli, ["predict", "m.safetensors", "--data", "later.csv", "--probabilities"])
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["customer id"] for row in rows] == [f"C-{10**6 + k:08d}" for k in range(500)]
    found = np.stack([np.float32([row[f"p({name})"] for row in rows]) for name in mine.class_names], axis=1)
    np.testing.assert_array_equal(found, expected)


def test_a_file_that_is_cut_off_is_refused(folder: Path) -> None:
    whole = (folder / "later.csv").read_bytes()
    (folder / "cut.csv").write_bytes(whole[: len(whole) - 60])
    data = fastnet.load(folder / "customers.csv", target=TARGET, drop=["closed on"])
    model = fastnet.train(data, fastnet.TrainConfig(hidden=(), epochs=1)).model
    with pytest.raises(DataError, match=r"cut\.csv|columns|quote"):
        model.predict(folder / "cut.csv")
