"""A test of the installation in less than a second: the compiled kernels against the reference, on real images.

Only this module of the library imports `fastnet.reference`. It trains the default layers, so a cache that has served a
search already contains what it needs. The project's tests go much further; this one finds a compiler, a processor or a
cache that produces wrong numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnet import reference
from fastnet.config.network import ACTIVATIONS
from fastnet.config.training import OPTIMIZERS, TrainConfig
from fastnet.data.dataset import Dataset, take_first
from fastnet.data.registry import load
from fastnet.data.splitting import Split, split
from fastnet.kernels import layout, rng
from fastnet.network.samples import TrainingData, prepare
from fastnet.training.loop import Fit
from fastnet.training.pack import PackRun, alike, warm_up
from fastnet.training.single import Training

TOLERANCE = 1e-5
"""Allowed difference of parameters, probabilities and losses from float64; correct kernels stay below 2e-6."""

CONFIG = TrainConfig(
    hidden=(100, 100), learning_rate=0.05, weight_decay=1e-3, epsilon=1e-4, batch_size=30, epochs=2, seed=2**63 + 11
)
"""Epsilon is large on purpose: with 1e-8 the direction of a step depends on the sign of gradients that are only
rounding errors."""
_RATES = {"sgd": 0.05, "rmsprop": 0.001}
STREAM = 5


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the self-test.

    Attributes
    ----------
    name : str
    passed : bool
    detail : str
        The difference found, or what went wrong.
    seconds : float
        Its duration, including compiling or loading the kernels.
    """

    name: str
    passed: bool
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """The images that all checks train on."""

    dataset: Dataset
    parts: Split
    data: TrainingData  # the first layer skips zeros
    dense: TrainingData  # and here it does not

    @property
    def x(self) -> npt.NDArray[np.float64]:
        """All samples, scaled."""
        return self.data.pipeline.apply(self.dataset.x).astype(np.float64)


def self_test() -> list[Check]:
    """Compare the compiled kernels with the reference.

    Returns
    -------
    list of Check
        In the order in which they ran. An exception in one is that check's failure and is not raised.

    Examples
    --------
    >>> all(check.passed for check in self_test())
    True
    """
    dataset = take_first(load("mnist5k"), 100)
    parts = split(dataset.y)
    bench = _Bench(dataset, parts, prepare(dataset, parts), prepare(dataset, parts, skip_zeros=False))
    checks: list[tuple[str, Callable[[], str]]] = [
        ("kernels", lambda: f"compiled or loaded in {warm_up(CONFIG, bench.data):.1f} s"),
        ("random numbers", lambda: _random_numbers(bench)),
        ("forward", lambda: _forward(bench)),
        ("gradients", lambda: _gradients(bench)),
        *((f"{name} update", lambda name=name: _update(bench, name)) for name in OPTIMIZERS),
        ("activations", lambda: _activations(bench)),
        ("whole training", lambda: _trajectory(bench)),
    ]
    return [_run(name, check) for name, check in checks]


def _run(name: str, check: Callable[[], str]) -> Check:
    clock = time.perf_counter()
    try:
        passed, detail = True, check()
    except Exception as error:
        said = str(error).strip().partition("\n")[0]
        passed, detail = False, said if isinstance(error, _Wrong) else f"{type(error).__name__}: {said}"
    return Check(name, passed, detail, time.perf_counter() - clock)


class _Wrong(Exception):
    """The kernels and the reference differ."""


def _near(actual: Any, expected: Any) -> str:
    """Return how far two lists of arrays are apart, as a share of the largest value of each; raise if too far."""
    worst = 0.0
    for ours, theirs in zip(actual, expected, strict=True):
        off = float(np.abs(np.asarray(ours, np.float64) - theirs).max()) / float(np.abs(theirs).max())
        worst = off if not off <= worst else worst  # NaN is the worst of all
    if not worst <= TOLERANCE:
        raise _Wrong(f"differs by {worst:.1e}, where {TOLERANCE:.0e} is allowed")
    return f"within {worst:.1e}"


def _same(actual: npt.NDArray[Any], expected: npt.NDArray[Any]) -> None:
    wrong = np.count_nonzero(actual != expected)
    if wrong:
        raise _Wrong(f"{wrong} of {expected.size} numbers differ, where all must be the same to the bit")


