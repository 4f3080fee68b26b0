"""Which columns of sparse features a trained model relies on, among those that it uses most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.model.reliance import INTERVAL, MOST_ROWS, SHUFFLES, mean_and_error, some_weights
from fastnet.scalars import five_digits

Floats = NDArray[np.floating[Any]]
Document = dict[str, Any]

MOST_USED = 30
"""Columns whose importance is measured: of tens of thousands, nearly all have none that could be seen."""

LARGEST = 3
"""Values of a row that are shown, the largest first."""


@dataclass(frozen=True, slots=True, eq=False)
class SparseProbe:
    """A model and the samples that it is asked about.

    Attributes
    ----------
    x : (N, F) csr_array
    predict : callable
        Returns (N, O) probabilities or predicted numbers of samples.
    losses : callable
        Returns the loss of each sample, (N,), from its predictions and its row numbers in `x`.
    weights : (N,) ndarray or None
        How much each sample counts in means; None if all count alike.
    """

    x: Any
    predict: Callable[[Any], Floats]
    losses: Callable[[Floats, NDArray[np.int64]], Floats]
    weights: Floats | None = None


def name_of(column: int) -> str:
    """Return the name of a column, which is its number."""
    return f"column {column}"


def most_used(x: Any, first_layers: Sequence[Floats], most: int = MOST_USED) -> list[int]:
    """Return the columns with the largest sums of absolute values times the length of their weights, the largest first.

    Parameters
    ----------
    x : (N, F) csr_array
        Samples.
    first_layers : sequence of (F, O) arrays
        The weights of the first layer of each network; the lengths of a column's weights are averaged.
    most : int
        Columns to return; fewer where others have no value or no weight.

    Examples
    --------
    >>> from scipy import sparse
    >>> x = sparse.csr_array(np.float32([[1.0, 0.0, 2.0], [1.0, 0.0, 0.0]]))
    >>> most_used(x, [np.float32([[0.5], [9.0], [0.75]])])
    [2, 0]
    """
    lengths = np.mean([np.linalg.norm(weights, axis=1) for weights in first_layers], axis=0)
    use = np.bincount(x.indices, weights=np.abs(x.data), minlength=x.shape[1]) * lengths
    order = np.argsort(-use, kind="stable")[:most]
    found: list[int] = order[use[order] > 0].tolist()
    return found


def importance_of_used(probe: SparseProbe, columns: Sequence[int], *, seed: int = 0) -> list[Document]:
    """Measure how much the mean loss rises when a column's values are shuffled among the samples.

    As `fastnet.model.reliance.importance_of_columns` does for the columns of a table. Only samples whose value changes
    are predicted again.

    Returns
    -------
    list of dict
        ``column``, ``rise``, ``low`` and ``high``, the largest rise first.
    """
    rows = np.unique(np.linspace(0, probe.x.shape[0] - 1, n_measured(probe)).astype(np.int64))
    x, rng = probe.x[rows], np.random.default_rng(seed)
    by_column = x.tocsc()
    before, weights = probe.losses(probe.predict(x), rows).astype(np.float64), some_weights(probe.weights, rows)
    found = []
    for column in columns:
        values = by_column[:, [column]].toarray().ravel()
        rise = np.zeros(len(rows))
        for _ in range(SHUFFLES):
            shuffled = values[rng.permutation(len(rows))]
            changed = np.flatnonzero(shuffled != values)
            if len(changed):
                after = probe.losses(probe.predict(_with(x[changed], column, shuffled[changed])), rows[changed])
                rise[changed] += (after - before[changed]) / SHUFFLES
        mean, error = mean_and_error(rise, weights)
        ends = {"low": five_digits(mean - INTERVAL * error), "high": five_digits(mean + INTERVAL * error)}
        found.append({"column": name_of(column), "rise": five_digits(mean), **ends})
    return sorted(found, key=lambda row: -(row["rise"] or 0.0))


def n_measured(probe: SparseProbe) -> int:
    """Return the number of samples that importance is measured on."""
    return min(int(probe.x.shape[0]), MOST_ROWS)


def _with(x: Any, column: int, values: NDArray[Any]) -> Any:
    """Return samples with other values of a column."""
    from scipy import sparse

    kept = x.copy()
    kept.data[kept.indices == column] = 0
    kept.eliminate_zeros()
    at = np.flatnonzero(values)
    new = sparse.csr_array((values[at], (at, np.full(len(at), column))), shape=x.shape, dtype=x.dtype)
    return kept + new


def largest_values(x: Any) -> list[str]:
    """Write the largest values of each sample with their columns, in the form of svmlight.

    Examples
    --------
    >>> from scipy import sparse
    >>> largest_values(sparse.csr_array(np.float32([[0.0, -2.0, 0.5], [0.0, 0.0, 0.0]])))
    ['1:-2 2:0.5', 'none']
    """
    texts = []
    for begin, end in zip(x.indptr[:-1].tolist(), x.indptr[1:].tolist(), strict=True):
        values, columns = x.data[begin:end], x.indices[begin:end]
        order = np.argsort(-np.abs(values), kind="stable")[:LARGEST]
        texts.append(" ".join(f"{columns[k]}:{values[k]:.4g}" for k in order) or "none")
    return texts
