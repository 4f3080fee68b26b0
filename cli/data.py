"""`fastnet data`: what a data set holds, and how a table is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .completion import complete_data
from .data_options import load_dataset, source_of, summary, table_options
from .grouping import GroupedCommand
from .naming import with_options
from .notes import verbosity_options
from .options import data_dir_option, format_option
from .results import as_json
from .streams import output_is_the_result
from .tables import LEFT, RIGHT, print_table, printable

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset
    from fastnet.data.tables.columns import Column

LEVELS_SHOWN = 3
"""Most frequent values of a category in the text; JSON has all."""


@click.command(cls=GroupedCommand, name="data", first=("target", "types", "drop", "output_format"))
@click.argument("data", metavar="NAME|FILE...", nargs=-1, required=True, shell_complete=complete_data)
@data_dir_option
@table_options
@verbosity_options()
@format_option("Print text with a table, or one line of JSON.", "table", "json")
def command(data: tuple[str, ...], data_dir: Path | None, output_format: str, **settings: Any) -> None:
    """Describe a data set, and what becomes of each column of a table.

    Of a table, each column is listed with its type, missing and distinct values, and range or most frequent values.
    With --target the table is read as train and search read it: the last column of the list says what becomes of each
    column, and notes name what is in doubt, such as a feature that gives the target away. Of sparse samples (a file of
    svmlight, or a sparse array in an .npz file), the values that are not zero are counted.

    \b
    Example:
      fastnet data mnist5k
      fastnet data customers.csv
      fastnet data customers.csv --target churn --types zip=category
      fastnet data text.npz
    """
    from fastnet.data.registry import is_source_of_table

    output_is_the_result()
    given = {**settings, "data": data, "data_dir": data_dir}
    if is_source_of_table(source_of(data)) and not settings["target"]:
        found = of_columns(given)
    else:
        found = of_dataset(load_dataset(given))
    if output_format == "json":
        click.echo(as_json(found))
    else:
        show(found)


def of_columns(given: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a table whose target is not named."""
    from fastnet.data.registry import check_files
    from fastnet.data.tables.columns import choices_of
    from fastnet.data.tables.roles import likely_target
    from fastnet.data.tables.scan import scan
    from fastnet.data.tables.table import open_table

    check_files(source_of(given["data"]))
    table = open_table(source_of(given["data"]))
    columns = scan(table, choices_of(given["types"], table.names), unread=table.names)
    notes = [f"{text[0].upper()}{text[1:]}." for text in table.notes]
    notes.append(f"Name the column to be predicted as target, such as {likely_target(table.names)!r}.")
    return {
        "data": table.name,
        "rows": columns[0].rows,
        "summary": f"{table.name}: {columns[0].rows:,} rows, {len(columns)} columns",
        "columns": [of_column(column, "left out: " * column.left_out + column.why) for column in columns],
        "notes": notes,
    }


def of_dataset(dataset: Dataset) -> dict[str, Any]:
    """Describe a data set: of a table its columns, of others their features; then classes or targets, and doubts."""
    from fastnet.data.doubts import doubts
    from fastnet.data.validation import split_of

    parts, schema = split_of(dataset), dataset.schema
    notes = [*doubts(dataset, parts)] if schema is None else [*schema.notes, *doubts(dataset, parts)]
    found: dict[str, Any] = {"data": dataset.name, "task": dataset.task, "samples": dataset.n_samples}
    found |= {"test_samples": dataset.n_test, "features": dataset.n_features, "summary": summary(dataset)}
    if schema is not None:
        found |= {"rows": schema.columns[0].rows, "columns": columns_of(dataset, parts.train)}
    else:
        extent = (float(dataset.x.min()), float(dataset.x.max()))
        found |= {"type": dataset.x.dtype.name, "low": extent[0], "high": extent[1]}
        found |= values_of(dataset) if dataset.sparse else {}
    if dataset.task == "classification":
        found["classes"] = classes_of(dataset)
    elif schema is None:
        found["targets"] = [
            {"target": name, "low": float(y.min()), "mean": float(y.mean()), "high": float(y.max())}
            for name, y in zip(dataset.class_names, dataset.y.T, strict=True)
        ]
    return found | {"notes": notes}


def values_of(dataset: Dataset) -> dict[str, Any]:
    """Count the values of sparse features of training samples, and what has none."""
    import numpy as np

    from fastnet.data.leaks import n_copies
    from fastnet.data.sparse import values_per_column, values_per_row

    x: Any = dataset.x
    filled, _ = values_per_column(x)
    per_row = values_per_row(x)
    return {
        "values": int(x.nnz),
        "share_of_values": float(x.nnz / (dataset.n_samples * dataset.n_features)),
        "values_per_sample": float(per_row.mean()),
        "empty_samples": int((per_row == 0).sum()),
        "equal_samples": n_copies(dataset),
        "empty_columns": dataset.n_features - len(filled),
        "groups": None if dataset.groups is None else len(np.unique(dataset.groups)),
    }


