"""The data of a configuration: features of every form, targets of every objective, weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from _soak import tests_module
from _soak.drawing import Drawn
from fastnet.config.objective import TASK_OF
from fastnet.data import Dataset, Split, as_dataset
from fastnet.network.samples import TrainingData, prepare

tables = tests_module("tables")

DATA = 1
"""Purpose of the generator of data."""

_SIZES = {"constant": 0.0, "subnormal": 1e-42, "tiny": 1e-30, "huge": 1e30}
"""How much the special column of an array varies."""


def dataset_of(drawn: Drawn) -> tuple[Dataset, Split]:
    """Make the data of a configuration and divide them.

    Raises
    ------
    DataError
        Where the library refuses them.
    """
    random = drawn.random(DATA)
    n = drawn.n_train + drawn.n_validation
    x = _features(drawn, random, n)
    y = _targets(drawn, random, n)
    weights = None
    if drawn.weighted:
        weights = np.where(random.random(n) < 0.2, 0.0, random.exponential(size=n)).astype(np.float32)
        weights[[0, -1]] = 1.0  # either part needs a sample that counts
    rows = np.arange(n)
    parts = Split(train=rows[: drawn.n_train], validation=rows[drawn.n_train :])
    task = TASK_OF[drawn.config.objective]
    names = [f"class {k}" for k in range(drawn.n_outputs)] if task == "classification" else None
    if drawn.form == "table":
        made = as_dataset(np.zeros((n, 1), np.float32), y, task=task, weights=weights, class_names=names, name="drawn")
        return replace(made, x=x, fields=tables.FIELDS, numbers=drawn.numbers), parts
    made = as_dataset(x, y, task=task, weights=weights, class_names=names, name="drawn")
    return (replace(made, numbers=drawn.numbers) if drawn.form == "sparse" else made), parts


def prepared_of(drawn: Drawn, **options: bool) -> TrainingData:
    """Make the data of a configuration ready for its training, with options of `prepare`."""
    dataset, parts = dataset_of(drawn)
    return prepare(dataset, parts, drawn.config, **options)  # type: ignore[arg-type]


def inputs_of(data: TrainingData) -> np.ndarray:
    """Return what the first layer reads, written out, (N, inputs) float32."""
    inputs = data.pipeline.apply(data.dataset.x)
    return np.asarray(inputs.toarray() if hasattr(inputs, "toarray") else inputs, np.float32)


def _features(drawn: Drawn, random: np.random.Generator, n: int) -> Any:
    if drawn.form == "table":
        return tables.draw_table(n, int(random.integers(2**31)))
    shape = (n, drawn.n_features)
    if drawn.form == "images":
        return random.integers(0, 256, shape).astype(np.uint8)
    x = random.standard_normal(shape).astype(np.float32)
    if drawn.form == "array":
        if drawn.column != "usual":
            x[:, int(random.integers(drawn.n_features))] = _SIZES[drawn.column] * random.standard_normal(n)
        return x
    x[random.random(shape) >= drawn.filled] = 0
    if drawn.form == "sparse":
        return csr_array(x)
    return np.abs(np.clip(100 * x, -255, 255)).astype(np.uint8)


def _targets(drawn: Drawn, random: np.random.Generator, n: int) -> np.ndarray:
    """Draw targets without structure: what is learnt of them does not matter, only that it is the right thing."""
    if drawn.config.objective == "cross-entropy":
        return random.integers(0, drawn.n_outputs, n)
    numbers = random.standard_normal((n, drawn.n_outputs))
    if drawn.config.objective == "binary-cross-entropy":
        return (numbers > 0).astype(np.float64)
    if drawn.config.objective == "poisson":
        return np.floor(np.exp(1.0 + 0.7 * numbers))
    return 10.0 ** random.uniform(-3, 3) * numbers + random.uniform(-5, 5)
