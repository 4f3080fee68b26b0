"""A fitted estimator from a model: its parameters, and what it knows of the samples that the model was trained on."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Self

import numpy as np

from fastnet.config.training import TrainConfig, train_config_from
from fastnet.data.pipeline.pipeline import Pipeline
from fastnet.data.pipeline.scaling import Scaler
from fastnet.data.pipeline.sparse import SparseScaler
from fastnet.data.pipeline.table import TablePipeline
from fastnet.errors import ConfigError, FastnetError, ModelError
from fastnet.model.classifier import Model
from fastnet.model.ensemble import Ensemble, load_model
from fastnet.sklearn.given import NAME

OUT_ACTIVATIONS = {"classification": "softmax", "multilabel": "logistic", "regression": "identity"}
"""The activation of the outputs by the task, as scikit-learn calls it."""

_OBJECTIVES = {
    "squared-error": "squared_error",
    "absolute-error": "absolute_error",
    "huber": "huber",
    "poisson": "poisson",
    "pinball": "quantile",
}
"""The loss of each objective of numbers."""

_NAMES = {"classification": "classes", "multilabel": "labels", "regression": "numbers"}


class FromModel:
    """What makes an estimator of a model that was trained before, by whatever part of fastnet."""

    _tasks: ClassVar[tuple[str, ...]] = ()
    """Tasks of the models that it can answer with."""

    _by_name = False
    """Whether it answers with a model that takes the columns it needs from a table by their names."""

    @classmethod
    def from_model(cls, model: str | os.PathLike[str] | Model | Ensemble) -> Self:
        """Make a fitted estimator of a trained model, from its file or as `fastnet.load_model` returns it.

        It predicts what the model predicts, with its temperature, threshold and shifts. `classes_`, `n_features_in_`
        and, for a model of a table, `feature_names_in_` are those of the model. A table may have its columns in any
        order, and others besides.

        The parameters are those the model was trained with, as far as its file tells and the estimator has them, for an
        ensemble those of its first network. `fit` trains a new network with them. ``warm_start=True`` and
        `partial_fit` are refused: a file holds no state of the optimizer.

        Parameters
        ----------
        model : path-like, fastnet.Model or fastnet.Ensemble
            A `.safetensors` file that `fastnet train`, `fastnet search` or `save` wrote, or such a model.

        Returns
        -------
        estimator
            Fitted, without the attributes that describe the course of a training, such as `loss_curve_`.

        Raises
        ------
        fastnet.ModelError
            If the file cannot be read, or the model predicts numbers and the estimator classes, or the other way round.
        fastnet.ConfigError
            If `model` is neither a path nor a model.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> import fastnet
        >>> data = ([[0.0], [0.1], [0.9], [1.0]] * 5, ["low", "low", "high", "high"] * 5)
        >>> model = fastnet.train(data, fastnet.TrainConfig(hidden=(), learning_rate=1.0)).model
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(Path(folder) / "model.safetensors")
        ...     network = fastnet.FastNetClassifier.from_model(Path(folder) / "model.safetensors")
        >>> network.predict([[0.05], [0.95]]).tolist(), network.classes_.tolist(), network.n_features_in_
        (['low', 'high'], ['high', 'low'], 1)
        """
        found = model if isinstance(model, (Model, Ensemble)) else _read(model)
        if found.task not in cls._tasks:
            other = "FastNetRegressor" if found.task == "regression" else "FastNetClassifier"
            shown = "the model" if found is model else str(model)
            raise ModelError(f"{shown} predicts {_NAMES[found.task]}: use {other}.from_model instead")
        estimator = cls(**parameters_of(found))
        estimator.__dict__.update(attributes_of(found))
        return estimator

    def _check_goes_on(self) -> None:
        """Raise `ConfigError` if a fitted network is that of a file, so that no training can go on with it."""
        if not hasattr(self, "_kept"):
            raise ConfigError(
                "this network is from a model file, which has no state of the optimizer to go on with: call fit with "
                "warm_start=False, which trains a new one"
            )


def _read(path: Any) -> Model | Ensemble:
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise ConfigError(
            f"model is a {type(path).__name__}: give the path of a model file, or what fastnet.load_model returns"
        )
    return load_model(path)  # type: ignore[arg-type]


def parameters_of(model: Model | Ensemble) -> dict[str, Any]:
    """Return the parameters of an estimator that trains as a model was trained, as far as its settings tell.

    Examples
    --------
    >>> import fastnet
    >>> config = fastnet.TrainConfig(hidden=(4,), optimizer="momentum", epochs=2)
    >>> found = parameters_of(fastnet.train(([[0.0], [1.0]] * 9, [0, 1] * 9), config).model)
    >>> found["hidden_layer_sizes"], found["solver"], found["nesterovs_momentum"], found["max_iter"]
    ((4,), 'sgd', False, 2)
    """
    members = model.members if isinstance(model, Ensemble) else (model,)
    first = members[0]
    config = _config_of(first)
    by_sgd = config.optimizer in ("sgd", "momentum", "nesterov")
    of_estimator = first.settings.get("data") == NAME and config.train_score == "none"
    found: dict[str, Any] = {
        "hidden_layer_sizes": first.spec.hidden,
        "activation": first.spec.activation,
        "init": first.spec.init,
        "solver": "sgd" if by_sgd else config.optimizer,
        "momentum": 0.0 if config.optimizer == "sgd" else config.momentum,
        "nesterovs_momentum": config.optimizer == "nesterov" or not by_sgd,
        "learning_rate": config.schedule,
        "learning_rate_init": config.effective_learning_rate,
        "weight_decay": config.weight_decay,
        "beta_1": config.beta1,
        "beta_2": config.beta2,
        "epsilon": config.epsilon,
        "relative_rate": config.relative_rate,
        "heads": config.heads,
        "dropout": config.dropout,
        "batch_size": config.batch_size,
        "max_iter": config.epochs,
        "random_state": config.seed % 2**32,  # NumPy's generators take no larger ones
        "numbers": _numbers_of(model.pipeline),
        "n_networks": len(members),
    }
    return found | _ending_of(config, of_estimator, "best_epoch" in first.metrics) | _of_task(first, config)


def _ending_of(config: TrainConfig, of_estimator: bool, kept_best: bool) -> dict[str, Any]:
    """Return what ends a training; outside estimators the best epoch by the score is always kept."""
    patience = config.epochs if config.early_stopping in (None, config.epochs) else config.early_stopping - 1
    found = {"n_iter_no_change": max(patience, 1), "early_stopping": kept_best or not of_estimator}
    return found if of_estimator else found | {"tol": 0.0, "validation_fraction": 0.2, "metric": "score"}


def _of_task(model: Model, config: TrainConfig) -> dict[str, Any]:
    if model.task == "regression":
        found: dict[str, Any] = {"loss": _OBJECTIVES[model.objective], "huber_delta": config.huber_delta}
        return found | ({"quantiles": model.quantiles} if model.quantiles else {})
    return {"label_smoothing": config.label_smoothing, "class_weight": config.class_weight}


def _config_of(model: Model) -> TrainConfig:
    """Return the settings of a network; those that its file leaves out are the defaults."""
    own = {name: model.settings[name] for name in TrainConfig.__dataclass_fields__ if name in model.settings}
    try:
        return train_config_from(own | {"hidden": model.spec.hidden, "objective": "auto"})
    except (FastnetError, TypeError, AttributeError) as error:
        raise ModelError(f"the settings of the model are damaged ({error})") from error


def _numbers_of(pipeline: Pipeline) -> str:
    if isinstance(pipeline, TablePipeline):
        return pipeline.numbers
    if isinstance(pipeline, SparseScaler):
        return "auto" if pipeline.factors is None else "standard"
    assert isinstance(pipeline, Scaler)
    return "raw" if not pipeline.offset.any() and (pipeline.scale == 1.0).all() else "auto"


def attributes_of(model: Model | Ensemble) -> dict[str, Any]:
    """Return the attributes of an estimator that was fitted to what a model was trained on.

    Examples
    --------
    >>> import fastnet
    >>> model = fastnet.train(([[0.0], [1.0]] * 9, ["a", "b"] * 9), fastnet.TrainConfig(hidden=(), epochs=1)).model
    >>> found = attributes_of(model)
    >>> found["classes_"].tolist(), found["n_features_in_"], found["out_activation_"]
    (['a', 'b'], 1, 'softmax')
    """
    first = model.members[0] if isinstance(model, Ensemble) else model
    table = model.schema is not None
    found: dict[str, Any] = {
        "model_": model,
        "n_features_in_": model.n_inputs,
        "n_layers_": len(first.spec.sizes),
        "n_outputs_": first.spec.n_outputs,
        "out_activation_": OUT_ACTIVATIONS[model.task],
        "_several": model.task == "multilabel" or (model.task == "regression" and len(model.class_names) > 1),
        "_table": table,
        "_by_name": table,
    }
    if model.schema is not None:
        names = model.schema.features_from
        found |= {"n_features_in_": len(names), "feature_names_in_": np.array(names, dtype=object)}
    if model.task == "classification":
        found["classes_"] = model.classes.copy()
    elif model.task == "multilabel":
        found["classes_"] = np.arange(len(model.class_names))
    return found
