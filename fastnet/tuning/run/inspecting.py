"""What a search measures about its model for the report: where it is wrong, and which columns it relies on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastnet.data.dataset import Dataset, Split
from fastnet.scalars import five_digits

if TYPE_CHECKING:
    from fastnet.data.pipeline.uses import Use
    from fastnet.model.predictor import Predictor

WORST = 20
"""Samples in the list of the worst predictions."""

MOST_SHOWN = 6
"""Columns of the table whose values are listed with the worst predictions, the most important first."""

MOST_CURVES = 4
"""Classes whose probability is drawn over the values of a column, the most frequent first."""


def inspected(model: Predictor, dataset: Dataset, parts: Split, name: str) -> dict[str, Any]:
    """Measure a model on the test samples, or on the validation samples if there is no test set.

    What it relies on is always measured on the validation samples. `name` is that of the model's file. The document is
    ready for JSON, see `fastnet.tuning.store.documents.INSPECTION`.
    """
    from fastnet.model.inspection import worst_rows

    tested = dataset.x_test is not None
    x = dataset.x_test if dataset.x_test is not None else dataset.x[parts.validation]
    y = dataset.y_test if dataset.y_test is not None else dataset.y[parts.validation]
    answers = model._answers(x)
    importance, n_measured, dependence = _reliance(model, dataset, parts)
    losses = _losses(model, answers, y)
    worst = worst_rows(losses, WORST)
    shown = [row["column"] for row in importance[:MOST_SHOWN]]
    heads, of_rows = _compared(model, answers[worst], y[worst])
    rows = [
        [row if tested else int(parts.validation[row]), *compared, five_digits(losses[row]), *texts]
        for row, compared, texts in zip(worst.tolist(), of_rows, _texts(dataset, x[worst], shown), strict=True)
    ]
    return {
        "model": name,
        "part": "test" if tested else "validation",
        "samples": len(y),
        **_findings(model, answers, y),
        "importance": importance,
        "importance_samples": n_measured,
        "dependence": dependence,
        "columns": [use._asdict() for use in _uses(model, dataset)],
        "worst": {"heads": ["sample", *heads, "loss", *shown], "rows": rows},
    }


def _uses(model: Predictor, dataset: Dataset) -> Sequence[Use]:
    """Return what becomes of each column of a table; nothing of other data."""
    from fastnet.data.pipeline.table import TablePipeline
    from fastnet.data.pipeline.uses import uses_of

    if dataset.schema is None:
        return ()
    assert isinstance(model.pipeline, TablePipeline)
    return uses_of(dataset.schema, model.pipeline)


def _reliance(model: Predictor, dataset: Dataset, parts: Split) -> tuple[list[Any], int, list[Any]]:
    """Return the importance of the table's columns, the number of samples it was measured on, and the dependence."""
    from fastnet.model.reliance import MOST_COLUMNS, Probe, importance_of_columns, n_rows_measured, partial_dependence

    if dataset.fields is None:
        return [], 0, []
    y = dataset.y[parts.validation]
    probe = Probe(
        x=dataset.x[parts.validation],
        fields=dataset.fields,
        predict=model._answers,
        losses=lambda outputs, rows: _losses(model, outputs, y[rows]),
    )
    importance = importance_of_columns(probe)
    outputs = _drawn(model, y)
    first = [row["column"] for row in importance[:MOST_COLUMNS]]
    return importance, n_rows_measured(probe), partial_dependence(probe, first, outputs)


def _drawn(model: Predictor, y: npt.NDArray[Any]) -> dict[str, int]:
    """Return the outputs that are drawn over the values of a column: their names and places."""
    names = model.class_names
    if model.task != "classification":
        each = max(len(model.quantiles), 1)
        return {name: k * each + _middle(model) for k, name in enumerate(names[:MOST_CURVES])}
    counts = np.bincount(y, minlength=len(names))
    often = [1] if len(names) == 2 else sorted(np.argsort(-counts, kind="stable")[:MOST_CURVES].tolist())
    return {names[k]: k for k in often}


def _middle(model: Predictor) -> int:
    """Return the place of the quantile nearest the median among those of a target."""
    return int(np.argmin(np.abs(np.array(model.quantiles) - 0.5))) if model.quantiles else 0


def _of_middle(model: Predictor, answers: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return one answer for each target or label: of quantiles, the middle one."""
    return answers[:, _middle(model) :: max(len(model.quantiles), 1)]


def _findings(model: Predictor, answers: npt.NDArray[Any], y: npt.NDArray[Any]) -> dict[str, Any]:
    """Return what is measured of the classes, or of each target."""
    from fastnet.model.inspection import inspect_classes, inspect_numbers, inspect_quantiles

    if model.task == "classification":
        return {"classes": inspect_classes(answers, y, model.class_names, model.threshold), "targets": []}
    if model.task == "multilabel":
        return {"classes": None, "targets": []}
    middle = _of_middle(model, answers)
    found = [inspect_numbers(middle[:, k], y[:, k], name) for k, name in enumerate(model.class_names)]
    each = len(model.quantiles)
    for k, target in enumerate(found if each else ()):
        own = slice(k * each, (k + 1) * each)
        target["quantiles"] = inspect_quantiles(answers[:, own], y[:, k], model.quantiles, model.shifts[own])
    return {"classes": None, "targets": found}


def _compared(
    model: Predictor, answers: npt.NDArray[Any], y: npt.NDArray[Any]
) -> tuple[list[str], list[list[str | float | None]]]:
    """Return the heads and, for each sample, the cells that compare the truth with the answer."""
    names = model.class_names
    if model.task == "classification":
        cells = zip(y.tolist(), answers.argmax(axis=1).tolist(), answers, strict=True)
        rows: list[list[str | float | None]] = [
            [names[true], names[given], five_digits(row[true])] for true, given, row in cells
        ]
        return ["true", "predicted", "probability of the true class"], rows
    middle = _of_middle(model, answers)
    heads = [f"{which} {name}" for name in names for which in ("true", "predicted")]
    pairs = np.stack([y, middle], axis=2).reshape(len(y), -1)
    return heads, [[five_digits(value) for value in row] for row in pairs.tolist()]


def _losses(model: Predictor, answers: npt.NDArray[Any], y: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the loss of each sample: cross-entropy of classes or labels, squared error of numbers.

    A probability below 1e-38 counts as 1e-38. Of several labels or targets it is the mean.
    """
    least = np.finfo(np.float32).tiny
    if model.task == "regression":
        squares: npt.NDArray[np.float64] = np.square(_of_middle(model, answers) - y).mean(axis=1)
        return squares
    if model.task == "classification":
        of_truth = answers[np.arange(len(y)), y].astype(np.float64)
    else:
        given = answers.astype(np.float64)
        of_truth = np.where(y > 0.5, given, 1.0 - given)
    losses: npt.NDArray[np.float64] = -np.log(np.maximum(of_truth, least))
    return losses if losses.ndim == 1 else losses.mean(axis=1)


def _texts(dataset: Dataset, x: npt.NDArray[Any], columns: list[str]) -> list[list[Any]]:
    """Return the values of some columns of the table as they are shown, a list for each sample."""
    if dataset.fields is None:
        return [[] for _ in x]
    places = {field.column: place for place, field in reversed(list(enumerate(dataset.fields)))}
    chosen = [(dataset.fields[places[column]], places[column]) for column in columns]
    return [[field.shown(float(row[place])) for field, place in chosen] for row in x]
