"""Warnings about tables whose models look too good: features that give the target away, and copies of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.data.dataset import Dataset
from fastnet.data.fields import Field
from fastnet.data.sparse import is_sparse, row_hashes

MOST_ROWS = 20_000
"""Rows that are looked at, drawn at random: 70 columns of them take 40 ms."""

FEWEST_ROWS = 50

GIVEN_AWAY = {"number": 0.03, "ordered": 0.03, "category": 0.1, "boolean": 0.1}
"""Share of a target that a feature of a kind leaves unexplained where it is reported. What honest features leave is far
more: at least 0.06 for numbers (the size of a diamond and its price), 0.4 for categories, in the thirteen tables that
were looked at; the leaks among them leave 0.006, 0.024 and, for a category, 0.066."""

MOST_NUMBERS, SUM_ROWS = 200, 64
"""Columns whose sums are looked at, and the rows that a sum must agree on before it is compared everywhere."""

COPIES = 0.01
"""Share of the test rows that are copies of training rows, from which it is reported."""


def leaks(dataset: Dataset) -> Iterator[str]:
    """Yield what gives the target of a table away, each in a sentence.

    Examples
    --------
    >>> from fastnet.data import load
    >>> hours = range(100)
    >>> table = {"members": [k % 7 for k in hours], "guests": [k % 11 for k in hours]}
    >>> table["riders"] = [a + b for a, b in zip(table["members"], table["guests"])]
    >>> [sentence] = leaks(load(table, target="riders", task="regression", test="none"))
    >>> print(sentence)
    members + guests is riders in every row; drop them unless they are known before riders is
    """
    if dataset.fields is None or dataset.n_samples < FEWEST_ROWS:
        return
    rows = np.random.Generator(np.random.Philox(key=0)).permutation(dataset.n_samples)[:MOST_ROWS]
    schema = dataset.schema
    names = dataset.class_names if dataset.task != "classification" else schema.targets if schema else ("the class",)
    of_dates = [schema is not None and schema.column(field.column).kind == "date" for field in dataset.fields]
    used = [k for k, of_date in enumerate(of_dates) if not of_date]  # a target that changes slowly is no leak
    fields, x = [dataset.fields[k] for k in used], dataset.x[rows][:, used]
    for name, target in zip(names, dataset.y[rows].reshape(len(rows), -1).T, strict=True):
        yield from _of_target(name, target, x, fields, numbers=dataset.task == "regression")


def _of_target(
    name: str, y: NDArray[Any], x: NDArray[np.float32], fields: Sequence[Field], *, numbers: bool
) -> Iterator[str]:
    levels = _ranks(y) if numbers else y
    left = [_unexplained(column, levels, numbers=numbers) for column in x.T]
    alone = {k for k, field in enumerate(fields) if left[k] < GIVEN_AWAY[field.kind]}
    nothing = 1e-3 if numbers else 0.01
    sums = _sums(y, x, fields, {k for k in alone if left[k] < nothing}) if numbers else []
    for a, sign, b in sums:
        yield (
            f"{fields[a].name} {sign} {fields[b].name} is {name} in every row; drop them unless they are "
            f"known before {name} is"
        )
    for k in sorted(alone - {each for a, _, b in sums for each in (a, b)}):
        share = f"; it leaves {100 * left[k]:.2g} % of it unexplained" if left[k] >= nothing else ""
        how = "nearly determines" if share else "determines"
        yield (f"{fields[k].name} alone {how} {name}{share}; drop it unless it is known before {name} is")


def _unexplained(feature: NDArray[np.float32], y: NDArray[Any], *, numbers: bool) -> float:
    """Return the share of a target's variation between rows that are next to each other in a feature's order.

    It is about 1 for a feature that does not matter, and 0 for one that determines the target. The rows are shuffled,
    so that equal values are in no order. Numbers are given by their ranks.
    """
    in_order = y[np.argsort(feature, kind="stable")]
    if not numbers:
        _, counts = np.unique(y, return_counts=True)
        usual = (len(y) - 1) * (1.0 - float(((counts / len(y)) ** 2).sum()))
        least = len(counts) - 1  # from each class to the next
        changes = int((in_order[1:] != in_order[:-1]).sum())
        return max(changes - least, 0) / (usual - least) if usual > 2.0 * least else 1.0
    variance = float(in_order.var())
    return float((np.diff(in_order) ** 2).mean()) / (2.0 * variance) if variance else 1.0


def _ranks(y: NDArray[Any]) -> NDArray[np.float64]:
    in_order = np.sort(y)
    both = np.searchsorted(in_order, y, "left") + np.searchsorted(in_order, y, "right")
    return both.astype(np.float64) / 2.0


def _sums(
    y: NDArray[np.float64], x: NDArray[np.float32], fields: Sequence[Field], known: set[int]
) -> list[tuple[int, str, int]]:
    """Return the pairs of numbers whose sum or difference is the target; columns in `known` are not looked at."""
    places = [k for k, field in enumerate(fields) if field.kind == "number" and k not in known]
    if not 2 <= len(places) <= MOST_NUMBERS:
        return []
    values = x[:, places].astype(np.float64) + [fields[k].offset for k in places]
    first, of_y = values[:SUM_ROWS], y[:SUM_ROWS]
    found = []
    for a in range(len(places)):
        for sign, rest in (("+", of_y - first[:, a]), ("-", first[:, a] - of_y)):
            for b in np.flatnonzero(_agree(first, rest[:, None], of_y[:, None])).tolist():
                whole = y - values[:, a] if sign == "+" else values[:, a] - y
                new = b > a if sign == "+" else b != a
                if new and _agree(values[:, b : b + 1], whole[:, None], y[:, None])[0]:
                    found.append((places[a], sign, places[b]))
    return found


def _agree(values: NDArray[np.float64], others: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the values of each column are the others, as far as both are known, and float32 can tell."""
    with np.errstate(invalid="ignore"):
        differ = np.abs(values - others) > 1e-6 * (np.abs(values) + np.abs(size) + 1e-30)
    known = ~np.isnan(values - others)
    agreed: NDArray[np.bool_] = ~(differ & known).any(axis=0) & (2 * known.sum(axis=0) > len(values))
    return agreed


