"""The model as a value and as a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from fastnet import reference
from fastnet.config.network import ACTIVATIONS, NetworkSpec
from fastnet.config.training import TrainConfig
from fastnet.data import Dataset, Scaler
from fastnet.errors import ConfigError, DataError, ModelError
from fastnet.model.classifier import Model


def make_model(
    n_inputs: int = 12, hidden: tuple[int, ...] = (5, 4), n_outputs: int = 3, activation: str = "relu", **changes: Any
) -> Model:
    spec = NetworkSpec(n_inputs=n_inputs, n_outputs=n_outputs, hidden=hidden, activation=activation)
    words = np.random.Philox(key=3).random_raw(spec.n_parameters)
    values = ((words % 2001).astype(np.float32) - 1000) / 1000
    weights, biases, used = [], [], 0
    for n_in, n_out in zip(spec.sizes[:-1], spec.sizes[1:], strict=True):
        weights.append(values[used : used + n_in * n_out].reshape(n_in, n_out))
        biases.append(values[used + n_in * n_out : used + (n_in + 1) * n_out])
        used += (n_in + 1) * n_out
    parts: dict[str, Any] = {
        "spec": spec,
        "weights": tuple(weights),
        "biases": tuple(biases),
        "scaler": Scaler(np.zeros(n_inputs, np.float32), np.full(n_inputs, 1 / 255, np.float32)),
        "class_names": ("left", "middle", "right", "top", "bottom")[:n_outputs],
        "eval_scales": (0.5,) * len(hidden),
        "settings": {"optimizer": "adam", "learning_rate": 0.001, "seed": 2**64 - 1},
        "metrics": {"test_accuracy": 0.9812},
    }
    return Model(**{**parts, **changes})


@pytest.mark.parametrize("hidden", [(), (1,), (5, 4), (7,) * 20])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_load_returns_what_save_wrote(tmp_path: Path, hidden: tuple[int, ...], activation: str) -> None:
    model = make_model(hidden=hidden, activation=activation)
    model.save(tmp_path / "m.safetensors")
    loaded = Model.load(tmp_path / "m.safetensors")
    for name in ("spec", "class_names", "eval_scales", "settings", "metrics"):
        assert getattr(model, name) == getattr(loaded, name)
    pairs = zip(
        (*model.weights, *model.biases, model.scaler.offset, model.scaler.scale),
        (*loaded.weights, *loaded.biases, loaded.scaler.offset, loaded.scaler.scale),
        strict=True,
    )
    for expected, actual in pairs:
        assert expected.tobytes() == actual.tobytes() and actual.dtype == np.float32


def test_save_is_plain_safetensors_and_the_same_bytes_every_time(tmp_path: Path) -> None:
    make_model().save(tmp_path / "a")
    make_model().save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with safe_open(tmp_path / "a", framework="numpy") as file:
        assert set(file.keys()) >= {"layers.0.weight", "layers.2.bias", "scaler.offset", "scaler.scale"}
        assert json.loads(file.metadata()["fastnet"])["settings"]["optimizer"] == "adam"


def test_save_accepts_weights_that_are_views(tmp_path: Path) -> None:
    model = make_model()
    strided = tuple(np.asfortranarray(w) for w in model.weights)
    make_model(weights=strided).save(tmp_path / "a")
    assert Model.load(tmp_path / "a").weights[0].tobytes() == model.weights[0].tobytes()


def test_failed_save_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"old")

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space left") as caught:
        make_model().save(path)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def missing(path: Path) -> None:
    path.unlink()


def text(path: Path) -> None:
    path.write_text("not a model\n" * 10)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def foreign(path: Path) -> None:
    save_file({"a": np.zeros(3, np.float32)}, path)


def newer(path: Path) -> None:
    rewrite(path, lambda header: header.update(format=99))


def without_names(path: Path) -> None:
    rewrite(path, lambda header: header.pop("class_names"))


def other_sizes(path: Path) -> None:
    rewrite(path, lambda header: header.update(n_inputs=13))


def more_layers(path: Path) -> None:
    rewrite(path, lambda header: header.update(hidden="5,4,4"))


def fewer_layers(path: Path) -> None:
    rewrite(path, lambda header: header.update(hidden="5"))


def wrong_type(path: Path) -> None:
    rewrite(path, lambda header: header.update(n_inputs="twelve"))


def unknown_activation(path: Path) -> None:
    rewrite(path, lambda header: header.update(activation="step"))


def double_precision(path: Path) -> None:
    rewrite(path, lambda header: None, lambda tensor: tensor.astype(np.float64))


def not_finite(path: Path) -> None:
    rewrite(path, lambda header: None, lambda tensor: tensor * np.float32(np.nan))


def huge_number(path: Path) -> None:
    rewrite(path, lambda header: header.update(eval_scales=[10**400] * 2))


def half_a_character(path: Path) -> None:
    rewrite(path, lambda header: header.update(class_names=["\ud800"] * 5))


def deep(path: Path) -> None:
    rewrite(path, lambda header: header.update(settings=json.loads("[" * 300 + "]" * 300)))


def thousands_of_layers(path: Path) -> None:
    rewrite(path, lambda header: header.update(hidden="1x1000," * 9999))


def strange_type(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"F32"', b'"a\\n"', 1))


def rewrite(path: Path, change: Callable[[dict[str, Any]], object], convert: Any = np.asarray) -> None:
    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["fastnet"])
        tensors = {name: convert(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    change(header)
    save_file(tensors, path, metadata={"fastnet": json.dumps(header)})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (missing, "no such model file"),
        (text, "not a safetensors file"),
        (empty, "not a safetensors file"),
        (truncated, "not a safetensors file"),
        (foreign, "not one that fastnet wrote"),
        (newer, "another version of fastnet"),
        (without_names, "description is incomplete"),
        (other_sizes, "must be float32"),
        (more_layers, "layers.3.weight is missing"),
        (fewer_layers, "layers.1.weight is float32"),
        (wrong_type, "n_inputs='twelve'"),
        (unknown_activation, "activation='step': must be one of relu, leaky-relu"),
        (double_precision, "must be float32"),
        (not_finite, "not finite"),
        (huge_number, "its description is damaged; get the file again"),
        (half_a_character, "its description is damaged"),
        (deep, "its description is damaged"),
        (thousands_of_layers, "at most 1000 are allowed"),
        (strange_type, "not a safetensors file, or a damaged one"),
    ],
)
def test_load_explains_what_is_wrong(tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    path = tmp_path / "m.safetensors"
    make_model().save(path)
    damage(path)
    with pytest.raises(ModelError, match=message) as caught:
        Model.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_without_an_activation_is_a_network_of_relus(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    make_model().save(path)
    rewrite(path, lambda header: header.pop("activation"))
    assert Model.load(path).spec == make_model().spec and make_model().spec.activation == "relu"


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_predictions_are_the_references(tmp_path: Path, activation: str) -> None:
    model = make_model(hidden=(5, 17), activation=activation)
    model.save(tmp_path / "m.safetensors")
    x = (np.random.Philox(key=4).random_raw(130 * 12) % 256).astype(np.uint8).reshape(130, 12)
    arrays = [[array.astype(np.float64) for array in arrays] for arrays in (model.weights, model.biases)]
    scaled = model.scaler.apply(x).astype(np.float64)
    logits = reference.network.forward(*arrays, scaled, list(model.eval_scales), None, activation)[-1]
    found = Model.load(tmp_path / "m.safetensors").predict_proba(x)
    np.testing.assert_allclose(found, reference.objective.softmax(logits), rtol=1e-5)
    others = [
        reference.network.forward(*arrays, scaled, list(model.eval_scales), None, name)[-1] for name in ACTIVATIONS
    ]
    agree = [np.allclose(found, reference.objective.softmax(other), rtol=1e-5) for other in others]
    assert [name for name, same in zip(ACTIVATIONS, agree, strict=True) if same] == [activation]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_initial_values_follow_the_activation_unless_given(activation: str) -> None:
    expected = "xavier" if activation in ("tanh", "logistic") else "he"
    assert TrainConfig(activation=activation).resolved().init == expected
    assert TrainConfig(activation=activation).network(3, 2) == NetworkSpec(
        n_inputs=3, n_outputs=2, activation=activation, init=expected
    )
    for init in ("he", "xavier"):
        assert TrainConfig(activation=activation, init=init).network(3, 2).init == init


@pytest.mark.parametrize("activation", ["ReLU", "", None, 3])
def test_an_unknown_activation_is_refused(activation: Any) -> None:
    for build in (TrainConfig, partial(NetworkSpec, n_inputs=3, n_outputs=2)):
        with pytest.raises(ConfigError, match=r"^activation=.*: must be one of relu, leaky-relu, tanh, logistic, gelu"):
            build(activation=activation)


def test_load_refuses_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model file"):
        Model.load(tmp_path)


def test_check_fits_names_both_sides(tiny_dataset: Dataset) -> None:
    make_model().check_fits(tiny_dataset)
    with pytest.raises(ModelError, match="tiny has 12 features: this model reads 11"):
        make_model(n_inputs=11).check_fits(tiny_dataset)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((2, 11)), ModelError, "x has 11 features: this model reads 12"),
        (np.zeros(11), ModelError, r"x has shape \(11,\)"),
        (np.zeros((3, 4)), ModelError, "x has 4 features: this model reads 12"),
        (np.full((1, 12), np.nan), DataError, "x"),
        ([["a"] * 12], DataError, "must be numbers"),
    ],
)
def test_predict_rejects_impossible_features(x: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make_model().predict(x)
