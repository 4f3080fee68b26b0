"""Several networks as one model: the mean of their answers, its file, and the selection of networks.

Networks make different mistakes, and the mistakes of a single one average out (*Deep Learning from Scratch*, section
6.4.3; Goodfellow, Bengio and Courville, *Deep Learning*, section 7.11).
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnet.config.metric import DEFAULT_METRIC, sign
from fastnet.data.extent import Extent
from fastnet.data.pipeline.pipeline import Pipeline
from fastnet.data.schema import Schema
from fastnet.errors import ModelError
from fastnet.files import as_path
from fastnet.limits import usable_cores
from fastnet.model.calibration import check_corrections, check_shifts, corrections_of
from fastnet.model.classifier import Model
from fastnet.model.file import FloatArray, model_errors, read_file
from fastnet.model.predictor import Predictor
from fastnet.model.scores import Score, score_of

ROUNDS = 50
"""Additions of greedy selection to the networks it begins with."""

Answers = npt.NDArray[np.floating[Any]]
"""What a network or several answer, (N, O)."""

FEW_ROWS = 500
"""Samples up to which one thread asks all networks: it takes less time than to start others."""

_SHARED = ("class_names", "classes", "table")
"""What its file holds once for all members."""


def _each(members: Sequence[Model], answer: Callable[[Model], Answers], n_rows: int) -> list[Answers]:
    """Return what each network answers, with a thread each where there are cores and as many samples as pay."""
    from fastnet.kernels.threads import run_each
    from fastnet.network.assembly import n_threads_limit

    found: dict[int, Answers] = {}
    left = deque(enumerate(members))

    def work(_: int) -> None:
        while left:
            try:
                number, member = left.popleft()
            except IndexError:  # another thread took the last one
                return
            found[number] = answer(member)

    run_each(work, min(len(members), usable_cores(), n_threads_limit()) if n_rows > FEW_ROWS else 1)
    return [found[number] for number in range(len(members))]


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Ensemble(Predictor):
    """Several networks that predict the mean of their probabilities, or of their numbers.

    Parameters
    ----------
    members : sequence of Model
        At least one; of any architecture, with the same number of features and the same classes.
    weights : sequence of int, optional
        How often each member counts, at least 1; by default once.
    settings : dict
        Settings of the ensemble, ready for JSON; each member has its own besides.
    metrics : dict
        Measurements, ready for JSON.
    temperature, threshold, shifts
        Those of the mean, see `Predictor`.

    Raises
    ------
    ModelError
        If there is no member, the members differ in features or classes, or a weight is not a whole number from 1.

    Notes
    -----
    ``p = Σ wᵢ pᵢ / Σ wᵢ``, added up in float64 in the order of the members and rounded to float32 at the end.

    Examples
    --------
    >>> import fastnet
    >>> data = fastnet.take_first(fastnet.load("mnist5k"), 200)
    >>> config = fastnet.TrainConfig(hidden=(16,), epochs=2)
    >>> ensemble = fastnet.train_ensemble(data, config, networks=2).ensemble
    >>> ensemble.predict_proba(data.x_test).shape, len(ensemble.members)
    ((1000, 10), 2)
    """

    members: tuple[Model, ...]
    weights: tuple[int, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    temperature: float = 1.0
    threshold: float | None = None
    shifts: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", tuple(self.members))
        object.__setattr__(self, "weights", tuple(self.weights) or (1,) * len(self.members))
        if not self.members:
            raise ModelError("an ensemble needs at least one network")
        first = self.members[0]
        for number, member in enumerate(self.members):
            same = member.class_names == first.class_names and np.array_equal(member.classes, first.classes)
            if member.n_inputs != first.n_inputs or not same:
                raise ModelError(f"network {number} of the ensemble has other features or classes than network 0")
            if member.task != first.task or member.quantiles != first.quantiles:
                raise ModelError(
                    f"network {number} of the ensemble learnt another task or other quantiles than network 0"
                )
        if len(self.weights) != len(self.members):
            raise ModelError(
                f"the ensemble has {len(self.weights)} weights: its {len(self.members)} networks need one each"
            )
        for weight in self.weights:
            if isinstance(weight, bool) or not isinstance(weight, int) or weight < 1:
                raise ModelError(f"weight {weight!r} of a network: must be a whole number from 1")
        check_corrections(self.temperature, self.threshold, len(self.classes))
        check_shifts(self.shifts, len(self.class_names) * len(self.quantiles))

    @property
    def classes(self) -> npt.NDArray[Any]:  # type: ignore[override]
        """Labels of the classes."""
        return self.members[0].classes

    @property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Names of the classes, in the same order."""
        return self.members[0].class_names

    @property
    def pipeline(self) -> Pipeline:  # type: ignore[override]
        """One in float64 if a member has one, since the others round their features themselves."""
        pipelines = [member.pipeline for member in self.members]
        return next((pipeline for pipeline in pipelines if pipeline.dtype == np.float64), pipelines[0])

    @property
    def objective(self) -> str:  # type: ignore[override]
        """What its members learnt."""
        return self.members[0].objective

    @property
    def quantiles(self) -> tuple[float, ...]:  # type: ignore[override]
        """Levels of the answers to each target."""
        return self.members[0].quantiles

    @property
    def schema(self) -> Schema | None:  # type: ignore[override]
        """The columns of the table that its members were trained on."""
        return self.members[0].schema

    @property
    def extent(self) -> Extent | None:  # type: ignore[override]
        """Range of the training samples' features, that of the first network; None if unknown."""
        return self.members[0].extent

    def _answers(self, features: npt.NDArray[Any]) -> Answers:
        return self._adjusted(mean_answers(self.answers_of_members(features), self.weights))

    def _limits(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        each = [member._limits() for member in self.members]  # those of folds differ
        return np.min([low for low, _ in each], axis=0), np.max([high for _, high in each], axis=0)

    def answers_of_members(self, features: npt.NDArray[Any]) -> list[Answers]:
        """Return what each member answers to checked features; members with the same pipeline share their inputs."""
        first, n_rows = self.members[0].pipeline, features.shape[0]
        if any(member.pipeline is not first for member in self.members):
            return _each(self.members, lambda member: member._answers(features), n_rows)
        from fastnet.network.forward import inputs_of
        from fastnet.network.samples import COPY_ROWS

        parts = []
        for begin in range(0, max(n_rows, 1), COPY_ROWS):  # part by part, as large inputs take more memory
            some = features[begin : begin + COPY_ROWS]
            answer = partial(Model._answers, features=some, prepared=inputs_of(some, first))
            parts.append(_each(self.members, answer, n_rows))
        return [np.concatenate(of_one) for of_one in zip(*parts, strict=True)]

    def _scored(
        self,
        answers: Answers,
        targets: npt.NDArray[Any],
        weights: npt.NDArray[Any] | None = None,
    ) -> Score:
        if self.task == "classification":
            return score_of(answers, targets, weights, self.threshold)
        return self.members[0]._scored(answers, targets, weights)  # by their scale of the targets, where they differ

    def _losses(self, answers: Answers, targets: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        return self.members[0]._losses(answers, targets)

    def _shape_text(self) -> str:
        return f"Ensemble of {len(self.members)} network{'s' * (len(self.members) > 1)}"

    def to_parts(self) -> tuple[dict[str, Any], dict[str, FloatArray]]:
        """Return the contents of its file: the description, ready for JSON, and the tensors by name.

        The tensors of member i have the prefix ``members.i.``; the description has those of the members, their weights,
        and the classes and the table's columns once for all of them.
        """
        headers: list[dict[str, Any]] = []
        tensors: dict[str, FloatArray] = {}
        for number, member in enumerate(self.members):
            header, own = member.to_parts()
            for shared in _SHARED:
                header.pop(shared, None)
            headers.append(header)
            tensors |= {_prefix(number) + name: tensor for name, tensor in own.items()}
        header = {
            "members": headers,
            "weights": list(self.weights),
            "class_names": list(self.class_names),
            "classes": self.classes.tolist(),
            "settings": self.settings,
            "metrics": self.metrics,
        }
        if self.schema is not None:
            header["table"] = self.schema.to_dict()
        return header | self._corrections(), tensors

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Ensemble:
        """Read an ensemble that `save` wrote.

        Parameters
        ----------
        path : path-like
            A `.safetensors` file of fastnet.

        Returns
        -------
        Ensemble
            Equal to the saved one to the last bit.

        Raises
        ------
        ModelError
            If the file is missing, damaged, or not an ensemble.
        """
        loaded = load_model(path)
        if not isinstance(loaded, cls):
            raise ModelError(f"{path}: a single network, not an ensemble; fastnet.Model.load reads it")
        return loaded

    @classmethod
    def _from_parts(cls, header: Mapping[str, Any], tensors: Mapping[str, FloatArray]) -> Ensemble:
        members = []
        for number, described in enumerate(header["members"]):
            begin = _prefix(number)
            own = {name.removeprefix(begin): tensor for name, tensor in tensors.items() if name.startswith(begin)}
            shared = {name: header[name] for name in _SHARED if name in header}
            members.append(Model.from_parts({**described, **shared}, own))
        return cls(
            members=_sharing(members),
            weights=tuple(header["weights"]),
            settings=dict(header["settings"]),
            metrics=dict(header["metrics"]),
            **corrections_of(header),
        )


def _sharing(members: Sequence[Model]) -> tuple[Model, ...]:
    """Let members whose pipelines are equal have the same one, so that samples go through it once."""
    kept: list[tuple[tuple[dict[str, Any], dict[str, npt.NDArray[Any]]], Pipeline]] = []
    shared = []
    for member in members:
        header, arrays = member.pipeline.to_parts()
        for (other, others), pipeline in kept:
            if header == other and all(np.array_equal(array, others[name]) for name, array in arrays.items()):
                shared.append(replace(member, pipeline=pipeline))
                break
        else:
            kept.append(((header, arrays), member.pipeline))
            shared.append(member)
    return tuple(shared)


def load_model(path: str | os.PathLike[str]) -> Model | Ensemble:
    """Read a model that `Model.save` or `Ensemble.save` wrote.

    Parameters
    ----------
    path : path-like
        A `.safetensors` file of fastnet.

    Returns
    -------
    Model or Ensemble
        Both have ``predict``, ``predict_proba``, ``score`` and ``save``, see `fastnet.model.predictor.Predictor`.

    Raises
    ------
    ModelError
        If the file is missing, damaged, or not one of fastnet's models.

    Examples
    --------
    >>> load_model("models/mnist5k-1.safetensors").predict(x)  # doctest: +SKIP
    array([7, 2, 1])
    """
    file = as_path(path, "path")
    header, tensors = read_file(file)
    kind = Ensemble._from_parts if "members" in header else Model.from_parts
    with model_errors(file):
        return kind(header, tensors)


def mean_answers(answers: Sequence[Answers], weights: Sequence[int] | None = None) -> Answers:
    """Average the (N, O) answers of networks, in float64; each counts as often as its weight says, by default once.

    The mean has their type: float32 of probabilities, float64 of numbers. That of ascending quantiles is ascending.

    Examples
    --------
    >>> a, b = np.array([[1, 0]], np.float32), np.array([[0, 1]], np.float32)
    >>> mean_answers([a, b], [3, 1]).tolist()
    [[0.75, 0.25]]
    """
    counts = [1] * len(answers) if weights is None else weights
    total = np.zeros(answers[0].shape)
    for count, of_one in zip(counts, answers, strict=True):
        total += count * of_one.astype(np.float64)
    return (total / sum(counts)).astype(answers[0].dtype)


def greedy_selection(
    answers: Sequence[Answers],
    y: npt.NDArray[Any],
    metric: str = DEFAULT_METRIC,
    *,
    measure: Callable[[Answers, npt.NDArray[Any]], Score] = score_of,
    rounds: int = ROUNDS,
) -> tuple[int, ...]:
    """Choose how often each network counts in an ensemble, at least 0 times, so that it does well on some samples.

    Parameters
    ----------
    answers : sequence of ndarray
        (N, O) probabilities or numbers of each network on the same samples, at least one.
    y : ndarray
        (N,) int64 classes, or (N, K) labels or numbers: the truth of samples that no network was trained on.
    metric : str
        The metric to improve; the loss breaks ties of the score, and the order of the networks ties of both.
    measure : callable
        Scores averaged answers; by default those of classes.
    rounds : int
        Number of networks that are added, at least 0.

    Notes
    -----
    Caruana, Niculescu-Mizil, Crew and Ksikes, *Ensemble Selection from Libraries of Models*, ICML 2004, sections 2.1
    and 2.2, without their bagging: begin with the best n networks, for the best n (sorted initialisation); add the
    network that helps most, again and again, whether it is already in or not (selection with replacement); return to
    the best ensemble on the way. Its figures on these samples are optimistic, because it was chosen on them.

    Examples
    --------
    >>> first = np.array([[0.9, 0.1], [0.6, 0.4], [0.4, 0.6]], np.float32)
    >>> second = np.array([[0.4, 0.6], [0.1, 0.9], [0.3, 0.7]], np.float32)
    >>> greedy_selection([first, second, 1 - first], np.array([0, 1, 1]), rounds=2)
    (1, 2, 0)
    """

    def quality_of(total: Answers, n: int) -> tuple[float, float]:
        """Rate the mean of n answers by the metric, then by the loss; lower is better."""
        score = measure(total / n, y)
        loss = round(score.loss, 12)  # so that another library's logarithm does not break ties
        return -sign(metric) * score.of(metric), loss

    ranked = sorted(range(len(answers)), key=lambda k: (quality_of(answers[k], 1), k))
    best_quality, n_best = (math.inf, math.inf), 0
    total = running = np.zeros(answers[0].shape)
    for n, k in enumerate(ranked, start=1):
        running = running + answers[k]
        quality = quality_of(running, n)
        if quality < best_quality:
            best_quality, n_best, total = quality, n, running
    chosen = ranked[:n_best]
    for _ in range(rounds):
        n = len(chosen) + 1
        quality, place = min((quality_of(total + answers[k], n), at) for at, k in enumerate(ranked))
        chosen.append(ranked[place])
        total = total + answers[ranked[place]]
        if quality < best_quality:
            best_quality, n_best = quality, n
    return tuple(chosen[:n_best].count(k) for k in range(len(answers)))


def _prefix(number: int) -> str:
    return f"members.{number}."
