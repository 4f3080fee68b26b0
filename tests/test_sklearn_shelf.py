"""Networks that a search trains together."""

from __future__ import annotations

import numpy as np
import pytest

from fastnet.sklearn import FastNetClassifier
from fastnet.sklearn.shelf import Halving, Part, Shelf, fingerprint, rows_of, settings_of

X = np.random.default_rng(0).normal(size=(90, 4))
Y = (X[:, 0] > 0).astype(int)
PART = Part(X, Y, None, "fold")


def network(**parameters):
    return FastNetClassifier((8,), **{"max_iter": 20, "random_state": 0, "n_iter_no_change": 50} | parameters)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_is_on_the_shelf_is_what_fit_trains():
    shelf, kinds = Shelf(), [{"alpha": 1.0}, {"n_networks": 3}, {"early_stopping": True}, {"max_iter": 30}]
    wanted = [shelf.wanted(network(**each), PART, number) for number, each in enumerate(kinds)]
    assert shelf.train(wanted, 2, None) == {0: 20, 1: 20, 2: 20, 3: 30}
    for each in kinds:
        taken, alone = network(**each), network(**each).fit(X, Y)
        taken._shelf = shelf
        taken.fit(X, Y)
        assert taken.predict_proba(X).tobytes() == alone.predict_proba(X).tobytes()
        assert taken.loss_curve_ == pytest.approx(alone.loss_curve_, rel=1e-6) and taken.n_iter_ == alone.n_iter_
        assert taken.classes_.tolist() == [0, 1] and taken.n_features_in_ == 4
    assert not shelf.trained, "each is taken once"


def test_other_samples_are_not_on_the_shelf():
    shelf = Shelf()
    shelf.train([shelf.wanted(network(), PART, 0)], 1, None)
    assert shelf.get(network(), X, 1 - Y, None) is None and shelf.get(network(alpha=2.0), X, Y, None) is None
    assert shelf.get(network(), X, Y, np.ones(90)) is None and shelf.get(network(), X.copy(), Y, None) is not None


@pytest.mark.parametrize(
    "parameters",
    [{"warm_start": True}, {"solver": "sgd", "learning_rate": "adaptive"}, {"random_state": np.random.RandomState(0)}],
)
def test_what_cannot_train_together_is_left_to_fit(parameters):
    assert Shelf().wanted(network(**parameters), PART, 0) is None


def test_samples_are_prepared_once():
    shelf = Shelf()
    first, second = (shelf.wanted(network(alpha=alpha), PART, 0) for alpha in (1.0, 2.0))
    other = shelf.wanted(network(numbers="raw"), PART, 0)
    assert first.job.data is second.job.data is not other.job.data


@pytest.mark.parametrize("threads", [1, 2])
def test_halving_ends_the_worse(threads):
    test = (X[60:], Y[60:], None)
    shelf = Shelf()
    rates = [1e-6, 0.05, 1e-5, 0.03, 1e-4, 1e-3]
    networks = [network(learning_rate_init=rate, max_iter=18) for rate in rates]
    wanted = [
        shelf.wanted(each, Part(X[:60], Y[:60], None, "fold", test), number) for number, each in enumerate(networks)
    ]
    ends = shelf.train(wanted, threads, Halving(2, 3))
    assert [ends[number] for number in (1, 3)] == [6, 18] or [ends[number] for number in (1, 3)] == [18, 6]
    assert {ends[number] for number in (0, 2, 4, 5)} == {2}
    trained, _ = shelf.get(networks[0], X[:60], Y[:60], None)
    assert trained.epochs == 2


def test_rungs():
    assert Halving(5, 3).rungs(100) == [5, 15, 45, 100] and Halving(5, 3).rungs(4) == [4]
    assert Halving(5, 2).rungs(10) == [5, 10]


def test_names():
    assert settings_of(network()) == settings_of(network()) != settings_of(network(alpha=0.5))
    assert fingerprint(np.zeros((0, 3))) != fingerprint(np.zeros((0, 4)))
    assert fingerprint(X.astype(np.float32)) != fingerprint(X) and fingerprint(["a"]) == fingerprint(["a"])
    assert rows_of(None, [0]) is None and rows_of(X, [1]).tolist() == X[1:2].tolist()
