"""A whole model as a graph of ONNX: its inputs, its outputs, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from exports import session_of
from models import make_model

from fastnet.data import Scaler
from fastnet.data.pipeline.targets import TargetScaler
from fastnet.errors import ModelError
from fastnet.export import onnx as exporting
from fastnet.export.onnx import onnx_model, output_name
from fastnet.model.ensemble import Ensemble

pytest.importorskip("onnxruntime")


def described(model: object, folder: Path) -> list[tuple[str, str, list[object]]]:
    session = session_of(model, folder)
    return [(each.name, each.type, each.shape) for each in (*session.get_inputs(), *session.get_outputs())]


def test_classes_have_a_label_and_probabilities(tmp_path: Path) -> None:
    assert described(make_model(), tmp_path) == [
        ("features", "tensor(float)", ["N", 12]),
        ("label", "tensor(string)", ["N"]),
        ("probabilities", "tensor(float)", ["N", 3]),
    ]


@pytest.mark.parametrize(
    ("classes", "kind"),
    [(np.array([4, 5]), "int64"), (np.array([0.5, 1.5]), "double"), (np.array([False, True]), "bool")],
)
def test_the_label_has_the_type_of_the_classes(classes: np.ndarray, kind: str, tmp_path: Path) -> None:
    model = make_model(n_outputs=2, class_names=tuple(map(str, classes)), classes=classes)
    assert described(model, tmp_path)[1][1] == f"tensor({kind})"


def test_labels_and_numbers_have_outputs_of_their_own(tmp_path: Path) -> None:
    assert described(make_model(objective="binary-cross-entropy"), tmp_path)[1:] == [
        ("labels", "tensor(int64)", ["N", 3]), ("probabilities", "tensor(float)", ["N", 3])
    ]  # fmt: skip
    scaler = TargetScaler(*(np.array([value]) for value in (0.0, 1.0, -9.0, 9.0)))
    of_numbers = make_model(n_outputs=1, objective="huber", target_scaler=scaler)
    assert described(of_numbers, tmp_path)[1:] == [("prediction", "tensor(double)", ["N"])]
    levels = replace(of_numbers, objective="pinball", quantiles=(0.5,))
    assert described(levels, tmp_path)[1:] == [("prediction", "tensor(double)", ["N", 1])]


def test_float64_features_are_doubles_for_any_member(tmp_path: Path) -> None:
    first = make_model()
    second = replace(first, pipeline=Scaler(np.zeros(12), np.ones(12)))
    assert described(second, tmp_path)[0][1] == "tensor(double)"
    assert described(Ensemble(members=(first, second)), tmp_path)[0][1] == "tensor(double)"


def test_members_with_one_pipeline_share_their_inputs() -> None:
    first = make_model()
    pipeline = Scaler(np.float32([1] * 12), np.float32([2] * 12))
    first, second = (replace(each, pipeline=pipeline) for each in (first, make_model(hidden=(3,))))
    made = onnx_model(Ensemble(members=(first, second)))
    assert [node.op_type for node in made.graph.node].count("Sub") == 1


def test_metadata_names_task_classes_and_quantiles() -> None:
    found = {each.key: each.value for each in onnx_model(make_model()).metadata_props}
    assert found["fastnet.task"] == "classification"
    assert json.loads(found["fastnet.names"]) == ["left", "middle", "right"]


def test_names_of_outputs_avoid_those_of_inputs() -> None:
    assert output_name("label", ["label", "predicted_label"]) == "predicted_predicted_label"


def test_a_model_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "LARGEST", 100)
    with pytest.raises(ModelError, match="cannot be larger than 2 GiB"):
        onnx_model(make_model())
