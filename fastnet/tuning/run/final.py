"""The final choice: the best trials trained again on fresh seeds, one of them kept and evaluated on the test set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fastnet.config.metric import score_name, score_of_objective, stored_scores
from fastnet.config.searching import SearchConfig, as_settings
from fastnet.config.training import TrainConfig
from fastnet.tuning.rules.choice import candidates, choose
from fastnet.tuning.run.seeds import KEPT, derived_seed, repeat_seed
from fastnet.tuning.space.space import configured
from fastnet.tuning.store.folder import MODEL_FILE
from fastnet.tuning.store.study import Study
from fastnet.tuning.trial import TrialResult

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset
    from fastnet.data.splitting import Split
    from fastnet.model.predictor import Predictor
    from fastnet.training.single import TrainResult


class Repeat(NamedTuple):
    """One candidate on one fresh seed."""

    candidate: TrialResult
    seed: int


def repeats_of(study: Study, config: SearchConfig) -> list[Repeat]:
    """List the trainings of a final choice, every candidate once before any twice; none if every trial diverged."""
    best = study.best(4 * config.final, config.metric, curves=False)  # some of them may be alike
    found = candidates(best, config.final, config.metric)
    seed = config.train.seed
    return [Repeat(trial, repeat_seed(seed, trial.id, k)) for k in range(config.repeats) for trial in found]


def decide(
    repeats: Sequence[Repeat], results: Mapping[int, TrialResult], config: SearchConfig, dataset: Dataset, parts: Split
) -> dict[str, Any]:
    """Choose among the candidates; return the document of the choice, ready for JSON.

    Parameters
    ----------
    repeats : sequence of Repeat
        From `repeats_of`.
    results : mapping of int to TrialResult
        The repeats that ended, at least one, by their positions in `repeats`; candidates without any are left out.
    config : SearchConfig
    dataset : Dataset
    parts : Split
        The training samples determine with the settings the size of each network.
    """
    from fastnet.network.samples import network_of

    ended: dict[int, list[int]] = {}
    for place in sorted(results):
        ended.setdefault(repeats[place].candidate.id, []).append(place)
    found = [repeats[places[0]].candidate for places in ended.values()]
    runs = [[results[place] for place in places] for places in ended.values()]
    sizes = [network_of(configured(config.train, trial.params), dataset, parts).n_parameters for trial in found]
    seeds = {str(trial): [repeats[place].seed for place in places] for trial, places in ended.items()}
    return choose(found, runs, config.metric, sizes).to_dict() | {"seeds": seeds}


def winner_config(document: dict[str, Any], config: SearchConfig) -> TrainConfig:
    """Return the settings of the network to keep: the winner's, with one more fresh seed."""
    [params] = [row["params"] for row in document["candidates"] if row["trial"] == document["winner"]]
    seed = derived_seed(config.train.seed, KEPT, document["winner"])
    return replace(configured(config.train, params), seed=seed)


def train_winner(
    dataset: Dataset, parts: Split, config: TrainConfig, metric: str, threads: int, should_stop: Callable[[], bool]
) -> TrainResult | None:
    """Train the network to keep, with settings from `winner_config`, on up to `threads` threads.

    Its best epoch is chosen by the study's metric. Returns None if `should_stop` ended it before its first epoch did;
    the result is marked as interrupted if later.
    """
    from fastnet.network.assembly import worth_compiling
    from fastnet.network.samples import network_of
    from fastnet.training.single import train_network

    spec = network_of(config, dataset, parts)
    jobs = threads if worth_compiling(config, spec.n_parameters, len(parts.train)) else 1
    try:
        return train_network(dataset.without_test(), config, parts, jobs=jobs, should_stop=should_stop, metric=metric)
    except KeyboardInterrupt:
        if should_stop():
            return None
        raise


def keep(study: Study, dataset: Dataset, config: TrainConfig, trained: TrainResult) -> dict[str, Any]:
    """Evaluate and save the network of `train_winner`; return what the study stores about it, ready for JSON."""
    curves = trained.curves
    kept: dict[str, Any] = {
        "settings": as_settings(config),
        "best_epoch": trained.best_epoch,
        score_name("validation", curves.score): float(curves.validation_score[trained.best_epoch - 1]),
    }
    note = {"of": "the network that was kept", "seed": config.seed}
    return kept | test_and_save(study, dataset, trained.model, MODEL_FILE, note)


def test_and_save(study: Study, dataset: Dataset, model: Predictor, name: str, note: dict[str, Any]) -> dict[str, Any]:
    """Evaluate a model on the test set, if there is one, and save it in the study's folder under `name`.

    The study records the use of the test set before it happens; score and loss become metrics of the model. Returns
    them, None without a test set, with ``test_uses`` and ``model``, ready for JSON.
    """
    tested: dict[str, Any] = stored_scores("test", None, None, score_of_objective(model.objective).name)
    tested |= {"test_uses": 0, "model": name}
    if dataset.x_test is not None and dataset.y_test is not None:
        study.note_test_use(note)
        score = model._measure(dataset.x_test, dataset.y_test, dataset.weights_test).stored("test")
        model.metrics.update(score)
        tested |= {**score, "test_uses": len(study.test_uses())}
    model.save(Path(study.path).parent / name)
    return tested
