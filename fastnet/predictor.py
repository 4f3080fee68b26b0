"""What everything that was trained can do: tell probabilities and classes, be measured, be saved."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastnet.data.coerce import as_features
from fastnet.errors import ModelError
from fastnet.files import as_path
from fastnet.model_file import FloatArray, write_file

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How well a model predicts some samples.

    Parameters
    ----------
    accuracy : float
        Share of the samples whose most probable class is the true one, in [0, 1].
    loss : float
        Mean cross-entropy in nats; a probability below 1e-38 counts as that.
    """

    accuracy: float
    loss: float


def score_of(probabilities: npt.NDArray[np.floating[Any]], y: npt.NDArray[np.int64]) -> Score:
    """Measure probabilities against known classes.

    Parameters
    ----------
    probabilities : ndarray
        (N, O) float, N at least 1; on a tie the first class is the predicted one.
    y : ndarray
        (N,) int64, the true classes.

    Returns
    -------
    Score

    Examples
    --------
    >>> score_of(np.array([[0.75, 0.25], [0.5, 0.5]]), np.array([0, 1])).accuracy
    0.5
    """
    accuracy = float(np.mean(np.argmax(probabilities, axis=1) == y))
    of_truth = np.maximum(probabilities[np.arange(len(y)), y].astype(np.float64), np.finfo(np.float32).tiny)
    return Score(accuracy=accuracy, loss=float(-np.log(of_truth).mean()))


class Predictor(ABC):
    """A trained model of either kind: one network (`fastnet.Model`) or several (`fastnet.Ensemble`).

    Attributes
    ----------
    class_names : tuple of str
        The name of class 0, 1, ...
    settings : dict
        How it was trained, ready for JSON.
    metrics : dict
        What was measured at the end of the training, ready for JSON.
    """

    __slots__ = ()

    class_names: tuple[str, ...]
    settings: dict[str, Any]
    metrics: dict[str, Any]

    @property
    @abstractmethod
    def n_inputs(self) -> int:
        """Features of a sample."""

    @abstractmethod
    def to_parts(self) -> tuple[dict[str, Any], dict[str, FloatArray]]:
        """Return what is written of it: the description, ready for JSON, and the tensors by name."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as one safetensors file, which `fastnet.load_model` reads; it is replaced whole or not at all.

        Parameters
        ----------
        path : path-like
            Where to, ``~`` being the home folder; its folder must exist.

        Raises
        ------
        ConfigError
            If the path is empty.
        OSError
            If the folder is missing, read-only or full.
        """
        write_file(as_path(path, "path"), *self.to_parts())

    @abstractmethod
    def _probabilities(self, features: npt.NDArray[Any]) -> FloatArray:
        """Compute (N, O) float32 probabilities of checked features."""

    def predict_proba(self, x: npt.ArrayLike) -> FloatArray:
        """Compute the probability of each class.

        Parameters
        ----------
        x : array_like
            (N, I) features in the units of the training data: any numeric type, finite.

        Returns
        -------
        ndarray
            (N, O) float32, rows sum to 1.

        Raises
        ------
        DataError
            If `x` is not a table of finite numbers.
        ModelError
            If `x` has another number of features.
        """
        features = as_features(x, "x")
        if features.shape[1] != self.n_inputs:
            raise ModelError(f"x has {features.shape[1]} features: this model reads {self.n_inputs}")
        return self._probabilities(features)

    def predict(self, x: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Choose the most probable class of each row of `x`.

        Returns
        -------
        ndarray
            (N,) int64, indices into `class_names`; on a tie the first.

        Raises
        ------
        DataError
            If `x` is not a table of finite numbers.
        ModelError
            If `x` has another number of features.
        """
        labels: npt.NDArray[np.int64] = np.argmax(self.predict_proba(x), axis=1).astype(np.int64)
        return labels

    def score(self, x: npt.ArrayLike, y: npt.NDArray[np.int64]) -> Score:
        """Measure how well known classes are predicted.

        Parameters
        ----------
        x : array_like
            (N, I) features, as `predict_proba` takes them.
        y : ndarray
            (N,) int64, the true classes as indices into `class_names`.

        Returns
        -------
        Score
            Accuracy and mean cross-entropy.

        Raises
        ------
        DataError
            If `x` is not a table of finite numbers.
        ModelError
            If `x` has another number of features.
        """
        return score_of(self.predict_proba(x), y)

    def check_fits(self, dataset: Dataset) -> None:
        """Raise `ModelError` unless the data set has this model's features and classes.

        Parameters
        ----------
        dataset : Dataset
            The data that the model is about to be asked about.
        """
        if dataset.n_features != self.n_inputs:
            raise ModelError(
                f"{dataset.name} has {dataset.n_features} features: this model reads {self.n_inputs}; "
                "give the kind of data that it was trained on"
            )
        if tuple(dataset.class_names) != tuple(self.class_names):
            raise ModelError(
                f"{dataset.name} has the classes {_some(dataset.class_names)}: "
                f"this model knows {_some(self.class_names)}; give the kind of data that it was trained on"
            )


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown}, ... ({len(names)} in all)" if len(names) > 5 else shown
