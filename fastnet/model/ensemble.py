"""Several networks as one model: the mean of their probabilities, its file, and which networks to take.

Each network errs in its own way, and what is the error of one alone averages out (*Deep Learning from Scratch*, section
6.4.3; Goodfellow, Bengio and Courville, *Deep Learning*, section 7.11).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnet.config.metric import DEFAULT_METRIC, sign
from fastnet.data.extent import Extent
from fastnet.data.pipeline.scaling import Scaler
from fastnet.errors import ModelError
from fastnet.files import as_path
from fastnet.model.classifier import Model
from fastnet.model.file import FloatArray, read_file, telling
from fastnet.model.predictor import Predictor, Score, score_of

ROUNDS = 50
"""Additions of greedy selection beyond the networks it begins with."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Ensemble(Predictor):
    """Several networks that answer with the mean of their probabilities.

    Parameters
    ----------
    members : sequence of Model
        At least one; of any architecture, with the same number of features and the same classes.
    weights : sequence of int, optional
        How often each member counts, at least 1; once each if left out.
    settings : dict
        How it was made, ready for JSON; each member has settings of its own.
    metrics : dict
        What was measured, ready for JSON.

    Raises
    ------
    ModelError
        If there is no member, the members do not belong together, or a weight is no whole number from 1.

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
        if len(self.weights) != len(self.members):
            raise ModelError(
                f"the ensemble has {len(self.weights)} weights: its {len(self.members)} networks need one each"
            )
        for weight in self.weights:
            if isinstance(weight, bool) or not isinstance(weight, int) or weight < 1:
                raise ModelError(f"weight {weight!r} of a network: must be a whole number from 1")

    @property
    def classes(self) -> npt.NDArray[Any]:  # type: ignore[override]
        """The values of the classes."""
        return self.members[0].classes

    @property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The names of the classes, in the same order."""
        return self.members[0].class_names

    @property
    def scaler(self) -> Scaler:  # type: ignore[override]
        """That of a network which scales in float64, if there is one: others round what it needs by themselves."""
        scalers = [member.scaler for member in self.members]
        return next((scaler for scaler in scalers if scaler.dtype == np.float64), scalers[0])

    @property
    def extent(self) -> Extent | None:  # type: ignore[override]
        """How far the features of the first network's training samples reach; None where that is not known."""
        return self.members[0].extent

    @property
    def n_inputs(self) -> int:
        """Features of a sample."""
        return self.members[0].n_inputs

    def _probabilities(self, features: npt.NDArray[Any]) -> FloatArray:
        return mean_probabilities([member._probabilities(features) for member in self.members], self.weights)

    def to_parts(self) -> tuple[dict[str, Any], dict[str, FloatArray]]:
        """Return what is written of it: the description, ready for JSON, and the tensors by name.

        The tensors of member i are those of its own file, named ``members.i.`` in front; the description has the
        members', their weights, and once for all of them the classes.
        """
        headers: list[dict[str, Any]] = []
        tensors: dict[str, FloatArray] = {}
        for number, member in enumerate(self.members):
            header, own = member.to_parts()
            del header["class_names"], header["classes"]
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
        return header, tensors

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
            If the file is missing, damaged, or holds no ensemble.
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
            shared = {name: header[name] for name in ("class_names", "classes") if name in header}
            members.append(Model.from_parts({**described, **shared}, own))
        return cls(
            members=tuple(members),
            weights=tuple(header["weights"]),
            settings=dict(header["settings"]),
            metrics=dict(header["metrics"]),
        )


