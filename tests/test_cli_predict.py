"""`fastnet predict` on a model of three classes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from fastnet_cli.main import cli

from fastnet.config.network import NetworkSpec
from fastnet.data import Dataset, Scaler, fit_scaler
from fastnet.data.pipeline.targets import TargetScaler
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


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_data_of_another_kind_are_refused(command: str) -> None:
    result = run(command, MODEL, "--data", "mnist5k", code=1)
    assert result.stderr == (
        "Error: mnist5k has 784 features: this model reads 12; give the kind of data that it was trained on\n"
    )


def test_predict_prints_a_label_for_each_sample() -> None:
    rows = list(csv.reader(io.StringIO(run("predict", MODEL, "--data", "both.npz").stdout)))
    assert rows[0] == ["sample", "label"] and rows[1] == ["0", "left"] and rows[3] == ["2", "right"]
    assert len(rows) == 31


def test_predict_with_probabilities() -> None:
    result = run("predict", MODEL, "--data", "train.npz", "--probabilities")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert len(rows) == 90 and list(rows[0]) == ["sample", "label", "p(left)", "p(middle)", "p(right)"]
    for row in rows:
        probabilities = [float(row[f"p({name})"]) for name in ("left", "middle", "right")]
        assert sum(probabilities) == pytest.approx(1, abs=1e-6)
        assert row["label"] == ("left", "middle", "right")[int(np.argmax(probabilities))]


def test_predict_as_json_lines_into_a_file() -> None:
    command = ["predict", MODEL, "--data", "both.npz", "--probabilities", "--format", "json", "-o", "out/p.jsonl"]
    assert run(*command).stdout == ""
    rows = [json.loads(line) for line in Path("out/p.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 30 and set(rows[0]) == {"sample", "label", "probabilities"}
    assert set(rows[0]["probabilities"]) == {"left", "middle", "right"}
    assert "out/p.jsonl exists" in run(*command, code=1).stderr.replace("\\", "/")
    run(*command, "--overwrite")


def test_python_and_command_line_agree(tiny_dataset: Dataset) -> None:
    rows = list(csv.DictReader(io.StringIO(run("predict", MODEL, "--data", "train.npz").stdout)))
    model = Model.load(MODEL)
    assert [row["label"] for row in rows] == model.predict(tiny_dataset.x).tolist()


def numbers_model(objective: str, names: tuple[str, ...], quantiles: tuple[float, ...] = ()) -> None:
    """Save a model whose outputs are sums over the first pixels, on a scale of 1; labels if it is of those."""
    n, k = len(names) * max(len(quantiles), 1), len(names)
    scaler = TargetScaler(np.zeros(k), np.ones(k), np.full(k, -1e3), np.full(k, 1e3))
    weight = np.eye(12, dtype=np.float32)[:, :n]
    Model(
        spec=NetworkSpec(n_inputs=12, n_outputs=n, hidden=()),
        weights=(weight,),
        biases=(np.zeros(n, np.float32),),
        pipeline=Scaler(np.zeros(12, np.float32), np.full(12, 1 / 255, np.float32)),
        class_names=names,
        objective=objective,
        quantiles=quantiles,
        target_scaler=None if objective.startswith("binary") else scaler,
    ).save(MODEL)


@pytest.mark.parametrize(
    ("objective", "names", "quantiles", "heads"),
    [
        ("squared-error", ("price",), (), ["sample", "price"]),
        ("pinball", ("a", "b"), (0.1, 0.9), ["sample", "a q0.1", "a q0.9", "b q0.1", "b q0.9"]),
        ("huber", ("sample", "b"), (), ["sample number", "sample", "b"]),
        ("binary-cross-entropy", ("a", "b"), (), ["sample", "a", "b"]),
    ],
)
def test_numbers_quantiles_and_labels_have_a_column_each(objective, names, quantiles, heads, tiny_dataset) -> None:
    numbers_model(objective, names, quantiles)
    rows = list(csv.reader(io.StringIO(run("predict", MODEL, "--data", "train.npz").stdout)))
    assert rows[0] == heads
    found = np.array(rows[1:], float)[:, 1:]
    assert (found == Model.load(MODEL).predict(tiny_dataset.x).reshape(90, -1)).all()


def test_only_labels_and_classes_have_probabilities() -> None:
    numbers_model("binary-cross-entropy", ("a", "b"))
    heads = run("predict", MODEL, "--data", "train.npz", "--probabilities").stdout.splitlines()[0]
    assert heads == "sample,a,b,p(a),p(b)"
    numbers_model("squared-error", ("price",))
    result = run("predict", MODEL, "--data", "train.npz", "--probabilities", code=2)
    assert "this model predicts numbers, which have no probabilities: remove --probabilities." in result.stderr
