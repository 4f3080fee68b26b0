"""Where trials lie: any subset alone, evenly on Sobol points, all combinations on a grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import examples

from fastnet.config.searching import SearchConfig
from fastnet.config.training import TrainConfig
from fastnet.errors import ConfigError
from fastnet.tuning.run.sampler import checked_space, grid_size, sampler_of
from fastnet.tuning.space.names import stream_of
from fastnet.tuning.space.space import Space

BOOK = Space.parse(SearchConfig().space)
MIXED = Space.parse(
    {
        "learning_rate": "log:1e-6:1e-2",
        "dropout": "uniform:0:0.5",
        "hidden": "choice:100x6,512-256,none",
        "batch_size": "logint:10:500",
        "optimizer": "choice:sgd,adam",
        "depth": "int:1:4",
    }
)
SAMPLERS = ("random", "sobol", "grid")


def draw(space, ids, *, seed, sampler="random", levels=10):
    config = SearchConfig(sampler=sampler, levels=levels, train=TrainConfig(seed=seed))
    return sampler_of(config).draw(space, ids, ())


@pytest.mark.parametrize("sampler", SAMPLERS)
@settings(max_examples=examples(20))
@given(st.lists(st.integers(0, 700), unique=True, max_size=30), st.sampled_from([0, 7, 2**64 - 1]))
def test_any_subset_in_any_order_is_the_same(sampler, ids, seed):
    together = draw(MIXED, np.arange(701), seed=seed, sampler=sampler, levels=5)
    alone = draw(MIXED, np.array(ids, np.int64), seed=seed, sampler=sampler, levels=5)
    assert alone == [together[i] for i in ids]


@pytest.mark.parametrize("sampler", ["random", "sobol"])
def test_high_numbers_alone_are_the_same(sampler):
    ids = np.array([20_000, 3, 4095, 4096, 12_288], np.int64)
    together = draw(BOOK, np.arange(20_001), seed=3, sampler=sampler)
    assert draw(BOOK, ids, seed=3, sampler=sampler) == [together[i] for i in ids]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_values_are_plain_and_names_sorted(sampler):
    for params in draw(MIXED, np.arange(40), seed=1, sampler=sampler, levels=3):
        assert list(params) == sorted(MIXED.names)
        kinds = {name: type(value) for name, value in params.items()}
        assert kinds == {
            "batch_size": int,
            "depth": int,
            "dropout": float,
            "hidden": str,
            "learning_rate": float,
            "optimizer": str,
        }
        assert params["hidden"] in ("100x6", "512-256", "none")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_empty_space_and_no_trials(sampler):
    assert draw(Space.parse({}), np.arange(1), seed=0, sampler=sampler) == [{}]
    assert draw(BOOK, np.empty(0, np.int64), seed=0, sampler=sampler) == []


def test_random_trials_are_those_that_there_always_were():
    names = ("learning_rate", "weight_decay", "dropout", "momentum", "beta1", "beta2")
    assert [stream_of(name) for name in names] == list(range(6))
    assert draw(BOOK, np.arange(3), seed=0) == [
        {"learning_rate": 0.00607319, "weight_decay": 2.1773e-07},
        {"learning_rate": 0.000847173, "weight_decay": 1.31531e-08},
        {"learning_rate": 0.00156581, "weight_decay": 1.60968e-06},
    ]


def test_random_values_cover_the_books_ranges_evenly_in_powers_of_ten():
    rows = draw(BOOK, np.arange(4000), seed=3)
    logarithms = np.log10([[row["learning_rate"], row["weight_decay"]] for row in rows])
    for column, low in ((0, -6), (1, -8)):
        counts = np.bincount(np.floor(logarithms[:, column] - low).astype(int), minlength=4)
        assert len(counts) == 4
        assert np.all(np.abs(counts - 1000) < 150)
    assert abs(np.corrcoef(logarithms.T)[0, 1]) < 0.06


@pytest.mark.parametrize("sampler", ["random", "sobol"])
def test_seeds_differ(sampler):
    assert draw(BOOK, np.arange(10), seed=0, sampler=sampler) != draw(BOOK, np.arange(10), seed=1, sampler=sampler)


def test_streams_of_names_are_all_different():
    names = [*MIXED.names, "width", "dropout_1", "dropout_2", "dropout_1000", "weight_decay"]
    assert len({stream_of(name) for name in names}) == len(names)


class Halves:
    """A sampler of a user, without generations."""

    generation = None

    def draw(self, space, ids, history):
        return [dict.fromkeys(space.names, 0.5) for _ in ids]


def test_an_object_of_a_user_draws_what_its_points_leave_open():
    config = SearchConfig(space={"dropout": "uniform:0:0.9", "momentum": "uniform:0:0.9"}, sampler="given:Halves")
    own, ids = Halves(), np.arange(2)
    assert sampler_of(config, own) is own
    with_points = replace(config, enqueue=[{"dropout": 0.25}])
    drawn = sampler_of(with_points, own).draw(Space.parse(config.space), ids, ())
    assert drawn == [{"dropout": 0.25, "momentum": 0.5}, {"dropout": 0.5, "momentum": 0.5}]
    with pytest.raises(ConfigError, match="the study was made with an object of Halves"):
        sampler_of(config)


def test_another_name_changes_no_random_value():
    more = Space.parse(MIXED.to_texts() | {"weight_decay": "log:1e-8:1e-4", "dropout_2": "uniform:0:0.9"})
    for before, after in zip(*(draw(space, np.arange(30), seed=2) for space in (MIXED, more)), strict=True):
        assert before.items() <= after.items()


def sobol_cells(n, first=0, seed=11):
    """Of each point in three dimensions the cell, 0 to 255: where it lies in 256 equal parts of the range."""
    names = ("batch_size", "depth", "width")
    space = Space.parse(dict.fromkeys(names, "int:1:256"))
    rows = draw(space, np.arange(first, first + n), seed=seed, sampler="sobol")
    return np.array([[row[name] - 1 for name in names] for row in rows])


@pytest.mark.parametrize("seed", [0, 1, 2**63])
@pytest.mark.parametrize("first", [0, 256, 4096])
def test_sobol_points_fill_every_range_and_every_pair_evenly(first, seed):
    cells = sobol_cells(256, first, seed)
    for k in range(3):
        assert sorted(cells[:, k].tolist()) == list(range(256))
    # Of a Sobol sequence the first two dimensions are a net: every 2**a by 2**b boxes hold one point each.
    for a in range(9):
        assert len({(x >> a, y >> (8 - a)) for x, y, _ in cells.tolist()}) == 256


def test_sobol_is_scrambled_by_the_seed_in_every_dimension():
    cells, others = sobol_cells(64), sobol_cells(64, seed=12)
    assert np.all((cells != others).sum(axis=0) > 55)
    assert np.all((cells[:, [0, 0, 1]] != cells[:, [1, 2, 2]]).sum(axis=0) > 55)


def test_sobol_points_that_are_known_never_change():
    assert draw(BOOK, np.arange(3), seed=0, sampler="sobol") == [
        {"learning_rate": 3.95404e-06, "weight_decay": 9.42515e-06},
        {"learning_rate": 0.000120168, "weight_decay": 1.67332e-07},
        {"learning_rate": 0.00136585, "weight_decay": 6.16875e-05},
    ]


def test_sobol_means_are_nearer_than_random_ones():
    space = Space.parse({"dropout": "uniform:0:0.9", "momentum": "uniform:0:0.9"})
    errors = {}
    for sampler in ("random", "sobol"):
        rows = [draw(space, np.arange(256), seed=seed, sampler=sampler) for seed in range(10)]
        errors[sampler] = np.mean(
            [abs(np.mean([row["dropout"] * row["momentum"] for row in r]) - 0.2025) for r in rows]
        )
    assert errors["sobol"] < errors["random"] / 5


def test_a_grid_has_every_combination_once_the_last_name_fastest():
    space = Space.parse({"learning_rate": "log:1e-3:1e-1", "hidden": "choice:64,32", "depth": "int:1:2"})
    assert grid_size(space, 3) == 12
    rows = draw(space, np.arange(12), seed=9, sampler="grid", levels=3)
    assert [tuple(row.values()) for row in rows] == [
        (depth, hidden, rate) for depth in (1, 2) for hidden in ("64", "32") for rate in (1e-3, 1e-2, 1e-1)
    ]


def test_trials_beyond_the_grid_are_refused_with_its_size():
    with pytest.raises(ConfigError, match="trials=101: the grid has 100 points"):
        draw(BOOK, np.array([100]), seed=0, sampler="grid")
    with pytest.raises(ConfigError, match="trials=101: the grid has 100 points"):
        checked_space(SearchConfig(sampler="grid", trials=101))
    assert checked_space(SearchConfig(sampler="grid", trials=100)) == BOOK
    with pytest.raises(ConfigError, match="a grid is not narrowed"):
        checked_space(SearchConfig(sampler="grid", trials=100, stages=2))


def test_a_huge_grid_is_counted_and_reached():
    space = Space.parse({f"dropout_{k}": "uniform:0:0.5" for k in range(1, 21)})
    assert grid_size(space, 10) == 10**20
    assert draw(space, np.array([2**32 - 2]), seed=0, sampler="grid")[0]["dropout_9"] == round(0.5 * 4 / 9, 6)
