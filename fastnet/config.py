"""Settings as frozen dataclasses that validate themselves, so that an invalid one cannot exist.

Names and defaults live here and nowhere else: the command line reads its defaults and its choices from these classes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastnet.errors import ConfigError
from fastnet.limits import usable_cores
from fastnet.scalars import make_plain, plain

LEARNING_RATES = {
    **dict.fromkeys(("sgd", "momentum", "nesterov", "adagrad"), 0.01),
    **dict.fromkeys(("rmsprop", "adam", "adamw"), 0.001),
}
"""Step size of each optimizer where none is given: the book's, and for those that divide by a running mean of squares
the tenth of it that their authors advise."""

OPTIMIZERS = tuple(LEARNING_RATES)
SCHEDULES = ("constant", "step", "cosine")

ACTIVATIONS = ("relu", "leaky-relu", "tanh", "logistic", "gelu", "silu")
INITS = ("he", "xavier")
INIT_OF = {name: "xavier" if name in ("tanh", "logistic") else "he" for name in ACTIVATIONS}
"""Initial values of each activation where none are given: He's for those like ReLU, Xavier's for the S-shaped ones."""

DROPOUT_SCALINGS = ("inverted", "test-time")

BOOK_HIDDEN = (100,) * 6
"""Six hidden layers of 100: the network of chapter 6.4-6.5 of *Deep Learning from Scratch*."""

LARGEST = 1e6
"""Largest learning rate, weight decay and epsilon: beyond all use, and well within float32."""

SMALLEST_EPSILON = 1e-30
"""Below float32's smallest number a weight without a gradient would become 0 / 0."""

MAX_LAYERS = 1000
MAX_SEED = 2**64 - 1
MAX_EPOCHS = 1_000_000

_LARGEST_REAL = sys.float_info.max

_HYPERPARAMETERS = (
    *("learning_rate", "warmup_epochs", "step_epochs", "step_factor", "weight_decay", "momentum", "rho", "beta1"),
    *("beta2", "epsilon", "label_smoothing"),
)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= _LARGEST_REAL:
        raise ConfigError(f"{name}={_shown(value)}: must be a finite number")
    return float(value)


def _in_range(
    name: str, value: object, low: float, high: float, *, open_low: bool = False, open_high: bool = True
) -> None:
    number = _number(name, value)
    above = number > low if open_low else number >= low
    below = number < high if open_high else number <= high
    if not (above and below):
        interval = f"{'(' if open_low else '['}{low:g}, {high:g}{')' if open_high else ']'}"
        hint = f". Did you mean {number / 100:g}?" if high == 1.0 and 2.0 <= number <= 100.0 else ""
        raise ConfigError(f"{name}={value!r}: must be in {interval}{hint}")


def _count(name: str, value: object, low: int = 1, high: int = 2**31 - 1) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{name}={_shown(value)}: must be a whole number from {low} to {high}")


def _shown(value: object) -> str:
    """Write a refused value; Python does not write whole numbers of thousands of digits."""
    return "a huge number" if isinstance(value, int) and value.bit_length() > 1100 else repr(value)


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name}={_shown(value)}: must be one of {', '.join(allowed)}")


def _widths(name: str, value: object) -> None:
    if not isinstance(value, tuple):
        raise ConfigError(f"{name}={value!r}: must be a tuple of layer widths, such as (100, 100)")
    for width in value:
        _count(name, width, high=65_536)
    if len(value) > MAX_LAYERS:
        raise ConfigError(f"{name} has {len(value)} layers: at most {MAX_LAYERS} are allowed")


def parse_hidden(text: str) -> tuple[int, ...]:
    """Read the text form of the hidden layers.

    Parameters
    ----------
    text : str
        ``"100x6"`` (six layers of 100), ``"512,256"`` or ``"512-256"``, a mixture (``"256x2,64"``), or ``"none"`` for
        no hidden layer.

    Returns
    -------
    tuple of int
        One width per hidden layer.

    Raises
    ------
    ConfigError
        If the text does not follow that form or a width or a repetition is not at least 1.

    Examples
    --------
    >>> parse_hidden("100x3")
    (100, 100, 100)
    >>> parse_hidden("256x2,64")
    (256, 256, 64)
    >>> parse_hidden("none")
    ()
    """
    cleaned = text.strip().lower()
    if cleaned in ("none", "0x0"):
        return ()
    widths: list[int] = []
    for part in cleaned.replace("-", ",").split(","):
        width, _, repeat = part.strip().partition("x")
        if not width.isdecimal() or (repeat and not repeat.isdecimal()) or part.strip().endswith("x"):
            raise ConfigError(f"hidden={text!r}: write widths such as 100x6 or 512,256, or none for no hidden layer")
        count = _short_count(repeat) if repeat else 1
        _count("hidden repetition", count, high=1000)
        widths.extend([_short_count(width)] * count)
        if len(widths) > MAX_LAYERS:  # sooner than all of a long text is read
            break
    hidden = tuple(widths)
    _widths("hidden", hidden)
    return hidden


