"""The work that every peer does, as plain arrays: no peer's library is imported here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Targets = NDArray[Any]

SIZES = (784, 100, 100, 100, 100, 100, 100, 10)
BATCH, EPOCHS = 100, 50
"""The trial of section 6.5.3 of *Deep Learning from Scratch*: 18.9 GFLOP if every zero is multiplied."""


@dataclass(frozen=True)
class Plan:
    """The network that is trained, and how; by default the book's.

    Attributes
    ----------
    sizes : tuple of int
        Width of every layer.
    batch, epochs : int
    optimizer : {"sgd", "adam"}
        Weight decay enters the gradient of the weights with either.
    regression : bool
        Whether half the squared error of one number is learnt, and not the cross-entropy of classes. The scores are
        then mean squared errors.
    images : bool
        Whether the features are bytes, divided by 255.
    """

    sizes: tuple[int, ...] = SIZES
    batch: int = BATCH
    epochs: int = EPOCHS
    optimizer: str = "sgd"
    regression: bool = False
    images: bool = True

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Plan:
        """Make a plan of what `asdict` made and JSON has carried.

        >>> Plan.read({**vars(BOOK), "sizes": list(SIZES)}) == BOOK
        True
        """
        return cls(**{**values, "sizes": tuple(values["sizes"])})


BOOK = Plan()

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""Of Adam, everywhere."""

FOLDS = 5
FOLD_RATES, FOLD_DECAYS = (1e-4, 1e-2), (1e-7, 1e-4)
"""Of a random search of a table."""

CURVES = ("training loss", "training accuracy", "validation loss", "validation accuracy")


@dataclass(frozen=True)
class Samples:
    """Scaled float32 features, and int64 labels or (N, 1) float32 numbers, of the three parts of a data set."""

    x_train: Floats
    y_train: Targets
    x_validation: Floats
    y_validation: Targets
    x_test: Floats
    y_test: Targets

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


def table(shape: Any) -> Samples:
    """Draw the table of a shape of `_networks`, standardised by its training part; the test part is that of validation.

    Targets are standardised like the features.
    """
    from _networks import numbers

    x, y = numbers(shape)
    if shape.regression:
        y = standardised(y, shape.n_train).astype(np.float32)
    x = standardised(x, shape.n_train).astype(np.float32)
    n = shape.n_train
    return Samples(x[:n], y[:n], x[n:], y[n:], x[n:], y[n:])


def standardised(values: NDArray[Any], n_train: int) -> NDArray[np.float64]:
    """Subtract the means of the first rows and divide by their deviations."""
    return (values - values[:n_train].mean(axis=0, dtype=float)) / values[:n_train].std(axis=0, dtype=float)


def he_weights(rng: np.random.Generator, sizes: Sequence[int]) -> list[Floats]:
    """Draw the initial weights, (inputs, outputs) each; biases begin at zero."""
    return [
        rng.standard_normal((n_in, n_out), dtype=np.float32) * np.float32(np.sqrt(2 / n_in))
        for n_in, n_out in pairwise(sizes)
    ]


def epoch_orders(rng: np.random.Generator, n_samples: int, epochs: int) -> Integers:
    """Shuffle the samples anew for every epoch, (epochs, n_samples)."""
    return rng.permuted(np.tile(np.arange(n_samples), (epochs, 1)), axis=1)


def scores(logits: Floats, labels: Targets) -> tuple[float, float]:
    """Mean cross-entropy and accuracy, in NumPy; of (N, 1) numbers half the mean squared error, and all of it."""
    if labels.ndim == 2:
        squared = float(np.square(logits - labels).mean())
        return squared / 2, squared
    logits = logits - logits.max(axis=1, keepdims=True)
    loss = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]
    return float(loss.mean()), float((logits.argmax(axis=1) == labels).mean())


class Peer:
    """One library, in one process. A subclass overrides what its library can do."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def prepare_trials(self, data: Samples, plan: Plan = BOOK) -> None:
        """Make ready for `trials`, whose first call may still compile; an earlier plan is forgotten."""
        raise NotImplementedError

    def trials(self, rates: NDArray[np.float64], decays: NDArray[np.float64], seed: int) -> Floats:
        """Train the network of the plan once for each learning rate and weight decay; return (T, 4, epochs) curves.

        A peer that keeps no curves fills in the last epoch alone, and what it does not score is NaN.
        """
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

    def prepare_folds(self, data: Samples, plan: Plan) -> None:
        """Make ready for `folds` over training and validation samples together."""
        raise NotImplementedError

    def folds(self, n_configurations: int, seed: int) -> float:
        """Run a random search over `FOLD_RATES` and `FOLD_DECAYS`; return the best mean accuracy of the folds."""
        raise NotImplementedError
