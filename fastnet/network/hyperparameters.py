"""The settings of one network in the form that the kernels read."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fastnet.config.training import TRAIN_SCORES, TrainConfig
from fastnet.kernels import dropout, host, schedule, update
from fastnet.kernels.context import SCALE, THRESHOLD, TRAIN_SCALE, Trial

Floats = npt.NDArray[np.float32]

SCHEDULES = {"constant": schedule.CONSTANT, "step": schedule.STEP, "cosine": schedule.COSINE}


class TrialSettings(NamedTuple):
    """The settings of one network in the form that the kernels read.

    Attributes
    ----------
    trial : Trial
        What is copied into its context.
    hyper : (2, N_HYPER) float32
        See `fastnet.kernels.update`; row 0 for weights, row 1 for biases.
    dropout : (L, 3) float64
        A row per layer, see `fastnet.kernels.context.THRESHOLD`; the last layer drops nothing.
    """

    trial: Trial
    hyper: Floats
    dropout: npt.NDArray[np.float64]


def trial_of(config: TrainConfig, stream: int) -> TrialSettings:
    """Convert a configuration; `stream` is the random stream: the number of the trial, 0 for a single network."""
    rate, decay = float(config.effective_learning_rate), float(config.weight_decay)
    decoupled = decay if config.optimizer == "adamw" else 0.0
    moves = config.schedule != "constant" or config.warmup_epochs > 0
    beta2 = config.rho if config.optimizer == "rmsprop" else config.beta2
    hyper = np.zeros((2, update.N_HYPER), np.float32)
    hyper[:, update.LEARNING_RATE] = rate
    hyper[0, update.WEIGHT_DECAY] = 0.0 if config.optimizer == "adamw" else decay
    hyper[:, update.MU] = config.momentum
    hyper[:, update.BETA1], hyper[:, update.NEW1] = config.beta1, 1.0 - config.beta1
    hyper[:, update.BETA2], hyper[:, update.NEW2] = beta2, 1.0 - beta2
    hyper[:, update.EPSILON] = config.epsilon
    hyper[0, update.RELATIVE] = config.relative_rate
    hyper[:, update.SHRINK] = 1.0
    hyper[0, update.SHRINK] = 1.0 - rate * decoupled
    hyper[0, update.IDLE] = config.optimizer == "sgd" and rate * decay < update.IDLE_LIMIT
    trial = Trial(
        seed=config.seed,
        stream=stream,
        learning_rate=rate,
        beta1=float(config.beta1),
        beta2=float(config.beta2),
        decoupled=decoupled,
        scheduler=update.scheduler() if moves else 0,
        schedule=SCHEDULES[config.schedule],
        warmup_epochs=float(config.warmup_epochs),
        step_epochs=config.step_epochs,
        step_factor=float(config.step_factor),
        epochs=config.epochs,
        label_smoothing=float(config.label_smoothing),
        huber_delta=float(config.huber_delta),
        train_score=TRAIN_SCORES.index(config.train_score),
    )
    return TrialSettings(trial, hyper, dropout_rows(config))


def dropout_rows(config: TrainConfig) -> npt.NDArray[np.float64]:
    """Return the dropout threshold and the factors in training and in evaluation, one row per layer, (L, 3) float64."""
    rows = np.ones((len(config.hidden) + 1, 3))
    rows[:, THRESHOLD] = 0.0
    for row, ratio in zip(rows, config.dropouts, strict=False):
        row[THRESHOLD] = min(math.floor(ratio * 65536 + 0.5), 65535)
        row[TRAIN_SCALE], row[SCALE] = dropout_scales(ratio, config.dropout_scaling)
    return rows


def dropout_scales(dropout: float, scaling: str) -> tuple[float, float]:
    """Return the factors of hidden outputs in training and in evaluation.

    Examples
    --------
    >>> dropout_scales(0.5, "inverted"), dropout_scales(0.5, "test-time")
    ((2.0, 1.0), (1.0, 0.5))
    """
    return (1.0 / (1.0 - dropout), 1.0) if scaling == "inverted" else (1.0, 1.0 - dropout)


def kept_units(config: TrainConfig, stream: int, step: int, n_rows: int) -> list[npt.NDArray[np.bool_]]:
    """Return which hidden units training keeps in one step: a (B, width) bool array per hidden layer.

    The bits are those of the kernel that training calls, drawn again: a pure function of the configuration's seed,
    hidden layers and dropout, the random stream, the step (``epoch * n_batches + batch``) and the number of rows, which
    are those of all heads.

    Examples
    --------
    >>> [first, second] = kept_units(TrainConfig(hidden=(8, 4), dropout=0.5), 0, 0, 2)
    >>> first.shape, second.shape, bool(first.all())
    ((2, 8), (2, 4), False)
    """
    layers = []
    for layer, (width, row) in enumerate(zip(config.hidden, dropout_rows(config), strict=False)):
        packed = np.full((n_rows, -(-width // host.GROUP)), 255, np.uint8)
        if row[THRESHOLD] > 0:
            draw = dropout.Draw(np.uint64(config.seed), stream, layer, step)
            dropout.kept(draw, n_rows, width, int(row[THRESHOLD]), packed.shape[1], packed.reshape(-1))
        bits = np.unpackbits(packed[:, :, None], axis=2, bitorder="little")[:, :, : host.GROUP]
        layers.append(bits.reshape(n_rows, -1)[:, :width].astype(np.bool_))
    return layers
