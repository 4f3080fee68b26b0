"""Exported models, run as other programs run them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnet.data.tables.cells import levels_of, plain
from fastnet.data.tables.table import open_table
from fastnet.export.columns import kind_of
from fastnet.export.export import export_model
from fastnet.export.standalone import Program

CLOSE = 1e-5
"""Largest difference from the library's own answers, relative to 1 or to the spread of the numbers."""


def session_of(model: Any, folder: Path) -> Any:
    """Export a model, check the file in full, and open it in ONNX Runtime on one thread."""
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    path = folder / "model.onnx"
    export_model(model, path)
    made = onnx.load(path)
    onnx.checker.check_model(made, full_check=True)
    assert made.ir_version == 8 and {each.domain: each.version for each in made.opset_import}[""] == 17
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def program_of(model: Any, folder: Path) -> Program:
    """Export a model as a program of NumPy, and load its weights."""
    export_model(model, folder / "program")
    return Program(folder / "program" / "weights.npz")


def feeds_of(model: Any, table: Any) -> dict[str, np.ndarray]:
    """Return what the inputs of a model's graph expect of a table."""
    schema, made = model.schema, {}
    opened = open_table(table)
    [batch] = [_whole(opened, schema.features_from)]
    for name in schema.features_from:
        column, cells = schema.column(name), batch.column(name).combine_chunks()
        kind = kind_of(column, schema.fields)
        if kind == "STRING":
            texts = levels_of(plain(cells, name)).to_pylist()
            made[name] = np.array([[text or ""] for text in texts], dtype=object)
        else:
            dtype = np.float64 if kind == "DOUBLE" else np.float32
            made[name] = column.values(cells)[:, None].astype(dtype)
    return made


def _whole(opened: Any, names: tuple[str, ...]) -> Any:
    import pyarrow as pa

    return pa.Table.from_batches(list(opened.batches(names)))


def assert_same(model: Any, x: Any, feeds: dict[str, np.ndarray], columns: Any, folder: Path) -> None:
    """Compare the graph and the program with the library on the same samples."""
    found = session_of(model, folder).run(None, feeds)
    program = program_of(model, folder)
    if model.task == "regression":
        expected = model.predict(x)
        spread = max(float(np.ptp(expected)), 1e-30)
        for actual in (found[0], program.predict(columns)):
            assert actual.shape == expected.shape and actual.dtype == np.float64
            assert np.abs(actual - expected).max() <= CLOSE * spread
        return
    expected = model.predict_proba(x)
    for actual in (found[1], program.predict_proba(columns)):
        assert actual.shape == expected.shape and actual.dtype == np.float32
        assert np.abs(actual - expected).max() <= CLOSE
    labels = model.predict(x)
    clear = _clear(model, expected)
    for actual in (found[0], program.predict(columns)):
        assert actual.shape == labels.shape and actual.dtype.kind in (labels.dtype.kind, "O")
        assert (actual == labels)[clear].all()


def _clear(model: Any, probabilities: np.ndarray) -> np.ndarray:
    """Return where rounding cannot change the label."""
    if model.task == "multilabel":
        return np.abs(probabilities - 0.5) > CLOSE
    if model.threshold is not None:
        return np.abs(probabilities[:, 1] - model.threshold) > CLOSE
    first, second = np.sort(probabilities, axis=1)[:, :-3:-1].T
    return first - second > 2 * CLOSE


def columns_of(table: Any) -> dict[str, list[Any]]:
    """Return the cells of a table as Python has them."""
    opened = open_table(table)
    return _whole(opened, tuple(opened.names)).to_pydict()
