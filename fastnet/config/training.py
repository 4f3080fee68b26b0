"""The settings of one network and its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fastnet.config.checks import MAX_EPOCHS, check_choice, check_count, check_hyperparameter
from fastnet.config.network import ACTIVATIONS, BOOK_HIDDEN, INIT_OF, INITS, MOST_HEADS, NetworkSpec
from fastnet.config.objective import AUTO, QUANTILES, check_corrections, check_objective, parse_quantiles
from fastnet.config.text import check_widths, format_dropout, parse_dropout, parse_hidden
from fastnet.errors import ConfigError
from fastnet.scalars import make_plain

LEARNING_RATES = {
    **dict.fromkeys(("sgd", "momentum", "nesterov", "adagrad"), 0.01),
    **dict.fromkeys(("rmsprop", "adam", "adamw"), 0.001),
}
"""Default learning rate of each optimizer: the book's value, or a tenth of it for RMSprop and Adam, as their authors
recommend."""

OPTIMIZERS = tuple(LEARNING_RATES)
SCHEDULES = ("constant", "step", "cosine")

DROPOUT_SCALINGS = ("inverted", "test-time")
MAX_SEED = 2**64 - 1

TRAIN_SCORES = ("exact", "running", "none")
"""How training samples are scored."""

_HYPERPARAMETERS = (
    *("learning_rate", "warmup_epochs", "step_epochs", "step_factor", "weight_decay", "momentum", "rho", "beta1"),
    *("beta2", "epsilon", "label_smoothing", "relative_rate"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """The settings of one network and its training.

    Parameters
    ----------
    hidden : tuple of int
        Width of each hidden layer, or their text form: ``"100x6"``, ``"512,256"``, ``"none"``.
    activation : {"relu", "leaky-relu", "tanh", "logistic", "gelu", "silu"}
        Activation of the hidden layers, see `NetworkSpec`.
    init : {"he", "xavier"}, optional
        Initial values, see `NetworkSpec`; the default follows from the activation, see `INIT_OF`.
    optimizer : {"sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"}
        Update rule. ``weight_decay`` enters the gradient (L2), except with ``adamw``, where it is decoupled.
    learning_rate : float, optional
        Step size, in (0, 1e6]; the default follows from the optimizer, see `LEARNING_RATES`. With a schedule or a
        warm-up, the largest one reached.
    schedule : {"constant", "step", "cosine"}
        How the learning rate changes: not at all; multiplied by ``step_factor`` every ``step_epochs`` epochs; or half a
        cosine from the end of the warm-up down to 0 at the end of the last epoch, changing every step (Loshchilov and
        Hutter 2017).
    warmup_epochs : float
        Epochs over which the learning rate first rises linearly to its value, step by step, in [0, ``epochs``], also
        fractional; works with any schedule.
    step_epochs : int
        Epochs between two changes of ``schedule="step"``, counted from the beginning, at least 1.
    step_factor : float
        Factor of each change, in (0, 1].
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
    relative_rate : float
        κ of steps that grow with a weight, in [0, 1e6]: with Adam and AdamW the learning rate of a weight w is
        ``learning_rate (1 + κ |w|)``. Weights of inputs that matter become large and learn faster; a factor for each
        input, learnt alongside the weights (Holzmüller, Grinsztajn and Steinwart 2024), moves them almost alike.
    heads : int
        Output layers whose mean is the answer, 1 to 16. Each head sees the first hidden layer with other signs and has
        an output layer of its own; all other weights are shared, and a step trains every head on every sample. So one
        network answers like an average of several (Gorishniy, Kotelnikov and Babenko 2025), in less time than training
        these, for the first layer is computed once. Logits are averaged, not probabilities. A network without hidden
        layers has one head.
    label_smoothing : float
        Share of the target that is spread evenly over all classes in training, in [0, 1) (Szegedy et al. 2016). The
        training loss is measured against the smoothed targets; validation losses and accuracies are not affected.
    objective : {"auto", "cross-entropy", "binary-cross-entropy", "squared-error", "absolute-error", "huber", \
"pinball", "poisson"}
        What is minimised; ``auto`` is cross-entropy for classes, binary cross-entropy for labels of 0 and 1, and
        squared error for numbers. ``poisson`` learns the logarithm of the expectation of counts.
    quantiles : tuple of float
        Levels that ``objective="pinball"`` learns of every target, between 0 and 1 in ascending order, also as text:
        ``"0.1,0.5,0.9"``.
    huber_delta : float
        Difference up to which ``objective="huber"`` is half the squared error, in standard deviations of the target.
    class_weight : {"balanced"}, optional
        ``balanced`` weights the samples so that all classes count alike in losses and scores.
    calibration : {"none", "temperature", "quantiles"}, optional
        Correction of the trained model that is learnt from the validation samples. ``temperature`` divides the logits
        of classes by the number that minimises the cross-entropy there (Guo et al. 2017); it is off by default.
        ``quantiles`` shifts each quantile, so that its share of those samples lies below it (Romano, Patterson and
        Candès 2019); it is the default with ``objective="pinball"`` and at least 200 validation samples.
    threshold : {"accuracy", "balanced-accuracy", "f1", "mcc"}, optional
        Metric on the validation samples that chooses from which probability of the second of two classes the model
        predicts it. By default the more probable class is predicted.
    dropout : float or tuple of float
        Probability that a hidden unit is dropped in training, in [0, 1): one for all hidden layers or one for each,
        also as text: ``"0,0.5"``.
    dropout_scaling : {"inverted", "test-time"}
        ``inverted`` divides the kept units by ``1 - dropout`` in training; ``test-time`` multiplies all units by
        ``1 - dropout`` in evaluation instead, as the book does (section 6.4.3).
    batch_size : int
        Samples per step; the last batch of an epoch is shorter if the data do not divide evenly.
    epochs : int
        Passes over the training data.
    early_stopping : int or None
        Stop after this many epochs without a better validation result; None never stops early.
    train_score : {"exact", "running", "none"}
        How the training samples are scored, which no weight depends on: ``exact`` measures them after every epoch,
        which takes a fifth to a third of the time; ``running`` is the mean over the batches of the epoch as they were
        met, while the network still learnt and with dropout, and costs nothing.
    seed : int
        Seed of everything random, 0 to 2**64 - 1.

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
    init: str | None = None
    optimizer: str = "sgd"
    learning_rate: float | None = None
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
    relative_rate: float = 0.0
    heads: int = 1
    label_smoothing: float = 0.0
    objective: str = AUTO
    quantiles: tuple[float, ...] = QUANTILES
    huber_delta: float = 1.0
    class_weight: str | None = None
    calibration: str | None = None
    threshold: str | None = None
    dropout: float | tuple[float, ...] = 0.0
    dropout_scaling: str = "inverted"
    batch_size: int = 100
    epochs: int = 50
    early_stopping: int | None = None
    train_score: str = "exact"
    seed: int = 0

    def __post_init__(self) -> None:
        make_plain(self, layered=("hidden", "dropout", "quantiles"))
        if isinstance(self.hidden, str):
            object.__setattr__(self, "hidden", parse_hidden(self.hidden))
        if isinstance(self.dropout, str):
            object.__setattr__(self, "dropout", parse_dropout(self.dropout))
        if isinstance(self.quantiles, str):
            object.__setattr__(self, "quantiles", parse_quantiles(self.quantiles))
        check_widths("hidden", self.hidden)
        check_choice("activation", self.activation, ACTIVATIONS)
        if self.init is not None:
            check_choice("init", self.init, INITS)
        check_count("heads", self.heads, high=MOST_HEADS)
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_choice("schedule", self.schedule, SCHEDULES)
        for name in _HYPERPARAMETERS:
            if name != "learning_rate" or self.learning_rate is not None:
                check_hyperparameter(name, getattr(self, name))
        check_objective(self.objective, self.quantiles, self.huber_delta, self.class_weight, self.label_smoothing)
        check_corrections(self.objective, self.calibration, self.threshold)
        if isinstance(self.dropout, tuple) and len(self.dropout) != len(self.hidden):
            raise ConfigError(
                f"dropout={format_dropout(self.dropout)}: the network has {len(self.hidden)} hidden layers; "
                "give one value for all of them or one for each"
            )
        for ratio in self.dropout if isinstance(self.dropout, tuple) else (self.dropout,):
            check_hyperparameter("dropout", ratio)
        check_choice("dropout_scaling", self.dropout_scaling, DROPOUT_SCALINGS)
        check_count("batch_size", self.batch_size)
        check_count("epochs", self.epochs, high=MAX_EPOCHS)
        if self.warmup_epochs > self.epochs:
            raise ConfigError(
                f"warmup_epochs={self.warmup_epochs!r}: the learning rate would still rise after the last of "
                f"{self.epochs} epochs; choose at most {self.epochs}"
            )
        if self.early_stopping is not None:
            check_count("early_stopping", self.early_stopping)
        check_choice("train_score", self.train_score, TRAIN_SCORES)
        check_count("seed", self.seed, low=0, high=MAX_SEED)

    def resolved(self) -> TrainConfig:
        """Return the configuration with the defaults of learning rate and initial values filled in.

        Examples
        --------
        >>> TrainConfig(optimizer="adam").resolved().learning_rate
        0.001
        """
        if self.learning_rate is not None and self.init is not None:
            return self
        return replace(self, learning_rate=self.effective_learning_rate, init=self.effective_init)

    @property
    def effective_learning_rate(self) -> float:
        """The learning rate, by default that of the optimizer."""
        return LEARNING_RATES[self.optimizer] if self.learning_rate is None else self.learning_rate

    @property
    def effective_init(self) -> str:
        """The initial values, by default those of the activation."""
        return INIT_OF[self.activation] if self.init is None else self.init

    @property
    def dropouts(self) -> tuple[float, ...]:
        """Dropout of each hidden layer."""
        return self.dropout if isinstance(self.dropout, tuple) else (self.dropout,) * len(self.hidden)

    def network(self, n_inputs: int, n_outputs: int) -> NetworkSpec:
        """Return the shape of the network for data with this number of features and of classes."""
        return NetworkSpec(
            n_inputs=n_inputs,
            n_outputs=n_outputs,
            hidden=self.hidden,
            activation=self.activation,
            init=self.effective_init,
            heads=self.heads if self.hidden else 1,
        )


def as_train_config(config: TrainConfig | None) -> TrainConfig:
    """Return a configuration with its defaults filled in; None gives the default one."""
    if config is not None and not isinstance(config, TrainConfig):
        raise ConfigError(
            f"config is a {type(config).__name__}: give a fastnet.TrainConfig, such as TrainConfig(hidden=(64, 64))"
        )
    return (config or TrainConfig()).resolved()


def train_config_from(settings: Mapping[str, Any]) -> TrainConfig:
    """Build a configuration from names and values, where None stands for the default.

    Examples
    --------
    >>> train_config_from({"hidden": "64x2", "dropout": "0,0.5", "learning_rate": None}).dropout
    (0.0, 0.5)
    """
    return TrainConfig(**{name: value for name, value in settings.items() if value is not None})
