"""The end of a search: the final choice and the ensemble of the best trials."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastnet.tuning.run.budget import EndPlan
from fastnet.tuning.run.session import Session

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset, Split


class Ending:
    """Brings a study to its end from the trials that it holds, as far as that has not been done.

    Parameters
    ----------
    session : Session
        Runs what is to be trained again.
    dataset : Dataset
        With its test part; what trains the trials has none.
    parts : Split
        The validation part chooses the epoch of the network that is kept.
    splits : list of Split
        Those of the trials: one, or one for each fold.
    """

    def __init__(self, session: Session, dataset: Dataset, parts: Split, splits: list[Split]) -> None:
        self._session = session
        self._study, self._config = session.study, session.config
        self._dataset, self._parts, self._splits = dataset, parts, splits

    def finish(self) -> None:
        """Choose and put together; what that takes is kept apart from the times of the trials."""
        tally, engine = self._session.tally, self._session.engine
        clock, compiling, compiled = time.perf_counter(), engine.compile_seconds, tally.compiled_seconds
        try:
            self.choose()
            if not self._session.interrupted:
                self.put_together()
        finally:
            tally.final_seconds = time.perf_counter() - clock - (engine.compile_seconds - compiling)
            tally.compiled_seconds = compiled

    def choose(self) -> None:
        """Train the best trials again on fresh seeds, keep one of them, and use the test set once."""
        config, session = self._config, self._session
        before = self._study.final()
        same = {"trials": self._study.count(), "wanted": config.final, "repeats": config.repeats}
        plan = session.budget.plan()
        if not plan.candidates or (before is not None and same.items() <= before.items() and not _adds(plan, before)):
            return
        from fastnet.tuning.run.final import decide, keep, repeats_of, winner_config

        shortened = replace(config, final=plan.candidates, repeats=plan.repeats)
        repeats = repeats_of(self._study, shortened)
        if not repeats:
            return
        session.tally.phase = "choosing"
        session.load()
        task = session.tasks.again([repeat.candidate for repeat in repeats], seeds=[repeat.seed for repeat in repeats])
        results = session.run(task, [repeat.candidate.params for repeat in repeats], store=False)
        if session.interrupted:
            return
        document = decide(repeats, results.in_order(), shortened, self._dataset)
        kept = None
        if session.engine.keeps:
            winner = winner_config(document, config)
            threads = session.tasks.threads
            kept = keep(self._study, self._dataset, self._parts, winner, threads, session.stopping)
        if not session.interrupted:
            if shortened != config:
                document["shortened"] = {"candidates": plan.candidates, "repeats": plan.repeats}
            self._study.set_final({**document, **same, "kept": kept})

    def put_together(self) -> None:
        """Train the best trials again as they were, put their networks together, and use the test set once."""
        config, session = self._config, self._session
        before = self._study.ensemble()
        same = {"trials": self._study.count(), "top": config.ensemble_top, "method": config.ensemble}
        top = session.budget.top_in_time()
        if not top or (before is not None and same.items() <= before.items() and before.get("shortened", top) >= top):
            return
        from fastnet.tuning.run.ensemble import best_finished, put_together

        found = best_finished(self._study, top)
        if not found or not session.engine.keeps:
            return
        session.tally.phase = "ensembling"
        session.load()
        task = session.tasks.again(found, keep=True)
        again = session.run(task, [trial.params for trial in found], store=False)
        if not session.interrupted:
            document = put_together(self._study, self._dataset, self._splits, again.models(), found, config)
            short = {} if top == config.ensemble_top else {"shortened": top}
            self._study.set_ensemble({**document, **same, **short})


def _adds(plan: EndPlan, before: Mapping[str, Any]) -> bool:
    """Whether a final choice that there was too little time for gains from this one."""
    made = before.get("shortened")
    return made is not None and plan.candidates * plan.repeats > made["candidates"] * made["repeats"]
