"""Trainings against the NumPy reference in float64, and their gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from _soak.drawing import Drawn
from _soak.record import Record, Wrong
from _soak.samples import inputs_of
from fastnet import reference
from fastnet.config.training import TrainConfig
from fastnet.kernels import layout, step
from fastnet.network.samples import TrainingData
from fastnet.reference.training import Trajectory
from fastnet.training.pack import PackRun
from fastnet.training.single import Training

TOLERANCE = 2e-5
"""Of losses and a layer's parameters after a training, relative to the largest of them, float32 against float64."""

SLACK = 20.0
"""How many times the spread of the reference itself a result may be off, where rounding alone moves it further."""

NOISE = (2.0**-23,) * 6 + (2.0**-20,) * 24
"""Relative noise by which that spread is measured: that of a rounding to float32, then those of a sum."""

BORDER = 0.05
"""Trials whose loss comes this near to the border of divergence may end either way."""

_LEFT_OUT = ("hidden", "early_stopping", "class_weight", "calibration", "threshold")


class Followed(NamedTuple):
    """A training by the reference: its result, and the loss of every batch."""

    result: Trajectory
    losses: list[float]


def follow(
    data: TrainingData, config: TrainConfig, stream: int, x: np.ndarray, targets: np.ndarray | None = None
) -> Followed:
    """Train by the reference in the type of `x`."""
    config = config.resolved()
    options: dict[str, Any] = {n: getattr(config, n) for n in config.__dataclass_fields__ if n not in _LEFT_OUT}
    options |= {"objective": data.objective, "quantiles": data.quantiles}
    sizes = config.network(data.n_inputs, data.n_outputs).sizes
    losses: list[float] = []
    train_step = reference.training.train_step

    def kept(*args: Any) -> Any:
        found = train_step(*args)
        losses.append(found[3])
        return found

    wanted = data.targets if targets is None else targets
    numbers = wanted if wanted.dtype == np.int64 else wanted.astype(x.dtype)
    weights = None if data.weights is None else data.weights.astype(x.dtype)
    rows = (data.train_rows[: data.n_train], data.validation_rows[: len(data.validation_rows) - _repeats(data)])
    with mock.patch.object(reference.training, "train_step", kept), np.errstate(all="ignore"):
        result = reference.training.train(x, numbers, *rows, sizes, weights, stream=stream, **options)
    return Followed(result, losses)


def _repeats(data: TrainingData) -> int:
    return len(data.train_rows) - data.n_train


def parameters_of(table: np.ndarray, flat: np.ndarray) -> list[np.ndarray]:
    """Return weights and biases of a flat buffer."""
    weights, biases = layout.unpack_parameters(table, flat)
    return [*weights, *biases]


