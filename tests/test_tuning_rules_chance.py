"""How likely chance alone produces what the best trials show."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastnet.tuning.rules.chance import chance_of_at_least, chance_of_at_most, chance_of_unevenness


@pytest.mark.parametrize(("drawn", "marked", "total"), [(10, 10, 100), (5, 3, 8), (8, 8, 8), (3, 0, 9), (0, 4, 9)])
def test_the_tail_is_that_of_the_hypergeometric_distribution(drawn, marked, total):
    ways = [math.comb(marked, k) * math.comb(total - marked, drawn - k) for k in range(drawn + 1)]
    for found in range(drawn + 1):
        counts = {"drawn": drawn, "marked": marked, "total": total}
        assert math.isclose(
            chance_of_at_least(found, **counts), sum(ways[found:]) / sum(ways), rel_tol=1e-9, abs_tol=1e-15
        )
        assert math.isclose(
            chance_of_at_most(found, **counts), sum(ways[: found + 1]) / sum(ways), rel_tol=1e-9, abs_tol=1e-15
        )


def test_a_chance_is_at_most_1_where_its_terms_are_rounded_to_more():
    assert chance_of_at_least(1, drawn=33, marked=18, total=51) <= 1.0


def test_the_tail_of_many_trials_is_found_at_once():
    assert 0 < chance_of_at_least(1200, drawn=10_000, marked=10_000, total=100_000) < 1e-10


@pytest.mark.parametrize(("n", "m"), [(5, 20), (10, 90), (30, 270)])
def test_unevenness_of_trials_drawn_at_random_has_its_stated_probability(n, m):
    rng = np.random.default_rng(1)
    chances = np.array([chance_of_unevenness(u[:n], u[n:]) for u in rng.random((2000, n + m))])
    for level in (0.01, 0.05):
        assert np.mean(chances <= level) < level + 3 * math.sqrt(level / 2000) + 0.005
    assert np.mean(chances <= 0.05) > 0.03  # and it is no test that never fires


@pytest.mark.parametrize(("n", "m"), [(2, 12), (3, 9), (6, 6), (5, 40), (20, 20), (7, 100)])
def test_the_chance_of_unevenness_crosses_the_levels_where_stephens_has_them(n, m):
    root = math.sqrt(n * m / (n + m))
    seen = set()
    for start in range(1, m + 1):  # the best fill a part of the range that holds ever fewer of the rest
        best, rest = np.linspace(0.4, 0.6, n), np.r_[np.full(start, 0.2), np.linspace(0.41, 0.59, m - start)]
        chance = chance_of_unevenness(best, rest)
        lead = [(np.mean(best <= place) - np.mean(rest <= place)) for place in (*best, *rest)]
        scaled = (root + 0.155 + 0.24 / root) * (max(0.0, *lead) - min(0.0, *lead))
        for level, percentage_point in ((0.10, 1.620), (0.05, 1.747), (0.01, 2.001)):  # Stephens (1970), table 1
            if abs(scaled - percentage_point) > 0.001:  # the points have four digits
                assert (chance < level) == (scaled > percentage_point)
                seen.add(chance < level)
    assert len(seen) == 2 or n == 2


def test_unevenness_sees_a_part_in_the_middle_as_well_as_one_at_the_end():
    rest = np.linspace(0, 1, 90)
    middle, end = (chance_of_unevenness(np.linspace(low, low + 0.3, 10), rest) for low in (0.35, 0.7))
    assert middle < 0.01
    assert end < 0.01
    assert chance_of_unevenness(np.empty(0), rest) == chance_of_unevenness(rest, np.empty(0)) == 1.0
