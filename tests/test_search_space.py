from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnet.config import SearchConfig, TrainConfig
from fastnet.errors import ConfigError
from fastnet.reference import rng as reference_rng
from fastnet.tuning.distributions import Choice, LogUniform, Uniform, parse_distribution
from fastnet.tuning.names import SEARCHABLE
from fastnet.tuning.sampler import PURPOSE_SPACE, sample
from fastnet.tuning.space import Space, parse_space_option

BOOK = Space.parse(SearchConfig().space)
U = np.array([2.0**-33, 0.001, 0.25, 0.5, 0.75, 0.999, 1 - 2.0**-33])


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


WRONG_RANGES = [
    ("learning_rate", "0.01", "write a range as log:LO:HI, uniform:LO:HI, int:LO:HI, logint:LO:HI or choice:A,B,..."),
    ("learning_rate", "", "write a range as"),
    ("learning_rate", "normal:0:1", "write a range as"),
    ("learning_rate", "log:", "a range of the form log has two ends, written log:LO:HI"),
    ("learning_rate", "log:1e-6", "a range of the form log has two ends"),
    ("learning_rate", "uniform:1e-6:1e-4:1e-2", "a range of the form uniform has two ends, written uniform:LO:HI"),
    ("learning_rate", "log:small:1", "'small' is not a number"),
    ("learning_rate", "log::1", "'' is not a number"),
    ("learning_rate", "log:1e-2:1e-6", "the lower end 0.01 is above the upper end 1e-06; swap them"),
    ("learning_rate", "log:0.01:0.01", "both ends are 0.01; write choice:0.01 for one fixed value"),
    ("learning_rate", "log:0:1", "the lower end 0 must be greater than 0 on a log scale"),
    ("learning_rate", "log:-1:1", "the lower end -1 must be greater than 0 on a log scale"),
    ("learning_rate", "log:1e-6:inf", "inf is not a finite number"),
    ("learning_rate", "uniform:nan:1", "nan is not a finite number"),
    ("learning_rate", "uniform:0:1", "its value 0 must be greater than 0"),
    ("learning_rate", "choice:0.1,-0.1", "its value -0.1 must be greater than 0"),
    ("learning_rate", "choice:", "'' is not a number"),
    ("learning_rate", "choice:0.1,,0.2", "'' is not a number"),
    ("learning_rate", "choice:0.1,0.2,1e-1", "the value 0.1 is listed more than once"),
    ("weight_decay", "uniform:-1e-4:1e-4", "its value -0.0001 must be in [0, 1e+06]"),
    ("dropout", "uniform:0:1", "its value 1 must be in [0, 1)"),
    ("dropout", "choice:0,20", "its value 20 must be in [0, 1). Did you mean 0.2?"),
    ("momentum", "uniform:0.5:1.5", "its value 1.5 must be in [0, 1)"),
    ("beta2", "choice:0.9,1", "its value 1 must be in [0, 1)"),
]


@pytest.mark.parametrize(("name", "text", "sentence"), WRONG_RANGES)
def test_an_impossible_range_is_told_in_one_sentence(name, text, sentence):
    with pytest.raises(ConfigError) as caught:
        Space.parse({name: text})
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(f"{name}=")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["lr", "epochs", "dropout_0", "dropout_scaling", "seed", "Learning_rate", ""])
def test_a_name_that_cannot_be_searched_lists_those_that_can(name):
    with pytest.raises(ConfigError) as caught:
        Space.parse({name: "log:1e-6:1e-2"})
    assert all(allowed in str(caught.value) for allowed in SEARCHABLE)


def test_an_option_is_read():
    assert parse_space_option("weight-decay = uniform:0:1e-3") == ("weight_decay", "uniform:0:0.001")
    for text in ("learning_rate", "=log:1e-6:1", "log:1e-6:1e-2"):
        with pytest.raises(ConfigError, match="write NAME=RANGE, such as learning_rate=log:1e-6:1e-2"):
            parse_space_option(text)
    with pytest.raises(ConfigError, match="swap them"):
        parse_space_option("learning_rate=log:1:0.1")


