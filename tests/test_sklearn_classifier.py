"""The classifier: classes of any type, labels, weights of classes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.ensemble import VotingClassifier
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnet.sklearn import FastNetClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
NETWORK = FastNetClassifier((16,), max_iter=60, learning_rate_init=0.02, random_state=0)


@pytest.mark.parametrize("classes", [["a", "b", "c"], [10, -3, 7], [1.0, 2.0, 4.0], np.array(["x", "yy", "z"], object)])
def test_classes_of_any_type(classes):
    y = np.asarray(classes)[Y]
    network = NETWORK.fit(X, y)
    assert network.classes_.tolist() == sorted(classes) and network.score(X, y) > 0.95
    assert network.predict(X).dtype == network.classes_.dtype and network.predict_proba(X).shape == (150, 3)
    np.testing.assert_allclose(np.exp(network.predict_log_proba(X)), network.predict_proba(X), rtol=1e-5)


def test_it_learns_what_scikit_learn_learns():
    x = StandardScaler().fit_transform(X)
    given = {"hidden_layer_sizes": (32,), "max_iter": 2000, "n_iter_no_change": 2000, "alpha": 1.0, "random_state": 0}
    given["learning_rate_init"] = 0.01
    ours, theirs = FastNetClassifier(**given).fit(x, Y), MLPClassifier(**given).fit(x, Y)
    penalty = 0.5 * 1.0 * sum(float(np.square(w).sum()) for w in theirs.coefs_) / len(x)
    assert ours.loss_ == pytest.approx(theirs.loss_ - penalty, rel=0.05)
    assert sum(float(np.square(w).sum()) for w in ours.coefs_) == pytest.approx(
        sum(float(np.square(w).sum()) for w in theirs.coefs_), rel=0.1
    )
    assert [w.shape for w in ours.coefs_] == [w.shape for w in theirs.coefs_]
    assert (ours.n_layers_, ours.out_activation_, ours.t_) == (theirs.n_layers_, theirs.out_activation_, theirs.t_)


def test_labels():
    x, y = make_multilabel_classification(120, n_features=8, n_classes=4, random_state=0)
    network = FastNetClassifier((32,), max_iter=150, learning_rate_init=0.02, random_state=0).fit(x, y)
    assert network.score(x, y) > 0.8 and network.predict(x).shape == network.predict_proba(x).shape == (120, 4)
    assert network.out_activation_ == "logistic"
    with pytest.raises(ValueError, match="another form than in the first fit"):
        network.set_params(warm_start=True).fit(x, y[:, 0])


def test_weights_of_classes():
    y = (Y == 0).astype(int)[:60]
    x = X[:60] + np.random.default_rng(0).normal(scale=3.0, size=(60, 4))
    given = {"hidden_layer_sizes": (), "max_iter": 100, "random_state": 0, "learning_rate_init": 0.05}
    plain = FastNetClassifier(**given).fit(x, y).predict_proba(x)[:, 0].mean()
    balanced = FastNetClassifier(**given, class_weight="balanced").fit(x, y).predict_proba(x)[:, 0].mean()
    chosen = FastNetClassifier(**given, class_weight={0: 50.0, 1: 1.0}).fit(x, y).predict_proba(x)[:, 0].mean()
    assert plain < balanced < chosen
    with pytest.raises(ValueError, match="class_weight is for classes"):
        FastNetClassifier(class_weight="balanced").fit(x, np.stack([y, 1 - y], axis=1))


def test_parts_name_their_classes():
    network = FastNetClassifier((8,), random_state=0)
    with pytest.raises(ValueError, match="classes must be passed"):
        network.partial_fit(X[:50], Y[:50])
    network.partial_fit(X[:50], Y[:50], classes=[0, 1, 2]).partial_fit(X[50:], Y[50:])
    assert network.predict_proba(X).shape == (150, 3)
    with pytest.raises(ValueError, match="are not those of the first call"):
        network.partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match="was not among the classes"):
        network.partial_fit(X, Y + 1)


def test_warm_start_keeps_its_classes():
    network = FastNetClassifier((8,), warm_start=True, max_iter=2).fit(X, Y)
    with pytest.raises(ValueError, match="warm_start goes on with the same classes"):
        network.fit(X[:100], Y[:100])


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="y has 1 class"):
        FastNetClassifier().fit(X[:50], Y[:50])


def test_it_fits_into_scikit_learn():
    pipeline = make_pipeline(StandardScaler(), NETWORK)
    assert cross_val_score(pipeline, X, Y, cv=3, n_jobs=2).mean() > 0.9
    grid = GridSearchCV(NETWORK, {"alpha": [1e-4, 1.0]}, cv=3, n_jobs=2).fit(X, Y)
    assert grid.best_score_ > 0.9 and grid.best_estimator_.predict(X).shape == (150,)
    voting = VotingClassifier([("a", NETWORK), ("b", pipeline)], voting="soft").fit(X, Y)
    assert voting.score(X, Y) > 0.9
    assert CalibratedClassifierCV(NETWORK, cv=3).fit(X, Y).score(X, Y) > 0.9
    importance = permutation_importance(pipeline.fit(X, Y), X, Y, n_repeats=3, random_state=0)
    assert importance.importances_mean.argmax() in (2, 3)
