"""Several trials of one network side by side in PyTorch, with or without an idea that the kernels do not have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

Tensor = Any

HIDDEN = (128, 128)
EPOCHS, PATIENCE, BATCH = 36, 8, 128
FREQUENCIES, EMBEDDED, SPREAD = 16, 3, 0.1
"""Of the periodic embedding of a number, as in RealMLP (Holzmüller et al. 2024): its frequencies, the numbers that it
becomes, and the standard deviation that the frequencies are drawn with."""


@dataclass(frozen=True)
class Idea:
    """What differs from the network of a search.

    Attributes
    ----------
    bins : bool
        Whether numbers are encoded piecewise linearly, as in a search.
    periodic : {"", "linear", "relu"}
        Cosines of a number with learnt frequencies and phases, and a linear layer of its own over them, with ReLU or
        without.
    average : float
        Decay of an average of the weights over the steps, which then answers; 0 is none.
    beta2 : float
    schedule : {"cosine", "coslog4"}
        Learning rate over the steps.
    falling : bool
        Whether weight decay and dropout fall to 0 over the second half.
    bias_rate : float
        Rate of the biases, relative.
    by_width : bool
        Whether the rate of a layer is divided by the root of its inputs, relative to 128.
    scale : bool
        Whether every input has a factor that is learnt, at six times the rate.
    activation : {"relu", "mish", "parametric"}
    smoothing : float
        Label smoothing.
    input_dropout : float
    linear : bool
        Whether inputs reach the output through a linear layer of their own, too.
    members : int
        Members that share the weights, with factors of the inputs and a last layer of their own (TabM-mini).
    relative : float
        κ of steps that are 1 + κ |w| times as long.
    """

    bins: bool = True
    periodic: str = ""
    average: float = 0.0
    beta2: float = 0.999
    schedule: str = "cosine"
    falling: bool = False
    bias_rate: float = 1.0
    by_width: bool = False
    scale: bool = False
    activation: str = "relu"
    smoothing: float = 0.0
    input_dropout: float = 0.0
    linear: bool = False
    members: int = 1
    relative: float = 0.0


class Inputs(NamedTuple):
    """A table as the networks read it; numbers standardised as targets, classes as whole numbers."""

    numbers: Tensor  # (N, P) float32, scaled
    bins: Tensor  # (N, B) float32
    others: Tensor  # (N, R) float32: indicators, booleans, levels
    y: Tensor  # (N,) int64 or float32
    learn: Tensor
    validate: Tensor
    test: Tensor
    n_classes: int


class Draws(NamedTuple):
    """Hyperparameters of K trials, (K, 1, 1) float32 each."""

    learning_rate: Tensor
    weight_decay: Tensor
    dropout: Tensor


def draw(count: int, n_classes: int, seed: int) -> Draws:
    """Draw from the ranges of a search of a table."""
    rng = np.random.default_rng(seed)

    def log(low: float, high: float) -> NDArray[Any]:
        return np.exp(rng.uniform(np.log(low), np.log(high), count))

    parts = log(3e-4, 1e-2), log(1e-3, 1.0), rng.uniform(0.0, 0.5 if n_classes else 0.2, count)
    return Draws(*(torch.tensor(part, dtype=torch.float32).reshape(-1, 1, 1) for part in parts))


class Networks:
    """K trials with their own weights; every tensor of parameters begins with K."""

    def __init__(self, inputs: Inputs, idea: Idea, draws: Draws, seed: int) -> None:
        self.inputs, self.idea, self.draws = inputs, idea, draws
        self.count = len(draws.dropout)
        self._random = torch.Generator().manual_seed(seed)
        self.parameters: dict[str, Tensor] = {}
        self.rates: dict[str, float] = {}
        n_numbers = inputs.numbers.shape[1] if idea.periodic else 0
        if n_numbers:
            self._add("frequency", SPREAD * self._normal(n_numbers, FREQUENCIES))
            self._add(
                "phase",
                math.pi * (2.0 * torch.rand((self.count, n_numbers, FREQUENCIES), generator=self._random) - 1.0),
            )
            self._add("embedding", self._normal(n_numbers, FREQUENCIES, EMBEDDED) / FREQUENCIES**0.5)
            self._add("embedding bias", torch.zeros(self.count, n_numbers, EMBEDDED))
        width = inputs.numbers.shape[1] + inputs.others.shape[1] + (inputs.bins.shape[1] if idea.bins else 0)
        width += n_numbers * EMBEDDED
        n_outputs = inputs.n_classes or 1
        if idea.scale:
            self._add("scale", torch.ones(self.count, 1, width), rate=6.0)
        if idea.linear:
            self._add("linear", torch.zeros(self.count, width, n_outputs))
        if idea.members > 1:
            signs = torch.randint(0, 2, (self.count, idea.members, 1, width), generator=self._random)
            self._add("members", 2.0 * signs.float() - 1.0)
            self._add("heads", self._normal(idea.members, HIDDEN[-1], n_outputs) * (1.0 / HIDDEN[-1]) ** 0.5)
            self._add("heads bias", torch.zeros(self.count, idea.members, 1, n_outputs), rate=idea.bias_rate)
        widths = (width, *HIDDEN, n_outputs)
        for k, (n_in, n_out) in enumerate(pairwise(widths)):
            if idea.members > 1 and k == len(HIDDEN):
                break
            rate = (128 / n_in) ** 0.5 if idea.by_width else 1.0
            self._add(f"weight {k}", self._normal(n_in, n_out) * (2.0 / n_in) ** 0.5, rate=rate)
            self._add(f"bias {k}", torch.zeros(self.count, 1, n_out), rate=idea.bias_rate)
            if idea.activation == "parametric" and k < len(HIDDEN):
                self._add(f"slope {k}", torch.ones(self.count, 1, n_out), rate=0.1)
        self._moments = {name: (torch.zeros_like(one), torch.zeros_like(one)) for name, one in self.parameters.items()}
        self.averaged = {name: one.detach().clone() for name, one in self.parameters.items()}
        self._steps = 0

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn((self.count, *shape), generator=self._random)

    def _add(self, name: str, values: Tensor, rate: float = 1.0) -> None:
        self.parameters[name] = values.requires_grad_()
        self.rates[name] = rate

    def outputs(self, rows: Tensor, dropout: Tensor | None = None, weights: dict[str, Tensor] | None = None) -> Tensor:
        """Return the (K, M, B, C) outputs of M members; `dropout` (K, 1, 1) is given in training."""
        of = weights or self.parameters
        idea, held = self.idea, self.inputs
        parts = [held.numbers[rows], held.others[rows]] + ([held.bins[rows]] if idea.bins else [])
        x = torch.cat(parts, dim=1).expand(self.count, -1, -1)
        if "frequency" in of:
            angles = 2.0 * math.pi * held.numbers[rows][None, :, :, None] * of["frequency"][:, None]
            waves = torch.cos(angles + of["phase"][:, None])
            embedded = torch.einsum("kbph,kphe->kbpe", waves, of["embedding"]) + of["embedding bias"][:, None]
            embedded = torch.relu(embedded) if idea.periodic == "relu" else embedded
            x = torch.cat([x, embedded.flatten(2)], dim=2)
        x = x * of["scale"] if idea.scale else x
        if dropout is not None and idea.input_dropout:
            x = self._drop(x, torch.full((1, 1, 1), idea.input_dropout))
        h = (x[:, None] * of["members"]).flatten(1, 2) if idea.members > 1 else x
        for k in range(len(HIDDEN)):
            h = self._activate(torch.baddbmm(of[f"bias {k}"], h, of[f"weight {k}"]), of, k)
            h = h if dropout is None else self._drop(h, dropout)
        if idea.members > 1:
            h = h.unflatten(1, (idea.members, -1))
            return h @ of["heads"] + of["heads bias"]
        last = len(HIDDEN)
        out = torch.baddbmm(of[f"bias {last}"], h, of[f"weight {last}"])
        return (out + x @ of["linear"] if idea.linear else out)[:, None]

    def _activate(self, z: Tensor, of: dict[str, Tensor], layer: int) -> Tensor:
        if self.idea.activation == "relu":
            return torch.relu(z)
        mish = torch.nn.functional.mish(z)
        return mish if self.idea.activation == "mish" else z + of[f"slope {layer}"] * (mish - z)

    def _drop(self, h: Tensor, share: Tensor) -> Tensor:
        kept = torch.rand(h.shape, generator=self._random) >= share
        return h * kept / (1.0 - share)

    def step(self, rows: Tensor, done: float) -> None:
        """Take a step of AdamW on a batch; `done` is the share of the training that is over."""
        idea = self.idea
        falling = 1.0 if not idea.falling or done < 0.5 else 0.5 * (1.0 + math.cos(2.0 * math.pi * (done - 0.5)))
        rate = 0.5 * (1.0 + math.cos(math.pi * done))
        if idea.schedule == "coslog4":
            rate = 0.5 * (1.0 - math.cos(2.0 * math.pi * math.log2(1.0 + 15.0 * done)))
        loss = self._loss(self.outputs(rows, falling * self.draws.dropout), self.inputs.y[rows])
        gradients = torch.autograd.grad(loss, list(self.parameters.values()))
        self._steps += 1
        t = self._steps
        with torch.no_grad():
            for (name, w), g in zip(self.parameters.items(), gradients, strict=True):
                first, second = self._moments[name]
                first.lerp_(g, 0.1)
                second.mul_(idea.beta2).addcmul_(g, g, value=1.0 - idea.beta2)
                shape = (-1,) + (1,) * (w.dim() - 1)
                learning_rate = rate * self.rates[name] * self.draws.learning_rate.reshape(shape)
                if name.startswith(("weight", "heads")) and "bias" not in name:
                    w.mul_(1.0 - falling * learning_rate * self.draws.weight_decay.reshape(shape))
                root = (second / (1.0 - idea.beta2**t)).sqrt_().add_(1e-8)
                step = learning_rate * first / (1.0 - 0.9**t) / root
                if idea.relative and name.startswith("weight"):
                    step = step * (1.0 + idea.relative * w.abs())
                w.sub_(step)
                if idea.average:
                    self.averaged[name].lerp_(w, 1.0 - min(idea.average, t / (t + 10.0)))

    def _loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the sum over trials of the mean loss: each has its own gradient."""
        members = outputs.shape[1]
        if not self.inputs.n_classes:
            return ((outputs[..., 0] - y) ** 2).sum() / (2 * members * len(y))
        flat = outputs.flatten(0, 2)
        losses = torch.nn.functional.cross_entropy(
            flat, y.repeat(self.count * members), reduction="sum", label_smoothing=self.idea.smoothing
        )
        return losses / (members * len(y))

    @torch.no_grad()
    def predicted(self, rows: Tensor, chunk: int = 2048) -> Tensor:
        """Return the probabilities (K, N, C), or numbers (K, N, 1), averaged over members."""
        weights = self.averaged if self.idea.average else None
        parts = []
        for begin in range(0, len(rows), chunk):
            out = self.outputs(rows[begin : begin + chunk], weights=weights)
            parts.append((torch.softmax(out, dim=-1) if self.inputs.n_classes else out).mean(dim=1))
        return torch.cat(parts, dim=1)


