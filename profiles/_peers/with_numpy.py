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

from .task import BATCH, EPOCHS, SIZES, Floats, Peer, Samples, epoch_orders, he_weights, scores


class NumpyPeer(Peer):
    """One network at a time."""

    def prepare_trials(self, data: Samples) -> None:
        self.data = data
        self.one_hot = np.eye(SIZES[-1], dtype=np.float32)
        self.everything = np.concatenate([data.x_train, data.x_validation])
        self.outputs = [np.empty((BATCH, size), np.float32) for size in SIZES]
        self.gradients = [np.empty((BATCH, size), np.float32) for size in SIZES]
        self.active = [np.empty((BATCH, size), np.bool_) for size in SIZES]
        self.evaluated = [self.everything, *(np.empty((len(self.everything), n), np.float32) for n in SIZES[1:])]
        self.steps = [np.empty(shape, np.float32) for shape in pairwise(SIZES)]

    def trials(self, rates: NDArray[np.float64], decays: NDArray[np.float64], seed: int) -> Floats:
        rng = np.random.default_rng(seed)
        return np.stack(
            [self._trial(float(rate), float(decay), rng) for rate, decay in zip(rates, decays, strict=True)]
        )

    def _trial(self, rate: float, decay: float, rng: np.random.Generator) -> Floats:
        data = self.data
        weights = he_weights(rng, SIZES)
        biases = [np.zeros(size, np.float32) for size in SIZES[1:]]
        shrink = np.float32(1.0 - rate * decay)
        curves = np.empty((4, EPOCHS), np.float32)
        for epoch, order in enumerate(epoch_orders(rng, len(data.x_train), EPOCHS)):
            for rows in order.reshape(-1, BATCH):
                np.take(data.x_train, rows, axis=0, out=self.outputs[0], mode="clip")  # which needs no copy
                self._step(weights, biases, data.y_train[rows], np.float32(rate / BATCH), shrink)
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

    def _step(
        self, weights: list[Floats], biases: list[Floats], labels: NDArray[np.int64], rate: np.float32,
        shrink: np.float32,
    ) -> None:  # fmt: skip
        outputs, gradients = self.outputs, self.gradients
        self._forward(outputs, weights, biases)
        probabilities = outputs[-1]
        probabilities -= probabilities.max(axis=1, keepdims=True)
        np.exp(probabilities, out=probabilities)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        np.subtract(probabilities, self.one_hot[labels], out=gradients[-1])
        gradients[-1] *= rate
        for layer in range(len(weights) - 1, -1, -1):
            np.matmul(outputs[layer].T, gradients[layer + 1], out=self.steps[layer])
            if layer:
                np.matmul(gradients[layer + 1], weights[layer].T, out=gradients[layer])
                gradients[layer] *= np.greater(outputs[layer], 0, out=self.active[layer])
            if shrink != 1:
                weights[layer] *= shrink
            weights[layer] -= self.steps[layer]
            biases[layer] -= gradients[layer + 1].sum(axis=0)
