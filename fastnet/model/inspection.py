"""Where a trained model is right and wrong on some samples, as plain values ready for JSON.

The figures come from scikit-learn, which is imported when it is needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def inspect_classes(probabilities: Floats, y: Integers, names: Sequence[str]) -> Document:
    """Measure (N, O) probabilities against (N,) classes, N at least 1.

    Returns
    -------
    dict
        ``names``; ``confusion``, counts with a row for each true class, or None with more than `MOST_CLASSES`;
        ``confusions``, the most frequent pairs of a true and another predicted class; ``classes``, a row for each class
        with ``precision``, ``recall``, ``f1``, ``auc``, ``average_precision`` and ``samples``; ``curves``, ROC and
        precision-recall curves with thresholds; and ``reliability``. Figures that the samples do not determine, such as
        the area under the curve of a class without samples, are None.

    Examples
    --------
    >>> found = inspect_classes(np.array([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]]), np.array([0, 1, 1]), ["no", "yes"])
    >>> found["confusion"], found["confusions"]
    ([[1, 0], [1, 1]], [{'true': 1, 'predicted': 0, 'count': 1, 'share': 0.5}])
    """
    from sklearn.metrics import confusion_matrix

    n_classes = len(names)
    predicted = np.argmax(probabilities, axis=1)
    counts = confusion_matrix(y, predicted, labels=np.arange(n_classes))
    return {
        "names": list(names),
        "confusion": counts.tolist() if n_classes <= MOST_CLASSES else None,
        "confusions": _confusions(counts),
        "classes": _per_class(probabilities, y, predicted),
        "curves": [_curves_of(probabilities[:, k], y == k, k) for k in _drawn(y, n_classes)],
        "reliability": _reliability(probabilities, y, predicted),
    }


def _confusions(counts: Integers) -> list[Document]:
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    most = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSIONS]
    pairs = [divmod(int(place), len(counts)) for place in most]
    return [
        {"true": k, "predicted": j, "count": int(wrong[k, j]), "share": _short(wrong[k, j] / counts[k].sum())}
        for k, j in pairs
        if wrong[k, j] > 0
    ]


def _per_class(probabilities: Floats, y: Integers, predicted: Integers) -> list[Document]:
    from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

    labels = np.arange(probabilities.shape[1])
    columns = precision_recall_fscore_support(y, predicted, labels=labels, zero_division=np.nan)
    rows = []
    for k, (precision, recall, f1, samples) in enumerate(zip(*columns, strict=True)):
        of_class = y == k
        both = 0 < samples < len(y)
        auc = roc_auc_score(of_class, probabilities[:, k]) if both else None
        average = average_precision_score(of_class, probabilities[:, k]) if both else None
        figures = {"precision": precision, "recall": recall, "f1": f1, "auc": auc, "average_precision": average}
        rows.append({name: _short(value) for name, value in figures.items()} | {"samples": int(samples)})
    return rows


def _drawn(y: Integers, n_classes: int) -> list[int]:
    """Return the classes with curves: the second of two, otherwise the most frequent ones, in their order."""
    if n_classes == 2:
        return [1] if 0 < (y == 1).sum() < len(y) else []
    counts = np.bincount(y, minlength=n_classes)
    often = np.argsort(-counts, kind="stable")[:MOST_CURVES]
    return sorted(int(k) for k in often if 0 < counts[k] < len(y))


def _curves_of(scores: Floats, of_class: NDArray[np.bool_], k: int) -> Document:
    from sklearn.metrics import precision_recall_curve, roc_curve

    false_rate, true_rate, thresholds = roc_curve(of_class, scores)
    precision, recall, levels = precision_recall_curve(of_class, scores)
    at, where = _thinned(len(false_rate)), _thinned(len(levels))
    return {
        "class": k,
        "share": _short(of_class.mean()),
        "roc": {"x": _list(false_rate[at]), "y": _list(true_rate[at]), "threshold": _list(thresholds[at])},
        "precision_recall": {
            "x": _list([*recall[where], recall[-1]]),
            "y": _list([*precision[where], precision[-1]]),
            "threshold": _list(levels[where]),
        },
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
            rows.append({"predicted": _short(mean), "observed": _short(share), "low": low, "high": high, "samples": n})
    return {"of": 1 if two else None, "bins": rows, "error": _short(gap)}


def _wilson(share: float, n: int) -> tuple[float | None, float | None]:
    """Return the 95 % interval of a share that was observed n times (Wilson 1927)."""
    z = _WILSON
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return _short(max(centre - half, 0.0)), _short(min(centre + half, 1.0))


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
        rows.append({key: _short(value) for key, value in figures.items()} | {"samples": len(part)})
    return rows


def _thinned(n: int) -> Integers:
    return np.unique(np.linspace(0, n - 1, min(n, MOST_POINTS)).round().astype(np.int64))


def _list(values: Any) -> list[float | None]:
    return [_short(value) for value in np.asarray(values, np.float64).tolist()]


def _short(value: Any) -> float | None:
    """Round to five digits; None for what is not finite."""
    return None if value is None or not math.isfinite(value) else float(f"{float(value):.5g}")


def worst_rows(losses: Floats, most: int = 20) -> Integers:
    """Return the places of the samples with the largest losses, the worst first.

    Examples
    --------
    >>> worst_rows(np.array([0.1, 3.0, 0.2]), most=2).tolist()
    [1, 2]
    """
    order: Integers = np.argsort(-losses, kind="stable")[:most]
    return order
