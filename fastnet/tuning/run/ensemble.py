"""The best trials of a study as one model: trained again as they were, combined, evaluated on the test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet.config.searching import SearchConfig
from fastnet.tuning.run.final import test_and_save
from fastnet.tuning.store.folder import ENSEMBLE_FILE
from fastnet.tuning.store.study import Study
from fastnet.tuning.trial import TrialResult, known

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset
    from fastnet.data.splitting import Split
    from fastnet.model.classifier import Model
    from fastnet.model.ensemble import Ensemble
    from fastnet.model.scores import Score


def best_finished(study: Study, n: int) -> tuple[TrialResult, ...]:
    """Return the `n` best trials that ran to their end, best first; fewer if there are no more."""
    return tuple(trial for trial in study.best(n, curves=False) if trial.status == "done")


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """How much each trial of an ensemble counts, by each way to choose.

    Attributes
    ----------
    weights : dict of str to tuple of int
        By ``best``, ``average`` and ``greedy``: how often each trial counts, 0 for one that is left out.
    scores : dict of str to Score
        The results of each on the validation samples.
    tables : list of ndarray
        Answers of each trial to these samples, by networks that were not trained on them.
    y, counted : ndarray and (ndarray or None)
        Their targets, and how much each sample counts.
    """

    weights: dict[str, tuple[int, ...]]
    scores: dict[str, Score]
    tables: list[NDArray[Any]]
    y: NDArray[Any]
    counted: NDArray[np.float32] | None


def weigh(
    dataset: Dataset, splits: Sequence[Split], networks: Sequence[Sequence[Model]], config: SearchConfig
) -> Weighed:
    """Let the validation samples decide how much each trial counts.

    Parameters
    ----------
    dataset : Dataset
    splits : sequence of Split
        Those of the trials: one, or one for each fold.
    networks : sequence of sequences of Model
        The networks of each trial, one for each fold; at least one trial, the best first.
    config : SearchConfig
        Of the study.
    """
    from fastnet.model.ensemble import greedy_selection, mean_answers

    tables = [_answers(models, dataset, splits) for models in networks]
    y = np.concatenate([dataset.y[parts.validation] for parts in splits])
    counted = _weights(dataset, splits, config)
    measure = partial(networks[0][0]._scored, weights=counted)
    others = len(networks) - 1
    weights = {"best": (1, *[0] * others), "average": (1, *[1] * others)}
    weights["greedy"] = greedy_selection(tables, y, config.metric, measure=measure)
    scores = {name: measure(mean_answers(tables, counts), y) for name, counts in weights.items()}
    return Weighed(weights, scores, tables, y, counted)


def put_together(
    study: Study,
    dataset: Dataset,
    weighed: Weighed,
    networks: Sequence[Sequence[Model]],
    trials: Sequence[TrialResult],
    config: SearchConfig,
    further: Mapping[int, Sequence[Model]] = MappingProxyType({}),
) -> tuple[Ensemble, dict[str, Any], Ensemble]:
    """Combine networks into the ensemble, evaluate it on the test set, and save it in the study's folder.

    Parameters
    ----------
    study : Study
        Records the use of the test set.
    dataset : Dataset
        With its test part, if it has one.
    weighed : Weighed
        How much each trial counts.
    networks, trials : sequence of sequences of Model, sequence of TrialResult
        As they were weighed, best first.
    config : SearchConfig
        Of the study.
    further : mapping of int to sequence of Model, optional
        Networks on further folds, by the number of the trial; they enter the ensemble, and choose nothing.

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
    that were not trained on it. A trial has the share of the ensemble that was chosen, however many networks it has:
    where some have further ones and others do not, those of the latter count more often.
    """
    from fastnet.model.calibration import asked_for
    from fastnet.model.ensemble import Ensemble, mean_answers

    chosen, score = weighed.weights[config.ensemble], weighed.scores[config.ensemble]
    members, counts = _shared(networks, [further.get(trial.id, ()) for trial in trials], chosen)
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
    answers = mean_answers(weighed.tables, chosen)  # further networks were trained on these samples
    correction = asked_for(config.train, ensemble.quantiles, answers, weighed.y, weighed.counted)
    ensemble = ensemble._corrected(correction)
    document = {
        "metric": config.metric,
        "members": [
            {"trial": trial.id, "params": dict(trial.params), "search_value": known(trial.value), "weight": count}
            for trial, count in zip(trials, chosen, strict=True)
        ],
        "validation": {
            name: {
                "networks": sum(map(bool, counts)) * len(networks[0]),
                weighed.scores[name].name: weighed.scores[name].value,
                "loss": weighed.scores[name].loss,
            }
            for name, counts in weighed.weights.items()
        },
        **({"networks": len(members)} if further else {}),
    }
    note = {"of": "the ensemble of the best trials", "ensemble": config.ensemble}
    document |= test_and_save(study, dataset, ensemble, ENSEMBLE_FILE, note)
    firsts = tuple(models[0] for models, count in zip(networks, chosen, strict=True) if count)
    return ensemble, document, replace(ensemble, members=firsts, weights=tuple(filter(None, chosen)))


def _shared(
    networks: Sequence[Sequence[Model]], further: Sequence[Sequence[Model]], chosen: Sequence[int]
) -> tuple[tuple[Model, ...], tuple[int, ...]]:
    """Return the networks of the chosen trials, and how often each counts so that a trial does as often as chosen."""
    found = [((*own, *more), count) for own, more, count in zip(networks, further, chosen, strict=True) if count]
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