def copies(dataset: Dataset) -> Iterator[str]:
    """Yield a sentence if many test rows of a table are also among the training rows, with the same target.

    Examples
    --------
    >>> from fastnet.data import load
    >>> table = {"size": [k % 3 for k in range(60)], "kind": ["a", "b", "c"] * 20}
    >>> [sentence] = copies(load(table, target="kind"))
    >>> print(sentence)
    12 of the 12 test rows equal a training row in every column, which ...
    """
    if not dataset.like_table or dataset.x_test is None or dataset.y_test is None:
        return
    seen = np.isin(_hashes(dataset.x_test, dataset.y_test), _hashes(dataset.x, dataset.y))
    n, n_test = int(seen.sum()), len(seen)
    if n >= max(COPIES * n_test, 2):
        group = "" if dataset.sparse else ", or name the column that they share as the group"
        yield (
            f"{n:,} of the {n_test:,} test rows equal a training row in every column, which makes the test result too "
            f"good if they are copies and not equal by chance; remove copies{group}"
        )


def n_copies(dataset: Dataset) -> int:
    """Return how many training samples with sparse features equal an earlier one, targets included.

    Examples
    --------
    >>> from scipy import sparse
    >>> from fastnet.data import as_dataset
    >>> n_copies(as_dataset(sparse.csr_array([[0.0, 1.0], [2.0, 0.0], [0.0, 1.0]]), ["a", "b", "a"]))
    1
    """
    return dataset.n_samples - len(np.unique(_hashes(dataset.x, dataset.y)))


def _hashes(x: Any, y: NDArray[Any]) -> NDArray[np.uint64]:
    """Return a number for each row, the same for equal rows; missing values are equal, and 0 is -0."""
    mixed = row_hashes(x) if is_sparse(x) else np.zeros(len(x), np.uint64)
    for column in [*(() if is_sparse(x) else x.T), *y.reshape(len(y), -1).T]:
        values = column.astype(np.float64) + 0.0
        values[np.isnan(values)] = np.nan  # of which there are many patterns
        mixed = (mixed ^ values.view(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(32)  # the lower half of most numbers is 0
    return mixed
