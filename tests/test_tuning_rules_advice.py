"""The recommendation at the end of a search, and the next search."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fastnet.report.outcome import WIDTH, format_recommendation, format_stage
from fastnet.tuning.rules.advice import ENOUGH_BEST, NextRound, _recommended, next_round, recommend, why_not_smooth
from fastnet.tuning.rules.narrowing import Edge, Narrowing, narrow
from fastnet.tuning.space.space import Space
from fastnet.tuning.trial import TrialResult, rank

BOOK = Space.parse({"learning_rate": "log:1e-6:1e-2", "weight_decay": "log:1e-8:1e-4"})


def curves_of(accuracy, loss=None):
    accuracy = np.asarray(accuracy, np.float32)
    loss = 2.4 * (1 - accuracy) if loss is None else np.asarray(loss, np.float32)
    return np.stack([loss, accuracy, loss, accuracy]).astype(np.float32)


def trial(number, accuracy, status="done", stage=1, loss=None, **params):
    return TrialResult.from_curves(number, status, params, curves_of(accuracy, loss), seconds=0.1, stage=stage)


def stage_of(space, n, quality, stage=1, seed=0):
    """A stage in which training rises to what `quality` makes of the positions."""
    rng = np.random.default_rng(seed + stage)
    drawn = {name: rng.random(n) for name in space.names}
    values = {name: space.distributions[name].sample(u).tolist() for name, u in drawn.items()}
    return [
        trial(
            1000 * stage + i,
            np.linspace(0.1, max(0.1, quality(**{name: u[i] for name, u in drawn.items()})), 12),
            stage=stage,
            **{name: value[i] for name, value in values.items()},
        )
        for i in range(n)
    ]


def by_rate(learning_rate, weight_decay):
    return 0.9 * learning_rate


GOOD = [0.1, 0.3, 0.5, 0.7, 0.8]


def with_errors(number, errors):
    curves = np.stack([np.linspace(0.5, 0.1, len(errors)), errors] * 2).astype(np.float32)
    made = TrialResult.from_curves(number, "done", {"weight_decay": 1e-6}, curves, seconds=0.1, metric="rmse")
    return replace(made, settings={"objective": "huber"})


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_errors_fall_smoothly_or_have_a_reason_in_any_unit(scale):
    best = with_errors(0, scale * np.array([5.0, 3.0, 2.0, 1.6]))
    assert why_not_smooth(best, best) is None
    assert why_not_smooth(with_errors(1, scale * np.array([5.0, 2.0, 2.15, 1.8])), best) is None
    far = why_not_smooth(with_errors(1, scale * np.array([5.0, 3.0, 2.5, 2.0])), best)
    assert far is not None and "where Best-1 reaches" in far
    up = why_not_smooth(with_errors(1, scale * np.array([5.0, 2.0, 2.5, 1.7])), best)
    assert up == "its validation rmse rises by 25 % on the way"
    up = why_not_smooth(with_errors(1, scale * np.array([5.0, 1.0, 2.5, 1.6])), best)
    assert up == "its validation rmse rises by 150 % on the way"


@pytest.mark.parametrize("scale", [1e-3, 1e6])
def test_another_round_is_longer_where_errors_still_fall(scale):
    space = Space.parse({"weight_decay": "log:1e-8:1e-4"})
    falling = [with_errors(i, scale * np.linspace(2.0, 1.0, 12)) for i in range(20)]
    flat = [with_errors(i, scale * np.full(12, 2.0)) for i in range(20)]
    ways = [next_round(narrow(space, some, metric="rmse"), some[:5], "rmse", 12) for some in (falling, flat)]
    assert ways[0] is not None and ways[0].way == "longer" and ways[1] is None


def test_training_that_rises_steadily_is_smooth():
    best = trial(0, GOOD)
    assert why_not_smooth(best, best) is None
    assert why_not_smooth(trial(1, [0.1, 0.25, 0.5, 0.6, 0.70001]), best) is None  # 7/8 of Best-1
    assert why_not_smooth(trial(1, [0.1, 0.3, 0.5, 0.42, 0.75]), best) is None
    assert why_not_smooth(trial(1, [0.7, 0.75, 0.8], loss=[0.9, 0.85, 0.8]), best) is None  # learnt in its first epoch


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (trial(1, [0.1, 0.25, 0.5, 0.6, 0.69]), "it reaches 0.69 where Best-1 reaches 0.8"),
        (trial(1, [0.1, 0.3, 0.6, 0.45, 0.8]), "its validation accuracy falls by 0.15 on the way"),
        (trial(1, [0.1, 0.2, 0.3], loss=[2.3, 2.2, 2.1]), "its training loss hardly falls, from 2.3 to 2.1"),
        (trial(1, GOOD, status="stopped"), "it did not run to its end"),
        (trial(1, [0.1, 0.8]), "curves of fewer than 3 epochs cannot be read"),
        (TrialResult(1, "done", {}, 0.8, 0.8, 5, np.empty((4, 0), np.float32), 0.1, epochs=5), "curves of fewer than"),
    ],
)
def test_training_that_is_not_smooth_has_its_reason(given, reason):
    assert reason in why_not_smooth(given, trial(0, GOOD))


def test_the_recommendation_reads_as_the_book_does():
    found = recommend(BOOK, stage_of(BOOK, 100, by_rate))
    low = found.space.distributions["learning_rate"].low
    assert 1e-3 < low < 5e-3
    assert 0 < found.smooth < found.looked_at == 20
    start = f"Training goes smoothly down to Best-{found.smooth}; learning rate {low:g} to 0.01; "
    assert found.words.startswith(start + "weight decay (1e-08 to 0.0001) makes little difference. ")
    assert [item.effect for item in found.ranges] == ["clear", "little"]
    (warning,) = found.warnings
    assert warning.startswith("Values of learning rate above 0.01 were not tried and may be better: in stage 1, ")
    assert found.words.endswith(warning)


def test_smooth_training_is_counted_without_a_gap():
    trials = [trial(i, GOOD, learning_rate=0.001 * (i + 1)) for i in range(3)]
    trials.append(trial(3, [0.1, 0.3, 0.7, 0.4, 0.8], learning_rate=0.01))
    trials += [trial(4 + i, GOOD, learning_rate=0.002 * (i + 1)) for i in range(3)]
    space = Space.parse({"learning_rate": "log:1e-6:1e-2"})
    assert recommend(space, trials).smooth == 3
    assert "smoothly down to Best-3" in recommend(space, trials).words
    first = recommend(space, trials[3:])
    assert first.smooth == 0
    assert "Best-1 does not train smoothly (its validation accuracy falls by 0.30 on the way)" in first.words
    assert ", though 3 of the 4 best do;" in first.words
    assert ", though 1 of the 2 best does;" in recommend(space, trials[3:5]).words


def test_curves_may_be_given_apart_from_the_trials():
    trials = stage_of(BOOK, 100, by_rate)
    bare = [
        TrialResult(
            one.id, one.status, one.params, one.value, one.best_value, one.best_epoch, one.curves[:, :0], 0.1, epochs=12
        )
        for one in trials
    ]
    assert recommend(BOOK, bare).smooth == 0
    assert recommend(BOOK, bare, best=rank(trials)[:20]).words == recommend(BOOK, trials).words


def test_stages_are_followed_one_after_the_other():
    first = stage_of(BOOK, 100, by_rate)
    space = narrow(BOOK, first).space
    second = stage_of(space, 100, lambda learning_rate, weight_decay: 0.8 + 0.1 * learning_rate, stage=2)
    found = recommend(BOOK, [*second, *first])
    assert found.space == narrow(space, second).space
    assert found.space.distributions["learning_rate"].low > space.distributions["learning_rate"].low
    assert "in stage 2" in found.warnings[0]


def test_an_expanded_search_recommends_only_what_was_tried():
    first = stage_of(BOOK, 100, by_rate)
    space = narrow(BOOK, first, expand=True).space
    assert space.distributions["learning_rate"].high > 0.01
    second = stage_of(space, 100, by_rate, stage=2)
    found = recommend(BOOK, [*first, *second], expand=True)
    assert found.space.distributions["learning_rate"].high == space.distributions["learning_rate"].high
    assert f"above {space.distributions['learning_rate'].high:g} were not tried" in found.warnings[0]


def test_an_alarm_at_a_border_that_an_earlier_stage_went_beyond_is_worded_differently():
    first = stage_of(BOOK, 100, lambda learning_rate, weight_decay: 0.8 - abs(learning_rate - 0.5))
    space = narrow(BOOK, first).space
    second = stage_of(space, 100, by_rate, stage=2)
    (warning,) = recommend(BOOK, [*first, *second]).warnings
    assert warning.startswith(f"Look at learning rate above {space.distributions['learning_rate'].high:g} again")


def test_few_trials_do_not_show_that_something_makes_little_difference():
    few = 10 * (ENOUGH_BEST - 1)
    found = recommend(BOOK, stage_of(BOOK, few, by_rate))
    assert [item.effect for item in found.ranges] == ["clear", "unknown"]
    assert "too few trials to assess weight decay (1e-08 to 0.0001)" in found.words
    tiny = recommend(BOOK, stage_of(BOOK, 3, by_rate))
    assert [item.effect for item in tiny.ranges] == ["unknown", "unknown"]
    assert tiny.space == BOOK


def test_choices_are_described_in_words():
    space = Space.parse({"optimizer": "choice:sgd,adam,adamw", "init": "choice:he,xavier", "batch_size": "choice:100"})

    def quality(optimizer, init, batch_size):
        return 0.9 * (optimizer > 1 / 3) - 0.01 * batch_size

    found = recommend(space, stage_of(space, 100, quality))
    assert "optimizer adam or adamw; init (he or xavier) makes little difference." in found.words
    assert "batch" not in found.words
    assert [item.effect for item in found.ranges] == ["fixed", "little", "clear"]


def test_several_that_make_little_difference_share_a_sentence():
    space = Space.parse({**BOOK.to_texts(), "dropout": "uniform:0:0.5", "init": "choice:he,xavier"})
    found = recommend(space, stage_of(space, 100, lambda learning_rate, **others: 0.9 * learning_rate))
    three = "dropout (0 to 0.5), init (he or xavier) and weight decay (1e-08 to 0.0001) make little difference"
    assert f" to 0.01; {three}. Values" in found.words


def test_a_range_that_alarms_and_stays_is_described_by_its_end():
    low = Edge(1e-6, 10, 0, "", 1.0, False, True)
    high = Edge(1e-2, 10, 4, "4 of the 5 best lie in its upper fifth", 0.001, True, True)
    text = "log:1e-06:0.01"
    item = Narrowing("learning_rate", text, text, 0.3, 5, low, high, "")
    found = _recommended("learning_rate", BOOK.distributions["learning_rate"], [item])
    assert found.words == "learning rate towards the upper end of 1e-06 to 0.01"


def test_the_divergence_of_every_trial_is_reported():
    curves = np.full((4, 3), np.nan, np.float32)
    lost = [TrialResult.from_curves(0, "diverged", {"learning_rate": 1e-3, "weight_decay": 1e-6}, curves, seconds=0.1)]
    assert recommend(BOOK, lost, best=[]).words.startswith("Every trial diverged: search with lower learning rates;")


def test_nothing_to_recommend_is_reported():
    assert recommend(BOOK, []).words.startswith("No trial reached a value")
    diverged = [trial(i, [0.1] * 5, status="diverged", learning_rate=0.001, weight_decay=1e-6) for i in range(50)]
    found = recommend(BOOK, diverged)
    assert found.words.startswith(
        "Every trial diverged: search with lower learning rates; too few trials to assess learning rate (1e-06 to "
        "0.01) and"
    )
    assert found.space == BOOK
    empty = recommend(Space({}), [trial(i, GOOD) for i in range(9)])
    assert empty.words == "Training goes smoothly down to Best-9."


def test_a_recommendation_is_ready_for_json_and_80_columns():
    found = recommend(BOOK, stage_of(BOOK, 100, by_rate)).to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    lines = format_recommendation(found)
    assert " ".join(line.strip() for line in lines) == found["words"]
    assert max(map(len, lines)) <= WIDTH


def test_a_stage_is_a_table_of_80_columns():
    hidden = "choice:100x6,256x3,512-256-128-64,1024x2-32"
    space = Space.parse({**BOOK.to_texts(), "hidden": hidden, "epsilon": "log:1e-10:1e-3"})
    trials = stage_of(space, 100, lambda learning_rate, weight_decay, hidden, epsilon: learning_rate * (hidden < 0.5))
    report = narrow(space, trials)
    lines = format_stage(report.to_dict())
    assert max(map(len, lines)) <= WIDTH
    assert lines[0] == "Stage 1: where the 10 best of 100 trials lie"
    assert lines[1].split() == ["old", "range", "new", "range", "low", "edge", "high", "edge"]
    assert lines[3].split() == ["hidden", "choice:100x6,256x...", "choice:100x6,256x3", "-", "-"]
    rate = next(line for line in lines if line.startswith("learning_rate "))
    assert rate.endswith("ALARM")
    assert rate.split()[1:3] == ["log:1e-06:0.01", str(report.space.distributions["learning_rate"])]
    assert any(line.startswith("weight_decay") and "the same" in line for line in lines)
    short = format_stage(narrow(BOOK, stage_of(BOOK, 3, by_rate)).to_dict())
    assert short[0] == "Stage 1: where the 3 best of 3 trials lie"
    assert short[2].split()[-2:] == ["-", "-"]


def test_a_long_new_range_is_written_out_below_the_table():
    hidden = "choice:100x6,256x3,512-256-128-64,1024x2-32"
    space = Space.parse({"hidden": hidden})
    lines = format_stage(narrow(space, stage_of(space, 100, lambda hidden: float(hidden > 0.25))).to_dict())
    assert any(line.startswith("hidden: choice:256x3,512-256-128-64,1024x2-32, without 100x6") for line in lines)


def going_on(space, trials, epochs=12):
    return next_round(narrow(space, trials, expand=True), rank(trials)[:20], "accuracy", epochs)


def test_another_round_goes_beyond_a_border_where_the_best_pile_up():
    found = going_on(BOOK, stage_of(BOOK, 100, by_rate))
    low, high = (float(end) for end in found.ranges["learning_rate"].split(":")[1:])
    assert found.way == "wider" and found.epochs == 12 and low < 1e-2 < high


def test_another_round_goes_where_the_best_lie_inside_a_range():
    found = going_on(BOOK, stage_of(BOOK, 200, lambda learning_rate, **_: 0.9 - 2 * abs(learning_rate - 0.5)))
    low, high = (float(end) for end in found.ranges["learning_rate"].split(":")[1:])
    assert found.way == "narrower" and 1e-6 < low < 1e-4 < high < 1e-2


def test_another_round_is_longer_where_the_best_still_rise_and_none_where_they_do_not():
    space = Space.parse({"weight_decay": "log:1e-8:1e-4"})
    rising = stage_of(space, 60, lambda weight_decay: 0.9)
    assert going_on(space, rising) == NextRound("longer", space.to_texts(), 24)
    flat = [trial(i, np.minimum(np.linspace(0.1, 2.0, 12), 0.9), weight_decay=1e-6) for i in range(60)]
    assert going_on(space, flat) is None
    assert going_on(space, [trial(i, [0.5], weight_decay=1e-6) for i in range(9)], epochs=1) is None, (
        "too short to tell"
    )


def test_another_round_with_loss_gains_by_falling():
    space = Space.parse({"weight_decay": "log:1e-8:1e-4"})
    falling = [trial(i, [0.5] * 12, loss=np.linspace(2.0, 1.0, 12), weight_decay=1e-6) for i in range(20)]
    rising = [trial(i, [0.5] * 12, loss=np.linspace(1.0, 2.0, 12), weight_decay=1e-6) for i in range(20)]
    ways = [next_round(narrow(space, some, metric="loss"), some[:5], "loss", 12) for some in (falling, rising)]
    assert ways[0] is not None and ways[0].way == "longer" and ways[1] is None
