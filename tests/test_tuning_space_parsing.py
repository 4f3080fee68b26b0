"""The text forms of ranges."""

from __future__ import annotations

import itertools

import pytest

from fastnet.errors import ConfigError
from fastnet.tuning.space.parsing import parse_distribution


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("log:1e-6:1e-2", "log:1e-06:0.01"),
        (" LOG : 0.000001 : .01 ", "log:1e-06:0.01"),
        ("uniform:0:0.5", "uniform:0:0.5"),
        ("uniform:-1:1", "uniform:-1:1"),
        ("choice:0, 0.2,0.5", "choice:0,0.2,0.5"),
        ("choice:0.1", "choice:0.1"),
        ("log:0.12345678901:1", "log:0.12345678901:1"),
    ],
)
def test_text_forms_are_read_and_written_back(text, canonical):
    distribution = parse_distribution(text)
    assert str(distribution) == canonical
    assert parse_distribution(canonical) == distribution


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("int:1:1", "both ends are 1; write choice:1 for one fixed value"),
        ("int:5:1", "the lower end 5 is above the upper end 1; swap them"),
        ("int:1.5:3", "'1.5' is not a whole number"),
        ("int:1", "a range of the form int has two ends, written int:LO:HI"),
        ("int:1:" + "9" * 5000, "is not a whole number"),
        ("int:0:3000000000", "the end 3000000000 is out of range"),
        ("logint:0:5", "the lower end 0 must be at least 1 on a log scale; or use int"),
        ("choice:a,,b", "a value of the choice is empty"),
        ("choice:a,b,a", "the value a is listed more than once"),
        ("choice:1,nan", "nan is not a finite number"),
    ],
)
def test_an_impossible_range_is_refused(text, sentence):
    with pytest.raises(ConfigError) as caught:
        parse_distribution(text)
    assert sentence in str(caught.value)


def test_choices_are_read_as_what_is_asked_for():
    kinds = itertools.product(
        ["choice:1,2"], [(float, (1.0, 2.0)), (int, (1, 2)), (str, ("1", "2")), (None, (1.0, 2.0))]
    )
    for text, (kind, values) in kinds:
        read = parse_distribution(text, kind).values
        assert read == values and all(type(a) is type(b) for a, b in zip(read, values, strict=True))
    assert parse_distribution("choice:1,adam").values == ("1", "adam")
