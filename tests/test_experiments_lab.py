"""Where experiments train: its data, its networks and their models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet
from fastnet import experiments
from fastnet.config.experiment import ExperimentConfig
from fastnet.data import Dataset, as_dataset
from fastnet.errors import FastnetError
from fastnet.experiments import averaging
from fastnet.experiments.lab import Lab
from fastnet.experiments.overfitting import squared_weights

TINY: dict[str, Any] = {"seeds": 2, "epochs": 2, "samples": 40, "test_samples": 50}


def test_squared_weights_and_thinned_networks_are_those_of_the_models():
    lab = Lab(fastnet.load("mnist5k"), ExperimentConfig(**TINY))
    group = lab.train({"a": lab.config(epochs=2, hidden=(20, 10))}, models=True)["a"]
    [model, other] = group.models
    expected = [[float((w.astype(float) ** 2).sum()) for w in one.weights] for one in (model, other)]
    assert squared_weights(group) == pytest.approx(np.array(expected))
    whole = averaging.thinned(model, 0.0, np.random.Generator(np.random.Philox(0)))
    assert all((a == b).all() for a, b in zip(whole.weights, model.weights, strict=True))
    thin = averaging.thinned(model, 0.5, np.random.Generator(np.random.Philox(0)))
    dropped = (thin.weights[1] == 0).all(axis=1)
    assert 0 < dropped.sum() < 20 and (thin.weights[0] == model.weights[0]).all()
    assert (thin.weights[1][~dropped] == 2 * model.weights[1][~dropped]).all()
    assert lab.test.n_samples == 50 and group.test.mean == pytest.approx(
        np.mean([one.score(lab.test.x, lab.test.y).value for one in (model, other)])
    )


def test_data_without_a_test_set_give_a_fifth_and_sorted_ones_are_shuffled(tiny_dataset: Dataset):
    order = np.argsort(tiny_dataset.y, kind="stable")
    sorted_data = as_dataset(tiny_dataset.x[order], tiny_dataset.y[order], name="sorted")
    outcome = experiments.run("overfit", sorted_data, seeds=1, epochs=1, samples=20)
    assert outcome.lab["data"] | {"fingerprint": ""} == {
        "name": "sorted", "training_samples": 72, "test_samples": 18, "features": 12, "classes": 3, "fingerprint": "",
    }  # fmt: skip
    assert len(outcome.lab["notes"]) == 1 and "no test set" in outcome.lab["notes"][0]
    with_test = as_dataset(
        tiny_dataset.x[order], tiny_dataset.y[order], x_test=tiny_dataset.x_test, y_test=tiny_dataset.y_test
    )
    lab = Lab(with_test, ExperimentConfig(samples=20))
    assert set(lab.dataset.y[:20]) == {0, 1, 2} and "shuffled" in lab.notes[0]


def test_a_training_that_diverges_is_reported(tiny_dataset: Dataset):
    wild = as_dataset(
        tiny_dataset.x.astype(np.float32), tiny_dataset.y, x_test=tiny_dataset.x_test.astype(np.float32),
        y_test=tiny_dataset.y_test,
    )  # fmt: skip
    lab = Lab(wild, ExperimentConfig(seeds=2, samples=60))
    group = lab.train({"a": lab.config(epochs=30, learning_rate=1e6)}, models=True)["a"]
    assert str(group.test) == "diverged" and group.models == []
    with pytest.raises(FastnetError, match="2 of 2 networks diverged"):
        averaging._all_models(group)
    assert np.isnan(squared_weights(group)).all()


@pytest.mark.slow
def test_what_the_chapter_shows_is_seen_on_the_first_300_images_of_mnist(shared_data: Path):
    lab = Lab(fastnet.load("mnist", data_dir=shared_data), ExperimentConfig(test_samples=1000))
    plain, decayed = lab.config(epochs=201), lab.config(epochs=201, weight_decay=0.1)
    groups = lab.train({"plain": plain, "decayed": decayed}, models=True)
    dropped = lab.train(
        {
            "plain": lab.config(epochs=301),
            "dropout": lab.config(epochs=301, dropout=0.2, dropout_scaling="test-time"),
        }
    )
    assert groups["plain"].train.mean >= 0.995 and groups["plain"].gap.mean >= 0.20
    assert groups["plain"].gap.mean - groups["decayed"].gap.mean >= 0.05 and groups["decayed"].train.mean < 0.995
    assert dropped["plain"].gap.mean - dropped["dropout"].gap.mean >= 0.05 and dropped["dropout"].train.mean < 0.995
    team = lab.train({"a": plain}, count=10, models=True)["a"]
    averaged = np.mean([model.predict_proba(lab.test.x) for model in team.models], axis=0)
    assert averaging.accuracy(averaged, lab) - team.test.mean >= 0.01
