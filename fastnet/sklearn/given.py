"""What an estimator is given: features and targets in any form that scikit-learn's users have, as a data set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastnet.config.reading import Reading
from fastnet.data.dataset import Dataset, as_dataset
from fastnet.data.labels import label_values
from fastnet.data.readers.table import read_table
from fastnet.data.schema import Schema
from fastnet.data.sparse import is_sparse_given
from fastnet.data.splitting import Split
from fastnet.data.tables.memory import as_arrow, is_frame
from fastnet.data.tables.table import is_table
from fastnet.data.validation import split_of
from fastnet.errors import ConfigError, DataError

NUMBERS = ("auto", "standard", "piecewise", "robust", "quantile", "raw")

NAME = "X"
"""What the samples of an estimator are called."""


class Samples(NamedTuple):
    """Checked samples: features as they are read, encoded targets, and weights."""

    x: Any
    y: npt.NDArray[Any]
    weights: npt.NDArray[np.float64] | None = None


class Given(NamedTuple):
    """A data set with its division into training and validation.

    `validated` says whether validation samples were set aside; otherwise all samples train, and `split.validation`
    are the same rows.
    """

    dataset: Dataset
    split: Split
    validated: bool


def reads_table(x: Any, numbers: str) -> bool:
    """Whether the columns of features are encoded one by one, as those of a table are.

    By default they are where an array cannot hold them: with texts, dates, truth values or missing values. A table of
    plain numbers gives the same network as the array of them.

    Examples
    --------
    >>> table = {"size": [1.0, 2.0], "kind": ["a", "b"]}
    >>> reads_table(table, "auto"), reads_table({"size": [1.0]}, "auto"), reads_table(np.zeros((1, 1)), "piecewise")
    (True, False, True)
    """
    if is_sparse_given(x):
        return False
    if numbers in ("piecewise", "robust", "quantile") or not is_table(x):
        return numbers in ("piecewise", "robust", "quantile")
    import pyarrow as pa

    columns = as_columns(x)
    plain = all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in columns.schema.types)
    return not plain or any(column.null_count for column in columns.columns)


def as_numbers(x: Any) -> Any:
    """Return a table of plain numbers as an array; anything else unchanged."""
    if is_sparse_given(x) or not is_table(x) or hasattr(x, "iloc"):  # scikit-learn reads a frame of pandas itself
        return x
    return np.stack([column.to_numpy() for column in as_columns(x).columns], axis=1)


def as_columns(x: Any) -> Any:
    """Return features as an Arrow table; the columns of an array are called x0, x1 and so on."""
    import pyarrow as pa

    if is_frame(x) or is_table(x):
        return as_arrow(x)
    return pa.table({f"x{place}": column for place, column in enumerate(np.asarray(x).T)})


def not_masked(values: Any, name: str) -> Any:
    """Return what an estimator is given; refuse a masked array, whose masked values would count.

    Raises
    ------
    DataError
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise DataError(f"{name} is a masked array: fill or drop its masked values first")
    return values


