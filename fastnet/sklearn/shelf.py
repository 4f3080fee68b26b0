"""Networks that a search has trained together, until scikit-learn asks for them one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastnet.errors import FastnetError
from fastnet.sklearn.fitting import Fitted, Job, collected
from fastnet.sklearn.settings import BY_EPOCH, seed_of
from fastnet.training.loop import watch
from fastnet.training.pack import Member, PackRun, Stopping

if TYPE_CHECKING:
    from fastnet.network.samples import TrainingData
    from fastnet.sklearn.base import FastNet

OF_DATA = (
    *("numbers", "early_stopping", "validation_fraction", "random_state", "class_weight", "loss", "quantiles"),
    *("huber_delta", "label_smoothing"),
)
"""Parameters that change the samples as the kernels read them."""

MOST_NETWORKS = 2048
"""Networks that train together at most."""

MOST_BYTES = 2**30
"""Bytes of their weights and optimizer states at most."""


class Part(NamedTuple):
    """Samples of a fold as the estimator gets them, and a name for what was done to them before."""

    x: Any
    y: Any
    weights: Any
    name: Any


class Wanted(NamedTuple):
    """A network, or several of an ensemble, to be trained for an estimator on a fold."""

    key: str
    job: Job
    seconds: float = 0.0


@dataclass(slots=True)
class Shelf:
    """Trained networks by estimator and samples."""

    trained: dict[str, Fitted] = field(default_factory=dict)
    _data: dict[Any, TrainingData] = field(default_factory=dict)
    _hashes: dict[int, tuple[Any, str]] = field(default_factory=dict)

    def get(self, key: str) -> Fitted | None:
        """Return what was trained, if anything was; only once, because each is asked for once."""
        return self.trained.pop(key, None)

    def key(self, estimator: FastNet, x: Any, y: Any, weights: Any) -> str:
        """Return a name for the parameters of an estimator and its samples."""
        import joblib

        return str(joblib.hash((estimator.get_params(deep=False), *map(self._hash, (x, y, weights)))))

    def _hash(self, values: Any) -> str:
        """Return the hash of an array; the last one of each object is remembered."""
        import joblib

        known = self._hashes.get(id(values))
        if known is None or known[0] is not values:
            known = values, str(joblib.hash(values))
            self._hashes = {id(values): known, **dict(list(self._hashes.items())[:8])}
        return known[1]

    def wanted(self, estimator: FastNet, part: Part) -> Wanted | None:
        """Return what has to be trained for an estimator; None if only its own `fit` can."""
        if estimator.warm_start or (estimator.solver == "sgd" and estimator.learning_rate in BY_EPOCH):
            return None
        values = estimator.get_params(deep=False)
        seed = seed_of(estimator.random_state)
        samples = estimator._samples(part.x, part.y, part.weights, first=True, targets="learn")
        name = (part.name, *(repr(values[of]) for of in OF_DATA if of in values), seed)
        if name not in self._data:
            given = estimator._given(samples, None, seed)
            self._data[name] = estimator._data(given, estimator._config(len(given.split.train), seed))
        data = self._data[name]
        job = estimator._job_on(data, estimator._config(data.n_train, seed))
        return Wanted(self.key(estimator, part.x, part.y, part.weights), job)

    def train(self, wanted: Sequence[Wanted], threads: int) -> None:
        """Train networks together, as many at a time as memory allows, and shelve those whose loss stayed finite."""
        alike: dict[tuple[int, Stopping, str], list[Wanted]] = {}
        for each in wanted:
            kind = each.job.config.epochs, each.job.stopping, each.job.data.objective
            alike.setdefault(kind, []).append(each)
        for (_, stopping, _), jobs in alike.items():
            for some in _fitting(jobs):
                self._train_pack(some, stopping, threads)

    def _train_pack(self, jobs: Sequence[Wanted], stopping: Stopping, threads: int) -> None:
        members = [Member(each.job.data, each.job.config, t) for each in jobs for t in range(each.job.networks)]
        run = PackRun(members, threads, keep=True, stop_by=stopping)
        watch(run, partial(run.start, None))
        first = 0
        for each in jobs:
            places = range(first, first + each.job.networks)
            first += each.job.networks
            try:
                self.trained[each.key] = collected(run, each.job, places)
            except FastnetError:  # its own fit reports it, as scikit-learn's error_score wants
                continue

    def forget_data(self) -> None:
        """Free the prepared samples."""
        self._data.clear()


def _fitting(jobs: Sequence[Wanted]) -> Iterator[list[Wanted]]:
    """Divide jobs into packs that fit into memory."""
    some: list[Wanted] = []
    networks = size = 0
    for each in jobs:
        spec = each.job.config.network(each.job.data.n_inputs, each.job.data.n_outputs)
        needs = 16 * spec.n_parameters * each.job.networks
        if some and (networks + each.job.networks > MOST_NETWORKS or size + needs > MOST_BYTES):
            yield some
            some, networks, size = [], 0, 0
        some.append(each)
        networks, size = networks + each.job.networks, size + needs
    if some:
        yield some


def rows_of(values: Any, rows: Any) -> Any:
    """Return some samples, in the form that scikit-learn hands to an estimator."""
    from sklearn.utils import _safe_indexing

    return None if values is None else _safe_indexing(values, rows)


def frozen(params: Mapping[str, Any]) -> str:
    """Return a name for parameters."""
    import joblib

    return str(joblib.hash({name: value for name, value in sorted(params.items())}))


__all__ = ["Part", "Shelf", "Wanted", "frozen", "np", "rows_of"]
