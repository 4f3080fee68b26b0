"""Shapes, networks and settings: the one table that drives the equivalence tests and the profiles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastnet.data import Dataset, as_dataset

SIZES = (
    *(1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 18, 19, 23, 24, 25, 29, 31, 32, 33, 35, 36, 37),
    *(41, 47, 48, 49, 53, 61, 63, 64, 65, 71, 73, 79, 83, 89, 95, 96, 97, 100, 101, 103, 112, 113),
    *(119, 120, 121, 127, 128, 129, 130),
)
"""1, primes, multiples of every lane count (4, 8, 16) and of the tile's 6 rows, and their neighbours."""


class LayerShape(NamedTuple):
    """Samples, inputs and outputs of one layer's products."""

    batch: int
    n_in: int
    n_out: int


BOOK_LAYERS = (LayerShape(100, 784, 100), LayerShape(100, 100, 100), LayerShape(100, 100, 10))
"""First, hidden and last layer of the book's search network."""

LARGE_LAYER = LayerShape(130, 197, 211)
"""Large enough for the parallel kernels to divide it, and no multiple of anything."""

WIDE_LAYER = LayerShape(26, 530, 301)
"""So wide that every dense product copies panels, sums over k in blocks, and leaves a remainder in each."""


class Network(NamedTuple):
    """Widths of a network's layers."""

    n_features: int
    hidden: tuple[int, ...]
    n_classes: int


NETWORKS = {
    "softmax regression": Network(13, (), 3),
    "one hidden layer": Network(12, (17,), 4),
    "width one": Network(7, (1,), 2),
    "three hidden layers": Network(19, (16, 9, 24), 5),
    "one feature": Network(1, (6, 8, 6), 2),
    "narrow waist": Network(33, (12, 1, 7), 3),
    "wide output": Network(5, (8,), 37),
    "wide layers": Network(125, (70, 33, 100), 4),
}

OPTIMIZERS: dict[str, dict[str, float]] = {
    "sgd": {"learning_rate": 0.05},
    "momentum": {"learning_rate": 0.01, "momentum": 0.8},
    "nesterov": {"learning_rate": 0.01, "momentum": 0.8},
    "adagrad": {"learning_rate": 0.02, "epsilon": 1e-3},
    "rmsprop": {"learning_rate": 0.002, "rho": 0.9, "epsilon": 1e-3},
    "adam": {"learning_rate": 0.01, "beta1": 0.85, "beta2": 0.99, "epsilon": 1e-4},
    "adamw": {"learning_rate": 0.01, "beta1": 0.85, "beta2": 0.99, "epsilon": 1e-4, "relative_rate": 3.0},
}
"""Settings that train the networks above. The epsilons are large on purpose: with 1e-8 the direction of a step hangs
on the sign of gradients that are nothing but rounding."""


ACTIVATIONS = ("leaky-relu", "tanh", "logistic", "gelu", "silu")
"""All that are no epilogue of the tile, as ReLU is."""


QUANTILES, HUBER_DELTA = (0.2, 0.7), 0.6
"""What the courses learn of every target, which takes an even number of outputs; and the border of Huber's loss."""

WITHOUT_CLASSES = ("binary-cross-entropy", "squared-error", "absolute-error", "huber", "pinball", "poisson")


class Course(NamedTuple):
    """One whole training run to be compared with the reference."""

    network: str
    optimizer: str
    batch_size: int
    init: str = "he"
    dropout: float = 0.0
    dropout_scaling: str = "inverted"
    weight_decay: float = 1e-3
    filled: float = 1.0
    schedule: str = "constant"
    warmup_epochs: float = 0.0
    label_smoothing: float = 0.0
    activation: str = "relu"
    objective: str = "cross-entropy"
    weighted: bool = False
    heads: int = 1

    @property
    def name(self) -> str:
        """What tests call it."""
        weights = ("weighted",) if self.weighted else ()
        heads = (f"{self.heads} heads",) if self.heads > 1 else ()
        return "-".join(map(str, (*self[:3], self.activation, self.objective, *weights, *heads)))

    @property
    def quantiles(self) -> tuple[float, ...]:
        """Levels that are learnt of every target."""
        return QUANTILES if self.objective == "pinball" else ()


