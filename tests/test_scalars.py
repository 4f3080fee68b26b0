"""Settings as Python's own values, whatever library made them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnet.scalars import five_digits, make_plain, plain, shortest


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.int8(-3), -3),
        (np.uint64(2**63), 2**63),
        (np.float64(0.1), 0.1),
        (np.float32(0.1), 0.1),
        (np.float16(0.1), 0.1),
        (np.longdouble(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("adam"), "adam"),
        (np.array(7), 7),
        (np.array(2.5, np.float32), 2.5),
    ],
)
def test_scalars_of_numpy_become_pythons(given: Any, expected: Any) -> None:
    found = plain(given)
    assert found == expected and type(found) is type(expected)


def test_anything_else_is_returned_as_it_is() -> None:
    for value in (3, 0.1, "a", True, None, (1, 2), [1], np.arange(2), object):
        assert plain(value) is value


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float32_becomes_the_double_that_prints_as_briefly(value: float) -> None:
    found = shortest(np.float32(value))
    assert np.float32(found) == np.float32(value) and str(found) == str(float(str(np.float32(value))))


@dataclass(frozen=True)
class Settings:
    hidden: Any = ()
    dropout: Any = 0.0
    epochs: Any = 1
    name: Any = "a"


def test_only_sequences_of_layers_become_tuples() -> None:
    made = Settings(hidden=[np.int32(5), 4], dropout=np.array([0.25, 0.5]), epochs=np.int16(3), name=["b"])
    make_plain(made)
    assert made == Settings((5, 4), (0.25, 0.5), 3, ["b"])
    assert all(type(width) is int for width in made.hidden) and type(made.epochs) is int
    nested = Settings(hidden=range(2, 4), dropout=(np.float32(0.1), 0.5))
    make_plain(nested)
    assert nested.hidden == (2, 3) and nested.dropout == (0.1, 0.5)


def test_plain_settings_are_not_touched() -> None:
    hidden = (5, 4)
    made = Settings(hidden=hidden)
    make_plain(made)
    assert made.hidden is hidden


@pytest.mark.parametrize(
    ("value", "rounded"), [(None, None), (math.nan, None), (-math.inf, None), (123456.7, 123460.0)]
)
def test_numbers_of_reports_have_five_digits_and_are_finite(value, rounded):
    assert five_digits(value) == rounded
