"""The model as a value and as a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from models import make_model

from fastnet import reference
from fastnet.config.network import ACTIVATIONS
from fastnet.model.classifier import Model


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


def test_save_accepts_weights_that_are_views(tmp_path: Path) -> None:
    model = make_model()
    strided = tuple(np.asfortranarray(w) for w in model.weights)
    make_model(weights=strided).save(tmp_path / "a")
    assert Model.load(tmp_path / "a").weights[0].tobytes() == model.weights[0].tobytes()


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