@pytest.mark.parametrize(
    ("space", "train", "sentence"),
    [
        ({"momentum": "uniform:0:0.9"}, TrainConfig(), "choose optimizer momentum, or leave momentum out"),
        ({"beta1": "uniform:0:0.9"}, TrainConfig(optimizer="momentum"), "choose optimizer adam or adamw"),
        ({"dropout": "uniform:0:0.9"}, TrainConfig(hidden=()), "the network has no hidden layer"),
    ],
)
def test_a_searched_hyperparameter_without_effect_is_refused(space, train, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Space.parse(space).check_used(train)


def test_a_searched_hyperparameter_with_effect_is_accepted():
    Space.parse({"momentum": "uniform:0:0.9", "dropout": "uniform:0:0.5"}).check_used(TrainConfig(optimizer="momentum"))
    Space.parse({"beta1": "uniform:0:0.9", "beta2": "choice:0.9,0.99"}).check_used(TrainConfig(optimizer="adamw"))
    Space.parse({}).check_used(TrainConfig())


def test_a_space_is_ordered_by_name_and_equal_to_its_texts():
    space = Space({"weight_decay": LogUniform(1e-8, 1e-4), "dropout": Choice((0.0, 0.5))})
    assert space.names == ("dropout", "weight_decay")
    assert Space.parse(space.to_texts()) == space


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


def test_a_trial_is_the_same_in_any_company():
    ids = np.arange(40, dtype=np.int64)
    together = sample(BOOK, 7, ids)
    shuffled = np.random.default_rng(0).permutation(ids)
    for name in BOOK.names:
        np.testing.assert_array_equal(sample(BOOK, 7, shuffled)[name], together[name][shuffled])
        assert sample(BOOK, 7, np.array([33]))[name][0] == together[name][33]


def test_another_hyperparameter_leaves_the_others_as_they_were():
    ids = np.arange(40, dtype=np.int64)
    more = Space.parse(BOOK.to_texts() | {"dropout": "uniform:0:0.5", "beta1": "uniform:0.8:0.95"})
    for name in BOOK.names:
        np.testing.assert_array_equal(sample(more, 7, ids)[name], sample(BOOK, 7, ids)[name])


@pytest.mark.parametrize("seed", [0, 1, 2**63, 2**64 - 1])
def test_the_sampler_uses_the_streams_that_are_documented(seed):
    ids = np.array([0, 1, 999, 2**32 - 1], dtype=np.int64)
    actual = sample(BOOK, seed, ids)
    assert tuple(actual) == BOOK.names
    for k, name in enumerate(BOOK.names):
        # block k of the stream: words 4k, 4k+1, ...; the first of them is used
        words = [reference_rng.random_words(seed, int(i), PURPOSE_SPACE, 0, 0, 4 * k + 1)[4 * k] for i in ids]
        u = reference_rng.uniform(np.array(words, dtype=np.uint32))
        np.testing.assert_array_equal(actual[name], BOOK.distributions[name].sample(u))


def test_known_trials_never_change():
    values = sample(BOOK, 0, np.arange(3, dtype=np.int64))
    assert values["learning_rate"].tolist() == [0.00607319, 0.000847173, 0.00156581]
    assert values["weight_decay"].tolist() == [2.1773e-07, 1.31531e-08, 1.60968e-06]


def test_samples_cover_the_books_ranges_evenly_in_powers_of_ten():
    values = sample(BOOK, 3, np.arange(4000, dtype=np.int64))
    for name, low in (("learning_rate", -6), ("weight_decay", -8)):
        decades = np.floor(np.log10(values[name]) - low).astype(int)
        counts = np.bincount(decades, minlength=4)
        assert len(counts) == 4
        assert np.all(np.abs(counts - 1000) < 150)
    correlation = np.corrcoef(np.log(values["learning_rate"]), np.log(values["weight_decay"]))[0, 1]
    assert abs(correlation) < 0.06


def test_seeds_differ():
    ids = np.arange(10, dtype=np.int64)
    assert not np.array_equal(sample(BOOK, 0, ids)["learning_rate"], sample(BOOK, 1, ids)["learning_rate"])
