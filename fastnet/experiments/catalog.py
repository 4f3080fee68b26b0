"""The experiments by name, and the functions that run them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from fastnet.config.experiment import EXPERIMENTS, ExperimentConfig
from fastnet.config.settings import suggestion
from fastnet.data.given import as_given
from fastnet.errors import ConfigError
from fastnet.experiments.amount import data as data_experiment
from fastnet.experiments.averaging import ensemble
from fastnet.experiments.choosing import validation
from fastnet.experiments.dropping import dropout
from fastnet.experiments.lab import ExperimentProgress, Lab
from fastnet.experiments.neighbours import initialisation, optimizers
from fastnet.experiments.outcome import Outcome
from fastnet.experiments.overfitting import overfit, weight_decay
from fastnet.experiments.searching import search

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset

_RUN: dict[str, Callable[[Lab], Outcome]] = dict(
    zip(
        EXPERIMENTS,
        (overfit, weight_decay, dropout, ensemble, data_experiment, validation, search, initialisation, optimizers),
        strict=True,
    )
)


def run(
    name: str,
    data: Dataset | str | Path | tuple[npt.ArrayLike, npt.ArrayLike],
    *,
    jobs: int | None = None,
    on_progress: Callable[[ExperimentProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    **settings: Any,
) -> Outcome:
    """Run one experiment of the chapter.

    Parameters
    ----------
    name : str
        One of `fastnet.config.experiment.EXPERIMENTS`.
    data : Dataset, name, path or (x, y)
        What the networks learn: a data set, its name or file as `fastnet.load` takes it, or (N, F) features and (N,)
        labels. Without a test set, a fifth of the samples is set aside for it.
    jobs : int, optional
        Threads; all that the process may use by default. Results do not depend on it.
    on_progress : callable, optional
        Called with an `ExperimentProgress` several times a second.
    should_stop : callable, optional
        Called equally often; once it returns True, `KeyboardInterrupt` is raised.
    **settings
        Fields of `fastnet.config.experiment.ExperimentConfig`: ``seeds``, ``epochs``, ``samples``, ``test_samples``.

    Returns
    -------
    Outcome
        Sentences, claims, tables and figures; `fastnet.experiments.write` saves them.

    Raises
    ------
    ConfigError
        If the experiment or a setting is unknown, or a setting is outside its range.
    DataError
        If the data cannot be used.

    Examples
    --------
    >>> outcome = run("overfit", "mnist5k", seeds=2, epochs=3, samples=50, test_samples=100)
    >>> outcome.claims[0].holds, outcome.tables[0].heads[:3]
    (False, ('', 'mean', 'sd'))
    """
    how: dict[str, Any] = {"jobs": jobs, "on_progress": on_progress, "should_stop": should_stop}
    return next(run_each([name], data, **how, **settings))


def run_each(
    names: Sequence[str],
    data: Dataset | str | Path | tuple[npt.ArrayLike, npt.ArrayLike],
    *,
    jobs: int | None = None,
    on_progress: Callable[[ExperimentProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    **settings: Any,
) -> Iterator[Outcome]:
    """Run several experiments in turn; networks that they share are trained once.

    Parameters and exceptions are those of `run`. An outcome does not depend on the other experiments.

    Examples
    --------
    >>> tiny = {"seeds": 1, "epochs": 1, "samples": 20, "test_samples": 20}
    >>> [outcome.name for outcome in run_each(["overfit", "optimizers"], "mnist5k", **tiny)]
    ['overfit', 'optimizers']
    """
    for name in names:
        if name not in EXPERIMENTS:
            near = suggestion(name, EXPERIMENTS)
            raise ConfigError(f"unknown experiment {name!r}{near or '; choose one of ' + ', '.join(EXPERIMENTS)}")
    unknown = [name for name in settings if name not in ExperimentConfig.__dataclass_fields__]
    if unknown:
        near = suggestion(unknown[0], ExperimentConfig.__dataclass_fields__)
        raise ConfigError(f"unknown setting {unknown[0]!r} of an experiment{near}")
    config = ExperimentConfig(**settings)
    dataset = as_given(data, "data")
    return _run_each(names, Lab(dataset, config, jobs=jobs, on_progress=on_progress, should_stop=should_stop))


def _run_each(names: Sequence[str], lab: Lab) -> Iterator[Outcome]:
    for name in names:
        lab.begin(name)
        yield _RUN[name](lab)
