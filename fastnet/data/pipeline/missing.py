"""What stands in for missing values, and the inputs that tell where values were missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Filling:
    """The value of each column that replaces a missing one.

    Attributes
    ----------
    values : ndarray, shape (F,), float64
        The median of the training rows, rounded down to a level for an ordered category. 0.5 for a boolean,
        which becomes 0 between -1 and 1. 0 for a column without any value.
    indicators : ndarray, int64
        Columns that have an input of their own, which is 1 where the value is missing.
    positions : ndarray, shape (F,), bool
        Columns of positions in levels, in which a level that the table did not have, -1, is missing too.
    """

    values: NDArray[np.float64]
    indicators: NDArray[np.int64]
    positions: NDArray[np.bool_]

    def missing(self, x: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return where the (N, F) values are missing.

        Examples
        --------
        >>> Filling(np.zeros(2), np.array([0]), np.array([False, True])).missing(np.float32([[-1, -1]])).tolist()
        [[False, True]]
        """
        return np.isnan(x) | (self.positions & (x < 0))


def fit_filling(x: NDArray[np.float32], kinds: list[str]) -> Filling:
    """Learn from the (N, F) training rows; `kinds` are those of `Field`. Categories are not filled.

    Examples
    --------
    >>> filling = fit_filling(np.float32([[1, 0], [np.nan, 1], [5, 1]]), ["number", "boolean"])
    >>> filling.values.tolist(), filling.indicators.tolist()
    ([3.0, 0.5], [0])
    """
    positions = np.array([kind != "number" for kind in kinds])
    values = np.zeros(len(kinds))
    indicators = []
    for place, kind in enumerate(kinds):
        if kind == "boolean":
            values[place] = 0.5
        if kind not in ("number", "ordered"):
            continue
        column = x[:, place].astype(np.float64)
        known = column[~(np.isnan(column) | (positions[place] & (column < 0)))]
        if len(known):
            middle = float(np.median(known))
            values[place] = np.floor(middle) if kind == "ordered" else middle
        if 0 < len(known) < len(column):
            indicators.append(place)
    return Filling(values, np.array(indicators, np.int64), positions)
