"""The stages of training: an epoch and an evaluation are the reference's, and a request to stop is heard."""

from __future__ import annotations

import numpy as np
import pytest
from cases import NETWORKS, blobs
from runs import follow, prepared

import fastnet
from fastnet.config.training import TrainConfig
from fastnet.kernels import step
from fastnet.kernels.context import LOSS, READY_EPOCH, READY_LOSS, SCORE
from fastnet.training.single import Training

NETWORK = NETWORKS["three hidden layers"]
GO, STOP = np.zeros(2, np.int64), np.array([0, 1])


def new_training(**settings: object) -> Training:
    dataset = blobs(NETWORK, 64)
    config = TrainConfig(hidden=NETWORK.hidden, learning_rate=0.05, batch_size=10, epochs=3, **settings)
    return Training(config, prepared(dataset), 1)


def measured(training: Training, part: int) -> tuple[float, float]:
    assert training.call(step.EVALUATE, part, GO[1:]) == step.DONE
    return float(training.work.state[LOSS]), float(training.work.state[SCORE])


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_epochs_and_evaluations_are_the_references(dropout):
    dataset = blobs(NETWORK, 64)
    parts = fastnet.split(dataset.y)
    training = new_training(dropout=dropout)
    expected = follow(dataset, parts, training.config)
    for epoch in range(3):
        assert training.call(step.TRAIN_EPOCH, epoch, GO[1:]) == step.DONE
        assert training.work.state[LOSS] == pytest.approx(expected.train_loss[epoch], rel=1e-5)
        loss, score = measured(training, int(step.VALIDATION))
        assert loss == pytest.approx(expected.validation_loss[epoch], rel=1e-5)
        assert score == pytest.approx(expected.validation_score[epoch], abs=1.01 / len(parts.validation))
        assert measured(training, int(step.TRAINING))[1] == pytest.approx(
            expected.train_score[epoch], abs=1.01 / len(parts.train)
        )


def test_the_next_epoch_may_begin_in_the_evaluation_without_another_bit():
    plain, ahead = new_training(), new_training()
    for epoch in range(3):
        for training in (plain, ahead):
            training.call(step.TRAIN_EPOCH, epoch, GO[1:])
        expected = measured(plain, int(step.TRAINING))
        found = measured(ahead, int(step.AHEAD) + epoch + 1)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        assert ahead.work.state[READY_EPOCH] == epoch + 1 and ahead.work.state[READY_LOSS] > 0
    assert plain.work.params.tobytes() == ahead.work.params.tobytes()


@pytest.mark.parametrize("stage", [step.TRAIN_EPOCH, step.EVALUATE])
def test_a_request_to_stop_ends_a_stage_at_once(stage):
    training = new_training()
    before = training.work.params.copy()
    assert training.call(stage, 0, STOP[1:]) == step.STOPPED
    assert (training.work.params == before).all()


def test_a_loss_that_explodes_is_divergence():
    training = new_training(weight_decay=0.0)
    training.work.params[:] = np.float32(1e18)
    assert training.call(step.TRAIN_EPOCH, 0, GO[1:]) == step.DIVERGED


def test_a_stage_is_compiled_once_and_the_parallel_one_apart():
    assert step.stage(step.TRAIN_EPOCH) == step.stage(step.TRAIN_EPOCH, parallel=True)
    assert step.stage(step.FORWARD) == step.stage(step.FORWARD)
    assert step.stage(step.FORWARD) != step.stage(step.FORWARD, parallel=True)
