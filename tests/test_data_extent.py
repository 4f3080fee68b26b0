"""Samples in other units than the training's are noticed, and ordinary samples are not."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli
from sklearn import datasets as sklearn_datasets

import fastnet
from fastnet.data.coerce import as_features
from fastnet.data.extent import extent_of, other_units
from fastnet.errors import FastnetWarning

IMAGES = np.asarray(fastnet.load("mnist5k").x[:3000])
TABLES = ("iris", "wine", "breast_cancer", "diabetes", "digits")


def table(name: str) -> Any:
    return as_features(getattr(sklearn_datasets, f"load_{name}")().data, "x")


@pytest.mark.parametrize("name", ["mnist5k", "fractions", "floats", *TABLES])
def test_ordinary_samples_are_never_noticed(name: str) -> None:
    named = {"mnist5k": IMAGES, "fractions": (IMAGES / 255).astype(np.float32), "floats": IMAGES.astype(np.float32)}
    x = named[name] if name in named else table(name)
    order = np.random.Generator(np.random.Philox(key=1)).permutation(len(x))
    for n in (50, 300, 2000):
        if n >= len(x):
            continue
        extent, rest = extent_of(x[order[:n]]), x[order[n:]]
        for size in (1, 3, 7, len(rest)):
            for start in range(0, min(len(rest), 200), size):
                assert other_units(rest[start : start + size], extent, images=name == "mnist5k") is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda x: x / 255, "from 0 to 1.*multiply it by 255"),
        (lambda x: (x / 255).astype(np.float32), "from 0 to 1.*multiply it by 255"),
        (lambda x: x // 255, "from 0 to 1.*multiply it by 255"),
        (lambda x: x > 127, "from 0 to 1.*multiply it by 255"),
        (lambda x: x / 127.5 - 1, "around 0, .*as they were before they were scaled"),
        (lambda x: (x / 255 - 0.13) / 0.31, "around 0, .*as they were before they were scaled"),
        (lambda x: x // 16, "small values only"),
        (lambda x: x.astype(np.int8), "negative values"),
        (lambda x: x.astype(np.uint16) * 257, "values beyond 510"),
        (lambda x: x.astype(float), None),
        (lambda x: x.astype(np.int64), None),
        (lambda x: 255 - x, None),
        (lambda x: x * 1.03 - 2, None),
        (lambda x: np.zeros_like(x, dtype=float), None),
    ],
)
def test_images_in_other_units_are_noticed(change: Callable[[Any], Any], says: str | None) -> None:
    extent = extent_of(IMAGES[:500])
    for n in (1, 4, 100):
        x = as_features(change(IMAGES[1000 : 1000 + n]), "x", np.float32)
        found = other_units(x, extent, images=True)
        assert found is None if says is None else re.search(says, str(found)), (n, found)


@pytest.mark.parametrize(
    ("train", "change", "says"),
    [
        ("fractions", lambda x: (x * 255).astype(np.uint8), "holds bytes, .*divide it by 255"),
        ("floats", lambda x: x / 255, "no value as large as .*in the units of the training samples"),
        ("fractions", lambda x: x * 255, "has values of feature .* far outside"),
        ("iris", lambda x: x * 100, "has values of feature 0 and others far outside"),
        ("iris", lambda x: x / 100, "no value as large as"),
        ("breast_cancer", lambda x: x * 1000, "far outside"),
        ("wine", lambda x: np.where(np.arange(13) == 12, x * 1000, x), None),
        ("iris", lambda x: x * 1.5, None),
    ],
)
def test_features_in_other_units_are_noticed(train: str, change: Callable[[Any], Any], says: str | None) -> None:
    x = {"fractions": (IMAGES / 255).astype(np.float32), "floats": IMAGES.astype(np.float32)}.get(train)
    x = table(train) if x is None else x
    order = np.random.Generator(np.random.Philox(key=1)).permutation(len(x))
    extent, rest = extent_of(x[order[:100]]), x[order[100:150]]
    found = other_units(change(rest), extent, images=False)
    if train == "wine":
        assert found is not None and "feature 12" in found
    else:
        assert found is None if says is None else re.search(says, str(found)), found


def test_a_model_warns_and_the_way_out_works() -> None:
    data = fastnet.take_first(fastnet.load("mnist5k"), 300)
    model = fastnet.train(data, fastnet.TrainConfig(hidden=(16,), learning_rate=0.1, epochs=5)).model
    x = np.asarray(data.x_test[:50])
    expected = model.predict(x).tolist()
    with pytest.warns(FastnetWarning, match="^x holds values from 0 to 1, .* multiply it by 255$") as caught:
        model.predict(x / 255)
    assert caught[0].filename == __file__, "the warning points at the caller's line"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.predict(x / 255 * 255).tolist() == expected
        assert model.predict(x.astype(float)).tolist() == expected
        for one in x:
            model.predict(one)
    for ask in (model.predict_proba, model.predict_index, lambda x: model.score(x, data.labels_test[:50])):
        with pytest.warns(FastnetWarning, match="multiply it by 255"):
            ask(x / 255)


def test_the_extent_is_kept_in_the_file(tmp_path: Any) -> None:
    x, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
    model = fastnet.train((x, y), fastnet.TrainConfig(hidden=(), epochs=1)).model
    fastnet.Ensemble(members=[model, model]).save(tmp_path / "e.safetensors")
    for extent in (model.extent, fastnet.load_model(tmp_path / "e.safetensors").extent):
        assert extent is not None
        assert (extent.low.tolist(), extent.high.tolist(), extent.reach) == ([0, 1], [38, 39], 1.0)
    with pytest.warns(
        FastnetWarning, match="feature 0 and others far outside the range of the training samples, 0 to 38"
    ):
        fastnet.load_model(tmp_path / "e.safetensors").predict(x * 1000)


def test_the_command_line_prints_it_as_a_note(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = fastnet.take_first(fastnet.load("digits"), 200)
    fastnet.train(data, fastnet.TrainConfig(hidden=(), epochs=2)).model.save("m.safetensors")
    np.savez("fractions.npz", x=data.x / 255.0, y=data.y)
    for command in ("evaluate", "predict"):
        result = CliRunner().invoke(cli, [command, "m.safetensors", "--data", "fractions.npz"])
        assert result.exit_code == 0 and result.stderr.count("Note: x holds values from 0 to 1") == 1
