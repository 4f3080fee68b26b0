"""The settings of one network: defaults, rules, and values of NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnet
from fastnet.config.network import ACTIVATIONS, NetworkSpec
from fastnet.config.training import LEARNING_RATES, TrainConfig, as_train_config, train_config_from
from fastnet.errors import ConfigError

NUMPY: dict[str, Any] = {
    "hidden": np.arange(8, 24, 8),
    "learning_rate": np.float32(0.1),
    "weight_decay": np.float16(0.5),
    "dropout": np.array([0.1, 0.2], dtype=np.float32),
    "batch_size": np.uint8(10),
    "epochs": np.array(3),
    "early_stopping": np.int32(2),
    "seed": np.uint64(2**64 - 1),
    "optimizer": np.str_("adam"),
    "warmup_epochs": np.float64(1),
    "momentum": np.longdouble(0.5),
}

PLAIN: dict[str, Any] = {
    "hidden": (8, 16),
    "learning_rate": 0.1,
    "weight_decay": 0.5,
    "dropout": (0.1, 0.2),
    "batch_size": 10,
    "epochs": 3,
    "early_stopping": 2,
    "seed": 2**64 - 1,
    "optimizer": "adam",
    "warmup_epochs": 1.0,
    "momentum": 0.5,
}


def test_numbers_of_numpy_are_settings_like_any_other() -> None:
    config, plain = fastnet.TrainConfig(**NUMPY), fastnet.TrainConfig(**PLAIN)
    assert config == plain and hash(config) == hash(plain) and repr(config) == repr(plain)
    types = [[type(v) for v in value] if isinstance(value, tuple) else type(value) for value in vars_of(config)]
    assert types == [[type(v) for v in value] if isinstance(value, tuple) else type(value) for value in vars_of(plain)]


def vars_of(config: Any) -> list[Any]:
    return [getattr(config, name) for name in config.__dataclass_fields__]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_initial_values_follow_the_activation_unless_given(activation: str) -> None:
    expected = "xavier" if activation in ("tanh", "logistic") else "he"
    assert TrainConfig(activation=activation).resolved().init == expected
    assert TrainConfig(activation=activation).network(3, 2) == NetworkSpec(
        n_inputs=3, n_outputs=2, activation=activation, init=expected
    )
    for init in ("he", "xavier"):
        assert TrainConfig(activation=activation, init=init).network(3, 2).init == init


@pytest.mark.parametrize("optimizer", LEARNING_RATES)
def test_the_learning_rate_follows_the_optimizer_unless_given(optimizer: str) -> None:
    config = TrainConfig(optimizer=optimizer)
    assert config.learning_rate is None and config.effective_learning_rate == LEARNING_RATES[optimizer]
    resolved = config.resolved()
    assert resolved.learning_rate == LEARNING_RATES[optimizer] and resolved.resolved() is resolved
    assert TrainConfig(optimizer=optimizer, learning_rate=0.5).resolved().learning_rate == 0.5


def test_dropout_is_one_for_all_layers_or_one_for_each() -> None:
    assert TrainConfig(hidden=(4, 3), dropout=0.5).dropouts == (0.5, 0.5)
    assert TrainConfig(hidden=(4, 3), dropout="0,0.5").dropouts == (0.0, 0.5)  # type: ignore[arg-type]
    assert TrainConfig(hidden=(), dropout=0.5).dropouts == ()
    with pytest.raises(ConfigError, match=r"dropout=0,0\.5: the network has 3 hidden layers; give one value for all"):
        TrainConfig(hidden=(4, 3, 2), dropout=(0.0, 0.5))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"epochs": 3, "warmup_epochs": 3.5}, r"warmup_epochs=3\.5: the learning rate would still rise"),
        ({"dropout": (0.1, 1.0), "hidden": (4, 3)}, r"dropout=1\.0: must be in \[0, 1\)"),
        ({"early_stopping": 0}, "early_stopping=0: must be a whole number from 1"),
        ({"seed": -1}, "seed=-1: must be a whole number from 0"),
        ({"seed": 2**64}, f"seed={2**64}: must be a whole number from 0"),
        ({"schedule": "linear"}, "schedule='linear': must be one of constant, step, cosine"),
        ({"dropout_scaling": "none"}, "dropout_scaling='none': must be one of inverted, test-time"),
        ({"optimizer": "lion"}, "optimizer='lion': must be one of sgd"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        TrainConfig(**settings)


def test_a_configuration_is_required_where_none_is_the_default() -> None:
    assert as_train_config(None) == TrainConfig().resolved()
    for wrong in ({"epochs": 1}, "adam", 3):
        with pytest.raises(ConfigError, match=r"give a fastnet\.TrainConfig"):
            as_train_config(wrong)  # type: ignore[arg-type]


def test_none_stands_for_the_default() -> None:
    settings = {"hidden": "64x2", "epochs": None, "learning_rate": None}
    assert train_config_from(settings) == TrainConfig(hidden=(64, 64))
    with pytest.raises(TypeError):
        train_config_from({"epoch": 3})