def _short_count(digits: str) -> int:
    """Read a whole number of the size of a layer; of more digits the first, for Python reads none of thousands."""
    return int((digits.lstrip("0") or "0")[:9])


def format_hidden(hidden: tuple[int, ...]) -> str:
    """Write hidden widths the way `parse_hidden` reads them.

    Examples
    --------
    >>> format_hidden((100, 100, 64))
    '100x2,64'
    >>> format_hidden(())
    'none'
    """
    parts: list[list[int]] = []
    for width in hidden:
        if parts and parts[-1][0] == width:
            parts[-1][1] += 1
        else:
            parts.append([width, 1])
    return ",".join(f"{w}x{n}" if n > 1 else str(w) for w, n in parts) or "none"


def parse_dropout(text: str) -> float | tuple[float, ...]:
    """Read the text form of dropout: one number for all hidden layers, or one for each.

    Raises
    ------
    ConfigError
        If a part is not a number.

    Examples
    --------
    >>> parse_dropout("0.2"), parse_dropout("0,0.5")
    (0.2, (0.0, 0.5))
    """
    try:
        ratios = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"dropout={text!r}: write a number such as 0.2, or one for each layer: 0,0.5") from None
    return ratios if len(ratios) > 1 else ratios[0]


def format_dropout(dropout: float | tuple[float, ...]) -> str:
    """Write dropout the way `parse_dropout` reads it.

    Examples
    --------
    >>> format_dropout((0.0, 0.5)), format_dropout(0.1234567)
    ('0,0.5', '0.1234567')
    """
    return ",".join(format_number(ratio) for ratio in (dropout if isinstance(dropout, tuple) else (dropout,)))


TEXT_FORMS: dict[str, Callable[[str], Any]] = {"hidden": parse_hidden, "dropout": parse_dropout}
"""What reads the fields of `TrainConfig` that are written as text."""


