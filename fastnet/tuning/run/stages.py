"""The stages of a search: their trials, the ranges these are drawn from, and the reports."""

from __future__ import annotations

import itertools
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fastnet.config.searching import SearchConfig
from fastnet.tuning.space.space import Space
from fastnet.tuning.store.study import Study

if TYPE_CHECKING:
    from fastnet.tuning.rules.narrowing import StageReport
    from fastnet.tuning.view.columns import Columns


class Stages:
    """Narrows the ranges of a study from stage to stage, `space` being those of the first, and stores the reports."""

    def __init__(self, study: Study, config: SearchConfig, space: Space) -> None:
        self._study, self._config, self._first = study, config, space
        self._ids = stage_ids(config.trials, config.stages)

    def end(self, number: int, space: Space) -> Space:
        """Store the report of stage `number` with the ranges `space`; return the ranges of the next one."""
        from fastnet.tuning.rules.narrowing import narrow

        config, last = self._config, number == self._config.stages
        known = {record["number"]: record for record in self._study.stages()}
        if number + 1 not in known:
            trials = self._study.columns(stage=number)
            # After the last stage there is none in which a wider range could be tried.
            report = narrow(space, trials, expand=config.expand and not last)
            document = report.to_dict()
            if last:
                expanded = narrow(space, trials, expand=True) if report.alarms else report
                document["recommendation"] = self._recommendation(expanded, trials)
            ids = self._ids[number - 1]
            self._study.append_stage(number, ids.start, len(ids), space.to_texts(), document)
            if last:
                return space
            following, texts = self._ids[number], report.space.to_texts()
            self._study.append_stage(number + 1, following.start, len(following), texts)
            known[number + 1] = {"space": texts}
        return Space.parse(known[number + 1]["space"])

    def _recommendation(self, expanded: StageReport, of_stage: Columns) -> dict[str, Any]:
        """Return the recommended ranges and those of another round, ready for JSON; `of_stage` is the last stage."""
        from fastnet.tuning.rules.advice import LOOKED_AT, next_round, recommend

        config = self._config
        best = self._study.best(LOOKED_AT, config.metric)
        trials = of_stage if config.stages == 1 else self._study.columns()
        document = recommend(self._first, trials, config.metric, expand=config.expand, best=best).to_dict()
        following = next_round(expanded, best, config.metric, config.train.epochs)
        return document | {"next": None if following is None else asdict(following)}


def stage_ids(trials: int, stages: int) -> list[range]:
    """Divide trials among stages: consecutive numbers, the first stages one longer if they do not divide evenly.

    Examples
    --------
    >>> stage_ids(10, 3)
    [range(0, 4), range(4, 7), range(7, 10)]
    """
    each, more = divmod(trials, stages)
    begins = [stage * each + min(stage, more) for stage in range(stages + 1)]
    return [range(begin, end) for begin, end in itertools.pairwise(begins)]
