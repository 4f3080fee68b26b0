"""The objectives: loss, gradient and score of a batch's outputs and targets.

Shapes: ``B`` samples of a batch, ``K`` outputs. A loss is a mean over the batch; so is its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Targets = NDArray[Any]
"""Classes, (B,) int, or numbers, (B, K)."""
Elementwise = Callable[[Floats, Targets, "Details"], Floats]


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


class Details(NamedTuple):
    """More that an objective needs: sample weights, (B,), the levels of quantiles, the border of Huber's loss."""

    weights: Floats | None = None
    levels: Sequence[float] = ()
    delta: float = 1.0

    def mean(self, losses: Floats) -> float:
        """Average over the batch what each sample contributes, (B,), times its weight."""
        return float((losses if self.weights is None else self.weights * losses).mean(dtype=np.float64))

    def share(self, slopes: Floats) -> Floats:
        """Turn the derivatives of every sample, (B, K), into those of the mean."""
        mean: Floats = (slopes if self.weights is None else self.weights[:, None] * slopes) / len(slopes)
        return mean


PLAIN = Details()


def softmax_losses(logits: Floats, labels: Targets, label_smoothing: float, details: Details) -> Floats:
    """Compute the loss of every sample in `cross_entropy`, (B,)."""
    rows = range(len(labels))
    return np.array([cross_entropy(logits[r : r + 1], labels[r : r + 1], label_smoothing) for r in rows])


def binary_losses(outputs: Floats, targets: Targets, details: Details = PLAIN) -> Floats:
    """Compute ``-t log p - (1 - t) log(1 - p)`` with p = 1 / (1 + e^-z) of each output z and label t in {0, 1}.

    >>> binary_losses(np.array([[0.0, 1000.0]]), np.array([[1.0, 0.0]])).round(6).tolist()
    [[0.693147, 1000.0]]
    """
    losses: Floats = np.maximum(outputs, 0.0) - outputs * targets + np.log1p(np.exp(-np.abs(outputs)))
    return losses


def binary_slopes(outputs: Floats, targets: Targets, details: Details = PLAIN) -> Floats:
    """Compute the derivatives of `binary_losses`: ``p - t``."""
    slopes: Floats = sigmoid(outputs) - targets
    return slopes


def binary_scores(outputs: Floats, targets: Targets, details: Details = PLAIN) -> Floats:
    """Return 1 where the more probable label, 0 on a tie, is the right one, and 0 elsewhere."""
    right: Floats = ((outputs > 0) == (targets > 0.5)).astype(np.float64)
    return right


def sigmoid(outputs: Floats) -> Floats:
    """Compute ``1 / (1 + e^-z)`` without overflow.

    >>> sigmoid(np.array([-1000.0, 0.0])).tolist()
    [0.0, 0.5]
    """
    e = np.exp(-np.abs(outputs))
    probabilities: Floats = np.where(outputs >= 0, 1.0, e) / (1.0 + e)
    return probabilities


def half_squares(outputs: Floats, targets: Targets, details: Details = PLAIN) -> Floats:
    """Compute half of each squared difference."""
    losses: Floats = 0.5 * np.square(outputs - targets)
    return losses


def differences(outputs: Floats, targets: Targets, details: Details = PLAIN) -> Floats:
    """Compute each difference of output and target."""
    slopes: Floats = outputs - targets
    return slopes


def squares(outputs: Floats, targets: Targets, details: Details = PLAIN) -> Floats:
    """Compute each squared difference."""
    scores: Floats = np.square(outputs - targets)
    return scores


def magnitudes(outputs: Floats, targets: Targets, details: Details = PLAIN) -> Floats:
    """Compute the size of each difference."""
    losses: Floats = np.abs(outputs - targets)
    return losses


def signs(outputs: Floats, targets: Targets, details: Details = PLAIN) -> Floats:
    """Compute the sign of each difference, 0 for none."""
    slopes: Floats = np.sign(outputs - targets)
    return slopes


def huber_losses(outputs: Floats, targets: Targets, details: Details = PLAIN) -> Floats:
    """Compute half of each squared difference up to ``delta``, and ``delta (size - delta / 2)`` beyond (Huber 1964).

    >>> huber_losses(np.array([[0.5, 3.0]]), np.zeros((1, 2))).tolist()
    [[0.125, 2.5]]
    """
    size = np.abs(outputs - targets)
    losses: Floats = np.where(size <= details.delta, 0.5 * size * size, details.delta * (size - 0.5 * details.delta))
    return losses


def huber_slopes(outputs: Floats, targets: Targets, details: Details = PLAIN) -> Floats:
    """Compute the derivatives of `huber_losses`: differences, cut off at ``delta``."""
    slopes: Floats = np.clip(outputs - targets, -details.delta, details.delta)
    return slopes


