"""A trained network as a value and as a file: weights, scaling, class names and how it was trained.

The file is safetensors: the tensors are float32, or float64 where features are scaled in float64; everything else is
one JSON text under the metadata key `fastnet`. Any safetensors reader can open it, and nothing in it is executed.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastnet.config.network import NetworkSpec
from fastnet.config.searching import as_settings
from fastnet.config.text import format_hidden, parse_hidden
from fastnet.config.training import TrainConfig
from fastnet.data.extent import Extent
from fastnet.data.labels import classes_from, label_values
from fastnet.data.pipeline.pipeline import Pipeline, pipeline_from_parts
from fastnet.data.pipeline.scaling import Scaler
from fastnet.data.pipeline.sparse import SparseScaler
from fastnet.data.pipeline.targets import TargetScaler
from fastnet.data.schema import Schema
from fastnet.errors import ModelError
from fastnet.files import as_path
from fastnet.model.calibration import check_corrections, check_shifts, corrections_of
from fastnet.model.file import FloatArray, model_errors, read_file
from fastnet.model.predictor import Predictor
from fastnet.model.scores import Numbers, Score, losses_of, losses_of_labels, score_of, score_of_labels

if TYPE_CHECKING:
    from fastnet.network.forward import Inputs
    from fastnet.network.samples import TrainingData


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Model(Predictor):
    """A trained fully connected network, ready to predict.

    Parameters
    ----------
    spec : NetworkSpec
        Its shape, with sizes ``(I, ..., M O)`` for M heads.
    weights : sequence of ndarray
        One (n_in, n_out) float32 array per layer, finite; the last one has the columns of all heads side by side.
    biases : sequence of ndarray
        One (n_out,) float32 array per layer, finite.
    pipeline : Pipeline
        What the first layer reads of the features, learnt on the training rows.
    class_names : tuple of str
        Names of the classes, in the order of the outputs; or of the targets.
    classes : ndarray, optional
        Labels of the classes, (O,) int64, float64, bool or str; by default the names, as numbers if all of them are
        whole numbers. None for targets that are no classes.
    extent : Extent, optional
        Range of the training samples' features.
    eval_scales : tuple of float
        Factor on the outputs of each hidden layer in evaluation: 1 by default, or ``1 - dropout`` with
        ``dropout_scaling="test-time"``.
    settings : dict
        Settings of the training, ready for JSON.
    metrics : dict
        Measurements at the end of the training, ready for JSON.
    objective : str
        What it learnt, see `fastnet.config.objective.OBJECTIVES`.
    quantiles : tuple of float
        Levels that it answers with for each target; empty unless the objective is ``pinball``.
    target_scaler : TargetScaler, optional
        How its outputs become numbers; None for classes and labels.
    schema : Schema, optional
        The columns of the table that it was trained on; None for arrays.
    temperature, threshold, shifts
        See `Predictor`.

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
    pipeline: Pipeline
    class_names: tuple[str, ...]
    classes: npt.NDArray[Any] = None  # type: ignore[assignment]  # __post_init__ takes them from the names
    extent: Extent | None = None
    eval_scales: tuple[float, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    objective: str = "cross-entropy"
    quantiles: tuple[float, ...] = ()
    target_scaler: TargetScaler | None = None
    schema: Schema | None = None
    temperature: float = 1.0
    threshold: float | None = None
    shifts: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", tuple(self.weights))
        object.__setattr__(self, "biases", tuple(self.biases))
        object.__setattr__(self, "eval_scales", tuple(self.eval_scales) or (1.0,) * len(self.spec.hidden))
        object.__setattr__(
            self, "classes", _frozen_classes(self.classes, self.class_names if self.task == "classification" else ())
        )
        sizes = self.spec.sizes
        expected: dict[str, tuple[int, ...]] = {
            **{f"layers.{i}.weight": shape for i, shape in enumerate(itertools.pairwise(sizes))},
            **{f"layers.{i}.bias": (width,) for i, width in enumerate(sizes[1:])},
        }
        n_outputs = self.spec.n_outputs
        if self.task == "classification" and n_outputs < 2:
            raise ModelError(f"the model has {n_outputs} outputs: at least 2 are needed to tell classes apart")
        _check_pipeline(self.pipeline, sizes[0])
        tensors = self._tensors()
        if tensors.keys() != expected.keys():
            raise ModelError(
                f"the model has {len(self.weights)} layers of weights: its sizes {sizes} need {len(sizes) - 1}"
            )
        for name, shape in expected.items():
            _check_tensor(name, tensors[name], shape, np.float32)
        classes = self.task == "classification"
        n_names = n_outputs // max(len(self.quantiles), 1)
        for values, what, needed, of in (
            (self.class_names, "class names" if classes else "names", n_names, "outputs" if classes else "targets"),
            (self.classes, "classes", n_names if classes else 0, "outputs"),
            (self.eval_scales, "factors of evaluation", len(sizes) - 2, "hidden layers"),
        ):
            if len(values) != needed:
                raise ModelError(f"the model has {len(values)} {what}: its {needed} {of} need one each")
        _check_targets(self, n_names)
        check_corrections(self.temperature, self.threshold, len(self.classes))
        check_shifts(self.shifts, n_names * len(self.quantiles))
        if self.schema is not None and len(self.schema.fields) != self.pipeline.n_fields:
            raise ModelError(
                f"the table's columns make {len(self.schema.fields)} features: it reads {self.pipeline.n_fields}"
            )
        fields = getattr(self.pipeline, "fields", None)
        if self.schema is not None and fields is not None and fields != self.schema.fields:
            raise ModelError("the table's columns are not those that its inputs are made of")
        if self.extent is not None:
            _check_extent(self.extent, sizes[0])

    def _tensors(self) -> dict[str, FloatArray]:
        tensors = {f"layers.{i}.weight": w for i, w in enumerate(self.weights)}
        tensors |= {f"layers.{i}.bias": b for i, b in enumerate(self.biases)}
        return tensors

    def _answers(self, features: npt.NDArray[Any], prepared: Sequence[Inputs] = ()) -> npt.NDArray[np.floating[Any]]:
        from fastnet.network.forward import forward

        network = self.spec, self.weights, self.biases, self.eval_scales
        answers = forward(*network, self.pipeline, features, self.objective, len(self.quantiles), prepared)
        return self._adjusted(answers if self.target_scaler is None else self.target_scaler.invert(answers))

    def _limits(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        assert self.target_scaler is not None
        return self.target_scaler.low, self.target_scaler.high

    def _scored(
        self,
        answers: npt.NDArray[np.floating[Any]],
        targets: npt.NDArray[Any],
        weights: npt.NDArray[Any] | None = None,
    ) -> Score:
        if self.task == "regression":
            return self._numbers().score(answers.astype(np.float64), targets, weights)
        if self.task == "classification":
            return score_of(answers, targets, weights, self.threshold)
        return score_of_labels(answers, targets, weights)

    def _losses(self, answers: npt.NDArray[np.floating[Any]], targets: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        if self.task == "regression":
            return self._numbers().losses(answers.astype(np.float64), targets)
        return losses_of(answers, targets) if self.task == "classification" else losses_of_labels(answers, targets)

    def _numbers(self) -> Numbers:
        assert self.target_scaler is not None
        delta = float(self.settings.get("huber_delta", 1.0))
        return Numbers(self.objective, self.target_scaler, self.quantiles, delta)

    def _shape_text(self) -> str:
        return f"Network {self.spec.text}, {self.spec.activation}"

    def to_parts(self) -> tuple[dict[str, Any], dict[str, FloatArray]]:
        """Return the contents of its file: the description, ready for JSON, and the tensors by name."""
        header = {
            "n_inputs": self.spec.n_inputs,
            "n_outputs": self.spec.n_outputs,
            "hidden": format_hidden(self.spec.hidden),
            "activation": self.spec.activation,
            "init": self.spec.init,
            **({"heads": self.spec.heads} if self.spec.heads > 1 else {}),
            "class_names": list(self.class_names),
            "classes": self.classes.tolist(),
            "eval_scales": list(self.eval_scales),
            "settings": self.settings,
            "metrics": self.metrics,
        }
        tensors: dict[str, npt.NDArray[Any]] = dict(self._tensors())
        read, arrays = self.pipeline.to_parts()
        tensors |= arrays
        if read:
            header["pipeline"] = read
        if self.task != "classification":
            header |= {"objective": self.objective, "quantiles": list(self.quantiles)}
        if self.target_scaler is not None:
            header["targets"], arrays = self.target_scaler.to_parts()
            tensors |= arrays
        if self.schema is not None:
            header["table"] = self.schema.to_dict()
        header |= self._corrections()
        if self.extent is not None:
            header["reach"] = self.extent.reach
            tensors |= {"extent.low": self.extent.low, "extent.high": self.extent.high}
        return header, tensors

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
            If the file is missing, damaged, or not a single network of fastnet; `fastnet.load_model` reads ensembles
            too.
        """
        file = as_path(path, "path")
        header, tensors = read_file(file)
        if "members" in header:
            raise ModelError(f"{path}: an ensemble of several networks, not a single one; fastnet.load_model reads it")
        with model_errors(file):
            return cls.from_parts(header, tensors)

    @classmethod
    def from_parts(cls, header: Mapping[str, Any], tensors: Mapping[str, FloatArray]) -> Model:
        """Build a model from what `to_parts` returned; raise one of the errors of `model_errors` if it does not fit."""
        spec = NetworkSpec(
            n_inputs=header["n_inputs"],
            n_outputs=header["n_outputs"],
            hidden=parse_hidden(header["hidden"]),
            activation=header.get("activation", "relu"),  # files of early versions have no other and do not name it
            init=header["init"],
            heads=header.get("heads", 1),
        )
        n_layers = len(spec.hidden) + 1
        missing = [name for i in range(n_layers) for name in _layer_names(i) if name not in tensors]
        if missing:
            raise ModelError(f"{missing[0]} is missing")
        return cls(
            spec=spec,
            weights=tuple(tensors[f"layers.{i}.weight"] for i in range(n_layers)),
            biases=tuple(tensors[f"layers.{i}.bias"] for i in range(n_layers)),
            pipeline=pipeline_from_parts(header.get("pipeline", {}), tensors),
            class_names=tuple(str(name) for name in header["class_names"]),
            classes=_classes_of(header) if "objective" not in header else None,  # type: ignore[arg-type]
            extent=_extent_of(header, tensors),
            eval_scales=_eval_scales(header, len(spec.hidden)),
            settings=dict(header["settings"]),
            metrics=dict(header["metrics"]),
            objective=str(header.get("objective", "cross-entropy")),
            quantiles=tuple(float(level) for level in header.get("quantiles", ())),
            target_scaler=TargetScaler.from_parts(header["targets"], tensors) if "targets" in header else None,
            schema=Schema.from_dict(header["table"]) if "table" in header else None,
            **corrections_of(header),
        )


def trained_model(
    config: TrainConfig,
    data: TrainingData,
    table: npt.NDArray[np.int64],
    parameters: FloatArray,
    metrics: dict[str, Any],
) -> Model:
    """Build a model from a network that was trained.

    `table`, (L, N_FIELDS) int64, says where its layers lie in `parameters`, (n_parameters,) float32, see
    `fastnet.kernels.layout`; the parameters are copied.
    """
    from fastnet.kernels import layout
    from fastnet.kernels.context import SCALE
    from fastnet.network.hyperparameters import dropout_rows

    weights, biases = layout.unpack_parameters(table, parameters)
    dataset = data.dataset
    return Model(
        spec=config.network(data.n_inputs, data.n_outputs),
        weights=tuple(weights),
        biases=tuple(biases),
        pipeline=data.pipeline,
        class_names=dataset.class_names,
        classes=dataset.classes,
        extent=dataset.extent(),
        eval_scales=tuple(float(scale) for scale in dropout_rows(config)[:-1, SCALE]),
        settings=as_settings(config) | {"data": dataset.name, "data_dtype": str(dataset.x.dtype)},
        metrics=metrics,
        objective=data.objective,
        quantiles=data.quantiles,
        target_scaler=data.target_scaler,
        schema=dataset.schema,
    )


def _check_pipeline(pipeline: Pipeline, n_inputs: int) -> None:
    if isinstance(pipeline, Scaler):
        for name, tensor in pipeline.to_parts()[1].items():
            _check_tensor(name, tensor, (n_inputs,), pipeline.dtype)
        return
    if pipeline.n_inputs != n_inputs:
        raise ModelError(f"the columns become {pipeline.n_inputs} inputs: its first layer reads {n_inputs}")
    if isinstance(pipeline, SparseScaler) and pipeline.factors is not None:
        _check_tensor("pipeline.factors", pipeline.factors, (n_inputs,), np.float32)


def _check_targets(model: Model, n_targets: int) -> None:
    if (model.target_scaler is None) != (model.task != "regression"):
        raise ModelError(f"objective={model.objective!r}: a scale of the targets is needed for numbers, and only there")
    if model.target_scaler is not None:
        for name, tensor in model.target_scaler.to_parts()[1].items():
            _check_tensor(name, tensor, (n_targets,), np.float64)


def _check_tensor(name: str, tensor: npt.NDArray[Any], shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
    wanted = np.dtype(dtype if dtype == np.float64 else np.float32)
    if tensor.shape != shape or tensor.dtype != wanted:
        raise ModelError(f"{name} is {tensor.dtype} {tensor.shape}: must be {wanted} {shape}")
    if not np.isfinite(tensor).all():
        raise ModelError(f"{name} contains values that are not finite: the training diverged")


def _check_extent(extent: Extent, n_inputs: int) -> None:
    for name, tensor in (("extent.low", extent.low), ("extent.high", extent.high)):
        _check_tensor(name, tensor, (1,) if len(tensor) == 1 else (n_inputs,), tensor.dtype)
    if not math.isfinite(extent.reach):
        raise ModelError(f"reach={extent.reach!r}: must be a finite number")


def _frozen_classes(classes: npt.NDArray[Any] | None, names: tuple[str, ...]) -> npt.NDArray[Any]:
    frozen = (classes_from(names) if classes is None else classes).view()
    frozen.flags.writeable = False
    return frozen


def _classes_of(header: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Read the labels of the classes; files of early versions have the names only."""
    if "classes" not in header:
        return classes_from([str(name) for name in header["class_names"]])
    values = header["classes"]
    if len({type(value) for value in values}) != 1 or len(set(values)) < len(values):
        raise ModelError("its classes are not distinct values of one type")
    return label_values(values, "classes")


def _extent_of(header: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]]) -> Extent | None:
    if "reach" not in header:
        return None
    return Extent(tensors["extent.low"], tensors["extent.high"], float(header["reach"]))


def _eval_scales(header: Mapping[str, Any], n_hidden: int) -> tuple[float, ...]:
    """Read the factors of evaluation; files of early versions have one for all layers."""
    if "eval_scales" not in header:
        return (float(header["eval_scale"]),) * n_hidden
    return tuple(float(scale) for scale in header["eval_scales"])


def _layer_names(index: int) -> tuple[str, str]:
    return f"layers.{index}.weight", f"layers.{index}.bias"