def columns_of(dataset: Dataset, rows: Any) -> list[dict[str, Any]]:
    """Describe each column of a table, and what becomes of it if a network learns from these rows."""
    from fastnet.data.pipeline.pipeline import fit_pipeline
    from fastnet.data.pipeline.table import TablePipeline
    from fastnet.data.pipeline.uses import uses_of

    schema, pipeline = dataset.schema, fit_pipeline(dataset, rows)
    assert schema is not None and isinstance(pipeline, TablePipeline)
    uses = uses_of(schema, pipeline)
    return [of_column(column, use.use) for column, use in zip(schema.columns, uses, strict=True)]


def of_column(column: Column, use: str) -> dict[str, Any]:
    """Describe a column of a table; its range in its own form."""
    known = not math.isnan(column.low) and column.low <= column.high
    of_dates = column.kind == "date"
    low, high = (shown_date(end) if of_dates else end for end in (column.low, column.high)) if known else (None, None)
    return {
        "column": column.name,
        "type": column.kind,
        "sure": column.sure,
        "missing": column.missing,
        "distinct": column.distinct,
        "low": low,
        "high": high,
        "values": list(column.levels),
        "use": use,
    }


def shown_date(seconds: float) -> str:
    """Write Unix time as a date, with the time of day if there is one.

    >>> shown_date(0.0), shown_date(90_000.0)
    ('1970-01-01', '1970-01-02 01:00:00')
    """
    import numpy as np

    day, time = str(np.datetime64(int(seconds), "s")).split("T")
    return day if time == "00:00:00" else f"{day} {time}"


def classes_of(dataset: Dataset) -> list[dict[str, Any]]:
    """Count the samples of each class."""
    import numpy as np

    counts = np.bincount(dataset.y, minlength=dataset.n_classes).tolist()
    y_test = np.empty(0, np.int64) if dataset.y_test is None else dataset.y_test
    tested = np.bincount(y_test, minlength=dataset.n_classes).tolist()
    rows = zip(dataset.class_names, counts, tested, strict=True)
    return [{"class": name, "samples": n, "test_samples": n_test} for name, n, n_test in rows]


def show(found: Mapping[str, Any]) -> None:
    """Print a description as text."""
    click.echo(printable(found["summary"]))
    if "values" in found:
        for line in lines_of_values(found):
            click.echo(line)
    if "columns" in found:
        click.echo()
        heads = ("column", "type", "missing", "distinct", "values", "becomes")
        rows = [column_row(column, found["rows"]) for column in found["columns"]]
        n = len(heads) if any(row[-1] for row in rows) else len(heads) - 1
        print_table(heads[:n], (LEFT, LEFT, RIGHT, RIGHT, LEFT, LEFT)[:n], [row[:n] for row in rows])
    for name in ("classes", "targets"):
        if entries := found.get(name):
            click.echo()
            shown = [[f"{v:,.6g}" if isinstance(v, float) else str(v) for v in entry.values()] for entry in entries]
            print_table([*entries[0]], [LEFT, *[RIGHT] * (len(entries[0]) - 1)], shown)
    if found["notes"]:
        click.echo()
    for text in found["notes"]:
        click.echo(f"Note: {printable(with_options(text))}")


def lines_of_values(found: Mapping[str, Any]) -> list[str]:
    """Describe sparse features in text."""
    from fastnet.report.text import counted

    groups = [] if found["groups"] is None else [f"groups: {found['groups']:,}, none of which is divided"]
    return [
        f"values: {found['values']:,} not zero ({100 * found['share_of_values']:.2g} %), "
        f"{found['values_per_sample']:.1f} a sample, from {found['low']:.5g} to {found['high']:.5g}",
        f"without a value: {counted(found['empty_samples'], 'sample')}, {counted(found['empty_columns'], 'column')}; "
        f"equal to an earlier sample: {found['equal_samples']:,}",
        *groups,
    ]


def column_row(column: Mapping[str, Any], rows: int) -> list[str]:
    """Write a column of a table as a row of text; a type that is in doubt has a question mark."""
    values, low, high = column["values"], column["low"], column["high"]
    shown = f"{ended(low)} to {ended(high)}" if low is not None else ""
    if values:
        shown = ", ".join(values[:LEVELS_SHOWN]) + (f", ... ({len(values):,})" if len(values) > LEVELS_SHOWN else "")
    share = column["missing"] / rows
    missing = f"{column['missing']:,} ({100 * share:.{1 if share < 0.1 else 0}f} %)" if share else ""
    kind = column["type"] if column["sure"] else f"{column['type']}?"
    return [column["column"], kind, missing, f"{column['distinct']:,}", shown, column["use"]]


def ended(end: float | str) -> str:
    """Write an end of a range: a date, or a number to five digits."""
    return end if isinstance(end, str) else f"{end:.5g}"
