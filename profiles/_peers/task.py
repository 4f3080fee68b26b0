"""The work that every peer does, as plain arrays: no peer's library is imported here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

SIZES = (784, 100, 100, 100, 100, 100, 100, 10)
BATCH, EPOCHS = 100, 50
"""The trial of section 6.5.3 of *Deep Learning from Scratch*: 18.9 GFLOP if every zero is multiplied."""

CURVES = ("training loss", "training accuracy", "validation loss", "validation accuracy")


@dataclass(frozen=True)
class Samples:
    """Scaled float32 features and int64 labels of the three parts of a data set."""

    x_train: Floats
    y_train: Integers
    x_validation: Floats
    y_validation: Integers
    x_test: Floats
    y_test: Integers

    @classmethod
    def read(cls, path: str | Path) -> Samples:
        """Read what `write` wrote."""
        with np.load(path) as arrays:
            return cls(**{name: arrays[name] for name in arrays.files})

    def write(self, path: Path) -> None:
        """Write an NPZ file; its reading time is part of a whole search, and is milliseconds."""
        np.savez(path, **vars(self))


def samples(name: str, data_dir: str | None, first: int | None) -> Samples:
    """Load a data set of this project, split it as a search does, and scale it."""
    import fastnet
    from fastnet.data.pipeline.scaling import fit_scaler

    data = fastnet.load(name, data_dir=data_dir)
    if first is not None:
        data = fastnet.take_first(data, first)
    parts = fastnet.split(data.y, seed=0)
    scaler = fit_scaler(data.x, parts.train)
    scaled = scaler.apply(data.x)
    assert data.x_test is not None and data.y_test is not None
    return Samples(
        scaled[parts.train], data.y[parts.train], scaled[parts.validation], data.y[parts.validation],
        scaler.apply(data.x_test), data.y_test,
    )  # fmt: skip


def he_weights(rng: np.random.Generator, sizes: Sequence[int]) -> list[Floats]:
    """Draw the initial weights, (inputs, outputs) each; biases begin at zero."""
    return [
        rng.standard_normal((n_in, n_out), dtype=np.float32) * np.float32(np.sqrt(2 / n_in))
        for n_in, n_out in pairwise(sizes)
    ]


def epoch_orders(rng: np.random.Generator, n_samples: int, epochs: int) -> Integers:
    """Shuffle the samples anew for every epoch, (epochs, n_samples)."""
    return rng.permuted(np.tile(np.arange(n_samples), (epochs, 1)), axis=1)


def scores(logits: Floats, labels: Integers) -> tuple[float, float]:
    """Mean cross-entropy and accuracy, in NumPy."""
    logits = logits - logits.max(axis=1, keepdims=True)
    loss = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]
    return float(loss.mean()), float((logits.argmax(axis=1) == labels).mean())


class Peer:
    """One library, in one process. A subclass overrides what its library can do."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def prepare_trials(self, data: Samples) -> None:
        """Make ready for `trials`, whose first call may still compile."""
        raise NotImplementedError

    def trials(self, rates: NDArray[np.float64], decays: NDArray[np.float64], seed: int) -> Floats:
        """Train the book's network once for each learning rate and weight decay; return (T, 4, EPOCHS) curves."""
        raise NotImplementedError

    def prepare_network(self, data: Samples, hidden: tuple[int, ...], batch: int) -> None:
        """Make ready, compile included, for `epoch`; an earlier network is forgotten."""
        raise NotImplementedError

    def epoch(self) -> None:
        """Train one epoch with Adam at its usual settings, and wait until it is done."""
        raise NotImplementedError

    def evaluate(self) -> tuple[float, float]:
        """Accuracy on the training and on the validation samples."""
        raise NotImplementedError

    def test_accuracy(self) -> float:
        """Accuracy on the test samples."""
        raise NotImplementedError

    def prepare_search(self, data: Samples, options: dict[str, Any]) -> None:
        """Make ready for `search`."""
        raise NotImplementedError

    def search(self, trials: int, seed: int) -> float:
        """Run a random search over the book's ranges; return the best validation accuracy."""
        raise NotImplementedError
