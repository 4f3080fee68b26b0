"""Optuna's samplers as samplers of a search, and the points of its storages; Optuna itself is an optional package."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastnet.config.metric import sign
from fastnet.errors import ConfigError, failure_as_sentence, warn
from fastnet.tuning.run.points import Ids
from fastnet.tuning.space.arithmetic import round_to_six_digits
from fastnet.tuning.space.distributions import Choice, Distribution, Int, LogInt, LogUniform
from fastnet.tuning.space.names import Value
from fastnet.tuning.space.space import Space
from fastnet.tuning.trial import TrialResult

_SEEDS = 2**32
"""Optuna's seeds are smaller than this; a larger seed of a study is reduced."""


class OptunaSampler:
    """Asks a sampler of Optuna for the trials of a generation, and reports to it how those of earlier ones ended.

    The sampler works on a study in memory that never sees anything but the trials in the order of their numbers: asked
    generation by generation, with the results of a generation when it is over. A continued search replays all calls
    from the stored trials, so a sampler that draws the same from the same calls continues as if nothing had happened.

    Parameters
    ----------
    sampler : optuna.samplers.BaseSampler
        Not used before.
    metric : str
        What the study is compared by, a name in `fastnet.config.metric.METRICS`.
    generation : int
        Trials that are drawn before the result of any of them is reported.
    points : tuple of dict
        Values of the first trials, see `fastnet.tuning.run.enqueue`; the sampler draws what they leave open.

    Notes
    -----
    Real values are rounded to six significant digits, like those of any sampler. Trials that ended early are pruned
    trials with one intermediate value, their last; diverged ones have failed.

    Examples
    --------
    >>> import numpy as np
    >>> import optuna  # doctest: +SKIP
    >>> sampler = OptunaSampler(optuna.samplers.RandomSampler(seed=1), "loss", 32)  # doctest: +SKIP
    >>> space = Space.parse({"dropout": "uniform:0:0.5"})
    >>> sampler.draw(space, np.array([0, 1]), ())  # doctest: +SKIP
    [{'dropout': 0.208511}, {'dropout': 0.360162}]
    """

    def __init__(
        self, sampler: Any, metric: str, generation: int, points: tuple[Mapping[str, Value], ...] = ()
    ) -> None:
        self.generation = generation
        self._sampler, self._metric, self._points = sampler, metric, points
        self._study: Any = None
        self._asked: list[Any] = []
        self._drawn: list[dict[str, Value]] = []
        self._seen = 0
        self._noted = False

    def draw(self, space: Space, ids: Ids, history: Sequence[TrialResult]) -> list[dict[str, Value]]:
        """Draw the hyperparameters of some trials, see `fastnet.tuning.run.sampler.Sampler.draw`."""
        name = type(self._sampler).__name__
        with failure_as_sentence(f"the sampler {name} of Optuna failed"), quiet():
            ranges = {name: _distribution(one) for name, one in space.distributions.items()}
            new = history[self._seen :]
            for generation, trials in itertools.groupby(new, key=lambda trial: trial.id // self.generation):
                self._ask(space, ranges, (generation + 1) * self.generation)
                for trial in trials:
                    self._tell(trial, ranges)
            self._seen = len(history)
            self._ask(space, ranges, max((int(number) for number in ids), default=-1) + 1)
            return [dict(self._drawn[int(number)]) for number in ids]

    def _ask(self, space: Space, ranges: dict[str, Any], end: int) -> None:
        """Ask for all trials below a number."""
        import optuna

        if self._study is None:
            direction = "maximize" if sign(self._metric) > 0 else "minimize"
            self._study = optuna.create_study(sampler=self._sampler, direction=direction)
        for number in range(len(self._asked), end):
            point = dict(self._points[number]) if number < len(self._points) else {}
            if point:
                self._study.enqueue_trial(point)
            trial = self._study.ask(fixed_distributions=ranges)
            self._asked.append(trial)
            drawn = {name: _rounded(one, trial.params[name]) for name, one in space.distributions.items()}
            self._drawn.append(drawn | point)

    def _tell(self, trial: TrialResult, ranges: dict[str, Any]) -> None:
        from optuna.trial import TrialState, create_trial

        state = {"done": TrialState.COMPLETE, "stopped": TrialState.PRUNED, "diverged": TrialState.FAIL}[trial.status]
        asked = self._asked[trial.id]
        if self._drawn[trial.id] != dict(trial.params):
            self._note_difference(trial.id)
            self._study.tell(asked, state=TrialState.FAIL)
            params = dict(trial.params)
            value = None if state == TrialState.FAIL else trial.value
            seen = {} if value is None else {trial.epochs: value}
            self._study.add_trial(
                create_trial(state=state, value=value, params=params, distributions=ranges, intermediate_values=seen)
            )
            return
        if state == TrialState.COMPLETE:
            self._study.tell(asked, trial.value)
            return
        if state == TrialState.PRUNED:
            asked.report(trial.value, trial.epochs)
        self._study.tell(asked, state=state)

    def _note_difference(self, number: int) -> None:
        if not self._noted:
            self._noted = True
            warn(
                f"trial {number} has other values than {type(self._sampler).__name__} draws now, as with another "
                "version of Optuna or a sampler without a seed; the search learns from the stored trials and continues"
            )


def sampler_named(name: str, seed: int) -> Any:
    """Build a sampler of Optuna from the name of its class and a seed.

    Raises
    ------
    ConfigError
        If Optuna is not installed, has no such sampler, or the sampler needs more than a seed.
    """
    optuna = import_optuna(f"the sampler optuna:{name}")
    kind = getattr(optuna.samplers, name, None)
    if not (isinstance(kind, type) and issubclass(kind, optuna.samplers.BaseSampler)):
        known = sorted(each for each in dir(optuna.samplers) if each.endswith("Sampler") and each != "BaseSampler")
        raise ConfigError(f"sampler='optuna:{name}': Optuna {optuna.__version__} has {', '.join(known)}")
    try:
        return kind(seed=seed % _SEEDS)
    except (TypeError, ImportError) as error:
        raise ConfigError(
            f"sampler='optuna:{name}': it cannot be made from a seed alone ({error}); build it in Python and give the "
            "object as sampler"
        ) from None


def import_optuna(what: str) -> Any:
    """Import Optuna; `ConfigError` if it is not installed, naming what needs it."""
    try:
        import optuna
    except ImportError:
        raise ConfigError(f"{what} needs the package optuna: install 'fastnet-mlp[optuna]'") from None
    return optuna


def described(one: Distribution) -> dict[str, Any]:
    """Return a range as Optuna writes its distributions in JSON.

    Examples
    --------
    >>> described(LogInt(1, 8))
    {'name': 'IntDistribution', 'attributes': {'step': 1, 'low': 1, 'high': 8, 'log': True}}
    """
    if isinstance(one, Choice):
        return {"name": "CategoricalDistribution", "attributes": {"choices": list(one.values)}}
    low, high = one.extremes()
    whole, log = isinstance(one, (Int, LogInt)), isinstance(one, (LogUniform, LogInt))
    attributes = {"step": 1 if whole else None, "low": low, "high": high, "log": log}
    return {"name": "IntDistribution" if whole else "FloatDistribution", "attributes": attributes}


def best_points(path: Path, n: int) -> tuple[dict[str, Any], ...]:
    """Return the values of the best complete trials, best first, of the only study in a storage of Optuna.

    Parameters
    ----------
    path : Path
        A journal file or an SQLite database.
    n : int
        Most trials to return.

    Raises
    ------
    ConfigError
        If Optuna is not installed, or there is not one study with one objective and a complete trial.
    FastnetError
        If Optuna cannot read the file.
    """
    optuna = import_optuna(f"enqueue: {path}: a storage of Optuna")
    with failure_as_sentence(f"enqueue: {path}: Optuna cannot read this storage"), quiet():
        storage = _storage(path)
        names = optuna.get_all_study_names(storage)
        if len(names) != 1:
            raise ConfigError(f"enqueue: {path}: the storage has {len(names)} studies; give one with a single study")
        study = optuna.load_study(study_name=names[0], storage=storage)
        if len(study.directions) != 1:
            raise ConfigError(f"enqueue: {path}: the study has {len(study.directions)} objectives; give one with one")
        trials = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        if not trials:
            raise ConfigError(f"enqueue: {path}: none of the {len(study.trials)} trials of the study has a value")
        better = 1.0 if study.direction == optuna.study.StudyDirection.MINIMIZE else -1.0
        ranked = sorted(trials, key=lambda trial: (better * trial.value, trial.number))
        return tuple(dict(trial.params) for trial in ranked[:n])


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from printing on standard error during a block."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _distribution(one: Distribution) -> Any:
    from optuna.distributions import json_to_distribution

    return json_to_distribution(json.dumps(described(one)))


def _storage(path: Path) -> Any:
    import optuna

    with path.open("rb") as file:
        if file.read(16) != b"SQLite format 3\0":
            backend = optuna.storages.journal.JournalFileBackend(str(path))
            return optuna.storages.JournalStorage(backend)
    return optuna.storages.RDBStorage(f"sqlite:///{path.absolute()}", skip_table_creation=True)


def _rounded(one: Distribution, value: Any) -> Value:
    """Return a drawn value as trials have it: reals with six significant digits, inside the range."""
    if isinstance(one, (Choice, Int, LogInt)):
        chosen: Value = value
        return chosen
    low, high = one.extremes()
    return float(min(max(round_to_six_digits([value])[0], low), high))
