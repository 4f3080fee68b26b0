"""What a model is given: features, targets and tables, checked before it answers."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastnet.data.coerce import as_array, as_features, blocks
from fastnet.data.extent import Extent, other_units
from fastnet.data.pipeline.sparse import SparseScaler
from fastnet.data.pipeline.table import TablePipeline
from fastnet.data.sparse import as_csr, is_sparse_given, sparse_of
from fastnet.data.tables.table import is_table
from fastnet.errors import DataError, ModelError, warn

if TYPE_CHECKING:
    from fastnet.data.pipeline.pipeline import Pipeline
    from fastnet.data.readers.table import Truth
    from fastnet.data.schema import Passage


def features_given(x: Any, n_inputs: int, pipeline: Pipeline, extent: Extent | None) -> Any:
    """Check features and reshape them to (N, I); warn if they appear to have other units than in training.

    `pipeline` and `extent` are those of a model that reads samples of `n_inputs` features. What is returned is sparse
    if the model learnt from sparse features; sparse ones for another model are to be given as an array.
    """
    if is_sparse_given(x):
        features = as_csr(x, "x")
        if features.shape[1] != n_inputs:
            raise ModelError(f"x has {features.shape[1]} features: this model reads {n_inputs}")
        return features
    array = as_array(x, "x")
    if _is_one_sample(array.shape, n_inputs):
        array = array.reshape(1, -1)
    if array.ndim < 2:
        raise ModelError(f"x has shape {array.shape}: this model reads samples of {n_inputs} features, (N, F)")
    in_floats = array.astype(np.float32) if isinstance(pipeline, SparseScaler) and array.dtype == np.uint8 else array
    features = as_features(in_floats, "x", pipeline.dtype, missing=isinstance(pipeline, TablePipeline))
    if features.shape[1] != n_inputs:
        raise ModelError(f"x has {features.shape[1]} features: this model reads {n_inputs}")
    if isinstance(pipeline, SparseScaler):
        return sparse_of(features)
    if isinstance(pipeline, TablePipeline):
        _check_positions(features, pipeline)
    strange = other_units(features, extent, images=pipeline.of_images)
    if strange:
        warn(f"x {strange}")
    return features


def _check_positions(features: npt.NDArray[Any], pipeline: TablePipeline) -> None:
    """Refuse an array whose columns are not those of the features of a table: a category is there as a position.

    Raises
    ------
    DataError
        With the first value that is none.
    """
    for place, field in enumerate(pipeline.fields):
        if field.levels:
            values = features[:, place]
            sound = np.isnan(values) | ((values >= -1) & (values < len(field.levels)) & (values == np.floor(values)))
            if not sound.all():
                row = int(np.argmin(sound))
                raise DataError(
                    f"x[{row}, {place}] is {values[row]:g}: an array has the position of one of the "
                    f"{len(field.levels)} values of {field.name!r} there, from 0; give a table with the columns that "
                    "the model was trained on"
                )


def dense_parts(x: Any, n_features: int) -> Iterator[npt.NDArray[Any]]:
    """Write the rows of sparse features out, a block at a time.

    Examples
    --------
    >>> from scipy import sparse
    >>> [part.tolist() for part in dense_parts(sparse.coo_array([[0.0, 2.0]]), 2)]
    [[[0.0, 2.0]]]
    """
    csr = as_csr(x, "x")
    if csr.shape[1] != n_features:
        raise ModelError(f"x has {csr.shape[1]} features: this model reads {n_features}")
    for rows in blocks(*csr.shape):
        yield csr[rows].toarray()


def is_table_given(x: Any) -> bool:
    """Whether it is a table or a place to read one from, rather than an array."""
    return isinstance(x, (str, os.PathLike)) or is_table(x)


def warn_of_differences(passage: Passage) -> None:
    """Issue a `FastnetWarning` for each way in which a table differs from that of the training."""
    for sentence in passage.differences:
        warn(f"{passage.table.name}: {sentence[0].lower()}{sentence[1:]}")


def truth_of_table(
    x: Any, truth: Truth, answer: Callable[[npt.NDArray[Any]], npt.NDArray[np.floating[Any]]]
) -> tuple[npt.NDArray[np.floating[Any]], npt.NDArray[Any], npt.NDArray[np.float64] | None]:
    """Return a model's answers to a table, and its targets and weights, of the rows that have a target."""
    passages: list[Passage] = []
    parts = list(truth.answered(x, answer, passages))
    warn_of_differences(passages[0])
    answered, targets, weights = zip(*parts, strict=True)
    name, n_rows = passages[0].table.name, passages[0].n_rows
    if n_rows == truth.schema.columns[0].rows:
        warn(
            f"{name} has {n_rows:,} rows, like the table that the model was trained on; if it is the same one, it "
            "knows most of them, and its figures are better than on new rows"
        )
    if not sum(map(len, targets)):
        raise DataError(f"{name}: no row has a target to compare with")
    known = [each for each in weights if each is not None]
    counts = np.concatenate(known).astype(np.float64) if known else None
    return np.concatenate(answered), np.concatenate(targets), counts


def _is_one_sample(shape: tuple[int, ...], n_inputs: int) -> bool:
    """Whether an array is a single sample: a row, or a square image with or without channels."""
    if len(shape) == 1:
        return shape[0] == n_inputs
    image = len(shape) in (2, 3) and shape[0] == shape[1] and math.prod(shape) == n_inputs
    return image and math.prod(shape[1:]) != n_inputs
