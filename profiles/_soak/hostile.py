"""Trials that go wrong next to trials that do not: numbers that no check lets in, and rates that nothing survives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from _soak.bits import ended, neighbours, trained
from _soak.drawing import Drawn
from _soak.guards import guarded
from _soak.record import Record, Wrong
from _soak.samples import prepared_of
from fastnet.config.training import TrainConfig
from fastnet.kernels import layout, panels, sparsity, step
from fastnet.network.samples import TrainingData
from fastnet.training.pack import Member

POISON = 30
"""Purpose of the generator of poison."""

VALUES = {
    "nan": np.nan, "inf": np.inf, "-inf": -np.inf, "largest": np.finfo(np.float32).max, "subnormal": 1e-42,
    "smallest": np.float32(2.0**-149),
}  # fmt: skip

PLACES = ("inputs", "targets", "weights", "rates")


def check_poison(record: Record, drawn: Drawn) -> None:
    """Train a pack with a poisoned network and without: the others must have the same bits, and no canary may move."""
    random = drawn.random(POISON)
    data = prepared_of(drawn)
    place, name = str(random.choice(PLACES)), str(random.choice(list(VALUES)))
    config = drawn.config
    poisoned = data
    if place == "rates":
        config = _wild(drawn, random)
    else:
        poisoned = _poisoned(data, place, VALUES[name], random)
        if poisoned is data:
            place, config = "rates", _wild(drawn, random)
    record.note(f"poison in {place}" + (f": {name}" if place != "rates" else ""))
    healthy = neighbours(drawn, data)
    bad = [Member(poisoned, config, stream) for stream in (drawn.stream, 3)]
    expected = [ended(run, t) for run in [trained(healthy)] for t in range(len(healthy))]
    order = random.permutation(len(healthy) + len(bad))
    members = [[*healthy, *bad][k] for k in order]
    with guarded(record) as buffers:
        run = trained(members, 1 + int(random.integers(2)), (1,), buffers)
    for place_in_pack, k in enumerate(order.tolist()):
        found = ended(run, place_in_pack)
        if k < len(healthy):
            if found != expected[k]:
                raise Wrong(f"next to a network with {name} in its {place}, network {k} is another one")
            record.passed("neighbours of poisoned networks: same bits")
        else:
            _check_end(place, name, found.status, np.frombuffer(found.curves, np.float32))
            record.passed("poisoned networks end as they must")
            record.note("poisoned networks that " + ("diverged" if found.status == step.DIVERGED else "went on"))


def _check_end(place: str, name: str, status: int, curves: np.ndarray) -> None:
    if status not in (step.DONE, step.DIVERGED):
        raise Wrong(f"a network with {name} in its {place} ends with status {status}")
    if name == "nan" and place in ("inputs", "targets", "weights") and status != step.DIVERGED:
        raise Wrong(f"a network with NaN in its {place} ends as {status}, and not as diverged")
    if name in ("subnormal", "smallest") and place == "inputs" and status == step.DONE and np.isinf(curves).any():
        raise Wrong(f"a network with {name} in its {place} has infinite losses")


def _wild(drawn: Drawn, random: np.random.Generator) -> TrainConfig:
    return replace(
        drawn.config,
        learning_rate=float(random.choice([1e6, 1e3, 1e-38, 5e-324, 1e-45])),
        weight_decay=float(random.choice([0.0, 1e6, 1e-45, 1e3])),
        epsilon=float(random.choice([1e-30, 1e-8, 1e6])),
        momentum=float(random.choice([0.0, 0.999999, 1 - 2**-53])),
    )


def _poisoned(data: TrainingData, place: str, value: float, random: np.random.Generator) -> TrainingData:
    """Put a value where no check lets it in; return the data themselves where there is no such place."""
    n_train = data.n_train
    rows = [int(random.choice(data.train_rows[:n_train]))]
    if place == "weights":
        if data.weights is None:
            return data
        weights = data.weights.copy()
        weights[rows] = value
        return replace(data, weights=weights)
    if place == "targets":
        if data.targets.dtype == np.int64:
            return data
        targets = data.targets.copy()
        targets[rows, int(random.integers(targets.shape[1]))] = value
        return replace(data, targets=targets)
    return _poisoned_inputs(data, value, rows, random)


def _poisoned_inputs(data: TrainingData, value: float, rows: list[int], random: np.random.Generator) -> TrainingData:
    if data.csr is not None:
        begin, end = data.csr.starts[rows[0]], data.csr.starts[rows[0] + 1]
        if begin == end:
            return data
        entries = data.csr.entries.copy()
        entries[int(random.integers(begin, end))] = value
        return replace(data, csr=data.csr._replace(entries=entries))
    if data.coded is not None:
        fractions = data.coded.fractions.copy()
        if not fractions.shape[1]:
            return data
        fractions[rows, int(random.integers(fractions.shape[1]))] = value
        return replace(data, coded=data.coded._replace(fractions=fractions))
    x = layout.aligned(data.x.shape)
    x[...] = data.x
    x[rows, int(random.integers(data.n_inputs))] = value
    if not data.sparse:
        return replace(data, x=x)
    features = x[:, : data.n_inputs]
    inputs, pairs = sparsity.non_zero_lists(features, 1), sparsity.non_zero_lists(features, panels.PAIR)
    return replace(data, x=x, inputs=inputs, pairs=pairs)