def expected_end(config: TrainConfig, data: TrainingData, followed: Followed) -> tuple[int, int, bool]:
    """Return the status and the finished epochs of a training, and whether rounding may decide about them."""
    plain = data.objective == "cross-entropy" and data.weights is None
    start = max(followed.losses[0], 0.0 if plain else 1.0)
    n_steps = -(-data.n_train // config.batch_size)
    limit = step.DIVERGENCE * start
    close = any(abs(loss / limit - 1) < BORDER for loss in followed.losses if np.isfinite(loss) and limit > 0)
    most = max((float(np.abs(a).max()) for a in (*followed.result.weights, *followed.result.biases)), default=0.0)
    close = close or not most < 1e15  # float32 overflows where float64 does not
    for epoch in range(config.epochs):
        losses = followed.losses[epoch * n_steps : (epoch + 1) * n_steps]
        measured = [curve[epoch] for curve in followed.result[2:]]
        unknown = [value for k, value in enumerate(measured) if np.isnan(value) and k != 1]
        if not all(loss <= limit for loss in losses) or unknown or np.nanmax(np.abs(measured)) > step.LARGEST:
            return step.DIVERGED, epoch, close
    return step.DONE, config.epochs, close


def check_trajectory(record: Record, drawn: Drawn, run: PackRun, t: int, data: TrainingData) -> bool:
    """Compare a network of a pack with the reference; return whether it trained to its end."""
    member = run._members[t]
    x = inputs_of(data)
    followed = follow(data, member.config, member.stream, x.astype(np.float64))
    status, epochs, close = expected_end(member.config, data, followed)
    found = int(run.status[t]), int(run.epochs_done[t])
    if found != (status, epochs):
        if close or _any_end(drawn, data, member, x, found):
            record.note("ends within rounding of divergence")
            return False
        raise Wrong(f"status and epochs are {found}, of the reference {(status, epochs)}; losses {followed.losses[:9]}")
    record.passed("status and epochs as of the reference")
    if status != step.DONE:
        record.note("diverged, as of the reference")
        return False
    actual = _compared(
        data, np.asarray(run.curves[t], np.float64), parameters_of(run._layout(t).table, run.parameters(t))
    )
    compare(record, "trajectory", actual, _expected(data, followed), lambda: _spread(drawn, data, member, x))
    return True


def _expected(data: TrainingData, followed: Followed) -> list[np.ndarray]:
    result = followed.result
    return _compared(data, data.in_units(np.stack(result[2:])), [*result.weights, *result.biases])


def _compared(data: TrainingData, curves: np.ndarray, parameters: list[np.ndarray]) -> list[np.ndarray]:
    """Choose what is compared: accuracies jump with roundings, and `check_scores` looks at them."""
    jumps = data.objective in ("cross-entropy", "binary-cross-entropy")
    rows = [curves[row] for row in range(4) if not (jumps and row % 2)]
    half = len(parameters) // 2  # biases alone may be nothing but rounding, where two steps have cancelled
    layers = [np.vstack([w, b]) for w, b in zip(parameters[:half], parameters[half:], strict=True)]
    return [*(row for row in rows if not np.isnan(row).all()), *layers]


def _noisy(drawn: Drawn, data: TrainingData, member: Any, x: np.ndarray) -> Iterator[Followed]:
    """Train by the reference in float32, and with inputs, targets and gradients that are off by roundings."""
    yield follow(data, member.config, member.stream, x)
    for number, noise in enumerate(NOISE):
        random = drawn.random(100 + number)

        def off_by(gradient: np.ndarray, sizes: np.ndarray, noise: float = noise, random: Any = random) -> np.ndarray:
            return gradient + noise * random.uniform(-1, 1, sizes.shape) * sizes

        moved = x * (1 + noise * random.uniform(-1, 1, x.shape))
        targets = data.targets
        if targets.dtype != np.int64 and data.objective != "binary-cross-entropy":
            targets = targets * (1 + noise * random.uniform(-1, 1, targets.shape))
        with (
            mock.patch.object(
                reference.training, "weight_gradient", lambda x, dy, off=off_by: off(x.T @ dy, np.abs(x).T @ np.abs(dy))
            ),
            mock.patch.object(
                reference.training, "bias_gradient", lambda dy, off=off_by: off(dy.sum(axis=0), np.abs(dy).sum(axis=0))
            ),
        ):
            followed = follow(data, member.config, member.stream, moved, targets)
        yield followed


def _any_end(drawn: Drawn, data: TrainingData, member: Any, x: np.ndarray, found: tuple[int, int]) -> bool:
    return any(expected_end(member.config, data, one)[:2] == found for one in _noisy(drawn, data, member, x))


def _spread(drawn: Drawn, data: TrainingData, member: Any, x: np.ndarray) -> Iterator[list[np.ndarray]]:
    for one in _noisy(drawn, data, member, x):
        yield _expected(data, one)


def distance(actual: list[np.ndarray], expected: list[np.ndarray]) -> np.ndarray:
    """Return how far arrays are apart, each as a share of its largest value; not finite where either is not.

    >>> distance([np.array([1.0, 2.0])], [np.array([1.0, 4.0])])
    array([0.5])
    """
    shares = []
    with np.errstate(all="ignore"):
        for ours, theirs in zip(actual, expected, strict=True):
            if np.array_equal(ours, theirs):
                shares.append(0.0)
                continue
            off = float(np.abs(np.asarray(ours, np.float64) - theirs).max())
            share = off / max(float(np.abs(theirs).max()), 1e-30)
            shares.append(share if np.isfinite(share) else np.inf)
    return np.array(shares)


def compare(
    record: Record, what: str, actual: list[np.ndarray], expected: list[np.ndarray],
    spread: Callable[[], Iterator[list[np.ndarray]]], tolerance: float = TOLERANCE,
) -> None:  # fmt: skip
    """Fail where arrays are further apart than the tolerance, or than roundings move the reference itself."""
    off = distance(actual, expected)
    worst = float(off.max(initial=0.0))
    if worst <= tolerance:
        record.within(what, worst)
        record.passed(what)
        return
    moved, share = np.full(off.shape, tolerance), np.inf
    for other in spread():
        moved = np.maximum(moved, distance(other, expected))
        share = float((off / moved).max())
        if share <= SLACK:
            break
    if not share <= SLACK:
        raise Wrong(f"{what}: off by {off.tolist()}, where roundings move the reference by {moved.tolist()}")
    record.within(f"{what}, sensitive to rounding (share of its spread)", share)
    record.passed(f"{what}, sensitive to rounding")


def check_scores(record: Record, data: TrainingData, run: PackRun, t: int) -> None:
    """Compare the last validation loss and score, and an exact training score, with float64 on the same parameters."""
    member = run._members[t]
    parameters = [a.astype(np.float64) for a in parameters_of(run._layout(t).table, run.parameters(t))]
    half = len(parameters) // 2
    x, config = inputs_of(data).astype(np.float64), member.config
    scales = [reference.network.scales(ratio, config.dropout_scaling)[1] for ratio in config.dropouts]
    heads = config.network(data.n_inputs, data.n_outputs).heads
    curves = run.curves[t]
    parts = [(data.validation_rows[: len(data.validation_rows) - _repeats(data)], curves[3, -1], curves[2, -1])]
    if config.train_score == "exact":
        parts.append((data.train_rows[: data.n_train], curves[1, -1], None))
    for rows, score, loss in parts:
        with np.errstate(all="ignore"):
            outputs = reference.network.forward(
                parameters[:half], parameters[half:], x[rows], scales, None, config.activation, heads
            )[-1]
            outputs = reference.heads.mean(outputs, heads)
            bound = _bound(parameters[:half], parameters[half:], x[rows], scales)
            bound = bound.reshape(len(bound), heads, -1).max(axis=1)
        targets = data.targets[rows] if data.targets.dtype == np.int64 else data.targets[rows].astype(np.float64)
        weights = None if data.weights is None else data.weights[rows].astype(np.float64)
        details = reference.objective.Details(weights, data.quantiles, config.huber_delta)
        _check_part(record, data, outputs, bound, targets, details, float(score), loss)


def _bound(weights: list[np.ndarray], biases: list[np.ndarray], x: np.ndarray, scales: list[float]) -> np.ndarray:
    """Bound the rounding errors of outputs, (B, K): a few roundings of the sum of all sizes along every path."""
    y = np.abs(x)
    for place, (w, b) in enumerate(zip(weights, biases, strict=True)):
        y = y @ np.abs(w) + np.abs(b)
        y = y * scales[place] + 1.0 if place < len(weights) - 1 else y
    return 2e-6 * y + 1e-30


def _check_part(
    record: Record, data: TrainingData, outputs: np.ndarray, bound: np.ndarray, targets: np.ndarray,
    details: reference.objective.Details, score: float, loss: Any,
) -> None:  # fmt: skip
    objective = reference.objective.OBJECTIVES[data.objective]
    with np.errstate(all="ignore"):
        if loss is not None:
            exact = objective.loss(outputs, targets, 0.0, details)
            moved = [objective.loss(outputs + sign * bound, targets, 0.0, details) for sign in (-1, 1, _signs(bound))]
            room = 1e-6 * abs(exact) + 8 * max(abs(m - exact) for m in moved) + float(bound.max()) + 1e-6
            if not abs(float(loss) - exact) <= room:
                raise Wrong(
                    f"the last validation loss is {float(loss)!r}, with the same parameters {exact!r} ± {room:g}"
                )
            record.within("loss with the same parameters (relative)", abs(float(loss) - exact) / max(abs(exact), 1e-3))
            record.passed("last loss with the same parameters")
        if data.objective in ("cross-entropy", "binary-cross-entropy"):
            low, high = _accuracies(outputs, bound, targets, details)
            if not low - 1e-5 <= score <= high + 1e-5:
                raise Wrong(f"the last accuracy is {score!r}, with the same parameters from {low!r} to {high!r}")
            record.passed("last accuracy with the same parameters")


def _signs(bound: np.ndarray) -> np.ndarray:
    return np.where(np.indices(bound.shape).sum(axis=0) % 2, 1, -1)


def _accuracies(
    outputs: np.ndarray, bound: np.ndarray, targets: np.ndarray, details: reference.objective.Details
) -> tuple[float, float]:
    """Return the least and the largest accuracy that roundings of the outputs allow."""
    if targets.ndim == 2:
        right = ((outputs > 0) == (targets > 0.5)).astype(np.float64)
        unsure = np.abs(outputs) <= bound
        low, high = np.where(unsure, 0.0, right).mean(axis=1), np.where(unsure, 1.0, right).mean(axis=1)
    else:
        at = np.arange(len(targets)), targets
        others = outputs.copy()
        others[at] = -np.inf
        gap = outputs[at] - others.max(axis=1)
        room = 2 * bound.max(axis=1)
        low, high = (gap > room).astype(np.float64), (gap >= -room).astype(np.float64)
    return details.mean(low), details.mean(high)


GRADIENT = 40
"""Purpose of the generator of directions."""

_RATE = 64.0
"""Learning rate of the one step: a power of two, so large that the weights' own rounding does not hide the gradient."""

_STEP = 1e-5

_SLOPE = 5e-5
"""Allowed difference along a direction, as a share of the gradient's length."""


def check_gradient(record: Record, drawn: Drawn, data: TrainingData) -> None:
    """Compare what one step of plain SGD subtracts with the slope of the reference's loss along random directions."""
    config = replace(
        drawn.config, optimizer="sgd", learning_rate=_RATE, weight_decay=0.0, batch_size=drawn.n_train, epochs=1,
        schedule="constant", warmup_epochs=0.0, train_score="none",
    ).resolved()  # fmt: skip
    training = Training(config, data, 1, drawn.stream)
    table = training.assembly.layout.table
    random = drawn.random(GRADIENT)
    weights, biases = layout.unpack_parameters(table, training.parameters())
    biases = [0.3 * random.standard_normal(b.shape).astype(np.float32) for b in biases]  # away from kinks at zero
    layout.pack_parameters(table, weights, biases, training.parameters())
    before = [a.astype(np.float64) for a in parameters_of(table, training.parameters())]
    training.start()
    training.join()
    after = parameters_of(table, training.parameters())
    with np.errstate(all="ignore"):
        gradient = [(w - new) / _RATE for w, new in zip(before, after, strict=True)]
    size = np.sqrt(sum(float((g * g).sum()) for g in gradient))
    if not np.isfinite(size):
        record.note("gradients too large for float32")
        return
    loss, steps = _loss_of(config, data, drawn.stream), 3e-7 * max(float(np.abs(w).max()) for w in before) / _RATE
    for along in (1.0, 0.0):
        direction = [random.standard_normal(g.shape) for g in gradient]
        length = np.sqrt(sum(float((d * d).sum()) for d in direction))
        direction = [d / length + along * g / max(size, 1e-30) for d, g in zip(direction, gradient, strict=True)]
        ours = sum(float((g * d).sum()) for g, d in zip(gradient, direction, strict=True))
        _check_slope(record, loss, before, direction, ours, size, steps * length)


def _check_slope(
    record: Record, loss: Callable[[list[np.ndarray]], float], at: list[np.ndarray], direction: list[np.ndarray],
    ours: float, size: float, rounding: float,
) -> None:  # fmt: skip
    """Compare a slope with central differences; a smaller step crosses fewer kinks, but has larger rounding errors."""
    room, offs = _SLOPE * size + rounding, []
    for h in (_STEP, _STEP / 10, _STEP / 100):
        above, below = (loss([w + sign * h * d for w, d in zip(at, direction, strict=True)]) for sign in (1, -1))
        off = abs((above - below) / (2 * h) - ours)
        offs.append(max(off - 1e-15 * (abs(above) + abs(below)) / h, 0.0))
        if offs[-1] <= room:
            break
    if not offs[-1] <= room:
        raise Wrong(f"the gradient is off by {offs} along a direction, where {room:g} is allowed")
    if size > 0:
        record.within("gradient along a direction (share of its length)", offs[-1] / size)
    record.passed("gradient by finite differences")


def _loss_of(config: TrainConfig, data: TrainingData, stream: int) -> Callable[[list[np.ndarray]], float]:
    """Return the loss of the first batch as a function of weights and biases, its dropout held."""
    rows = data.train_rows[: data.n_train][
        reference.rng.shuffle(config.seed, stream, 0, data.n_train)
    ]  # the masks belong to places in the batch
    spec = config.network(data.n_inputs, data.n_outputs)
    sizes, heads = spec.sizes, reference.heads
    keeps = [
        reference.rng.keep_mask(config.seed, stream, layer, 0, spec.heads * len(rows), width, ratio) if ratio else None
        for layer, (width, ratio) in enumerate(zip(sizes[1:-1], config.dropouts, strict=True))
    ]
    scales = [reference.network.scales(ratio, config.dropout_scaling)[0] for ratio in config.dropouts]
    x = inputs_of(data)[rows].astype(np.float64)
    targets = data.targets[rows] if data.targets.dtype == np.int64 else data.targets[rows].astype(np.float64)
    weights = None if data.weights is None else data.weights[rows].astype(np.float64)
    details = reference.objective.Details(weights, data.quantiles, config.huber_delta)
    objective = reference.objective.OBJECTIVES[data.objective]
    half = len(list(pairwise(sizes)))

    def loss(parameters: list[np.ndarray]) -> float:
        with np.errstate(all="ignore"):
            outputs = reference.network.forward(
                parameters[:half], parameters[half:], x, scales, keeps, config.activation, spec.heads
            )[-1]
            answers, (wanted, more) = heads.own(outputs, spec.heads), heads.repeated(targets, details, spec.heads)
            return objective.loss(answers, wanted, config.label_smoothing, more)

    return loss
