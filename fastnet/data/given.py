"""Data in any form that a caller may give them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastnet.data.coerce import as_array
from fastnet.data.dataset import Dataset, as_dataset
from fastnet.data.readers.table import read_like
from fastnet.data.registry import is_source_of_table, load, load_samples
from fastnet.data.samples import Samples, samples_of
from fastnet.data.sparse import is_sparse_given
from fastnet.data.splitting import Split
from fastnet.data.validation import joined_with, with_validation
from fastnet.errors import ConfigError, DataError


def as_given(data: Any, name: str, reading: Mapping[str, Any] | None = None) -> Dataset:
    """Take data as a caller may give them: a `Dataset`, a name or file for `load`, or (N, F) features and labels.

    `name` is the name of a pair, and of the argument in errors; `reading` says how a table is read.

    Raises
    ------
    ConfigError
        If it is something else.
    DataError
        If the data cannot be used.

    Examples
    --------
    >>> as_given(([[0.0], [1.0]], ["a", "b"]), "data")
    Dataset('data': 2 samples, 1 features, 2 classes, no test set)
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, (str, Path)):
        if not reading and is_source_of_table(str(data)):
            raise DataError(
                f"{name}={str(data)!r}: a table needs a target; give fastnet.load({str(data)!r}, target=...) instead"
            )
        return load(str(data), **(reading or {}))
    if isinstance(data, tuple) and len(data) == 2:
        return as_dataset(*data, name=name)
    raise ConfigError(
        f"{name} is a {type(data).__name__}: give a Dataset, the name or file of one, or a pair of features and labels"
    )


def samples_given(data: Any, name: str) -> Samples:
    """Take validation samples in any form that a caller may give, see `as_given`.

    Examples
    --------
    >>> samples_given(([[0.0], [1.0]], ["a", "a"]), "validation").labels.tolist()
    ['a', 'a']
    """
    if isinstance(data, tuple) and len(data) == 2:
        x = data[0] if is_sparse_given(data[0]) else as_array(data[0], "x")
        return Samples(x, as_array(data[1], "y"), name, "all")
    if isinstance(data, (str, Path)):
        return load_samples(data, part="train")
    return samples_of(as_given(data, name), "train")


def with_validation_given(dataset: Dataset, validation: Any) -> tuple[Dataset, Split]:
    """Join training samples with validation samples in any form, see `samples_given` and `with_validation`.

    Of a data set from a table, the validation samples can be another table with the same columns.

    Examples
    --------
    >>> data = load({"size": [1.0, 2.0, 3.0, 4.0], "kind": ["a", "b"] * 2}, target="kind", test="none")
    >>> joined, parts = with_validation_given(data, {"size": [5.0], "kind": ["a"]})
    >>> joined.y.tolist(), parts.validation.tolist()
    ([0, 1, 0, 1, 0], [4])
    """
    if dataset.schema is None or isinstance(validation, (Dataset, tuple)):
        return with_validation(dataset, samples_given(validation, "validation"))
    return joined_with(dataset, *read_like(dataset, validation))
