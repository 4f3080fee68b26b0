"""The settings of a search and their flat form."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import fastnet
from fastnet.config.searching import SearchConfig, as_settings
from fastnet.config.training import LEARNING_RATES, TrainConfig, train_config_from
from fastnet.errors import ConfigError


def test_numbers_of_numpy_are_settings_like_any_other() -> None:
    search = fastnet.SearchConfig(
        trials=np.int64(5), validation_fraction=np.float32(0.25), folds=np.int8(3), expand=np.bool_(True),
        space={np.str_("dropout"): np.str_("uniform:0:0.5")}, pruning=np.str_("median"), final=np.array(0),
    )  # fmt: skip
    plain = fastnet.SearchConfig(
        trials=5, validation_fraction=0.25, folds=3, expand=True, space={"dropout": "uniform:0:0.5"}, pruning="median",
        final=0,
    )  # fmt: skip
    assert search == plain and repr(search) == repr(plain)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"trials": 0}, "trials=0: must be a whole number from 1"),
        ({"validation_fraction": 1.0}, r"validation_fraction=1\.0: must be in \(0, 1\)"),
        ({"folds": 1}, "folds=1: must be a whole number from 2 to 100"),
        ({"sampler": "best"}, "sampler='best': must be one of random, sobol, grid, tpe, or optuna:NAME"),
        ({"sampler": "optuna:"}, "sampler='optuna:': must be one of random"),
        ({"sampler": "optuna:os.path"}, "sampler='optuna:os.path': must be one of random"),
        ({"enqueue": "points.csv"}, "enqueue='points.csv': must be a list of mappings"),
        ({"enqueue": [{}, 3]}, "enqueue, point 2: '3' is not a mapping"),
        ({"enqueue": [{}] * 10_001}, "enqueue: 10001 points are more than 10000"),
        ({"eta": 1}, "eta=1: must be a whole number from 2 to 100"),
        ({"metric": "speed"}, "metric='speed': must be one of auto, accuracy, loss"),
        ({"stages": 9, "trials": 8}, "stages=9: 8 trials cannot be shared among them"),
        ({"expand": 1}, "expand=1: must be true or false"),
        ({"final": "some"}, "'some' is neither a number of candidates"),
        ({"final": 1001}, "final=1001: must be a whole number from 0 to 1000"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        SearchConfig(**settings)


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(),
        TrainConfig(hidden="8-4", dropout=(0.0, 0.5), optimizer="adam", activation="tanh", epochs=3, seed=2**64 - 1),
        TrainConfig(hidden=(), learning_rate=1e-8, early_stopping=2),
    ],
)
def test_the_flat_form_of_a_configuration_reads_back(config: TrainConfig) -> None:
    flat = json.loads(json.dumps(as_settings(config)))
    assert train_config_from(flat) == config.resolved()


def test_a_default_that_follows_from_a_searched_name_is_left_open() -> None:
    train = TrainConfig(optimizer="adam", activation="tanh")
    flat = as_settings(SearchConfig(train=train))["train"]
    assert (flat["learning_rate"], flat["init"]) == (LEARNING_RATES["adam"], "xavier")
    space = {"optimizer": "choice:sgd,adam", "activation": "choice:relu,tanh"}
    flat = as_settings(SearchConfig(train=train, space=space))["train"]
    assert (flat["learning_rate"], flat["init"]) == (None, None)
    given = TrainConfig(learning_rate=0.3, init="he")
    flat = as_settings(SearchConfig(train=given, space=space))["train"]
    assert (flat["learning_rate"], flat["init"]) == (0.3, "he")