def format_number(value: float) -> str:
    """Write a number as briefly as it can be read back as the same.

    Examples
    --------
    >>> format_number(0.5), format_number(1e-8), format_number(0.123456789), format_number(100)
    ('0.5', '1e-08', '0.123456789', '100')
    """
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """The shape of one fully connected network with a softmax output.

    Parameters
    ----------
    n_inputs : int
        Features per sample, at least 1.
    n_outputs : int
        Classes, at least 2.
    hidden : tuple of int
        Width of each hidden layer, each at least 1; empty for softmax regression.
    activation : {"relu", "leaky-relu", "tanh", "logistic", "gelu", "silu"}
        Of the hidden layers. ``leaky-relu`` has the slope 0.01 below zero; ``gelu`` is ``z Φ(z)`` with the normal
        distribution itself, not its approximation; ``silu`` is z times the logistic function of z.
    init : {"he", "xavier"}
        Standard deviation of the initial weights: ``sqrt(2 / n_in)`` (He et al. 2015) or
        ``sqrt(2 / (n_in + n_out))`` (Glorot and Bengio 2010); by default that of `INIT_OF` for the activation. Biases
        start at zero.

    Raises
    ------
    ConfigError
        If a size or the name of the activation or of the initial values is not allowed.

    Examples
    --------
    >>> NetworkSpec(n_inputs=784, n_outputs=10, hidden=(100, 50)).sizes
    (784, 100, 50, 10)
    """

    n_inputs: int
    n_outputs: int
    hidden: tuple[int, ...] = BOOK_HIDDEN
    activation: str = "relu"
    init: str = None  # type: ignore[assignment]  # __post_init__ chooses by activation

    def __post_init__(self) -> None:
        make_plain(self)
        _count("n_inputs", self.n_inputs)
        _count("n_outputs", self.n_outputs, low=2, high=65_536)
        _widths("hidden", self.hidden)
        _one_of("activation", self.activation, ACTIVATIONS)
        if self.init is None:
            object.__setattr__(self, "init", INIT_OF[self.activation])
        _one_of("init", self.init, INITS)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Widths of all layers, input and output included."""
        return (self.n_inputs, *self.hidden, self.n_outputs)

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return sum((i + 1) * o for i, o in zip(self.sizes[:-1], self.sizes[1:], strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How one network is built and trained.

    Parameters
    ----------
    hidden : tuple of int
        Width of each hidden layer.
    activation : {"relu", "leaky-relu", "tanh", "logistic", "gelu", "silu"}
        Of the hidden layers, see `NetworkSpec`.
    init : {"he", "xavier"}
        Initial values, see `NetworkSpec`; by default those of `INIT_OF` for the activation.
    optimizer : {"sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"}
        Update rule. ``weight_decay`` enters the gradient (L2), except with ``adamw``, where it is decoupled.
    learning_rate : float
        Step size, in (0, 1e6]; by default that of `LEARNING_RATES` for the optimizer. Where there is a schedule or a
        warm-up, the largest that it reaches.
    schedule : {"constant", "step", "cosine"}
        What becomes of the learning rate: nothing; ``step_factor`` times as much every ``step_epochs`` epochs; or half
        a cosine from the end of the warm-up down to 0 at the end of the last epoch (Loshchilov and Hutter 2017), moving
        every step.
    warmup_epochs : float
        Epochs over which the learning rate first rises linearly to its value, step by step, in [0, ``epochs``]; with
        any schedule, and it need not be whole.
    step_epochs : int
        Epochs between two changes of ``schedule="step"``, counted from the beginning, at least 1.
    step_factor : float
        What each of them multiplies by, in (0, 1].
    weight_decay : float
        λ of ``½ λ Σ w²`` (weights only, never biases), in [0, 1e6].
    momentum : float
        Momentum coefficient of ``optimizer="momentum"`` and ``"nesterov"``, in [0, 1).
    rho : float
        Decay rate of RMSprop's mean of squares, in [0, 1).
    beta1, beta2 : float
        Decay rates of Adam's two moments, in [0, 1).
    epsilon : float
        Offset of the denominator of AdaGrad, RMSprop and Adam, in [1e-30, 1e6].
    label_smoothing : float
        Part of the target that is spread evenly over all classes in training, in [0, 1) (Szegedy et al. 2016). The
        training loss is that of the smoothed targets; validation and accuracies know nothing of it.
    dropout : float or tuple of float
        Probability that a hidden unit is dropped during training, in [0, 1): one for all hidden layers or one
        for each.
    dropout_scaling : {"inverted", "test-time"}
        ``inverted`` divides the kept units by ``1 - dropout`` while training; ``test-time`` leaves training alone and
        multiplies by ``1 - dropout`` in evaluation, as the book does (section 6.4.3).
    batch_size : int
        Samples per step; the last batch of an epoch is shorter when the data do not divide.
    epochs : int
        Passes over the training data.
    early_stopping : int or None
        Stop after this many epochs without a better validation accuracy; None never stops early.
    seed : int
        Everything random follows from it, 0 to 2**64 - 1.

    Raises
    ------
    ConfigError
        If a value is outside its range.

    Examples
    --------
    >>> TrainConfig(dropout=20)
    Traceback (most recent call last):
    ...
    fastnet.errors.ConfigError: dropout=20: must be in [0, 1). Did you mean 0.2?
    """

    hidden: tuple[int, ...] = BOOK_HIDDEN
    activation: str = "relu"
    init: str = None  # type: ignore[assignment]  # __post_init__ chooses by activation
    optimizer: str = "sgd"
    learning_rate: float = None  # type: ignore[assignment]  # __post_init__ chooses by optimizer
    schedule: str = "constant"
    warmup_epochs: float = 0.0
    step_epochs: int = 20
    step_factor: float = 0.1
    weight_decay: float = 0.0
    momentum: float = 0.9
    rho: float = 0.99
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    label_smoothing: float = 0.0
    dropout: float | tuple[float, ...] = 0.0
    dropout_scaling: str = "inverted"
    batch_size: int = 100
    epochs: int = 50
    early_stopping: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        make_plain(self)
        _widths("hidden", self.hidden)
        _one_of("activation", self.activation, ACTIVATIONS)
        if self.init is None:
            object.__setattr__(self, "init", INIT_OF[self.activation])
        _one_of("init", self.init, INITS)
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        if self.learning_rate is None:
            object.__setattr__(self, "learning_rate", LEARNING_RATES[self.optimizer])
        _one_of("schedule", self.schedule, SCHEDULES)
        for name in _HYPERPARAMETERS:
            check_hyperparameter(name, getattr(self, name))
        if isinstance(self.dropout, tuple) and len(self.dropout) != len(self.hidden):
            raise ConfigError(
                f"dropout={format_dropout(self.dropout)}: the network has {len(self.hidden)} hidden layers; "
                "give one value for all of them or one for each"
            )
        for ratio in self.dropout if isinstance(self.dropout, tuple) else (self.dropout,):
            check_hyperparameter("dropout", ratio)
        _one_of("dropout_scaling", self.dropout_scaling, DROPOUT_SCALINGS)
        _count("batch_size", self.batch_size)
        _count("epochs", self.epochs, high=MAX_EPOCHS)
        if self.warmup_epochs > self.epochs:
            raise ConfigError(
                f"warmup_epochs={self.warmup_epochs!r}: the learning rate would still rise after the last of "
                f"{self.epochs} epochs; choose at most {self.epochs}"
            )
        if self.early_stopping is not None:
            _count("early_stopping", self.early_stopping)
        _count("seed", self.seed, low=0, high=MAX_SEED)

    @property
    def dropouts(self) -> tuple[float, ...]:
        """Dropout of each hidden layer."""
        return self.dropout if isinstance(self.dropout, tuple) else (self.dropout,) * len(self.hidden)

    def network(self, n_inputs: int, n_outputs: int) -> NetworkSpec:
        """Describe the network that this configuration builds for data of that width and number of classes."""
        return NetworkSpec(
            n_inputs=n_inputs, n_outputs=n_outputs, hidden=self.hidden, activation=self.activation, init=self.init
        )


