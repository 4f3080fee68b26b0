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

from .task import BETA1, BETA2, BOOK, EPSILON, SIZES, Floats, Peer, Plan, Samples, epoch_orders

MAPPED, MANY_MAPPED = 4, 8
"""Networks mapped over: on one AVX2 core 2, 4 and 8 of the book's were all within the noise of one at a time; of small
ones 8."""

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


def losses_of(outputs: jax.Array, y: jax.Array) -> jax.Array:
    """Cross-entropy of each sample, or half the squared error where the targets are (N, 1) numbers."""
    if y.ndim == 2:
        return 0.5 * jnp.square(outputs - y)[:, 0]
    return -jnp.take_along_axis(jax.nn.log_softmax(outputs), y[:, None], axis=1)[:, 0]


def loss_of(parameters: Parameters, x: jax.Array, y: jax.Array) -> jax.Array:
    """Mean loss."""
    return losses_of(logits_of(parameters, x), y).mean()


def scores_of(parameters: Parameters, x: jax.Array, y: jax.Array, n: int) -> jax.Array:
    """Loss and accuracy, or squared error, of the first n samples and of the others, (4,)."""
    outputs = logits_of(parameters, x)
    loss = losses_of(outputs, y)
    score = 2 * loss if y.ndim == 2 else (outputs.argmax(1) == y).astype(jnp.float32)
    return jnp.stack([loss[:n].mean(), score[:n].mean(), loss[n:].mean(), score[n:].mean()])


def sgd(parameters: Parameters, gradients: Parameters, moments: None, rate: jax.Array, decay: jax.Array) -> Any:
    """One step of gradient descent; return parameters and what the rule keeps, which is nothing."""
    return [
        (weight - rate * (dweight + decay * weight), bias - rate * dbias)
        for (weight, bias), (dweight, dbias) in zip(parameters, gradients, strict=True)
    ], None


def adam(parameters: Parameters, gradients: Parameters, moments: Any, rate: jax.Array, decay: jax.Array) -> Any:
    """One step of Adam, with the weight decay in the gradient; return parameters and moments."""
    if not (isinstance(decay, float) and decay == 0):
        pairs = zip(parameters, gradients, strict=True)
        gradients = [(dweight + decay * weight, dbias) for (weight, _), (dweight, dbias) in pairs]
    mean, square, count = moments
    count = count + 1
    mean = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, mean, gradients)
    square = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, square, gradients)
    scale = jnp.sqrt(1 - BETA2**count)
    rate = rate * scale / (1 - BETA1**count)
    parameters = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + EPSILON * scale), parameters, mean, square)
    return parameters, (mean, square, count)


def moments_of(parameters: Parameters) -> Any:
    """What Adam keeps, at the beginning."""
    zeros = partial(jax.tree.map, jnp.zeros_like)
    return zeros(parameters), zeros(parameters), jnp.zeros((), jnp.int32)


class ScanPeer(Peer):
    """One network at a time."""

    at_once = 1

    def prepare_trials(self, data: Samples, plan: Plan = BOOK) -> None:
        self.plan = plan
        kind = jnp.float32 if plan.regression else jnp.int32
        x, y = jnp.asarray(data.x_train), jnp.asarray(data.y_train, kind)
        x_all = jnp.concatenate([x, jnp.asarray(data.x_validation)])
        y_all = jnp.concatenate([y, jnp.asarray(data.y_validation, kind)])
        self.n_train = len(x)
        rule = adam if plan.optimizer == "adam" else sgd

        def trial(key: jax.Array, orders: jax.Array, rate: jax.Array, decay: jax.Array) -> jax.Array:
            def step(state: Any, rows: jax.Array) -> tuple[Any, None]:
                parameters, moments = state
                gradients = jax.grad(loss_of)(parameters, x[rows], y[rows])
                return rule(parameters, gradients, moments, rate, decay), None

            def epoch(state: Any, order: jax.Array) -> tuple[Any, jax.Array]:
                state, _ = lax.scan(step, state, order.reshape(-1, plan.batch))
                return state, scores_of(state[0], x_all, y_all, len(x))

            parameters = initial(key, plan.sizes)
            moments = moments_of(parameters) if rule is adam else None
            return lax.scan(epoch, (parameters, moments), orders)[1].T

        self.compiled = jax.jit(trial if self.at_once == 1 else jax.vmap(trial))

    def trials(self, rates: NDArray[np.float64], decays: NDArray[np.float64], seed: int) -> Floats:
        """Where the trials do not divide by `at_once`, the last ones are filled up with repeats."""
        rng = np.random.default_rng(seed)
        key = jax.random.key(seed)
        epochs = self.plan.epochs
        curves = []
        for k in range(0, len(rates), self.at_once):
            which = np.minimum(np.arange(k, k + self.at_once), len(rates) - 1)
            orders = np.stack([epoch_orders(rng, self.n_train, epochs).astype(np.int32) for _ in which])
            keys = jax.random.split(jax.random.fold_in(key, k), self.at_once)
            values = (keys, orders, rates[which].astype(np.float32), decays[which].astype(np.float32))
            made = self.compiled(*(value[0] for value in values) if self.at_once == 1 else values)
            curves.append(np.asarray(made).reshape(self.at_once, 4, epochs))
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
        return parameters, moments_of(parameters)

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


class VmapManyPeer(ScanPeer):
    """`MANY_MAPPED` small networks at a time."""

    at_once = MANY_MAPPED


def adam_epoch(state: Any, x: jax.Array, y: jax.Array, order: jax.Array) -> Any:
    """Train one epoch at Adam's usual rate; `order` is (steps, batch)."""

    def step(state: Any, rows: jax.Array) -> tuple[Any, None]:
        parameters, moments = state
        gradients = jax.grad(loss_of)(parameters, x[rows], y[rows])
        return adam(parameters, gradients, moments, 1e-3, 0.0), None

    return lax.scan(step, state, order)[0]
