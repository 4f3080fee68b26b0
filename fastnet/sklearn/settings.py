"""The parameters of an estimator as the settings of a training."""

from __future__ import annotations

import numbers
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fastnet.config.checks import count_threads
from fastnet.config.training import TrainConfig
from fastnet.errors import ConfigError, FastnetError

PARAMETERS = {
    "hidden": "hidden_layer_sizes",
    "learning_rate": "learning_rate_init",
    "optimizer": "solver",
    "objective": "loss",
    "schedule": "learning_rate",
    "epochs": "max_iter",
    "early_stopping": "n_iter_no_change",
    "beta1": "beta_1",
    "beta2": "beta_2",
    "seed": "random_state",
    "fraction": "validation_fraction",
    "networks": "n_networks",
    "jobs": "n_jobs",
}
"""The parameters that have other names than the settings they become."""

SOLVERS = ("sgd", "adam", "adamw", "rmsprop", "adagrad")
SCHEDULES = ("constant", "invscaling", "adaptive", "step", "cosine")
BY_EPOCH = ("invscaling", "adaptive")
"""Schedules that follow what was learnt, an epoch at a time; as in scikit-learn, only with the solver ``sgd``."""

_LARGEST_BATCH = 200


@contextmanager
def in_parameters() -> Iterator[None]:
    """Name the parameter of the estimator, instead of the setting it became, in the error of a setting.

    Examples
    --------
    >>> with in_parameters():
    ...     TrainConfig(epochs=0)
    Traceback (most recent call last):
    ...
    fastnet.errors.ConfigError: max_iter=0: must be a whole number from 1 to 1000000
    """
    try:
        yield
    except FastnetError as error:
        text = str(error)
        named = re.match(r"(\w+)=", text)
        if named and named[1] in PARAMETERS:
            raise type(error)(PARAMETERS[named[1]] + text[len(named[1]) :]) from None
        raise


def config_of(estimator: Any, n_samples: int, seed: int, objective: str) -> TrainConfig:
    """Return the settings of a training on some samples.

    Raises
    ------
    ConfigError
        If a parameter is outside its range; the message names it.
    """
    _check_choices(estimator)
    batch = _LARGEST_BATCH if isinstance(estimator.batch_size, str) else estimator.batch_size
    if not estimator.shuffle and _is_number(batch) and batch < n_samples:
        raise ConfigError(
            f"shuffle=False: samples are shuffled before each epoch; leave it at True, or take all {n_samples} samples "
            "as one batch"
        )
    batch = min(batch, n_samples) if _is_number(batch) and batch > 0 else batch
    decay = estimator.weight_decay
    if decay is None:
        check_number("alpha", estimator.alpha, 0.0)
        # scikit-learn divides the penalty of a step by the samples of its batch.
        decay = estimator.alpha / batch if _is_number(batch) and batch > 0 else 0.0
    with in_parameters():
        return TrainConfig(
            hidden=_widths(estimator.hidden_layer_sizes),
            activation=estimator.activation,
            init=estimator.init,
            optimizer=_optimizer(estimator),
            learning_rate=estimator.learning_rate_init,
            schedule=estimator.learning_rate if estimator.learning_rate in ("step", "cosine") else "constant",
            weight_decay=decay,
            momentum=estimator.momentum,
            beta1=estimator.beta_1,
            beta2=estimator.beta_2,
            epsilon=estimator.epsilon,
            relative_rate=estimator.relative_rate,
            heads=estimator.heads,
            label_smoothing=getattr(estimator, "label_smoothing", 0.0),
            objective=objective,
            quantiles=getattr(estimator, "quantiles", (0.1, 0.5, 0.9)),
            huber_delta=getattr(estimator, "huber_delta", 1.0),
            dropout=estimator.dropout,
            batch_size=batch,
            epochs=estimator.max_iter,
            early_stopping=_patience(estimator) if _is_number(estimator.max_iter) and estimator.max_iter > 0 else None,
            train_score="none",
            seed=seed,
        ).resolved()


