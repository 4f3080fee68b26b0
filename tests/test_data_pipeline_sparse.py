"""Sparse features as inputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.preprocessing import MaxAbsScaler

from fastnet.data import as_dataset
from fastnet.data.pipeline.pipeline import fit_pipeline, pipeline_from_parts
from fastnet.data.pipeline.sparse import SparseScaler, fit_sparse
from fastnet.errors import ConfigError, DataError


def features() -> Any:
    x = sparse.random_array((50, 20), density=0.2, format="csr", dtype=np.float32, random_state=3)
    x.data *= np.where(np.arange(x.nnz) % 2, -7.0, 3.0).astype(np.float32)
    return x


def test_values_are_read_as_they_are_by_default() -> None:
    data = as_dataset(features(), np.arange(50) % 2)
    pipeline = fit_pipeline(data, np.arange(30))
    assert isinstance(pipeline, SparseScaler)
    assert pipeline.apply(data.x) is data.x
    assert (pipeline.n_fields, pipeline.n_inputs, pipeline.dtype, pipeline.of_images) == (20, 20, np.float32, False)
    assert pipeline.input_names[19] == "feature 19"


def test_standard_divides_by_the_largest_values_of_the_training_rows() -> None:
    data = replace(as_dataset(features(), np.arange(50) % 2), numbers="standard")
    rows = np.arange(30)
    pipeline = fit_pipeline(data, rows)
    expected = MaxAbsScaler().fit(data.x[rows]).transform(data.x)
    found = pipeline.apply(data.x)
    assert isinstance(found, sparse.csr_array)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.toarray(), expected.toarray(), rtol=1e-6)
    assert np.abs(found[rows].data).max() == pytest.approx(1.0)


def test_factors_that_are_all_1_are_none() -> None:
    x = sparse.csr_array(np.float32([[1.0, 0.0], [-1.0, 1.0]]))
    assert fit_sparse(x, np.arange(2), scale=True).factors is None


@pytest.mark.parametrize("numbers", ["auto", "standard"])
def test_the_parts_give_the_same_pipeline(numbers: str) -> None:
    data = replace(as_dataset(features(), np.arange(50) % 2), numbers=numbers)
    pipeline = fit_pipeline(data, np.arange(40))
    again = pipeline_from_parts(*pipeline.to_parts())
    assert np.array_equal(again.apply(data.x).toarray(), pipeline.apply(data.x).toarray())


@pytest.mark.parametrize("numbers", ["piecewise", "robust", "quantile", "log"])
def test_other_ways_to_read_numbers_are_refused(numbers: str) -> None:
    data = replace(as_dataset(features(), np.arange(50) % 2), numbers=numbers)
    with pytest.raises(ConfigError, match=f"numbers='{numbers}'"):
        fit_pipeline(data, np.arange(40))


def test_what_cannot_be_scaled_is_refused() -> None:
    tiny, large = sparse.csr_array(np.float32([[1e-39]])), sparse.csr_array(np.float32([[1e30]]))
    with pytest.raises(DataError, match="feature 0 of x has 1e-39 as its largest value"):
        fit_sparse(tiny, np.arange(1), scale=True)
    small = fit_sparse(sparse.csr_array(np.float32([[1e-30]])), np.arange(1), scale=True)
    with pytest.raises(DataError, match=r"x\[0, 0\] is 1e\+30: too far from the training samples"):
        small.apply(large)
    with pytest.raises(DataError, match="samples of 1 features are needed"):
        small.apply(features())
