"""The forms in which a search is printed besides the book's list: JSON, CSV and the closing line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from fastnet.tuning import SearchResult

SCHEMA_VERSION = 1
"""Raised when a field of the JSON output is renamed, removed or changes its meaning."""


def trial_rows(result: SearchResult) -> list[dict[str, Any]]:
    """One row for each trial, best first and diverged ones last."""
    from fastnet.report.listing import to_rows

    return to_rows(result.trials.iterate(curves=True, order="best"))


def as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows of equal names as CSV with a heading; None is an empty field."""
    table = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(table[0]) if table else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue().rstrip("\n")


def as_json(document: Mapping[str, Any]) -> str:
    """One JSON object on one line, in which NaN and infinity cannot occur."""
    return json.dumps({"schema_version": SCHEMA_VERSION, **document}, ensure_ascii=False, allow_nan=False)


def search_document(result: SearchResult, folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Everything a search has to say, curves excepted: they are in the study."""
    return {
        "settings": settings,
        "study": click.format_filename(folder),
        "interrupted": result.interrupted,
        "run": {
            "new_trials": result.new_trials,
            "wall_seconds": round(result.wall_seconds, 6),
            "compile_seconds": round(result.compile_seconds, 6),
            "compiled_seconds": round(result.compiled_seconds, 6),
            "trials_per_second": round(result.trials_per_second, 3),
            "outside_share": round(result.outside_share, 6),
        },
        "trials": trial_rows(result),
    }


def closing_line(result: SearchResult, folder: Path) -> str:
    """How much was done, how fast, and where it is kept."""
    diverged = result.count("diverged")
    counts = f"{result.new_trials} new" + (f", {diverged} diverged" if diverged else "")
    parts = [f"{len(result.trials)} trials ({counts}) in {result.wall_seconds:.1f} s"]
    if result.new_trials:
        parts.append(f"{result.trials_per_second:.1f} trials/s")
        parts.append(f"compile {result.compile_seconds:.1f} s")
        parts.append(f"{result.outside_share:.1%} of the time outside compiled code")
    return " | ".join([*parts, click.format_filename(folder)])
