"""What stands between the features of a data set and the first layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastnet.data.dataset import Dataset
from fastnet.data.pipeline.scaling import Scaler, fit_scaler
from fastnet.data.pipeline.sparse import SparseScaler, fit_sparse
from fastnet.data.pipeline.table import NUMBERS, fit_table, table_from_parts
from fastnet.errors import ConfigError


class Pipeline(Protocol):
    """Turns features in the units of the training data into inputs.

    A `Scaler`, a `TablePipeline` for tables, or a `SparseScaler`, which takes and returns a csr_array.
    """

    @property
    def n_fields(self) -> int:
        """Number of features that it reads."""

    @property
    def n_inputs(self) -> int:
        """Width of the first layer."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """A name for each input."""

    @property
    def dtype(self) -> np.dtype[np.floating[Any]]:
        """Type that features other than uint8 must have, float32 or float64."""

    @property
    def of_images(self) -> bool:
        """Whether it was learnt from images of bytes."""

    def apply(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Turn (N, n_fields) features into (N, n_inputs) float32 inputs."""

    def to_parts(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return a description, ready for JSON, and the arrays by name."""


def fit_pipeline(dataset: Dataset, rows: NDArray[np.int64]) -> Pipeline:
    """Learn from some rows of a data set what the first layer reads; the other rows have no influence.

    Returns
    -------
    Scaler, TablePipeline or SparseScaler
        A `Scaler` for an array without `fields`; its numbers can only be standardised. Sparse features stay as they are
        given, or are divided by the largest value of their column with ``numbers="standard"``.

    Raises
    ------
    ConfigError
        If the way to read numbers is unknown, or needs a table.
    DataError
        If a feature varies too little or too much for its scale to be a number of its type.

    Examples
    --------
    >>> from fastnet.data import as_dataset
    >>> fit_pipeline(as_dataset([[0.0], [4.0], [99.0]], [0, 1, 1]), np.array([0, 1])).apply(np.float32([[6.0]]))
    array([[2.]], dtype=float32)
    """
    if dataset.numbers not in ("auto", *NUMBERS):
        raise ConfigError(f"numbers={dataset.numbers!r}: must be auto, {', '.join(NUMBERS[:-1])} or {NUMBERS[-1]}")
    if dataset.fields is None:
        if dataset.numbers not in ("auto", "standard"):
            raise ConfigError(
                f"numbers={dataset.numbers!r}: {dataset.name} is not a table with named columns; only auto and "
                "standard are possible"
            )
        if dataset.sparse:
            return fit_sparse(dataset.x, rows, scale=dataset.numbers == "standard")
        return fit_scaler(dataset.x, rows)
    numbers = "piecewise" if dataset.numbers == "auto" else dataset.numbers
    return fit_table(dataset.x, rows, dataset.fields, numbers)


def pipeline_from_parts(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Pipeline:
    """Build the pipeline of which `to_parts` returned the description and the arrays; others may be among them."""
    if "sparse" in header:
        return SparseScaler(int(header["sparse"]), arrays.get("pipeline.factors"))
    if "fields" in header:
        return table_from_parts(header, arrays)
    return Scaler(offset=arrays["scaler.offset"], scale=arrays["scaler.scale"])