def errors(predicted: Tensor, y: Tensor, n_classes: int) -> Tensor:
    """Return the (K,) log-losses or root mean squared errors."""
    if n_classes:
        return -torch.log(predicted.gather(2, y.expand(len(predicted), -1)[..., None]).clamp_min(1e-7))[..., 0].mean(1)
    return ((predicted[..., 0] - y) ** 2).mean(1).sqrt()


def train(inputs: Inputs, idea: Idea, draws: Draws, seed: int) -> tuple[Tensor, Tensor]:
    """Train K trials; return validation errors (K,) and predictions of the test rows, each at its best epoch."""
    networks = Networks(inputs, idea, draws, seed)
    shuffled = torch.Generator().manual_seed(seed + 1)
    n_rows = len(inputs.learn)
    n_batches = math.ceil(n_rows / BATCH)
    best = torch.full((networks.count,), math.inf)
    best_epoch = torch.zeros(networks.count)
    kept = networks.predicted(inputs.test)
    for epoch in range(EPOCHS):
        order = inputs.learn[torch.randperm(n_rows, generator=shuffled)]
        for k in range(n_batches):
            networks.step(order[k * BATCH : (k + 1) * BATCH], (epoch + k / n_batches) / EPOCHS)
        found = errors(networks.predicted(inputs.validate), inputs.y[inputs.validate], inputs.n_classes)
        better = (found < best) & (epoch - best_epoch <= PATIENCE)
        if better.any():
            kept[better] = networks.predicted(inputs.test)[better]
            best[better], best_epoch[better] = found[better], float(epoch)
        if (epoch - best_epoch > PATIENCE).all():
            break
    return best, kept
