"""Configuration N of seed S: everything that it trains, drawn by a generator that only the two decide."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from cases import SIZES

from fastnet.config.network import ACTIVATIONS, INITS
from fastnet.config.objective import OF_TASK, TASK_OF
from fastnet.config.training import DROPOUT_SCALINGS, OPTIMIZERS, SCHEDULES, TRAIN_SCORES, TrainConfig
from fastnet.data.pipeline.table import NUMBERS

KINDS = {"training": 0.83, "poison": 0.08, "edge": 0.05, "search": 0.03, "shared": 0.01}
"""Kinds of configurations and their shares; of the last the networks are so large that threads share their products."""

FORMS = {"array": 0.3, "images": 0.1, "zeros": 0.2, "sparse": 0.2, "table": 0.2}
"""Forms of data: numbers, bytes, arrays of which most values are 0, compressed sparse rows, columns of a table."""

MOST_STEPS = 90
"""Most steps of a training, which the reference repeats in Python."""

_RATES = {"sgd": 0.05, "momentum": 0.02, "nesterov": 0.02, "adagrad": 0.02, "rmsprop": 0.002, "adam": 0.01}


@dataclass(frozen=True)
class Drawn:
    """A configuration.

    Attributes
    ----------
    seed, number : int
        What it follows from.
    kind : str
        One of `KINDS`.
    form : str
        One of `FORMS`.
    n_train, n_validation, n_features, n_outputs : int
        Samples of both parts; features, of tables always those of `tables.FIELDS`; classes or targets.
    numbers : str
        How the numbers of a table become inputs, or whether sparse columns are scaled.
    filled : float
        Share of values other than 0 of ``zeros`` and ``sparse``.
    column : str
        What one feature of an ``array`` is: ``usual``, ``constant``, ``subnormal``, ``tiny`` or ``huge``.
    weighted : bool
        Whether samples have weights.
    config : TrainConfig
    stream : int
        Number of the trial.
    """

    seed: int
    number: int
    kind: str
    form: str
    n_train: int
    n_validation: int
    n_features: int
    n_outputs: int
    numbers: str
    filled: float
    column: str
    weighted: bool
    config: TrainConfig
    stream: int

    def random(self, purpose: int) -> np.random.Generator:
        """Return a generator for one purpose, the same each time."""
        return generator(self.seed, self.number, purpose)

    def traits(self) -> dict[str, Any]:
        """Return what the summary counts."""
        config = self.config
        return {
            "kind": self.kind,
            "form": self.form,
            "objective": config.objective,
            "optimizer": config.optimizer,
            "activation": config.activation,
            "init": str(config.init),
            "schedule": config.schedule + (" with warm-up" if config.warmup_epochs else ""),
            "hidden layers": len(config.hidden),
            "dropout": "none" if not any(config.dropouts) else config.dropout_scaling,
            "batch size": "1" if config.batch_size == 1 else "all" if config.batch_size >= self.n_train else "some",
            "train score": config.train_score,
            "weights": "samples" if self.weighted else config.class_weight or "none",
            "label smoothing": "yes" if config.label_smoothing else "no",
            "numbers": self.numbers if self.form == "table" else "standard" if self.form == "array" else "as given",
            "column": self.column,
        }


def generator(seed: int, number: int, purpose: int) -> np.random.Generator:
    """Return the generator of a configuration for one purpose."""
    return np.random.Generator(np.random.Philox(key=(seed << 64) + (number << 8) + purpose))


def chosen(random: np.random.Generator, shares: dict[str, float]) -> str:
    """Draw a name by its share."""
    names = list(shares)
    return names[int(random.choice(len(names), p=np.array(list(shares.values())) / sum(shares.values())))]


def draw(seed: int, number: int, kind: str | None = None) -> Drawn:
    """Draw a configuration.

    >>> draw(1, 5) == draw(1, 5), draw(1, 5) == draw(1, 6)
    (True, False)
    """
    random = generator(seed, number, 0)
    drawn_kind, form = chosen(random, KINDS), chosen(random, FORMS)
    kind = kind or drawn_kind
    objective = str(random.choice(["cross-entropy", *TASK_OF])) if random.random() < 0.9 else "binary-cross-entropy"
    n_train = int(random.choice([1, 2, 3, 5, int(random.integers(6, 20)), int(random.integers(20, 90))]))
    n_features = 6 if form == "table" else int(random.choice(SIZES if random.random() < 0.8 else SIZES[:12]))
    config = _config(random, objective, n_train)
    if kind == "shared":
        n_train, n_features = int(random.integers(90, 140)), 6 if form == "table" else int(random.integers(200, 400))
        config = _shared(random, config)
    return Drawn(
        seed=seed,
        number=number,
        kind=kind,
        form=form,
        n_train=n_train,
        n_validation=int(random.integers(1, 24)),
        n_features=n_features,
        n_outputs=_n_outputs(random, objective),
        numbers=str(random.choice(("auto", *NUMBERS) if form == "table" else ("auto", "standard"))),
        filled=float(random.choice([0.02, 0.1, 0.3, 0.45])),
        column=str(random.choice(["constant", "subnormal", "tiny", "huge"])) if random.random() < 0.2 else "usual",
        weighted=bool(random.random() < 0.3),
        config=config,
        stream=int(random.choice([0, 2**32 - 1, int(random.integers(2**32))])),
    )


def _n_outputs(random: np.random.Generator, objective: str) -> int:
    if objective == "cross-entropy":
        return int(random.choice([2, 2, 3, 4, 5, 10, int(random.integers(2, 40))]))
    return int(random.choice([1, 1, 2, 3, 7, 17]))


def _hidden(random: np.random.Generator) -> tuple[int, ...]:
    widths = [n for n in SIZES if n <= (130 if random.random() < 0.15 else 40)]
    return tuple(int(random.choice(widths)) for _ in range(int(random.choice([0, 1, 1, 2, 2, 3, 4]))))


def _config(random: np.random.Generator, objective: str, n_train: int) -> TrainConfig:
    hidden, epochs = _hidden(random), int(random.integers(1, 6))
    batch_size = int(random.choice([1, 2, 3, 5, 6, 7, 8, 12, 13, 16, 24, 33, 1000]))
    while batch_size < n_train and epochs * -(-n_train // batch_size) > MOST_STEPS:
        batch_size, epochs = 2 * batch_size, max(1, epochs - 1)
    optimizer = str(random.choice(OPTIMIZERS))
    return TrainConfig(
        hidden=hidden, activation=str(random.choice(ACTIVATIONS)), init=str(random.choice(INITS)),
        optimizer=optimizer, objective=objective, batch_size=batch_size, epochs=epochs,
        learning_rate=_rate(random, optimizer), weight_decay=_or_zero(random, 1e-8, 1.0),
        momentum=float(random.choice([0.0, 0.5, 0.9, 0.99])), rho=float(random.choice([0.0, 0.9, 0.99])),
        relative_rate=float(random.choice([0.0, 0.0, 1.0, 20.0])), heads=int(random.choice([1, 1, 1, 2, 3, 4, 9])),
        beta1=float(random.choice([0.0, 0.5, 0.9])), beta2=float(random.choice([0.0, 0.9, 0.99, 0.999])),
        epsilon=float(10 ** random.uniform(-5, -2)), schedule=str(random.choice(SCHEDULES)),
        warmup_epochs=float(random.uniform(0, epochs)) if random.random() < 0.3 else 0.0,
        step_epochs=int(random.integers(1, 4)), step_factor=float(random.uniform(0.05, 1.0)),
        label_smoothing=0.0 if objective not in OF_TASK["classification"] else _or_zero(random, 0.01, 0.9),
        class_weight="balanced" if objective == "cross-entropy" and random.random() < 0.2 else None,
        huber_delta=float(random.uniform(0.1, 2.0)), quantiles=_quantiles(random),
        dropout=_dropout(random, len(hidden)), dropout_scaling=str(random.choice(DROPOUT_SCALINGS)),
        train_score=str(random.choice(TRAIN_SCORES)), seed=int(random.integers(2**63)) * 2 + 1,
    )  # fmt: skip


def _shared(random: np.random.Generator, config: TrainConfig) -> TrainConfig:
    """Make a network so large that threads share some of its products."""
    hidden = tuple(int(random.integers(230, 420)) for _ in range(int(random.integers(1, 3))))
    return replace(
        config, hidden=hidden, batch_size=int(random.integers(64, 140)), epochs=2, warmup_epochs=0.0,
        dropout=float(random.choice([0, 0.3])), learning_rate=min(config.effective_learning_rate, 0.01),
    )  # fmt: skip


def _rate(random: np.random.Generator, optimizer: str) -> float:
    if random.random() < 0.06:
        return float(random.choice([1e-30, 1e-12, 30.0, 1e6]))
    return float(_RATES.get(optimizer, 0.01) * 10 ** random.uniform(-1.5, 0.5))


def _or_zero(random: np.random.Generator, low: float, high: float) -> float:
    value = float(np.exp(random.uniform(np.log(low), np.log(high))))
    return value if random.random() < 0.5 else 0.0


def _dropout(random: np.random.Generator, n_hidden: int) -> float | tuple[float, ...]:
    ratios = [0.0, 0.1, 0.25, 0.5, 0.9]
    which = random.random()
    if which < 0.5:
        return 0.0
    return float(random.choice(ratios)) if which < 0.8 else tuple(float(random.choice(ratios)) for _ in range(n_hidden))


def _quantiles(random: np.random.Generator) -> tuple[float, ...]:
    return ((0.5,), (0.2, 0.7), (0.1, 0.5, 0.9))[int(random.integers(3))]