def as_train_config(config: TrainConfig | None) -> TrainConfig:
    """Return a configuration, with None that of the defaults.

    Raises
    ------
    ConfigError
        If it is something else.

    Examples
    --------
    >>> as_train_config(None).epochs
    50
    """
    if config is not None and not isinstance(config, TrainConfig):
        raise ConfigError(
            f"config is a {type(config).__name__}: give a fastnet.TrainConfig, such as TrainConfig(hidden=(64, 64))"
        )
    return TrainConfig() if config is None else config


def check_hyperparameter(name: str, value: float) -> None:
    """Raise `ConfigError` unless `value` is allowed for the scalar hyperparameter `name`.

    The same rule serves a fixed value in `TrainConfig` and both ends of a range in a search space.

    Examples
    --------
    >>> check_hyperparameter("learning_rate", 0.01)
    """
    if name == "epsilon":
        _in_range(name, value, SMALLEST_EPSILON, LARGEST, open_high=False)
    elif name == "learning_rate":
        if _number(name, value) <= 0:
            raise ConfigError(f"{name}={value!r}: must be greater than 0")
        _in_range(name, value, 0.0, LARGEST, open_low=True, open_high=False)
    elif name == "step_epochs":
        _count(name, value, high=MAX_EPOCHS)
    elif name == "step_factor":
        _in_range(name, value, 0.0, 1.0, open_low=True, open_high=False)
    elif name == "warmup_epochs":
        _in_range(name, value, 0.0, MAX_EPOCHS, open_high=False)
    elif name == "weight_decay":
        _in_range(name, value, 0.0, LARGEST, open_high=False)
    else:
        _in_range(name, value, 0.0, 1.0)


MAX_NETWORKS = 1000
"""Most networks of an ensemble."""


def count_threads(jobs: int | None) -> int:
    """Return how many threads to use: `jobs`, or with None as many as `fastnet.limits.usable_cores` returns.

    Raises
    ------
    ConfigError
        If `jobs` is not a whole number from 1 to 4096.

    Examples
    --------
    >>> count_threads(2)
    2
    """
    if jobs is None:
        return usable_cores()
    jobs = plain(jobs)
    _count("jobs", jobs, high=4096)
    return jobs


