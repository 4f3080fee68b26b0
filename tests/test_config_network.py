"""The shape of a network."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from fastnet.config.network import ACTIVATIONS, INIT_OF, INITS, NetworkSpec
from fastnet.config.training import TrainConfig
from fastnet.errors import ConfigError


@pytest.mark.parametrize("activation", ["ReLU", "", None, 3])
def test_an_unknown_activation_is_refused(activation: Any) -> None:
    for build in (TrainConfig, partial(NetworkSpec, n_inputs=3, n_outputs=2)):
        with pytest.raises(ConfigError, match=r"^activation=.*: must be one of relu, leaky-relu, tanh, logistic, gelu"):
            build(activation=activation)


@pytest.mark.parametrize(("hidden", "heads"), [((), 1), ((1,), 1), ((5, 4, 3), 1), ((5, 4), 16)])
def test_parameters_are_weights_and_biases(hidden: tuple[int, ...], heads: int) -> None:
    spec = NetworkSpec(n_inputs=7, n_outputs=3, hidden=hidden, heads=heads)
    assert spec.sizes == (7, *hidden, 3 * heads)
    weights = [np.empty((n_in, n_out)) for n_in, n_out in zip(spec.sizes[:-1], spec.sizes[1:], strict=True)]
    assert spec.n_parameters == sum(w.size + w.shape[1] for w in weights)


def test_a_training_without_hidden_layers_has_one_head_whatever_is_asked_for() -> None:
    assert TrainConfig(hidden=(), heads=8).network(3, 2) == NetworkSpec(n_inputs=3, n_outputs=2, hidden=())
    assert TrainConfig(hidden=(4,), heads=np.int8(8)).network(3, 2).heads == 8
    with pytest.raises(ConfigError, match="heads=17: must be a whole number from 1 to 16"):
        TrainConfig(heads=17)


def test_numbers_of_numpy_are_sizes_like_any_other() -> None:
    assert NetworkSpec(n_inputs=np.int64(3), n_outputs=np.int8(2), hidden=[np.int64(4)]).sizes == (3, 4, 2)


def test_every_activation_has_initial_values() -> None:
    assert INIT_OF.keys() == set(ACTIVATIONS) and set(INIT_OF.values()) == set(INITS)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"n_inputs": 0}, "n_inputs=0: must be a whole number from 1"),
        ({"n_outputs": 0}, "n_outputs=0: must be a whole number from 1 to 65536"),
        ({"hidden": (4, 0)}, "hidden=0: must be a whole number from 1 to 65536"),
        ({"hidden": (1,) * 1001}, "hidden has 1001 layers: at most 1000 are allowed"),
        ({"hidden": 4}, "hidden=4: must be a tuple of layer widths"),
        ({"init": "zero"}, "init='zero': must be one of he, xavier"),
        ({"heads": 0}, "heads=0: must be a whole number from 1 to 16"),
        ({"heads": 17}, "heads=17: must be a whole number from 1 to 16"),
        ({"heads": 2, "hidden": ()}, "heads=2: must be a whole number from 1 to 1"),
    ],
)
def test_impossible_shapes_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        NetworkSpec(**{"n_inputs": 3, "n_outputs": 2, **settings})
