"""Distributions as functions: ranges, scales and their inverses, parts and extensions, levels, text."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fastnet.tuning.space.distributions import Choice, Int, LogInt, LogUniform, Uniform
from fastnet.tuning.space.parsing import parse_distribution

GRID = (np.arange(1000) + 0.5) / 1000

inner = st.floats(2.0**-33, 1 - 2.0**-33)
positive = st.floats(1e-12, 1e6)
whole = st.integers(-1000, 100_000)


def ordered(values: Any) -> Any:
    return st.tuples(values, values).filter(lambda ends: ends[0] < ends[1]).map(lambda ends: tuple(ends))


continuous = st.one_of(
    ordered(positive).filter(lambda ends: ends[1] / ends[0] > 1.01).map(lambda ends: LogUniform(*ends)),
    ordered(st.floats(-1e6, 1e6)).filter(lambda ends: ends[1] - ends[0] > 1e-3).map(lambda ends: Uniform(*ends)),
)
discrete = st.one_of(
    ordered(whole).map(lambda ends: Int(*ends)),
    ordered(st.integers(1, 100_000)).map(lambda ends: LogInt(*ends)),
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9, unique=True).map(lambda values: Choice(tuple(values))),
    st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True).map(lambda values: Choice(tuple(values))),
)
any_distribution = st.one_of(continuous, discrete)


@given(any_distribution)
def test_text_reads_back_as_the_same(distribution):
    assert parse_distribution(str(distribution)) == distribution


@given(any_distribution, st.lists(inner, min_size=1, max_size=20))
def test_values_lie_inside_and_rise_with_u(distribution, points):
    values = distribution.sample(np.sort(np.array(points))).tolist()
    if isinstance(distribution, Choice):
        assert set(values) <= set(distribution.values)
        places = [distribution.values.index(value) for value in values]
        assert places == sorted(places)
    else:
        assert all(distribution.low <= value <= distribution.high for value in values)
        assert values == sorted(values)


@given(discrete, inner)
def test_position_of_a_discrete_value_gives_that_value(distribution, u):
    values = distribution.sample(np.array([u]))
    position = distribution.position(values)
    assert 0 <= position[0] <= 1
    assert distribution.sample(position).tolist() == values.tolist()


@given(continuous, inner)
def test_position_of_a_number_is_where_it_was_drawn(distribution, u):
    value = distribution.sample(np.array([u]))
    # six digits are 5e-6 of the value, which is so much of the range
    if isinstance(distribution, LogUniform):
        tolerance = 6e-6 / math.log(distribution.high / distribution.low)
    else:
        tolerance = 6e-6 * abs(value[0]) / (distribution.high - distribution.low)
    assert distribution.position(value)[0] == pytest.approx(u, abs=tolerance + 1e-9)


@pytest.mark.parametrize("text", ["log:1e-3:1", "uniform:-1:1", "int:2:9", "logint:2:9"])
def test_position_beyond_the_range_is_its_end(text):
    distribution = parse_distribution(text)
    assert distribution.position([-100.0, 100.0]).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("text", ["log:1e-3:1", "uniform:-1:1", "int:2:9", "logint:2:9", "choice:2,3", "choice:a,b"])
def test_position_and_sample_keep_the_shape(text):
    distribution = parse_distribution(text)
    values = distribution.sample(np.full((3, 2), 0.3))
    assert values.shape == (3, 2) and distribution.position(values).shape == (3, 2)
    assert distribution.sample(np.empty(0)).shape == (0,) and distribution.position([]).shape == (0,)


@given(continuous, st.floats(-0.5, 1.4), st.floats(0.1, 1.0))
def test_a_part_of_a_range_lies_where_its_ends_are_asked_for(distribution, low, width):
    part = distribution.between(low, low + width)
    assume(not isinstance(part, Choice))
    assert type(part) is type(distribution)
    for u, end in ((low, part.low), (low + width, part.high)):
        if isinstance(distribution, LogUniform):
            exact = distribution.low * (distribution.high / distribution.low) ** u
        else:
            exact = distribution.low + u * (distribution.high - distribution.low)
        assert end == pytest.approx(exact, rel=6e-6, abs=1e-9)


@given(discrete, inner, inner)
def test_a_part_of_discrete_values_holds_those_between(distribution, low, high):
    low, high = sorted((low, high))
    assume(high - low > 1e-6)
    part = distribution.between(low, high)
    inside = distribution.sample(np.linspace(low, high, 50)[1:-1]).tolist()
    allowed = set(part.values) if isinstance(part, Choice) else range(part.low, part.high + 1)
    assert set(inside) <= set(allowed)


@given(any_distribution)
def test_the_whole_of_it_is_the_same(distribution):
    whole = distribution.between(0.0, 1.0)
    if isinstance(distribution, (LogUniform, Uniform)):
        assert whole.extremes() == pytest.approx(distribution.extremes(), rel=6e-6)
    else:
        assert whole == distribution


@pytest.mark.parametrize(
    ("text", "low", "high", "part"),
    [
        ("log:1e-6:1e-3", 1 / 3, 4 / 3, "log:1e-05:0.01"),
        ("log:1e-6:1e-3", -1 / 3, 0.5, "log:1e-07:3.16228e-05"),
        ("uniform:0:0.5", 0.2, 0.8, "uniform:0.1:0.4"),
        ("uniform:0:0.5", -0.2, 1.2, "uniform:-0.1:0.6"),
        ("int:1:10", 0.7, 1.0, "int:8:10"),
        ("int:1:10", 0.75, 1.2, "int:8:12"),
        ("int:1:10", 0.71, 0.79, "choice:8"),
        ("logint:1:15", 0.5, 1.25, "logint:4:31"),
        ("logint:1:15", -1.0, 0.25, "choice:1"),
        ("choice:a,b,c,d", 0.25, 0.5, "choice:b"),
        ("choice:a,b,c,d", -1, 0.3, "choice:a,b"),
        ("choice:a,b,c,d", 0.8, 2, "choice:d"),
        ("choice:a,b,c,d", 1.2, 2, "choice:d"),
    ],
)
def test_parts_that_are_known(text, low, high, part):
    assert str(parse_distribution(text).between(low, high)) == part


def test_widening_beyond_all_numbers_stops_in_time():
    assert str(LogUniform(1e-200, 1e200).between(-1.0, 2.0)) == "log:1e-300:1e+300"


@given(any_distribution, st.integers(2, 30))
def test_levels_are_distinct_ascending_and_reach_both_ends(distribution, n):
    levels = distribution.levels(n)
    assert len(set(levels)) == len(levels)
    if isinstance(distribution, Choice):
        assert levels == list(distribution.values)
        return
    assert levels == sorted(levels) and len(levels) <= n
    assert levels[0] == pytest.approx(distribution.low, rel=6e-6)
    assert levels[-1] == pytest.approx(distribution.high, rel=6e-6)


@pytest.mark.parametrize(
    ("text", "n", "levels"),
    [
        ("log:1e-4:1", 5, [1e-4, 1e-3, 1e-2, 1e-1, 1.0]),
        ("uniform:0:1", 5, [0.0, 0.25, 0.5, 0.75, 1.0]),
        ("int:1:3", 10, [1, 2, 3]),
        ("int:0:100", 3, [0, 50, 100]),
        ("logint:1:100", 3, [1, 10, 100]),
        ("logint:1:4", 10, [1, 2, 3, 4]),
        ("choice:b,a", 10, ["b", "a"]),
    ],
)
def test_levels_that_are_known(text, n, levels):
    actual = parse_distribution(text).levels(n)
    assert actual == levels and [type(value) for value in actual] == [type(value) for value in levels]


def test_whole_numbers_have_equal_shares():
    values = Int(-2, 7).sample(GRID)
    assert values.dtype == np.int64
    assert np.bincount(values + 2).tolist() == [100] * 10


def test_whole_numbers_on_a_log_scale_have_the_shares_of_their_logarithms():
    points = (np.arange(80_000) + 0.5) / 80_000
    counts = np.bincount(LogInt(3, 12).sample(points), minlength=13)[3:]
    expected = [80_000 * math.log((k + 1) / k) / math.log(13 / 3) for k in range(3, 13)]
    assert counts.sum() == 80_000 and np.abs(counts - expected).max() <= 1.01
    octaves = LogInt(1, 15).sample(GRID)
    assert [int(((octaves >= low) & (octaves < 2 * low)).sum()) for low in (1, 2, 4, 8)] == [250] * 4


def test_the_largest_whole_numbers_are_exact():
    largest = 2**31 - 1
    values = Int(-largest, largest).sample(np.array([2.0**-33, 1 - 2.0**-33])).tolist()
    assert values == [-largest, largest]
    assert LogInt(1, largest).sample(np.array([1 - 2.0**-33])).tolist()[0] > largest * (1 - 1e-8)


U = np.array([2.0**-33, 0.001, 0.25, 0.5, 0.75, 0.999, 1 - 2.0**-33])

ends = st.floats(1e-30, 1e30)


@given(ends, ends, st.floats(2.0**-33, 1 - 2.0**-33))
def test_log_uniform_stays_inside_and_follows_its_formula(low, high, u):
    low, high = sorted((low, high))
    if high / low < 1.0001:
        return
    value = LogUniform(low, high).sample(np.array([u]))[0]
    assert low <= value <= high
    assert math.isclose(math.log(value), math.log(low) + u * (math.log(high) - math.log(low)), abs_tol=6e-6)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.floats(2.0**-33, 1 - 2.0**-33))
def test_uniform_stays_inside_and_follows_its_formula(low, width, u):
    distribution = Uniform(low, low + width)
    value = distribution.sample(np.array([u]))[0]
    assert distribution.low <= value <= distribution.high
    assert math.isclose(value, low + u * width, rel_tol=6e-6, abs_tol=1e-9 * abs(low))


@pytest.mark.parametrize("text", ["log:1e-6:1e-2", "log:1e-300:1e300", "uniform:0:0.5"])
def test_what_is_printed_with_six_digits_is_what_runs(text):
    for value in parse_distribution(text).sample(U).tolist():
        assert float(f"{value:.6g}") == value


def test_a_range_narrower_than_six_digits_gives_its_ends():
    distribution = parse_distribution("uniform:0.12345671:0.12345679")
    assert set(distribution.sample(U).tolist()) <= {0.12345671, 0.12345679}
    assert parse_distribution("uniform:0:0.9999999").sample(U).max() < 1


def test_log_values_are_the_exact_ones_rounded():
    # low * (high/low)**u with u = k/8 and high/low = 10**8 is an exact power of ten
    expected = [float(Fraction(10) ** (k - 8)) for k in range(1, 8)]
    assert LogUniform(1e-8, 1.0).sample(np.arange(1, 8) / 8).tolist() == expected


def test_choice_gives_every_value_its_share():
    values = Choice((0.1, 0.2, 0.7)).sample((np.arange(300) + 0.5) / 300)
    assert [int((values == v).sum()) for v in (0.1, 0.2, 0.7)] == [100, 100, 100]
    assert Choice((0.3,)).sample(U).tolist() == [0.3] * len(U)


@pytest.mark.parametrize("distribution", [LogUniform(1e-6, 1.0), Uniform(0.0, 1.0), Choice((1.0, 2.0))])
def test_sample_keeps_the_shape(distribution):
    assert distribution.sample(np.full((3, 2), 0.5)).shape == (3, 2)
    assert distribution.sample(np.empty(0)).shape == (0,)
