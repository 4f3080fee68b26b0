"""The first layer of a table: the encoded columns of B samples, as products that never write them out.

A number in bin k with fraction f stands for k ones, f, and zeros; a category for a single one. Inputs are the D dense
ones, then those of every number, then those of every category.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnet.reference.objective import Floats


class Table(NamedTuple):
    """B samples of D dense inputs, P numbers and C categories."""

    dense: Floats  # (B, D)
    bins: NDArray[np.integer]  # (B, P)
    fractions: Floats  # (B, P)
    levels: NDArray[np.integer]  # (B, C), the number of a category's inputs where none of them is 1
    n_bins: NDArray[np.integer]  # (P,)
    n_levels: NDArray[np.integer]  # (C,)


def _starts(table: Table) -> NDArray[np.integer]:
    """Return the first row of weights of every number and category."""
    widths = np.concatenate([table.n_bins, table.n_levels])
    starts: NDArray[np.integer] = table.dense.shape[1] + np.cumsum(widths) - widths
    return starts


def forward(table: Table, w: Floats, b: Floats) -> Floats:
    """Compute ``inputs @ w + b``, (B, O): a number adds the sum of its rows before k, and f times row k.

    >>> number, none = np.array([[1]]), np.empty((1, 0), int)
    >>> table = Table(np.ones((1, 1)), number, np.array([[0.5]]), none, np.array([3]), none[0])
    >>> forward(table, np.array([[10.0], [1.0], [2.0], [4.0]]), np.zeros(1)).tolist()
    [[12.0]]
    """
    y = table.dense @ w[: table.dense.shape[1]] + b
    starts, n_numbers = _starts(table), len(table.n_bins)
    for r in range(len(y)):
        for first, k, f in zip(starts, table.bins[r], table.fractions[r], strict=False):
            y[r] += w[first : first + k].sum(axis=0) + f * w[first + k]
        for first, level, width in zip(starts[n_numbers:], table.levels[r], table.n_levels, strict=True):
            if level < width:
                y[r] += w[first + level]
    return y


def weight_gradient(table: Table, dy: Floats) -> Floats:
    """Compute ``inputsᵀ @ dy``, (I, O): a sample's dy goes to the rows before k, f times dy to row k.

    >>> number, level = np.array([[1]]), np.array([[0]])
    >>> table = Table(np.empty((1, 0)), number, np.array([[0.5]]), level, np.array([3]), np.array([2]))
    >>> weight_gradient(table, np.array([[8.0]])).ravel().tolist()
    [8.0, 4.0, 0.0, 8.0, 0.0]
    """
    starts, n_numbers, n_dense = _starts(table), len(table.n_bins), table.dense.shape[1]
    dw = np.zeros((n_dense + int(table.n_bins.sum() + table.n_levels.sum()), dy.shape[1]), dy.dtype)
    dw[:n_dense] = table.dense.T @ dy
    for r in range(len(dy)):
        for first, k, f in zip(starts, table.bins[r], table.fractions[r], strict=False):
            dw[first : first + k] += dy[r]
            dw[first + k] += f * dy[r]
        for first, level, width in zip(starts[n_numbers:], table.levels[r], table.n_levels, strict=True):
            if level < width:
                dw[first + level] += dy[r]
    return dw
