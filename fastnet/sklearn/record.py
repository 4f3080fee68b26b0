"""What a search for scikit-learn has trained, as a study: its report, figures and exports are those of any other."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet.config.searching import SearchConfig
from fastnet.config.text import format_hidden
from fastnet.errors import StudyError
from fastnet.files import as_path
from fastnet.kernels.step import DIVERGED, DONE
from fastnet.tuning.run.assemble import study_settings
from fastnet.tuning.run.environment import describe_environment
from fastnet.tuning.run.pack import mean_over_folds
from fastnet.tuning.run.resume import plan_of
from fastnet.tuning.space.names import SEARCHABLE, Value
from fastnet.tuning.space.space import Space
from fastnet.tuning.store.study import Study
from fastnet.tuning.trial import CURVES, TrialResult, curve_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastnet.config.training import TrainConfig
    from fastnet.sklearn.fitting import Job
    from fastnet.training.pack import PackRun


def folder_for(study: str | Path) -> Path:
    """Return the folder of a new study; raise `StudyError` if there is one."""
    folder = as_path(study, "study")
    if folder.exists() and any(folder.iterdir() if folder.is_dir() else [folder]):
        raise StudyError(f"study={str(study)!r}: there are files already; give a new folder")
    return folder


@dataclass(slots=True)
class Configuration:
    """Networks of a configuration, one for each fold and member of an ensemble."""

    config: TrainConfig
    at_best: bool  # whether its networks keep the parameters of their best epochs
    curves: list[NDArray[np.float32]] = field(default_factory=list)
    seconds: float = 0.0
    status: str = "done"


@dataclass(slots=True)
class Record:
    """The configurations that were trained, by their numbers.

    `first` is added to the numbers that the shelf gives.
    """

    first: int = 0
    found: dict[int, Configuration] = field(default_factory=dict)

    def add(self, run: PackRun, candidate: int, job: Job, places: Sequence[int]) -> None:
        """Note how the networks of a configuration on a fold ended."""
        one = self.found.setdefault(self.first + candidate, Configuration(job.config, job.stopping.at_best))
        for place in places:
            one.curves.append(np.array(run.curves[place]))
            one.seconds += float(run.seconds[place])
            if run.status[place] == DIVERGED:
                one.status = "diverged"
            elif run.status[place] != DONE and one.status == "done":
                one.status = "stopped"

    def store(self, folder: Path, *, task: str, names: Mapping[str, Any], threads: int, began: float) -> None:
        """Write the study.

        Parameters
        ----------
        folder : Path
            From `folder_for`.
        task : {"classification", "regression"}
        names : mapping
            Name, hash and sizes of the data: ``data``, ``fingerprint``, ``n_samples``, ``n_features``.
        threads : int
            Networks that trained at a time.
        began : float
            When the search began, by `time.perf_counter`.
        """
        if not self.found:
            raise StudyError(
                "study: no configuration was trained together with others, so there is nothing to keep; leave study out"
            )
        found = dict(sorted(self.found.items()))
        configs = [one.config for one in found.values()]
        early = configs[0].early_stopping if all(one.at_best for one in found.values()) else None
        common = replace(configs[0], epochs=max(config.epochs for config in configs), early_stopping=early)
        values = {name: [_spelled(getattr(config, name)) for config in configs] for name in _differing(configs)}
        space = {name: _range_of(of) for name, of in values.items()}
        config = SearchConfig(trials=len(found), space=space, train=common, final=0).for_task(task)
        trials = [
            _trial(number, one, {name: of[place] for name, of in values.items()}, config)
            for place, (number, one) in enumerate(found.items())
        ]
        settings = study_settings(config, Space.parse(space), names["fingerprint"])
        about = {name: value for name, value in names.items() if name != "fingerprint"}
        with Study.open(folder, settings, about=about) as study:
            study.set_plan(plan_of(config, None))
            run = study.begin_run(describe_environment(threads))
            spent = time.perf_counter() - began
            study.append(trials, run=run, wall_seconds=spent, compile_seconds=0.0, compiled_seconds=spent)


def _trial(number: int, one: Configuration, params: Mapping[str, Value], config: SearchConfig) -> TrialResult:
    """Return a configuration as a trial: its curves are the mean over its networks."""
    curves = np.full((1, len(one.curves), len(CURVES), config.train.epochs), np.nan, np.float32)
    for place, curve in enumerate(one.curves):
        curves[0, place, :, : curve.shape[1]] = curve
    if not one.at_best:
        _hold_last(curves[0], config.metric)
    over = np.ones(curves.shape[:2], np.bool_)
    [mean] = mean_over_folds(curves, over, config.metric if one.at_best else None)
    return TrialResult.from_curves(
        number,
        one.status,
        params,
        mean,
        seconds=one.seconds,
        metric=config.metric,
        at_best=one.at_best,
    )


def _hold_last(curves: NDArray[np.float32], metric: str) -> None:
    """Let networks that ended sooner than others of their configuration keep the values of their last epoch."""
    ran = np.isfinite(curve_of(curves, metric)).sum(axis=1)
    for curve, epochs in zip(curves, ran.tolist(), strict=True):
        if epochs > 0:
            curve[:, epochs : ran.max()] = curve[:, epochs - 1 : epochs]


def _differing(configs: Sequence[TrainConfig]) -> list[str]:
    """Return the hyperparameters in which configurations differ, as far as a study can hold them."""
    found = []
    for name in (of.name for of in fields(configs[0]) if of.name in SEARCHABLE):
        values = [getattr(config, name) for config in configs]
        layered = name != "hidden" and any(isinstance(value, tuple) for value in values)
        if not layered and any(value != values[0] for value in values):
            found.append(name)
    return found


def _spelled(value: Any) -> Value:
    spelled: Value = format_hidden(value).replace(",", "-") if isinstance(value, tuple) else value
    return spelled


def _range_of(values: Sequence[Value]) -> str:
    """Return a range that holds the values: of numbers from the least to the largest, else a choice."""
    low, high = min(values), max(values)
    if isinstance(low, float):
        return f"{'log' if low > 0 else 'uniform'}:{low!r}:{high!r}"
    if isinstance(low, int):
        return f"int:{low}:{high}"
    return f"choice:{','.join(dict.fromkeys(map(str, values)))}"
