"""NumPy, float32, with nothing done that need not be: what a careful person writes by hand.

Buffers are allocated once and written with ``out=``; the learning rate is folded into the output's gradient, to which
all others are linear; the input gradient of the first layer is left out; training and validation samples are evaluated
in one pass; weight decay is left out where it is too small to change a float32. One core: BLAS threads only slow
matrices of this size, so a search has a process a core.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .task import (
    BETA1,
    BETA2,
    BOOK,
    EPSILON,
    Floats,
    Peer,
    Plan,
    Samples,
    Targets,
    epoch_orders,
    he_weights,
    scores,
)


class NumpyPeer(Peer):
    """One network at a time."""

    def prepare_trials(self, data: Samples, plan: Plan = BOOK) -> None:
        self.data, self.plan = data, plan
        sizes, batch = plan.sizes, plan.batch
        self.one_hot = np.eye(sizes[-1], dtype=np.float32)
        self.everything = np.concatenate([data.x_train, data.x_validation])
        self.outputs = [np.empty((batch, size), np.float32) for size in sizes]
        self.gradients = [np.empty((batch, size), np.float32) for size in sizes]
        self.active = [np.empty((batch, size), np.bool_) for size in sizes]
        self.evaluated = [self.everything, *(np.empty((len(self.everything), n), np.float32) for n in sizes[1:])]
        self.steps = [np.empty(shape, np.float32) for shape in pairwise(sizes)]

    def trials(self, rates: NDArray[np.float64], decays: NDArray[np.float64], seed: int) -> Floats:
        rng = np.random.default_rng(seed)
        return np.stack(
            [self._trial(float(rate), float(decay), rng) for rate, decay in zip(rates, decays, strict=True)]
        )

    def _trial(self, rate: float, decay: float, rng: np.random.Generator) -> Floats:
        data, plan = self.data, self.plan
        weights = he_weights(rng, plan.sizes)
        biases = [np.zeros(size, np.float32) for size in plan.sizes[1:]]
        rule = Adam(rate, decay, weights, biases) if plan.optimizer == "adam" else Sgd(rate, decay)
        curves = np.empty((4, plan.epochs), np.float32)
        for epoch, order in enumerate(epoch_orders(rng, len(data.x_train), plan.epochs)):
            for rows in order.reshape(-1, plan.batch):
                np.take(data.x_train, rows, axis=0, out=self.outputs[0], mode="clip")  # which needs no copy
                self._step(weights, biases, data.y_train[rows], rule)
            self._forward(self.evaluated, weights, biases)
            curves[:2, epoch] = scores(self.evaluated[-1][: len(data.x_train)], data.y_train)
            curves[2:, epoch] = scores(self.evaluated[-1][len(data.x_train) :], data.y_validation)
        return curves

    def _forward(self, outputs: list[Floats], weights: list[Floats], biases: list[Floats]) -> None:
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            out = outputs[layer + 1]
            np.matmul(outputs[layer], weight, out=out)
            out += bias
            if layer < len(weights) - 1:
                np.maximum(out, 0, out=out)

    def _step(self, weights: list[Floats], biases: list[Floats], targets: Targets, rule: Sgd | Adam) -> None:
        outputs, gradients = self.outputs, self.gradients
        self._forward(outputs, weights, biases)
        made = outputs[-1]
        if not self.plan.regression:
            made -= made.max(axis=1, keepdims=True)
            np.exp(made, out=made)
            made /= made.sum(axis=1, keepdims=True)
            targets = self.one_hot[targets]
        np.subtract(made, targets, out=gradients[-1])
        gradients[-1] *= rule.scale(len(targets))
        rule.begin()
        for layer in range(len(weights) - 1, -1, -1):
            np.matmul(outputs[layer].T, gradients[layer + 1], out=self.steps[layer])
            if layer:
                np.matmul(gradients[layer + 1], weights[layer].T, out=gradients[layer])
                gradients[layer] *= np.greater(outputs[layer], 0, out=self.active[layer])
            rule.update(layer, weights[layer], self.steps[layer], biases[layer], gradients[layer + 1].sum(axis=0))


class Sgd:
    """Gradient descent: gradients are scaled by the rate already, for all are linear in that of the output."""

    def __init__(self, rate: float, decay: float) -> None:
        self.rate, self.shrink = rate, np.float32(1.0 - rate * decay)

    def scale(self, n: int) -> np.float32:
        """Factor of the output's gradient."""
        return np.float32(self.rate / n)

    def begin(self) -> None:
        """Begin a step."""

    def update(self, layer: int, weight: Floats, step: Floats, bias: Floats, bias_step: Floats) -> None:
        """Update a layer in place."""
        if self.shrink != 1:
            weight *= self.shrink
        weight -= step
        bias -= bias_step


class Adam:
    """Kingma and Ba's rule, with the weight decay in the gradient."""

    def __init__(self, rate: float, decay: float, weights: list[Floats], biases: list[Floats]) -> None:
        self.rate, self.decay, self.count = rate, np.float32(decay), 0
        self.states = [
            [(np.zeros_like(p), np.zeros_like(p)) for p in pair] for pair in zip(weights, biases, strict=True)
        ]

    def scale(self, n: int) -> np.float32:
        """Factor of the output's gradient."""
        return np.float32(1 / n)

    def begin(self) -> None:
        """Begin a step: count it, and correct the rate and epsilon for the moments that began at zero."""
        self.count += 1
        root = np.sqrt(1 - BETA2**self.count)
        self.corrected = np.float32(self.rate * root / (1 - BETA1**self.count))
        self.epsilon = np.float32(EPSILON * root)

    def update(self, layer: int, weight: Floats, step: Floats, bias: Floats, bias_step: Floats) -> None:
        """Update a layer in place; the steps are overwritten."""
        step += self.decay * weight
        for parameters, gradient, (mean, square) in zip(
            (weight, bias), (step, bias_step), self.states[layer], strict=True
        ):
            mean *= np.float32(BETA1)
            mean += np.float32(1 - BETA1) * gradient
            np.square(gradient, out=gradient)
            gradient *= np.float32(1 - BETA2)
            square *= np.float32(BETA2)
            square += gradient
            np.sqrt(square, out=gradient)
            gradient += self.epsilon
            np.divide(mean, gradient, out=gradient)
            gradient *= self.corrected
            parameters -= gradient
