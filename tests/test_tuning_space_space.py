"""The space of a search: which names and ranges fit together, and the configurations of trials."""

from __future__ import annotations

import pytest

from fastnet.config.training import TrainConfig
from fastnet.errors import ConfigError
from fastnet.tuning.space.distributions import Choice, LogUniform
from fastnet.tuning.space.space import Space, configured, parse_space_option

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
def test_an_impossible_range_is_refused_in_one_sentence(name, text, sentence):
    with pytest.raises(ConfigError) as caught:
        Space.parse({name: text})
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(f"{name}=")
    assert "\n" not in str(caught.value)


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
        ({"momentum": "uniform:0:0.9"}, TrainConfig(), "choose optimizer momentum or nesterov, or leave momentum out"),
        ({"beta1": "uniform:0:0.9"}, TrainConfig(optimizer="momentum"), "choose optimizer adam or adamw"),
        ({"dropout": "uniform:0:0.9"}, TrainConfig(hidden=()), "the network has no hidden layer"),
    ],
)
def test_a_searched_hyperparameter_without_effect_is_refused(space, train, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Space.parse(space).check_used(train)


def test_a_space_is_ordered_by_name_and_equal_to_its_texts():
    space = Space({"weight_decay": LogUniform(1e-8, 1e-4), "dropout": Choice((0.0, 0.5))})
    assert space.names == ("dropout", "weight_decay")
    assert Space.parse(space.to_texts()) == space


@pytest.mark.parametrize(
    ("name", "text", "canonical"),
    [
        ("hidden", "choice:100x6,512,256-256-64,none", "choice:100x6,512,256x2-64,none"),
        ("batch_size", "choice:50,100", "choice:50,100"),
        ("batch_size", "logint:10:500", "logint:10:500"),
        ("width", " INT : 16 : 64", "int:16:64"),
        ("optimizer", "choice:sgd, adam", "choice:sgd,adam"),
        ("init", "choice:he,xavier", "choice:he,xavier"),
        ("epsilon", "log:1e-9:1e-7", "log:1e-09:1e-07"),
        ("learning_rate", "int:1:3", "int:1:3"),
        ("dropout_12", "uniform:0:0.5", "uniform:0:0.5"),
    ],
)
def test_ranges_of_every_kind_are_read(name, text, canonical):
    space = Space.parse({name: text})
    assert space.to_texts() == {name: canonical}
    assert Space.parse(space.to_texts()) == space


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("hidden", "log:10:100", "hidden is not a number; write choice:A,B,..."),
        ("hidden", "choice:64,none,0", "its value 0 must be a whole number from 1 to 65536"),
        ("hidden", "choice:64x2,64-64", "the value 64x2 is listed more than once"),
        ("hidden", "choice:wide", "its value wide: write widths such as 100x6"),
        ("batch_size", "log:10:100", "batch_size is a whole number; write int:LO:HI or logint:LO:HI"),
        ("batch_size", "int:0:100", "its value 0 must be a whole number from 1"),
        ("batch_size", "choice:10,2.5", "'2.5' is not a whole number"),
        ("width", "int:1:70000", "its value 70000 must be a whole number from 1 to 65536"),
        ("depth", "int:0:3", "its value 0 must be a whole number from 1 to 1000"),
        ("optimizer", "choice:sgd,adm", "its value adm must be one of sgd, momentum"),
        ("optimizer", "int:1:2", "optimizer is not a number"),
        ("dropout_1", "uniform:0:1", "its value 1 must be in [0, 1)"),
        ("dropout", 0.5, "a range is a text"),
        ("optimizer", ["sgd", "adam"], "a range is a text"),
    ],
)
def test_a_range_of_another_kind_is_refused(name, text, sentence):
    with pytest.raises(ConfigError) as caught:
        Space.parse({name: text})
    assert sentence in str(caught.value) and str(caught.value).startswith(f"{name}=")


