"""What every trained model can do: predict probabilities and classes, measure itself, save itself."""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastnet.config.metric import stored_scores
from fastnet.data.coerce import as_array, as_features
from fastnet.data.extent import Extent, other_units
from fastnet.data.labels import positions_of
from fastnet.errors import ModelError, warn
from fastnet.files import as_path
from fastnet.model.file import FloatArray, write_file

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset
    from fastnet.data.pipeline.scaling import Scaler
    from fastnet.data.samples import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How well a model predicts some samples.

    Parameters
    ----------
    value : float
        Accuracy: the share of the samples whose most probable class is the true one, in [0, 1].
    loss : float
        Mean cross-entropy in nats; a probability below 1e-38 counts as 1e-38.
    """

    value: float
    loss: float

    def stored(self, part: str) -> dict[str, float | None]:
        """Return both as models and studies store them: ``{"test_accuracy": ..., "test_loss": ...}``."""
        return stored_scores(part, self.value, self.loss)


def score_of(probabilities: npt.NDArray[np.floating[Any]], y: npt.NDArray[np.int64]) -> Score:
    """Measure (N, O) probabilities, N at least 1, against the true classes; the first of equals is predicted.

    Examples
    --------
    >>> score_of(np.array([[0.75, 0.25], [0.5, 0.5]]), np.array([0, 1])).value
    0.5
    """
    hits = float(np.mean(np.argmax(probabilities, axis=1) == y))
    of_truth = np.maximum(probabilities[np.arange(len(y)), y].astype(np.float64), np.finfo(np.float32).tiny)
    return Score(value=hits, loss=float(-np.log(of_truth).mean()))


class Predictor(ABC):
    """A trained model: one network (`fastnet.Model`) or several (`fastnet.Ensemble`).

    Attributes
    ----------
    classes : ndarray
        (O,) int64, float64, bool or str: the labels of the classes, as in the training data.
    class_names : tuple of str
        Their names, in the same order.
    scaler : Scaler
        Scaling of features before the first layer.
    extent : Extent or None
        Range of the training samples' features; None if unknown.
    settings : dict
        Settings of the training, ready for JSON.
    metrics : dict
        Measurements at the end of the training, ready for JSON.
    """

    __slots__ = ()

    classes: npt.NDArray[Any]
    class_names: tuple[str, ...]
    scaler: Scaler
    extent: Extent | None
    settings: dict[str, Any]
    metrics: dict[str, Any]

    @property
    @abstractmethod
    def n_inputs(self) -> int:
        """Features of a sample."""

    @abstractmethod
    def to_parts(self) -> tuple[dict[str, Any], dict[str, FloatArray]]:
        """Return the contents of its file: the description, ready for JSON, and the tensors by name."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one safetensors file, which `fastnet.load_model` reads, replacing an existing one whole or not at all.

        Parameters
        ----------
        path : path-like
            The file, ``~`` being the home folder; its folder must exist.

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
            (N, I) features in the units of the training data: any numeric type, finite; further axes are flattened. A
            single sample can have the shape (I,), or be a square image of I pixels.

        Returns
        -------
        ndarray
            (N, O) float32, rows sum to 1, in the order of `classes`.

        Raises
        ------
        DataError
            If `x` is not a table of finite numbers.
        ModelError
            If `x` has another number of features.

        Warns
        -----
        FastnetWarning
            If `x` appears to have other units than the training samples, such as images divided by 255.
        """
        return self._probabilities(self._features(x))

    def predict_index(self, x: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Choose the most probable class of each sample, by its position.

        Parameters
        ----------
        x : array_like
            (N, I) features, as `predict_proba` takes them.

        Returns
        -------
        ndarray
            (N,) int64, positions in `classes` and `class_names`; on a tie the first.

        Raises
        ------
        DataError, ModelError
            As `predict_proba` does.
        """
        positions: npt.NDArray[np.int64] = np.argmax(self.predict_proba(x), axis=1).astype(np.int64)
        return positions

    def predict(self, x: npt.ArrayLike) -> npt.NDArray[Any]:
        """Choose the most probable class of each sample.

        Parameters
        ----------
        x : array_like
            (N, I) features, as `predict_proba` takes them.

        Returns
        -------
        ndarray
            (N,) labels out of `classes`, of their type: int64, float64, bool or str; on a tie the first.

        Raises
        ------
        DataError, ModelError
            As `predict_proba` does.

        Examples
        --------
        >>> import fastnet
        >>> data = ([[0.0], [0.1], [0.9], [1.0]] * 5, ["low", "low", "high", "high"] * 5)
        >>> model = fastnet.train(data, fastnet.TrainConfig(hidden=(), learning_rate=1.0)).model
        >>> model.predict([[0.05], [0.95]]).tolist(), model.predict_index([[0.05]]).tolist()
        (['low', 'high'], [1])
        >>> model.score([[0.05], [0.95]], ["low", "low"]).value
        0.5
        """
        labels: npt.NDArray[Any] = self.classes[self.predict_index(x)]
        return labels

    def score(self, x: npt.ArrayLike, y: npt.ArrayLike) -> Score:
        """Measure how well the true classes are predicted.

        Parameters
        ----------
        x : array_like
            (N, I) features, as `predict_proba` takes them.
        y : array_like
            (N,) or (N, 1) labels: the true classes out of `classes`. Labels of another type match if they print alike,
            such as 1, 1.0, "1" and True, or if they name the class. Not every class must occur.

        Returns
        -------
        Score
            Accuracy and mean cross-entropy.

        Raises
        ------
        DataError
            If `x` is not a table of finite numbers, or `y` does not have one label of a known class per sample.
        ModelError
            If `x` has another number of features.
        """
        features = self._features(x)
        return self._measure(features, positions_of(y, self.classes, self.class_names, n=len(features)))

    def _measure(self, features: npt.NDArray[Any], positions: npt.NDArray[np.int64]) -> Score:
        """Measure on checked features and positions of classes."""
        return score_of(self._probabilities(features), positions)

    def _features(self, x: npt.ArrayLike) -> npt.NDArray[Any]:
        """Check features and reshape them to (N, I); warn if they appear to have other units than in training."""
        array = as_array(x, "x")
        if _is_one_sample(array.shape, self.n_inputs):
            array = array.reshape(1, -1)
        if array.ndim < 2:
            raise ModelError(f"x has shape {array.shape}: this model reads samples of {self.n_inputs} features, (N, F)")
        features = as_features(array, "x", self.scaler.dtype)
        if features.shape[1] != self.n_inputs:
            raise ModelError(f"x has {features.shape[1]} features: this model reads {self.n_inputs}")
        strange = other_units(features, self.extent, images=self.scaler.of_images)
        if strange:
            warn(f"x {strange}")
        return features

    def check_fits(self, data: Dataset | Samples) -> None:
        """Raise `ModelError` unless data have this model's number of features."""
        if data.n_features != self.n_inputs:
            raise ModelError(
                f"{data.name} has {data.n_features} features: this model reads {self.n_inputs}; "
                "give the kind of data that it was trained on"
            )


def _is_one_sample(shape: tuple[int, ...], n_inputs: int) -> bool:
    """Whether an array is a single sample: a row, or a square image with or without channels."""
    if len(shape) == 1:
        return shape[0] == n_inputs
    image = len(shape) in (2, 3) and shape[0] == shape[1] and math.prod(shape) == n_inputs
    return image and math.prod(shape[1:]) != n_inputs
