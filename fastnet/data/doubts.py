"""Warnings about data that can be trained on but look odd."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fastnet.data.dataset import Dataset
from fastnet.data.extent import other_units
from fastnet.data.fields import Field
from fastnet.data.labels import names_of
from fastnet.data.leaks import FEWEST_ROWS, MOST_ROWS, copies, leaks, n_copies
from fastnet.data.sparse import values_per_column, values_per_row
from fastnet.data.splitting import Split
from fastnet.data.tables.columns import listed
from fastnet.errors import warn

MANY, PER_CLASS = 20, 3.0
"""More classes than this, with fewer samples per class on average than that, are probably not classes."""

NUMBERS, PER_NUMBER, ALONE = 50, 20.0, 0.1
"""The same for numbers that do not count up from 0 or 1; also if this share of the classes has a single sample."""

FEW_NUMBERS, PER_FEW, ALONE_OF_FEW = 10, 2.0, 0.2
"""The same for a few such numbers."""


NUMBERS_INSTEAD = "choose the task 'regression', "

FEW_ROWS, ONE_VALUE = 5, 0.995
"""Rows of a class of a table, and share of the rows that have the same value of a feature, that are reported."""

EMPTY, TWICE, LARGE = 0.01, 0.05, 50.0
"""Shares of sparse training rows without a value, or equal to an earlier one, and size of a value, that are reported.
TF-IDF and shares are at most 1, counts of words in a text seldom above 50."""


def warn_of_doubts(dataset: Dataset, parts: Split) -> None:
    """Issue a `FastnetWarning` for everything odd about a data set and its split, before training."""
    for sentence in doubts(dataset, parts):
        warn(sentence)


def doubts(dataset: Dataset, parts: Split) -> Iterator[str]:
    """Yield what is odd, each in a sentence with the remedy.

    Examples
    --------
    >>> from fastnet.data import as_dataset, split, take_first
    >>> data = take_first(as_dataset([[0.0]] * 6, ["a", "a", "a", "b", "b", "b"]), 3)
    >>> [sentence] = doubts(data, split(data.y))
    >>> print(sentence)
    data has no training sample of 1 of its 2 classes (b), so the network cannot learn them; take more samples, ...
    """
    if dataset.task == "classification":
        yield from _doubts_of_classes(dataset, parts)
    if dataset.fields is not None:
        yield from leaks(dataset)
        yield from copies(dataset)
        yield from _doubts_of_features(dataset, dataset.fields)
    elif dataset.sparse:
        yield from copies(dataset)
        yield from _doubts_of_sparse(dataset)
    elif dataset.x_test is not None:
        strange = other_units(dataset.x_test, dataset.extent(), images=dataset.x.dtype == np.uint8)
        if strange:
            yield f"{dataset.name}: x_test {strange}"


def _doubts_of_classes(dataset: Dataset, parts: Split) -> Iterator[str]:
    counts = np.bincount(dataset.y, minlength=dataset.n_classes)
    absent = counts == 0
    unlearnt = ~absent & (np.bincount(dataset.y[parts.train], minlength=dataset.n_classes) == 0)
    if absent.any():
        tested = dataset.y_test is not None and bool(absent[dataset.y_test].any())
        yield (
            f"{dataset.name} has no training sample of {_which(dataset, absent)}, so the network cannot learn them"
            f"{', though the test set has some' if tested else ''}; take more samples, or shuffle them first if they "
            "are sorted by class"
        )
    if _looks_like_a_quantity(dataset, counts[~absent]):
        yield (
            f"{dataset.name} has {np.count_nonzero(counts)} different labels for {dataset.n_samples} samples, as if "
            f"they were a quantity to be estimated; {'' if dataset.schema is None else NUMBERS_INSTEAD}group the "
            "values into few classes, or choose other labels"
        )
    elif unlearnt.any():
        yield (
            f"{dataset.name} has samples of {_which(dataset, unlearnt)} in the validation part only, so the network "
            "cannot learn them; split the samples in another way, or take more of them"
        )
    elif dataset.like_table:
        yield from _rare_classes(dataset)


def _rare_classes(dataset: Dataset) -> Iterator[str]:
    every = dataset.y if dataset.y_test is None else np.concatenate([dataset.y, dataset.y_test])
    counts = np.bincount(every, minlength=dataset.n_classes)
    rare = (counts > 0) & (counts < FEW_ROWS)
    if rare.any():
        yield (
            f"{dataset.name} has fewer than {FEW_ROWS} rows of {_which(dataset, rare)}: too few to learn them, or to "
            "measure how well; merge them with others, or remove their rows"
        )


def _doubts_of_features(dataset: Dataset, fields: Sequence[Field]) -> Iterator[str]:
    rows, schema = dataset.x[:MOST_ROWS], dataset.schema
    most = [int(np.unique(column, return_counts=True)[1].max()) for column in rows.T]
    same = [field.name for field, n in zip(fields, most, strict=True) if n >= ONE_VALUE * len(rows)]
    if same and len(rows) >= FEWEST_ROWS:
        yield (
            f"at least {100 * ONE_VALUE:g} % of the rows have the same value of {listed(same)}; drop "
            f"{'it' if len(same) == 1 else 'them'} unless the few other rows matter"
        )
    if schema is None or schema.time is not None:
        return
    for place, field in enumerate(fields):
        if field.name == field.column and schema.column(field.column).kind == "date":
            steps = np.diff(dataset.x[:, place])
            if len(steps) >= FEW_ROWS and ((steps >= 0).all() or (steps <= 0).all()):
                yield (
                    f"the rows are in the order of {field.name}; if a model is to predict later rows, name it as the "
                    "time, so that the latest rows validate and test"
                )


def _doubts_of_sparse(dataset: Dataset) -> Iterator[str]:
    """Yield doubts about sparse features: rows and columns without values, equal rows, and values that are large."""
    n = dataset.n_samples
    empty = int((values_per_row(dataset.x) == 0).sum())
    if empty >= max(EMPTY * n, 2):
        yield (
            f"{empty:,} of the {n:,} training rows have no value, so that their predictions are all the same; check "
            "how they were made, or remove them"
        )
    twice = n_copies(dataset)
    if twice >= max(TWICE * n, 2):
        yield (
            f"{twice:,} of the {n:,} training rows equal an earlier one, which makes validation too good if they are "
            "copies and not equal by chance; remove copies"
        )
    filled, _ = values_per_column(dataset.x)
    if dataset.n_features - len(filled) > dataset.n_features / 2:
        yield (
            f"{dataset.n_features - len(filled):,} of the {dataset.n_features:,} columns have no value in any training "
            "row; nothing can be learnt of them"
        )
    largest = max(abs(float(dataset.x.min())), abs(float(dataset.x.max())))
    if dataset.numbers == "auto" and largest > LARGE:
        yield (
            f"features reach {largest:.4g}, and sparse features are not scaled by default; numbers='standard' divides "
            "each column by its largest value"
        )


def _which(dataset: Dataset, classes: NDArray[np.bool_]) -> str:
    names = [dataset.class_names[k] for k in np.flatnonzero(classes)]
    more = ", ..." if len(names) > 5 else ""
    return f"{len(names)} of its {dataset.n_classes} classes ({', '.join(names[:5])}{more})"


def _looks_like_a_quantity(dataset: Dataset, counts: NDArray[np.int64]) -> bool:
    """Whether the labels, whose values occur `counts` times each, have too many values to be classes."""
    n, k = int(counts.sum()), len(counts)
    if k > MANY and n < PER_CLASS * k:
        return True
    values = dataset.classes
    if values.dtype.kind not in "if" or dataset.class_names != names_of(values):
        return False
    counted = values[0] in (0, 1) and values[-1] - values[0] == len(values) - 1
    alone = np.count_nonzero(counts == 1)
    many = k > NUMBERS and (n < PER_NUMBER * k or alone > ALONE * k)
    few = k >= FEW_NUMBERS and (n < PER_FEW * k or alone > ALONE_OF_FEW * k)
    return bool(not counted and (many or few))
