"""The range of each hyperparameter over all stages of a search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastnet.tuning.space.distributions import Choice, Distribution
from fastnet.tuning.space.space import Space


def spans(spaces: Iterable[Mapping[str, str]]) -> dict[str, Distribution]:
    """Return for each hyperparameter the range that contains those of all stages; at least one, in text form.

    >>> found = spans([{"learning_rate": "log:1e-3:1e-1"}, {"learning_rate": "log:1e-2:1"}])
    >>> str(found["learning_rate"])
    'log:0.001:1'
    """
    whole: dict[str, Distribution] = {}
    for space in spaces:
        for name, other in Space.parse(space).distributions.items():
            whole[name] = _joined(whole[name], other) if name in whole else other
    return whole


def _joined(one: Any, other: Any) -> Distribution:
    if isinstance(one, Choice) or isinstance(other, Choice):
        return one if isinstance(one, Choice) else _joined_ends(one, other.values)
    return _joined_ends(one, (other.low, other.high))


def _joined_ends(one: Any, values: Sequence[Any]) -> Distribution:
    joined: Distribution = replace(one, low=min(one.low, *values), high=max(one.high, *values))
    return joined
