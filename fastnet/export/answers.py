"""Networks and what becomes of their outputs, as nodes of an ONNX graph.

Networks of one form that read the same inputs are stacked: their values have an axis of members before all others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnet.export.graph import Graph
from fastnet.model.classifier import Model
from fastnet.model.predictor import Predictor

KIND = {"cross-entropy": "softmax", "binary-cross-entropy": "sigmoid", "pinball": "sort", "poisson": "exp"}
"""What becomes of the outputs of an objective; those of others stay as they are."""

SLOPE = 0.01
"""Slope of the leaky ReLU below zero."""

_LEAST = float(np.finfo(np.float32).tiny)


def form_of(model: Model) -> tuple[Any, ...]:
    """Return what networks must have in common to be stacked."""
    log = model.target_scaler is not None and model.target_scaler.log
    calibrated = model.temperature != 1.0, bool(model.shifts)
    shape = model.spec.sizes, model.spec.heads, model.spec.activation
    return id(model.pipeline), *shape, KIND.get(model.objective), log, *calibrated


def answers_of(graph: Graph, inputs: str, members: Sequence[Model]) -> str:
    """Return the answers of networks of one form: (N, O), or (K, N, O) of several, as `Predictor.answers` gives them.

    Probabilities are float32, numbers float64.
    """
    first = members[0]
    answers = _outputs(graph, inputs, members)
    kind = KIND.get(first.objective)
    if kind == "softmax":
        answers = graph.op("Softmax", answers, axis=-1)
    elif kind == "sigmoid":
        answers = graph.op("Sigmoid", answers)
    elif kind == "exp":
        answers = graph.cast(graph.op("Exp", graph.cast(answers, "DOUBLE")), "FLOAT")
    elif kind == "sort":
        answers = _ascending(graph, answers, len(first.quantiles), stacked=len(members) > 1)
    if first.target_scaler is not None:
        answers = _inverted(graph, answers, members)
    return corrected(graph, answers, members)


def corrected(graph: Graph, answers: str, members: Sequence[Predictor]) -> str:
    """Return answers with the temperature or the shifts of each model."""
    first = members[0]
    if first.shifts:
        limits = [member._limits() for member in members]
        shifted = graph.op("Add", answers, _each(graph, [np.array(member.shifts) for member in members]))
        in_order = _ascending(graph, shifted, len(first.quantiles), stacked=len(members) > 1)
        return _within(graph, in_order, limits, len(first.quantiles))
    if first.temperature == 1.0:
        return answers
    least = graph.op("Max", graph.cast(answers, "DOUBLE"), graph.constant(np.float64(_LEAST)))
    temperatures = _each(graph, [np.array([member.temperature]) for member in members])
    scaled = graph.op("Softmax", graph.op("Div", graph.op("Log", least), temperatures), axis=-1)
    return graph.cast(scaled, "FLOAT")


def mean_of(graph: Graph, parts: Sequence[tuple[str, Sequence[int]]], *, numbers: bool) -> str:
    """Average the answers of all networks in float64; each part has the counts of its networks, stacked if several."""
    total = sum(sum(counts) for _, counts in parts)
    sums = []
    for answers, counts in parts:
        weighted = graph.op("Mul", answers if numbers else graph.cast(answers, "DOUBLE"),
                            _each(graph, [np.array([count], np.float64) for count in counts]))  # fmt: skip
        axes = graph.constant(np.array([0]))
        sums.append(graph.op("ReduceSum", weighted, axes, keepdims=0) if len(counts) > 1 else weighted)
    whole = sums[0]
    for more in sums[1:]:
        whole = graph.op("Add", whole, more)
    mean = graph.op("Div", whole, graph.constant(np.float64(total)))
    return mean if numbers else graph.cast(mean, "FLOAT")


def _outputs(graph: Graph, inputs: str, members: Sequence[Model]) -> str:
    """Return the raw outputs of the last layer."""
    if members[0].spec.heads > 1:
        return _mean_of_heads(graph, inputs, members)
    value, last = inputs, len(members[0].weights) - 1
    for layer in range(last + 1):
        biases = [member.biases[layer] for member in members]
        if len(members) == 1:
            value = graph.op("Gemm", value, graph.constant(members[0].weights[layer]), graph.constant(biases[0]))
        else:
            stacked = graph.constant(np.stack([member.weights[layer] for member in members]))
            value = graph.op("Add", graph.op("MatMul", value, stacked), _each(graph, biases))
        if layer < last:
            value = ACTIVATIONS[members[0].spec.activation](graph, value)
            scales = np.array([[member.eval_scales[layer]] for member in members], np.float32)
            value = graph.op("Mul", value, _each(graph, [*scales])) if (scales != 1).any() else value
    return value


def _mean_of_heads(graph: Graph, inputs: str, members: Sequence[Model]) -> str:
    """Return the same of networks with several heads, whose values have an axis of heads after that of members."""
    from fastnet.kernels.heads import signs_of

    spec, last = members[0].spec, len(members[0].weights) - 1

    def each(arrays: Sequence[npt.NDArray[Any]]) -> str:
        return graph.constant(arrays[0] if len(members) == 1 else np.stack(arrays))

    def split(array: npt.NDArray[Any]) -> npt.NDArray[Any]:  # (., M K) to (M, ., K)
        return np.moveaxis(array.reshape(len(array), spec.heads, -1), 1, 0)

    value = inputs
    for layer in range(last + 1):
        of_head = split if layer == last else np.asarray if layer == 0 else partial(np.expand_dims, axis=0)
        weights = each([of_head(member.weights[layer]) for member in members])
        biases = each([of_head(member.biases[layer][None]) for member in members])
        value = graph.op("Add", graph.op("MatMul", value, weights), biases)
        if layer == 0:
            signs = graph.constant(signs_of(spec.heads, spec.hidden[0])[:, None, : spec.hidden[0]])
            value = graph.op("Mul", graph.op("Unsqueeze", value, graph.constant(np.array([-3]))), signs)
        if layer < last:
            value = ACTIVATIONS[spec.activation](graph, value)
            scales = np.array([member.eval_scales[layer] for member in members], np.float32).reshape(-1, 1, 1, 1)
            value = graph.op("Mul", value, each([*scales])) if (scales != 1).any() else value
    return graph.op("ReduceMean", value, axes=[-3], keepdims=0)


def _gelu(graph: Graph, z: str) -> str:
    part = graph.op("Erf", graph.op("Div", z, graph.constant(np.float32(np.sqrt(2.0)))))
    twice = graph.op("Mul", z, graph.op("Add", part, graph.constant(np.float32(1.0))))
    return graph.op("Mul", twice, graph.constant(np.float32(0.5)))


ACTIVATIONS: dict[str, Callable[[Graph, str], str]] = {
    "relu": lambda graph, z: graph.op("Relu", z),
    "leaky-relu": lambda graph, z: graph.op("LeakyRelu", z, alpha=SLOPE),
    "tanh": lambda graph, z: graph.op("Tanh", z),
    "logistic": lambda graph, z: graph.op("Sigmoid", z),
    "gelu": _gelu,
    "silu": lambda graph, z: graph.op("Mul", z, graph.op("Sigmoid", z)),
}
"""The activations of hidden layers by name."""


def _each(graph: Graph, values: Sequence[npt.NDArray[Any]]) -> str:
    """Return a constant row of each network, which rows of its values are combined with."""
    return graph.constant(values[0] if len(values) == 1 else np.stack(values)[:, None, :])


def _ascending(graph: Graph, answers: str, n_levels: int, *, stacked: bool) -> str:
    """Put each `n_levels` answers in a row in ascending order."""
    if n_levels == 1:
        return answers
    kept = [0, 0] if stacked else [0]  # 0 leaves an axis as long as it is
    each = graph.op("Reshape", answers, graph.constant(np.array([*kept, -1, n_levels])))
    in_order = graph.op("TopK", each, graph.constant(np.array([n_levels])), unused=1, largest=0)
    return graph.op("Reshape", in_order, graph.constant(np.array([*kept, -1])))


def _inverted(graph: Graph, answers: str, members: Sequence[Model]) -> str:
    """Bring numbers back to the units of the targets, and into their range; see `TargetScaler.invert`."""
    scalers = [member.target_scaler for member in members if member.target_scaler is not None]
    n_levels = max(len(members[0].quantiles), 1)
    scale = _each(graph, [np.repeat(scaler.scale, n_levels) for scaler in scalers])
    mean = _each(graph, [np.repeat(scaler.mean, n_levels) for scaler in scalers])
    numbers = graph.op("Add", graph.op("Mul", graph.cast(answers, "DOUBLE"), scale), mean)
    if scalers[0].log:
        numbers = graph.op("Sub", graph.op("Exp", numbers), graph.constant(np.float64(1.0)))
    return _within(graph, numbers, [(scaler.low, scaler.high) for scaler in scalers], n_levels)


def _within(
    graph: Graph,
    numbers: str,
    limits: Sequence[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]],
    n_levels: int,
) -> str:
    low = _each(graph, [np.repeat(least, n_levels) for least, _ in limits])
    high = _each(graph, [np.repeat(most, n_levels) for _, most in limits])
    return graph.op("Min", graph.op("Max", numbers, low), high)
