"""How likely chance alone produces what the best trials of a search show.

If a hyperparameter made no difference, the best would be a random draw from the trials, without replacement. Nothing is
assumed about where the trials lie: they may be random, a grid, or whole numbers.
"""

from __future__ import annotations

import math

import numpy as np

from fastnet.tuning.space.arithmetic import Floats


def chance_of_at_least(found: int, *, drawn: int, marked: int, total: int) -> float:
    """Return the probability that at least `found` of `drawn` things are marked, if `marked` of all, `total`, are.

    It is the tail of the hypergeometric distribution, as things are drawn without replacement.

    Examples
    --------
    Of 100 trials 10 lie at an edge. How likely do at least 4 of the 10 best lie there, if the edge is not better?

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
    """Return the probability that at most `found` of `drawn` things are marked; see `chance_of_at_least`."""
    return chance_of_at_least(drawn - found, drawn=drawn, marked=total - marked, total=total)


def chance_of_unevenness(best: Floats, rest: Floats) -> float:
    """Return the probability that a random draw of the trials differs as much in position from the rest as the best do.

    Parameters
    ----------
    best, rest : (n,), (m,) float64 array
        Positions in the range, in [0, 1], in any order; if one is empty, the probability is 1.

    Notes
    -----
    Kuiper's test (N. H. Kuiper, *Tests concerning random points on a circle*, 1960) with the approximation of M. A.
    Stephens (1970). Its statistic is the sum of the largest leads of each distribution function over the other. If the
    best fill a part of the range evenly, it is the share of the trials outside that part, wherever the part lies; the
    statistic of Kolmogorov and Smirnov is only half of it for a part in the middle.

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
    """Return the logarithm of the number of ways to draw, by the gamma function because the number itself is huge."""
    return math.lgamma(total + 1) - math.lgamma(drawn + 1) - math.lgamma(total - drawn + 1)
