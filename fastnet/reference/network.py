"""The mathematics of one network: layers and gradients; its loss is in `objective`.

Shapes: ``B`` rows of a batch, ``I`` inputs and ``O`` outputs of a layer. Every function keeps the type of its arrays,
float32 or float64; scalars are plain Python floats, which never widen an array.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastnet.reference.activation import activate, activation_slope
from fastnet.reference.objective import OBJECTIVES, Floats, Targets

Mask = NDArray[np.bool_]


def affine_forward(x: Floats, w: Floats, b: Floats) -> Floats:
    """Compute ``x @ w + b`` for one layer.

    Parameters
    ----------
    x : (B, I) array
    w : (I, O) array
    b : (O,) array

    Returns
    -------
    (B, O) array

    Examples
    --------
    >>> affine_forward(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([5.0]))
    array([[16.]])
    """
    return x @ w + b


def dropout(y: Floats, keep: Mask | None, scale: float) -> Floats:
    """Set the dropped units to zero and multiply the others by `scale`.

    Parameters
    ----------
    y : (B, O) array
    keep : (B, O) bool, or None
        True where the unit is kept; None keeps all.
    scale : float
        See `scales`.

    Returns
    -------
    (B, O) array

    Notes
    -----
    Srivastava et al., *Dropout: a simple way to prevent neural networks from overfitting*, JMLR 15 (2014).

    Examples
    --------
    >>> dropout(np.array([[1.0, 2.0]]), np.array([[True, False]]), 4.0).tolist()
    [[4.0, 0.0]]
    """
    kept = y if keep is None else np.where(keep, y, y.dtype.type(0))
    return kept * scale


def scales(dropout: float, dropout_scaling: str) -> tuple[float, float]:
    """Tell by what the hidden layers' outputs are multiplied in training and in evaluation.

    Parameters
    ----------
    dropout : float
        Probability that a unit is dropped, in [0, 1).
    dropout_scaling : {"inverted", "test-time"}

    Returns
    -------
    scale_train, scale_eval : float
        ``1 / (1 - dropout), 1`` when inverted, else ``1, 1 - dropout``.

    Examples
    --------
    >>> scales(0.5, "inverted"), scales(0.5, "test-time")
    ((2.0, 1.0), (1.0, 0.5))
    """
    return {"inverted": (1.0 / (1.0 - dropout), 1.0), "test-time": (1.0, 1.0 - dropout)}[dropout_scaling]


def hidden_forward(
    x: Floats, w: Floats, b: Floats, keep: Mask | None, scale: float, activation: str = "relu"
) -> Floats:
    """Compute one hidden layer: affine, then the activation, then dropout.

    Parameters
    ----------
    x, w, b
        See `affine_forward`.
    keep, scale
        See `dropout`.
    activation : str
        See `activation.ACTIVATIONS`.

    Returns
    -------
    (B, O) array
        With ReLU zero wherever it or dropout closed the unit, greater than zero elsewhere.

    Examples
    --------
    >>> hidden_forward(np.array([[1.0]]), np.array([[2.0, -2.0]]), np.zeros(2), None, 1.0).tolist()
    [[2.0, 0.0]]
    """
    return dropout(activate(affine_forward(x, w, b), activation), keep, scale)


def hidden_slope(x: Floats, w: Floats, b: Floats, keep: Mask | None, scale: float, activation: str = "relu") -> Floats:
    """Compute the derivative of every element of `hidden_forward` with respect to that of its affine part.

    Parameters
    ----------
    x, w, b, keep, scale, activation
        See `hidden_forward`.

    Returns
    -------
    (B, O) array

    Examples
    --------
    >>> hidden_slope(np.array([[1.0]]), np.array([[2.0, -2.0]]), np.zeros(2), None, 4.0).tolist()
    [[4.0, 0.0]]
    """
    return dropout(activation_slope(affine_forward(x, w, b), activation), keep, scale)


def _each(scale: float | Sequence[float], n_hidden: int) -> Sequence[float]:
    return scale if isinstance(scale, Sequence) else [scale] * n_hidden


def forward(
    weights: Sequence[Floats],
    biases: Sequence[Floats],
    x: Floats,
    scale: float | Sequence[float],
    keeps: Sequence[Mask | None] | None = None,
    activation: str = "relu",
) -> list[Floats]:
    """Compute what every layer puts out.

    Parameters
    ----------
    weights, biases : one (I, O) and one (O,) array per layer
    x : (B, I) array
        Input of the first layer.
    scale : float or one per hidden layer
        Of the hidden layers, in training or in evaluation, see `scales`.
    keeps : one (B, O) bool per hidden layer, or None
        The masks of a training step; None in evaluation.
    activation : str
        Of the hidden layers, see `activation.ACTIVATIONS`.

    Returns
    -------
    list of (B, O) arrays
        Output of each hidden layer, and last the network's.

    Examples
    --------
    >>> weights, biases = [np.eye(2), np.ones((2, 1))], [np.zeros(2), np.ones(1)]
    >>> [y.tolist() for y in forward(weights, biases, np.array([[3.0, -1.0]]), 1.0)]
    [[[3.0, 0.0]], [[4.0]]]
    """
    if keeps is None:
        keeps = [None] * (len(weights) - 1)
    outputs: list[Floats] = []
    y = x
    for w, b, keep, factor in zip(weights[:-1], biases[:-1], keeps, _each(scale, len(weights) - 1), strict=True):
        y = hidden_forward(y, w, b, keep, factor, activation)
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
) -> list[Floats]:
    """Compute the derivative of every hidden layer's outputs with respect to its affine part.

    Parameters
    ----------
    weights, biases, x, scale, keeps, activation
        See `forward`.
    outputs : one (B, O) array per layer
        What `forward` returned.

    Returns
    -------
    list of (B, O) arrays
        One per hidden layer, see `hidden_slope`.

    Examples
    --------
    >>> weights, biases, x = [np.eye(2), np.ones((2, 1))], [np.zeros(2), np.ones(1)], np.array([[3.0, -1.0]])
    >>> [slope.tolist() for slope in hidden_slopes(weights, biases, x, forward(weights, biases, x, 1.0), 1.0)]
    [[[1.0, 0.0]]]
    """
    n_hidden = len(weights) - 1
    layers = zip(
        [x, *outputs][:n_hidden], weights[:-1], biases[:-1], keeps or [None] * n_hidden, _each(scale, n_hidden),
        strict=True,
    )  # fmt: skip
    return [hidden_slope(*layer, activation) for layer in layers]


def evaluate(
    weights: Sequence[Floats],
    biases: Sequence[Floats],
    x: Floats,
    targets: Targets,
    scale: float | Sequence[float],
    activation: str = "relu",
    objective: str = "cross-entropy",
) -> tuple[float, float]:
    """Compute loss and score with every unit kept.

    Parameters
    ----------
    weights, biases, x
        See `forward`.
    targets, objective
        See `objective.OBJECTIVES`.
    scale : float or one per hidden layer
        In evaluation, see `scales`.
    activation : str
        See `forward`.

    Returns
    -------
    loss, score : float
        Of the objective, without the weights' penalty.

    Examples
    --------
    >>> evaluate([np.eye(2)], [np.zeros(2)], np.array([[50.0, 0.0]]), np.array([0]), 1.0)[1]
    1.0
    """
    outputs = forward(weights, biases, x, scale, None, activation)[-1]
    loss, _, score = OBJECTIVES[objective]
    return loss(outputs, targets, 0.0), score(outputs, targets)


def input_gradient(dy: Floats, w: Floats, y: Floats, scale: float) -> Floats:
    """Carry a gradient back through the weights `w` and the hidden layer of ReLUs before them.

    Parameters
    ----------
    dy : (B, O) array
        Gradient with respect to ``y @ w + b``.
    w : (I, O) array
    y : (B, I) array
        What the hidden layer put out; zero wherever its ReLU or its dropout was closed.
    scale : float
        The one the hidden layer was computed with.

    Returns
    -------
    (B, I) array
        Gradient with respect to the hidden layer's affine part: ``(dy @ wᵀ) * (y > 0) * scale``.

    Examples
    --------
    >>> input_gradient(np.array([[1.0]]), np.array([[3.0], [5.0]]), np.array([[0.0, 7.0]]), 2.0).tolist()
    [[0.0, 10.0]]
    """
    return np.where(y > 0, dy @ w.T, y.dtype.type(0)) * scale


def weight_gradient(x: Floats, dy: Floats) -> Floats:
    """Compute the gradient with respect to the weights, ``xᵀ @ dy``.

    Parameters
    ----------
    x : (B, I) array
        Input of the layer.
    dy : (B, O) array
        Gradient with respect to ``x @ w + b``.

    Returns
    -------
    (I, O) array

    Examples
    --------
    >>> weight_gradient(np.array([[1.0, 2.0]]), np.array([[3.0]])).tolist()
    [[3.0], [6.0]]
    """
    return x.T @ dy


def bias_gradient(dy: Floats) -> Floats:
    """Compute the gradient with respect to the biases: the sum over the batch.

    Examples
    --------
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
) -> list[Floats]:
    """Compute the gradient of the loss with respect to the affine part of every layer.

    Parameters
    ----------
    weights : one (I, O) array per layer
    outputs : one (B, O) array per layer
        What `forward` returned.
    targets, objective, label_smoothing
        See `objective.OBJECTIVES`.
    scale : float or one per hidden layer
        What was given to `forward`.
    slopes : one (B, O) array per hidden layer, or None
        See `hidden_slopes`; None takes those of ReLU from the outputs.

    Returns
    -------
    list of (B, O) arrays
        One per layer, first to last. Those of the weights and biases follow by `weight_gradient` and `bias_gradient`.

    Examples
    --------
    >>> outputs = forward([np.eye(2)], [np.zeros(2)], np.zeros((1, 2)), 1.0)
    >>> backward([np.eye(2)], outputs, np.array([0]), 1.0)[0].tolist()
    [[-0.5, 0.5]]
    """
    dys = [OBJECTIVES[objective].gradient(outputs[-1], targets, label_smoothing)]
    if slopes is not None:
        for w, slope in zip(reversed(weights[1:]), reversed(slopes), strict=True):
            dys.insert(0, (dys[0] @ w.T) * slope)
        return dys
    factors = _each(scale, len(weights) - 1)
    for w, y, factor in zip(reversed(weights[1:]), reversed(outputs[:-1]), reversed(factors), strict=True):
        dys.insert(0, input_gradient(dys[0], w, y, factor))
    return dys
