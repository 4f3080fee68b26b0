"""The settings of a network as the kernels read them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cases import OPTIMIZERS

from fastnet import reference
from fastnet.config.training import TrainConfig
from fastnet.kernels import update
from fastnet.kernels.context import SCALE, THRESHOLD, TRAIN_SCALE
from fastnet.network.hyperparameters import dropout_rows, dropout_scales, kept_units, trial_of


def threshold_of(dropout: float) -> int:
    return int(trial_of(TrainConfig(dropout=dropout), 0).dropout[0, THRESHOLD])


@pytest.mark.parametrize(("dropout", "threshold"), [(0.0, 0), (0.5, 32768), (1 / 65536, 1), (1 - 1e-9, 65535)])
def test_the_threshold_of_dropout_is_in_steps_of_a_65536th(dropout, threshold):
    assert threshold_of(dropout) == threshold


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_settings_reach_the_kernels_and_biases_never_decay(optimizer):
    config = TrainConfig(optimizer=optimizer, weight_decay=0.25, learning_rate=0.5)
    weights, biases = trial_of(config, 3).hyper.astype(np.float64)
    decoupled = optimizer == "adamw"
    assert weights[update.WEIGHT_DECAY] == (0.0 if decoupled else 0.25) and biases[update.WEIGHT_DECAY] == 0.0
    assert weights[update.SHRINK] == (0.875 if decoupled else 1.0) and biases[update.SHRINK] == 1.0
    other = trial_of(replace(config, learning_rate=0.125), 3)
    assert other.trial.learning_rate == 0.125 and (other.hyper[:, update.LEARNING_RATE] == 0.125).all()


@pytest.mark.parametrize("ratio", [0.0, 0.2, 0.5, (0.1, 0.0, 0.9)])
def test_kept_units_are_those_of_training(ratio):
    config = TrainConfig(hidden=(100, 7, 9), dropout=ratio, seed=2**63 + 5)
    kept = kept_units(config, 3, 17, 11)
    for layer, (units, own) in enumerate(zip(kept, config.dropouts, strict=True)):
        expected = (
            reference.rng.keep_mask(config.seed, 3, layer, 17, 11, units.shape[1], own) if own else np.ones_like(units)
        )
        assert (units == expected.astype(bool)).all()


@pytest.mark.parametrize("scaling", ["inverted", "test-time"])
@pytest.mark.parametrize("dropout", [0.0, 0.25, 0.9])
def test_scales_are_the_references_in_every_hidden_layer_and_one_in_the_last(scaling, dropout):
    assert dropout_scales(dropout, scaling) == reference.network.scales(dropout, scaling)
    rows = dropout_rows(TrainConfig(hidden=(5, 4), dropout=(0.5, dropout), dropout_scaling=scaling))
    assert rows[1, [TRAIN_SCALE, SCALE]].tolist() == list(reference.network.scales(dropout, scaling))
    assert rows[2].tolist() == [0.0, 1.0, 1.0], "the last layer drops nothing"


def test_a_constant_rate_needs_no_scheduler():
    assert trial_of(TrainConfig(schedule="constant", warmup_epochs=0), 0).trial.scheduler == 0
    for moving in ({"schedule": "cosine"}, {"schedule": "step"}, {"warmup_epochs": 2}):
        assert trial_of(TrainConfig(**moving), 0).trial.scheduler != 0


def test_rmsprops_rho_takes_the_place_of_beta2():
    hyper = trial_of(TrainConfig(optimizer="rmsprop", rho=0.75, beta2=0.5), 0).hyper
    assert (hyper[:, update.BETA2] == 0.75).all() and (hyper[:, update.NEW2] == 0.25).all()
    hyper = trial_of(TrainConfig(optimizer="adam", rho=0.75, beta2=0.5), 0).hyper
    assert (hyper[:, update.BETA2] == 0.5).all()
