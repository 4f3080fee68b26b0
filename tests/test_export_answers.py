"""Networks in a graph of ONNX and in the program of NumPy: activations, objectives, corrections, ensembles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exports import assert_same, session_of
from models import make_model

import fastnet
from fastnet.config.network import ACTIVATIONS
from fastnet.data import Scaler
from fastnet.data.pipeline.targets import TargetScaler
from fastnet.model.classifier import Model
from fastnet.model.ensemble import Ensemble

pytest.importorskip("onnxruntime")

X = (np.random.Philox(key=8).random_raw(300 * 12).reshape(300, 12) % 256).astype(np.float32)


def same(model: Any, folder: Path, x: np.ndarray = X) -> None:
    assert_same(model, x, {"features": x}, x, folder)


def numbers(objective: str, n: int = 1, *, log: bool = False, each: int = 1, shift: float = 5.0, **more: Any) -> Model:
    """Make a model of n numbers, whose range cuts off some of the answers."""
    scaler = TargetScaler(np.arange(n) + shift, np.full(n, 2.0), np.full(n, 2.0), np.full(n, 8.0), log)
    if log:
        scaler = TargetScaler(np.full(n, 1.5), np.full(n, 0.5), np.full(n, 0.5), np.full(n, 8.0), log)
    if objective == "poisson":
        scaler = TargetScaler(np.zeros(n), np.ones(n), np.zeros(n), np.full(n, 9.0))
    levels = (0.1, 0.5, 0.9)[:each] if objective == "pinball" else ()
    names = ("left", "middle", "right")[:n]
    return make_model(
        n_outputs=n * max(each, 1), objective=objective, target_scaler=scaler, quantiles=levels, class_names=names,
        classes=None, **more,
    )  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_each_activation_is_the_librarys(activation: str, tmp_path: Path) -> None:
    same(make_model(activation=activation), tmp_path)
    wide = replace(make_model(activation=activation), pipeline=Scaler(np.float32([128] * 12), np.float32([0.2] * 12)))
    same(wide, tmp_path)


@pytest.mark.parametrize("objective", ["squared-error", "absolute-error", "huber", "poisson"])
@pytest.mark.parametrize("n", [1, 3])
def test_numbers_are_in_the_units_of_their_targets(objective: str, n: int, tmp_path: Path) -> None:
    model = numbers(objective, n)
    same(model, tmp_path)
    assert len(np.unique(model.predict(X))) > 100


def test_logarithms_of_targets_are_inverted(tmp_path: Path) -> None:
    model = numbers("squared-error", log=True)
    same(model, tmp_path)
    assert len(np.unique(model.predict(X))) > 50


@pytest.mark.parametrize(("n", "each"), [(1, 1), (1, 3), (2, 3)])
@pytest.mark.parametrize("calibrated", [False, True])
def test_quantiles_ascend_before_and_after_their_shifts(n: int, each: int, calibrated: bool, tmp_path: Path) -> None:
    shifts = tuple(np.linspace(1.0, -1.5, n * each)) if calibrated else ()
    model = numbers("pinball", n, each=each, shifts=shifts)
    same(model, tmp_path)
    assert model.predict(X).shape == {(1, 1): (300, 1), (1, 3): (300, 3), (2, 3): (300, 2, 3)}[n, each]


def test_labels_are_decided_one_by_one(tmp_path: Path) -> None:
    model = make_model(objective="binary-cross-entropy", classes=None)
    same(model, tmp_path)
    assert 0.1 < model.predict(X).mean() < 0.9


@pytest.mark.parametrize("temperature", [0.3, 4.0])
def test_a_temperature_is_applied(temperature: float, tmp_path: Path) -> None:
    same(make_model(temperature=temperature), tmp_path)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 1.0])
def test_a_threshold_decides(threshold: float, tmp_path: Path) -> None:
    model = make_model(n_outputs=2, threshold=threshold, temperature=1.5)
    same(model, tmp_path)
    assert (model.predict(X) == "middle").any() == (threshold < 1)


@pytest.mark.parametrize(
    "classes", [np.array([3, 7, -1]), np.array([0.5, 1.5, 2.5]), np.array(["a", "ü", ""]), np.array([False, True])]
)
def test_labels_have_the_type_of_the_training_data(classes: np.ndarray, tmp_path: Path) -> None:
    model = make_model(n_outputs=len(classes), class_names=tuple(map(str, classes)), classes=classes)
    same(model, tmp_path)


def test_dropout_at_test_time_scales_each_hidden_layer(tmp_path: Path) -> None:
    same(make_model(hidden=(7, 5, 3), eval_scales=(0.9, 1.0, 0.25)), tmp_path)


@pytest.mark.parametrize("heads", [2, 5, 16])
@pytest.mark.parametrize(("hidden", "activation"), [((7,), "relu"), ((7, 5, 3), "tanh")])
def test_heads_are_averaged(heads: int, hidden: tuple[int, ...], activation: str, tmp_path: Path) -> None:
    scales = (0.9, 1.0, 0.25)[: len(hidden)]
    same(make_model(hidden=hidden, activation=activation, heads=heads, eval_scales=scales), tmp_path)
    same(numbers("pinball", 2, each=3, hidden=hidden, activation=activation, heads=heads), tmp_path)


def test_networks_with_several_heads_are_stacked(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    first = make_model(heads=4, eval_scales=(0.5, 1.0))
    members = [first, *(replace(other(first, k), eval_scales=(1.0, 0.25)) for k in range(3))]
    same(ensemble(*members, weights=(1, 5, 2, 1)), tmp_path)
    kinds = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    assert kinds.count("MatMul") == 3
    same(ensemble(first, make_model(heads=2), make_model(), other(make_model(), 1)), tmp_path)


def test_a_network_without_hidden_layers(tmp_path: Path) -> None:
    same(make_model(hidden=()), tmp_path)


def other(model: Model, seed: int) -> Model:
    """Change the weights of a model."""
    random = np.random.default_rng(seed)
    weights = [w + 0.3 * random.normal(size=w.shape).astype(np.float32) for w in model.weights]
    return replace(model, weights=tuple(weights))


def ensemble(*members: Model, weights: tuple[int, ...] = (), **more: Any) -> Ensemble:
    return Ensemble(members=members, weights=weights, **more)


def test_members_of_one_form_are_stacked(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    first = make_model(eval_scales=(0.5, 1.0))
    members = [first, *(replace(other(first, k), eval_scales=(1.0, 0.25)) for k in range(4))]
    same(ensemble(*members, weights=(1, 5, 2, 1, 3)), tmp_path)
    kinds = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    assert kinds.count("MatMul") == 3 and "Gemm" not in kinds


def test_members_of_any_form_are_averaged_with_their_weights(tmp_path: Path) -> None:
    first = make_model()
    members = (
        *(first, other(first, 1), make_model(hidden=(9,), activation="gelu"), make_model(hidden=())),
        replace(other(first, 2), temperature=3.0),
        replace(other(first, 3), pipeline=Scaler(np.float32([128] * 12), np.float32([0.01] * 12))),
    )
    same(ensemble(*members, weights=(3, 1, 2, 2, 4, 1)), tmp_path)
    same(ensemble(*members, temperature=0.5), tmp_path)
    same(ensemble(first), tmp_path)


def test_members_with_temperatures_of_their_own_are_stacked(tmp_path: Path) -> None:
    first = make_model()
    same(ensemble(*(replace(other(first, k), temperature=0.5 + k) for k in range(3)), threshold=None), tmp_path)


def test_an_ensemble_of_two_classes_has_a_threshold(tmp_path: Path) -> None:
    first = make_model(n_outputs=2)
    same(ensemble(first, other(first, 1), threshold=0.4, temperature=2.0), tmp_path)


@pytest.mark.parametrize("objective", ["squared-error", "poisson"])
def test_numbers_of_members_are_averaged_in_their_units(objective: str, tmp_path: Path) -> None:
    first, second = numbers(objective, 2), numbers(objective, 2, shift=1.0)
    same(ensemble(first, other(first, 1), other(second, 2), weights=(2, 1, 1)), tmp_path)
    third = numbers("huber", 2, hidden=(4,)) if objective == "squared-error" else numbers(objective, 2, hidden=(4,))
    same(ensemble(first, third, weights=(1, 3)), tmp_path)


def test_shifts_of_an_ensemble_keep_within_the_range_of_all_members(tmp_path: Path) -> None:
    first = numbers("pinball", 2, each=3)
    scaler = TargetScaler(np.full(2, 4.0), np.full(2, 3.0), np.array([-1.0, 3.0]), np.array([6.0, 11.0]))
    second = replace(other(first, 1), target_scaler=scaler)
    shifted = replace(other(first, 2), shifts=(0.5, 0.1, -0.2) * 2)
    same(ensemble(first, second, shifted, shifts=(-9.0, 0.0, 0.0, 0.0, 0.0, 9.0)), tmp_path)


def test_labels_of_members_are_averaged(tmp_path: Path) -> None:
    first = make_model(objective="binary-cross-entropy", classes=None)
    same(ensemble(first, other(first, 1), make_model(objective="binary-cross-entropy", hidden=(3,))), tmp_path)


def test_a_calibrated_training(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(500, 12)).astype(np.float32)
    y = np.exp(0.3 * x[:, 0] + 0.1 * random.normal(size=500))
    config = fastnet.TrainConfig(hidden=(8,), epochs=3, objective="pinball", calibration="quantiles")
    model = fastnet.train((x, y), config).model
    assert model.shifts
    assert_same(model, x, {"features": x}, x, tmp_path)
    classes = fastnet.TrainConfig(hidden=(8,), epochs=3, calibration="temperature", threshold="f1")
    model = fastnet.train((x, y > 1), classes).model
    assert model.temperature != 1.0 and model.threshold is not None
    assert_same(model, x, {"features": x}, x, tmp_path)


def test_one_row_answers_as_many_do(tmp_path: Path) -> None:
    model = make_model()
    session = session_of(ensemble(model, other(model, 1)), tmp_path)
    label, probabilities = session.run(None, {"features": X[:1]})
    assert label.shape == (1,) and np.allclose(probabilities, session.run(None, {"features": X})[1][:1], atol=1e-6)
