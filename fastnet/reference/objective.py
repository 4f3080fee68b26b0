"""The objectives: loss, gradient and score of a batch's outputs and targets.

Shapes: ``B`` samples of a batch, ``K`` outputs. A loss is a mean over the batch; so is its gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Targets = NDArray[Any]
"""Classes, (B,) int, or numbers, (B, K)."""


def softmax(logits: Floats) -> Floats:
    """Turn each row of logits into probabilities; the largest logit is subtracted first, so that nothing overflows.

    >>> softmax(np.array([[1000.0, 1000.0]])).tolist()
    [[0.5, 0.5]]
    """
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def cross_entropy(logits: Floats, labels: Targets, label_smoothing: float = 0.0) -> float:
    """Compute the mean over the batch of ``-sum(target * log(softmax(logits)))``, in nats; labels are (B,) classes.

    With smoothing s in [0, 1) the target is ``(1 - s) one-hot(label) + s / K`` (Szegedy et al., *Rethinking the
    Inception architecture for computer vision*, CVPR 2016, section 7). Finite for finite logits, however large.

    >>> logits = np.array([[1000.0, 0.0], [0.0, 0.0]])
    >>> round(cross_entropy(logits, np.array([1, 0])), 6)  # the mean of 1000 and log(2)
    500.346574
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_total = np.log(np.exp(shifted).sum(axis=1))
    at_targets = shifted[np.arange(len(labels)), labels]
    if label_smoothing > 0:
        at_targets = (1.0 - label_smoothing) * at_targets + label_smoothing * shifted.mean(axis=1)
    losses = log_total - at_targets
    return float(losses.mean(dtype=np.float64))


def accuracy(logits: Floats, labels: Targets) -> float:
    """Compute the share of rows whose largest logit is the label's; of equal logits the first counts.

    >>> accuracy(np.array([[0.0, 2.0], [1.0, 1.0]]), np.array([1, 1]))
    0.5
    """
    return float(np.mean(logits.argmax(axis=1) == labels))


def output_gradient(logits: Floats, labels: Targets, label_smoothing: float = 0.0) -> Floats:
    """Compute the gradient of `cross_entropy` with respect to the logits: ``(softmax - target) / B``.

    >>> output_gradient(np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([0, 1])).tolist()
    [[-0.25, 0.25], [0.25, -0.25]]
    """
    dlogits: Floats = softmax(logits) - label_smoothing / logits.shape[1]
    dlogits[np.arange(len(labels)), labels] -= 1.0 - label_smoothing
    mean: Floats = dlogits / len(labels)
    return mean


def half_squared_error(outputs: Floats, targets: Targets, label_smoothing: float = 0.0) -> float:
    """Compute the mean over the batch of half the sum of squared differences; there are no labels to smooth.

    >>> half_squared_error(np.array([[1.0, 2.0]]), np.array([[3.0, 2.0]]))
    2.0
    """
    return float(0.5 * np.square(outputs - targets).sum(axis=1).mean(dtype=np.float64))


def difference(outputs: Floats, targets: Targets, label_smoothing: float = 0.0) -> Floats:
    """Compute the gradient of `half_squared_error` with respect to the outputs: ``(outputs - targets) / B``.

    >>> difference(np.array([[1.0], [2.0]]), np.array([[3.0], [2.0]])).tolist()
    [[-1.0], [0.0]]
    """
    mean: Floats = (outputs - targets) / len(outputs)
    return mean


def mean_squared_error(outputs: Floats, targets: Targets) -> float:
    """Compute the mean squared difference over the batch and its K outputs.

    >>> mean_squared_error(np.array([[1.0, 2.0]]), np.array([[3.0, 2.0]]))
    2.0
    """
    return float(np.square(outputs - targets).mean(dtype=np.float64))


class Objective(NamedTuple):
    """What is learnt: ``loss(outputs, targets, label_smoothing)``, its ``gradient``, and the ``score``."""

    loss: Callable[[Floats, Targets, float], float]
    gradient: Callable[[Floats, Targets, float], Floats]
    score: Callable[[Floats, Targets], float]


OBJECTIVES = {
    "cross-entropy": Objective(cross_entropy, output_gradient, accuracy),
    "squared-error": Objective(half_squared_error, difference, mean_squared_error),
}
