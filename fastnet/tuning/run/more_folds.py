"""Further folds for the trials of an ensemble, so that all samples of a search with one validation part train them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING

from fastnet.errors import ConfigError
from fastnet.tuning.run.budget import START_SECONDS, Budget
from fastnet.tuning.run.session import Session
from fastnet.tuning.run.task import data_name
from fastnet.tuning.trial import TrialResult

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset
    from fastnet.data.splitting import Split
    from fastnet.model.classifier import Model


BROKEN = 10.0
"""Factor by which a network's loss on its fold exceeds the median of its trial's when it is left out of the average."""


@dataclass(frozen=True, slots=True)
class MoreNetworks:
    """What training on further folds gave.

    Attributes
    ----------
    networks : mapping of int to tuple of Model
        By the numbers of the trials, those of the further folds, without broken ones; not of a trial of which one
        diverged, or that there was no time for.
    folds : int or None
        Folds on which every trial was trained, that of the search included; None for an ensemble without further ones.
    """

    networks: Mapping[int, tuple[Model, ...]] = field(default_factory=dict)
    folds: int | None = None


def train_on_further_folds(
    session: Session, dataset: Dataset, first: Split, splits: Sequence[Split], members: Mapping[TrialResult, int]
) -> MoreNetworks:
    """Train the trials of an ensemble on further folds, on as many as there is time for.

    Parameters
    ----------
    session : Session
        Leads the training, so that it can be stopped and ends in time.
    dataset : Dataset
        Of the study.
    first : Split
        That of the trials; scales and bins are those that were learnt from its training samples.
    splits : sequence of Split
        The further folds; none for an ensemble without them.
    members : mapping of TrialResult to int
        The trials that count, and how often. Where there is no time for all of them, those that count most are trained,
        as long as they are at least half of the ensemble.

    Notes
    -----
    The networks of a trial differ in seeds as those of a cross-validation do, whose first fold is that of the search.
    """
    if not splits:
        return MoreNetworks()
    some, further = _affordable(session.budget, members)
    if not further:
        return MoreNetworks(folds=1)
    splits = splits[:further]
    engine = session.engine.on(splits)
    engine.load()
    tasks = replace(session.tasks, data=data_name(dataset, splits, session.config.train))
    try:  # a moment is left to evaluate and save what has been trained until then
        intake = session.run_again(tasks.again(some, keep=True), some, spare=START_SECONDS, engine=engine)
    except ConfigError:  # the further networks do not fit into memory together; those of the search do
        return MoreNetworks(folds=1)
    networks = {some[place].id: without_broken(models) for place, models in intake.models.items() if models}
    return MoreNetworks(networks, 1 + further if len(intake.results) == len(members) else 1)


def without_broken(models: Sequence[Model]) -> tuple[Model, ...]:
    """Return the networks of a trial without those whose loss on their fold is far above that of the others on theirs.

    Nobody has looked at these networks, as the search has at those of its trials. Where the target is the sum of two
    columns, 2 of 80 had an error of 44 and the others one of 1.1, and the average was worse than any of those.

    Examples
    --------
    >>> from types import SimpleNamespace as Network
    >>> len(without_broken([Network(metrics={"validation_loss": loss}) for loss in (0.1, 0.12, 1.3, 0.09)]))
    3
    """
    losses = [model.metrics["validation_loss"] for model in models]
    usual = median(losses)
    most = usual + (BROKEN - 1.0) * abs(usual)  # the loss of counts can be negative
    return tuple(model for model, loss in zip(models, losses, strict=True) if loss <= most)


def _affordable(budget: Budget, members: Mapping[TrialResult, int]) -> tuple[list[TrialResult], int]:
    """Return which trials there is time to train on further folds, and on how many; none if too few of them."""
    ranked = sorted(members, key=lambda trial: -members[trial])
    for n in range(len(ranked), 0, -1):
        some = ranked[:n]
        if 2 * sum(members[trial] for trial in some) < sum(members.values()):
            break
        if further := budget.folds_in_time(some):
            return some, further
    return [], 0
