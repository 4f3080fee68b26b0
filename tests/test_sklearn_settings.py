"""The parameters of an estimator as the settings of a training."""

from __future__ import annotations

import joblib
import numpy as np
import pytest

from fastnet.errors import ConfigError
from fastnet.sklearn import FastNetClassifier, FastNetRegressor
from fastnet.sklearn.settings import config_of, seed_of, threads_of


def config(n_samples=1000, **parameters):
    return config_of(FastNetClassifier(**parameters), n_samples, 5, "cross-entropy")


def test_parameters_become_settings():
    found = config(hidden_layer_sizes=np.array([8, 4]), alpha=0.5, batch_size=50, max_iter=7, dropout=0.2, beta_1=0.8)
    assert (found.hidden, found.weight_decay, found.batch_size, found.epochs) == ((8, 4), 0.01, 50, 7)
    assert (found.dropout, found.beta1, found.seed, found.train_score) == (0.2, 0.8, 5, "none")
    assert config(hidden_layer_sizes=12).hidden == (12,) and config(hidden_layer_sizes="6x3").hidden == (6, 6, 6)
    assert config(30).batch_size == 30 and config(batch_size=999, n_samples=30).batch_size == 30
    assert config(weight_decay=0.3, solver="adamw").weight_decay == 0.3 and config(hidden_layer_sizes=()).hidden == ()


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        ({"solver": "sgd"}, "nesterov"),
        ({"solver": "sgd", "nesterovs_momentum": False}, "momentum"),
        ({"solver": "sgd", "momentum": 0.0}, "sgd"),
        ({"solver": "rmsprop"}, "rmsprop"),
    ],
)
def test_momentum_belongs_to_sgd(parameters, rule):
    assert config(**parameters).optimizer == rule


def test_patience_is_one_epoch_longer_as_in_scikit_learn():
    assert config(n_iter_no_change=10).early_stopping == 11
    assert config(n_iter_no_change=np.inf).early_stopping == 200, "never, but the best epoch is kept"
    assert config(n_iter_no_change=10, max_iter=10).early_stopping == 10
    assert config(learning_rate="adaptive", solver="sgd").early_stopping == 200


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"solver": "lbfgs"}, "solver='lbfgs': fastnet trains in batches"),
        ({"solver": "lion"}, "solver='lion': choose one of sgd, adam"),
        ({"learning_rate": "sometimes"}, "learning_rate='sometimes': choose one of constant"),
        ({"learning_rate_init": -1.0}, "learning_rate_init=-1.0: "),
        ({"max_iter": 0}, "max_iter=0: "),
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes="),
        ({"hidden_layer_sizes": "wide"}, "hidden_layer_sizes="),
        ({"beta_1": 1.0}, "beta_1=1.0: "),
        ({"alpha": -1e-3}, "alpha=-0.001: must be a number of at least 0"),
        ({"tol": None}, "tol=None: must be a number"),
        ({"batch_size": "all"}, "batch_size='all': "),
        ({"batch_size": 0}, "batch_size=0: "),
        ({"activation": "identity"}, "activation='identity': .* hidden_layer_sizes="),
        ({"shuffle": False, "batch_size": 10}, "shuffle=False: "),
        ({"n_iter_no_change": 0}, "n_iter_no_change=0: "),
        ({"learning_rate": "adaptive", "n_networks": 3}, "learning_rate='adaptive' follows"),
        ({"dropout": 20}, "dropout=20: "),
    ],
)
def test_a_parameter_outside_its_range_is_named(parameters, sentence):
    with pytest.raises(ConfigError, match=sentence):
        config(**parameters)


def test_the_seed_follows_the_random_state():
    assert seed_of(3) == seed_of(np.random.RandomState(3)) != seed_of(4)
    assert 0 <= seed_of(None) < 2**31


def test_inside_a_worker_one_thread_trains():
    assert threads_of(None) >= 1 and threads_of(2) == 2
    inside = joblib.Parallel(n_jobs=2, backend="threading")(joblib.delayed(threads_of)(None) for _ in range(2))
    assert inside == [1, 1]
    with joblib.parallel_config("sequential"):
        assert threads_of(2) == 2 and threads_of(-1) >= 1
    with pytest.raises(ConfigError, match="n_jobs=9999: "):
        threads_of(9999)


def test_settings_of_numbers_are_those_of_the_regressor():
    found = config_of(FastNetRegressor(quantiles=(0.2, 0.8), huber_delta=2.0), 100, 0, "pinball")
    assert (found.quantiles, found.huber_delta, found.objective) == ((0.2, 0.8), 2.0, "pinball")
