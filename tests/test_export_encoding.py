"""Pipelines in a graph of ONNX and in the program of NumPy: the inputs of the first layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exports import assert_same
from models import make_model
from tables import FIELDS, draw_table, table_of

import fastnet
from fastnet.data.pipeline.numbers import ranks
from fastnet.data.pipeline.pipeline import fit_pipeline
from fastnet.data.pipeline.scaling import fit_scaler
from fastnet.data.pipeline.sparse import SparseScaler
from fastnet.export.encoding import first_inputs
from fastnet.export.graph import Graph
from fastnet.export.standalone import inputs_of
from fastnet.model.ensemble import Ensemble

pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def run(pipeline: Any, x: np.ndarray) -> np.ndarray:
    """Compute the inputs of samples with a graph that holds a pipeline alone."""
    double = x.dtype == np.float64
    graph = Graph(["x", "y"])
    value = graph.input("x", "DOUBLE" if double else "FLOAT", ["N", pipeline.n_fields])
    graph.output("y", "FLOAT", ["N", pipeline.n_inputs], first_inputs(graph, value, pipeline, double=double))
    content = graph.model("", {}).SerializeToString()
    return runtime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]


def alone(pipeline: Any, x: np.ndarray) -> np.ndarray:
    """Compute the inputs of samples with the program of NumPy."""
    header, arrays = pipeline.to_parts()
    return inputs_of(header, arrays, x)


@pytest.mark.parametrize("numbers", ["piecewise", "robust", "standard", "quantile"])
def test_a_table_is_encoded_as_the_library_encodes_it(numbers: str) -> None:
    pipeline = fit_pipeline(table_of(500, numbers=numbers), np.arange(500))
    x = draw_table(400, seed=5)
    x[0] = [1e30, -1e30, -1, -1, -1, -5]
    x[1] = np.nan
    expected = pipeline.apply(x)
    for actual in (run(pipeline, x), alone(pipeline, x)):
        assert actual.shape == expected.shape
        np.testing.assert_allclose(actual, expected, rtol=2e-7, atol=2e-7)


def test_an_unseen_level_is_rare_and_a_missing_one_is_none() -> None:
    dataset = table_of(100)
    dataset.x[:, 2] = 0
    dataset.x[:6, 2] = [2, 2, 2, 3, 3, 3]
    pipeline = fit_pipeline(dataset, np.arange(100))
    assert pipeline.levels[0].rare
    x = np.repeat(draw_table(1), 5, axis=0)
    x[:, 2] = [-1, np.nan, 0, 1, 3]
    expected = pipeline.apply(x)
    assert expected[:, -2:].tolist() == [[0, 1], [0, 0], [1, 0], [0, 1], [0, 1]]
    for actual in (run(pipeline, x), alone(pipeline, x)):
        np.testing.assert_allclose(actual, expected, rtol=2e-7, atol=2e-7)


def test_values_at_knots_and_beyond_are_interpolated() -> None:
    dataset = table_of(3000, numbers="quantile")
    pipeline = fit_pipeline(dataset, np.arange(3000))
    assert [len(knots) for knots in pipeline.scaling.knots][:3] != [0, 0, 0]
    x = np.zeros((len(pipeline.scaling.knots[0]) + 2, len(FIELDS)), np.float32)
    x[1:-1, 0] = pipeline.scaling.knots[0]
    x[0, 0], x[-1, 0] = -1e9, 1e9
    np.testing.assert_allclose(run(pipeline, x), pipeline.apply(x), rtol=2e-7, atol=2e-7)


def test_a_column_of_one_value_is_level() -> None:
    knots, scores = ranks(np.full(90, 4.0))
    assert len(knots) == 1 and len(scores) == 1
    dataset = table_of(200, numbers="quantile")
    dataset.x[:, 5] = 4.0
    pipeline = fit_pipeline(dataset, np.arange(200))
    x = draw_table(50)
    np.testing.assert_allclose(run(pipeline, x), pipeline.apply(x), rtol=2e-7, atol=2e-7)


def test_a_table_of_categories_alone(tmp_path: Path) -> None:
    fields = (FIELDS[2], FIELDS[4])
    dataset = fastnet.Dataset(
        x=draw_table(300)[:, [2, 4]], y=np.arange(300) % 2, classes=np.array(["a", "b"]), class_names=("a", "b"),
        name="levels", x_test=None, y_test=None, fields=fields,
    )  # fmt: skip
    model = fastnet.train(dataset, fastnet.TrainConfig(hidden=(4,), epochs=2)).model
    x = draw_table(90, seed=3)[:, [2, 4]]
    assert_same(model, x, {"features": x}, x, tmp_path)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_arrays_of_each_type_are_scaled_in_it(dtype: Any, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    x = random.integers(0, 256, (200, 12)).astype(dtype)
    if dtype == np.float64:
        x += 1e9 + random.random(x.shape)  # float32 would lose all that tells the samples apart
    y = (x[:, 0] > np.median(x[:, 0])).astype(int)
    model = fastnet.train((x, y), fastnet.TrainConfig(hidden=(6,), epochs=4)).model
    assert (model.pipeline.dtype == np.float64) == (dtype == np.float64)
    given = x.astype(np.float32) if dtype == np.uint8 else x
    assert_same(model, x, {"features": given}, x, tmp_path)
    assert len(np.unique(model.predict_proba(x))) > 100


@pytest.mark.parametrize("order", [(0, 1, 0), (1, 0, 1)])
def test_sparse_members_with_and_without_factors(order: tuple[int, ...], tmp_path: Path) -> None:
    x = np.random.default_rng(4).random((60, 12)).astype(np.float32)
    both = [make_model(pipeline=SparseScaler(12, factors)) for factors in (None, np.full(12, 0.1, np.float32))]
    model = Ensemble(members=[both[which] for which in order])
    assert_same(model, x, {"features": x}, x, tmp_path)


def test_members_that_scale_in_float32_round_what_the_others_do_not(tmp_path: Path) -> None:
    x = np.random.default_rng(2).normal(1000.0, 1.0, (80, 12)) + 1e-5
    double, single = (make_model(pipeline=fit_scaler(x.astype(kind), np.arange(80))) for kind in (float, np.float32))
    model = Ensemble(members=(single, double))
    assert_same(model, x, {"features": x}, x, tmp_path)


@pytest.mark.parametrize("factors", [None, np.float32([0.5, 2.0, 1.0] * 4)])
def test_sparse_models_read_dense_samples(factors: Any, tmp_path: Path) -> None:
    from scipy import sparse

    x = np.random.default_rng(3).random((60, 12)).astype(np.float32)
    x[x < 0.8] = 0
    model = make_model(pipeline=SparseScaler(12, factors))
    assert_same(model, sparse.csr_array(x), {"features": x}, sparse.csr_array(x), tmp_path)
