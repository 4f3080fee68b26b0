"""How likely chance alone would bring about what the best trials of a search show.

Everywhere the question is the same: if a hyperparameter made no difference, the best would be any of the trials, drawn
without replacement. So nothing is assumed about where the trials lie: they may be random, a grid, or whole numbers.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def chance_of_at_least(found: int, *, drawn: int, marked: int, total: int) -> float:
    """Return the probability that of `drawn` things at least `found` are marked.

    Parameters
    ----------
    found : int
        How many of those drawn are marked.
    drawn : int
        How many are drawn without replacement, 0 to `total`.
    marked : int
        How many of all are marked, 0 to `total`.
    total : int
        How many there are.

    Returns
    -------
    float
        In [0, 1]: the tail of the hypergeometric distribution, which for few drawn out of many is the binomial one.

    Examples
    --------
    Of 100 trials 10 lie at an edge. How likely do at least 4 of the 10 best lie there, if the edge is no better?

    >>> round(chance_of_at_least(4, drawn=10, marked=10, total=100), 4)
    0.0082
    >>> chance_of_at_least(0, drawn=10, marked=10, total=100)
    1.0
    """
    least, most = max(0, drawn + marked - total), min(drawn, marked)
    if found <= least:
        return 1.0
    all_draws = _log_choices(total, drawn)
    terms = (
        math.exp(_log_choices(marked, k) + _log_choices(total - marked, drawn - k) - all_draws)
        for k in range(found, most + 1)
    )
    return min(1.0, math.fsum(terms))


def chance_of_at_most(found: int, *, drawn: int, marked: int, total: int) -> float:
    """Return the probability that of `drawn` things at most `found` are marked; see `chance_of_at_least`.

    Examples
    --------
    >>> round(chance_of_at_most(0, drawn=10, marked=33, total=100), 4)
    0.0143
    """
    return chance_of_at_least(drawn - found, drawn=drawn, marked=total - marked, total=total)


def chance_of_unevenness(best: Floats, rest: Floats) -> float:
    """Return the probability that the best differ so much in position from the rest, were they any of the trials.

    Parameters
    ----------
    best, rest : (n,), (m,) float64 array
        Positions in the range, in [0, 1], in any order.

    Returns
    -------
    float
        In [0, 1]; 1 where one of the two is empty.

    Notes
    -----
    Kuiper's test (N. H. Kuiper, *Tests concerning random points on a circle*, 1960) with the approximation of M. A.
    Stephens (1970). Its statistic is the largest lead of one distribution function over the other plus the largest of
    the other over the one. Where the best fill a part of the range evenly, it is the share of the trials that lie
    outside that part, wherever the part is; that of Kolmogorov and Smirnov is only half of it for a part in the middle.

    Examples
    --------
    >>> import numpy as np
    >>> rest = np.linspace(0, 1, 90)
    >>> round(chance_of_unevenness(np.linspace(0, 1, 10), rest), 2)
    1.0
    >>> chance_of_unevenness(np.linspace(0.4, 0.6, 10), rest) < 0.01
    True
    """
    n, m = len(best), len(rest)
    if not n or not m:
        return 1.0
    places = np.unique(np.concatenate([best, rest]))
    lead = np.searchsorted(np.sort(best), places, side="right") / n
    lead -= np.searchsorted(np.sort(rest), places, side="right") / m
    statistic = max(0.0, float(lead.max())) + max(0.0, float(-lead.min()))
    root = math.sqrt(n * m / (n + m))
    scaled = (root + 0.155 + 0.24 / root) * statistic
    if scaled < 0.4:  # the series below needs many terms there, and is 1 to seven digits
        return 1.0
    squares = (2.0 * (k * scaled) ** 2 for k in range(1, 20))
    return min(1.0, max(0.0, 2.0 * math.fsum((2.0 * square - 1.0) * math.exp(-square) for square in squares)))


def _log_choices(total: int, drawn: int) -> float:
    """Logarithm of the number of ways to draw; by the gamma function, because whole numbers grow beyond all use."""
    if not 0 <= drawn <= total:
        return -math.inf
    return math.lgamma(total + 1) - math.lgamma(drawn + 1) - math.lgamma(total - drawn + 1)
