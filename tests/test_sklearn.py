"""The estimators as scikit-learn's own checks see them, and next to its MLP."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

import fastnet
from fastnet.sklearn import FastNetClassifier, FastNetRegressor, FastNetSearchCV

OTHER_ORDER = (
    "the sums of weighted and of repeated samples have another order in float32, and Adam turns a difference of a last "
    "bit in a gradient near 0 into a step; test_weights_count_as_repeated_samples has the bound"
)
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": OTHER_ORDER,
    "check_sample_weight_equivalence_on_sparse_data": OTHER_ORDER,
}


@pytest.mark.parametrize(
    "estimator",
    [
        FastNetClassifier(max_iter=60),
        FastNetRegressor(max_iter=60),
        FastNetSearchCV(
            FastNetClassifier(max_iter=60, random_state=0), {"alpha": [1e-4, 1e-2]}, n_iter=2, cv=2, random_state=0
        ),
        FastNetSearchCV(
            FastNetRegressor(max_iter=60, random_state=0), {"alpha": [1e-4, 1e-2]}, n_iter=2, cv=2, random_state=0
        ),
    ],
    ids=lambda estimator: f"{type(estimator).__name__} {type(getattr(estimator, 'estimator', estimator)).__name__}",
)
def test_the_checks_of_scikit_learn_pass(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = check_estimator(estimator, expected_failed_checks=EXPECTED, on_skip=None, on_fail=None)
    failed = {check["check_name"]: check["exception"] for check in found if check["status"] == "failed"}
    assert not failed and len(found) > 40


@pytest.mark.parametrize("kind", [FastNetClassifier, FastNetRegressor])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_weights_count_as_repeated_samples(kind, solver):
    generator = np.random.default_rng(3)
    x, counts = generator.random((15, 30)), generator.integers(0, 5, 15)
    y = generator.random(15) if kind is FastNetRegressor else generator.integers(0, 3, 15)
    given = {"max_iter": 30, "random_state": 0, "solver": solver, "n_iter_no_change": 100}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weighted = kind(**given).fit(x, y, sample_weight=counts)
        repeated = kind(**given).fit(np.repeat(x, counts, axis=0), np.repeat(y, counts))
    answers = [fit.predict_proba(x) if kind is FastNetClassifier else fit.predict(x) for fit in (weighted, repeated)]
    np.testing.assert_allclose(*answers, atol=1e-4)


def test_the_package_names_them():
    assert fastnet.FastNetClassifier is FastNetClassifier and "FastNetSearchCV" in fastnet.__all__
