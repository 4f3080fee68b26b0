"""JAX: a whole trial is one compiled function, a scan over epochs and steps; `VmapPeer` maps it over networks."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from .task import BATCH, EPOCHS, SIZES, Floats, Peer, Samples, epoch_orders

MAPPED = 4
"""Networks mapped over: on one AVX2 core 2, 4 and 8 were all within the noise of one at a time."""

Parameters = list[tuple[jax.Array, jax.Array]]


def initial(key: jax.Array, sizes: tuple[int, ...]) -> Parameters:
    """Draw He's initial weights."""
    keys = jax.random.split(key, len(sizes) - 1)
    return [
        (jax.random.normal(key, (n_in, n_out)) * jnp.sqrt(2 / n_in), jnp.zeros(n_out))
        for key, (n_in, n_out) in zip(keys, pairwise(sizes), strict=True)
    ]


def logits_of(parameters: Parameters, x: jax.Array) -> jax.Array:
    """Compute the logits."""
    for weight, bias in parameters[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    weight, bias = parameters[-1]
    return x @ weight + bias


def loss_of(parameters: Parameters, x: jax.Array, y: jax.Array) -> jax.Array:
    """Mean cross-entropy."""
    return -jnp.take_along_axis(jax.nn.log_softmax(logits_of(parameters, x)), y[:, None], axis=1).mean()


def scores_of(parameters: Parameters, x: jax.Array, y: jax.Array, n: int) -> jax.Array:
    """Loss and accuracy of the first n samples and of the others, (4,)."""
    logits = logits_of(parameters, x)
    loss = -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1)[:, 0]
    right = (logits.argmax(1) == y).astype(jnp.float32)
    return jnp.stack([loss[:n].mean(), right[:n].mean(), loss[n:].mean(), right[n:].mean()])


class ScanPeer(Peer):
    """One network at a time."""

    at_once = 1

    def prepare_trials(self, data: Samples) -> None:
        x, y = jnp.asarray(data.x_train), jnp.asarray(data.y_train, jnp.int32)
        x_all = jnp.concatenate([x, jnp.asarray(data.x_validation)])
        y_all = jnp.concatenate([y, jnp.asarray(data.y_validation, jnp.int32)])
        self.n_train = len(x)

        def trial(key: jax.Array, orders: jax.Array, rate: jax.Array, decay: jax.Array) -> jax.Array:
            def step(parameters: Parameters, rows: jax.Array) -> tuple[Parameters, None]:
                gradients = jax.grad(loss_of)(parameters, x[rows], y[rows])
                return [
                    (weight - rate * (dweight + decay * weight), bias - rate * dbias)
                    for (weight, bias), (dweight, dbias) in zip(parameters, gradients, strict=True)
                ], None

            def epoch(parameters: Parameters, order: jax.Array) -> tuple[Parameters, jax.Array]:
                parameters, _ = lax.scan(step, parameters, order.reshape(-1, BATCH))
                return parameters, scores_of(parameters, x_all, y_all, len(x))

            return lax.scan(epoch, initial(key, SIZES), orders)[1].T

        self.compiled = jax.jit(trial if self.at_once == 1 else jax.vmap(trial))

    def trials(self, rates: NDArray[np.float64], decays: NDArray[np.float64], seed: int) -> Floats:
        """Where the trials do not divide by `at_once`, the last ones are filled up with repeats."""
        rng = np.random.default_rng(seed)
        key = jax.random.key(seed)
        curves = []
        for k in range(0, len(rates), self.at_once):
            which = np.minimum(np.arange(k, k + self.at_once), len(rates) - 1)
            orders = np.stack([epoch_orders(rng, self.n_train, EPOCHS).astype(np.int32) for _ in which])
            keys = jax.random.split(jax.random.fold_in(key, k), self.at_once)
            values = (keys, orders, rates[which].astype(np.float32), decays[which].astype(np.float32))
            made = self.compiled(*(value[0] for value in values) if self.at_once == 1 else values)
            curves.append(np.asarray(made).reshape(self.at_once, 4, EPOCHS))
        return np.concatenate(curves)[: len(rates)]

    def prepare_network(self, data: Samples, hidden: tuple[int, ...], batch: int) -> None:
        self.data = data
        self.x, self.y = jnp.asarray(data.x_train), jnp.asarray(data.y_train, jnp.int32)
        self.batch = batch
        self.rng = np.random.default_rng(0)
        self.state = self._initial_state((data.x_train.shape[1], *hidden, SIZES[-1]))
        self.labels = jax.jit(lambda parameters, x: logits_of(parameters, x).argmax(1))
        self.run = jax.jit(adam_epoch, donate_argnums=0).lower(self.state, self.x, self.y, self._order()).compile()

    def _initial_state(self, sizes: tuple[int, ...]) -> Any:
        parameters = initial(jax.random.key(0), sizes)
        zeros = partial(jax.tree.map, jnp.zeros_like)
        return parameters, zeros(parameters), zeros(parameters), jnp.zeros((), jnp.int32)

    def _order(self) -> NDArray[np.int32]:
        n = len(self.x) // self.batch * self.batch
        return self.rng.permutation(len(self.x))[:n].reshape(-1, self.batch).astype(np.int32)

    def epoch(self) -> None:
        self.state = jax.block_until_ready(self.run(self.state, self.x, self.y, self._order()))

    def evaluate(self) -> tuple[float, float]:
        data = self.data
        return self._accuracy(data.x_train, data.y_train), self._accuracy(data.x_validation, data.y_validation)

    def test_accuracy(self) -> float:
        return self._accuracy(self.data.x_test, self.data.y_test)

    def _accuracy(self, x: Floats, y: NDArray[np.int64]) -> float:
        parts = [np.asarray(self.labels(self.state[0], x[k : k + 4000])) for k in range(0, len(x), 4000)]
        return float((np.concatenate(parts) == y).mean())


class VmapPeer(ScanPeer):
    """`MAPPED` networks at a time, each with minibatches of its own."""

    at_once = MAPPED


def adam_epoch(state: Any, x: jax.Array, y: jax.Array, order: jax.Array) -> Any:
    """Train one epoch; `order` is (steps, batch)."""

    def step(state: Any, rows: jax.Array) -> tuple[Any, None]:
        parameters, mean, square, count = state
        gradients = jax.grad(loss_of)(parameters, x[rows], y[rows])
        count = count + 1
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, gradients)
        square = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, square, gradients)
        rate = 1e-3 * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        scale = jnp.sqrt(1 - 0.999**count)
        parameters = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8 * scale), parameters, mean, square)
        return (parameters, mean, square, count), None

    return lax.scan(step, state, order)[0]
