"""The names that can be searched: their kinds, streams and limits."""

from __future__ import annotations

from typing import Any

import pytest

from fastnet.config.training import TrainConfig
from fastnet.errors import ConfigError
from fastnet.tuning.space.names import (
    NEEDS,
    SEARCHABLE,
    check_value,
    kind_of,
    layer_of,
    parent_of,
    stream_of,
)
from fastnet.tuning.space.space import Space, configured


@pytest.mark.parametrize("name", ["lr", "epochs", "dropout_0", "dropout_scaling", "seed", "Learning_rate", ""])
def test_a_name_that_cannot_be_searched_lists_those_that_can(name):
    with pytest.raises(ConfigError) as caught:
        Space.parse({name: "log:1e-6:1e-2"})
    assert all(allowed in str(caught.value) for allowed in SEARCHABLE)


def test_a_name_that_is_nearly_right_is_suggested():
    with pytest.raises(ConfigError, match="did you mean weight_decay"):
        Space.parse({"weight_decy": "log:1e-6:1e-2"})


def test_every_name_has_values_that_a_configuration_takes_and_ends_within_them():
    for name in SEARCHABLE:
        kind = kind_of(name)
        if kind.type is str:
            value = {"hidden": "64-32", "optimizer": "adam", "init": "xavier"}.get(name) or getattr(TrainConfig(), name)
            assert check_value(name, value) is None
        else:
            for end in (kind.low, kind.high):
                check_value(name, kind.type(end))
            assert parent_of(name) is not None or configured(TrainConfig(epochs=10**6), {name: kind.type(kind.low)})


@pytest.mark.parametrize(
    ("name", "layer"),
    [("dropout_1", 1), ("dropout_1000", 1000), ("dropout_1001", None), ("dropout_0", None), ("dropout_01", None),
     ("dropout", None), ("dropout_scaling", None), ("dropout_1_", None), ("Dropout_1", None)],
)  # fmt: skip
def test_layers_of_dropout_are_numbered_from_one(name: str, layer: int | None) -> None:
    assert layer_of(name) == layer
    assert parent_of(name) == (None if layer is None else "dropout")


def test_streams_never_change() -> None:
    known = {
        "learning_rate": 0,
        "weight_decay": 1,
        "dropout": 2,
        "momentum": 3,
        "hidden": 6,
        "optimizer": 10,
        "rho": 19,
    }
    assert {name: stream_of(name) for name in known} == known
    assert (stream_of("dropout_1"), stream_of("dropout_1000")) == (257, 1256)


def test_names_need_a_value_of_another_that_exists() -> None:
    for name, (other, needed) in NEEDS.items():
        assert name in SEARCHABLE and other in SEARCHABLE and kind_of(other).type is str
        for value in needed:
            check_value(other, value)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("depth", 0, "depth=0: must be a whole number from 1 to 1000"),
        ("depth", 2.0, r"depth=2\.0: must be a whole number"),
        ("width", 70_000, "must be a whole number from 1 to 65536"),
        ("hidden", "8x0", "must be a whole number from 1 to 1000"),
        ("dropout_3", 1.0, r"dropout=1\.0: must be in \[0, 1\)"),
        ("batch_size", 0, "batch_size=0: must be"),
        ("schedule", "linear", "schedule='linear': must be one of constant, step, cosine"),
    ],
)
def test_values_follow_the_rules_of_a_configuration(name: str, value: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        check_value(name, value)
