"""Networks that a search has trained together, until scikit-learn asks for them one by one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastnet.errors import FastnetError
from fastnet.kernels.step import PAUSED, PENDING
from fastnet.sklearn.fitting import Fitted, Job, collected
from fastnet.sklearn.settings import BY_EPOCH, seed_of
from fastnet.training.loop import curve_row, watch
from fastnet.training.pack import Member, PackRun, Stopping

if TYPE_CHECKING:
    from fastnet.network.samples import TrainingData
    from fastnet.sklearn.base import FastNet
    from fastnet.sklearn.record import Record

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
    """Samples of a fold as the estimator gets them, and a name for what was done to them before.

    `test` are those on which configurations are compared while they train; None if they are not.
    """

    x: Any
    y: Any
    weights: Any
    name: Any
    test: tuple[Any, Any, Any] | None = None


class Wanted(NamedTuple):
    """A network, or several of an ensemble, to be trained for an estimator on a fold.

    `learnt` are the attributes of the estimator that follow from its samples alone, `candidate` the number of the
    configuration.
    """

    key: tuple[Any, ...]
    job: Job
    learnt: dict[str, Any]
    candidate: int


class Halving(NamedTuple):
    """After `first` epochs, and again each time after `eta` times as many, all but ``1 / eta`` of them end."""

    first: int
    eta: int

    def rungs(self, epochs: int) -> list[int]:
        """Return after which epochs configurations are compared, and the last epoch.

        Examples
        --------
        >>> Halving(5, 3).rungs(100)
        [5, 15, 45, 100]
        """
        ends = [self.first]
        while ends[-1] * self.eta < epochs:
            ends.append(ends[-1] * self.eta)
        return [*(end for end in ends if end < epochs), epochs]


class Ready(NamedTuple):
    """The samples of a fold as the kernels read them, and `Wanted.learnt`."""

    data: TrainingData
    learnt: dict[str, Any]


@dataclass(slots=True)
class Shelf:
    """Trained networks by estimator and samples; `record` is told of each, if there is one."""

    trained: dict[tuple[Any, ...], tuple[Fitted, dict[str, Any]]] = field(default_factory=dict)
    record: Record | None = None
    _ready: dict[Any, Ready] = field(default_factory=dict)
    _prints: dict[Any, tuple[str, ...]] = field(default_factory=dict)

    def get(self, estimator: FastNet, *given: Any) -> tuple[Fitted, dict[str, Any]] | None:
        """Return what was trained for an estimator on features, targets and weights, if anything was, and `learnt`.

        Only once, because scikit-learn asks for each once.
        """
        return self.trained.pop((settings_of(estimator), *map(fingerprint, given)), None)

    def wanted(self, estimator: FastNet, part: Part, candidate: int) -> Wanted | None:
        """Return what has to be trained for an estimator; None if only its own `fit` can."""
        if not isinstance(estimator.random_state, (int, np.integer, type(None))) or estimator.warm_start:
            return None
        if estimator.solver == "sgd" and estimator.learning_rate in BY_EPOCH:
            return None
        seed = seed_of(estimator.random_state)
        name = (part.name, *(repr(getattr(estimator, of, None)) for of in OF_DATA), seed)
        if name not in self._ready:
            samples = estimator._samples(part.x, part.y, part.weights, first=True, targets="learn")
            others = None
            if part.test is not None and not estimator.early_stopping:
                others = estimator._samples(*part.test, first=False, targets="some")
            given = estimator._given(samples, others, seed)
            data = estimator._data(given, estimator._config(len(given.split.train), seed))
            self._ready[name] = Ready(data, estimator._learnt())
        data, learnt = self._ready[name]
        estimator.__dict__.update(learnt)
        if part.name not in self._prints:
            self._prints[part.name] = tuple(map(fingerprint, part[:3]))
        key = (settings_of(estimator), *self._prints[part.name])
        return Wanted(key, estimator._job_on(data, estimator._config(data.n_train, seed)), learnt, candidate)

    def train(self, wanted: Sequence[Wanted], threads: int, halving: Halving | None) -> dict[int, int]:
        """Train networks together, as many at a time as memory allows, and shelve those whose loss stayed finite.

        With `halving` configurations are compared within a pack, by the mean over the folds of the loss on samples that
        they do not train on. Returns after how many epochs each configuration ended, at most, by its number.
        """
        alike: dict[tuple[int, Stopping, str], list[Wanted]] = {}
        for each in wanted:
            kind = each.job.config.epochs, each.job.stopping, each.job.data.objective
            alike.setdefault(kind, []).append(each)
        ends: dict[int, int] = {}
        for (epochs, stopping, _), jobs in alike.items():
            rungs = [epochs] if halving is None else halving.rungs(epochs)
            for some in _fitting(jobs):
                ends |= self._train_pack(some, stopping, threads, rungs, halving)
        return ends

    def _train_pack(
        self, jobs: Sequence[Wanted], stopping: Stopping, threads: int, rungs: Sequence[int], halving: Halving | None
    ) -> dict[int, int]:
        members = [Member(each.job.data, each.job.config, t) for each in jobs for t in range(each.job.networks)]
        run = PackRun(members, threads, keep=True, stop_by=stopping)
        firsts = np.cumsum([0, *(each.job.networks for each in jobs)])
        left = [(each, range(*ends)) for each, ends in zip(jobs, pairwise(firsts.tolist()), strict=True)]
        ends: dict[int, int] = {}
        for end in rungs:
            status = run.status
            going = [t for _, places in left for t in places if status[t] in (PENDING, PAUSED)]
            if going:
                watch(run, partial(run.start, np.array(going, np.int64), end))
            ends |= {each.candidate: end for each, _ in left}
            if halving is not None and end < rungs[-1]:
                best = _best(run, left, halving.eta)
                self._shelve(run, [(each, places) for each, places in left if each.candidate not in best])
                left = [(each, places) for each, places in left if each.candidate in best]
        self._shelve(run, left)
        return ends

    def _shelve(self, run: PackRun, ended: Sequence[tuple[Wanted, range]]) -> None:
        for each, places in ended:
            if self.record is not None:
                self.record.add(run, each.candidate, each.job, places)
            try:
                self.trained[each.key] = collected(run, each.job, places), each.learnt
            except FastnetError:  # its own fit reports it, as scikit-learn's error_score wants
                continue

    def forget_data(self) -> None:
        """Free the prepared samples."""
        self._ready.clear()


def _fitting(jobs: Sequence[Wanted]) -> Iterator[list[Wanted]]:
    """Divide jobs into packs that fit into memory, the folds of a configuration together."""
    some: list[Wanted] = []
    networks = size = 0
    for _, folds in groupby(jobs, key=lambda each: each.candidate):
        together = list(folds)
        count = sum(each.job.networks for each in together)
        needs = sum(16 * _parameters(each.job) * each.job.networks for each in together)
        if some and (networks + count > MOST_NETWORKS or size + needs > MOST_BYTES):
            yield some
            some, networks, size = [], 0, 0
        some += together
        networks, size = networks + count, size + needs
    if some:
        yield some


def _parameters(job: Job) -> int:
    return job.config.network(job.data.n_inputs, job.data.n_outputs).n_parameters


def _best(run: PackRun, left: Sequence[tuple[Wanted, range]], eta: int) -> set[int]:
    """Return the configurations that go on: those of the lowest mean loss over their folds."""
    curves, done = run.curves[:, curve_row("validation_loss")], run.epochs_done
    losses: dict[int, list[float]] = {}
    for each, places in left:
        measured = [float(curves[t, done[t] - 1]) if done[t] else np.nan for t in places]
        losses.setdefault(each.candidate, []).extend(measured)
    means = {number: float(np.mean(values)) for number, values in losses.items()}
    order = sorted(means, key=lambda number: (not np.isfinite(means[number]), means[number], number))
    return set(order[: -(-len(order) // eta)])


def rows_of(values: Any, rows: Any) -> Any:
    """Return some samples, in the form that scikit-learn hands to an estimator."""
    from sklearn.utils import _safe_indexing

    return None if values is None else _safe_indexing(values, rows)


def settings_of(estimator: Any) -> str:
    """Return a name for the parameters of an estimator."""
    return repr(sorted((name, repr(getattr(estimator, name))) for name in type(estimator)._get_param_names()))


def fingerprint(values: Any) -> str:
    """Return a name for the content of features, targets or weights.

    Examples
    --------
    >>> fingerprint(np.zeros(3)) == fingerprint(np.zeros(3)) != fingerprint(np.ones(3))
    True
    """
    if isinstance(values, np.ndarray) and not values.dtype.hasobject:
        digest = hashlib.sha1(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data, usedforsecurity=False)
        return f"{values.dtype} {values.shape} {digest.hexdigest()}"
    import joblib

    return str(joblib.hash(values))
