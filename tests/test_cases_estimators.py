"""Estimators on small samples like those of public bug reports, which the names of the cases tell."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import fastnet
from fastnet import FastNetClassifier, FastNetRegressor
from fastnet.errors import DataError, FastnetWarning

N = 40
X = np.random.default_rng(0).normal(size=(N, 3))
Y = np.array(["a", "b"])[(X[:, 0] > 0).astype(int)]
FRAME = pd.DataFrame(X, columns=list("pqr"))
TABLE = pd.DataFrame({"x": X[:, 0], "k": ["u", "v"] * (N // 2)})


@pytest.fixture(autouse=True)
def _short_trainings() -> Iterator[None]:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def _as_polars(frame: pd.DataFrame) -> Any:
    return pytest.importorskip("polars").from_pandas(frame)


def classifier(**parameters: Any) -> FastNetClassifier:
    return FastNetClassifier((4,), max_iter=3, batch_size=16, random_state=0, **parameters)


def regressor(**parameters: Any) -> FastNetRegressor:
    return FastNetRegressor((4,), max_iter=3, batch_size=16, random_state=0, **parameters)


# Labels ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        pytest.param(pd.Series([0, 1] * 20, dtype="Int64"), [0, 1], id="scikit-learn 25073"),
        pytest.param(pd.array([3, 1] * 20, dtype="UInt8"), [1, 3], id="scikit-learn 25953"),
        pytest.param(pd.Series([True, False] * 20, dtype="boolean"), [False, True], id="scikit-learn 17675"),
    ],
)
def test_labels_of_nullable_types_keep_their_type(y: Any, classes: list[Any]) -> None:
    made = classifier().fit(X, y)
    assert made.classes_.tolist() == classes and made.classes_.dtype.kind in "biu"
    assert made.predict(X).dtype == made.classes_.dtype


@pytest.mark.parametrize(
    "y",
    [
        pytest.param(pd.Series(["a", None] * 20, dtype=object), id="evalml 3910"),
        pytest.param(np.array(["a", np.nan] * 20, dtype=object), id="setfit 296"),
        pytest.param(pd.Series([0, None] * 20, dtype="Int64"), id="imbalanced-learn 969"),
        pytest.param(np.array(["a", pd.NaT] * 20, dtype=object), id="scikit-learn 25637"),
    ],
)
def test_a_missing_label_is_named_with_its_row(y: Any) -> None:
    with pytest.raises(DataError, match=r"y\[1\] is .*: every sample needs a label"):
        classifier().fit(X, y)


@pytest.mark.parametrize("y", [["a", 1] * 20, [1.5, "a"] * 20])
def test_texts_and_numbers_as_labels_are_a_sentence(y: list[Any]) -> None:  # scikit-learn 9285, 30338
    with pytest.raises(DataError, match=r"labels must be all texts or all numbers"):
        classifier().fit(X, np.array(y, dtype=object))


# Features -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [classifier(), regressor()], ids=["jax 13795", "sherpa 695"])
def test_masked_samples_are_refused(made: Any) -> None:
    y = Y if isinstance(made, FastNetClassifier) else X[:, 0]
    with pytest.raises(DataError, match="X is a masked array: fill or drop"):
        made.fit(np.ma.masked_where(X > 1, X), y)
    made.fit(np.ma.MaskedArray(X), y)  # nothing is masked
    with pytest.raises(DataError, match="masked array"):
        made.predict(np.ma.masked_where(X > 1, X))


def test_masked_labels_are_refused() -> None:  # PyMARE 44
    with pytest.raises(DataError, match="y is a masked array"):
        classifier().fit(X, np.ma.masked_where(X[:, 0] > 1, (X[:, 0] > 0).astype(int)))


@pytest.mark.parametrize("frame", [FRAME, TABLE], ids=["xgboost 12199", "tabfm 45"])
def test_two_columns_of_one_name_are_a_sentence(frame: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="two columns have the name") as error:
        classifier().fit(pd.concat([frame, frame], axis=1), Y)
    assert "\n" not in str(error.value)


def test_a_dict_is_a_table() -> None:  # scikit-learn 25896
    made = classifier().fit({"x": X[:, 0].tolist(), "k": TABLE["k"].tolist()}, Y)
    np.testing.assert_array_equal(made.predict_proba(TABLE), classifier().fit(TABLE, Y).predict_proba(TABLE))
    assert made.feature_names_in_.tolist() == ["x", "k"]


def test_whole_numbers_that_become_equal_are_warned_of() -> None:  # pandas 48170
    keys = 2**60 + np.arange(N).reshape(-1, 1)
    with pytest.warns(FastnetWarning, match=r"x\[:, 0\] has whole numbers beyond 2\^53, of which 39 become equal"):
        fastnet.as_dataset(keys, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fastnet.as_dataset(1_700_000_000_000_000_000 + 10**6 * np.arange(N).reshape(-1, 1), Y)


def test_an_infinite_number_of_a_table_is_missing() -> None:  # scikit-learn 29504
    made = classifier().fit(TABLE.assign(x=[np.inf, *X[1:, 0]]), Y)
    assert made.model_.schema is not None and made.model_.schema.column("x").kind == "number"


# Targets that are numbers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [1e160, 1e249, 1e-160, 1e-299], ids=lambda unit: f"scikit-learn 7717, {unit:g}")
def test_targets_of_any_size_are_learnt_alike(unit: float) -> None:
    expected = regressor().fit(X, X[:, 0]).predict(X)
    found = regressor().fit(X, X[:, 0] * unit).predict(X)
    np.testing.assert_allclose(found / unit, expected, rtol=1e-4)


def test_targets_beyond_the_largest_are_a_sentence() -> None:
    with pytest.raises(DataError, match=r"y holds numbers up to .*: the most is 1e\+250"):
        regressor().fit(X, X[:, 0] * 1e307)


# What passed as it was ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(lambda frame: frame, id="imodels 290"),
        pytest.param(_as_polars, id="LightGBM 6682"),
        pytest.param(pa.Table.from_pandas, id="xgboost 8910"),
    ],
)
@pytest.mark.parametrize("frame", [FRAME, TABLE], ids=["numbers", "table"])
def test_another_order_of_columns_is_refused(table: Any, frame: pd.DataFrame) -> None:
    made = classifier().fit(table(frame), Y)
    assert made.feature_names_in_.tolist() == frame.columns.tolist()
    with pytest.raises(ValueError, match="in the same order"):
        made.predict(table(frame[frame.columns[::-1]]))
    with pytest.raises(ValueError, match="unseen at fit time"):
        made.predict(table(frame.assign(z=1.0)))


def test_rare_classes_and_few_samples_stop_early() -> None:  # scikit-learn 13164, 17229
    assert classifier(early_stopping=True).fit(X, ["z", *Y[1:]]).classes_.tolist() == ["a", "b", "z"]
    assert classifier(early_stopping=True).fit(X[:4], ["a", "b"] * 2).n_iter_ >= 1


def test_special_characters_in_names() -> None:  # LightGBM 6202, autogluon 399
    names = ['a"b{}[]:,<>', "Сумки, мыши"]
    made = classifier().fit(TABLE.set_axis(names, axis=1), Y)
    copied = pickle.loads(pickle.dumps(copy.deepcopy(made)))
    table = TABLE.set_axis(names, axis=1)
    np.testing.assert_array_equal(copied.predict_proba(table), made.predict_proba(table))


def test_weights_of_any_size_count_alike() -> None:  # scikit-learn 30155
    expected = classifier().fit(X, Y).predict_proba(X)
    for weight in (1e30, 1e-30):
        np.testing.assert_array_equal(classifier().fit(X, Y, np.full(N, weight)).predict_proba(X), expected)
    with pytest.raises(DataError, match="sample_weight"):
        classifier().fit(X, Y, np.zeros(N))
