"""Predictions and scores of every model, and the samples it accepts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from models import make_model

from fastnet.data import Dataset
from fastnet.errors import DataError, ModelError
from fastnet.model.predictor import score_of


def test_check_fits_names_both_sides(tiny_dataset: Dataset) -> None:
    make_model().check_fits(tiny_dataset)
    with pytest.raises(ModelError, match="tiny has 12 features: this model reads 11"):
        make_model(n_inputs=11).check_fits(tiny_dataset)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((2, 11)), ModelError, "x has 11 features: this model reads 12"),
        (np.zeros(11), ModelError, r"x has shape \(11,\)"),
        (np.zeros((3, 4)), ModelError, "x has 4 features: this model reads 12"),
        (np.full((1, 12), np.nan), DataError, "x"),
        ([["a"] * 12], DataError, "must be numbers"),
    ],
)
def test_predict_rejects_impossible_features(x: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make_model().predict(x)


def test_a_single_sample_may_come_without_its_first_axis() -> None:
    model = make_model(n_inputs=9)
    sample = (np.arange(9) * 28).astype(np.uint8)
    expected = model.predict_proba(sample.reshape(1, 9))
    for x in (sample, sample.tolist(), sample.reshape(3, 3), sample.reshape(3, 3, 1), sample.reshape(1, 3, 3)):
        assert model.predict_proba(x).tobytes() == expected.tobytes()
    several = np.stack([sample] * 3).reshape(3, 3, 3)
    assert model.predict_proba(several).shape == (3, 3)


def test_a_table_that_could_be_an_image_is_a_table() -> None:
    model = make_model(n_inputs=3)
    assert model.predict_proba(np.zeros((3, 3))).shape == (3, 3)


def test_predictions_agree_with_one_another() -> None:
    model = make_model()
    x = (np.random.Philox(key=4).random_raw(20 * 12) % 256).astype(np.uint8).reshape(20, 12)
    probabilities, positions = model.predict_proba(x), model.predict_index(x)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-6)
    assert positions.dtype == np.int64 and (positions == probabilities.argmax(axis=1)).all()
    assert (model.predict(x) == model.classes[positions]).all()
    assert model.score(x, model.predict(x)).value == 1.0


def test_a_score_is_accuracy_and_mean_cross_entropy() -> None:
    probabilities = np.array([[0.75, 0.25], [0.5, 0.5], [0.125, 0.875]], np.float32)
    score = score_of(probabilities, np.array([0, 1, 1]))
    assert score.value == 2 / 3, "on a tie the first class is predicted"
    assert score.loss == pytest.approx(-np.log([0.75, 0.5, 0.875]).mean())
    assert score.stored("test") == {"test_accuracy": score.value, "test_loss": score.loss}
    impossible = score_of(np.array([[1.0, 0.0]], np.float32), np.array([1]))
    assert impossible.value == 0.0 and impossible.loss == pytest.approx(87.3, abs=0.1)
