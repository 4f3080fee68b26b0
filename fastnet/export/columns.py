"""The columns of a table as inputs of an ONNX graph, and the features that they become."""

from __future__ import annotations

import numpy as np

from fastnet.data.fields import Field
from fastnet.data.schema import Schema
from fastnet.data.tables.cells import MISSING, truths_of
from fastnet.data.tables.columns import Column
from fastnet.data.tables.dates import DAY, PARTS
from fastnet.export.graph import ML, Graph

SPELLINGS = tuple(sorted({*MISSING, *(text.upper() for text in MISSING), "NaN", "None", "NaT", "<NA>"}))
"""Texts that stand for a missing category in an ONNX input, the empty one first."""


def table_features(graph: Graph, schema: Schema) -> str:
    """Add an input for each column that the features are made of; return the (N, F) float32 features.

    Numbers and dates are (N, 1) floats with NaN for what is missing, all others (N, 1) texts. A column whose numbers
    float32 cannot distinguish is a double, and so is a date: Unix time in seconds.
    """
    made: dict[str, str] = {}
    for name in schema.features_from:
        column = schema.column(name)
        fields = [field for field in schema.fields if field.column == name]
        if column.kind == "date":
            made |= _date(graph, column, fields)
        elif column.kind == "number":
            made[name] = _number(graph, column, fields[0])
        else:
            made[name] = _level(graph, column)
    joined = graph.joined([made[field.name] for field in schema.fields])
    nan = graph.constant(np.float32(np.nan))
    return graph.op("Where", graph.op("IsInf", joined), nan, joined)  # the library takes infinite numbers for missing


def kind_of(column: Column, fields: tuple[Field, ...]) -> str:
    """Return the ONNX type of a column's input.

    Examples
    --------
    >>> kind_of(Column("id", "number", 9, 0, 9), (Field("id", "number", "id", offset=2.0**30),))
    'DOUBLE'
    """
    if column.kind == "date":
        return "DOUBLE"
    if column.kind == "number":
        return "DOUBLE" if any(field.offset for field in fields if field.column == column.name) else "FLOAT"
    return "STRING"


def _number(graph: Graph, column: Column, field: Field) -> str:
    kind = kind_of(column, (field,))
    value = graph.input(column.name, kind, ["N", 1], "a number; NaN if it is missing")
    dtype = np.float64 if kind == "DOUBLE" else np.float32
    for sentinel in column.sentinels:
        same = graph.op("Equal", value, graph.constant(dtype(sentinel)))
        value = graph.op("Where", same, graph.constant(dtype(np.nan)), value)
    if field.offset:
        value = graph.cast(graph.op("Sub", value, graph.constant(field.offset)), "FLOAT")
    return value


def _level(graph: Graph, column: Column) -> str:
    value = graph.input(column.name, "STRING", ["N", 1], "a text; empty if it is missing")
    places = dict.fromkeys(SPELLINGS, np.nan)
    known = [(level, float(position)) for position, level in enumerate(column.levels)]
    for level, position in [*known, *(truths_of(column.levels) if column.kind == "boolean" else ())]:
        for text in _spellings(level, boolean=column.kind == "boolean"):
            places.setdefault(text, position)
    texts = [*places]
    return graph.op(
        "LabelEncoder", value, domain=ML, keys_strings=texts, values_floats=[places[text] for text in texts],
        default_float=-1.0,
    )  # fmt: skip


def _spellings(level: str, *, boolean: bool) -> list[str]:
    """Return the texts that mean a level: whole numbers also as floats are written, truth values in any usual case."""
    texts = [level, level.lower(), level.upper(), level.capitalize()] if boolean else [level]
    return texts + [f"{text}.0" for text in texts if text.lstrip("-+").isdecimal()]


def _date(graph: Graph, column: Column, fields: list[Field]) -> dict[str, str]:
    """Return the parts of dates that are fields, by the names of these, in float32."""
    seconds = graph.input(column.name, "DOUBLE", ["N", 1], "a date as Unix time in seconds, UTC; NaN if it is missing")
    for day in column.sentinels:
        same = graph.op(
            "Equal", graph.op("Floor", graph.op("Div", seconds, graph.constant(DAY))), graph.constant(day / DAY)
        )
        seconds = graph.op("Where", same, graph.constant(np.float64(np.nan)), seconds)
    parts = [field.name.removeprefix(f"{column.name}.") for field in fields if field.name != column.name]
    found = {f"{column.name}.{part}": value for part, value in _parts(graph, seconds, parts).items()}
    [whole] = [field for field in fields if field.name == column.name]
    days = graph.op("Div", seconds, graph.constant(DAY))
    found[column.name] = graph.op("Sub", days, graph.constant(whole.offset)) if whole.offset else days
    return {name: graph.cast(value, "FLOAT") for name, value in found.items()}


def _parts(graph: Graph, seconds: str, wanted: list[str]) -> dict[str, str]:
    """Compute parts of dates as `fastnet.data.tables.dates.part_of` does; NaN stays NaN.

    The calendar repeats after 400 years, of 146,097 days; a year that begins in March has its leap day at the end
    (H. Hinnant, *chrono-compatible low-level date algorithms*, ``civil_from_days``).
    """

    def number(value: float) -> str:
        return graph.constant(np.float64(value))

    def whole(value: str, divisor: float) -> str:
        return graph.op("Floor", graph.op("Div", value, number(divisor)))

    def less(value: str, *others: str) -> str:
        for other in others:
            value = graph.op("Sub", value, other)
        return value

    def times(value: str, factor: float, more: float = 0.0) -> str:
        product = graph.op("Mul", value, number(factor))
        return graph.op("Add", product, number(more)) if more else product

    days = whole(seconds, DAY)
    found = {}
    if "weekday" in wanted:
        since = graph.op("Add", days, number(3.0))  # the first of January 1970 was a Thursday
        found["weekday"] = less(since, times(whole(since, 7.0), 7.0))
    if "hour" in wanted:
        found["hour"] = whole(less(seconds, times(days, DAY)), 3600.0)
    if not {"year", "month", "day"} & {*wanted}:
        return found
    shifted = graph.op("Add", days, number(719468.0))  # days since the first of March of the year 0
    cycle = whole(shifted, 146097.0)
    day = less(shifted, times(cycle, 146097.0))
    corrected = graph.op("Add", less(day, whole(day, 1460.0), whole(day, 146096.0)), whole(day, 36524.0))
    year = whole(corrected, 365.0)
    before = graph.op("Sub", graph.op("Add", times(year, 365.0), whole(year, 4.0)), whole(year, 100.0))
    day = less(day, before)
    month = whole(times(day, 5.0, 2.0), 153.0)  # 0 for March
    found["day"] = graph.op("Add", less(day, whole(times(month, 153.0, 2.0), 5.0)), number(1.0))
    late = graph.op("GreaterOrEqual", month, number(10.0))  # January and February belong to the next year
    shift = graph.op("Where", late, number(-9.0), number(3.0))
    found["month"] = graph.op("Add", month, shift)
    found["year"] = graph.op("Add", graph.op("Add", year, times(cycle, 400.0)), graph.cast(late, "DOUBLE"))
    return {part: found[part] for part in PARTS if part in wanted}
