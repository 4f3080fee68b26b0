"""The first layer of a table in the reference: the product of the written-out columns, and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import draw_encoded

from fastnet import reference
from fastnet.reference.columns import Table, forward, weight_gradient

widths = st.lists(st.integers(1, 5), max_size=3)


@given(st.integers(1, 6), st.integers(0, 7), widths, widths, st.integers(0, 99))
def test_both_products_are_those_of_the_written_out_columns(n_rows, n_dense, n_bins, n_levels, seed):
    random = np.random.default_rng(seed)
    encoded = draw_encoded(n_rows, n_dense, n_bins, n_levels, seed)
    table, full = Table(*encoded), encoded.written_out().astype(np.float64)
    w, b, dy = random.normal(size=(full.shape[1], 3)), random.normal(size=3), random.normal(size=(n_rows, 3))
    np.testing.assert_allclose(forward(table, w, b), reference.network.affine_forward(full, w, b), atol=1e-6)
    np.testing.assert_allclose(weight_gradient(table, dy), reference.network.weight_gradient(full, dy), atol=1e-6)


def test_the_gradient_agrees_with_finite_differences():
    random = np.random.default_rng(3)
    table = Table(*draw_encoded(5, 2, [3, 1], [4], 3))
    w, b, dy = random.normal(size=(10, 3)), random.normal(size=3), random.normal(size=(5, 3))
    found = weight_gradient(table, dy)
    for place in np.ndindex(w.shape):
        step = np.zeros_like(w)
        step[place] = 1e-4
        rise = forward(table, w + step, b) - forward(table, w - step, b)
        assert (rise * dy).sum() / 2e-4 == pytest.approx(found[place], rel=1e-6, abs=1e-8)


def test_a_level_without_an_input_adds_nothing():
    none, level = np.empty((1, 0)), np.array([[2]])
    table = Table(none, none.astype(int), none, level, none[0].astype(int), np.array([2]))
    assert forward(table, np.ones((2, 1)), np.array([7.0])).tolist() == [[7.0]]
    assert weight_gradient(table, np.ones((1, 1))).tolist() == [[0.0], [0.0]]
