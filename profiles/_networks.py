"""Data for networks of the sizes that the profiles train, and the shapes of networks that tables want."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np

SMALL_EPOCHS = 20
"""Epochs of a trial of a `Shape`."""


class Shape(NamedTuple):
    """A table and the network that learns it.

    Attributes
    ----------
    name : str
        What the options of the profiles call it.
    n_samples : int
        Samples, a fifth of which validate.
    n_features : int
    hidden : tuple of int
    n_outputs : int
        Classes, or targets.
    batch : int
    regression : bool
        Whether the targets are numbers, learnt by squared error, instead of classes.
    """

    name: str
    n_samples: int
    n_features: int
    hidden: tuple[int, ...]
    n_outputs: int
    batch: int
    regression: bool = False

    @property
    def sizes(self) -> tuple[int, ...]:
        """Width of every layer, of the input and output too."""
        return (self.n_features, *self.hidden, self.n_outputs)

    @property
    def n_train(self) -> int:
        """Number of training samples, the first ones, in whole batches."""
        return self.n_samples * 4 // 5

    @property
    def title(self) -> str:
        """What tables call it.

        >>> SMALL[0].title
        '2,000 × 20, 64×2, 2 classes, batch 32'
        """
        task = "regression" if self.regression else f"{self.n_outputs} classes"
        widths = f"{self.hidden[0]}×{len(self.hidden)}"
        return f"{self.n_samples:,} × {self.n_features}, {widths}, {task}, batch {self.batch}"


_CLASSES = (
    Shape("64x2", 2000, 20, (64, 64), 2, 32),
    Shape("128x2", 8000, 30, (128, 128), 2, 128),
    Shape("16x2", 1000, 10, (16, 16), 3, 32),
    Shape("256x2", 4000, 50, (256, 256), 10, 64),
)
SMALL = (*_CLASSES, *(shape._replace(n_outputs=1, regression=True) for shape in _CLASSES))
"""Small networks on tables, each with classes and with one target."""


FOLDED = _CLASSES[0]._replace(n_samples=5000)
"""The table that is searched with folds."""


def numbers(shape: Shape, seed: int = 0) -> tuple[Any, Any]:
    """Draw normal features, (N, F) float32, and what a random network with noise makes of them.

    The noise keeps the loss from vanishing, so that a training to the end is as much work as its beginning.
    """
    random = np.random.default_rng(seed)
    x = random.standard_normal((shape.n_samples, shape.n_features), np.float32)
    first = random.standard_normal((shape.n_features, 16)) * np.sqrt(4 / shape.n_features)
    outputs = np.tanh(x @ first) @ random.standard_normal((16, shape.n_outputs))
    if shape.regression:
        return x, outputs + random.standard_normal(outputs.shape)
    return x, (outputs + random.gumbel(size=outputs.shape)).argmax(axis=1)


def table(shape: Shape, *, encoded: bool = False) -> Any:
    """Return the data of a shape; `encoded` as a table whose numbers are read in bins, 16 for fewer than 8,000 rows."""
    import fastnet
    from fastnet.data import Dataset
    from fastnet.data.fields import Field

    x, y = numbers(shape)
    task = "regression" if shape.regression else "classification"
    plain = fastnet.as_dataset(x, y, task=task, name=shape.name)
    if not encoded:
        return plain
    fields = tuple(Field(f"n{k}", "number", f"n{k}") for k in range(shape.n_features))
    return Dataset(
        x=plain.x, y=plain.y, classes=plain.classes, class_names=plain.class_names, name=shape.name, x_test=None,
        y_test=None, task=task, fields=fields, numbers="piecewise",
    )  # fmt: skip


def prepared_table(shape: Shape, *, encoded: bool = False) -> Any:
    """Return the data of a shape as a training reads them."""
    from fastnet.data.splitting import Split
    from fastnet.network.samples import prepare

    rows = np.arange(shape.n_samples)
    parts = Split(train=rows[: shape.n_train], validation=rows[shape.n_train :])
    return prepare(table(shape, encoded=encoded), parts)


def images(n_samples: int | None = None) -> Any:
    """Return MNIST: the full set where ``FASTNET_DATA_DIR`` is set, else the 5,000 images inside the package."""
    import fastnet

    dataset = fastnet.load("mnist" if os.environ.get("FASTNET_DATA_DIR") else "mnist5k")
    return dataset if n_samples is None else fastnet.take_first(dataset, min(n_samples, dataset.n_samples))


def small_images(n_samples: int) -> Any:
    """Return 64 features of so many MNIST images: means of 3 x 3 pixels of the inner 24 x 24."""
    import fastnet

    large = fastnet.take_first(fastnet.load("mnist5k"), n_samples)
    pixels = large.x.reshape(-1, 28, 28)[:, 2:26, 2:26].reshape(-1, 8, 3, 8, 3)
    x = pixels.astype(np.float32).mean(axis=(2, 4)).astype(np.uint8).reshape(-1, 64)
    return fastnet.as_dataset(x, large.y, class_names=large.class_names, name="mnist5k, 8 x 8")


def prepared(dataset: Any) -> Any:
    """Split and prepare a data set as a training does."""
    import fastnet
    from fastnet.network.samples import prepare

    parts = fastnet.split(dataset.y)
    return prepare(dataset, parts)
