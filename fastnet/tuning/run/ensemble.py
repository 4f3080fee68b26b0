"""The best trials of a study as one model: trained again as they were, combined, evaluated on the test set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet.config.searching import SearchConfig
from fastnet.tuning.run.final import test_and_save
from fastnet.tuning.store.folder import ENSEMBLE_FILE
from fastnet.tuning.store.study import Study
from fastnet.tuning.trial import TrialResult, known

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset, Split
    from fastnet.model.classifier import Model
    from fastnet.model.ensemble import Ensemble


def best_finished(study: Study, n: int) -> tuple[TrialResult, ...]:
    """Return the `n` best trials that ran to their end, best first; fewer if there are no more."""
    return tuple(trial for trial in study.best(n, curves=False) if trial.status == "done")


def put_together(
    study: Study,
    dataset: Dataset,
    splits: Sequence[Split],
    networks: Sequence[Sequence[Model]],
    trials: Sequence[TrialResult],
    config: SearchConfig,
    further: Sequence[Sequence[Model]] = (),
) -> tuple[Ensemble, dict[str, Any], Ensemble]:
    """Combine networks into the ensemble, evaluate it on the test set, and save it in the study's folder.

    Parameters
    ----------
    study : Study
        Records the use of the test set.
    dataset : Dataset
        With its test part, if it has one.
    splits : sequence of Split
        Those of the trials: one, or one for each fold.
    networks : sequence of sequences of Model
        The networks of each trial, one for each fold.
    trials : sequence of TrialResult
        At least one, in the same order, best first.
    config : SearchConfig
        Of the study.
    further : sequence of sequences of Model, optional
        Networks of each trial on further folds, or none of a trial; they enter the ensemble, and choose nothing.

    Returns
    -------
    Ensemble
    dict
        About it, ready for JSON. ``members`` has the weight of each trial, ``validation`` the scores on the validation
        samples of the best trial alone, of the average and of the greedy selection; ``test_uses`` counts the uses of
        the test set.
    Ensemble
        The part of it that was not trained on the validation samples of the first split.

    Notes
    -----
    With folds, the networks of a trial enter the ensemble together; a validation sample is predicted by the networks
    that were not trained on it. Every trial has the same share of the ensemble, however many networks it has: where
    some have further ones and others do not, those of the latter count more often.
    """
    from fastnet.model.calibration import asked_for
    from fastnet.model.ensemble import Ensemble, greedy_selection, mean_answers

    tables = [_answers(models, dataset, splits) for models in networks]
    y = np.concatenate([dataset.y[parts.validation] for parts in splits])
    counted = _weights(dataset, splits, config)
    measure = partial(networks[0][0]._scored, weights=counted)
    others = len(trials) - 1
    weights = {"best": (1, *[0] * others), "average": (1, *[1] * others)}
    weights["greedy"] = greedy_selection(tables, y, config.metric, measure=measure)
    scores = {name: measure(mean_answers(tables, counts), y) for name, counts in weights.items()}
    chosen, score = weights[config.ensemble], scores[config.ensemble]
    members, counts = _shared(networks, further, chosen)
    ensemble = Ensemble(
        members=members,
        weights=counts,
        settings={
            "ensemble": config.ensemble,
            "trials": [trial.id for trial, count in zip(trials, chosen, strict=True) if count],
            "seed": config.train.seed,
            "data": dataset.name,
        },
        metrics=score.stored("validation"),
    )
    answers = mean_answers(tables, chosen)  # further networks were trained on these samples
    ensemble = ensemble._corrected(asked_for(config.train, ensemble.quantiles, answers, y, counted))
    document = {
        "metric": config.metric,
        "members": [
            {"trial": trial.id, "params": dict(trial.params), "search_value": known(trial.value), "weight": count}
            for trial, count in zip(trials, chosen, strict=True)
        ],
        "validation": {
            name: {
                "networks": sum(map(bool, counts)) * len(networks[0]),
                scores[name].name: scores[name].value,
                "loss": scores[name].loss,
            }
            for name, counts in weights.items()
        },
        **({"networks": len(members)} if any(further) else {}),
    }
    note = {"of": "the ensemble of the best trials", "ensemble": config.ensemble}
    document |= test_and_save(study, dataset, ensemble, ENSEMBLE_FILE, note)
    firsts = tuple(models[0] for models, count in zip(networks, chosen, strict=True) if count)
    return ensemble, document, replace(ensemble, members=firsts, weights=tuple(filter(None, chosen)))


def _shared(
    networks: Sequence[Sequence[Model]], further: Sequence[Sequence[Model]], chosen: Sequence[int]
) -> tuple[tuple[Model, ...], tuple[int, ...]]:
    """Return the networks of the chosen trials, and how often each counts so that a trial does as often as chosen."""
    others = further or [()] * len(networks)
    found = [((*own, *more), count) for own, more, count in zip(networks, others, chosen, strict=True) if count]
    most = max(len(models) for models, _ in found)
    members = tuple(model for models, _ in found for model in models)
    return members, tuple(count * most // len(models) for models, count in found for _ in models)


def _answers(models: Sequence[Model], dataset: Dataset, splits: Sequence[Split]) -> NDArray[Any]:
    """Return the answers of a trial's networks to the validation samples that each has not seen."""
    pairs = zip(models, splits, strict=True)
    return np.concatenate([model._answers(dataset.x[parts.validation]) for model, parts in pairs])


def _weights(dataset: Dataset, splits: Sequence[Split], config: SearchConfig) -> NDArray[np.float32] | None:
    """Return how much each validation sample counts, as in the trials; None if all count alike."""
    from fastnet.network.goal import weights_of

    each = [(weights_of(dataset, parts, config.train), parts.validation) for parts in splits]
    counted = [weights[rows] for weights, rows in each if weights is not None]
    return np.concatenate(counted) if counted else None
