"""Several heads in the reference: signs, and what each step does with the rows of all heads."""

from __future__ import annotations

import numpy as np
import pytest

from fastnet.reference import heads
from fastnet.reference.network import forward
from fastnet.reference.objective import Details


@pytest.mark.parametrize("n_heads", range(1, 17))
def test_any_two_heads_agree_on_half_of_the_units(n_heads):
    found = heads.signs(n_heads, 64)
    assert (np.abs(found) == 1).all()
    np.testing.assert_array_equal(found @ found.T, 64 * np.eye(n_heads))


def test_one_head_changes_nothing():
    z = np.arange(12.0).reshape(4, 3)
    for same in (heads.spread(z, 1), heads.fold(z, 1), heads.own(z, 1), heads.put_back(z, 1), heads.mean(z, 1)):
        np.testing.assert_array_equal(same, z)


@pytest.mark.parametrize("n_heads", [2, 3, 8])
def test_what_goes_back_is_the_transpose_of_what_went_forward(n_heads):
    random = np.random.default_rng(n_heads)
    z, dz = random.normal(size=(4, 5)), random.normal(size=(4 * n_heads, 5))
    np.testing.assert_allclose((heads.spread(z, n_heads) * dz).sum(), (z * heads.fold(dz, n_heads)).sum())
    outputs, dys = random.normal(size=(4 * n_heads, 3 * n_heads)), random.normal(size=(4 * n_heads, 3))
    forward_sum, back_sum = heads.own(outputs, n_heads) * dys, outputs * heads.put_back(dys, n_heads)
    np.testing.assert_allclose(forward_sum.sum(), back_sum.sum())


def test_a_network_of_heads_is_the_mean_of_networks_with_signs_of_their_own():
    random = np.random.default_rng(0)
    weights = [random.normal(size=size) for size in ((6, 8), (8, 5), (5, 3 * 2))]
    biases = [random.normal(size=w.shape[1]) for w in weights]
    x = random.normal(size=(7, 6))
    found = heads.mean(forward(weights, biases, x, 0.5, heads=3)[-1], 3)
    alone = []
    for m, signs in enumerate(heads.signs(3, 8)):
        mine = slice(2 * m, 2 * m + 2)
        alone.append(
            forward(
                [weights[0] * signs, weights[1], weights[2][:, mine]],
                [biases[0] * signs, biases[1], biases[2][mine]],
                x,
                0.5,
            )[-1]
        )
    np.testing.assert_allclose(found, np.mean(alone, axis=0), rtol=1e-12)


def test_targets_and_weights_are_repeated_head_after_head():
    targets, details = heads.repeated(np.array([4, 5]), Details(np.array([1.0, 2.0]), (0.5,)), 3)
    assert targets.tolist() == [4, 5] * 3 and details.weights.tolist() == [1.0, 2.0] * 3 and details.levels == (0.5,)