@pytest.mark.parametrize(
    ("space", "train", "sentence"),
    [
        ({"optimizer": "choice:sgd,adam", "momentum": "uniform:0:0.9"}, {}, "optimizer sgd, adam do not use it"),
        ({"epsilon": "log:1e-9:1e-7"}, {}, "optimizer='sgd' does not use it; choose optimizer"),
        ({"width": "int:8:16", "hidden": "choice:64,32"}, {}, "width is searched but is a part of hidden"),
        ({"depth": "int:1:2", "hidden": "choice:64,32"}, {}, "depth is searched but is a part of hidden"),
        ({"width": "int:8:16"}, {"hidden": ()}, "width is searched but the network has no hidden layer"),
        ({"depth": "int:1:3"}, {"hidden": (64, 32)}, "depth is searched but hidden=64,32 does not say how wide"),
        ({"depth": "int:1:3"}, {"hidden": ()}, "depth is searched but hidden=none does not say how wide"),
        ({"dropout_3": "uniform:0:0.5"}, {"hidden": (64, 32)}, "no network has more than 2 hidden layers"),
        ({"dropout_5": "uniform:0:0.5", "depth": "int:1:4"}, {}, "no network has more than 4 hidden layers"),
        ({"dropout_1": "uniform:0:0.5", "hidden": "choice:none"}, {}, "no network has more than 0 hidden layers"),
        ({"dropout": "uniform:0:0.5", "hidden": "choice:none"}, {}, "the network has no hidden layer"),
        (
            {"dropout": "uniform:0:0.5", "dropout_1": "uniform:0:0.5", "dropout_2": "uniform:0:0.5"},
            {"hidden": (64, 32)},
            "every layer has a ratio of its own",
        ),
    ],
)
def test_a_name_that_changes_nothing_under_any_choice_is_refused(space, train, sentence):
    with pytest.raises(ConfigError) as caught:
        Space.parse(space).check_used(TrainConfig(**train))
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("space", "train"),
    [
        ({}, {}),
        ({"momentum": "uniform:0:0.9", "dropout": "uniform:0:0.5"}, {"optimizer": "momentum"}),
        ({"beta1": "uniform:0:0.9", "beta2": "choice:0.9,0.99"}, {"optimizer": "adamw"}),
        ({"optimizer": "choice:sgd,momentum", "momentum": "uniform:0:0.9"}, {}),
        ({"optimizer": "choice:sgd,adamw", "beta1": "uniform:0:0.9", "epsilon": "log:1e-9:1e-7"}, {}),
        ({"width": "int:8:16", "depth": "int:1:3"}, {"hidden": ()}),
        ({"width": "int:8:16"}, {"hidden": (64, 32)}),
        ({"depth": "int:1:3"}, {"hidden": (64, 64)}),
        ({"hidden": "choice:none,64", "dropout": "uniform:0:0.5"}, {"hidden": ()}),
    ],
)
def test_a_name_that_changes_something_under_some_choice_is_accepted(space, train):
    config, parsed = TrainConfig(**train), Space.parse(space)
    parsed.check_used(config)
    last = {name: distribution.extremes()[-1] for name, distribution in parsed.distributions.items()}
    for name, distribution in parsed.distributions.items():
        first = last | {name: distribution.extremes()[0]}
        assert configured(config, first) != configured(config, last)


def test_a_trial_takes_the_place_of_what_was_not_searched():
    train = TrainConfig(hidden=(64, 32), optimizer="adam", epochs=7, seed=3)
    made = configured(train, {"learning_rate": 0.5, "hidden": "16-8", "optimizer": "sgd", "batch_size": 10})
    assert made == TrainConfig(hidden=(16, 8), learning_rate=0.5, init="he", batch_size=10, epochs=7, seed=3)
    assert configured(train, {}) == train.resolved()
    assert configured(train, {"width": 9}).hidden == (9, 9)
    assert configured(TrainConfig(), {"depth": 2}).hidden == (100, 100)
    assert configured(TrainConfig(hidden=()), {"width": 9, "depth": 3}).hidden == (9, 9, 9)
    with pytest.raises(ConfigError, match="learning_rate"):
        configured(train, {"learning_rate": -1.0})


def test_a_searched_optimizer_and_activation_have_their_own_defaults():
    train = TrainConfig(activation="tanh")
    assert [configured(train, {"optimizer": name}).learning_rate for name in ("sgd", "adam")] == [0.01, 0.001]
    assert [configured(train, {"activation": name}).init for name in ("relu", "tanh")] == ["he", "xavier"]
    given = TrainConfig(learning_rate=0.3, init="he")
    assert configured(given, {"optimizer": "adam", "activation": "tanh"}).learning_rate == 0.3
    assert configured(given, {"optimizer": "adam", "activation": "tanh"}).init == "he"


def test_dropout_of_single_layers_makes_one_ratio_for_each():
    train = TrainConfig(hidden=(64, 32, 16), dropout=0.25)
    assert configured(train, {"dropout_2": 0.5}).dropout == (0.25, 0.5, 0.25)
    assert configured(train, {"dropout_2": 0.5, "dropout": 0.125}).dropout == (0.125, 0.5, 0.125)
    assert configured(train, {"dropout_2": 0.5, "hidden": "8"}).dropout == (0.25,)
    assert configured(train, {"dropout_2": 0.5, "depth": 2, "width": 8}).dropout == (0.25, 0.5)
    apart = TrainConfig(hidden=(64, 32), dropout=(0.1, 0.2))
    assert configured(apart, {"dropout_1": 0.5}).dropout == (0.5, 0.2)


def test_one_ratio_for_each_layer_does_not_fit_other_numbers_of_layers():
    apart = TrainConfig(hidden=(64, 64), dropout=(0.1, 0.2))
    Space.parse({"hidden": "choice:64x2,32-16", "dropout_1": "uniform:0:0.5"}).check_used(apart)
    Space.parse({"hidden": "choice:64,32x3", "dropout": "uniform:0:0.5"}).check_used(apart)
    for space in ({"hidden": "choice:64,32-16"}, {"depth": "int:1:2"}):
        with pytest.raises(ConfigError, match="dropout has one ratio for each; give one for all"):
            Space.parse(space).check_used(apart)
