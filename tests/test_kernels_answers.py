"""What networks answer: outputs of every objective brought to its answers."""

from __future__ import annotations

import numpy as np
import pytest
from buffers import address, checked
from cases import WITHOUT_CLASSES
from layers import call

from fastnet import reference
from fastnet.kernels.answers import KINDS, write_answers
from fastnet.kernels.layout import leading
from fastnet.kernels.objective import OBJECTIVES

OUTPUTS = np.random.default_rng(5).normal(size=(7, 6)).astype(np.float32) * 4


def answers(objective: str, outputs: np.ndarray, n_levels: int = 0) -> np.ndarray:
    with checked() as buffers:
        padded = np.full((len(outputs), leading(outputs.shape[1])), np.nan, np.float32)
        padded[:, : outputs.shape[1]] = outputs
        found = buffers.output(outputs.shape)
        ld = 4 * padded.shape[1]
        call(write_answers, KINDS[objective], n_levels, address(buffers.updated(padded)), ld, found)
    return found


def test_every_objective_has_its_answers():
    assert KINDS.keys() == OBJECTIVES.keys() == {"cross-entropy", *WITHOUT_CLASSES}


def test_answers_are_those_of_the_objective():
    wide = OUTPUTS.astype(np.float64)
    np.testing.assert_allclose(answers("cross-entropy", OUTPUTS), reference.objective.softmax(wide), rtol=1e-5)
    np.testing.assert_allclose(answers("binary-cross-entropy", OUTPUTS), reference.objective.sigmoid(wide), rtol=1e-6)
    np.testing.assert_allclose(answers("poisson", OUTPUTS), np.exp(wide), rtol=1e-6)
    for name in ("squared-error", "absolute-error", "huber"):
        assert answers(name, OUTPUTS).tobytes() == OUTPUTS.tobytes()


@pytest.mark.parametrize("n_levels", [1, 2, 3, 6])
def test_quantiles_of_each_target_come_in_order(n_levels):
    expected = np.sort(OUTPUTS.reshape(7, -1, n_levels), axis=2).reshape(7, 6)
    assert answers("pinball", OUTPUTS, n_levels).tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", WITHOUT_CLASSES)
def test_what_is_no_number_is_no_answer(name):
    outputs = OUTPUTS.copy()
    outputs[3, 5] = np.nan
    found = answers(name, outputs, 2)
    assert np.isnan(found[3, 5]) and np.isfinite(found[[0, 1, 2, 4, 5, 6]]).all()
