"""The kernels of one layer, called in a compiled loop the way the tests call them, and checked against the reference.

A kernel can be called from compiled code only, and in twenty microseconds it is done, so a profile asks for
``work(n)``, a loop in compiled code. `tests/layers.py` knows how the stages call each kernel; `recorded` repeats what
it calls.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple
from unittest import mock

import numba
import numpy as np
from _bench import ROOT

sys.path.append(str(ROOT / "tests"))

import layers
from buffers import Buffers, address
from layers import EPS32, Layer, Samples, active_bytes, lists_of, unpack_bits

from fastnet import reference
from fastnet.config.training import TrainConfig
from fastnet.kernels import affine, cross_entropy, dropout, layout, operands, rng, tile, update
from fastnet.kernels.operands import Lists
from fastnet.network.hyperparameters import trial_of


class Shape(NamedTuple):
    """Samples, inputs and outputs of a layer."""

    batch: int
    n_in: int
    n_out: int

    @property
    def flops(self) -> int:
        """Useful operations of one of its products, zeros counted, padding not."""
        return 2 * self.batch * self.n_in * self.n_out


@dataclass
class Case:
    """One kernel on one shape: ``work(n)`` calls it n times; `flops` or `n_bytes` say how much a call does."""

    name: str
    work: Callable[[int], Any]
    flops: float = 0.0
    n_bytes: float = 0.0
    keep: list[Any] = field(default_factory=list, repr=False)


@cache
def _loop(kernel: Any) -> Any:
    @numba.njit(nogil=True, error_model="numpy")
    def loop(n, *args):  # type: ignore[no-untyped-def]
        for _ in range(n):
            kernel(*args)

    return loop


def repeated(kernel: Any, *args: Any) -> Callable[[int], None]:
    """Return what calls a kernel `n` times from compiled code."""
    loop = _loop(kernel)
    return lambda n: loop(n, *args)


def recorded(function: Callable[..., Any], *args: Any, **options: Any) -> Callable[[int], None]:
    """Call a function of `tests/layers.py` and return what repeats the kernel that it called."""
    calls = []

    def call(kernel: Any, *operands: Any) -> Any:
        calls.append((kernel, operands))
        return before(kernel, *operands)

    before = layers.call
    with mock.patch.object(layers, "call", call):
        function(*args, **options)
    ((kernel, operands),) = calls
    return repeated(kernel, *operands)


def near(actual: np.ndarray, expected: np.ndarray, n_terms: int, what: str) -> None:
    """End the profile unless sums of `n_terms` agree to one rounding a term, measured by the largest value."""
    error = float(np.abs(actual.astype(np.float64) - expected).max())
    allowed = EPS32 * max(n_terms, 8) * float(np.abs(expected).max())
    if not error <= allowed:
        sys.exit(f"{what}: {error:.3g} away from fastnet.reference, where {allowed:.3g} is allowed")


class Bench:
    """All kernels of one layer on one shape, with samples of a given density; each case is verified when it is made.

    Parameters
    ----------
    shape : Shape
    x : (n, n_in) float32, optional
        Samples; normal numbers if left out. The batch is drawn from them in random order.
    shuffled : bool
        False takes the samples as they come, as hidden layers do.
    """

    def __init__(self, shape: Shape, x: np.ndarray | None = None, *, shuffled: bool = True) -> None:
        self.shape = shape
        random = self.random = np.random.default_rng(1)
        batch, n_in, n_out = shape
        x = self._normal(batch, n_in) if x is None else x
        rows = np.resize(random.permutation(len(x)) if shuffled else np.arange(len(x)), batch)
        self.layer = Layer(*shape)
        self.buffers = Buffers()
        self.samples = Samples.make(self.buffers, x, rows, 0.0)
        self.x = x[rows]
        self.w = self._normal(n_in, n_out) / np.float32(np.sqrt(n_in))
        self.b = self._normal(n_out)
        self.dy = np.zeros((self.layer.tile_rows, self.layer.ld), np.float32)
        self.dy[:batch, :n_out] = self._normal(batch, n_out) / np.float32(batch)
        self.dy = self.buffers.input(self.dy)

    def _normal(self, *size: int) -> np.ndarray:
        return self.random.standard_normal(size, np.float32)

    def _case(self, name: str, work: Callable[[int], None], flops: float = 0.0, n_bytes: float = 0.0) -> Case:
        return Case(name, work, flops, n_bytes, [self])

    def forward(self, name: str = "forward", lists: Lists | None = None, *, linear: bool = False) -> Case:
        """Forward product with its ReLU, dense or by lists."""
        batch, n_in, n_out = self.shape
        c, active, keep = (
            self.layer.outputs(self.buffers),
            self.layer.bits(self.buffers),
            self.layer.bits(self.buffers),
        )
        params = self.buffers.input(self.layer.parameters(self.w, self.b))
        epilogue = tile.LINEAR if linear else tile.RELU
        work = recorded(self.layer.forward, self.samples, params, c, active, keep, epilogue, 1.0, lists)
        z = reference.network.affine_forward(*(a.astype(np.float64) for a in (self.x, self.w, self.b)))
        near(c[:batch, :n_out], z if linear else reference.activation.relu(z), n_in, f"{name} {self.shape}")
        return self._case(name, work, self.shape.flops if lists is None else 2.0 * np.count_nonzero(self.x) * n_out)

    def forward_packed(self) -> Case:
        """Forward product over the lists of the inputs, as the first layer takes them."""
        return self.forward("forward, packed lists", self.samples.packed())

    def forward_active(self) -> Case:
        """Forward product over the lists of the active outputs below."""
        return self.forward("forward, active lists", lists_of(self.buffers, self.x != 0))

    def input_gradient(self, name: str = "input gradient", mask: np.ndarray | None = None) -> Case:
        """Input gradient; with a mask over the lists of this layer's active outputs, where alone `dy` is not zero."""
        batch, n_in, n_out = self.shape
        dy, lists = self.dy, None
        if mask is not None:
            dy = self.dy.copy()
            dy[:batch, :n_out] *= mask
            dy = self.buffers.input(dy)
            lists = lists_of(self.buffers, mask)
        ld = self.layer.ld_in
        transposed = np.zeros((layout.leading(n_out), ld), np.float32)
        transposed[:n_out, :n_in] = self.w.T
        transposed = self.buffers.input(transposed)
        dx = self.buffers.zeros((self.layer.tile_rows, ld))
        below = Layer(batch, 1, n_in)
        active = below.bits(self.buffers)  # canaries: every unit is active
        work = recorded(self.layer.input_gradient, dy, transposed, dx, active, 1.0, lists)
        expected = dy[:batch, :n_out].astype(np.float64) @ self.w.T.astype(np.float64)
        near(dx[:batch, :n_in], expected, n_out, f"{name} {self.shape}")
        return self._case(name, work, self.shape.flops if mask is None else 2.0 * np.count_nonzero(mask) * n_in)

    def input_gradient_active(self, density: float = 0.5) -> Case:
        """Input gradient over active outputs, so many of them."""
        mask = self.random.random((self.shape.batch, self.shape.n_out)) < density
        return self.input_gradient("input gradient, active lists", mask)

    def weight_update(self, optimizer: str = "sgd", *, listed: bool = False) -> Case:
        """Weight gradient with the update rule in its epilogue."""
        batch, _, n_out = self.shape
        name = f"weight gradient + {optimizer}{', pair lists' if listed else ''}"
        config = TrainConfig(optimizer=optimizer, learning_rate=0.1, weight_decay=0.01)
        rule = update.RULES[optimizer]
        update.compile_rule(rule)
        hyper = self.buffers.updated(first_step(config))
        states = [tuple(np.full_like(a, 0.5) for a in (self.w, self.b)) for _ in range(update.N_STATES[rule])]
        params = self.buffers.updated(self.layer.parameters(self.w, self.b, tuple(states)))
        rule_at = int(update.ADDRESS[rule])
        work = recorded(
            self.layer.weight_update, self.buffers, self.samples, self.dy, params, rule_at, hyper, listed=listed
        )
        x, w, dy = (a.astype(np.float64) for a in (self.x, self.w, self.dy[:batch, :n_out]))
        rates = {key: getattr(config, key) for key in reference.rules.Rule._fields if key != "optimizer"}
        before = tuple(np.full_like(w, 0.5) for _ in states)
        after = reference.rules.update(
            w, reference.network.weight_gradient(x, dy), before, 1, reference.rules.Rule(optimizer, **rates)
        )
        for line, expected in zip(params, (after[0], *after[1]), strict=True):
            near(self.layer.unpack(line)[0], expected, batch, f"{name} {self.shape}")
        hyper[...] = first_step(TrainConfig(optimizer=optimizer, learning_rate=1e-6, weight_decay=1e-8))  # stays finite
        return self._case(name, work, 2.0 * np.count_nonzero(self.x) * n_out if listed else self.shape.flops)

    def transpose(self) -> Case:
        """The transposed weight; bytes read and written."""
        _, n_in, n_out = self.shape
        params = self.buffers.input(self.layer.parameters(self.w, self.b))
        transposed = self.buffers.zeros((self.layer.columns, self.layer.ld_in))
        operand = self.layer.operand(params, self.layer.room)
        work = repeated(affine.transpose, operand, layers.matrix(transposed))
        work(1)
        near(transposed[:n_out, :n_in], self.w.T, 0, f"transpose {self.shape}")
        return self._case("transpose", work, n_bytes=8.0 * n_in * n_out)

    def bias_update(self) -> Case:
        """The bias gradient and its SGD step; bytes of dy read."""
        batch, _, n_out = self.shape
        hyper = self.buffers.updated(first_step(TrainConfig(learning_rate=0.1)))
        params = self.buffers.updated(self.layer.parameters(self.w, self.b))
        work = recorded(self.layer.bias_update, self.buffers, self.dy, params, 0, hyper)
        gradient = reference.network.bias_gradient(self.dy[:batch, :n_out].astype(np.float64))
        near(self.layer.unpack(params[0])[1], self.b - 0.1 * gradient, batch, f"bias update {self.shape}")
        hyper[...] = first_step(TrainConfig(learning_rate=1e-6))
        return self._case("bias gradient + sgd", work, n_bytes=4.0 * batch * n_out)

    def loss(self, *, backward: bool) -> Case:
        """Softmax and cross-entropy of the outputs, with their gradient or without; bytes of logits."""
        batch, _, n_out = self.shape
        ld = self.layer.ld
        logits = self.buffers.zeros((self.layer.tile_rows, ld))
        logits[:batch, :n_out] = 3 * self._normal(batch, n_out)
        labels = self.random.integers(0, n_out, batch)
        gradient = self.buffers.zeros((self.layer.tile_rows, ld))
        rows = np.arange(batch)
        block = operands.Outputs(address(logits), 4 * ld, n_out, address(rows), batch, address(labels))
        work = repeated(cross_entropy.cross_entropy, block, 0.0, 0.0, np.int64(backward), address(gradient))
        work(1)
        if backward:
            expected = reference.objective.output_gradient(logits[:batch, :n_out].astype(np.float64), labels)
            near(gradient[:batch, :n_out], expected, n_out, f"softmax loss {self.shape}")
        name = "softmax, loss and gradient" if backward else "softmax and loss"
        return Case(name, work, n_bytes=4.0 * batch * n_out, keep=[self, logits, rows, labels, gradient])

    def keep_bits(self) -> Case:
        """Dropout's random bits for the outputs; bytes of bits."""
        batch, _, n_out = self.shape
        ld = active_bytes(n_out)
        bits = self.buffers.zeros((batch, ld), np.uint8)
        out = bits.reshape(-1)

        def work(n: int) -> None:
            _keep_bits(n, batch, n_out, ld, out)

        work(1)
        if not np.array_equal(unpack_bits(bits)[:, :n_out], reference.rng.keep_mask(7, 0, 0, 0, batch, n_out, 0.5)):
            sys.exit(f"dropout bits {self.shape}: not those of fastnet.reference")
        return self._case("dropout bits", work, n_bytes=batch * n_out / 8)

    def list_active(self, density: float = 0.5) -> Case:
        """The lists of active outputs, made from their bits; bytes of entries that count."""
        batch, _, n_out = self.shape
        mask = self.random.random((batch, n_out)) < density
        work = recorded(lists_of, self.buffers, mask)  # which checks how many it found
        return self._case("lists of active outputs", work, n_bytes=float(np.count_nonzero(mask)))

    def initial_weights(self) -> Case:
        """Initial weights: normal numbers; bytes written."""
        _, n_in, n_out = self.shape
        weights = self.buffers.zeros(n_in * self.layer.ld)
        zero = np.int64(0)
        work = repeated(
            rng.initial_weights, np.uint64(7), zero, zero, n_in, n_out, self.layer.ld, np.sqrt(2.0 / n_in), weights
        )
        work(1)
        expected = reference.rng.initial_weights(7, 0, 0, n_in, n_out, "he")
        if not np.array_equal(weights.reshape(n_in, -1)[:, :n_out], expected):
            sys.exit(f"initial weights {self.shape}: not those of fastnet.reference")
        return self._case("initial weights", work, n_bytes=4.0 * n_in * n_out)


@numba.njit(nogil=True, error_model="numpy")
def _keep_bits(n, batch, n_out, ld, bits):  # type: ignore[no-untyped-def]
    """Draw the bits of `n` steps, for of the same step again and again LLVM draws them once."""
    zero = np.int64(0)
    for step in range(n):
        draw = dropout.Draw(np.uint64(7), zero, zero, step)
        dropout.keep_bits(draw, batch, n_out, np.int64(32768), ld, bits)


def first_step(config: TrainConfig) -> np.ndarray:
    """Settings of the update rule as they are at the first step of a training."""
    hyper = trial_of(config, 0).hyper
    hyper[:, update.STEP] = config.learning_rate / (1.0 - config.beta1)
    hyper[:, update.ROOT] = 1.0 / np.sqrt(1.0 - config.beta2)
    return hyper
