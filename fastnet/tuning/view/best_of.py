"""The expected best of n trials, which shows whether more trials would help."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

POINTS = 80
"""Largest number of points of the band."""

QUANTILES = (0.05, 0.5, 0.95)


def counts(trials: int) -> NDArray[np.int64]:
    """Return numbers of trials from 1 to `trials`, spaced by a nearly constant factor.

    >>> counts(5).tolist(), len(counts(100_000)) <= POINTS
    ([1, 2, 3, 4, 5], True)
    """
    return np.unique(np.rint(np.geomspace(1, trials, POINTS)).astype(np.int64))


def best_of(
    goodness: NDArray[np.float64], n: NDArray[np.int64], quantiles: Sequence[float] = QUANTILES
) -> NDArray[np.float64]:
    """Return quantiles of the best of each of `n` trials drawn from a study with replacement, (quantiles, n).

    `goodness` is (T,), higher being better, with ``-inf`` for trials without a value; the result is ``-inf`` where all
    draws may have none.

    Notes
    -----
    The bootstrap in closed form: all of n draws are at most the k-th smallest of T values with probability
    ``(k / T)**n``, so the quantile q is the smallest value with ``k >= T q**(1/n)``. Dodge et al., *Show Your Work:
    Improved Reporting of Experimental Results*, EMNLP 2019, section 3. Near n = T it is slightly too low (Tang et al.,
    *Showing Your Work Doesn't Always Work*, ACL 2020).

    >>> best_of(np.arange(1.0, 11.0), np.array([1, 2, 10]), [0.5]).tolist()
    [[5.0, 8.0, 10.0]]
    """
    ordered = np.sort(goodness)
    exact = len(ordered) * np.asarray(quantiles, dtype=np.float64)[:, None] ** (1.0 / n)
    places = np.ceil(exact - 1e-9).astype(np.int64) - 1  # what should be whole may be a rounding above
    return np.asarray(ordered[np.clip(places, 0, len(ordered) - 1)], dtype=np.float64)