def _random_numbers(bench: _Bench) -> str:
    streams = np.arange(100)
    words = [reference.rng.random_words(CONFIG.seed, t, reference.rng.SPACE, 0, 0, 1)[0] for t in streams.tolist()]
    _same(rng.uniforms(np.uint64(CONFIG.seed), streams, reference.rng.SPACE, 0), reference.rng.uniform(np.array(words)))
    training = Training(CONFIG, bench.data, 1, STREAM)
    sizes = CONFIG.network(bench.data.n_inputs, bench.data.n_outputs).sizes
    for layer, weights in enumerate(_parameters(training)[0]):
        n_in, n_out = sizes[layer : layer + 2]
        _same(weights, reference.rng.initial_weights(CONFIG.seed, STREAM, layer, n_in, n_out, CONFIG.effective_init))
    Fit(training, CONFIG).train()
    n_train = len(bench.parts.train)
    order = reference.rng.shuffle(CONFIG.seed, STREAM, CONFIG.epochs - 1, n_train)
    _same(training.work.order[:n_train], bench.parts.train[order])
    return "the same bits"


def _forward(bench: _Bench) -> str:
    training = Training(CONFIG, bench.data, 1)
    weights, biases = _parameters(training)
    model = training.model()
    exact = [[array.astype(np.float64) for array in arrays] for arrays in (weights, biases)]
    logits = reference.network.forward(exact[0], exact[1], bench.x, 1.0)[-1]
    return _near([model.predict_proba(bench.dataset.x)], [reference.objective.softmax(logits)])


def _gradients(bench: _Bench) -> str:
    """Compare one step of plain SGD on all samples, listed and dense: the gradient is what it subtracted."""
    config = replace(CONFIG, learning_rate=4.0, weight_decay=0.0, batch_size=len(bench.parts.train), epochs=1)
    actual, expected = [], []
    for data in (bench.data, bench.dense):
        training = Training(config, data, 1)
        before = [array.astype(np.float64) for arrays in _parameters(training) for array in arrays]
        Fit(training, config).train()
        after = [array for arrays in _parameters(training) for array in arrays]
        actual += [(w - new) / config.effective_learning_rate for w, new in zip(before, after, strict=True)]
        weights, biases = before[:3], before[3:]
        x, labels = bench.x[bench.parts.train], bench.dataset.y[bench.parts.train]
        outputs = reference.network.forward(weights, biases, x, 1.0)
        dys = reference.network.backward(weights, outputs, labels, 1.0)
        inputs = [x, *outputs[:-1]]
        expected += [reference.network.weight_gradient(a, dy) for a, dy in zip(inputs, dys, strict=True)]
        expected += [reference.network.bias_gradient(dy) for dy in dys]
    return _near(actual, expected)


def _update(bench: _Bench, optimizer: str) -> str:
    config = replace(CONFIG, optimizer=optimizer, learning_rate=_RATES.get(optimizer, 0.01))
    training = Training(config, bench.data, 1, STREAM)
    Fit(training, config).train()
    expected = _follow(bench, config)
    weights, biases = _parameters(training)
    return _near(weights + biases, expected.weights + expected.biases)


def _activations(bench: _Bench) -> str:
    actual, expected = [], []
    for activation in ACTIVATIONS:
        config = replace(CONFIG, activation=activation, dropout=0.25)
        training = Training(config, bench.data, 1, STREAM)
        Fit(training, config).train()
        right = _follow(bench, config)
        actual += [array for arrays in _parameters(training) for array in arrays]
        expected += right.weights + right.biases
    return _near(actual, expected)


def _trajectory(bench: _Bench) -> str:
    """Train a pack with dropout, on one thread and on two, with lists of zeros and dense: always the same bits."""
    config = replace(CONFIG, dropout=0.25)
    runs = []
    for data, jobs in ((bench.data, 1), (bench.data, 2), (bench.dense, 1)):
        pack = PackRun(alike(data, config, [STREAM, 7]), jobs)
        pack.start()
        pack.join()
        runs.append(pack.curves)
    for other in runs[1:]:
        _same(other, runs[0])
    expected = _follow(bench, config)
    return _near(runs[0][0, [0, 2]], [expected.train_loss, expected.validation_loss])


def _follow(bench: _Bench, config: TrainConfig) -> reference.training.Trajectory:
    """Train with the reference, in float64."""
    config, left_out = config.resolved(), ("hidden", "early_stopping", "class_weight", "calibration", "threshold")
    options: dict[str, Any] = {n: getattr(config, n) for n in config.__dataclass_fields__ if n not in left_out}
    options["objective"] = bench.data.objective
    sizes = config.network(bench.data.n_inputs, bench.data.n_outputs).sizes
    return reference.training.train(
        bench.x, bench.dataset.y, bench.parts.train, bench.parts.validation, sizes, stream=STREAM, **options
    )


def _parameters(training: Training) -> tuple[list[npt.NDArray[np.float32]], list[npt.NDArray[np.float32]]]:
    return layout.unpack_parameters(training.assembly.layout.table, training.work.params[0])
