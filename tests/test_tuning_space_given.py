"""Points that a user gives: typed like the space, and refused with their name and value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnet.errors import ConfigError
from fastnet.tuning.run.sampler import Random
from fastnet.tuning.space.given import point_of
from fastnet.tuning.space.space import Space

MIXED = Space.parse(
    {
        "learning_rate": "log:1e-6:1e-2",
        "dropout": "choice:0,0.5",
        "hidden": "choice:100x6,512-256",
        "batch_size": "logint:10:500",
        "optimizer": "choice:sgd,adam",
    }
)


def test_values_get_the_types_of_the_space() -> None:
    point = point_of(
        MIXED,
        {
            "optimizer": " adam",
            "batch-size": "50",
            "dropout": "0",
            "hidden": "512,256",
            "learning_rate": np.float32(1e-3),
        },
    )
    assert list(point.items()) == [
        ("batch_size", 50), ("dropout", 0.0), ("hidden", "512-256"), ("learning_rate", float(np.float32(1e-3))),
        ("optimizer", "adam"),
    ]  # fmt: skip
    assert [type(value) for value in point.values()] == [int, float, str, float, str]
    assert point_of(MIXED, {"batch_size": 100.0}) == {"batch_size": 100}
    assert point_of(MIXED, {}) == {}


@pytest.mark.parametrize(
    ("point", "sentence"),
    [
        ({"learning_rate": 0.1}, "learning_rate=0.1 is not in log:1e-06:0.01; widen the range or leave the value out"),
        ({"batch_size": 9}, "batch_size=9 is not in logint:10:500"),
        ({"dropout": 0.25}, "dropout=0.25 is not in choice:0,0.5"),
        ({"optimizer": "adamw"}, "optimizer=adamw is not in choice:sgd,adam"),
        ({"hidden": "100x5"}, "hidden=100x5 is not in choice:100x6,512x1-256|hidden=100x5 is not in choice:"),
        ({"batch_size": 50.5}, "batch_size='50.5': must be a whole number"),
        ({"batch_size": True}, "batch_size='True': must be a whole number"),
        ({"learning_rate": "nan"}, "learning_rate='nan': must be a finite number"),
        ({"learning_rate": "much"}, "learning_rate='much': must be a finite number"),
        ({"learning_rate": [1e-3]}, "must be a finite number"),
        ({"learning_rate": 10**400}, "must be a finite number"),
        ({"learningrate": 1e-3}, "learningrate is not searched.*learning_rate"),
        ({"momentum": 0.9}, "momentum is not searched; searched is batch_size, dropout, hidden"),
        ({"batch_size": 50, "batch-size": 60}, "batch_size is given twice"),
    ],
)
def test_what_does_not_suit_the_space_is_refused(point: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        point_of(MIXED, point)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 2), st.integers(0, 2**64 - 1))
def test_what_a_sampler_draws_is_a_point(number: int, seed: int) -> None:
    [params] = Random(seed).draw(MIXED, np.array([number]))
    assert point_of(MIXED, params) == params
    assert point_of(MIXED, {name: str(value) for name, value in params.items()}) == params, "as text too"
