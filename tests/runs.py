"""How the tests train networks: with the compiled kernels and with the reference."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from cases import HUBER_DELTA, NETWORKS, OPTIMIZERS, Course, blobs

import fastnet
from fastnet import reference
from fastnet.config.searching import SearchConfig
from fastnet.config.training import TrainConfig
from fastnet.data import Dataset, Split
from fastnet.data.pipeline.scaling import fit_scaler
from fastnet.network.samples import TrainingData, prepare
from fastnet.training.pack import PackRun, alike
from fastnet.tuning.run import pack
from fastnet.tuning.run.engine import W, packs_that_pay
from fastnet.tuning.run.task import Task
from fastnet.tuning.trial import CURVES

PENDING, DONE, DIVERGED, STOPPED, PAUSED = 0, 1, 2, 3, 4
"""Values of `PackRun.status`."""

TRAIN_LOSS, TRAIN_ACCURACY, VALIDATION_LOSS, VALIDATION_ACCURACY = range(4)
"""The curves of a trial in their order."""

Hyper = dict[str, np.ndarray]


def prepared(dataset: Dataset, parts: Split | None = None, *, skip_zeros: bool = True) -> TrainingData:
    """Scale and pad a data set, split by the seed 0 unless `parts` are given."""
    parts = parts or fastnet.split(dataset.y)
    return prepare(dataset, parts, skip_zeros=skip_zeros)


def run_pack(
    data: TrainingData,
    config: TrainConfig,
    streams: Any,
    hyper: Hyper | None = None,
    jobs: int = 1,
    *,
    keep: bool = False,
) -> PackRun:
    """Train a pack to its end."""
    run = PackRun(alike(data, config, streams, **(hyper or {})), jobs, keep=keep)
    run.start()
    run.join()
    return run


def curves_of(run: Any) -> np.ndarray:
    """Stack the four curves of a training or of the reference as those of a pack's trial, (4, epochs)."""
    if isinstance(run, reference.training.Trajectory):
        return np.stack(run[2:])
    return np.stack([getattr(run, name) for name in CURVES])


def course_config(course: Course, epochs: int, seed: int = 2**63 + 11) -> TrainConfig:
    """Return the settings of a course."""
    return TrainConfig(
        hidden=NETWORKS[course.network].hidden, activation=course.activation, init=course.init,
        optimizer=course.optimizer, weight_decay=course.weight_decay, dropout=course.dropout,
        dropout_scaling=course.dropout_scaling, schedule=course.schedule, warmup_epochs=course.warmup_epochs,
        step_epochs=1, step_factor=0.3, label_smoothing=course.label_smoothing, batch_size=course.batch_size,
        huber_delta=HUBER_DELTA, heads=course.heads, epochs=epochs, seed=seed, **OPTIMIZERS[course.optimizer],
    )  # fmt: skip


def course_data(course: Course) -> tuple[Dataset, Split]:
    """Return the data of a course: 51 training rows leave every batch size of the table a short last batch."""
    dataset = blobs(NETWORKS[course.network], 64, filled=course.filled)
    return dataset, fastnet.split(dataset.y)


def course_targets(course: Course, dataset: Dataset) -> np.ndarray:
    """Return what a course learns: the classes, or as many numbers per sample as there are classes."""
    if course.objective == "cross-entropy":
        return dataset.y
    ways = 1 + dataset.y + np.arange(len(dataset.y)) % 7
    n_targets = dataset.n_classes // (len(course.quantiles) or 1)
    numbers = np.sin(np.outer(ways, 1 + np.arange(n_targets))).astype(np.float32)
    if course.objective == "binary-cross-entropy":
        return (numbers > 0).astype(np.float32)
    return np.floor(np.exp(1 + numbers)) if course.objective == "poisson" else numbers


def course_weights(course: Course, dataset: Dataset) -> np.ndarray | None:
    """Return the weight of every sample of a course, some of them 0."""
    return (np.arange(len(dataset.y)) % 5 / 2).astype(np.float32) if course.weighted else None


def course_samples(course: Course) -> TrainingData:
    """Return the data of a course made ready, with its targets and its objective."""
    dataset, parts = course_data(course)
    return replace(
        prepared(dataset, parts), targets=course_targets(course, dataset), objective=course.objective,
        weights=course_weights(course, dataset), quantiles=course.quantiles,
    )  # fmt: skip


def follow(
    dataset: Dataset, parts: Split, config: TrainConfig, stream: int = 0, course: Course | None = None
) -> reference.training.Trajectory:
    """Train by the reference, in float64; a `course` gives the targets, their weights and the objective."""
    x = fit_scaler(dataset.x, parts.train).apply(dataset.x).astype(np.float64)
    config, left_out = config.resolved(), ("hidden", "early_stopping", "class_weight", "calibration", "threshold")
    options = {name: getattr(config, name) for name in config.__dataclass_fields__ if name not in left_out}
    sizes = config.network(dataset.n_features, dataset.n_classes).sizes
    targets, weights = dataset.y, None
    options["objective"] = "cross-entropy"
    if course:
        targets, weights = course_targets(course, dataset), course_weights(course, dataset)
        options |= {"objective": course.objective, "quantiles": course.quantiles}
    return reference.training.train(x, targets, parts.train, parts.validation, sizes, weights, stream=stream, **options)


class FakeEngine:
    """Runs tasks on packs that pretend to train, made by `make(ids, params)`; networks cannot be had of it."""

    keeps = False
    compile_seconds = 0.0

    def __init__(self, make: Any) -> None:
        self._make = make

    def load(self) -> None:
        pass

    def run(self, work: Iterable[tuple[Task, W]], left: Any) -> Generator[W, None, None]:
        for task, watch in work:
            params = [{"learning_rate": config.learning_rate} for config in task.configs]
            pack.follow(self._make(task.ids, params), task, watch)
            yield watch

    def slots(self, threads: int) -> int:
        return threads

    def packs_together(self, config: SearchConfig, size: int, threads: int) -> int:
        return packs_that_pay(config, size, threads)

    def on(self, splits: Any) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        pass

    def fitting(self, packs: Any) -> int:
        return 1
