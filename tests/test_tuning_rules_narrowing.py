"""Ranges that shrink to where the best trials lie, and borders where they pile up."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import examples

from fastnet.tuning.rules import narrowing
from fastnet.tuning.rules.narrowing import BEST_SHARE, EDGES, LEAST_BEST, LEVEL, narrow
from fastnet.tuning.space.names import SEARCHABLE, kind_of
from fastnet.tuning.space.space import Space
from fastnet.tuning.trial import TrialResult

CURVE = np.zeros((4, 1), np.float32)
BOOK = Space.parse({"learning_rate": "log:1e-6:1e-2", "weight_decay": "log:1e-8:1e-4"})


def trial(number, value, **params):
    status = "done" if math.isfinite(value) else "diverged"
    return TrialResult(number, status, params, value, value, 1, CURVE, 0.1)


def spread(space, n, quality, seed=0):
    """Draw trials at random; `quality` gives the value of a trial from its positions in the ranges."""
    rng = np.random.default_rng(seed)
    drawn = {name: rng.random(n) for name in space.names}
    values = {name: space.distributions[name].sample(u).tolist() for name, u in drawn.items()}
    return [
        trial(
            i, float(quality(rng, **{name: u[i] for name, u in drawn.items()})), **{n: v[i] for n, v in values.items()}
        )
        for i in range(n)
    ]


def only(report, name="learning_rate"):
    return next(item for item in report.ranges if item.name == name)


def peak(at):
    return lambda rng, learning_rate, weight_decay: 1 - abs(learning_rate - at) + 0.02 * rng.random()


def test_a_range_shrinks_to_where_the_best_lie_and_what_does_not_matter_stays():
    report = narrow(BOOK, spread(BOOK, 100, peak(0.5)))
    assert (report.trials, report.best, report.stage, report.alarms) == (100, 10, 1, ())
    rate = report.space.distributions["learning_rate"]
    assert 1e-5 < rate.low < 1e-4 < rate.high < 1e-3
    assert report.space.to_texts()["weight_decay"] == "log:1e-08:0.0001"
    assert only(report).words == "narrowed to where the best lie"
    assert only(report).narrowed
    assert only(report, "weight_decay").words.startswith("kept: the best are spread as evenly")
    assert not only(report, "weight_decay").narrowed


@pytest.mark.parametrize(("at", "side", "border"), [(1.0, "high", 1e-2), (1.2, "high", 1e-2), (0.0, "low", 1e-6)])
@pytest.mark.parametrize("seed", range(5))
def test_a_border_where_the_best_pile_up_alarms_and_is_never_cut_off(at, side, border, seed):
    report = narrow(BOOK, spread(BOOK, 100, peak(at), seed))
    assert report.alarms == ("learning_rate",)
    edge = getattr(only(report), side)
    assert (edge.alarm, edge.border, edge.reached) == (True, border, True)
    assert not getattr(only(report), "low" if side == "high" else "high").alarm
    assert getattr(report.space.distributions["learning_rate"], side) == border
    assert f"{'above' if side == 'high' else 'below'} {border:g} too" in only(report).words


@pytest.mark.parametrize("seed", range(5))
def test_the_best_inside_the_outer_fifth_but_off_the_border_raise_no_alarm(seed):
    report = narrow(BOOK, spread(BOOK, 200, peak(0.87), seed))
    assert report.alarms == ()
    assert report.space.distributions["learning_rate"].high < 1e-2


@pytest.mark.parametrize("at", [0.0, 1.0])
def test_expand_moves_a_border_with_an_alarm_outwards(at):
    trials = spread(BOOK, 100, peak(at))
    kept, moved = (narrow(BOOK, trials, expand=expand).space.distributions["learning_rate"] for expand in (False, True))
    old = BOOK.distributions["learning_rate"]
    if at:
        assert (
            old.high * 10 ** (4 * narrowing.LEAST_STEP) <= moved.high <= old.high * 10 ** (4 * narrowing.LONGEST_STEP)
        )
        assert moved.low == pytest.approx(kept.low, rel=0.1)
    else:
        assert old.low / 10 ** (4 * narrowing.LONGEST_STEP) <= moved.low <= old.low / 10 ** (4 * narrowing.LEAST_STEP)
        assert moved.high == pytest.approx(kept.high, rel=0.1)
    assert "so it is extended" in only(narrow(BOOK, trials, expand=True)).words


@pytest.mark.parametrize(
    ("name", "text", "at", "side", "limit"),
    [
        ("dropout", "uniform:0.1:0.5", 0, "low", 0.0),
        ("momentum", "uniform:0:0.9", 1, "high", 0.99),
        ("momentum", "uniform:0.9:0.99", 1, "high", 0.999),
        ("depth", "int:2:20", 0, "low", 1),
        ("width", "logint:16:60000", 1, "high", 65_536),
        ("learning_rate", "uniform:0.001:0.01", 0, "low", 1e-12),
        ("step_factor", "uniform:0.1:0.9", 1, "high", 1.0),
    ],
)
def test_expand_stops_at_what_the_hyperparameter_allows(name, text, at, side, limit):
    space = Space.parse({name: text})
    trials = spread(space, 100, lambda rng, **u: 1 - abs(u[name] - at))
    report = narrow(space, trials, expand=True)
    assert report.alarms == (name,)
    assert getattr(report.space.distributions[name], side) == limit


@pytest.mark.parametrize(("name", "text", "at"), [("dropout", "uniform:0:0.5", 0), ("depth", "int:1:8", 0)])
def test_the_limit_of_a_hyperparameter_does_not_alarm(name, text, at):
    space = Space.parse({name: text})
    report = narrow(space, spread(space, 100, lambda rng, **u: 1 - abs(u[name] - at)), expand=True)
    assert report.alarms == ()
    assert "is its limit" in only(report, name).words
    assert report.space.distributions[name].low == space.distributions[name].low


@pytest.mark.parametrize("name", [name for name in SEARCHABLE if kind_of(name).type is float])
@pytest.mark.parametrize("border", [0.1, 0.5, 0.999])
def test_the_limits_are_those_of_the_hyperparameters(name, border):
    low, high = (narrowing._limit(name, border, side) for side in (0, 1))
    assert kind_of(name).low == low < border < high <= kind_of(name).high
    Space.parse({name: f"choice:{low!r},{high!r}"})  # both are allowed


@pytest.mark.parametrize("n", [0, 1, 4])
def test_too_few_trials_change_nothing_and_are_reported(n):
    report = narrow(BOOK, spread(BOOK, n, peak(1.0)), expand=True)
    assert report.space == BOOK
    assert report.alarms == ()
    assert only(report).words == f"kept: {n} of {n} trials reached a value; at least 5 must"


def test_diverged_trials_are_not_among_the_best_and_count_against_their_place():
    quality = peak(0.5)
    trials = spread(BOOK, 100, lambda rng, **u: math.nan if u["learning_rate"] > 0.7 else quality(rng, **u))
    assert narrow(BOOK, trials).space.distributions["learning_rate"].high < 1e-3
    all_diverged = spread(BOOK, 50, lambda rng, **u: math.nan)
    assert narrow(BOOK, all_diverged).space == BOOK
    assert "0 of 50 trials reached a value" in only(narrow(BOOK, all_diverged)).words
    # Where trials diverge in one half, the others lie in the other half, however equal they are.
    halved = spread(BOOK, 300, lambda rng, **u: math.nan if u["learning_rate"] > 0.5 else rng.random())
    assert narrow(BOOK, halved).space.distributions["learning_rate"].high < 1e-3


def test_the_metric_decides_which_trials_are_the_best():
    trials = spread(BOOK, 100, peak(1.0))
    assert only(narrow(BOOK, trials, metric="accuracy")).high.alarm
    assert only(narrow(BOOK, trials, metric="loss")).low.alarm


def test_stopped_trials_come_after_those_that_ran_longer():
    rng = np.random.default_rng(3)
    space = Space.parse({"learning_rate": "log:1e-6:1e-2"})
    trials = []
    for number, u in enumerate(rng.random(100)):
        epochs = 9 if u < 0.3 else 3  # the longer ones have the lower values
        value = float(u)
        curves = np.full((4, epochs), value, np.float32)
        params = {"learning_rate": 10 ** (-6 + 4 * u)}
        trials.append(TrialResult(number, "done" if epochs == 9 else "stopped", params, value, value, 1, curves, 0.1))
    assert narrow(space, trials).space.distributions["learning_rate"].high < 1e-4


def test_a_choice_loses_the_values_that_the_best_avoid_and_only_those():
    space = Space.parse({"optimizer": "choice:sgd,momentum,adam,adamw"})

    def quality(rng, optimizer):
        return {0: 0.2, 1: 0.8, 2: 0.8, 3: 0.3}[int(4 * optimizer)] + 0.1 * rng.random()

    report = narrow(space, spread(space, 100, quality))
    assert report.space.to_texts() == {"optimizer": "choice:momentum,adam"}
    item = only(report, "optimizer")
    assert (item.low, item.high, item.narrowed) == (None, None, True)
    assert item.words == "without sgd (0 of the best 34), adamw (0 of the best 34), which none of the best 10 has"
    again = narrow(report.space, spread(report.space, 100, lambda rng, optimizer: rng.random()))
    assert again.space == report.space


def test_a_choice_keeps_a_value_that_one_of_the_best_has():
    space = Space.parse({"optimizer": "choice:sgd,adam"})
    trials = [trial(i, 0.5 + i / 1000, optimizer=("sgd", "adam")[i >= 50]) for i in range(100)]
    trials.append(trial(100, 0.99, optimizer="sgd"))
    assert narrow(space, trials).space == space
    assert only(narrow(space, trials), "optimizer").chance <= LEVEL, "the best third avoids it all the same"
    assert narrow(space, trials[:-1]).space.to_texts() == {"optimizer": "choice:adam"}


@pytest.mark.parametrize(("outermost", "alarm"), [(2, True), (4, False)])
def test_an_edge_is_silent_only_where_enough_trials_lie_beyond_the_best(outermost, alarm):
    """Seven of sixteen in a fifth are the best: chance spares the two outermost in 36 of 120 draws, four in 7 %."""
    space = Space.parse({"weight_decay": "uniform:0:1"})
    best = [*np.linspace(0.81, 0.94, 7), 0.15, 0.4, 0.55]
    rest = [*np.linspace(0.98, 0.99, outermost), *np.linspace(0.81, 0.93, 9 - outermost), *np.linspace(0.1, 0.79, 81)]
    trials = [trial(i, 0.9 if i < 10 else 0.5, weight_decay=float(w)) for i, w in enumerate([*best, *rest])]
    assert (narrow(space, trials).alarms == ("weight_decay",)) is alarm


def test_whole_numbers_narrow_to_at_least_two():
    space = Space.parse({"depth": "int:1:8"})
    trials = spread(space, 100, lambda rng, depth: float(int(8 * depth) == 4) + 0.01 * rng.random())
    assert narrow(space, trials).space.to_texts() == {"depth": "int:4:6"}
    pair = Space.parse({"depth": "int:5:6"})
    report = narrow(pair, spread(pair, 100, lambda rng, depth: depth > 0.5))
    assert report.space == pair
    assert only(report, "depth").high.alarm


def test_a_range_does_not_shrink_to_nothing():
    space = Space.parse({"learning_rate": "log:1e-6:1e-2", "dropout": "uniform:0:0.5"})

    def quality(rng, learning_rate, dropout):
        return -abs(learning_rate - 0.5) - abs(dropout - 0.5)

    for stage in range(30):
        space = narrow(space, spread(space, 100, quality, seed=stage)).space
    rate, dropout = space.distributions["learning_rate"], space.distributions["dropout"]
    assert rate.high > 1.005 * rate.low
    assert dropout.high - dropout.low > 0.0005 * dropout.high
    assert Space.parse(space.to_texts()) == space


def test_trials_that_are_all_equal_in_a_name_are_harmless():
    trials = [trial(i, i / 100, learning_rate=1e-4, weight_decay=1e-6) for i in range(100)]
    assert narrow(BOOK, trials).space == BOOK


def test_a_report_is_ready_for_json():
    document = narrow(BOOK, spread(BOOK, 100, peak(1.0))).to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["ranges"][0]["high"]["alarm"] is True
    assert document["space"]["learning_rate"] == document["ranges"][0]["new"]


# Chance


def test_chance_narrows_and_alarms_as_rarely_as_stated():
    """1,000 stages in which nothing matters: 2,000 ranges, 4,000 borders."""
    narrowed = alarms = 0
    for seed in range(1000):
        report = narrow(BOOK, spread(BOOK, 60, lambda rng, **u: rng.random(), seed))
        narrowed += any(item.narrowed for item in report.ranges)
        alarms += sum(edge.alarm for item in report.ranges for edge in (item.low, item.high))
    assert narrowed <= 1000 * LEVEL + 3 * math.sqrt(1000 * LEVEL)
    assert alarms <= 4000 * LEVEL + 3 * math.sqrt(4000 * LEVEL)
    assert alarms > 0  # the level is not kept by never alarming


def test_chance_takes_values_out_of_choices_as_rarely_as_stated():
    space = Space.parse({"optimizer": "choice:sgd,adam", "init": "choice:he,xavier"})
    lost = sum(
        narrow(space, spread(space, 40, lambda rng, **u: rng.random(), seed)).space != space for seed in range(600)
    )
    assert lost <= 600 * LEVEL + 3 * math.sqrt(600 * LEVEL)


# Properties

forms = st.sampled_from(["log:1e-6:1e-2", "log:0.003:0.004", "uniform:0.001:0.9", "uniform:0.2:0.21"])
whole_forms = st.sampled_from(["int:1:3", "int:1:40", "int:5:1000", "logint:1:7", "logint:8:4096"])
peaks = st.floats(-0.3, 1.3)


@settings(max_examples=examples(60))
@given(forms, whole_forms, peaks, peaks, st.integers(5, 150), st.integers(0, 10_000))
def test_a_new_range_lies_in_the_old_one_and_holds_most_of_the_best(form, whole, at, whole_at, n, seed):
    space = Space.parse({"momentum" if "uniform" in form else "learning_rate": form, "width": whole})
    name = next(other for other in space.names if other != "width")
    trials = spread(space, n, lambda rng, **u: -abs(u[name] - at) - abs(u["width"] - whole_at), seed)
    report = narrow(space, trials)
    n_best = max(LEAST_BEST, math.ceil(BEST_SHARE * n))
    best = sorted(trials, key=lambda one: -one.value)[:n_best]
    for item in report.ranges:
        old, new = space.distributions[item.name], report.space.distributions[item.name]
        assert old.low <= new.low < new.high <= old.high
        inside = sum(new.low <= one.params[item.name] <= new.high for one in best)
        assert inside >= n_best - 2 * int(narrowing.LEFT_OUT * n_best)
        width = (old.position([new.high]) - old.position([new.low]))[0]
        assert width >= narrowing.LEAST_WIDTH - 1e-6 or new.high - new.low >= 1
    assert Space.parse(report.space.to_texts()) == report.space


@settings(max_examples=examples(30))
@given(peaks, st.integers(0, 1000), st.randoms(use_true_random=False), st.booleans())
def test_the_order_of_the_trials_makes_no_difference(at, seed, random, expand):
    trials = spread(BOOK, 60, peak(at), seed)
    report = narrow(BOOK, trials, expand=expand)
    random.shuffle(trials)
    assert narrow(BOOK, trials, expand=expand) == report


@settings(max_examples=examples(30))
@given(peaks, st.integers(0, 1000), st.sampled_from([10.0, 0.001, 1e6]))
def test_a_logarithmic_range_narrows_the_same_in_other_units(at, seed, factor):
    """A hundred times the rates, a hundred times the new range."""
    trials = spread(BOOK, 100, peak(at), seed)
    low, high = 1e-6 * factor, 1e-2 * factor
    scaled = Space.parse({"learning_rate": f"log:{low!r}:{high!r}", "weight_decay": "log:1e-8:1e-4"})
    moved = [
        trial(one.id, one.value, **{**one.params, "learning_rate": one.params["learning_rate"] * factor})
        for one in trials
    ]
    here, there = (narrow(BOOK, trials), narrow(scaled, moved))
    for end in ("low", "high"):
        ours, theirs = (getattr(report.space.distributions["learning_rate"], end) for report in (here, there))
        assert theirs == pytest.approx(ours * factor, rel=0.11)  # spelled with two digits, which may differ by one
    assert only(here).high.best == only(there).high.best
    assert here.alarms == there.alarms


@settings(max_examples=examples(30))
@given(st.integers(0, 1000), st.sampled_from(sorted(BOOK.names)))
def test_a_name_is_narrowed_the_same_whatever_else_is_searched_unless_the_level_decides(seed, name):
    trials = spread(BOOK, 100, peak(0.5), seed)
    alone = Space.parse({name: BOOK.to_texts()[name]})
    apart, together = only(narrow(alone, trials), name), only(narrow(BOOK, trials), name)
    assert (apart.low, apart.high) == (together.low, together.high) or apart.narrowed != together.narrowed
    assert apart.chance == pytest.approx(min(together.chance / 2, 1.0)) or together.chance == 1.0


def test_the_edges_are_counted_on_the_scale_of_the_range():
    trials = [trial(i, -abs(i - 99), learning_rate=10 ** (-6 + 4 * (i + 0.5) / 100)) for i in range(100)]
    item = only(narrow(Space.parse({"learning_rate": "log:1e-6:1e-2"}), trials))
    assert (item.low.trials, item.high.trials) == (10, 10)
    assert (item.low.best, item.high.best) == (0, 10)
    assert item.high.chance == pytest.approx(len(EDGES) / math.comb(100, 10))
