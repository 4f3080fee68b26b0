"""The end of a search: the best trials once more on fresh seeds, one of them trained to be kept, the test set once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastnet.config.metric import score_name, stored_scores
from fastnet.config.searching import SearchConfig, as_settings
from fastnet.config.training import TrainConfig
from fastnet.tuning.rules.choice import candidates, choose
from fastnet.tuning.run.seeds import KEPT, derived_seed, repeat_seed
from fastnet.tuning.space.space import configured
from fastnet.tuning.store.folder import MODEL_FILE
from fastnet.tuning.store.study import Study
from fastnet.tuning.trial import TrialResult

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset, Split
    from fastnet.model.predictor import Predictor


@dataclass(frozen=True, slots=True, eq=False)
class Repeat:
    """One candidate on one fresh seed.

    Attributes
    ----------
    candidate : TrialResult
        As the search found it.
    seed : int
        In place of the study's.
    """

    candidate: TrialResult
    seed: int


def repeats_of(study: Study, config: SearchConfig) -> list[Repeat]:
    """List what is to be trained again: every candidate on each of its fresh seeds; nothing if every trial diverged."""
    best = study.best(4 * config.final, config.metric, curves=False)  # some of them may be alike
    found = candidates(best, config.final, config.metric)
    seed = config.train.seed
    return [Repeat(trial, repeat_seed(seed, trial.id, k)) for trial in found for k in range(config.repeats)]


def decide(repeats: list[Repeat], results: list[TrialResult], config: SearchConfig, dataset: Dataset) -> dict[str, Any]:
    """Choose among the candidates; return what is to be stored of it, ready for JSON.

    Parameters
    ----------
    repeats : list of Repeat
        From `repeats_of`, at least one.
    results : list of TrialResult
        What they came to, in the same order.
    config : SearchConfig
        Of the study.
    dataset : Dataset
        Its width and classes tell the size of each network.
    """
    per = config.repeats
    found = [repeats[begin].candidate for begin in range(0, len(repeats), per)]
    runs = [results[begin : begin + per] for begin in range(0, len(repeats), per)]
    sizes = [
        configured(config.train, trial.params).network(dataset.n_features, dataset.n_classes).n_parameters
        for trial in found
    ]
    choice = choose(found, runs, config.metric, sizes)
    seeds: dict[str, list[int]] = {}
    for repeat in repeats:
        seeds.setdefault(str(repeat.candidate.id), []).append(repeat.seed)
    return choice.to_dict() | {"seeds": seeds}


def winner_config(document: dict[str, Any], config: SearchConfig) -> TrainConfig:
    """Return the settings with which the network to be kept is trained: the winner's, on one more fresh seed."""
    [params] = [row["params"] for row in document["candidates"] if row["trial"] == document["winner"]]
    seed = derived_seed(config.train.seed, KEPT, document["winner"])
    return replace(configured(config.train, params), seed=seed)


def keep(
    study: Study, dataset: Dataset, parts: Split, config: TrainConfig, threads: int, should_stop: Callable[[], bool]
) -> dict[str, Any] | None:
    """Train the network to be kept, use the test set once, and save it beside the study.

    Parameters
    ----------
    study : Study
        Notes that, and when, the test set was used.
    dataset : Dataset
        With its test part, if it has one.
    parts : Split
        The validation part chooses the epoch whose weights are kept.
    config : TrainConfig
        From `winner_config`.
    threads : int
        Threads that share the products of the network.
    should_stop : callable
        Asked while it trains.

    Returns
    -------
    dict or None
        What is to be stored of it, ready for JSON, ``test_uses`` being how often the study has used the test set by
        then; None if it was stopped.
    """
    from fastnet.network.assembly import worth_compiling
    from fastnet.training.single import train_network

    stopped = False

    def stop() -> bool:
        nonlocal stopped
        stopped = stopped or should_stop()
        return stopped

    spec = config.network(dataset.n_features, dataset.n_classes)
    jobs = threads if worth_compiling(config, spec.n_parameters, len(parts.train)) else 1
    try:
        result = train_network(dataset.without_test(), config, parts, jobs=jobs, should_stop=stop)
    except KeyboardInterrupt:
        if stopped:  # before the first epoch had ended
            return None
        raise
    if stopped:
        return None
    kept: dict[str, Any] = {
        "settings": as_settings(config),
        "best_epoch": result.best_epoch,
        score_name("validation"): float(result.curves.validation_score[result.best_epoch - 1]),
    }
    note = {"of": "the network that was kept", "seed": config.seed}
    return kept | test_and_save(study, dataset, result.model, MODEL_FILE, note)


def test_and_save(study: Study, dataset: Dataset, model: Predictor, name: str, note: dict[str, Any]) -> dict[str, Any]:
    """Use the test set once, if there is one, and save a model beside the study.

    Parameters
    ----------
    study : Study
        Keeps the note before the test set is used.
    dataset : Dataset
        With its test part, if it has one.
    model : Predictor
        Takes what it came to into its metrics.
    name : str
        Of its file.
    note : dict
        See `Study.note_test_use`.

    Returns
    -------
    dict
        Score and loss, None without a test set, ``test_uses`` and ``model``, ready for JSON.
    """
    tested: dict[str, Any] = {**stored_scores("test", None, None), "test_uses": 0, "model": name}
    if dataset.x_test is not None and dataset.y_test is not None:
        study.note_test_use(note)
        score = model._measure(dataset.x_test, dataset.y_test).stored("test")
        model.metrics.update(score)
        tested |= {**score, "test_uses": len(study.test_uses())}
    model.save(Path(study.path).parent / name)
    return tested
