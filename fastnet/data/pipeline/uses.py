"""What becomes of each column of a table, in words."""

from __future__ import annotations

from typing import NamedTuple

from fastnet.data.fields import Field
from fastnet.data.pipeline.table import TablePipeline
from fastnet.data.schema import Schema


class Use(NamedTuple):
    """What becomes of a column.

    Attributes
    ----------
    column, kind : str
    use : str
        Its inputs, or why it has none.
    """

    column: str
    kind: str
    use: str


def uses_of(schema: Schema, pipeline: TablePipeline) -> tuple[Use, ...]:
    """Describe what becomes of each column of a table, in its order.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnet.data import load
    >>> from fastnet.data.pipeline.pipeline import fit_pipeline
    >>> table = {"size": [k % 9 + 0.5 for k in range(60)], "one": [1] * 60, "kind": ["a", "b", "c"] * 20}
    >>> data = load(table, target="kind")
    >>> for use in uses_of(data.schema, fit_pipeline(data, np.arange(data.n_samples))):
    ...     print(*use, sep=" | ")
    size | number | value and 8 bins
    one | constant | left out: every value is 1
    kind | category | target
    """
    reasons = dict(schema.left_out)
    inputs: dict[str, list[tuple[Field, str]]] = {}
    for place, field in enumerate(schema.fields):
        inputs.setdefault(field.column, []).append((field, _inputs(place, field, pipeline)))
    made = []
    for column in schema.columns:
        if column.name in schema.targets:
            use = "target"
        elif column.name in reasons:
            use = f"left out: {reasons[column.name].removeprefix(f'{column.kind}: ')}"
            use = reasons[column.name] if column.name in (schema.weights, schema.group, schema.time) else use
        else:
            use = "; ".join(_named(column.name, field, words) for field, words in inputs[column.name])
        made.append(Use(column.name, column.kind, use))
    return tuple(made)


def _inputs(place: int, field: Field, pipeline: TablePipeline) -> str:
    words = []
    level = next((level for level in pipeline.levels if level.column == place), None)
    if field.kind == "category":
        n = 0 if level is None else level.n_inputs
        values = "one a value" if n == len(field.levels) else "for the most frequent values"
        words.append(f"{n} inputs, {'one for all rare values' if level is not None and level.rare else values}")
    else:
        words.append({"number": "value", "ordered": "position", "boolean": "one input"}[field.kind])
    bins = [len(edges) - 1 for k, edges in zip(pipeline.encoded.tolist(), pipeline.edges, strict=True) if k == place]
    words += [f"{n} bins" for n in bins]
    if place in pipeline.filling.indicators.tolist():
        words.append("whether it is missing")
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _named(column: str, field: Field, words: str) -> str:
    """Name the part of a date that has these inputs."""
    return words if field.name == column else f"{field.name.removeprefix(f'{column}.')}: {words}"
