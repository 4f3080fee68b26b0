"""Features and targets in any form as a data set."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse

from fastnet.errors import ConfigError
from fastnet.sklearn.given import Samples, as_columns, as_numbers, dataset_of, divided, reads_table, with_validation

MIXED = pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0], "kind": ["a", "b", "a", "b"]})


def test_only_what_an_array_cannot_hold_is_read_as_a_table():
    numbers = pd.DataFrame({"a": [1.0, 2.0], "b": [3, 4]})
    assert not reads_table(numbers, "auto") and reads_table(numbers, "piecewise")
    assert reads_table(MIXED, "auto") and reads_table(pa.table({"a": [1.0, None]}), "auto")
    assert not reads_table(np.zeros((2, 2)), "auto") and reads_table(np.zeros((2, 2)), "robust")
    assert not reads_table(sparse.csr_array((2, 2)), "piecewise") and not reads_table(sparse.dok_array((2, 2)), "auto")


def test_columns_and_numbers():
    assert as_columns(np.array([[1.0, 2.0]])).column_names == ["x0", "x1"]
    assert as_numbers(pa.table({"a": [1, 2], "b": [0.5, 1.5]})).tolist() == [[1.0, 0.5], [2.0, 1.5]]
    assert as_columns(MIXED.set_index("kind")).column_names == ["size"]


def test_a_table_keeps_targets_and_weights():
    samples = Samples(as_columns(MIXED), np.array([1, 0, 1, 0]), np.array([1.0, 2.0, 3.0, 4.0]))
    data = dataset_of(samples, np.array(["no", "yes"]), "classification", "auto", table=True)
    assert data.y.tolist() == [1, 0, 1, 0] and data.class_names == ("no", "yes")
    assert data.weights.tolist() == [1, 2, 3, 4] and data.fields[0].kind == "number"
    assert data.schema is not None and data.task == "classification"


def test_a_column_of_any_name_may_be_there():
    table = pa.table({"y": ["a", "b", "a"], "y_": [1.0, 2.0, 3.0]})
    data = dataset_of(Samples(table, np.array([0.5, 1.0, 2.0])), None, "regression", "auto", table=True)
    assert data.y.ravel().tolist() == [0.5, 1.0, 2.0] and {field.column for field in data.fields} == {"y", "y_"}


def test_validation_samples_come_last():
    first = Samples(np.zeros((2, 3)), np.array([0, 1]))
    joined = with_validation(first, Samples(np.ones((1, 3)), np.array([1]), np.array([5.0])))
    assert joined.x.shape == (3, 3) and joined.y.tolist() == [0, 1, 1] and joined.weights.tolist() == [1, 1, 5]
    stacked = with_validation(
        first._replace(x=sparse.csr_array((2, 3))), Samples(sparse.csr_array((1, 3)), first.y[:1])
    )
    assert sparse.issparse(stacked.x) and stacked.x.shape == (3, 3) and stacked.weights is None
    tables = with_validation(first._replace(x=as_columns(MIXED[:2])), Samples(as_columns(MIXED[2:3]), first.y[:1]))
    assert tables.x.num_rows == 3


def test_samples_are_divided():
    data = dataset_of(
        Samples(np.arange(20.0)[:, None], np.arange(20) % 2),
        np.array(["a", "b"]),
        "classification",
        "auto",
        table=False,
    )
    alone = divided(data, 0, None, 0)
    assert not alone.validated and alone.split.validation is alone.split.train
    given = divided(data, 5, 0.5, 0)
    assert given.validated and given.split.validation.tolist() == [15, 16, 17, 18, 19]
    share = divided(data, 0, 0.2, 0)
    assert len(share.split.validation) == 4 and data.y[share.split.validation].sum() == 2
    with pytest.raises(ConfigError, match=r"validation_fraction=1.5: must be in \(0, 1\)"):
        divided(data, 0, 1.5, 0)
