"""Models made of fixed numbers, without training."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnet.config.network import NetworkSpec
from fastnet.data import Scaler
from fastnet.model.classifier import Model


def make_model(
    n_inputs: int = 12, hidden: tuple[int, ...] = (5, 4), n_outputs: int = 3, activation: str = "relu",
    heads: int = 1, **changes: Any,
) -> Model:  # fmt: skip
    spec = NetworkSpec(n_inputs=n_inputs, n_outputs=n_outputs, hidden=hidden, activation=activation, heads=heads)
    words = np.random.Philox(key=3).random_raw(spec.n_parameters)
    values = ((words % 2001).astype(np.float32) - 1000) / 1000
    weights, biases, used = [], [], 0
    for n_in, n_out in zip(spec.sizes[:-1], spec.sizes[1:], strict=True):
        weights.append(values[used : used + n_in * n_out].reshape(n_in, n_out))
        biases.append(values[used + n_in * n_out : used + (n_in + 1) * n_out])
        used += (n_in + 1) * n_out
    parts: dict[str, Any] = {
        "spec": spec,
        "weights": tuple(weights),
        "biases": tuple(biases),
        "pipeline": Scaler(np.zeros(n_inputs, np.float32), np.full(n_inputs, 1 / 255, np.float32)),
        "class_names": ("left", "middle", "right", "top", "bottom")[:n_outputs],
        "eval_scales": (0.5,) * len(hidden),
        "settings": {"optimizer": "adam", "learning_rate": 0.001, "seed": 2**64 - 1},
        "metrics": {"test_accuracy": 0.9812},
    }
    return Model(**{**parts, **changes})
