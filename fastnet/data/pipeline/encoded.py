"""Samples of a table as the first layer reads them: a bin and a fraction a number, a level a category."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Encoded(NamedTuple):
    """N samples; in the written-out form D dense inputs are followed by those of P numbers and C categories.

    Attributes
    ----------
    dense : (N, D) float32
        Inputs as they are.
    bins, fractions : (N, P) uint16 and float32
        With bin k and fraction f, the inputs of a number are k ones, f, and zeros.
    levels : (N, C) uint16
        The input of a category that is 1; the number of its inputs where none is.
    n_bins, n_levels : (P,) and (C,) int64
        Number of inputs of each number and each category.
    """

    dense: NDArray[np.float32]
    bins: NDArray[np.uint16]
    fractions: NDArray[np.float32]
    levels: NDArray[np.uint16]
    n_bins: NDArray[np.int64]
    n_levels: NDArray[np.int64]

    @property
    def n_inputs(self) -> int:
        """Width of the written-out form."""
        return int(self.dense.shape[1] + self.n_bins.sum() + self.n_levels.sum())

    def written_out(self) -> NDArray[np.float32]:
        """Return the (N, n_inputs) float32 inputs in full.

        Examples
        --------
        >>> dense, bins, fractions = np.float32([[5]]), np.uint16([[1]]), np.float32([[0.25]])
        >>> Encoded(dense, bins, fractions, np.uint16([[0]]), np.array([3]), np.array([2])).written_out().tolist()
        [[5.0, 1.0, 0.25, 0.0, 1.0, 0.0]]
        """
        n_samples, begin = self.dense.shape
        out = np.zeros((n_samples, self.n_inputs), np.float32)
        out[:, :begin] = self.dense
        rows = np.arange(n_samples)
        for bins, fractions, width in zip(self.bins.T, self.fractions.T, self.n_bins.tolist(), strict=True):
            block = out[:, begin : begin + width]
            block[...] = np.arange(width) < bins[:, None]
            block[rows, bins] = fractions
            begin += width
        for levels, width in zip(self.levels.T, self.n_levels.tolist(), strict=True):
            known = levels < width
            out[rows[known], begin + levels[known].astype(np.int64)] = 1.0
            begin += width
        return out