COURSES = (
    *(Course("softmax regression", optimizer, 8) for optimizer in OPTIMIZERS),
    *(Course("one hidden layer", optimizer, 10, dropout=0.25) for optimizer in OPTIMIZERS),
    *(Course("three hidden layers", optimizer, 7, filled=0.3) for optimizer in OPTIMIZERS),
    Course("three hidden layers", "sgd", 9, "xavier", 0.5, "test-time"),
    Course("three hidden layers", "adam", 9, "xavier", 0.2, "inverted", 0.0, 0.2),
    Course("width one", "momentum", 5, dropout=0.1, dropout_scaling="test-time"),
    Course("one feature", "sgd", 6),
    Course("narrow waist", "adamw", 11, "xavier", filled=0.25),
    Course("wide output", "sgd", 12, dropout=0.3),
    Course("one hidden layer", "sgd", 1, dropout=0.1),
    Course("one hidden layer", "momentum", 1000, weight_decay=0.0),
    Course("softmax regression", "adam", 1),
    Course("wide layers", "sgd", 13, dropout=0.5),
    Course("wide layers", "adam", 51, "xavier", 0.3, "test-time", filled=0.3),
    Course("wide layers", "momentum", 10, filled=0.1),
    Course("wide layers", "rmsprop", 13, filled=0.3),
    *(Course("one hidden layer", name, 9, schedule="cosine", warmup_epochs=0.7, filled=0.3) for name in OPTIMIZERS),
    *(Course("narrow waist", name, 12, schedule="step", label_smoothing=0.2) for name in ("sgd", "nesterov", "adamw")),
    Course("three hidden layers", "adagrad", 8, dropout=0.2, warmup_epochs=2, label_smoothing=0.5),
    Course("softmax regression", "rmsprop", 1, schedule="step", warmup_epochs=1.5),
    Course("wide output", "momentum", 1000, schedule="cosine", warmup_epochs=3, label_smoothing=0.1),
    Course("three hidden layers", "sgd", 8, filled=0.3, label_smoothing=0.1),
    *(Course("three hidden layers", "sgd", 9, "xavier", filled=0.3, activation=name) for name in ACTIVATIONS),
    *(Course("wide layers", "adam", 13, "he", 0.3, activation=name) for name in ACTIVATIONS),
    *(Course("wide layers", "momentum", 51, "xavier", 0.5, "test-time", activation=name) for name in ACTIVATIONS),
    *(Course("narrow waist", "adamw", 11, "xavier", activation=name) for name in ACTIVATIONS),
    Course("width one", "sgd", 5, activation="logistic"),
    Course("one feature", "momentum", 1000, "xavier", 0.1, activation="logistic"),
    Course("one hidden layer", "sgd", 1, "xavier", activation="gelu"),
    Course("softmax regression", "sgd", 8, activation="tanh"),
    Course("softmax regression", "adam", 8, objective="squared-error"),
    Course("one hidden layer", "sgd", 1, dropout=0.1, objective="squared-error"),
    Course("narrow waist", "momentum", 1000, "xavier", weight_decay=0.0, objective="squared-error"),
    Course("wide output", "adamw", 12, "xavier", 0.3, "test-time", activation="silu", objective="squared-error"),
    Course("wide layers", "sgd", 13, filled=0.3, schedule="cosine", objective="squared-error"),
    *(Course("one hidden layer", "momentum", 9, objective=name, weighted=True) for name in WITHOUT_CLASSES),
    *(Course("wide layers", "adam", 13, "xavier", 0.3, objective=name) for name in WITHOUT_CLASSES[2:]),
    Course("wide output", "sgd", 12, filled=0.3, activation="tanh", objective="binary-cross-entropy"),
    Course("one hidden layer", "sgd", 10, dropout=0.2, weighted=True),
    Course("three hidden layers", "adam", 9, filled=0.3, label_smoothing=0.2, weighted=True),
    Course("narrow waist", "nesterov", 1000, "xavier", weighted=True),
    Course("softmax regression", "adam", 8, heads=4),
    Course("one hidden layer", "adamw", 9, dropout=0.25, heads=4),
    Course("one hidden layer", "sgd", 1, heads=16),
    Course("width one", "sgd", 5, heads=2),
    Course("three hidden layers", "sgd", 8, filled=0.3, label_smoothing=0.1, heads=3),
    Course("wide layers", "adam", 13, "xavier", 0.3, "test-time", heads=2),
    Course("wide layers", "momentum", 10, filled=0.1, heads=4),
    Course("wide layers", "adam", 51, "xavier", 0.3, activation="gelu", heads=3),
    Course("wide output", "momentum", 1000, schedule="cosine", heads=4),
    Course("three hidden layers", "sgd", 9, "xavier", filled=0.3, activation="logistic", heads=2),
    *(Course("one hidden layer", "momentum", 9, objective=name, weighted=True, heads=4) for name in WITHOUT_CLASSES),
    Course("narrow waist", "nesterov", 1000, "xavier", weighted=True, heads=5),
)
"""No, one and three hidden layers with every optimizer, both dropouts and both initial values, last batches that are
short, batches of one sample and batches larger than the data, dense and sparse samples, layers narrow and wide enough
for lists of their active outputs; every optimizer under a schedule, each schedule with and without a warm-up; every
activation with dropout and without; every objective with ahead-taken and with ordinary batches, with sample weights and
without; several heads with each of these."""


def course_of(network: str, optimizer: str, batch_size: int) -> Course:
    """Return the first course of the table that begins so."""
    return next(course for course in COURSES if course[:3] == (network, optimizer, batch_size))


def blobs(network: Network, n_samples: int, *, filled: float = 1.0, key: int = 1) -> Dataset:
    """Make images whose classes are bright in different places, the same ones on every machine.

    Parameters
    ----------
    network : Network
        Its features and classes.
    n_samples : int
        Training samples; the test set is a quarter of that size.
    filled : float
        Share of the pixels that are not zero; below one half the first layer skips zeros.
    key : int
        Another key gives other images.
    """
    n, n_features = n_samples + n_samples // 4, network.n_features
    noise, drawn = np.random.Philox(key=key).random_raw(2 * n * n_features).reshape(2, n, n_features)
    y = np.arange(n) % network.n_classes
    x = 1 + noise % 150
    x[np.arange(n_features) % network.n_classes == y[:, None]] += 100
    x[drawn >= np.uint64(filled * (2**64 - 2**11))] = 0
    x = x.astype(np.uint8)
    names = [f"class {k}" for k in range(network.n_classes)]
    return as_dataset(
        *(x[:n_samples], y[:n_samples]), x_test=x[n_samples:], y_test=y[n_samples:], class_names=names, name="blobs"
    )
