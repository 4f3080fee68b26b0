"""`fastnet evaluate`: accuracy and loss of a saved model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from fastnet_cli.main import cli

from fastnet.config.network import NetworkSpec
from fastnet.data import Dataset, fit_scaler
from fastnet.model.classifier import Model

MODEL = "m.safetensors"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_dataset: Dataset) -> None:
    """A model without hidden layers whose three outputs are the sums over the three groups of pixels."""
    monkeypatch.chdir(tmp_path)
    weight = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    Model(
        spec=NetworkSpec(n_inputs=12, n_outputs=3, hidden=()),
        weights=(weight,),
        biases=(np.zeros(3, np.float32),),
        pipeline=fit_scaler(tiny_dataset.x, np.arange(90)),
        class_names=tiny_dataset.class_names,
    ).save(MODEL)
    arrays = {"x": tiny_dataset.x, "y": tiny_dataset.y, "class_names": np.array(tiny_dataset.class_names)}
    np.savez("train.npz", **arrays)
    assert tiny_dataset.x_test is not None and tiny_dataset.y_test is not None
    np.savez("both.npz", **arrays, x_test=tiny_dataset.x_test, y_test=tiny_dataset.y_test)


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_evaluate_takes_the_test_set_if_there_is_one() -> None:
    result = run("evaluate", MODEL, "--data", "both.npz")
    assert result.stdout.startswith("test acc:1.00, test loss:0.") and ", samples:30\n" in result.stdout
    assert run("evaluate", MODEL, "--data", "train.npz").stdout.startswith("all acc:1.00, all loss:")
    assert ", samples:90\n" in run("evaluate", MODEL, "--data", "both.npz", "--part", "train").stdout


def test_evaluate_as_json() -> None:
    result = run("evaluate", MODEL, "--data", "both.npz", "--format", "json")
    document = json.loads(result.stdout)
    assert document["accuracy"] == 1.0 and document["samples"] == 30 and document["part"] == "test"
    assert 0 < document["loss"] < 0.5 and document["schema_version"] == 1
    assert document["metrics"]["accuracy"] == document["metrics"]["roc_auc"] == 1.0
    assert [(row["name"], row["n_samples"], row["f1"]) for row in document["classes"]] == [
        ("left", 10, 1.0), ("middle", 10, 1.0), ("right", 10, 1.0)
    ]  # fmt: skip


def test_evaluate_lists_every_metric_and_every_class() -> None:
    lines = run("evaluate", MODEL, "--data", "both.npz").stdout.splitlines()
    assert [line.split() for line in lines if line.startswith(("mcc", "class", "middle"))] == [
        ["mcc", "1.0000"], ["class", "samples", "precision", "recall", "F1"], ["middle", "10", *["1.0000"] * 3]
    ]  # fmt: skip


def test_evaluate_refuses_a_part_that_is_not_there() -> None:
    result = run("evaluate", MODEL, "--data", "train.npz", "--part", "test", code=1)
    assert result.stderr == "Error: train has no test set: leave part out, or choose the part train\n"