def count_networks(networks: int) -> int:
    """Return how many networks an ensemble is to have; raise `ConfigError` unless that number can be trained."""
    networks = plain(networks)
    _count("networks", networks, high=MAX_NETWORKS)
    return networks


def seconds(timeout: float) -> float:
    """Return the seconds of a timeout; raise `ConfigError` unless it is a number from 0, infinity included.

    Examples
    --------
    >>> seconds(0.5)
    0.5
    """
    timeout = plain(timeout)
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout >= 0:
        raise ConfigError(f"timeout={timeout!r}: must be a number of seconds, at least 0")
    return float(timeout)


def whole_bytes(memory: int) -> int:
    """Return a number of bytes; raise `ConfigError` unless it is a whole number from 1.

    Examples
    --------
    >>> whole_bytes(2**30)
    1073741824
    """
    given = plain(memory)
    whole = int(given) if isinstance(given, float) and given.is_integer() else given  # 2e9
    _count("memory", whole, high=2**63 - 1)
    return int(whole)


INTERRUPTS = ("raise", "return")
"""What Ctrl-C does in a function that trains: end it with KeyboardInterrupt, or with the result so far."""


def check_interrupt(interrupt: object) -> None:
    """Raise `ConfigError` unless it is one of `INTERRUPTS`."""
    _one_of("interrupt", interrupt, INTERRUPTS)


