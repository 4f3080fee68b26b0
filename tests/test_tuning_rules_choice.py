"""The final choice among the best trials of a search."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnet.report.outcome import WIDTH, format_final
from fastnet.tuning.rules.choice import candidates, choose
from fastnet.tuning.trial import TrialResult

CURVE = np.zeros((4, 1), np.float32)


def trial(number, value, **params):
    status = "done" if math.isfinite(value) else "diverged"
    return TrialResult(number, status, params or {"learning_rate": (number + 1) / 1000}, value, value, 1, CURVE, 0.1)


def repeats(*rows):
    return [[trial(0, value) for value in row] for row in rows]


def test_candidates_are_the_best_and_differ():
    trials = [
        trial(0, 0.7, optimizer="sgd"),
        trial(1, 0.9, optimizer="adam"),
        trial(2, 0.9, optimizer="adam"),
        trial(3, math.nan, optimizer="adamw"),
        trial(4, 0.8, optimizer="momentum"),
    ]
    assert [one.id for one in candidates(trials, 5)] == [1, 4, 0]
    assert [one.id for one in candidates(trials, 2)] == [1, 4]
    assert [one.id for one in candidates(trials, 2, "loss")] == [0, 4]
    assert candidates(trials, 0) == candidates([], 5) == ()


def test_the_best_mean_wins_not_the_best_of_the_search():
    found = [trial(3, 0.90), trial(8, 0.88), trial(5, 0.87)]
    choice = choose(found, repeats([0.80, 0.82, 0.81], [0.84, 0.86, 0.85], [0.70, 0.90, 0.80]))
    assert [score.trial.id for score in choice.scores] == [8, 3, 5]
    assert choice.winner.trial.id == 8
    assert choice.winner.mean == pytest.approx(0.85)
    assert choice.winner.sd == pytest.approx(0.01)
    assert choice.optimism == pytest.approx(np.mean([0.90 - 0.81, 0.88 - 0.85, 0.87 - 0.80]))
    assert choice.words == (
        "trial 8 wins with a mean validation accuracy of 0.85 over 3 fresh seeds (95 % interval 0.8252 to 0.8748); the "
        "intervals of 2 others overlap with its own; in the search the candidates looked 0.063 better on average"
    )


def test_the_interval_is_students():
    # t of the table for 95 %, two-sided: 12.706, 4.303 and 2.776 for 1, 2 and 4 degrees of freedom
    for values, t in (((0.51, 0.52), 12.706), ((0.51, 0.52, 0.53), 4.303), ((0.5, 0.51, 0.52, 0.53, 0.54), 2.776)):
        score = choose([trial(0, 0.5)], repeats(values)).winner
        half = t * np.std(values, ddof=1) / math.sqrt(len(values))
        assert score.high - score.mean == pytest.approx(half, rel=2e-4)
        assert score.mean - score.low == pytest.approx(half, rel=2e-4)


def test_the_interval_holds_the_mean_in_its_share_of_all_choices():
    rng = np.random.default_rng(5)
    held = 0
    for values in rng.normal(0.8, 0.02, (1500, 3)).tolist():
        score = choose([trial(0, 0.8)], repeats(values)).winner
        held += score.low <= 0.8 <= score.high
    assert abs(held / 1500 - 0.95) < 3 * math.sqrt(0.95 * 0.05 / 1500)


def test_a_loss_is_better_the_lower_it_is():
    choice = choose([trial(0, 0.2), trial(1, 0.3)], repeats([0.6, 0.7], [0.4, 0.5]), "loss")
    assert choice.winner.trial.id == 1
    assert choice.optimism == pytest.approx(np.mean([0.65 - 0.2, 0.45 - 0.3]))
    assert "mean validation loss of 0.45" in choice.words
    assert "looked 0.3 better on" in choice.words


def test_errors_are_compared_in_their_own_units_whatever_their_size():
    for scale in (1e-15, 1.0, 1e9):
        found = [trial(0, 2.0 * scale), trial(1, 2.1 * scale)]
        again = repeats([2.5 * scale, 2.6 * scale], [2.2 * scale, 2.3 * scale])
        choice = choose(found, again, "rmse")
        assert choice.winner.trial.id == 1 and choice.winner.low >= 0
        assert choice.optimism == pytest.approx(scale * np.mean([0.55, 0.15]))
        assert "better on average" in choice.words
    same = choose([trial(0, 20_000.0)], repeats([20_000.5, 20_001.0]), "mae")
    assert same.words.endswith("in the search it looked the same") and "mean validation mae of 20001" in same.words


def test_equal_means_go_to_the_smaller_network_then_to_the_earlier_trial():
    found = [trial(4, 0.9), trial(2, 0.9), trial(7, 0.9)]
    same = repeats([0.7, 0.8, 0.9], [0.9, 0.8, 0.7], [0.8, 0.9, 0.7])
    assert choose(found, same).winner.trial.id == 2
    assert choose(found, same, parameters=[900, 900, 100]).winner.trial.id == 7


def test_a_candidate_of_which_repeats_diverge_comes_after_those_of_which_none_does():
    found = [trial(0, 0.99), trial(1, 0.9), trial(2, 0.9)]
    choice = choose(found, repeats([0.99, math.nan, 0.99], [0.5, 0.6, 0.5], [math.nan] * 3))
    assert [score.trial.id for score in choice.scores] == [1, 0, 2]
    assert [score.diverged for score in choice.scores] == [0, 1, 3]
    assert choice.scores[1].mean == pytest.approx(0.99)
    assert math.isnan(choice.scores[2].mean)
    some = choose(found[:1], repeats([0.9, math.nan, 0.8]))
    assert "over 2 fresh seeds, 1 more diverged" in some.words


def test_the_divergence_of_every_repeat_is_reported():
    choice = choose([trial(0, 0.9), trial(1, 0.8)], repeats([math.nan], [math.nan]))
    assert choice.words == "every repeat of every candidate diverged; search with lower learning rates"
    assert choice.winner.trial.id == 0
    assert math.isnan(choice.optimism)
    json.dumps(choice.to_dict(), allow_nan=False)


def test_the_interval_ends_where_the_metric_does():
    score = choose([trial(0, 0.9)], repeats([0.95, 0.05, 0.5])).winner
    assert (score.low, score.high) == (0.0, 1.0)
    loss = choose([trial(0, 0.9)], repeats([0.1, 3.0, 0.2]), "loss").winner
    assert loss.low == 0.0 and loss.high > 3.0


def test_equal_repeats_have_no_interval():
    choice = choose([trial(0, 0.8), trial(1, 0.8)], repeats([0.8, 0.8, 0.8], [0.7, 0.8, 0.7]))
    assert choice.winner.sd == 0.0 and math.isnan(choice.winner.low)
    assert "interval" not in choice.words
    json.dumps(choice.to_dict(), allow_nan=False)


def test_rounding_is_not_reported_as_a_difference():
    choice = choose([trial(0, 0.1 + 0.2), trial(1, 0.2)], repeats([0.3, 0.3], [0.2, 0.2]))
    assert choice.words.endswith("in the search the candidates looked the same on average")


def test_one_rival_is_reported_in_the_singular():
    choice = choose([trial(0, 0.9), trial(1, 0.9)], repeats([0.8, 0.9], [0.7, 0.8]))
    assert "; the interval of 1 other overlaps with its own;" in choice.words


@pytest.mark.parametrize(("metric", "best", "other"), [("accuracy", 0.9, 0.5), ("loss", 0.1, 0.5)])
def test_a_rival_whose_interval_lies_apart_is_not_reported(metric, best, other):
    rows = [[value - 0.01, value, value + 0.01] for value in (best, other)]
    choice = choose([trial(0, best), trial(1, other)], repeats(*rows), metric)
    assert choice.winner.trial.id == 0 and math.isfinite(choice.winner.low)
    assert "overlap" not in choice.words


def test_one_repeat_has_no_interval():
    choice = choose([trial(0, 0.9)], repeats([0.8]))
    assert math.isnan(choice.winner.sd)
    assert choice.words == (
        "trial 0 is the only candidate, with a mean validation accuracy of 0.8 over 1 fresh seed; in the search it "
        "looked 0.1 better"
    )


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=6), st.randoms())
def test_the_choice_does_not_depend_on_the_order_of_candidates_or_repeats(rows, random):
    found = [trial(i, 0.9) for i in range(len(rows))]
    before = choose(found, repeats(*rows))
    mixed = list(zip(found, rows, strict=True))
    random.shuffle(mixed)
    for _, row in mixed:
        random.shuffle(row)
    after = choose([one for one, _ in mixed], repeats(*(row for _, row in mixed)))
    assert [score.trial.id for score in after.scores] == [score.trial.id for score in before.scores]


def test_a_choice_is_ready_for_json():
    document = choose([trial(0, 0.9), trial(1, 0.8)], repeats([0.8, math.nan], [0.7, 0.7])).to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["winner"] == 1
    assert document["candidates"][1]["values"] == [0.8, None]
    assert document["candidates"][1]["sd"] is None


def test_the_table_of_a_choice_has_80_columns():
    long = {"learning_rate": 0.00123456, "weight_decay": 3.85914e-07, "hidden": "512-256-128", "optimizer": "momentum"}
    found = [trial(123456, 0.9123, **long), trial(7, 0.88)]
    lines = format_final(choose(found, repeats([0.8, 0.82, 0.81], [0.7, math.nan, 0.72])).to_dict())
    assert max(map(len, lines)) <= WIDTH
    assert lines[0] == "Final choice: validation accuracy of 2 candidates over 3 fresh seeds"
    assert lines[1].split() == ["trial", "in", "search", "mean", "sd", "95", "%", "interval"]
    assert lines[2].split() == ["123456", "0.9123", "0.810", "0.0100", "0.785", "to", "0.835"]
    below = " ".join(line.strip() for line in lines[3:5])
    assert "learning_rate 0.00123456, weight_decay 3.85914e-07, hidden 512-256-128, optimizer momentum" in below
    assert "0.710 (1 diverged)" in " ".join(lines)
    assert lines[-2].startswith("Trial 123456 wins") or lines[-3].startswith("Trial 123456 wins")
