"""Packs of networks: the reference's curves, and the same bits however the trials are divided."""

from __future__ import annotations

import time

import numpy as np
import pytest
from cases import COURSES, NETWORKS, OPTIMIZERS, Course, blobs
from cases import Network as Widths

import fastnet
from fastnet import reference
from fastnet.config import TrainConfig
from fastnet.data import Dataset, Split
from fastnet.data.preprocess import fit_scaler
from fastnet.network import TrainingData, n_threads_limit, prepare
from fastnet.packs import PackRun, warm_up

DONE, DIVERGED, STOPPED, PENDING = 1, 2, 3, 0

Hyper = dict[str, np.ndarray]


def prepared(dataset: Dataset, parts: Split | None = None, *, skip_zeros: bool = True) -> TrainingData:
    parts = parts or fastnet.split(dataset.y)
    return prepare(dataset, parts, fit_scaler(dataset.x, parts.train), skip_zeros=skip_zeros)


def run_pack(data: TrainingData, config: TrainConfig, streams, hyper: Hyper | None = None, jobs: int = 1) -> PackRun:
    pack = PackRun(data, config, np.asarray(streams, np.int64), hyper or {}, jobs)
    pack.start()
    pack.join()
    return pack


def curves_of(pack: PackRun) -> np.ndarray:
    """The four curves of every trial, (T, 4, epochs)."""
    return np.stack([pack.train_loss, pack.train_accuracy, pack.validation_loss, pack.validation_accuracy], axis=1)


def course_config(course: Course, epochs: int) -> TrainConfig:
    return TrainConfig(
        hidden=NETWORKS[course.network].hidden, init=course.init, optimizer=course.optimizer,
        weight_decay=course.weight_decay, dropout=course.dropout, dropout_scaling=course.dropout_scaling,
        batch_size=course.batch_size, epochs=epochs, seed=2**63 + 11, **OPTIMIZERS[course.optimizer],
    )  # fmt: skip


def course_reference(course: Course, config: TrainConfig, data: TrainingData, stream: int) -> reference.Trajectory:
    widths = NETWORKS[course.network]
    rows = [part[: len(part) - (len(part) - n)] for part, n in ((data.train_rows, data.n_train),)]
    n_validation = len(data.validation_rows) - (len(data.train_rows) - data.n_train)
    options = {name: getattr(config, name) for name in ("learning_rate", "momentum", "beta1", "beta2", "epsilon")}
    return reference.train(
        data.x[:, : widths.n_features].astype(np.float64), data.labels, rows[0], data.validation_rows[:n_validation],
        (widths.n_features, *widths.hidden, widths.n_classes), init=config.init, optimizer=config.optimizer,
        weight_decay=config.weight_decay, dropout=config.dropout, dropout_scaling=config.dropout_scaling,
        batch_size=config.batch_size, epochs=config.epochs, seed=config.seed, stream=stream, **options,
    )  # fmt: skip
