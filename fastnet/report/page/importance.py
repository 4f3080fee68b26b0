"""Which hyperparameters the outcome of a trial depends on, by a random forest of scikit-learn.

scikit-learn takes a second to import; `fastnet.report.page.preload` does it while trials run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.report.page.columns import Columns
from fastnet.report.text import counted
from fastnet.tuning.space.distributions import Distribution

LEAST_TRIALS = 60
"""Fewer trials than this do not separate chance from effect."""

MOST_TRIALS = 1000
"""Of more, this number is used, evenly spread: the figures hardly change, and a report should not take long."""

LEAST_EXPLAINED = 0.1
"""A forest that explains less of the differences between trials it has not seen says nothing about their causes."""

FOLDS, TREES, LEAST_LEAF, SHUFFLES = 3, 40, 4, 3

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Importance:
    """What the rank of a trial depends on.

    Parameters
    ----------
    names : tuple of str
        Hyperparameters, the most important first.
    share : tuple of float
        Part of the variance of the rank that each accounts for, alone and together with others, so that they may add up
        to more than 1. Slightly below 0 by chance.
    low, high : tuple of float
        Least and largest share over the folds.
    explained : float
        Part of the variance that the forest explains on trials it was not fitted to, R².
    trials : int
        How many trials that is about.
    """

    names: tuple[str, ...]
    share: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    explained: float
    trials: int


def importance(columns: Columns, space: Mapping[str, Distribution], *, better_half: bool = False) -> Importance | str:
    """Estimate how much of the differences between trials each hyperparameter accounts for.

    Parameters
    ----------
    columns : Columns
        Trials drawn independently from one space: those of one stage.
    space : mapping of str to Distribution
        The ranges that they were drawn from.
    better_half : bool
        Analyse the better half of the trials only: what separates good trials from the best.

    Returns
    -------
    Importance or str
        A sentence where it cannot be told.

    Notes
    -----
    The rank of a trial is regressed on its place in the ranges, each on its own scale. What the error on trials that
    were not fitted rises by when the values of one hyperparameter are shuffled among them is, for independent
    hyperparameters, twice the variance of its total effect (Gregorutti, Michel and Saint-Pierre, *Correlation and
    variable importance in random forests*, Statistics and Computing 27, 2017), the total Sobol' index of it once
    divided by the variance. In the better half they are independent no longer, and the shares are a rough guide.
    Deterministic: seeds are fixed, and trees are fitted one after the other.

    Examples
    --------
    >>> from fastnet.tuning.space.space import Space
    >>> rng = np.random.default_rng(0)
    >>> rates, drops = rng.random((2, 200))
    >>> whole = np.arange(200)
    >>> params = {"dropout": drops, "momentum": rates}
    >>> columns = Columns(whole, whole * 0 + 1, whole * 0, whole * 0 + 5, rates, rates, params, "accuracy")
    >>> space = Space.parse({"dropout": "uniform:0:0.99", "momentum": "uniform:0:0.99"}).distributions
    >>> found = importance(columns, space)
    >>> found.names, found.share[0] > 0.8, abs(found.share[1]) < 0.05
    (('momentum', 'dropout'), True, True)
    """
    names = [name for name, distribution in space.items() if len(set(distribution.extremes())) > 1]
    goodness = columns.goodness()
    if better_half:
        columns, goodness = columns.take(goodness > 0.5), goodness[goodness > 0.5]
    if len(names) < 2:
        return "No hyperparameter is searched." if not names else f"Only {names[0].replace('_', ' ')} is searched."
    if len(columns) < LEAST_TRIALS:
        are = "is" if len(columns) == 1 else "are"
        return f"{counted(len(columns), 'trial')} {are} not enough to tell: {LEAST_TRIALS} are needed."
    if len(columns) > MOST_TRIALS:
        chosen = np.linspace(0, len(columns) - 1, MOST_TRIALS).astype(np.int64)
        columns, goodness = columns.take(chosen), goodness[chosen]
    places = np.stack([space[name].position(columns.params[name]) for name in names], axis=1)
    variance = float(goodness.var())
    if variance == 0.0:
        return "All trials have the same value."
    explained, shares = _over_folds(places, goodness, variance)
    if explained < LEAST_EXPLAINED:
        return (
            f"A forest explains {max(explained, 0.0):.0%} of the differences between trials that it has not seen: "
            "no effect can be distinguished from chance."
        )
    mean = shares.mean(axis=0)
    order = np.argsort(-mean, kind="stable")
    low, high = shares.min(axis=0)[order], shares.max(axis=0)[order]
    share = tuple(mean[order].tolist())
    ordered = tuple(names[place] for place in order)
    return Importance(ordered, share, tuple(low.tolist()), tuple(high.tolist()), explained, len(columns))


def _over_folds(x: Floats, y: Floats, variance: float) -> tuple[float, Floats]:
    """Fit on all folds but one and shuffle in that one; R² over all, and the shares of each fold."""
    fold = np.random.default_rng(0).permutation(len(y)) % FOLDS
    errors, shares = 0.0, []
    for number in range(FOLDS):
        held = fold == number
        forest = _forest(number).fit(x[~held], y[~held])
        error = np.square(forest.predict(x[held]) - y[held])
        errors += float(error.sum())
        shares.append(
            [_rise(forest, x[held], y[held], name, float(error.mean())) / (2 * variance) for name in range(x.shape[1])]
        )
    return 1.0 - errors / (len(y) * variance), np.array(shares)


def _rise(forest: Any, x: Floats, y: Floats, column: int, error: float) -> float:
    """By how much the mean squared error rises when one column is shuffled."""
    shuffled = np.tile(x, (SHUFFLES, 1))
    rng = np.random.default_rng(column)
    shuffled[:, column] = np.concatenate([rng.permutation(x[:, column]) for _ in range(SHUFFLES)])
    return float(np.square(forest.predict(shuffled) - np.tile(y, SHUFFLES)).mean()) - error


def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(TREES, min_samples_leaf=LEAST_LEAF, max_features=0.7, random_state=seed)
