"""When a claim of the chapter holds, and the numbers over seeds behind it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from fastnet.config.training import TrainConfig
from fastnet.experiments.lab import Group, Network
from fastnet.experiments.rules import remedy_claims, tradeoff
from fastnet.experiments.summary import interval_text, plain, spread


def make_group(train: list[float], test: list[float], **settings: Any) -> Group:
    """A group of one epoch whose networks end with these accuracies."""
    networks = [Network(np.array([[1.0], [a], [1.0], [b]], np.float32), None) for a, b in zip(train, test, strict=True)]
    return Group(TrainConfig(**settings), 300, tuple(networks))


def test_spread_is_students_interval():
    values = [0.71, 0.75, 0.74, 0.79]
    found = spread([*values, math.nan])
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (found.mean, found.sd) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.n == 4 and interval_text(found) == f"{np.mean(values):.3f} ({low:.3f} to {high:.3f})"
    assert plain(spread([math.nan]))["mean"] is None and str(spread([math.nan])) == "diverged"
    assert str(spread([-1e-9, 1e-9])) == "0.000 ± 0.000"


BEFORE = make_group([1.0, 1.0, 1.0], [0.76, 0.75, 0.77])


def test_a_remedy_that_satisfies_the_claims():
    better = make_group([0.93, 0.92, 0.93], [0.80, 0.79, 0.81])
    claims, verdict = remedy_claims({"a": better}, BEFORE, "a")
    assert [claim.holds for claim in claims] == [True, True]
    assert verdict.startswith("The chapter's claim holds here") and "test accuracy is higher by 0.040" in verdict


def test_the_price_of_a_remedy_is_reported():
    worse = make_group([0.60, 0.61, 0.62], [0.50, 0.51, 0.52])
    claims, verdict = remedy_claims({"a": worse}, BEFORE, "a")
    assert claims[0].holds and "but test accuracy is lower, 0.510 instead of 0.760" in verdict


def test_a_remedy_that_fails_names_a_strength_that_works():
    same = make_group([1.0, 1.0, 1.0], [0.76, 0.75, 0.77])
    better = make_group([0.93, 0.92, 0.93], [0.80, 0.79, 0.81])
    dead = make_group([0.10, 0.10, 0.10], [0.10, 0.10, 0.10])
    claims, verdict = remedy_claims({"a": same, "b": better, "c": dead}, BEFORE, "a")
    assert [claim.holds for claim in claims] == [False, False]
    assert "does not hold here with a" in verdict and "it holds with b" in verdict
    _, verdict = remedy_claims({"a": same, "c": dead}, BEFORE, "a")
    assert "no other strength satisfies it and still learns" in verdict


def test_a_gap_that_shrinks_by_chance_is_not_a_remedy():
    unsure = make_group([0.99, 0.90, 0.99], [0.70, 0.90, 0.75])
    claims, _ = remedy_claims({"a": unsure}, BEFORE, "a")
    assert not claims[0].holds


def test_tradeoff_reports_when_no_strength_is_clearly_better():
    before = make_group([1.0, 1.0], [0.76, 0.75])
    found = {name: make_group([1.0, 1.0], test) for name, test in (("a", [0.77, 0.75]), ("b", [0.86, 0.85]))}
    assert "no clear difference: 0.005" in tradeoff({"a": found["a"]}, before, "with none")
    assert tradeoff(found, before, "with none") == (
        "The highest test accuracy is 0.855, with b; with none it is 0.755, lower by 0.100 (0.100 to 0.100)."
    )
    assert "higher by 0.100" in tradeoff({"a": before}, found["b"], "with none")
