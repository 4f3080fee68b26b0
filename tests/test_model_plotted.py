"""Figures of a trained model, from every form in which samples are given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import fastnet
from fastnet.errors import DataError, ModelError

CONFIG = fastnet.TrainConfig(hidden=(8,), epochs=4, learning_rate=0.05)


def frame(rows: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    size, noise, colour = rng.random(rows), rng.random(rows), rng.choice(["red", "green", "blue"], rows)
    price = 5 * size + (colour == "red") + rng.normal(size=rows)
    return {"size": size.tolist(), "noise": noise.tolist(), "colour": colour.tolist(), "price": price.tolist()}


@pytest.fixture(scope="module")
def digits():
    return fastnet.take_first(fastnet.load("mnist5k"), 200)


@pytest.fixture(scope="module")
def classifier(digits):
    return fastnet.train(digits, CONFIG).model


@pytest.fixture(scope="module")
def prices():
    return fastnet.load(frame(300, 0), target="price")


@pytest.fixture(scope="module")
def regressor(prices):
    return fastnet.train(
        prices, fastnet.TrainConfig(hidden=(16,), epochs=30, learning_rate=0.05, objective="auto")
    ).model


def test_a_confusion_matrix_counts_what_is_predicted(classifier, digits):
    found = classifier.plot_confusion(digits)
    predicted = classifier.predict(digits.x_test)
    shares = np.array(found.data[0].z)
    for k in range(10):
        of_class = predicted[digits.labels_test == k]
        np.testing.assert_allclose(shares[k], np.bincount(of_class, minlength=10) / len(of_class))
    again = classifier.plot_confusion(digits.x_test, digits.labels_test)
    assert again == found and found.layout.xaxis.ticktext == tuple(map(str, range(10)))


def test_a_threshold_decides_here_too():
    data = fastnet.as_dataset(np.linspace(0, 1, 80)[:, None], ["no", "yes"] * 40)
    model = fastnet.train(data, CONFIG).model
    always = replace(model, threshold=1e-9)
    assert np.array(always.plot_confusion(data).data[0].z)[:, 1].tolist() == [1.0, 1.0]


def test_samples_come_from_files_tables_and_arrays(regressor, prices, tmp_path: Path):
    new = frame(60, 1)
    file = tmp_path / "new.csv"
    rows = zip(*new.values(), strict=True)
    file.write_text("\n".join([",".join(new), *(",".join(map(str, row)) for row in rows)]), encoding="utf-8")
    for draw in (regressor.plot_residuals, regressor.plot_reliance):
        assert draw(new) == draw(file) == draw(str(file))
    found = regressor.plot_residuals(new)
    true = np.array(found.data[0].x)
    np.testing.assert_allclose(true, np.sort(new["price"]), rtol=1e-4)
    np.testing.assert_allclose(
        found.data[0].y, np.asarray(regressor.predict(new)).ravel()[np.argsort(new["price"])], rtol=1e-4
    )
    features = {name: values for name, values in new.items() if name != "price"}
    assert regressor.plot_residuals(features, new["price"]) == found
    assert len(regressor.plot_residuals(prices).data[0].x) == len(prices.x_test) == 60


def test_what_a_model_relies_on_comes_first(regressor, prices):
    found = regressor.plot_reliance(prices)
    assert found.layout.yaxis.ticktext[0] == "size" and set(found.layout.yaxis.ticktext) == {"size", "noise", "colour"}
    rise = dict(zip(found.layout.yaxis.ticktext, found.data[0].x, strict=True))
    assert rise["size"] > 10 * abs(rise["noise"])


def test_features_without_names_are_numbered(classifier, digits):
    assert (
        classifier.plot_reliance(digits.x_test[:50], digits.labels_test[:50])
        .layout.yaxis.ticktext[0]
        .startswith("feature ")
    )


def test_sparse_samples_and_ensembles():
    rng = np.random.default_rng(0)
    dense = rng.random((200, 6)) * (rng.random((200, 6)) < 0.5)
    y = (dense[:, 2] > 0.1).astype(int)
    data = fastnet.as_dataset(sparse.csr_array(dense), y)
    ensemble = fastnet.train_ensemble(data, fastnet.TrainConfig(hidden=(8,), epochs=20, learning_rate=0.1), networks=2)
    found = ensemble.ensemble.plot_reliance(data)
    assert found.layout.yaxis.ticktext[0] == "column 2"
    assert ensemble.ensemble.plot_confusion(sparse.csr_array(dense), y) == ensemble.ensemble.plot_confusion(dense, y)
    arrays = fastnet.train(fastnet.as_dataset(dense, y), CONFIG).model
    assert arrays.plot_confusion(sparse.csr_array(dense), y) == arrays.plot_confusion(dense, y)


def test_quantiles_are_drawn_by_the_middle_one(prices):
    config = fastnet.TrainConfig(hidden=(8,), epochs=4, objective="pinball", quantiles=(0.1, 0.5, 0.9))
    model = fastnet.train(prices, config).model
    new = frame(40, 2)
    found = model.plot_residuals(new)
    np.testing.assert_allclose(found.data[0].y, model.predict(new)[np.argsort(new["price"]), 1], rtol=1e-4)


def test_what_cannot_be_drawn_is_refused(classifier, regressor, digits):
    with pytest.raises(ModelError, match="no classes to confuse"):
        regressor.plot_confusion(frame(10, 3))
    with pytest.raises(ModelError, match="predicts no numbers"):
        classifier.plot_residuals(digits)
    with pytest.raises(DataError, match="y is missing"):
        classifier.plot_confusion(digits.x_test)
    other = fastnet.load({**frame(40, 4), "colour": ["blue", "black"] * 20}, target="price")
    with pytest.raises(DataError, match="not read as those of the training table"):
        regressor.plot_residuals(other)
    with pytest.raises(ModelError, match="784"):
        classifier.plot_confusion(fastnet.as_dataset([[0.0], [1.0]] * 10, [0, 1] * 10))
