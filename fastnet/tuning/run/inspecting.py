"""What a search measures about its model for the report: where it is wrong, and which columns it relies on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastnet.data.dataset import Dataset, Split
from fastnet.scalars import five_digits

if TYPE_CHECKING:
    from fastnet.model.predictor import Predictor

WORST = 20
"""Samples in the list of the worst predictions."""

MOST_SHOWN = 6
"""Columns of the table whose values are listed with the worst predictions, the most important first."""

MOST_CURVES = 4
"""Classes whose probability is drawn over the values of a column, the most frequent first."""


def inspected(model: Predictor, dataset: Dataset, parts: Split, name: str) -> dict[str, Any]:
    """Measure a classifier on the test samples, or on the validation samples if there is no test set.

    What it relies on is always measured on the validation samples. `name` is that of the model's file. The document is
    ready for JSON, see `fastnet.tuning.store.documents.INSPECTION`.
    """
    from fastnet.model.inspection import inspect_classes, worst_rows

    tested = dataset.x_test is not None
    x = dataset.x_test if dataset.x_test is not None else dataset.x[parts.validation]
    y = dataset.y_test if dataset.y_test is not None else dataset.y[parts.validation]
    probabilities = model._answers(x)
    importance, n_measured, dependence = _reliance(model, dataset, parts)
    losses = _losses(probabilities, y)
    worst = worst_rows(losses, WORST)
    predicted = np.argmax(probabilities, axis=1)
    names = dataset.class_names
    shown = [row["column"] for row in importance[:MOST_SHOWN]]
    rows = [
        [row if tested else int(parts.validation[row]), names[y[row]], names[predicted[row]],
         five_digits(probabilities[row, y[row]]), five_digits(losses[row]), *texts]
        for row, texts in zip(worst.tolist(), _texts(dataset, x[worst], shown), strict=True)
    ]  # fmt: skip
    return {
        "model": name,
        "part": "test" if tested else "validation",
        "samples": len(y),
        "classes": inspect_classes(probabilities, y, names),
        "targets": [],
        "importance": importance,
        "importance_samples": n_measured,
        "dependence": dependence,
        "columns": [],
        "worst": {"heads": ["sample", "true", "predicted", "probability of the true class", "loss", *shown],
                  "rows": rows},
    }  # fmt: skip


def _reliance(model: Predictor, dataset: Dataset, parts: Split) -> tuple[list[Any], int, list[Any]]:
    """Return the importance of the table's columns, the number of samples it was measured on, and the dependence."""
    from fastnet.model.reliance import MOST_COLUMNS, MOST_ROWS, Probe, importance_of_columns, partial_dependence

    if dataset.fields is None:
        return [], 0, []
    y = dataset.y[parts.validation]
    probe = Probe(
        x=dataset.x[parts.validation],
        fields=dataset.fields,
        predict=model._answers,
        losses=lambda outputs, rows: _losses(outputs, y[rows]),
    )
    importance = importance_of_columns(probe)
    counts = np.bincount(y, minlength=dataset.n_outputs)
    often = [1] if dataset.n_outputs == 2 else sorted(np.argsort(-counts, kind="stable")[:MOST_CURVES].tolist())
    outputs = {dataset.class_names[k]: k for k in often}
    first = [row["column"] for row in importance[:MOST_COLUMNS]]
    return importance, min(len(y), MOST_ROWS), partial_dependence(probe, first, outputs)


def _losses(probabilities: npt.NDArray[np.floating[Any]], y: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the cross-entropy of each sample; a probability below 1e-38 counts as 1e-38."""
    of_truth = probabilities[np.arange(len(y)), y].astype(np.float64)
    losses: npt.NDArray[np.float64] = -np.log(np.maximum(of_truth, np.finfo(np.float32).tiny))
    return losses


def _texts(dataset: Dataset, x: npt.NDArray[Any], columns: list[str]) -> list[list[Any]]:
    """Return the values of some columns of the table as they are shown, a list for each sample."""
    if dataset.fields is None:
        return [[] for _ in x]
    places = {field.column: place for place, field in reversed(list(enumerate(dataset.fields)))}
    chosen = [(dataset.fields[places[column]], places[column]) for column in columns]
    return [[field.shown(float(row[place])) for field, place in chosen] for row in x]
