"""PyTorch in the three ways that came out fastest: eager, compiled, and many networks stacked by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from .task import BATCH, BETA1, BETA2, BOOK, EPOCHS, EPSILON, SIZES, Floats, Peer, Plan, Samples, epoch_orders

STACK = 8
"""Networks stacked: on one AVX2 core a trial took 0.36 s with 8, 0.39 s with 4 and 0.38 s with 16."""


class EagerPeer(Peer):
    """`nn.Sequential`, autograd and the fused optimizers."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        torch.set_num_threads(threads)

    def prepare_trials(self, data: Samples, plan: Plan = BOOK) -> None:
        self.plan = plan
        self._take(data)

    def _take(self, data: Samples) -> None:
        self.x, self.y = torch.from_numpy(data.x_train), torch.from_numpy(data.y_train)
        self.x_all = torch.cat([self.x, torch.from_numpy(data.x_validation)])
        self.y_all = torch.cat([self.y, torch.from_numpy(data.y_validation)])
        self.data = data

    def trials(self, rates: NDArray[np.float64], decays: NDArray[np.float64], seed: int) -> Floats:
        torch.manual_seed(seed)
        return np.stack([self._trial(float(rate), float(decay)) for rate, decay in zip(rates, decays, strict=True)])

    def _trial(self, rate: float, decay: float) -> Floats:
        plan = self.plan
        model = book_network(plan.sizes)
        groups = [
            {"params": [p for p in model.parameters() if p.ndim == 2], "weight_decay": decay},
            {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.0},
        ]
        if plan.optimizer == "adam":
            optimizer = torch.optim.Adam(groups, lr=rate, betas=(BETA1, BETA2), eps=EPSILON, fused=True)
        else:
            optimizer = torch.optim.SGD(groups, lr=rate, fused=True)
        curves = []
        for _ in range(plan.epochs):
            for rows in torch.randperm(len(self.x)).split(plan.batch):
                optimizer.zero_grad(set_to_none=True)
                self._loss(model(self.x[rows]), self.y[rows]).backward()
                optimizer.step()
            with torch.inference_mode():
                curves.append(self._scores(model(self.x_all)))
        return torch.stack(curves, dim=1).numpy()

    def _loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return 0.5 * F.mse_loss(outputs, targets) if self.plan.regression else F.cross_entropy(outputs, targets)

    def _scores(self, logits: Tensor) -> Tensor:
        """Loss and score of both parts, from (N, K) or, of classes, (S, N, K) outputs of S networks; (4,) or (4, S)."""
        n, labels = len(self.x), self.y_all
        if logits.ndim == 3:
            labels = labels.expand(len(logits), -1)
        if self.plan.regression:
            score = (logits - labels).square()[:, 0]
            loss = 0.5 * score
        else:
            loss = F.cross_entropy(logits.movedim(-1, 1), labels, reduction="none")
            score = (logits.argmax(-1) == labels).float()
        parts = (loss[..., :n], score[..., :n], loss[..., n:], score[..., n:])
        return torch.stack([part.mean(-1) for part in parts])

    def prepare_network(self, data: Samples, hidden: tuple[int, ...], batch: int) -> None:
        torch.manual_seed(0)
        self._take(data)
        self.batch = batch
        self.model = book_network((data.x_train.shape[1], *hidden, SIZES[-1]))
        self._ready(self.model)
        self.optimizer = torch.optim.Adam(self.model.parameters(), fused=True)

    def _ready(self, model: nn.Module) -> None:
        """Warm up without changing the weights."""
        F.cross_entropy(model(self.x[: self.batch]), self.y[: self.batch]).backward()
        self.forward = model

    def epoch(self) -> None:
        for rows in torch.randperm(len(self.x)).split(self.batch):
            self.optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(self.forward(self.x[rows]), self.y[rows]).backward()
            self.optimizer.step()

    @torch.inference_mode()
    def evaluate(self) -> tuple[float, float]:
        right = torch.cat([self.model(x).argmax(1) for x in self.x_all.split(4096)]) == self.y_all
        n = len(self.x)
        return float(right[:n].float().mean()), float(right[n:].float().mean())

    @torch.inference_mode()
    def test_accuracy(self) -> float:
        labels = self.model(torch.from_numpy(self.data.x_test)).argmax(1)
        return float((labels.numpy() == self.data.y_test).mean())


