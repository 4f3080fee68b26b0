"""What a model is given, checked before it answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from fastnet.data import fit_scaler
from fastnet.errors import DataError, ModelError
from fastnet.model.given import features_given, is_table_given

PIPELINE = fit_scaler(np.arange(12, dtype=np.float32).reshape(3, 4), np.arange(3))


@pytest.mark.parametrize("x", [[1, 2, 3, 4], [[1, 2, 3, 4]], [[[1, 2], [3, 4]]], [[1, 2], [3, 4]]])
def test_features_become_rows(x: Any) -> None:
    found = features_given(x, 4, PIPELINE, None)
    assert found.tolist() == [[1, 2, 3, 4]] and found.dtype == np.float32


@pytest.mark.parametrize(
    ("x", "error", "says"),
    [
        ([1, 2, 3], ModelError, r"x has shape \(3,\): this model reads samples of 4 features"),
        ([[1, 2, 3]], ModelError, "x has 3 features: this model reads 4"),
        ([[1, 2, 3, np.nan]], DataError, r"x\[0, 3\] is nan"),
    ],
)
def test_features_that_do_not_fit_are_refused(x: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        features_given(x, 4, PIPELINE, None)


def test_tables_are_told_from_arrays() -> None:
    tables = ["a.csv", Path("a.csv"), {"a": [1]}, pa.table({"a": [1]})]
    assert [is_table_given(x) for x in [*tables, [[1.0]], np.zeros((1, 1))]] == [True] * 4 + [False] * 2