SAMPLERS = ("random", "sobol", "grid")
PRUNINGS = ("none", "halving", "median")
ENSEMBLES = ("average", "greedy")
METRICS = ("accuracy", "loss")
"""What trials are compared by, measured on the validation data: more accuracy is better, less loss is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    """What a search does: how many trials, of what, from which ranges, and what becomes of them.

    Parameters
    ----------
    trials : int
        Total number of trials of the study, those already stored included; stages share them.
    space : dict of str to str
        Text form of a distribution per searched hyperparameter, such as ``{"learning_rate": "log:1e-6:1e-2"}``;
        read and checked by `fastnet.tuning.space.Space`. Defaults to the ranges of section 6.5.3 of the book.
    train : TrainConfig
        Everything that is not searched. Its ``seed`` is the seed of the study.
    validation_fraction : float
        Part of the training data set aside for validation, in (0, 1).
    folds : int or None
        Stratified folds of a cross-validation, at least 2, in place of one validation part; a trial's value is the
        mean over them.
    sampler : {"random", "sobol", "grid"}
        Where in the ranges the trials lie.
    levels : int
        Points of each range on a grid.
    pruning : {"none", "halving", "median"}
        Which trials end early: none; all but the best ``1 / eta`` at every rung of epochs; those below the median.
    eta : int
        Share of trials, and of epochs, between the rungs of halving, at least 2.
    first_epochs : int
        Epochs before trials are compared for the first time.
    pack_size : int
        Consecutive trials that are compared with one another when pruning.
    metric : {"accuracy", "loss"}
        What trials are compared by, on the validation data.
    stages : int
        Rounds of the search; after each the ranges shrink to where the best trials lie.
    expand : bool
        Whether a range is also moved beyond its border where the best trials pile up there.
    final : int
        Candidates that are trained again on fresh seeds at the end, to choose one; 0 for no choice.
    repeats : int
        Fresh seeds of each candidate.
    ensemble_top : int
        Networks of the best trials that are put together as one model at the end, up to 1000; 0 for no such model.
    ensemble : {"average", "greedy"}
        How: each of them once, or those, as often as it helps, that are good together on the validation data.

    Raises
    ------
    ConfigError
        If a value is outside its range.

    Examples
    --------
    >>> SearchConfig(trials=100).space["weight_decay"]
    'log:1e-08:0.0001'
    """

    trials: int = 100
    space: dict[str, str] = field(
        default_factory=lambda: {"learning_rate": "log:1e-06:0.01", "weight_decay": "log:1e-08:0.0001"}
    )
    train: TrainConfig = field(default_factory=TrainConfig)
    validation_fraction: float = 0.2
    folds: int | None = None
    sampler: str = "random"
    levels: int = 10
    pruning: str = "none"
    eta: int = 3
    first_epochs: int = 5
    pack_size: int = 81
    metric: str = "accuracy"
    stages: int = 1
    expand: bool = False
    final: int = 5
    repeats: int = 3
    ensemble_top: int = 0
    ensemble: str = "average"

    def __post_init__(self) -> None:
        make_plain(self)
        if isinstance(self.space, Mapping):
            object.__setattr__(self, "space", {plain(name): plain(text) for name, text in self.space.items()})
        _count("trials", self.trials, high=2**32 - 1)
        _in_range("validation_fraction", self.validation_fraction, 0.0, 1.0, open_low=True)
        if self.folds is not None:
            _count("folds", self.folds, low=2, high=100)
        _one_of("sampler", self.sampler, SAMPLERS)
        _count("levels", self.levels, low=2, high=10_000)
        _one_of("pruning", self.pruning, PRUNINGS)
        _count("eta", self.eta, low=2, high=100)
        _count("first_epochs", self.first_epochs)
        _count("pack_size", self.pack_size, low=2, high=100_000)
        _one_of("metric", self.metric, METRICS)
        _count("stages", self.stages, high=100)
        if self.stages > self.trials:
            raise ConfigError(f"stages={self.stages}: {self.trials} trials cannot be shared among them; choose fewer")
        if not isinstance(self.expand, bool):
            raise ConfigError(f"expand={self.expand!r}: must be true or false")
        _count("final", self.final, low=0, high=1000)
        _count("repeats", self.repeats, high=1000)
        _count("ensemble_top", self.ensemble_top, low=0, high=MAX_NETWORKS)
        _one_of("ensemble", self.ensemble, ENSEMBLES)
        if self.train.early_stopping is not None:
            raise ConfigError(
                "early_stopping: trials of a search end early by pruning only; leave it out and choose a pruning"
            )


EXPERIMENTS = (
    *("overfit", "weight-decay", "dropout", "ensemble", "data", "validation", "search"),
    *("initialisation", "optimizers"),
)
"""The experiments of `fastnet.experiments`, in the order of the chapter, its neighbours last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentConfig:
    """What experiments have in common.

    Parameters
    ----------
    seeds : int
        Networks of each setting, from whose differences the spread is told; 1 to 1000.
    epochs : int or None
        Passes over the training data, in place of each experiment's own.
    samples : int or None
        Training samples, in place of each experiment's own: 300 in section 6.4, 500 in its search.
    test_samples : int or None
        Test samples that are looked at after every epoch, evenly spread over the test set; None for all of them. Two
        thousand tell an accuracy of 0.8 to within 0.01; all 10,000 of MNIST take three times as long.

    Raises
    ------
    ConfigError
        If a value is outside its range.

    Examples
    --------
    >>> ExperimentConfig(seeds=3).test_samples
    2000
    """

    seeds: int = 5
    epochs: int | None = None
    samples: int | None = None
    test_samples: int | None = 2000

    def __post_init__(self) -> None:
        make_plain(self)
        _count("seeds", self.seeds, high=1000)
        if self.epochs is not None:
            _count("epochs", self.epochs, high=MAX_EPOCHS)
        for name in ("samples", "test_samples"):
            if getattr(self, name) is not None:
                _count(name, getattr(self, name), low=2)


def as_settings(config: Any) -> dict[str, Any]:
    """Flatten a configuration into JSON-ready names and values, with `hidden` in its text form.

    Examples
    --------
    >>> as_settings(TrainConfig(hidden=(64, 64)))["hidden"]
    '64x2'
    """
    values = {name: getattr(config, name) for name in config.__dataclass_fields__}
    if "hidden" in values:
        values["hidden"] = format_hidden(values["hidden"])
    if isinstance(values.get("dropout"), tuple):
        values["dropout"] = format_dropout(values["dropout"])
    if isinstance(values.get("train"), TrainConfig):
        values["train"] = as_settings(values["train"])
    return values


def train_config_from(settings: Mapping[str, Any]) -> TrainConfig:
    """Build a configuration from names and values, of which those of `TEXT_FORMS` may be text and None is left out.

    Raises
    ------
    ConfigError
        If a value is outside its range.

    Examples
    --------
    >>> train_config_from({"hidden": "64x2", "dropout": "0,0.5", "learning_rate": None}).dropout
    (0.0, 0.5)
    """
    given = {name: value for name, value in settings.items() if value is not None}
    texts = {name: read(given[name]) for name, read in TEXT_FORMS.items() if isinstance(given.get(name), str)}
    return TrainConfig(**{**given, **texts})
