"""Which columns of sparse features a model relies on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from fastnet.data.fields import Field
from fastnet.model.reliance import Probe, importance_of_columns
from fastnet.model.sparse_reliance import (
    SparseProbe,
    importance_of_used,
    largest_values,
    most_used,
    n_measured,
    name_of,
)

N, F = 400, 12
X = sparse.random_array((N, F), density=0.3, format="csr", dtype=np.float32, random_state=4)
WEIGHTS = np.zeros(F)
WEIGHTS[[3, 7]] = 5.0, 1.0
Y = X @ WEIGHTS


def losses(outputs: Any, rows: Any) -> Any:
    return np.square(outputs[:, 0] - Y[rows])


def probe(x: Any = X) -> SparseProbe:
    return SparseProbe(x=x, predict=lambda part: (part @ WEIGHTS)[:, None], losses=losses)


def test_the_columns_that_matter_come_first() -> None:
    found = importance_of_used(probe(), range(F))
    assert [row["column"] for row in found[:2]] == ["column 3", "column 7"]
    assert found[0]["low"] > found[1]["high"] > 0
    assert all((row["rise"], row["low"], row["high"]) == (0, 0, 0) for row in found[2:])
    assert importance_of_used(probe(), range(F)) == found


def test_the_rise_is_that_of_the_written_out_columns() -> None:
    fields = [Field(name_of(k), "number", name_of(k)) for k in range(F)]
    dense = Probe(x=X.toarray(), fields=fields, predict=lambda x: (x @ WEIGHTS)[:, None], losses=losses)
    written = {row["column"]: row["rise"] for row in importance_of_columns(dense)}
    for row in importance_of_used(probe(), [3, 7]):
        assert row["rise"] == pytest.approx(written[row["column"]], rel=0.15)


def test_the_model_sees_only_samples_whose_value_changed_in_canonical_form() -> None:
    seen = []

    def predict(part: Any) -> Any:
        seen.append(part)
        return (part @ WEIGHTS)[:, None]

    importance_of_used(SparseProbe(x=X, predict=predict, losses=losses), [3])
    whole, *changed = seen
    assert whole.shape[0] == n_measured(probe()) == N
    for part in changed:
        assert 0 < part.shape[0] < N
        assert part.has_canonical_format
        assert np.count_nonzero(part.data) == part.nnz


def test_a_column_without_values_has_no_importance() -> None:
    x = sparse.csr_array(np.float32([[1, 0], [2, 0], [3, 0]]))
    empty = SparseProbe(x, lambda part: part[:, [0]].toarray(), lambda outputs, rows: outputs[:, 0])
    assert importance_of_used(empty, [1]) == [{"column": "column 1", "rise": 0.0, "low": 0.0, "high": 0.0}]


def test_columns_are_used_by_their_values_and_weights() -> None:
    x = sparse.csr_array(np.float32([[1, 0, -4, 1], [1, 0, 0, 0]]))
    layers = [np.float32([[1, 1], [9, 9], [1, 0], [0, 0]]), np.float32([[1, 1], [9, 9], [0, 1], [0, 0]])]
    assert most_used(x, layers) == [2, 0]
    assert most_used(x, layers, 1) == [2]


def test_the_largest_values_of_a_sample_are_written() -> None:
    assert largest_values(sparse.csr_array(np.float32([[1, 2, 0, -3, 0.5], [0, 0, 0, 0, 0]]))) == [
        "3:-3 1:2 0:1",
        "none",
    ]
