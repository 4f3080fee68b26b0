"""How numbers are scaled and cut into bins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnet.data.pipeline.numbers import FEW_BINS, MANY_BINS, MANY_ROWS, edges_of, into_bins, ranks, robust

NORMAL = np.random.default_rng(0).normal(size=9000)


@pytest.mark.parametrize(("n", "n_bins"), [(100, FEW_BINS), (MANY_ROWS - 1, FEW_BINS), (MANY_ROWS, MANY_BINS)])
def test_bins_hold_equal_shares_and_are_more_with_more_rows(n, n_bins):
    values = NORMAL[:n]
    bins, _ = into_bins(values, edges_of(values, n))
    counts = np.bincount(bins)
    assert len(counts) == n_bins and counts.max() - counts.min() <= 2


def test_few_values_are_edges_themselves_and_ties_make_fewer_bins():
    assert edges_of(np.repeat([1.0, 5.0, 6.0], 50), 150).tolist() == [1, 5, 6]
    assert edges_of(np.repeat([1.0, 5.0], 50), 100).tolist() == []


def test_a_frequent_value_is_an_edge_and_leaves_the_other_bins_to_the_others():
    tied = np.maximum(NORMAL, 0)
    edges = edges_of(tied, len(tied))
    assert len(edges) == MANY_BINS + 1 and edges[0] == 0 < edges[1]
    counts = np.bincount(into_bins(tied, edges)[0])
    assert counts[0] > len(tied) / 2 and counts[1:].max() - counts[1:].min() <= 2
    spike = np.concatenate([np.zeros(9000), np.arange(1.0, 50.0)])
    assert len(edges_of(spike, len(spike))) == MANY_BINS + 1
    several = np.concatenate([np.repeat([-1.0, 0.0, 2.0], 1000), NORMAL])
    found = edges_of(several, len(several))
    assert {-1.0, 0.0, 2.0} <= set(found.tolist()) and MANY_BINS - 2 <= len(found) <= MANY_BINS + 1


@given(st.lists(st.floats(-(2.0**120), 2.0**120, width=32), min_size=3, max_size=60))
def test_a_value_lies_between_the_edges_of_its_bin(values):
    given = np.array(values)
    edges = edges_of(given, len(given))
    if len(edges):
        assert (np.diff(edges) > 0).all()
        bins, fractions = into_bins(given, edges)
        assert (edges[bins] <= given).all() and (given <= edges[bins + 1]).all()
        low, high = edges[bins], edges[bins + 1]
        np.testing.assert_allclose(low + fractions * (high - low), given, rtol=1e-6, atol=1e-6 * np.abs(given).max())
        assert (np.bincount(bins, minlength=len(edges) - 1) > 0).all()


def test_the_scale_of_ties_is_that_of_the_range():
    assert robust(np.array([0.0, 0.0, 0.0, 0.0, 4.0])) == (0.0, 0.5)


def test_ranks_rise():
    knots, scores = ranks(np.maximum(NORMAL, 0))
    assert (np.diff(knots) > 0).all() and (np.diff(scores) >= 0).all()
