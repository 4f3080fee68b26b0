"""A trained model as an ONNX file, from the columns of a table to the answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnet.errors import ModelError
from fastnet.export.answers import answers_of, corrected, form_of, mean_of
from fastnet.export.columns import table_features
from fastnet.export.encoding import first_inputs
from fastnet.export.graph import TYPES, Graph, need_onnx
from fastnet.model.classifier import Model
from fastnet.model.ensemble import Ensemble

if TYPE_CHECKING:
    import onnx

FEATURES = "features"
"""Name of the input of a model that reads no table."""

OUTPUTS = {
    "classification": ("label", "probabilities"),
    "multilabel": ("labels", "probabilities"),
    "regression": ("prediction",),
}
"""Names of the outputs for each task."""

LARGEST = 2**31 - 2**20
"""Most bytes of a file: Protocol Buffers end at 2 GiB."""


def onnx_model(model: Model | Ensemble) -> onnx.ModelProto:
    """Return a trained model as a model of ONNX.

    Raises
    ------
    ConfigError
        If the package onnx is missing.
    ModelError
        If it would take more than 2 GiB, or a column of its table has no name.
    """
    need_onnx()
    names = input_names(model)
    if "" in names:
        raise ModelError("the table has a column without a name, and inputs of ONNX need one: name it, and train again")
    outputs = {name: output_name(name, names) for name in OUTPUTS[model.task]}
    graph = Graph([*names, *outputs.values()])
    double = model.pipeline.dtype == np.float64
    if model.schema is None:
        kind = "DOUBLE" if double else "FLOAT"
        features = graph.input(FEATURES, kind, ["N", model.n_inputs], "samples in the units of the training data")
    else:
        features = table_features(graph, model.schema)
    answers = _answers(graph, features, model, double=double)
    if graph.size > LARGEST:
        raise ModelError(f"the model takes {graph.size / 2**30:.1f} GiB: an ONNX file cannot be larger than 2 GiB")
    _add_outputs(graph, answers, model, outputs)
    return graph.model(f"a model of fastnet: {model.task}", _metadata(model))


def input_names(model: Model | Ensemble) -> list[str]:
    """Return the names of the inputs: the columns of a table, or `FEATURES`."""
    return [FEATURES] if model.schema is None else list(model.schema.features_from)


def output_name(name: str, inputs: Sequence[str]) -> str:
    """Return the name of an output, with ``predicted_`` before it as long as an input has that name.

    Examples
    --------
    >>> output_name("label", ["age"]), output_name("label", ["age", "label"])
    ('label', 'predicted_label')
    """
    while name in inputs:
        name = f"predicted_{name}"
    return name


def _answers(graph: Graph, features: str, model: Model | Ensemble, *, double: bool) -> str:
    members = model.members if isinstance(model, Ensemble) else (model,)
    counts = model.weights if isinstance(model, Ensemble) else (1,)
    inputs: dict[int, str] = {}
    groups: dict[tuple[Any, ...], list[int]] = {}
    for number, member in enumerate(members):
        if id(member.pipeline) not in inputs:
            inputs[id(member.pipeline)] = first_inputs(graph, features, member.pipeline, double=double)
        groups.setdefault(form_of(member), []).append(number)
    parts = [
        (
            answers_of(graph, inputs[id(members[group[0]].pipeline)], [members[k] for k in group]),
            [counts[k] for k in group],
        )
        for group in groups.values()
    ]
    if isinstance(model, Model):
        return parts[0][0]
    return corrected(graph, mean_of(graph, parts, numbers=model.task == "regression"), [model])


def _add_outputs(graph: Graph, answers: str, model: Model | Ensemble, names: dict[str, str]) -> None:
    if model.task == "regression":
        shape = [len(model.class_names)] if len(model.class_names) > 1 else []
        shape += [len(model.quantiles)] if model.quantiles else []
        shaped = graph.op("Reshape", answers, graph.constant(np.array([-1, *shape])))
        graph.output(names["prediction"], "DOUBLE", ["N", *shape], shaped)
        return
    width = len(model.class_names)
    if model.task == "multilabel":
        labels = graph.cast(graph.op("Greater", answers, graph.constant(np.float32(0.5))), "INT64")
        graph.output(names["labels"], "INT64", ["N", width], labels)
    else:
        kind = "STRING" if model.classes.dtype.kind == "U" else TYPES[model.classes.dtype.str[1:]]
        label = graph.op("Gather", graph.constant(model.classes), _decided(graph, answers, model.threshold))
        graph.output(names["label"], kind, ["N"], label)
    graph.output(names["probabilities"], "FLOAT", ["N", width], answers, json.dumps(list(model.class_names)))


def _decided(graph: Graph, probabilities: str, threshold: float | None) -> str:
    """Return the position of the predicted class; see `fastnet.model.scores.decided`."""
    if threshold is None:
        return graph.op("ArgMax", probabilities, axis=1, keepdims=0)
    second = graph.cast(graph.op("Gather", probabilities, graph.constant(np.int64(1)), axis=1), "DOUBLE")
    return graph.cast(graph.op("GreaterOrEqual", second, graph.constant(np.float64(threshold))), "INT64")


def _metadata(model: Model | Ensemble) -> dict[str, str]:
    """Return what a program needs to show the answers: the task, and the names of classes or targets."""
    found = {"fastnet.task": model.task, "fastnet.names": json.dumps(list(model.class_names), ensure_ascii=False)}
    return found | ({"fastnet.quantiles": json.dumps(list(model.quantiles))} if model.quantiles else {})
