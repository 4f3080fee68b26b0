"""Categories as one input a level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_ROWS = 5
"""Training rows that a level needs for an input of its own: fewer teach the network these rows by heart."""

MAX_LEVELS = 100
"""Levels of a category with inputs of their own, the most frequent ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """The inputs of one category.

    Attributes
    ----------
    column : int
        Its place in the features.
    inputs : ndarray, shape (levels of the table + 1,), int64
        The input of each level, and at the end that of a level which the table did not have: that of the rare ones if
        there is one. `n_inputs` means none.
    n_inputs : int
        Number of inputs.
    rare : bool
        Whether the last input stands for all rare levels.
    """

    column: int
    inputs: NDArray[np.int64]
    n_inputs: int
    rare: bool

    def apply(self, values: NDArray[np.float32]) -> NDArray[np.uint16]:
        """Return the input of each of (N,) positions of levels: -1 for one the table did not have, NaN for missing.

        Examples
        --------
        >>> Levels(0, np.array([1, 0, 2]), 2, rare=False).apply(np.float32([0, 1, -1, np.nan])).tolist()
        [1, 0, 2, 2]
        """
        absent = np.isnan(values)
        found = self.inputs[np.where(absent, -1, values).astype(np.int64)]
        found[absent] = self.n_inputs
        return found.astype(np.uint16)


def fit_levels(values: NDArray[np.float32], column: int, names: Sequence[str]) -> Levels:
    """Decide from the (N,) training positions which of the levels have an input.

    The `MAX_LEVELS` most frequent with at least `MIN_ROWS` rows have one each, in the order of the table; the others
    share one, if they have as many rows together.

    Examples
    --------
    >>> fit_levels(np.float32([0] * 9 + [1] * 3 + [2] * 3), 0, ["red", "green", "blue"]).inputs.tolist()
    [0, 1, 1, 1]
    """
    known = values[values >= 0].astype(np.int64)
    counts = np.bincount(known, minlength=len(names))
    order = np.argsort(-counts, kind="stable")[:MAX_LEVELS]
    kept = np.sort(order[counts[order] >= MIN_ROWS])
    rare = bool(len(known) - counts[kept].sum() >= MIN_ROWS)
    n_inputs = len(kept) + rare
    inputs = np.full(len(names) + 1, len(kept), np.int64)
    inputs[kept] = np.arange(len(kept))
    return Levels(column, inputs, n_inputs, rare)