def book_network(sizes: tuple[int, ...]) -> nn.Sequential:
    """Return ReLU layers with He's initial weights."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layer = nn.Linear(n_in, n_out)
        nn.init.normal_(layer.weight, std=(2 / n_in) ** 0.5)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def only_book(plan: Plan) -> Plan:
    """Return the plan of the book; those who write their step by hand know no other."""
    if plan != BOOK:
        raise NotImplementedError("trains the book's network only")
    return plan


class CompiledPeer(EagerPeer):
    """torch.compile of the whole training step, gradient and update in one graph; needs a C++ compiler."""

    def prepare_trials(self, data: Samples, plan: Plan = BOOK) -> None:
        self.step = torch.compile(sgd_step, dynamic=False)
        self.compiled_scores = torch.compile(self._evaluated, dynamic=False)
        super().prepare_trials(data, only_book(plan))

    def _trial(self, rate: float, decay: float) -> Floats:
        with torch.no_grad():
            weights = [torch.randn(shape) * (2 / shape[0]) ** 0.5 for shape in pairwise(SIZES)]
            biases = [torch.zeros(size) for size in SIZES[1:]]
            rates = torch.tensor(rate), torch.tensor(decay)
            curves = []
            for _ in range(EPOCHS):
                for rows in torch.randperm(len(self.x)).split(BATCH):
                    weights, biases = self.step(weights, biases, self.x[rows], self.y[rows], *rates)
                curves.append(self.compiled_scores(weights, biases))
            return torch.stack(curves, dim=1).numpy()

    def _evaluated(self, weights: list[Tensor], biases: list[Tensor]) -> Tensor:
        return self._scores(forward(weights, biases, self.x_all))

    def _ready(self, model: nn.Module) -> None:
        super()._ready(torch.compile(model, dynamic=False))


def forward(weights: list[Tensor], biases: list[Tensor], x: Tensor) -> Tensor:
    """Compute the logits; weights are (inputs, outputs)."""
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        x = torch.relu(torch.addmm(bias, x, weight))
    return torch.addmm(biases[-1], x, weights[-1])


def sgd_step(
    weights: list[Tensor], biases: list[Tensor], x: Tensor, y: Tensor, rate: Tensor, decay: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """One step as a pure function, which the compiler takes whole."""

    def loss(weights: list[Tensor], biases: list[Tensor]) -> Tensor:
        return F.cross_entropy(forward(weights, biases, x), y)

    dweights, dbiases = torch.func.grad(loss, argnums=(0, 1))(weights, biases)
    return (
        [weight - rate * (dweight + decay * weight) for weight, dweight in zip(weights, dweights, strict=True)],
        [bias - rate * dbias for bias, dbias in zip(biases, dbiases, strict=True)],
    )


class StackedPeer(EagerPeer):
    """`STACK` networks side by side in batched products, without autograd and in place.

    They share each minibatch, a different but valid search, so the first layer is one wide product. What a person with
    patience gets out of PyTorch on one core.
    """

    def prepare_trials(self, data: Samples, plan: Plan = BOOK) -> None:
        super().prepare_trials(data, only_book(plan))

    def trials(self, rates: NDArray[np.float64], decays: NDArray[np.float64], seed: int) -> Floats:
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        parts = [
            self._stack(torch.tensor(rates[k : k + STACK]).float(), torch.tensor(decays[k : k + STACK]).float(), rng)
            for k in range(0, len(rates), STACK)
        ]
        return np.concatenate(parts)

    @torch.inference_mode()
    def _stack(self, rates: Tensor, decays: Tensor, rng: np.random.Generator) -> Floats:
        self._allocate(len(rates))
        self.rate = (rates / BATCH)[:, None, None]
        shrink = (1 - rates * decays)[:, None, None]
        self.shrink = None if bool((shrink == 1).all()) else shrink
        self.first_shrink = shrink.expand(-1, 1, SIZES[1]).reshape(1, -1)
        orders = torch.from_numpy(epoch_orders(rng, len(self.x), EPOCHS))
        curves = []
        for order in orders:
            for rows in order.split(BATCH):
                self._step(self.x[rows], self.y[rows])
            self._forward(self.x_all, self.wide_evaluated, self.evaluated)
            curves.append(self._scores(self.evaluated[-1]))
        return torch.stack(curves).permute(2, 1, 0).numpy()

    def _allocate(self, k: int) -> None:
        """Draw weights, and make room: of the first layer the networks lie beside each other, then one by one."""
        width, n = SIZES[1], len(self.x_all)
        self.first = torch.randn(SIZES[0], k * width) * (2 / SIZES[0]) ** 0.5
        self.first_bias = torch.zeros(k * width)
        self.weights = [torch.randn(k, *shape) * (2 / shape[0]) ** 0.5 for shape in pairwise(SIZES[1:])]
        self.biases = [torch.zeros(k, 1, size) for size in SIZES[2:]]
        self.wide, self.wide_evaluated = torch.empty(BATCH, k * width), torch.empty(n, k * width)
        self.wide_gradient = torch.empty(BATCH, k * width)

        def apart(wide: Tensor) -> Tensor:
            return wide.view(len(wide), k, width).transpose(0, 1)

        self.outputs = [apart(self.wide), *(torch.empty(k, BATCH, size) for size in SIZES[2:])]
        self.evaluated = [apart(self.wide_evaluated), *(torch.empty(k, n, size) for size in SIZES[2:])]
        self.gradients = [apart(self.wide_gradient), *(torch.empty(k, BATCH, size) for size in SIZES[2:])]
        self.networks, self.places = torch.arange(k)[:, None], torch.arange(BATCH)[None]

    def _forward(self, x: Tensor, wide: Tensor, outputs: list[Tensor]) -> None:
        torch.addmm(self.first_bias, x, self.first, out=wide)
        wide.relu_()
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            torch.baddbmm(bias, outputs[layer], weight, out=outputs[layer + 1])
            if layer < len(self.weights) - 1:
                outputs[layer + 1].relu_()

    def _step(self, x: Tensor, y: Tensor) -> None:
        outputs, gradients = self.outputs, self.gradients
        self._forward(x, self.wide, outputs)
        torch.softmax(outputs[-1], 2, out=gradients[-1])
        gradients[-1][self.networks, self.places, y[None]] -= 1
        gradients[-1].mul_(self.rate)
        for layer in range(len(self.weights) - 1, -1, -1):
            weight, gradient = self.weights[layer], gradients[layer + 1]
            if layer:
                torch.bmm(gradient, weight.transpose(1, 2), out=gradients[layer])
            else:
                gradients[0].copy_(torch.bmm(gradient, weight.transpose(1, 2)))
            gradients[layer].mul_(outputs[layer] > 0)
            if self.shrink is not None:
                weight.mul_(self.shrink)
            weight.baddbmm_(outputs[layer].transpose(1, 2), gradient, alpha=-1)
            self.biases[layer].sub_(gradient.sum(1, keepdim=True))
        if self.shrink is not None:
            self.first.mul_(self.first_shrink)
        self.first.addmm_(x.t(), self.wide_gradient, alpha=-1)
        self.first_bias.sub_(self.wide_gradient.sum(0))
