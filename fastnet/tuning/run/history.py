"""The trials that a sampler learns from: they stay in the file of the study, and only their ranking is in memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import overload

from fastnet.tuning.run.ranked import Ranked
from fastnet.tuning.space.space import Space
from fastnet.tuning.store.study import Study
from fastnet.tuning.trial import TrialResult

READ = 4096
"""Trials that are in memory at a time while they are ranked."""


class History(Sequence[TrialResult]):
    """All trials with numbers below `end`, without curves; all of them must have ended.

    `rankings` is shared by the histories of a run, so that each adds only its latest trials to the ranking.
    """

    def __init__(self, study: Study, end: int, rankings: list[Ranked]) -> None:
        self._study, self._end, self._rankings = study, end, rankings

    def __len__(self) -> int:
        return self._end

    @overload
    def __getitem__(self, key: int) -> TrialResult: ...

    @overload
    def __getitem__(self, key: slice) -> tuple[TrialResult, ...]: ...

    def __getitem__(self, key: int | slice) -> TrialResult | tuple[TrialResult, ...]:
        if not isinstance(key, slice):
            [one] = self._between(range(self._end)[key], 1)
            return one
        numbers = range(self._end)[key]
        found = self._between(min(numbers), max(numbers) - min(numbers) + 1) if numbers else ()
        return found[:: numbers.step] if numbers.step > 0 else found[::-1][:: -numbers.step]

    def __iter__(self) -> Iterator[TrialResult]:
        return self._study.iter_trials(limit=self._end)

    def ranked(self, space: Space, metric: str) -> Ranked:
        """Return the ranking of these trials in a space."""
        known = self._rankings[0] if self._rankings else None
        if known is None or (known.space, known.metric) != (space, metric) or known.read > self._end:
            known = Ranked(space, metric)
            self._rankings[:] = [known]
        while known.read < self._end:
            known.add(self[known.read : min(known.read + READ, self._end)])
        return known

    def _between(self, first: int, count: int) -> tuple[TrialResult, ...]:
        return tuple(itertools.islice(self._study.iter_trials(first=first, limit=count), count))
