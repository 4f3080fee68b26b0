"""A graph of ONNX as it is written."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from fastnet.errors import ConfigError
from fastnet.export.graph import IR_VERSION, ML, ML_OPSET, OPSET, Graph, need_onnx

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def run(graph: Graph, **feeds: np.ndarray) -> list[np.ndarray]:
    made = graph.model("a test", {"what": "this"})
    onnx.checker.check_model(made, full_check=True)
    session = runtime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


@pytest.mark.parametrize(
    "values",
    [
        np.float32([[1, 2], [3, 4]]), np.float64(0.1), np.array([2**40, -1]), np.array([True, False]),
        np.array(["a", "ü", ""]), np.zeros((0, 2), np.float32),
    ],
)  # fmt: skip
def test_constants_keep_their_type_and_shape(values: np.ndarray) -> None:
    graph = Graph(["y"])
    kind = {"f4": "FLOAT", "f8": "DOUBLE", "i8": "INT64", "b1": "BOOL"}.get(np.asarray(values).dtype.str[1:], "STRING")
    graph.output("y", kind, list(np.shape(values)), graph.constant(values))
    [found] = run(graph)
    assert found.shape == np.shape(values) and (found == values).all()


def test_equal_constants_are_stored_once() -> None:
    graph = Graph()
    first = graph.constant(np.float32([1.0, 2.0]))
    assert graph.constant(np.float32([1.0, 2.0])) == first
    others = [np.float32([[1.0, 2.0]]), np.array([1.0, 2.0]), np.float32([1.0, 3.0]), np.float32([0.0, -0.0])]
    assert len({first, *map(graph.constant, others)}) == 5
    assert graph.constant(np.array(["a"])) == graph.constant(np.array(["a"], object))


def test_values_never_have_the_names_of_inputs_and_outputs() -> None:
    names = ["Add_2", "Add_3", "Constant_2"]
    graph = Graph(["y", *names])
    values = [graph.input(name, "FLOAT", ["N", 1]) for name in names]
    total = graph.op("Add", graph.op("Add", *values[:2]), graph.op("Add", values[2], graph.constant(np.float32(1))))
    graph.output("y", "FLOAT", ["N", 1], total)
    [found] = run(graph, **{name: np.full((2, 1), k, np.float32) for k, name in enumerate(names)})
    assert found.tolist() == [[4.0], [4.0]]


def test_versions_are_those_that_older_runtimes_read() -> None:
    made = Graph().model("a test", {"what": "this"})
    assert made.ir_version == IR_VERSION == 8
    assert {each.domain: each.version for each in made.opset_import} == {"": OPSET, ML: ML_OPSET}
    assert {each.key: each.value for each in made.metadata_props} == {"what": "this"}


def test_size_counts_the_constants() -> None:
    graph = Graph()
    graph.constant(np.zeros(1000, np.float32))
    assert 4000 <= graph.size < 4100


def test_a_missing_package_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigError, match=r"install 'fastnet-mlp\[onnx\]'"):
        need_onnx()
