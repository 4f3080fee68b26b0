"""The end of a search: the final choice and the ensemble of the best trials."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastnet.config.metric import sign
from fastnet.tuning.run.budget import EndPlan
from fastnet.tuning.run.more_folds import train_on_further_folds
from fastnet.tuning.run.session import Session
from fastnet.tuning.trial import TrialResult

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset
    from fastnet.data.splitting import Split
    from fastnet.model.classifier import Model
    from fastnet.model.predictor import Predictor


class Ending:
    """Makes the final choice and the ensemble from the trials of a study, unless that has been done.

    Where the time runs out in the middle, both are made from what has been trained until then.

    Parameters
    ----------
    session : Session
        Trains the best trials again.
    dataset : Dataset
        With its test part.
    parts : Split
        Its validation part chooses the epoch of the network that is kept.
    splits : list of Split
        Those of the trials: one, or one for each fold.
    further : sequence of Split
        Further folds of the ensemble, see `fastnet.data.validation.further_folds`.
    """

    def __init__(
        self, session: Session, dataset: Dataset, parts: Split, splits: list[Split], further: Sequence[Split] = ()
    ) -> None:
        self._session = session
        self._study, self._config = session.study, session.config
        self._dataset, self._parts, self._splits, self._further = dataset, parts, splits, further

    def finish(self) -> None:
        """Choose and combine; the time for this is counted separately from that of the trials."""
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
        """Train the best trials again on fresh seeds, keep one of them, and evaluate it on the test set."""
        config, session, budget = self._config, self._session, self._session.budget
        before = self._study.final()
        same = {"trials": self._study.count(), "wanted": config.final, "repeats": config.repeats}
        plan = budget.plan()
        if not plan.candidates or (before is not None and same.items() <= before.items() and not _adds(plan, before)):
            return
        from fastnet.tuning.run.final import decide, keep, repeats_of, train_winner, winner_config

        repeats = repeats_of(self._study, replace(config, final=plan.candidates, repeats=plan.repeats))
        if not repeats:
            return
        session.tally.phase = "choosing"
        session.load()
        candidates = [repeat.candidate for repeat in repeats]
        task = session.tasks.again(candidates, seeds=[repeat.seed for repeat in repeats])
        spare = min(budget.seconds_of(EndPlan(1, 0, 0)), budget.left / 2)
        results = session.run_again(task, candidates, spare=spare).results
        if session.interrupted or not results:
            return
        document = decide(repeats, results, config, self._dataset, self._parts)
        scores = document["candidates"]
        made = {"candidates": len(scores), "repeats": min(len(score["values"]) for score in scores)}
        short = plan != replace(budget.whole, further=plan.further) or len(results) < len(repeats)
        kept = None
        if session.engine.keeps:
            winner = winner_config(document, config)
            threads = session.tasks.threads
            trained = train_winner(self._dataset, self._parts, winner, config.metric, threads, session.stopping)
            if session.interrupted:
                return
            if trained is None or trained.interrupted:
                short, made["epochs"] = True, trained.epochs_done if trained else 0
            if trained:
                kept = keep(self._study, self._dataset, winner, trained)
                self._inspect(trained.model, self._parts, kept["model"])
        if short:
            document["shortened"] = made
        self._study.set_final({**document, **same, "kept": kept})

    def put_together(self) -> None:
        """Combine the networks of the best trials, and evaluate them on the test set.

        Those that the session does not hold are trained again as they were, to the same bits. Trials that were still
        training when the time was up take part with the weights of their best epochs so far. Further folds follow.
        """
        config, session = self._config, self._session
        same = {"trials": self._study.count(), "top": config.ensemble_top, "method": config.ensemble}
        same |= {"folds": config.ensemble_folds} if config.ensemble_folds else {}
        top = session.budget.top_in_time()
        if not top or self._is_made(same, top) or not session.engine.keeps:
            return
        session.tally.phase = "ensembling"
        session.load()
        found, held = self._networks(top)
        members = [trial for trial in found if trial.id in held]
        if session.interrupted or not members:
            return
        from fastnet.tuning.run.ensemble import put_together, weigh

        networks = [held[trial.id] for trial in members]
        weighed = weigh(self._dataset, self._splits, networks, config)
        counts = zip(members, weighed.weights[config.ensemble], strict=True)
        counting = {trial: count for trial, count in counts if count}
        more = train_on_further_folds(session, self._dataset, self._splits[0], self._further, counting)
        if session.interrupted:
            return
        ended = [trial for trial in members if trial.status == "done"]
        complete = top == config.ensemble_top and len(ended) == len(found)
        short = {} if complete else {"shortened": len(ended)}
        if more.folds is not None and more.folds != config.ensemble_folds:
            short["folded"] = more.folds
        ensemble, document, unseeing = put_together(
            self._study, self._dataset, weighed, networks, members, config, more.networks
        )
        self._study.set_ensemble({**document, **same, **short})
        self._inspect(ensemble, self._splits[0], document["model"], unseeing=unseeing)

    def _is_made(self, same: Mapping[str, Any], top: int) -> bool:
        """Return whether the study has the ensemble that is wanted, or one for which there was no less time."""
        from fastnet.tuning.run.ensemble import best_finished

        before = self._study.ensemble()
        if before is None or before.get("folds") != same.get("folds") or not same.items() <= before.items():
            return False
        if before.get("shortened", top) < top:
            return False
        folded = before.get("folded")
        return folded is None or folded > self._session.budget.folds_in_time(best_finished(self._study, top))

    def _networks(self, top: int) -> tuple[list[TrialResult], dict[int, tuple[Model, ...]]]:
        """Return the trials to combine, best first, and the networks of all that have been trained, by trial."""
        from fastnet.tuning.run.ensemble import best_finished

        session = self._session
        held = session.networks | {trial.id: models for trial, models in session.unfinished}
        training = [trial for trial, _ in session.unfinished]
        better = sign(self._config.metric)
        pool = sorted([*best_finished(self._study, top), *training], key=lambda one: (-better * one.value, one.id))
        found = pool[:top]
        missing = [trial for trial in found if trial.id not in held]
        if missing:
            again = session.run_again(session.tasks.again(missing, keep=True), missing).models
            held |= {missing[place].id: models for place, models in again.items() if models}
        return found, held

    def _inspect(self, model: Predictor, parts: Split, name: str, unseeing: Predictor | None = None) -> None:
        """Measure what the report shows about the model; `unseeing` has not been trained on the validation samples."""
        from fastnet.network.goal import weights_of
        from fastnet.tuning.run.inspecting import inspected

        weights = weights_of(self._dataset, parts, self._config.train)
        self._study.set_inspection(inspected(model, self._dataset, parts, name, weights, unseeing))


def _adds(plan: EndPlan, before: Mapping[str, Any]) -> bool:
    """Return whether there is more time now than for a final choice that was shortened."""
    made = before.get("shortened")
    return made is not None and (
        "epochs" in made or plan.candidates * plan.repeats > made["candidates"] * made["repeats"]
    )
