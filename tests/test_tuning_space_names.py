"""The names that can be searched: their kinds, streams and limits."""

from __future__ import annotations

import pytest

from fastnet.config.training import TrainConfig
from fastnet.errors import ConfigError
from fastnet.tuning.space.names import SEARCHABLE, check_value, kind_of, parent_of
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