def pinball_losses(outputs: Floats, targets: Targets, details: Details = PLAIN) -> Floats:
    """Compute ``max(q (t - z), (q - 1) (t - z))`` of each output z (Koenker and Bassett 1978).

    Of Q levels q, output ``k * Q + i`` is that of level i of target k.

    >>> pinball_losses(np.array([[1.0, 1.0]]), np.array([[3.0]]), Details(levels=(0.1, 0.9))).round(6).tolist()
    [[0.2, 1.8]]
    """
    levels = np.tile(details.levels, targets.shape[1])
    off = np.repeat(targets, len(details.levels), axis=1) - outputs
    losses: Floats = np.maximum(levels * off, (levels - 1.0) * off)
    return losses


def pinball_slopes(outputs: Floats, targets: Targets, details: Details = PLAIN) -> Floats:
    """Compute the derivatives of `pinball_losses`, 0 where output and target agree."""
    levels = np.tile(details.levels, targets.shape[1])
    off = outputs - np.repeat(targets, len(details.levels), axis=1)
    return np.where(off > 0, 1.0 - levels, np.where(off < 0, -levels, 0.0))


def poisson_losses(outputs: Floats, targets: Targets, details: Details = PLAIN) -> Floats:
    """Compute half the deviance of each count t whose expectation is e^z: ``e^z - t z - (t - t log t)``, never below 0.

    >>> poisson_losses(np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]])).tolist()
    [[0.0, 1.0]]
    """
    least = targets - targets * np.log(np.where(targets > 0, targets, 1.0))
    losses: Floats = np.exp(outputs) - targets * outputs - least
    return losses


def poisson_slopes(outputs: Floats, targets: Targets, details: Details = PLAIN) -> Floats:
    """Compute the derivatives of `poisson_losses`: expectation less count."""
    slopes: Floats = np.exp(outputs) - targets
    return slopes


def poisson_scores(outputs: Floats, targets: Targets, details: Details = PLAIN) -> Floats:
    """Compute the squared difference of each expectation and count."""
    scores: Floats = np.square(np.exp(outputs) - targets)
    return scores


class Objective:
    """What is learnt: the loss of a batch, its gradient, and its score, each from outputs, targets and `Details`."""

    def loss(self, outputs: Floats, targets: Targets, label_smoothing: float = 0.0, details: Details = PLAIN) -> float:
        """Compute the mean over the batch of what each sample loses."""
        raise NotImplementedError

    def gradient(
        self, outputs: Floats, targets: Targets, label_smoothing: float = 0.0, details: Details = PLAIN
    ) -> Floats:
        """Compute the gradient of the loss with respect to the outputs, (B, K)."""
        raise NotImplementedError

    def score(self, outputs: Floats, targets: Targets, details: Details = PLAIN) -> float:
        """Compute the mean over the batch of what each sample scores."""
        raise NotImplementedError


class CrossEntropy(Objective):
    """Softmax and the class of each sample."""

    def loss(self, outputs: Floats, targets: Targets, label_smoothing: float = 0.0, details: Details = PLAIN) -> float:
        """Compute `cross_entropy`, weighted."""
        if details.weights is None:
            return cross_entropy(outputs, targets, label_smoothing)
        return details.mean(softmax_losses(outputs, targets, label_smoothing, details))

    def gradient(
        self, outputs: Floats, targets: Targets, label_smoothing: float = 0.0, details: Details = PLAIN
    ) -> Floats:
        """Compute `output_gradient`, weighted."""
        mean = output_gradient(outputs, targets, label_smoothing)
        return mean if details.weights is None else details.weights[:, None] * mean

    def score(self, outputs: Floats, targets: Targets, details: Details = PLAIN) -> float:
        """Compute `accuracy`, weighted."""
        return details.mean((outputs.argmax(axis=1) == targets).astype(np.float64))


class EachOutput(Objective):
    """A loss that is a sum over the outputs, and a score that is a mean over them; there is nothing to smooth."""

    def __init__(self, losses: Elementwise, slopes: Elementwise, scores: Elementwise) -> None:
        self._losses, self._slopes, self._scores = losses, slopes, scores

    def loss(self, outputs: Floats, targets: Targets, label_smoothing: float = 0.0, details: Details = PLAIN) -> float:
        """Compute the mean over the batch of the sum over the outputs."""
        return details.mean(self._losses(outputs, targets, details).sum(axis=1))

    def gradient(
        self, outputs: Floats, targets: Targets, label_smoothing: float = 0.0, details: Details = PLAIN
    ) -> Floats:
        """Compute the derivative of that mean with respect to every output."""
        return details.share(self._slopes(outputs, targets, details))

    def score(self, outputs: Floats, targets: Targets, details: Details = PLAIN) -> float:
        """Compute the mean over the batch and the outputs."""
        return details.mean(self._scores(outputs, targets, details).mean(axis=1))


OBJECTIVES: dict[str, Objective] = {
    "cross-entropy": CrossEntropy(),
    "binary-cross-entropy": EachOutput(binary_losses, binary_slopes, binary_scores),
    "squared-error": EachOutput(half_squares, differences, squares),
    "absolute-error": EachOutput(magnitudes, signs, magnitudes),
    "huber": EachOutput(huber_losses, huber_slopes, squares),
    "pinball": EachOutput(pinball_losses, pinball_slopes, pinball_losses),
    "poisson": EachOutput(poisson_losses, poisson_slopes, poisson_scores),
}
