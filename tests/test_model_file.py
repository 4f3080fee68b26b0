"""The file of a model: its content, its replacement, and the errors of a damaged one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import make_model
from safetensors import safe_open
from safetensors.numpy import save_file

import fastnet
from fastnet.errors import ModelError
from fastnet.model.classifier import Model


def test_save_is_plain_safetensors_and_the_same_bytes_every_time(tmp_path: Path) -> None:
    make_model().save(tmp_path / "a")
    make_model().save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with safe_open(tmp_path / "a", framework="numpy") as file:
        assert set(file.keys()) >= {"layers.0.weight", "layers.2.bias", "scaler.offset", "scaler.scale"}
        assert json.loads(file.metadata()["fastnet"])["settings"]["optimizer"] == "adam"


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
        (newer, r"written by fastnet [\w.]+ in format \d+: use that version or a later one, or train the model again;"),
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


def test_load_refuses_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model file"):
        Model.load(tmp_path)


def test_a_file_without_an_activation_is_a_network_of_relus(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    make_model().save(path)
    rewrite(path, lambda header: header.pop("activation"))
    assert Model.load(path).spec == make_model().spec and make_model().spec.activation == "relu"


def test_a_model_of_the_first_version_still_answers() -> None:
    model = fastnet.load_model(Path(__file__).with_name("old") / "model-first-of-format-1.safetensors")
    digits = fastnet.load("digits")
    assert model.score(digits.x_test, digits.y_test).value == pytest.approx(model.metrics["test_accuracy"])


@pytest.mark.parametrize(("kind", "shape", "size"), [("F32", [1] * 101, 4), ("BF16", [2], 4), ("F8_E4M3", [4], 4)])
def test_a_tensor_that_numpy_cannot_have_is_refused(tmp_path: Path, kind: str, shape: list[int], size: int) -> None:
    header = json.dumps({"a": {"dtype": kind, "shape": shape, "data_offsets": [0, size]}}).encode()
    (tmp_path / "m").write_bytes(len(header).to_bytes(8, "little") + header + bytes(size))
    with pytest.raises(
        ModelError, match=r"^.*m: (not a safetensors file, or a damaged one|a safetensors file, but not)"
    ):
        Model.load(tmp_path / "m")
