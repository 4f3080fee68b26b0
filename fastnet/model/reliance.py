"""Which columns a trained model relies on, and how its predictions change with them, as values ready for JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.data.fields import Field
from fastnet.scalars import five_digits

Floats = NDArray[np.floating[Any]]
Document = dict[str, Any]

SHUFFLES = 5
"""Times that each column is shuffled."""

MOST_ROWS = 2000
"""Most samples that importance is measured on."""

MOST_ANSWERS = 200_000
"""Most answers that it takes, in samples times columns times shuffles, unless there are very many columns: an ensemble
of eight networks gives them in 2 s on one core."""

FEWEST_ROWS = 200
"""Samples that it is measured on at least, if there are as many."""

FEW_ROWS = 500
"""Most samples that partial dependence is a mean over."""

GRID = 20
"""Values of a number at which partial dependence is measured, at evenly spaced quantiles; most levels of a category."""

MOST_COLUMNS = 6
"""Columns whose partial dependence is measured, the most important first."""

INTERVAL = 1.96
"""Standard errors on each side of a mean in a 95 % interval."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A model and the samples that it is asked about.

    Attributes
    ----------
    x : (N, F) ndarray
        Samples as the model reads them.
    fields : sequence of Field
        What the F columns of `x` hold.
    predict : callable
        Returns (N, O) probabilities or predicted numbers of samples.
    losses : callable
        Returns the loss of each sample, (N,), from its predictions and its row numbers in `x`.
    weights : (N,) ndarray or None
        How much each sample counts in means; None if all count alike.
    """

    x: Floats
    fields: Sequence[Field]
    predict: Callable[[Floats], Floats]
    losses: Callable[[Floats, NDArray[np.int64]], Floats]
    weights: Floats | None = None

    def weights_of(self, rows: NDArray[np.int64]) -> Floats:
        """Return the weights of some samples, 1 for each if all are 0."""
        return some_weights(self.weights, rows)


def some_weights(weights: Floats | None, rows: NDArray[np.int64]) -> Floats:
    """Return the weights of some samples, 1 for each if all are 0 or there are none."""
    found = np.ones(len(rows)) if weights is None else weights[rows].astype(np.float64)
    return found if found.any() else np.ones(len(rows))


def n_rows_measured(probe: Probe) -> int:
    """Return the number of samples that importance is measured on."""
    wanted = MOST_ANSWERS // (SHUFFLES * max(len(column_places(probe.fields)), 1))
    return min(len(probe.x), MOST_ROWS, max(wanted, FEWEST_ROWS))


def column_places(fields: Sequence[Field]) -> dict[str, list[int]]:
    """Return the places of each table column among the fields: several for a date, which has parts.

    Examples
    --------
    >>> column_places([Field("day.month", "number", "day"), Field("size", "number", "size")])
    {'day': [0], 'size': [1]}
    """
    places: dict[str, list[int]] = {}
    for place, field in enumerate(fields):
        places.setdefault(field.column, []).append(place)
    return places


def importance_of_columns(probe: Probe, *, seed: int = 0) -> list[Document]:
    """Measure how much the mean loss rises when a column's values are shuffled among the samples.

    Parts of a date are shuffled together. The interval is that of the mean over samples; an interval that includes 0
    means that these samples do not show whether the column matters.

    Returns
    -------
    list of dict
        ``column``, ``rise``, ``low`` and ``high``, the largest rise first.

    Notes
    -----
    Permutation importance (Breiman, *Random forests*, Machine Learning 45, 2001; Fisher, Rudin and Dominici, *All
    models are wrong, but many are useful*, JMLR 20, 2019). Columns that hold the same information share their
    importance: the model can read either, so shuffling one of them changes little.
    """
    rows = _some(len(probe.x), n_rows_measured(probe))
    x, rng = probe.x[rows], np.random.default_rng(seed)
    before, weights = probe.losses(probe.predict(x), rows), probe.weights_of(rows)
    found = []
    for column, places in column_places(probe.fields).items():
        shuffled = np.tile(x, (SHUFFLES, 1))
        order = np.concatenate([rng.permutation(len(rows)) for _ in range(SHUFFLES)])
        shuffled[:, places] = x[order][:, places]
        after = probe.losses(probe.predict(shuffled), np.tile(rows, SHUFFLES)).reshape(SHUFFLES, -1)
        rise = (after - before).mean(axis=0)
        mean, error = mean_and_error(rise, weights)
        ends = {"low": five_digits(mean - INTERVAL * error), "high": five_digits(mean + INTERVAL * error)}
        found.append({"column": column, "rise": five_digits(mean), **ends})
    return sorted(found, key=lambda row: -(row["rise"] or 0.0))


def mean_and_error(values: Floats, weights: Floats) -> tuple[float, float]:
    """Return a weighted mean and its standard error, 0 of a single value."""
    mean, n = float(np.average(values, weights=weights)), len(values)
    spread = float(np.sqrt(np.square(weights * (values - mean)).sum())) / float(weights.sum())
    return mean, spread * math.sqrt(n / (n - 1)) if n > 1 else 0.0


def partial_dependence(probe: Probe, columns: Sequence[str], outputs: Mapping[str, int]) -> list[Document]:
    """Measure the mean prediction when a column has one value in all samples (Friedman 2001, section 8.2).

    Parameters
    ----------
    probe : Probe
    columns : sequence of str
        Table columns; of those with several fields, the first that is measured is the one named like the column.
    outputs : mapping of str to int
        Outputs to show: their names and places.

    Returns
    -------
    list of dict
        ``column``, ``kind`` of its field, ``values`` (numbers in the column's own unit, or names of levels), ``share``
        of samples of each level (None for numbers), and ``curves``, a list of means for each output.
    """
    rows = _some(len(probe.x), FEW_ROWS)
    x, weights = probe.x[rows], probe.weights_of(rows)
    places = {field.column: place for place, field in reversed(list(enumerate(probe.fields)))}
    places |= {field.column: place for place, field in enumerate(probe.fields) if field.name == field.column}
    found = []
    for column in columns:
        place = places[column]
        field = probe.fields[place]
        known = probe.x[:, place][np.isfinite(probe.x[:, place])]
        values, names, share = _values(field, known)
        if len(values) < 2:
            continue
        changed = np.tile(x, (len(values), 1))
        changed[:, place] = np.repeat(values, len(x))
        predicted = probe.predict(changed).reshape(len(values), len(x), -1)
        means = np.average(predicted.astype(np.float64), axis=1, weights=weights)
        curves = {name: [five_digits(mean[output]) for mean in means] for name, output in outputs.items()}
        found.append({"column": column, "kind": field.kind, "values": names, "share": share, "curves": curves})
    return found


def _values(field: Field, known: Floats) -> tuple[Floats, list[Any], list[float] | None]:
    """Return the values at which a field is measured, as the model reads them and as they are shown."""
    if field.kind == "number":
        quantiles = np.quantile(known, np.linspace(0.01, 0.99, GRID), method="nearest") if len(known) else known
        values = np.unique(quantiles)
        return values, [five_digits(value + field.offset) for value in values.astype(np.float64)], None
    counts = np.bincount(known[known >= 0].astype(np.int64), minlength=len(field.levels))
    levels = np.sort(np.argsort(-counts, kind="stable")[:GRID])
    levels = levels[counts[levels] > 0]
    total = max(int(counts.sum()), 1)
    shares = [float(f"{count / total:.4g}") for count in counts[levels].tolist()]
    return levels.astype(known.dtype), [field.levels[level] for level in levels], shares


def _some(n: int, most: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))
