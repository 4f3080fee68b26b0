"""How good the best of n trials can be expected to be: whether more trials would have helped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

POINTS = 80
"""Numbers of trials at which the band is computed."""

QUANTILES = (0.05, 0.5, 0.95)


def counts(trials: int) -> NDArray[np.int64]:
    """List numbers of trials from 1 to `trials`, nearly the same factor apart.

    Examples
    --------
    >>> counts(5).tolist(), len(counts(100_000)) <= POINTS
    ([1, 2, 3, 4, 5], True)
    """
    return np.unique(np.rint(np.geomspace(1, trials, POINTS)).astype(np.int64))


def best_of(
    goodness: NDArray[np.float64], n: NDArray[np.int64], quantiles: Sequence[float] = QUANTILES
) -> NDArray[np.float64]:
    """Return quantiles of the best of n trials, drawn from those of a study with replacement.

    Parameters
    ----------
    goodness : (T,) float64 array
        The value of each trial, more being better; ``-inf`` where it has none. At least one.
    n : (m,) int64 array
        Numbers of trials, at least 1.
    quantiles : sequence of float
        In (0, 1).

    Returns
    -------
    (len(quantiles), m) float64 array
        ``-inf`` where that few trials may all have no value.

    Notes
    -----
    The bootstrap in closed form, without drawing: of n draws all are at most the k-th smallest of T values with
    probability ``(k / T)**n``, so the quantile q is the smallest of them with ``k >= T q**(1/n)``. Dodge et al.,
    *Show Your Work: Improved Reporting of Experimental Results*, EMNLP 2019, section 3. Near n = T it leans a little
    to the low side (Tang et al., *Showing Your Work Doesn't Always Work*, ACL 2020).

    Examples
    --------
    >>> best_of(np.arange(1.0, 11.0), np.array([1, 2, 10]), [0.5]).tolist()
    [[5.0, 8.0, 10.0]]
    """
    ordered = np.sort(goodness)
    exact = len(ordered) * np.asarray(quantiles, dtype=np.float64)[:, None] ** (1.0 / n)
    places = np.ceil(exact - 1e-9).astype(np.int64) - 1  # what should be whole may be a rounding above
    return np.asarray(ordered[np.clip(places, 0, len(ordered) - 1)], dtype=np.float64)