def load_model(path: str | os.PathLike[str]) -> Model | Ensemble:
    """Read a model of either kind, as `Model.save` or `Ensemble.save` wrote it.

    Parameters
    ----------
    path : path-like
        A `.safetensors` file of fastnet.

    Returns
    -------
    Model or Ensemble
        Both can ``predict``, ``predict_proba``, ``score`` and ``save``, see `fastnet.model.predictor.Predictor`.

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
    with telling(file):
        return kind(header, tensors)


def mean_probabilities(probabilities: Sequence[FloatArray], weights: Sequence[int] | None = None) -> FloatArray:
    """Average the probabilities of several networks, as `Ensemble` does.

    Parameters
    ----------
    probabilities : sequence of ndarray
        (N, O) float32 of each network, at least one.
    weights : sequence of int, optional
        How often each counts, at least 0 and not all 0; once each if left out.

    Returns
    -------
    ndarray
        (N, O) float32.

    Examples
    --------
    >>> a, b = np.array([[1, 0]], np.float32), np.array([[0, 1]], np.float32)
    >>> mean_probabilities([a, b], [3, 1]).tolist()
    [[0.75, 0.25]]
    """
    counts = [1] * len(probabilities) if weights is None else weights
    total = np.zeros(probabilities[0].shape)
    for count, of_one in zip(counts, probabilities, strict=True):
        total += count * of_one.astype(np.float64)
    return (total / sum(counts)).astype(np.float32)


def greedy_selection(
    probabilities: Sequence[FloatArray], y: npt.NDArray[np.int64], metric: str = DEFAULT_METRIC, *, rounds: int = ROUNDS
) -> tuple[int, ...]:
    """Choose networks for an ensemble, and how often each counts, so that it does well on some samples.

    Parameters
    ----------
    probabilities : sequence of ndarray
        (N, O) float32 of each network on the same samples, at least one.
    y : ndarray
        (N,) int64, the true classes; of samples that the networks have not learnt from.
    metric : str
        What decides; the loss breaks ties of the score, and what comes earlier those of both.
    rounds : int
        How many networks are added, at least 0.

    Returns
    -------
    tuple of int
        How often each network counts, at least 0.

    Notes
    -----
    Caruana, Niculescu-Mizil, Crew and Ksikes, *Ensemble Selection from Libraries of Models*, ICML 2004, sections 2.1
    and 2.2, without their bagging: begin with the best n networks, n being what is best (sorted initialisation); add,
    again and again, the network that helps most, whether it is in already or not (selection with replacement); go back
    to the best ensemble on the way. Its figures on these samples are optimistic, because it was chosen on them.

    Examples
    --------
    >>> first = np.array([[0.9, 0.1], [0.6, 0.4], [0.4, 0.6]], np.float32)
    >>> second = np.array([[0.4, 0.6], [0.1, 0.9], [0.3, 0.7]], np.float32)
    >>> greedy_selection([first, second, 1 - first], np.array([0, 1, 1]), rounds=2)
    (1, 2, 0)
    """
    ranked = sorted(range(len(probabilities)), key=lambda k: (_quality(probabilities[k], 1, y, metric), k))
    best_quality, n_best = (math.inf, math.inf), 0
    total = running = np.zeros(probabilities[0].shape)
    for n, k in enumerate(ranked, start=1):
        running = running + probabilities[k]
        quality = _quality(running, n, y, metric)
        if quality < best_quality:
            best_quality, n_best, total = quality, n, running
    chosen = ranked[:n_best]
    for _ in range(rounds):
        n = len(chosen) + 1
        quality, place = min((_quality(total + probabilities[k], n, y, metric), at) for at, k in enumerate(ranked))
        chosen.append(ranked[place])
        total = total + probabilities[ranked[place]]
        if quality < best_quality:
            best_quality, n_best = quality, n
    return tuple(chosen[:n_best].count(k) for k in range(len(probabilities)))


def _quality(
    total: npt.NDArray[np.floating[Any]], n: int, y: npt.NDArray[np.int64], metric: str
) -> tuple[float, float]:
    """Return what is the smaller the better the mean of `n` tables is: the metric, then the loss."""
    score: Score = score_of(total / n, y)
    # Rounded, so that another library's logarithm cannot part what is equal.
    loss = round(score.loss, 12)
    return (-sign(metric) * getattr(score, metric), loss)


def _prefix(number: int) -> str:
    return f"members.{number}."
