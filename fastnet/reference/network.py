"""The mathematics of one network: layers and gradients; its loss is in `objective`.

Shapes: ``B`` samples of a batch, ``I`` inputs and ``O`` outputs of a layer. Every function keeps the type of its
arrays, float32 or float64; scalars are plain Python floats, which never widen an array.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastnet.reference import heads as of_heads
from fastnet.reference.activation import activate, activation_slope
from fastnet.reference.objective import OBJECTIVES, PLAIN, Details, Floats, Targets

Mask = NDArray[np.bool_]


def affine_forward(x: Floats, w: Floats, b: Floats) -> Floats:
    """Compute ``x @ w + b`` for (B, I) inputs, (I, O) weights and (O,) biases.

    >>> affine_forward(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([5.0]))
    array([[16.]])
    """
    return x @ w + b


def dropout(y: Floats, keep: Mask | None, scale: float) -> Floats:
    """Set dropped units to zero and multiply the others by `scale` (Srivastava et al., JMLR 15, 2014).

    >>> dropout(np.array([[1.0, 2.0]]), np.array([[True, False]]), 4.0).tolist()
    [[4.0, 0.0]]
    """
    kept = y if keep is None else np.where(keep, y, y.dtype.type(0))
    return kept * scale


def scales(dropout: float, dropout_scaling: str) -> tuple[float, float]:
    """Return the factors of hidden outputs in training and in evaluation; "test-time" is the book's (section 6.4.3).

    >>> scales(0.5, "inverted"), scales(0.5, "test-time")
    ((2.0, 1.0), (1.0, 0.5))
    """
    return {"inverted": (1.0 / (1.0 - dropout), 1.0), "test-time": (1.0, 1.0 - dropout)}[dropout_scaling]


def hidden_forward(
    x: Floats, w: Floats, b: Floats, keep: Mask | None, scale: float, activation: str = "relu", heads: int = 1
) -> Floats:
    """Compute one hidden layer, (B, O): affine, then the activation, then dropout; the first one for all `heads`.

    >>> hidden_forward(np.array([[1.0]]), np.array([[2.0, -2.0]]), np.zeros(2), None, 1.0).tolist()
    [[2.0, 0.0]]
    """
    return dropout(activate(of_heads.spread(affine_forward(x, w, b), heads), activation), keep, scale)


def hidden_slope(
    x: Floats, w: Floats, b: Floats, keep: Mask | None, scale: float, activation: str = "relu", heads: int = 1
) -> Floats:
    """Compute the derivative of every element of `hidden_forward` with respect to what is activated, (B, O).

    >>> hidden_slope(np.array([[1.0]]), np.array([[2.0, -2.0]]), np.zeros(2), None, 4.0).tolist()
    [[4.0, 0.0]]
    """
    return dropout(activation_slope(of_heads.spread(affine_forward(x, w, b), heads), activation), keep, scale)


def _each(scale: float | Sequence[float], n_hidden: int) -> Sequence[float]:
    return scale if isinstance(scale, Sequence) else [scale] * n_hidden


def forward(
    weights: Sequence[Floats],
    biases: Sequence[Floats],
    x: Floats,
    scale: float | Sequence[float],
    keeps: Sequence[Mask | None] | None = None,
    activation: str = "relu",
    heads: int = 1,
) -> list[Floats]:
    """Compute the output of every layer, (B, O) each: the hidden ones, then the network's.

    `scale` comes from `scales`, for all hidden layers or one each; `keeps` are the (B, O) masks of a training step.
    With M heads all have M B rows, and `heads.mean` turns the last into what the network answers.

    >>> weights, biases = [np.eye(2), np.ones((2, 1))], [np.zeros(2), np.ones(1)]
    >>> [y.tolist() for y in forward(weights, biases, np.array([[3.0, -1.0]]), 1.0)]
    [[[3.0, 0.0]], [[4.0]]]
    """
    if keeps is None:
        keeps = [None] * (len(weights) - 1)
    outputs: list[Floats] = []
    y = x
    for w, b, keep, factor in zip(weights[:-1], biases[:-1], keeps, _each(scale, len(weights) - 1), strict=True):
        y = hidden_forward(y, w, b, keep, factor, activation, 1 if outputs else heads)
        outputs.append(y)
    outputs.append(affine_forward(y, weights[-1], biases[-1]))
    return outputs


def hidden_slopes(
    weights: Sequence[Floats],
    biases: Sequence[Floats],
    x: Floats,
    outputs: Sequence[Floats],
    scale: float | Sequence[float],
    keeps: Sequence[Mask | None] | None = None,
    activation: str = "relu",
    heads: int = 1,
) -> list[Floats]:
    """Compute `hidden_slope` of every hidden layer, (B, O) each, from the `outputs` of `forward`.

    >>> weights, biases, x = [np.eye(2), np.ones((2, 1))], [np.zeros(2), np.ones(1)], np.array([[3.0, -1.0]])
    >>> [slope.tolist() for slope in hidden_slopes(weights, biases, x, forward(weights, biases, x, 1.0), 1.0)]
    [[[1.0, 0.0]]]
    """
    n_hidden = len(weights) - 1
    layers = zip(
        [x, *outputs][:n_hidden], weights[:-1], biases[:-1], keeps or [None] * n_hidden, _each(scale, n_hidden),
        strict=True,
    )  # fmt: skip
    return [hidden_slope(*layer, activation, 1 if place else heads) for place, layer in enumerate(layers)]


def evaluate(
    weights: Sequence[Floats],
    biases: Sequence[Floats],
    x: Floats,
    targets: Targets,
    scale: float | Sequence[float],
    activation: str = "relu",
    objective: str = "cross-entropy",
    details: Details = PLAIN,
    heads: int = 1,
) -> tuple[float, float]:
    """Compute loss and score of an objective with every unit kept, without the weight penalty.

    >>> evaluate([np.eye(2)], [np.zeros(2)], np.array([[50.0, 0.0]]), np.array([0]), 1.0)[1]
    1.0
    """
    outputs = of_heads.mean(forward(weights, biases, x, scale, None, activation, heads)[-1], heads)
    chosen = OBJECTIVES[objective]
    return chosen.loss(outputs, targets, 0.0, details), chosen.score(outputs, targets, details)


def input_gradient(dy: Floats, w: Floats, y: Floats, scale: float) -> Floats:
    """Carry a (B, O) gradient back through weights and a layer of ReLUs: ``(dy @ wᵀ) * (y > 0) * scale``, (B, I).

    `y` is the hidden layer's output with that scale: zero wherever its ReLU or its dropout was closed.

    >>> input_gradient(np.array([[1.0]]), np.array([[3.0], [5.0]]), np.array([[0.0, 7.0]]), 2.0).tolist()
    [[0.0, 10.0]]
    """
    return np.where(y > 0, dy @ w.T, y.dtype.type(0)) * scale


def weight_gradient(x: Floats, dy: Floats) -> Floats:
    """Compute the gradient with respect to the weights, ``xᵀ @ dy``, (I, O).

    >>> weight_gradient(np.array([[1.0, 2.0]]), np.array([[3.0]])).tolist()
    [[3.0], [6.0]]
    """
    return x.T @ dy


def bias_gradient(dy: Floats) -> Floats:
    """Compute the gradient with respect to the biases, (O,): the sum over the batch.

    >>> bias_gradient(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [4.0, 6.0]
    """
    total: Floats = dy.sum(axis=0)
    return total


def backward(
    weights: Sequence[Floats],
    outputs: Sequence[Floats],
    targets: Targets,
    scale: float | Sequence[float],
    label_smoothing: float = 0.0,
    slopes: Sequence[Floats] | None = None,
    objective: str = "cross-entropy",
    details: Details = PLAIN,
    heads: int = 1,
) -> list[Floats]:
    """Compute the gradient of the loss with respect to the affine part of every layer, (B, O) each, first to last.

    With several heads the loss is the mean of those of each.

    `weight_gradient` and `bias_gradient` turn them into those of the parameters. `outputs` and `scale` are those of
    `forward`, `slopes` those of `hidden_slopes`; without slopes the hidden layers are ReLUs.

    >>> outputs = forward([np.eye(2)], [np.zeros(2)], np.zeros((1, 2)), 1.0)
    >>> backward([np.eye(2)], outputs, np.array([0]), 1.0)[0].tolist()
    [[-0.5, 0.5]]
    """
    of_all, more = of_heads.repeated(targets, details, heads)
    answers = of_heads.own(outputs[-1], heads)
    dys = [of_heads.put_back(OBJECTIVES[objective].gradient(answers, of_all, label_smoothing, more), heads)]
    if slopes is not None:
        for w, slope in zip(reversed(weights[1:]), reversed(slopes), strict=True):
            dys.insert(0, (dys[0] @ w.T) * slope)
    else:
        factors = _each(scale, len(weights) - 1)
        for w, y, factor in zip(reversed(weights[1:]), reversed(outputs[:-1]), reversed(factors), strict=True):
            dys.insert(0, input_gradient(dys[0], w, y, factor))
    return [of_heads.fold(dys[0], heads), *dys[1:]]
