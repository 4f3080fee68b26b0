"""The importance of each hyperparameter, estimated by a random forest of scikit-learn.

scikit-learn takes a second to import; `fastnet.report.page.preload` does it while trials run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.tuning.space.distributions import Distribution
from fastnet.tuning.view.columns import Columns

LEAST_TRIALS = 60
"""Fewer trials cannot separate effect from chance."""

MOST_TRIALS = 1000
"""Of more trials an evenly spaced selection is used: the figures hardly change, and the report takes less time."""

LEAST_EXPLAINED = 0.1
"""Least share of the differences between unseen trials that a forest must explain to be used."""

FOLDS, TREES, LEAST_LEAF, SHUFFLES = 3, 40, 4, 3

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Importance:
    """Shares of the variance of the rank that each hyperparameter explains, the most important first.

    A share counts effects alone and together with others, so shares can add up to more than 1; by chance one can be
    slightly below 0.
    """

    names: tuple[str, ...]
    share: tuple[float, ...]
    low: tuple[float, ...]  # smallest share of any fold
    high: tuple[float, ...]
    explained: float  # R² on trials that the forest was not fitted to
    trials: int


def importance(columns: Columns, space: Mapping[str, Distribution], *, better_half: bool = False) -> Importance | str:
    """Estimate the share of the differences between trials that each hyperparameter explains.

    The trials must be drawn independently from `space`, as those of one stage are. `better_half` analyses only the
    better half of them: the difference between good trials and the best. Returns a sentence if no estimate is possible.

    Notes
    -----
    The rank of a trial is regressed on its place in the ranges, each on its own scale. For independent hyperparameters,
    shuffling the values of one among unseen trials raises the squared error by twice the variance of its total effect
    (Gregorutti, Michel and Saint-Pierre, *Correlation and variable importance in random forests*, Statistics and
    Computing 27, 2017); divided by the variance of the rank, that is its total Sobol' index. In the better half
    hyperparameters are no longer independent, and the shares are a rough guide. Deterministic: seeds are fixed, and
    trees are fitted one after the other.
    """
    names = [name for name, distribution in space.items() if len(set(distribution.extremes())) > 1]
    goodness = columns.goodness()
    if better_half:
        columns, goodness = columns.take(goodness > 0.5), goodness[goodness > 0.5]
    if len(names) < 2:
        return "No hyperparameter is searched." if not names else f"Only {names[0].replace('_', ' ')} is searched."
    if len(columns) < LEAST_TRIALS:
        return f"Only {len(columns)} of the {LEAST_TRIALS} trials needed."
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
            f"A forest explains {max(explained, 0.0):.0%} of the differences between unseen trials: "
            "no effect can be distinguished from chance."
        )
    mean = shares.mean(axis=0)
    order = np.argsort(-mean, kind="stable")
    low, high = shares.min(axis=0)[order], shares.max(axis=0)[order]
    share = tuple(mean[order].tolist())
    ordered = tuple(names[place] for place in order)
    return Importance(ordered, share, tuple(low.tolist()), tuple(high.tolist()), explained, len(columns))


def _over_folds(x: Floats, y: Floats, variance: float) -> tuple[float, Floats]:
    """Fit on all folds but one and shuffle in that one; return R² over all, and the shares of each fold."""
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
    """Return the increase of the mean squared error when one column is shuffled."""
    shuffled = np.tile(x, (SHUFFLES, 1))
    rng = np.random.default_rng(column)
    shuffled[:, column] = np.concatenate([rng.permutation(x[:, column]) for _ in range(SHUFFLES)])
    return float(np.square(forest.predict(shuffled) - np.tile(y, SHUFFLES)).mean()) - error


def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(TREES, min_samples_leaf=LEAST_LEAF, max_features=0.7, random_state=seed)
