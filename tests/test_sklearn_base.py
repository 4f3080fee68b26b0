"""What both estimators share: going on, validation samples, callbacks' place, pickles, threads."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from fastnet import ConfigError, DataError, load_model
from fastnet.sklearn import FastNetClassifier, FastNetRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

KINDS = [FastNetClassifier, FastNetRegressor]


@pytest.fixture(scope="module")
def samples():
    generator = np.random.default_rng(1)
    x = generator.normal(size=(200, 6))
    return x, (x[:, 0] + x[:, 1] * x[:, 2] > 0).astype(int)


def answers(estimator, x):
    return estimator.predict_proba(x) if hasattr(estimator, "predict_proba") else estimator.predict(x)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_are_learnt_as_one_fit_learns_them(kind, samples):
    x, y = samples
    whole = kind((8,), max_iter=5, random_state=0).fit(x, y)
    parts = kind((8,), random_state=0)
    for _ in range(5):
        parts = pickle.loads(pickle.dumps(parts))
        parts.partial_fit(x, y, **({"classes": [0, 1]} if kind is FastNetClassifier else {}))
    assert answers(parts, x).tobytes() == answers(whole, x).tobytes()
    assert parts.n_iter_ == 5 and parts.loss_curve_ == whole.loss_curve_ and parts.t_ == whole.t_ == 1000
    parts.partial_fit(x[:50], y[:50])
    assert parts.t_ == 1050
    whole.partial_fit(x, y)
    assert whole.n_iter_ == 6


@pytest.mark.parametrize("kind", KINDS)
def test_warm_start_begins_with_the_last_weights(kind, samples):
    x, y = samples
    network = kind((8,), max_iter=30, random_state=0, warm_start=True).fit(x, y)
    before = network.loss_curve_[-1]
    network.fit(x, y)
    assert network.loss_curve_[0] < 1.05 * before and network.n_iter_ == 30 and len(network.loss_curve_) == 30
    assert kind((8,), max_iter=30, random_state=0).fit(x, y).loss_curve_[0] > 1.1 * before
    with pytest.raises(ConfigError, match="warm_start goes on with the network of the last fit"):
        network.set_params(hidden_layer_sizes=(9,)).fit(x, y)


@pytest.mark.parametrize("kind", KINDS)
def test_early_stopping_keeps_the_best_epoch(kind, samples):
    x, y = samples
    network = kind((32,), max_iter=200, learning_rate_init=0.02, early_stopping=True, random_state=0, tol=0.0).fit(
        x[:120], y[:120], X_val=x[120:], y_val=y[120:]
    )
    assert network.best_iter_ < network.n_iter_ < 200 and network.best_loss_ is None
    assert len(network.validation_scores_) == len(network.validation_loss_curve_) == network.n_iter_
    assert network.validation_loss_curve_[network.best_iter_ - 1] == min(network.validation_loss_curve_)
    assert network.score(x[120:], y[120:]) == pytest.approx(
        network.best_validation_score_, abs=1e-5 if kind is FastNetClassifier else 0.15
    ), "answers of numbers end at those of the training samples"


@pytest.mark.parametrize("kind", KINDS)
def test_validation_samples_do_not_change_what_is_learnt(kind, samples):
    x, y = samples
    given = {"hidden_layer_sizes": (8,), "max_iter": 6, "random_state": 0}
    alone = kind(**given).fit(x[:120], y[:120])
    measured = kind(**given).fit(x[:120], y[:120], X_val=x[120:], y_val=y[120:], sample_weight_val=np.ones(80))
    assert answers(alone, x).tobytes() == answers(measured, x).tobytes()
    assert len(measured.validation_loss_curve_) == 6 and measured.validation_scores_ is None
    with pytest.raises(ConfigError, match="X_val is given without y_val"):
        kind(**given).fit(x, y, X_val=x)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_can_be_saved(kind, samples, tmp_path):
    x, y = samples
    network = kind((8,), max_iter=5, n_networks=2, random_state=0).fit(x, y)
    network.model_.save(tmp_path / "network.safetensors")
    again = load_model(tmp_path / "network.safetensors")
    assert (again.answers(x) == network.model_.answers(x)).all() and len(again.members) == 2
    with pytest.raises(AttributeError, match="has several networks"):
        _ = network.coefs_
    assert not hasattr(kind(), "coefs_")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["frame", "arrow"])
def test_tables_with_texts_and_missing_values(kind, form, samples):
    x, y = samples
    frame = pd.DataFrame(x[:, :2].copy(), columns=["a", "b"])
    frame["kind"] = np.where(y == 1, "red", "blue")
    frame.loc[::7, "a"] = np.nan
    frame.loc[::9, "kind"] = None
    table = frame if form == "frame" else pa.Table.from_pandas(frame)
    network = kind((16,), max_iter=60, learning_rate_init=0.01, random_state=0).fit(table, y)
    assert network.score(table, y) > (0.9 if kind is FastNetClassifier else 0.6)
    assert network.n_features_in_ == 3
    if form == "frame":
        assert list(network.feature_names_in_) == ["a", "b", "kind"]
        with pytest.raises(ValueError, match="feature names"):
            network.predict(frame[["a", "b"]])


@pytest.mark.filterwarnings("ignore::fastnet.FastnetWarning")
def test_parts_of_a_table_are_read_as_the_first_one():
    parts = [
        (pd.DataFrame({"kind": ["a"] * 30 + ["b"] * 10, "size": 1.0}), np.repeat([0, 1], [30, 10])),
        (pd.DataFrame({"kind": ["b"] * 30 + ["a"] * 9 + ["new"], "size": 2.0}), np.repeat([1, 0], [30, 10])),
    ]
    parts[0][0]["size"] += np.arange(40) % 2
    network = FastNetClassifier((8,), learning_rate_init=0.05, random_state=0)
    for _ in range(20):
        for frame, y in parts:
            network.partial_fit(frame, y, classes=[0, 1])
    assert all(network.score(frame, y) > 0.95 for frame, y in parts)
    network.set_params(warm_start=True, max_iter=3).fit(*parts[1])
    assert network.score(*parts[0]) > 0.95


def test_a_frame_of_numbers_is_the_array_of_them(samples):
    x, y = samples
    by_array = FastNetClassifier((8,), max_iter=5, random_state=0).fit(x, y)
    by_frame = FastNetClassifier((8,), max_iter=5, random_state=0).fit(pd.DataFrame(x, columns=list("abcdef")), y)
    assert by_array.coefs_[0].tobytes() == by_frame.coefs_[0].tobytes()
    by_table = FastNetClassifier((8,), max_iter=5, random_state=0).fit(
        pa.table(dict(zip("abcdef", x.T, strict=True))), y
    )
    assert by_table.coefs_[0].tobytes() == by_array.coefs_[0].tobytes() and by_table.n_features_in_ == 6
    encoded = FastNetClassifier((8,), max_iter=5, random_state=0, numbers="piecewise").fit(x, y)
    assert len(encoded.coefs_[0]) > 6 and encoded.predict(x).shape == (200,)
    missing = np.where(np.arange(x.size).reshape(x.shape) % 11 == 0, np.nan, x)
    assert FastNetClassifier((8,), max_iter=5, numbers="piecewise").fit(missing, y).predict(missing).shape == (200,)
    with pytest.raises(ValueError, match="contains NaN"):
        FastNetClassifier((8,)).fit(missing, y)


@pytest.mark.parametrize("kind", KINDS)
def test_sparse_features_stay_sparse(kind, samples):
    x, y = samples
    thin = np.where(x > 0.5, x, 0.0)
    network = kind((16,), max_iter=40, learning_rate_init=0.01, random_state=0).fit(sparse.csr_matrix(thin), y)
    np.testing.assert_array_equal(answers(network, thin), answers(network, sparse.csc_array(thin)))
    plain = kind((16,), max_iter=40, learning_rate_init=0.01, random_state=0, numbers="raw").fit(thin, y)
    np.testing.assert_allclose(answers(network, thin), answers(plain, thin), atol=2e-3)


def test_schedules_that_follow_the_loss(samples):
    x, y = samples
    given = {"hidden_layer_sizes": (8,), "solver": "sgd", "random_state": 0, "learning_rate_init": 0.1}
    constant, inverse = (
        FastNetClassifier(**given, learning_rate=name, max_iter=20).fit(x, y) for name in ("constant", "invscaling")
    )
    assert constant.loss_curve_[0] == inverse.loss_curve_[0] and constant.loss_ < inverse.loss_
    adaptive = FastNetClassifier(**given, learning_rate="adaptive", max_iter=3000, tol=0.5, n_iter_no_change=2).fit(
        x, y
    )
    assert 10 < adaptive.n_iter_ < 60, "the rate falls to a fifth every three epochs until it is below 1e-6"


def test_a_warning_says_that_training_was_short(samples):
    with pytest.warns(ConvergenceWarning, match="max_iter=3: the loss was still falling") as caught:
        FastNetClassifier(max_iter=3).fit(*samples)
    assert caught[0].filename == __file__


def test_verbose_prints_the_loss_of_each_epoch(samples, capsys):
    network = FastNetClassifier((4,), max_iter=3, verbose=True, early_stopping=True).fit(*samples)
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"Iteration 1, loss = {network.loss_curve_[0]:.8f}" and len(out) == 6
    FastNetClassifier((4,), max_iter=3).fit(*samples)
    assert capsys.readouterr().out == ""


def test_threads_of_python_may_fit_at_a_time(samples):
    x, y = samples
    found = {}

    def fit(number):
        found[number] = FastNetClassifier((600,), max_iter=3, random_state=0, n_jobs=2).fit(x, y).predict_proba(x)

    workers = [threading.Thread(target=fit, args=(number,)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 3 and len({answer.tobytes() for answer in found.values()}) == 1


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"numbers": "magic"}, "numbers='magic': choose one of auto"),
        ({"metric": "auc"}, "metric='auc': choose one of loss, score"),
        ({"n_networks": 0}, "n_networks=0: "),
        ({"validation_fraction": 2.0, "early_stopping": True}, "validation_fraction=2.0: "),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_parameter_outside_its_range_is_named(kind, parameters, sentence, samples):
    with pytest.raises(ConfigError, match=sentence):
        kind(**parameters).fit(*samples)


@pytest.mark.parametrize("kind", KINDS)
def test_partial_fit_refuses_what_it_cannot_do(kind, samples):
    with pytest.raises(ConfigError, match="early_stopping=True: partial_fit does not support"):
        kind(early_stopping=True).fit(*samples).partial_fit(*samples)
    with pytest.raises(ConfigError, match="n_networks=3: partial_fit goes on with one network"):
        kind(n_networks=3, max_iter=2).fit(*samples).partial_fit(*samples)
    with pytest.raises(DataError, match="sample_weight of shape"):
        kind(max_iter=2).fit(*samples, sample_weight=-np.ones(200))
    with pytest.raises(NotFittedError):
        kind().predict(samples[0])
