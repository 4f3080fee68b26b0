"""Scaling of the features, learnt from the training samples only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.data.coerce import blocks, nearly_equal
from fastnet.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Scaler:
    """A shift and a factor for each feature: ``(x - offset) * scale``.

    Attributes
    ----------
    offset, scale : ndarray, shape (F,), float32 or float64
        0 and 1/255 for images, mean and 1/standard deviation otherwise. float64 features have a float64 scaler; they
        are scaled in float64 and then rounded to float32.
    """

    offset: NDArray[np.floating[Any]]
    scale: NDArray[np.floating[Any]]

    @property
    def dtype(self) -> np.dtype[np.floating[Any]]:
        """Type that features other than uint8 must have before they are scaled, float32 or float64."""
        return self.offset.dtype

    @property
    def of_images(self) -> bool:
        """Whether it was learnt from images of bytes."""
        return bool((self.offset == 0).all() and (self.scale == np.float32(1 / 255)).all())

    @property
    def n_fields(self) -> int:
        """Number of features that it reads."""
        return len(self.offset)

    @property
    def n_inputs(self) -> int:
        """Width of the first layer: one input a feature."""
        return len(self.offset)

    @property
    def input_names(self) -> tuple[str, ...]:
        """A name for each input: its number."""
        return tuple(f"feature {place}" for place in range(len(self.offset)))

    def to_parts(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return a description, ready for JSON and empty, and both arrays by name."""
        return {}, {"scaler.offset": self.offset, "scaler.scale": self.scale}

    def apply(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return ``(x - offset) * scale`` for (N, F) features in the units of the training data: a new float32 array.

        Raises
        ------
        DataError
            If `x` has another number of features, or a scaled value is too large for float32.

        Examples
        --------
        >>> scaler = Scaler(offset=np.float32([1.0]), scale=np.float32([0.5]))
        >>> scaler.apply(np.float32([[5.0]]))
        array([[2.]], dtype=float32)
        """
        if x.ndim != 2 or x.shape[1] != len(self.offset):
            raise DataError(f"x has shape {x.shape}: samples of {len(self.offset)} features are needed")
        out = np.empty(x.shape, dtype=np.float32)
        for rows in blocks(*x.shape):
            given, block = x[rows], out[rows]
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                if self.dtype == np.float64:
                    block[...] = (given - self.offset) * self.scale
                else:
                    np.subtract(given, self.offset, out=block, dtype=np.float32, casting="same_kind")
                    block *= self.scale
            if x.dtype != np.uint8 and not np.isfinite(block).all():
                row, column = divmod(int((~np.isfinite(block)).argmax()), x.shape[1])
                raise DataError(
                    f"x[{rows.start + row}, {column}] is {given[row, column]:g}: too far from the training samples to "
                    "be scaled within float32; correct it or remove the sample"
                )
        return out


def fit_scaler(x: NDArray[Any], train_indices: NDArray[np.int64]) -> Scaler:
    """Learn the scaling of the features from the training samples.

    Parameters
    ----------
    x : ndarray, shape (N, F), uint8, float32 or float64
        Features of a `Dataset`.
    train_indices : ndarray, int64
        Rows to learn from, at least one; the other rows have no influence.

    Returns
    -------
    Scaler
        For uint8 (images) offset 0 and scale 1/255, whatever the values. Otherwise mean and inverse (population)
        standard deviation of each feature, summed in float64 in the order of `train_indices`, in the type of `x`. A
        feature that is constant, in float64 but for rounding, gets scale 1.

    Raises
    ------
    DataError
        If a feature varies too little or too much for its scale to be a number of that type.

    Examples
    --------
    >>> fit_scaler(np.float32([[0.0], [4.0], [99.0]]), np.array([0, 1]))
    Scaler(offset=array([2.], dtype=float32), scale=array([0.5], dtype=float32))
    """
    n_features = x.shape[1]
    if x.dtype == np.uint8:
        return Scaler(np.zeros(n_features, np.float32), np.full(n_features, 1 / 255, np.float32))
    parts = [train_indices[rows] for rows in blocks(len(train_indices), n_features)]
    low, high = np.full(n_features, np.inf), np.full(n_features, -np.inf)
    total, squares = np.zeros(n_features), np.zeros(n_features)
    with np.errstate(over="ignore", invalid="ignore"):  # `_inverse` refuses the results
        for rows in parts:
            low, high = np.minimum(low, x[rows].min(axis=0)), np.maximum(high, x[rows].max(axis=0))
            total += x[rows].sum(axis=0, dtype=np.float64)
        mean = total / len(train_indices)
        constant, unit = low == high, np.ones(n_features)
        if x.dtype == np.float64:
            constant = nearly_equal(low, high)
            unit = np.where(constant, 1.0, np.maximum(high - mean, mean - low))  # squares stay within float64
        for rows in parts:
            squares += np.square((x[rows] - mean) / unit).sum(axis=0)
        deviation = np.where(constant, 1.0, unit * np.sqrt(squares / len(train_indices)))
    return Scaler(mean.astype(x.dtype), _inverse(deviation, x.dtype))


def _inverse(deviation: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[np.floating[Any]]:
    limits = np.finfo(dtype)
    with np.errstate(divide="ignore", over="ignore"):
        inverse = 1.0 / deviation
    bad = ~((inverse >= limits.tiny) & (inverse <= limits.max))
    if bad.any():
        column = int(bad.argmax())
        raise DataError(
            f"feature {column} of x has a standard deviation of {deviation[column]:g}: {dtype} cannot hold its "
            "inverse; give that feature in another unit or leave it out"
        )
    return inverse.astype(dtype)
