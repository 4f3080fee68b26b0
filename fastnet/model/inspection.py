"""Where a trained model is right and wrong on some samples, as plain values ready for JSON.

The figures equal those of scikit-learn, whose import takes 1.6 s: as long as a whole search of a few trials.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnet.model.scores import decided
from fastnet.scalars import five_digits

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]
Document = dict[str, Any]

MOST_CLASSES = 30
"""Most classes of a confusion matrix; of more, only the most frequent confusions are listed."""

MOST_CURVES = 10
"""Most classes with curves of their own."""

MOST_POINTS = 200
"""Most points of a curve."""

MOST_MARKS = 2000
"""Most samples drawn one by one."""

MOST_CONFUSIONS = 15
"""Pairs of classes in the list of confusions."""

PROBABILITY_BINS = 10
RESIDUAL_BINS = 41
DECILES = 10

_WILSON = 1.96  # normal quantile of a 95 % interval


def inspect_classes(
    probabilities: Floats, y: Integers, names: Sequence[str], threshold: float | None = None
) -> Document:
    """Measure (N, O) probabilities against (N,) classes, N at least 1; the predicted ones are those of `decided`.

    Returns
    -------
    dict
        ``names``; ``confusion``, counts with a row for each true class, or None with more than `MOST_CLASSES`;
        ``confusions``, the most frequent pairs of a true and another predicted class; ``classes``, a row for each class
        with ``precision``, ``recall``, ``f1``, ``auc``, ``average_precision`` and ``samples``; ``curves``, ROC and
        precision-recall curves at the same thresholds; and ``reliability``. Figures that the samples do not determine,
        such as the area under the curve of a class without samples, are None.

    Examples
    --------
    >>> found = inspect_classes(np.array([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]]), np.array([0, 1, 1]), ["no", "yes"])
    >>> found["confusion"], found["confusions"]
    ([[1, 0], [1, 1]], [{'true': 1, 'predicted': 0, 'count': 1, 'share': 0.5}])
    """
    n_classes = len(names)
    predicted = decided(probabilities, threshold)
    counts = confusion_counts(y, predicted, n_classes)
    sweeps = [Sweep.of(probabilities[:, k], y == k) for k in range(n_classes)]
    drawn = _drawn(y, n_classes)
    return {
        "names": list(names),
        "confusion": counts.tolist() if n_classes <= MOST_CLASSES else None,
        "confusions": _confusions(counts),
        "classes": _per_class(counts, sweeps),
        "curves": [_curves_of(sweep, k) for k, sweep in enumerate(sweeps) if sweep and k in drawn],
        "reliability": _reliability(probabilities, y, predicted),
    }


def confusion_counts(y: Integers, predicted: Integers, n_classes: int) -> Integers:
    """Count the samples of each true class, a row, that each class was predicted for, a column.

    Examples
    --------
    >>> confusion_counts(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
    [[1, 0], [1, 1]]
    """
    return np.bincount(y * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)


def _confusions(counts: Integers) -> list[Document]:
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    most = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSIONS]
    pairs = [divmod(int(place), len(counts)) for place in most]
    return [
        {"true": k, "predicted": j, "count": int(wrong[k, j]), "share": five_digits(wrong[k, j] / counts[k].sum())}
        for k, j in pairs
        if wrong[k, j] > 0
    ]


def _per_class(counts: Integers, sweeps: Sequence[Sweep | None]) -> list[Document]:
    rows = []
    for k, sweep in enumerate(sweeps):
        hits, given, true = int(counts[k, k]), int(counts[:, k].sum()), int(counts[k].sum())
        figures = {
            "precision": hits / given if given else None,
            "recall": hits / true if true else None,
            "f1": 2 * hits / (given + true) if given + true else None,
            "auc": sweep.auc() if sweep else None,
            "average_precision": sweep.average_precision() if sweep else None,
        }
        rows.append({name: five_digits(value) for name, value in figures.items()} | {"samples": true})
    return rows


class Sweep(NamedTuple):
    """One class against all others, at every threshold that makes a difference, the highest first."""

    thresholds: Floats
    hits: Integers  # samples of the class at or above the threshold
    others: Integers  # other samples at or above it

    @classmethod
    def of(cls, scores: Floats, of_class: NDArray[np.bool_]) -> Sweep | None:
        """Return the sweep of (N,) scores; None unless there are samples of the class and others."""
        if not 0 < of_class.sum() < len(of_class):
            return None
        order = np.argsort(-scores, kind="stable")
        sorted_scores, right = scores[order], of_class[order]
        last = np.append(np.flatnonzero(np.diff(sorted_scores)), len(scores) - 1)
        hits = np.cumsum(right)[last]
        return cls(sorted_scores[last], hits, 1 + last - hits)

    def rates(self) -> tuple[Floats, Floats]:
        """Return the shares of other samples and of samples of the class, from 0 to 1."""
        return np.append(0, self.others) / self.others[-1], np.append(0, self.hits) / self.hits[-1]

    def precisions(self) -> Floats:
        """Return the share of the class among all samples at or above each threshold."""
        return self.hits / (self.hits + self.others)

    def auc(self) -> float:
        """Return the area under the ROC curve."""
        x, y = self.rates()
        return float(np.sum(np.diff(x) * (y[1:] + y[:-1])) / 2)

    def average_precision(self) -> float:
        """Return the mean of the precision over the gains in recall."""
        return float(np.sum(np.diff(self.rates()[1]) * self.precisions()))


def _drawn(y: Integers, n_classes: int) -> list[int]:
    """Return the classes with curves: the second of two, otherwise the most frequent ones."""
    if n_classes == 2:
        return [1]
    often: list[int] = np.argsort(-np.bincount(y, minlength=n_classes), kind="stable")[:MOST_CURVES].tolist()
    return often


def _curves_of(sweep: Sweep, k: int) -> Document:
    false_rate, recall = sweep.rates()
    precision = np.append(1.0, sweep.precisions())
    thresholds = np.append(np.inf, sweep.thresholds)
    at = _thinned(len(thresholds))
    return {
        "class": k,
        "share": five_digits(sweep.hits[-1] / (sweep.hits[-1] + sweep.others[-1])),
        "threshold": _list(thresholds[at]),
        "false_positive_rate": _list(false_rate[at]),
        "recall": _list(recall[at]),
        "precision": _list(precision[at]),
    }


def _reliability(probabilities: Floats, y: Integers, predicted: Integers) -> Document:
    """Compare probabilities with how often they are right: of the second of two classes, or of the predicted class."""
    two = probabilities.shape[1] == 2
    given = probabilities[:, 1] if two else probabilities[np.arange(len(y)), predicted]
    right = (y == 1) if two else (y == predicted)
    place = np.minimum((given * PROBABILITY_BINS).astype(np.int64), PROBABILITY_BINS - 1)
    rows, gap = [], 0.0
    for part in range(PROBABILITY_BINS):
        here = place == part
        n = int(here.sum())
        if n:
            mean, share = float(given[here].mean()), float(right[here].mean())
            low, high = _wilson(share, n)
            gap += n * abs(mean - share) / len(y)
            rows.append(
                {"predicted": five_digits(mean), "observed": five_digits(share), "low": low, "high": high, "samples": n}
            )
    return {"of": 1 if two else None, "bins": rows, "error": five_digits(gap)}


def _wilson(share: float, n: int) -> tuple[float | None, float | None]:
    """Return the 95 % interval of a share that was observed n times (Wilson 1927)."""
    z = _WILSON
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return five_digits(max(centre - half, 0.0)), five_digits(min(centre + half, 1.0))


def inspect_numbers(predictions: Floats, y: Floats, name: str) -> Document:
    """Measure (N,) predictions of one target against (N,) true values, N at least 1.

    Returns
    -------
    dict
        ``name``; ``marks``, true and predicted values of at most `MOST_MARKS` samples, evenly spaced among the sorted
        true values; ``residuals``, counts of predicted less true values between ``edges``; and ``deciles``, errors in
        each tenth of the samples by their true value.

    Examples
    --------
    >>> found = inspect_numbers(np.array([1.5, 2.0]), np.array([1.0, 3.0]), "price")
    >>> found["marks"], [row["bias"] for row in found["deciles"]]
    ({'true': [1.0, 3.0], 'predicted': [1.5, 2.0]}, [0.5, -1.0])
    """
    order = np.argsort(y, kind="stable")
    some = order[np.unique(np.linspace(0, len(order) - 1, min(MOST_MARKS, len(order))).astype(np.int64))]
    residuals = (predictions - y).astype(np.float64)
    return {
        "name": name,
        "marks": {"true": _list(y[some]), "predicted": _list(predictions[some])},
        "residuals": _histogram(residuals),
        "deciles": _deciles(residuals, y, order),
    }


def inspect_quantiles(
    predictions: Floats, y: Floats, levels: Sequence[float], shifts: Sequence[float], weights: Floats | None = None
) -> list[Document]:
    """Measure (N, Q) quantiles of one target against (N,) true values: the share of samples at or below each.

    `shifts` are those of a calibrated model, or empty.

    Examples
    --------
    >>> inspect_quantiles(np.array([[1.0, 3.0], [1.0, 3.0]]), np.array([0.5, 2.0]), [0.4, 0.8], [])
    [{'level': 0.4, 'share': 0.5, 'shift': None}, {'level': 0.8, 'share': 1.0, 'shift': None}]
    """
    shares = np.average(y[:, None] <= predictions, axis=0, weights=weights)
    moved = map(five_digits, shifts) if shifts else [None] * len(levels)
    rows = zip(levels, shares.tolist(), moved, strict=True)
    return [{"level": level, "share": five_digits(share), "shift": shift} for level, share, shift in rows]


def middle(quantiles: Sequence[float]) -> int:
    """Return the place of the quantile nearest the median among those of a target; 0 without quantiles.

    >>> middle((0.1, 0.5, 0.9)), middle(())
    (1, 0)
    """
    return int(np.argmin(np.abs(np.array(quantiles) - 0.5))) if quantiles else 0


def _histogram(residuals: Floats) -> Document:
    """Count residuals between their 0.5 and 99.5 percentiles; those beyond are in the first and last bins."""
    low, high = np.quantile(residuals, [0.005, 0.995])
    most = max(abs(float(low)), abs(float(high))) or 1.0
    edges = np.linspace(-most, most, RESIDUAL_BINS + 1)
    counts, _ = np.histogram(np.clip(residuals, -most, most), edges)
    return {"edges": _list(edges), "counts": counts.tolist()}


def _deciles(residuals: Floats, y: Floats, order: Integers) -> list[Document]:
    rows = []
    for part in np.array_split(order, min(DECILES, len(order))):
        off = residuals[part]
        figures = {"low": y[part].min(), "high": y[part].max(), "bias": off.mean(), "mae": np.abs(off).mean(),
                   "rmse": math.sqrt(np.square(off).mean())}  # fmt: skip
        rows.append({key: five_digits(value) for key, value in figures.items()} | {"samples": len(part)})
    return rows


def _thinned(n: int) -> Integers:
    return np.unique(np.linspace(0, n - 1, min(n, MOST_POINTS)).round().astype(np.int64))


def _list(values: Any) -> list[float | None]:
    return [five_digits(value) for value in np.asarray(values, np.float64).tolist()]


def worst_rows(losses: Floats, most: int = 20) -> Integers:
    """Return the places of the samples with the largest losses, the worst first.

    Examples
    --------
    >>> worst_rows(np.array([0.1, 3.0, 0.2]), most=2).tolist()
    [1, 2]
    """
    order: Integers = np.argsort(-losses, kind="stable")[:most]
    return order
