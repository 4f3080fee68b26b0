"""The report's section on the model: the tables and the data of its charts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastnet.report.page.tables import MISSING, Cell, cell

Document = Mapping[str, Any]

MOST_LISTED = 20
"""Most columns in the chart of importance."""


def section_of(inspection: Document) -> dict[str, Any]:
    """Return the words and tables of the section; tables are in the form of `fastnet.report.page.tables.best_table`."""
    classes = inspection["classes"]
    return {
        "file": inspection["model"],
        "part": inspection["part"],
        "samples": inspection["samples"],
        "names": classes["names"] if classes else [],
        "matrix": _matrix(classes) if classes and classes["confusion"] else None,
        "confusions": _confusions(classes) if classes and classes["confusions"] else None,
        "classes": _per_class(classes) if classes else None,
        "curves": bool(classes and classes["curves"]),
        "positive": classes["names"][1] if classes and len(classes["names"]) == 2 else None,
        "targets": [
            {"name": target["name"], "deciles": _deciles(target), "quantiles": _quantiles(target)}
            for target in inspection["targets"]
        ],
        "importance": len(inspection["importance"]),
        "importance_samples": inspection["importance_samples"],
        "importance_of": inspection.get("importance_of"),
        "dependence": [row["column"] for row in inspection["dependence"]],
        "columns": _columns(inspection["columns"]) if inspection["columns"] else None,
        "worst": _worst(inspection["worst"]) if inspection["worst"]["rows"] else None,
    }


def data_of_model(inspection: Document) -> dict[str, Any]:
    """Return the data that model.js draws."""
    classes = inspection["classes"] or {}
    return {
        "names": classes.get("names", []),
        "curves": classes.get("curves", []),
        "reliability": classes.get("reliability"),
        "targets": [
            {name: target[name] for name in ("name", "marks", "residuals")} for target in inspection["targets"]
        ],
        "importance": inspection["importance"][:MOST_LISTED],
        "dependence": inspection["dependence"],
    }


def _matrix(classes: Document) -> list[dict[str, Any]]:
    """Return the rows of the confusion matrix, each cell with its share of the row's samples."""
    rows = []
    for name, counts in zip(classes["names"], classes["confusion"], strict=True):
        total = sum(counts)
        cells = [{"count": count, "share": count / total if total else 0.0} for count in counts]
        rows.append({"name": name, "cells": cells, "total": total})
    return rows


def _confusions(classes: Document) -> dict[str, Any]:
    names = classes["names"]
    rows = [
        [cell(names[row["true"]]), cell(names[row["predicted"]]), cell(row["count"]), _percent(row["share"])]
        for row in classes["confusions"]
    ]
    heads = ["true", "predicted", "samples", "share of the class"]
    return {"heads": heads, "rows": rows, "texts": heads[:2]}


def _per_class(classes: Document) -> dict[str, Any]:
    measured = ("precision", "recall", "f1", "auc", "average_precision")
    rows = [
        [cell(name), cell(row["samples"]), *(_share(row[key]) for key in measured)]
        for name, row in zip(classes["names"], classes["classes"], strict=True)
    ]
    heads = ["class", "samples", "precision", "recall", "F1", "ROC AUC", "average precision"]
    return {"heads": heads, "rows": rows, "texts": ["class"]}


def _deciles(target: Document) -> dict[str, Any]:
    keys = ("samples", "bias", "mae", "rmse")
    rows = []
    for row in target["deciles"]:
        ends = f"{row['low']:.5g} to {row['high']:.5g}"
        rows.append([(ends, repr(row["low"])), *(cell(row[key]) for key in keys)])
    return {"heads": ["true value", "samples", "mean error", "MAE", "RMSE"], "rows": rows, "texts": []}


def _quantiles(target: Document) -> dict[str, Any] | None:
    """Return the table of a target's quantiles; None of a model that has none."""
    if "quantiles" not in target:
        return None
    rows = [[cell(row["level"]), _percent(row["share"]), cell(row["shift"])] for row in target["quantiles"]]
    return {"heads": ["quantile", "samples at or below it", "shift"], "rows": rows, "texts": []}


def _columns(columns: Any) -> dict[str, Any]:
    rows = [[cell(column["column"]), cell(column["kind"]), cell(column["use"])] for column in columns]
    return {"heads": ["column", "type", "how it is used"], "rows": rows, "texts": ["column", "type", "how it is used"]}


def _worst(worst: Document) -> dict[str, Any]:
    rows = [[cell(value) for value in row] for row in worst["rows"]]
    texts = [
        head for place, head in enumerate(worst["heads"]) if any(isinstance(row[place], str) for row in worst["rows"])
    ]
    return {"heads": worst["heads"], "rows": rows, "texts": texts}


def _share(share: float | None) -> Cell:
    return MISSING if share is None else (f"{share:.3f}", repr(share))


def _percent(share: float | None) -> Cell:
    return MISSING if share is None else (f"{100 * share:.1f} %", repr(share))
