"""A trained network as a value and as a file: weights, scaling, class names and how it was trained.

The file is safetensors: the tensors are float32, everything else is one JSON text under the metadata key `fastnet`, so
that any safetensors reader can open it and nothing in it is ever executed.
"""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastnet._version import __version__
from fastnet.config import NetworkSpec, TrainConfig, as_settings, format_hidden, parse_hidden
from fastnet.data.coerce import as_features
from fastnet.data.preprocess import Scaler
from fastnet.errors import FastnetError, ModelError
from fastnet.files import replace_file

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset

FORMAT_VERSION = 1
METADATA_KEY = "fastnet"

FloatArray = npt.NDArray[np.float32]


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


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Model:
    """A trained fully connected network, ready to predict.

    Parameters
    ----------
    spec : NetworkSpec
        Its shape, with sizes ``(I, ..., O)``.
    weights : sequence of ndarray
        One (n_in, n_out) float32 array per layer, finite.
    biases : sequence of ndarray
        One (n_out,) float32 array per layer, finite.
    scaler : Scaler
        How features are scaled before the first layer, learnt on the training rows.
    class_names : tuple of str
        The name of class 0, 1, ...
    eval_scales : tuple of float
        Factor on the outputs of each hidden layer in evaluation: 1, which is the default, or ``1 - dropout`` with
        ``dropout_scaling="test-time"``.
    settings : dict
        How it was trained, ready for JSON.
    metrics : dict
        What was measured at the end of the training, ready for JSON.

    Raises
    ------
    ModelError
        If the arrays, the scaling and the names do not fit `spec`.

    Examples
    --------
    >>> model = Model.load("models/mnist5k-1.safetensors")  # doctest: +SKIP
    >>> model.predict(x)  # doctest: +SKIP
    array([7, 2, 1])
    """

    spec: NetworkSpec
    weights: tuple[FloatArray, ...]
    biases: tuple[FloatArray, ...]
    scaler: Scaler
    class_names: tuple[str, ...]
    eval_scales: tuple[float, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", tuple(self.weights))
        object.__setattr__(self, "biases", tuple(self.biases))
        object.__setattr__(self, "eval_scales", tuple(self.eval_scales) or (1.0,) * len(self.spec.hidden))
        sizes = self.spec.sizes
        expected: dict[str, tuple[int, ...]] = {
            "scaler.offset": (sizes[0],),
            "scaler.scale": (sizes[0],),
            **{f"layers.{i}.weight": shape for i, shape in enumerate(itertools.pairwise(sizes))},
            **{f"layers.{i}.bias": (width,) for i, width in enumerate(sizes[1:])},
        }
        tensors = self._tensors()
        if tensors.keys() != expected.keys():
            raise ModelError(
                f"the model has {len(self.weights)} layers of weights: its sizes {sizes} need {len(sizes) - 1}"
            )
        for name, shape in expected.items():
            _check_tensor(name, tensors[name], shape)
        if len(self.class_names) != sizes[-1]:
            raise ModelError(
                f"the model has {len(self.class_names)} class names: its {sizes[-1]} outputs need one each"
            )
        if len(self.eval_scales) != len(sizes) - 2:
            raise ModelError(
                f"the model has {len(self.eval_scales)} factors of evaluation: its {len(sizes) - 2} hidden layers need "
                "one each"
            )

    def _tensors(self) -> dict[str, FloatArray]:
        tensors = {"scaler.offset": self.scaler.offset, "scaler.scale": self.scaler.scale}
        tensors |= {f"layers.{i}.weight": w for i, w in enumerate(self.weights)}
        tensors |= {f"layers.{i}.bias": b for i, b in enumerate(self.biases)}
        return tensors

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
        features = self._features(x)
        from fastnet.network import forward

        return forward(self, features)

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
        """Measure how well the model predicts known classes.

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
        probabilities = self.predict_proba(x)
        accuracy = float(np.mean(np.argmax(probabilities, axis=1) == y))
        of_truth = np.maximum(probabilities[np.arange(len(y)), y].astype(np.float64), np.finfo(np.float32).tiny)
        return Score(accuracy=accuracy, loss=float(-np.log(of_truth).mean()))

    def _features(self, x: npt.ArrayLike) -> npt.NDArray[Any]:
        features = as_features(x, "x")
        if features.shape[1] != self.spec.n_inputs:
            raise ModelError(f"x has {features.shape[1]} features: this model reads {self.spec.n_inputs}")
        return features

    def check_fits(self, dataset: Dataset) -> None:
        """Raise `ModelError` unless the data set has this model's features and classes.

        Parameters
        ----------
        dataset : Dataset
            The data that the model is about to be asked about.
        """
        if dataset.n_features != self.spec.n_inputs:
            raise ModelError(
                f"{dataset.name} has {dataset.n_features} features: this model reads {self.spec.n_inputs}; "
                "give the kind of data that it was trained on"
            )
        if tuple(dataset.class_names) != tuple(self.class_names):
            raise ModelError(
                f"{dataset.name} has the classes {_some(dataset.class_names)}: "
                f"this model knows {_some(self.class_names)}; give the kind of data that it was trained on"
            )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as safetensors; a file of that name is replaced whole or not at all.

        Parameters
        ----------
        path : path-like
            Where to; its folder must exist.

        Raises
        ------
        OSError
            If the folder is missing, read-only or full.
        """
        from safetensors.numpy import save

        header = {
            "format": FORMAT_VERSION,
            "fastnet_version": __version__,
            "n_inputs": self.spec.n_inputs,
            "n_outputs": self.spec.n_outputs,
            "hidden": format_hidden(self.spec.hidden),
            "activation": self.spec.activation,
            "init": self.spec.init,
            "class_names": list(self.class_names),
            "eval_scales": list(self.eval_scales),
            "settings": self.settings,
            "metrics": self.metrics,
        }
        tensors = {name: np.ascontiguousarray(tensor) for name, tensor in self._tensors().items()}
        payload = save(tensors, metadata={METADATA_KEY: json.dumps(header, sort_keys=True)})
        replace_file(Path(path), payload)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Model:
        """Read a model that `save` wrote.

        Parameters
        ----------
        path : path-like
            A `.safetensors` file of fastnet.

        Returns
        -------
        Model
            Equal to the saved one to the last bit.

        Raises
        ------
        ModelError
            If the file is missing, damaged, or not one of fastnet's models.
        """
        header, tensors = _read_file(Path(path))
        try:
            return _from_parts(header, tensors)
        except FastnetError as error:
            raise ModelError(f"{path}: not a usable model: {error}") from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(f"{path}: not a usable model: its description is incomplete ({error})") from error


def trained_model(
    config: TrainConfig,
    dataset: Dataset,
    scaler: Scaler,
    table: npt.NDArray[np.int64],
    parameters: FloatArray,
    metrics: dict[str, Any],
) -> Model:
    """Make a model of a network that was trained.

    Parameters
    ----------
    config : TrainConfig
        How it was trained.
    dataset : Dataset
        What it was trained on.
    scaler : Scaler
        Learnt on the training rows.
    table : (L, N_FIELDS) int64
        Where its layers lie, see `fastnet.kernels.layout`.
    parameters : (n_parameters,) float32
        Its weights and biases there; they are copied.
    metrics : dict
        What was measured, ready for JSON.

    Returns
    -------
    Model
    """
    from fastnet.kernels import layout
    from fastnet.kernels.context import SCALE
    from fastnet.network import dropout_rows

    weights, biases = layout.unpack_parameters(table, parameters)
    return Model(
        spec=config.network(dataset.n_features, dataset.n_classes),
        weights=tuple(weights),
        biases=tuple(biases),
        scaler=scaler,
        class_names=dataset.class_names,
        eval_scales=tuple(float(scale) for scale in dropout_rows(config)[:-1, SCALE]),
        settings=as_settings(config) | {"data": dataset.name, "data_dtype": str(dataset.x.dtype)},
        metrics=metrics,
    )


def _check_tensor(name: str, tensor: FloatArray, shape: tuple[int, ...]) -> None:
    if tensor.shape != shape or tensor.dtype != np.float32:
        raise ModelError(f"{name} is {tensor.dtype} {tensor.shape}: must be float32 {shape}")
    if not np.isfinite(tensor).all():
        raise ModelError(f"{name} holds values that are not finite: the training diverged")


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown}, ... ({len(names)} in all)" if len(names) > 5 else shown