def seed_of(random_state: Any) -> int:
    """Draw the seed of a training from what scikit-learn calls a random state: None, an integer or a generator.

    Examples
    --------
    >>> seed_of(7) == seed_of(7) != seed_of(8)
    True
    """
    from sklearn.utils import check_random_state

    return int(check_random_state(random_state).randint(2**31 - 1))


def threads_of(n_jobs: int | None) -> int:
    """Return how many threads may train: by default all cores, and one inside a worker of joblib.

    Examples
    --------
    >>> threads_of(3)
    3
    """
    from joblib import cpu_count, effective_n_jobs
    from joblib.parallel import get_active_backend

    backend, _ = get_active_backend()
    if getattr(backend, "nesting_level", 0):
        return 1 if n_jobs is None else int(effective_n_jobs(n_jobs))
    if n_jobs is None:
        return count_threads(None)
    # Not by `effective_n_jobs`: a backend that is chosen for processes has no say in the threads of this one.
    threads = n_jobs if n_jobs >= 0 else max(1, cpu_count() + 1 + n_jobs)
    with in_parameters():
        return count_threads(threads)


def check_number(name: str, value: Any, low: float) -> None:
    """Raise `ConfigError` unless a parameter is a number from `low`."""
    if not _is_number(value) or not low <= value:
        raise ConfigError(f"{name}={value!r}: must be a number of at least {low:g}")


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def _check_choices(estimator: Any) -> None:
    if estimator.solver == "lbfgs":
        raise ConfigError(
            "solver='lbfgs': fastnet trains in batches and has no L-BFGS; choose 'adam', which also learns few samples"
        )
    for name, choices in (("solver", SOLVERS), ("learning_rate", SCHEDULES)):
        if getattr(estimator, name) not in choices:
            raise ConfigError(f"{name}={getattr(estimator, name)!r}: choose one of {', '.join(choices)}")
    if estimator.activation == "identity":
        raise ConfigError(
            "activation='identity': a network without activation is a linear model; give hidden_layer_sizes=() instead"
        )
    if isinstance(estimator.batch_size, str) and estimator.batch_size != "auto":
        raise ConfigError(f"batch_size={estimator.batch_size!r}: must be a whole number of at least 1, or 'auto'")
    for name in ("tol", "power_t"):
        check_number(name, getattr(estimator, name), 0.0)
    check_number("n_iter_no_change", estimator.n_iter_no_change, 1.0)
    if estimator.learning_rate in BY_EPOCH and estimator.n_networks != 1:
        raise ConfigError(
            f"learning_rate={estimator.learning_rate!r} follows the loss of one network, and "
            f"n_networks={estimator.n_networks!r} trains several; choose 'cosine' or 'constant'"
        )


def _widths(sizes: Any) -> Any:
    if isinstance(sizes, numbers.Integral):
        return (int(sizes),)
    return sizes if isinstance(sizes, str) else tuple(np.asarray(sizes, dtype=object).ravel().tolist())


def _optimizer(estimator: Any) -> str:
    """Return the update rule: momentum belongs to scikit-learn's ``sgd``."""
    solver: str = estimator.solver
    if solver == "sgd" and estimator.momentum:
        return "nesterov" if estimator.nesterovs_momentum else "momentum"
    return solver


def _patience(estimator: Any) -> int:
    """Return after how many epochs without improvement training ends; as in scikit-learn, one more than asked for.

    It is never over where ``adaptive`` lowers the learning rate instead; the best epoch is kept nevertheless.
    """
    adaptive = estimator.learning_rate == "adaptive" and estimator.solver == "sgd"
    if adaptive or estimator.n_iter_no_change >= estimator.max_iter:
        return int(estimator.max_iter)
    return int(estimator.n_iter_no_change) + 1
