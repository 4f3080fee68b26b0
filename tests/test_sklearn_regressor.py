"""The regressor: losses, several targets, quantiles, scores."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import make_regression

from fastnet.sklearn import FastNetRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = make_regression(200, 5, noise=5.0, random_state=0)


def network(**parameters):
    return FastNetRegressor((32,), **{"max_iter": 150, "learning_rate_init": 0.01, "random_state": 0} | parameters)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_every_loss_learns(loss):
    fitted = network(loss=loss).fit(X, Y)
    assert fitted.score(X, Y) > 0.95 and fitted.predict(X).shape == (200,) and fitted.out_activation_ == "identity"


def test_counts():
    rate = np.exp(X[:, 0])
    counts = np.random.default_rng(0).poisson(rate)
    fitted = network(loss="poisson", alpha=1.0).fit(X, counts)
    assert (fitted.predict(X) > 0).all() and np.corrcoef(fitted.predict(X), rate)[0, 1] > 0.9


def test_quantiles_are_columns():
    fitted = network(loss="quantile", quantiles=(0.1, 0.9)).fit(X, Y)
    low, high = fitted.predict(X).T
    assert (low <= high).all() and 0.7 < np.mean((low <= Y) & (high >= Y)) <= 1.0


def test_several_targets():
    y = np.stack([Y, -2.0 * Y], axis=1)
    fitted = network().fit(X, y)
    assert fitted.predict(X).shape == (200, 2) and fitted.score(X, y) > 0.95


def test_scores_of_epochs_are_r_squared():
    weights = np.random.default_rng(0).random(80)
    order = np.argsort(-np.abs(Y))  # the extremes train, so that no answer ends at them
    (x, y), (x_val, y_val) = ((X[rows], Y[rows]) for rows in np.split(order, [120]))
    fitted = network(early_stopping=True).fit(x, y, X_val=x_val, y_val=y_val, sample_weight_val=weights)
    assert fitted.best_validation_score_ == pytest.approx(fitted.score(x_val, y_val, weights), abs=1e-4)
    absolute = network(loss="absolute_error", early_stopping=True).fit(X, Y)
    assert max(absolute.validation_scores_) < 0


def test_an_unknown_loss_is_named():
    with pytest.raises(ValueError, match="loss='hinge': choose one of squared_error"):
        FastNetRegressor(loss="hinge").fit(X, Y)


def test_a_transformed_target():
    fitted = TransformedTargetRegressor(network(), func=lambda y: y / 7, inverse_func=lambda y: y * 7).fit(X, Y)
    assert fitted.score(X, Y) > 0.9