def _read_file(path: Path) -> tuple[dict[str, Any], dict[str, FloatArray]]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ModelError(f"{path}: no such model file")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ModelError(f"{path}: not a safetensors file, or a damaged one ({error})") from error
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror or error})") from error
    try:
        header = json.loads(metadata[METADATA_KEY])
    except (KeyError, ValueError) as error:
        raise ModelError(f"{path}: a safetensors file, but not one that fastnet wrote") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT_VERSION:
        raise ModelError(f"{path}: written by another version of fastnet; this one reads format {FORMAT_VERSION}")
    return header, tensors


def _from_parts(header: dict[str, Any], tensors: dict[str, FloatArray]) -> Model:
    spec = NetworkSpec(
        n_inputs=header["n_inputs"],
        n_outputs=header["n_outputs"],
        hidden=parse_hidden(header["hidden"]),
        activation=header.get("activation", "relu"),  # files from before there were others do not name it
        init=header["init"],
    )
    n_layers = len(spec.hidden) + 1
    missing = [name for i in range(n_layers) for name in _layer_names(i) if name not in tensors]
    if missing:
        raise ModelError(f"{missing[0]} is missing")
    return Model(
        spec=spec,
        weights=tuple(tensors[f"layers.{i}.weight"] for i in range(n_layers)),
        biases=tuple(tensors[f"layers.{i}.bias"] for i in range(n_layers)),
        scaler=Scaler(offset=tensors["scaler.offset"], scale=tensors["scaler.scale"]),
        class_names=tuple(str(name) for name in header["class_names"]),
        eval_scales=_eval_scales(header, len(spec.hidden)),
        settings=dict(header["settings"]),
        metrics=dict(header["metrics"]),
    )


def _eval_scales(header: dict[str, Any], n_hidden: int) -> tuple[float, ...]:
    """Read the factors of evaluation; before dropout could differ between layers there was one for all."""
    if "eval_scales" not in header:
        return (float(header["eval_scale"]),) * n_hidden
    return tuple(float(scale) for scale in header["eval_scales"])


def _layer_names(index: int) -> tuple[str, str]:
    return f"layers.{index}.weight", f"layers.{index}.bias"
