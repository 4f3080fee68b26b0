"""Tables with columns of every kind, for tests of what reads them."""

import numpy as np

from fastnet.data import Dataset
from fastnet.data.fields import Field
from fastnet.data.pipeline.encoded import Encoded

FIELDS = (
    Field("size", "number", "size"),
    Field("when", "number", "when", offset=20_000.0),
    Field("colour", "category", "colour", ("red", "green", "blue", "grey")),
    Field("grade", "ordered", "grade", ("bad", "fair", "good", "best")),
    Field("new", "boolean", "new", ("no", "yes")),
    Field("rank", "number", "rank"),
)


def draw_table(n: int, seed: int = 0) -> np.ndarray:
    """Return n rows of `FIELDS`: a tenth missing, wide and tied numbers, a rare level, levels that are unseen."""
    random = np.random.default_rng(seed)
    x = np.empty((n, len(FIELDS)), np.float32)
    x[:, 0] = np.exp(4 * random.normal(size=n))
    x[:, 1] = random.integers(0, 400, n)
    x[:, 2] = random.choice(4, n, p=[0.5, 0.3, 0.18, 0.02])
    x[:, 3] = random.integers(-1, 4, n)
    x[:, 4] = random.integers(0, 2, n)
    x[:, 5] = np.maximum(random.normal(size=n), 0).round(1)
    x[random.random(x.shape) < 0.1] = np.nan
    x[:, 1] = np.nan_to_num(x[:, 1], nan=7)
    return x


def table_of(n: int, seed: int = 0, numbers: str = "auto") -> Dataset:
    """Return a data set of n such rows and two classes that the columns tell apart."""
    x = draw_table(n, seed)
    y = ((np.nan_to_num(x[:, 3]) > 1) ^ (np.nan_to_num(x[:, 0]) > 1)).astype(np.int64)
    classes = np.array(["left", "right"])
    return Dataset(
        x=x, y=y, classes=classes, class_names=("left", "right"), name="rows", x_test=None, y_test=None,
        fields=FIELDS, numbers=numbers,
    )  # fmt: skip


def draw_encoded(n: int, n_dense: int, n_bins: list[int], n_levels: list[int], seed: int = 0) -> Encoded:
    """Return n samples with numbers and categories of these widths: first and last bins, levels without an input."""
    random = np.random.default_rng(seed)
    return Encoded(
        random.normal(size=(n, n_dense)).astype(np.float32),
        random.integers(0, n_bins, (n, len(n_bins))).astype(np.uint16),
        random.random((n, len(n_bins)), np.float32) * 2 - np.float32(0.5),
        random.integers(0, np.array(n_levels, np.int64) + 1, (n, len(n_levels))).astype(np.uint16),
        np.array(n_bins, np.int64),
        np.array(n_levels, np.int64),
    )
