"""The search: the same results as RandomizedSearchCV's, from packs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import loguniform
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, RandomizedSearchCV, ShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from fastnet import ConfigError, FastnetWarning
from fastnet.sklearn import FastNetClassifier, FastNetRegressor, FastNetSearchCV
from fastnet.sklearn.search import Range

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
NETWORK = FastNetClassifier((8,), max_iter=25, random_state=0, n_jobs=1)
SPACE = {
    "learning_rate_init": loguniform(1e-3, 1e-1),
    "alpha": [1e-4, 1.0],
    "early_stopping": [True, False],
    "hidden_layer_sizes": [(8,), (16, 8), ()],
    "class_weight": [None, "balanced"],
}


def results(search):
    return {name: values for name, values in search.cv_results_.items() if "time" not in name}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"cv": ShuffleSplit(3, train_size=0.5, random_state=1)},
        {"scoring": ["accuracy", "neg_log_loss"], "refit": "neg_log_loss", "return_train_score": True},
        {"scoring": "roc_auc_ovr", "cv": 3},
    ],
    ids=["plain", "splitter", "metrics", "scorer"],
)
@pytest.mark.parametrize("piped", [False, True])
def test_results_are_those_of_scikit_learn(given, piped):
    estimator, space = NETWORK, SPACE
    if piped:
        estimator = make_pipeline(StandardScaler(), NETWORK)
        space = {f"fastnetclassifier__{name}": values for name, values in SPACE.items()}
        space["standardscaler"] = [StandardScaler(), MinMaxScaler()]
    common = {"n_iter": 8, "random_state": 3, **given}
    theirs = RandomizedSearchCV(estimator, space, **common).fit(X, Y)
    ours = FastNetSearchCV(estimator, space, n_jobs=2, **common).fit(X, Y)
    assert results(ours).keys() == results(theirs).keys()
    for name, values in results(theirs).items():
        if name == "params":
            assert [str(each) for each in values] == [str(each) for each in ours.cv_results_[name]]
        elif not name.startswith("param_"):
            np.testing.assert_array_equal(ours.cv_results_[name], values)
    assert ours.best_index_ == theirs.best_index_ and ours.train_time_ > 0
    assert ours.predict_proba(X).tobytes() == theirs.predict_proba(X).tobytes()
    assert ours.n_features_in_ == 4 and ours.classes_.tolist() == [0, 1, 2]


def test_packs_have_trained_everything(monkeypatch):
    calls = []
    train = FastNetClassifier._train
    monkeypatch.setattr(FastNetClassifier, "_train", lambda *given: calls.append(1) or train(*given))
    search = FastNetSearchCV(NETWORK, SPACE, n_iter=6, cv=3, random_state=0).fit(X, Y, sample_weight=np.arange(150) % 3)
    assert len(calls) == 1, "the last fit on all samples"
    assert not hasattr(search.best_estimator_, "_shelf") and not hasattr(NETWORK, "_shelf")


def test_groups_weights_and_sparse_samples():
    thin = sparse.csr_array(np.where(X > 2.0, X, 0.0))
    groups = np.arange(150) % 10
    given = {"sample_weight": 1.0 + np.arange(150) % 3, "groups": groups}
    common = {"n_iter": 3, "cv": GroupKFold(3), "random_state": 0}
    theirs = RandomizedSearchCV(NETWORK, SPACE, **common).fit(thin, Y, **given)
    ours = FastNetSearchCV(NETWORK, SPACE, **common).fit(thin, Y, **given)
    np.testing.assert_array_equal(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])


def test_numbers_and_texts_as_ranges():
    search = FastNetSearchCV(
        FastNetRegressor((8,), max_iter=20, random_state=0),
        {"learning_rate_init": "log:1e-3:1e-1", "dropout": "choice:0,0.2"},
        n_iter=5,
        random_state=0,
    ).fit(X[:, :3], X[:, 3])
    rates = search.cv_results_["param_learning_rate_init"].astype(float)
    assert ((rates >= 1e-3) & (rates <= 1e-1)).all() and len(set(rates)) == 5
    assert set(search.cv_results_["param_dropout"]) <= {0, 0.2}
    drawn = [Range("int:1:4").rvs(random_state=np.random.RandomState(seed)) for seed in range(40)]
    assert set(drawn) == {1, 2, 3, 4} and all(type(value) is int for value in drawn)


def test_metadata_goes_where_it_is_requested():
    weights = 1.0 + np.arange(150) % 3
    with config_context(enable_metadata_routing=True):
        network = clone(NETWORK).set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        common = {"n_iter": 2, "cv": 3, "random_state": 0}
        theirs = RandomizedSearchCV(network, SPACE, **common).fit(X, Y, sample_weight=weights)
        ours = FastNetSearchCV(network, SPACE, **common).fit(X, Y, sample_weight=weights)
    np.testing.assert_array_equal(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])


def test_a_configuration_that_fails_counts_as_scikit_learn_counts_it():
    space = {"alpha": [1e-4, -1.0]}
    with pytest.warns(Warning) as caught:
        search = FastNetSearchCV(NETWORK, space, n_iter=2, cv=2, random_state=0).fit(X, Y)
    assert any("2 fits failed" in str(each.message) for each in caught)
    assert np.isnan(search.cv_results_["mean_test_score"]).sum() == 1 and search.best_params_ == {"alpha": 1e-4}
    with pytest.raises(ConfigError, match=r"alpha=-1\.0"):
        FastNetSearchCV(NETWORK, space, n_iter=2, cv=2, error_score="raise").fit(X, Y)


@pytest.mark.parametrize("jobs", [1, 2])
def test_halving_trains_fewer_epochs(jobs):
    search = FastNetSearchCV(
        NETWORK,
        {**SPACE, "early_stopping": [False]},
        n_iter=9,
        cv=3,
        random_state=0,
        pruning="halving",
        eta=3,
        first_epochs=3,
        n_jobs=jobs,
    ).fit(X, Y)
    ends = search.cv_results_["n_resources"]
    assert sorted(ends) == [3] * 6 + [9] * 2 + [25] and ends[search.best_index_] == 25
    assert search.best_estimator_.n_iter_ <= 25 and len(search.cv_results_["params"]) == 9


def test_a_timeout_leaves_the_rest_out():
    with pytest.warns(FastnetWarning, match="of 100000 configurations were trained in this time"):
        search = FastNetSearchCV(NETWORK, SPACE, n_iter=100_000, cv=2, random_state=0, timeout="0.5").fit(X, Y)
    assert 1 <= len(search.cv_results_["params"]) < 100_000
    assert search.best_score_ == pytest.approx(search.cv_results_["mean_test_score"].max())


def test_a_search_within_a_cross_validation():
    search = FastNetSearchCV(NETWORK, {"alpha": [1e-4, 1.0]}, n_iter=2, cv=2, random_state=0)
    assert len(cross_val_score(search, X, Y, cv=3, n_jobs=2)) == 3


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"estimator": LogisticRegression()}, "estimator is a LogisticRegression: give a FastNetClassifier"),
        ({"pruning": "median"}, "pruning="),
        ({"pruning": "halving", "eta": 1}, "eta=1: "),
        ({"param_distributions": {"alpha": "log:1:0"}}, "param_distributions: "),
        ({"timeout": "soon"}, "soon"),
    ],
)
def test_what_cannot_be_searched_is_a_sentence(given, sentence):
    with pytest.raises(ConfigError, match=sentence):
        FastNetSearchCV(**{"estimator": NETWORK, "param_distributions": SPACE, "n_iter": 2} | given).fit(X, Y)