def known_labels(y: Any) -> Any:
    """Return labels as scikit-learn reads them: those of nullable types of pandas as plain ones.

    Raises
    ------
    DataError
        If a label is missing, or texts and numbers are mixed.

    Examples
    --------
    >>> known_labels(np.array(["a", None], dtype=object))
    Traceback (most recent call last):
        ...
    fastnet.errors.DataError: y[1] is None: every sample needs a label; leave that sample out
    """
    not_masked(y, "y")
    plain = getattr(getattr(y, "dtype", None), "numpy_dtype", None)
    if plain is not None and getattr(y, "ndim", 1) == 1 and hasattr(y, "isna"):
        if y.isna().any():
            row = int(np.argmax(np.asarray(y.isna())))
            raise DataError(f"y[{row}] is <NA>: every sample needs a label; leave that sample out")
        return np.asarray(y, dtype=plain)
    array = np.asarray(y) if isinstance(y, (list, tuple, np.ndarray)) or hasattr(y, "dtype") else None
    if array is not None and array.dtype == object and array.ndim == 1 and len(array):
        values = array.tolist()
        for row, value in enumerate(values):
            if _is_missing(value):
                raise DataError(f"y[{row}] is {value}: every sample needs a label; leave that sample out")
        texts = [isinstance(value, (str, bytes)) for value in values]
        if any(texts) and not all(texts):
            row = texts.index(not texts[0])
            raise DataError(
                f"y[{row}] is {array[row]!r} and y[0] is {array[0]!r}: labels must be all texts or all numbers; "
                "convert them with y.astype(str)"
            )
    return y


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def dataset_of(
    samples: Samples,
    classes: npt.NDArray[Any] | None,
    task: str,
    numbers: str,
    *,
    table: bool,
    schema: Schema | None = None,
) -> Dataset:
    """Make a data set of samples without a test set.

    `classes` are the labels whose positions `samples.y` then holds. With a `schema` the columns of a table are
    read as those of the table it was learnt from.
    """
    shown = np.zeros((len(samples.y), 1), np.float32) if table else samples.x
    names = None if classes is None else [str(label) for label in classes]
    dataset = as_dataset(shown, samples.y, class_names=names, task=task, weights=samples.weights, name=NAME)
    if classes is not None:
        dataset = replace(dataset, classes=_labels(classes, dataset.classes))
    if table:
        return _with_columns(dataset, samples.x, numbers, schema)
    return replace(dataset, numbers="standard" if numbers == "standard" else "auto")


def _labels(classes: npt.NDArray[Any], otherwise: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the labels of classes as models keep them, or something else where they can keep no such labels."""
    try:
        labels = label_values(classes.tolist(), "y")
    except DataError:
        return otherwise
    labels.flags.writeable = False
    return labels if len(set(labels.tolist())) == len(classes) else otherwise


def _with_columns(dataset: Dataset, x: Any, numbers: str, schema: Schema | None) -> Dataset:
    columns, numbers = as_columns(x), "auto" if numbers == "raw" else numbers
    if schema is not None:
        features = np.concatenate([features for features, _ in schema.read(columns)])
        return replace(dataset, x=features, fields=schema.fields, schema=schema, numbers=numbers)
    target = "y"
    while target in columns.column_names:
        target += "_"
    kinds = {} if is_table(x) else dict.fromkeys(columns.column_names, "number")
    joined = columns.append_column(target, [np.arange(len(columns), dtype=np.float64)])
    read = read_table(joined, Reading(target, test="none", types=kinds, task="regression", numbers=numbers))
    return replace(dataset, x=read.x, fields=read.fields, schema=read.schema, numbers=read.numbers)


def with_validation(samples: Samples, validation: Samples) -> Samples:
    """Return training samples followed by validation samples."""
    from scipy import sparse

    if is_sparse_given(samples.x) or is_sparse_given(validation.x):
        x: Any = sparse.vstack([samples.x, validation.x]).tocsr()
    elif is_table(samples.x):
        import pyarrow as pa

        x = pa.concat_tables([as_columns(samples.x), as_columns(validation.x)], promote_options="permissive")
    else:
        x = np.concatenate([samples.x, validation.x])
    weights = None
    if samples.weights is not None or validation.weights is not None:
        parts = [np.ones(len(part.y)) if part.weights is None else part.weights for part in (samples, validation)]
        weights = np.concatenate(parts)
    return Samples(x, np.concatenate([samples.y, validation.y]), weights)


def divided(dataset: Dataset, n_validation: int, fraction: float | None, seed: int) -> Given:
    """Divide a data set, whose last samples validate if there are any; or a share of it does, or none."""
    n = dataset.n_samples - n_validation
    rows = np.arange(dataset.n_samples, dtype=np.int64)
    if n_validation:
        return Given(dataset, Split(rows[:n], rows[n:]), True)
    if fraction is None:
        return Given(dataset, Split(rows, rows), False)
    if not isinstance(fraction, (int, float)) or isinstance(fraction, bool) or not 0.0 < fraction < 1.0:
        raise ConfigError(f"validation_fraction={fraction!r}: must be in (0, 1)")
    return Given(dataset, split_of(dataset, float(fraction), seed), True)
