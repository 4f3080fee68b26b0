"""The model as a value and as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import make_model

from fastnet import reference
from fastnet.config.network import ACTIVATIONS
from fastnet.data.extent import Extent
from fastnet.data.pipeline.scaling import Scaler
from fastnet.errors import ModelError
from fastnet.model.classifier import Model


@pytest.mark.parametrize("hidden", [(), (1,), (5, 4), (7,) * 20])
@pytest.mark.parametrize(("activation", "heads"), [("relu", 1), ("gelu", 1), ("relu", 5)])
def test_load_returns_what_save_wrote(tmp_path: Path, hidden: tuple[int, ...], activation: str, heads: int) -> None:
    model = make_model(hidden=hidden, activation=activation, heads=heads if hidden else 1)
    model.save(tmp_path / "m.safetensors")
    loaded = Model.load(tmp_path / "m.safetensors")
    for name in ("spec", "class_names", "eval_scales", "settings", "metrics"):
        assert getattr(model, name) == getattr(loaded, name)
    pairs = zip(
        (*model.weights, *model.biases, model.pipeline.offset, model.pipeline.scale),
        (*loaded.weights, *loaded.biases, loaded.pipeline.offset, loaded.pipeline.scale),
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
    scaled = model.pipeline.apply(x).astype(np.float64)
    logits = reference.network.forward(*arrays, scaled, list(model.eval_scales), None, activation)[-1]
    found = Model.load(tmp_path / "m.safetensors").predict_proba(x)
    np.testing.assert_allclose(found, reference.objective.softmax(logits), rtol=1e-5)
    others = [
        reference.network.forward(*arrays, scaled, list(model.eval_scales), None, name)[-1] for name in ACTIVATIONS
    ]
    agree = [np.allclose(found, reference.objective.softmax(other), rtol=1e-5) for other in others]
    assert [name for name, same in zip(ACTIVATIONS, agree, strict=True) if same] == [activation]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"class_names": ("a", "b")}, "2 class names: its 3 outputs need one each"),
        ({"classes": np.arange(4)}, "4 classes: its 3 outputs need one each"),
        ({"eval_scales": (1.0,)}, "1 factors of evaluation: its 2 hidden layers need one each"),
        ({"biases": ()}, "its sizes .* need 3"),
        ({"pipeline": Scaler(np.zeros(11, np.float32), np.ones(11, np.float32))}, r"scaler\.offset is float32 \(11,\)"),
        ({"extent": Extent(np.zeros(5), np.ones(5), 1.0)}, r"extent\.low is float64 \(5,\): must be float64 \(12,\)"),
        ({"extent": Extent(np.zeros(1), np.ones(1), np.inf)}, "reach=inf: must be a finite number"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        make_model(**changes)


def test_parts_that_are_left_out_follow_from_the_others() -> None:
    model = make_model(class_names=("3", "1", "2"), eval_scales=())
    assert model.classes.tolist() == [3, 1, 2] and model.eval_scales == (1.0, 1.0) and model.n_inputs == 12
    assert make_model().classes.tolist() == ["left", "middle", "right"]
    with pytest.raises(ValueError):
        model.classes[0] = 5
