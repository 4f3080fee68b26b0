"""Scaling of the features, learnt on the training samples alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.data.coerce import BLOCK_VALUES
from fastnet.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Scaler:
    """A shift and a factor for each feature: ``(x - offset) * scale``.

    Attributes
    ----------
    offset, scale : ndarray, shape (F,), float32
        0 and 1/255 for images, mean and 1/standard deviation for everything else.
    """

    offset: NDArray[np.float32]
    scale: NDArray[np.float32]

    def apply(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Scale samples.

        Parameters
        ----------
        x : ndarray, shape (N, F), uint8 or float32
            Features of a `Dataset`, in the units that the scaler was fitted on.

        Returns
        -------
        ndarray, shape (N, F), float32, C-contiguous
            ``(x - offset) * scale``; a new array.

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
        rows = _rows_per_block(x)
        for start in range(0, len(x), rows):
            block = out[start : start + rows]
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                np.subtract(x[start : start + rows], self.offset, out=block, dtype=np.float32, casting="same_kind")
                block *= self.scale
            if x.dtype != np.uint8 and not np.isfinite(block).all():
                row, column = divmod(int((~np.isfinite(block)).argmax()), x.shape[1])
                raise DataError(
                    f"x[{start + row}, {column}] is {x[start + row, column]:g}: too far from the training samples to "
                    "be scaled within float32; correct it or remove the sample"
                )
        return out


def fit_scaler(x: NDArray[Any], train_indices: NDArray[np.int64]) -> Scaler:
    """Learn the scaling of the features from the training samples.

    Parameters
    ----------
    x : ndarray, shape (N, F), uint8 or float32
        Features of a `Dataset`.
    train_indices : ndarray, int64
        Rows to learn from, at least one; the other rows have no influence.

    Returns
    -------
    Scaler
        For uint8 (images) offset 0 and scale 1/255, whatever the rows hold. For float32 the mean and the inverse of
        the (population) standard deviation of each feature, summed in float64 in the order of `train_indices`; a
        feature that is constant gets scale 1.

    Raises
    ------
    DataError
        If a feature varies too little or too much for its scale to be a float32.

    Examples
    --------
    >>> fit_scaler(np.float32([[0.0], [4.0], [99.0]]), np.array([0, 1]))
    Scaler(offset=array([2.], dtype=float32), scale=array([0.5], dtype=float32))
    """
    n_features = x.shape[1]
    if x.dtype == np.uint8:
        return Scaler(np.zeros(n_features, np.float32), np.full(n_features, 1 / 255, np.float32))
    step = _rows_per_block(x)
    blocks = [train_indices[start : start + step] for start in range(0, len(train_indices), step)]
    low, high = np.full(n_features, np.inf), np.full(n_features, -np.inf)
    total, squares = np.zeros(n_features), np.zeros(n_features)
    for rows in blocks:
        low, high = np.minimum(low, x[rows].min(axis=0)), np.maximum(high, x[rows].max(axis=0))
        total += x[rows].sum(axis=0, dtype=np.float64)
    mean = total / len(train_indices)
    for rows in blocks:
        squares += np.square(x[rows] - mean).sum(axis=0)
    deviation = np.where(low == high, 1.0, np.sqrt(squares / len(train_indices)))
    return Scaler(mean.astype(np.float32), _inverse(deviation))


def _inverse(deviation: NDArray[np.float64]) -> NDArray[np.float32]:
    limits = np.finfo(np.float32)
    with np.errstate(divide="ignore"):
        inverse = 1.0 / deviation
    bad = ~((inverse >= limits.tiny) & (inverse <= limits.max))
    if bad.any():
        column = int(bad.argmax())
        raise DataError(
            f"feature {column} of x has a standard deviation of {deviation[column]:g}: float32 cannot hold its "
            "inverse; give that feature in another unit or leave it out"
        )
    return inverse.astype(np.float32)


def _rows_per_block(x: NDArray[Any]) -> int:
    return max(1, BLOCK_VALUES // int(x.shape[1]))
