"""What a search measures about its model for the report: where it is wrong, and which columns it relies on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastnet.data.dataset import Dataset
from fastnet.data.splitting import Split
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


def inspected(
    model: Predictor,
    dataset: Dataset,
    parts: Split,
    name: str,
    weights: npt.NDArray[Any] | None = None,
    unseeing: Predictor | None = None,
) -> dict[str, Any]:
    """Measure a model on the test samples, or on the validation samples if there is no test set.

    What it relies on is always measured on the validation samples. Of an ensemble of several folds, the part that was
    not trained on these, `unseeing`, answers for them. `name` is that of the model's file; `weights` are those of all
    samples in the training. They and those of the test set count in means of losses and predictions, and
    in shares of quantiles; other figures count each sample once. The document is ready for JSON, see
    `fastnet.tuning.store.documents.INSPECTION`.
    """
    from fastnet.model.inspection import worst_rows

    tested = dataset.x_test is not None
    x = dataset.x_test if dataset.x_test is not None else dataset.x[parts.validation]
    y = dataset.y_test if dataset.y_test is not None else dataset.y[parts.validation]
    of_validation = None if weights is None else weights[parts.validation]
    counts = dataset.weights_test if tested else of_validation
    unseeing = unseeing or model
    answers = (model if tested else unseeing)._answers(x)
    importance, n_measured, dependence = _reliance(unseeing, dataset, parts, of_validation)
    losses = model._losses(answers, y)
    ranked = losses if counts is None else np.where(counts > 0, losses, -np.inf)
    worst = worst_rows(ranked, WORST)
    worst = worst[np.isfinite(ranked[worst])]
    shown = ["largest values"] if dataset.sparse else [row["column"] for row in importance[:MOST_SHOWN]]
    heads, of_rows = _compared(model, answers[worst], y[worst])
    rows = [
        [row if tested else int(parts.validation[row]), *compared, five_digits(losses[row]), *texts]
        for row, compared, texts in zip(worst.tolist(), of_rows, _texts(dataset, x[worst], shown), strict=True)
    ]
    return {
        "model": name,
        "part": "test" if tested else "validation",
        "samples": len(y),
        **_findings(model, answers, y, counts),
        "importance": importance,
        "importance_samples": n_measured,
        **({"importance_of": dataset.n_features} if dataset.sparse else {}),
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


def _reliance(
    model: Predictor, dataset: Dataset, parts: Split, weights: npt.NDArray[Any] | None
) -> tuple[list[Any], int, list[Any]]:
    """Return the importance of the columns, the number of samples it was measured on, and the dependence.

    Of sparse features only the columns that are used most are looked at, and no dependence.
    """
    from fastnet.model.reliance import MOST_COLUMNS, importance_of_columns, n_rows_measured, partial_dependence
    from fastnet.model.sparse_reliance import importance_of_used, n_measured

    if not dataset.sparse and dataset.fields is None:
        return [], 0, []
    x, y = dataset.x[parts.validation], dataset.y[parts.validation]
    if dataset.sparse:
        of_used, used = model._sparse_probe(x, y, weights)
        return importance_of_used(of_used, used), n_measured(of_used), []
    probe = model._probe(x, y, dataset.fields, weights)
    importance = importance_of_columns(probe)
    outputs = _drawn(model, y)
    first = [row["column"] for row in importance[:MOST_COLUMNS]]
    return importance, n_rows_measured(probe), partial_dependence(probe, first, outputs)


def _drawn(model: Predictor, y: npt.NDArray[Any]) -> dict[str, int]:
    """Return the outputs that are drawn over the values of a column: their names and places."""
    from fastnet.model.inspection import middle

    names = model.class_names
    if model.task != "classification":
        each = max(len(model.quantiles), 1)
        return {name: k * each + middle(model.quantiles) for k, name in enumerate(names[:MOST_CURVES])}
    counts = np.bincount(y, minlength=len(names))
    often = [1] if len(names) == 2 else sorted(np.argsort(-counts, kind="stable")[:MOST_CURVES].tolist())
    return {names[k]: k for k in often}


def _of_middle(model: Predictor, answers: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return one answer for each target or label: of quantiles, the middle one."""
    from fastnet.model.inspection import middle

    return answers[:, middle(model.quantiles) :: max(len(model.quantiles), 1)]


def _findings(
    model: Predictor, answers: npt.NDArray[Any], y: npt.NDArray[Any], weights: npt.NDArray[Any] | None
) -> dict[str, Any]:
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
        target["quantiles"] = inspect_quantiles(answers[:, own], y[:, k], model.quantiles, model.shifts[own], weights)
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


def _texts(dataset: Dataset, x: npt.NDArray[Any], columns: list[str]) -> list[list[Any]]:
    """Return the values of some columns of the table as they are shown, a list for each sample.

    Of sparse features it is a single text, the largest values.
    """
    if dataset.sparse:
        from fastnet.model.sparse_reliance import largest_values

        return [[text] for text in largest_values(x)]
    if dataset.fields is None:
        return [[] for _ in x]
    places = {field.column: place for place, field in reversed(list(enumerate(dataset.fields)))}
    chosen = [(dataset.fields[places[column]], places[column]) for column in columns]
    return [[field.shown(float(row[place])) for field, place in chosen] for row in x]
