"""Exported models on small inputs like those of public bug reports, which the comments tell."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet
from fastnet.errors import FastnetWarning

ort = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

N = 40
X = np.random.default_rng(0).normal(size=N).tolist()
DAYS = ["9999-12-31" if k % 8 == 0 else f"2024-{k % 12 + 1:02d}-{k % 28 + 1:02d}" for k in range(N)]
TABLE = {
    "x": X,
    "k": ["u", "v", "w", None] * (N // 4),
    "b": [True, False] * (N // 2),
    "d": DAYS,
    "y": ["a", "b"] * (N // 2),
}
INPUTS = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(string)": object}
FIRST = {"x": [1.0, 2.0, 3.0], "k": ["u", "v", "w"], "b": ["true", "false", "true"], "d": ["2024-05-01"] * 3}

Answers = Callable[[Mapping[str, Any]], Any]


@pytest.fixture(scope="module")
def model() -> fastnet.Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FastnetWarning)
        data = fastnet.load(TABLE, target="y", test="none")
        return fastnet.train(data, fastnet.TrainConfig(hidden=(4,), epochs=2)).model


@pytest.fixture(scope="module")
def graph(model: fastnet.Model, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    fastnet.export_model(model, path)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])

    def answers(columns: Mapping[str, Any]) -> Any:
        dates = [np.datetime64(day, "s").astype(np.float64) for day in columns["d"]]
        cells = {**columns, "d": dates}
        feed = {one.name: np.array(cells[one.name], INPUTS[one.type]).reshape(-1, 1) for one in session.get_inputs()}
        return session.run(None, feed)[-1]

    return answers


@pytest.fixture(scope="module")
def program(model: fastnet.Model, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    folder: Path = tmp_path_factory.mktemp("program")
    fastnet.export_model(model, folder)
    spec = importlib.util.spec_from_file_location("predict_cases", folder / "predict.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda columns: module.predict_proba(columns)


CASES = {
    "sklearn-onnx 1047": {"b": ["TRUE", "False", "t"]},
    "xgboost 8396": {"b": ["1", "0", "yes"]},
    "onnxruntime 28462": {"x": [np.nan, 1.0, np.nan]},
    "scikit-learn 29504": {"x": [np.inf, 1.0, 2.0]},
    "pandas 10065": {"x": [1.0, -np.inf, 2.0]},
    "sklearn-onnx 1132": {"k": ["new", "", "NA"]},
    "orange3 5172": {"k": ["#N/A", "#DIV/0!", "u"]},
    "arrow-rs 982": {"d": ["9999-12-31", "2024-02-29", "1999-01-01"]},
    "sklearn-onnx 321": {"x": [0.1, 0.2, 0.3]},
}


@pytest.mark.parametrize("report", CASES)
def test_all_forms_answer_alike(report: str, model: fastnet.Model, graph: Answers, program: Answers) -> None:
    columns = {**FIRST, **CASES[report]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FastnetWarning)
        expected = model.predict_proba(columns)
    np.testing.assert_allclose(graph(columns), expected, atol=1e-6)
    np.testing.assert_allclose(program(columns), expected, atol=1e-6)


@pytest.mark.parametrize("rows", [0, 1], ids=["onnxruntime 348", "onnxruntime 2468"])
def test_batches_may_be_empty_or_of_one_row(rows: int, graph: Answers, program: Answers) -> None:
    columns = {name: cells[:rows] for name, cells in FIRST.items()}
    assert graph(columns).shape == program(columns).shape == (rows, 2)


def test_the_program_reads_numbers_as_the_library_does(tmp_path: Path) -> None:  # polars 18797, budget-tracker 572
    texts = ["\u22121,5", "1.299,99", "12\u00a0000,5", "850"]
    values = [-1.5, 1299.99, 12000.5, 850.0]
    rows = [f"{texts[k % 4]};{'ab'[k % 2]}" for k in range(N)]
    (tmp_path / "table.csv").write_text("\n".join(["v;y", *rows, ""]), encoding="utf-8")
    data = fastnet.load(tmp_path / "table.csv", target="y", test="none", types={"v": "number"})
    model = fastnet.train(data, fastnet.TrainConfig(hidden=(), epochs=2)).model
    fastnet.export_model(model, tmp_path / "program")
    spec = importlib.util.spec_from_file_location("predict_numbers", tmp_path / "program" / "predict.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for cells in (texts, values):
        np.testing.assert_allclose(module.predict_proba({"v": cells}), model.predict_proba({"v": values}), atol=1e-6)
