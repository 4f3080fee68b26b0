"""Data for networks of the sizes that the profiles train."""

from __future__ import annotations

import os
from typing import Any

import numpy as np


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
