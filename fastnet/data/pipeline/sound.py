"""Whether the pipeline of a table that comes from a file can be used: compiled code reads where its numbers point."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.data.fields import Field
from fastnet.data.pipeline.categories import MAX_LEVELS, Levels
from fastnet.errors import DataError

DENSE_KINDS = ("number", "boolean", "ordered")
"""Kinds of columns that are dense inputs, in the order of the inputs."""


def check_sound(pipeline: Any) -> None:
    """Raise `DataError` unless all parts of a `TablePipeline`, which imports this module, fit one another.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from fastnet.data.fields import Field
    >>> from fastnet.data.pipeline.table import fit_table
    >>> pipeline = fit_table(np.float32([[1], [2], [4]]), np.arange(3), [Field("size", "number", "size")])
    >>> check_sound(replace(pipeline, dense=np.array([7])))
    Traceback (most recent call last):
    ...
    fastnet.errors.DataError: the inputs of its columns are damaged (dense)
    """
    for field in pipeline.fields:
        _check(_is_field(field), "fields")
    kinds = [field.kind for field in pipeline.fields]
    dense = [place for kind in DENSE_KINDS for place in range(len(kinds)) if kinds[place] == kind]
    _check(_are_places(pipeline.dense) and pipeline.dense.tolist() == dense, "dense")
    filling, scaling = pipeline.filling, pipeline.scaling
    _check(_are_numbers(filling.values, len(kinds)), "filling")
    _check(_are_places(filling.indicators, dense), "indicators")
    _check(_are_numbers(scaling.offset, len(dense)) and _are_numbers(scaling.scale, len(dense)), "scale")
    _check(scaling.clipped.shape == (len(dense),), "clipped")
    _check(len(scaling.knots) == len(scaling.scores) == len(dense), "knots")
    for knots, scores in zip(scaling.knots, scaling.scores, strict=True):
        _check(_rise(knots) and _are_numbers(scores, len(knots)), "knots")
    _check(_are_places(pipeline.encoded, dense) and len(pipeline.edges) == len(pipeline.encoded), "encoded")
    for edges in pipeline.edges:
        _check(_rise(edges) and 3 <= len(edges) < 2**16, "edges")
    _check(len({level.column for level in pipeline.levels}) == len(pipeline.levels), "levels")
    for level in pipeline.levels:
        _check(_are_levels(level, pipeline.fields), "levels")


def _check(sound: object, what: str) -> None:
    if not sound:
        raise DataError(f"the inputs of its columns are damaged ({what})")


def _is_field(field: Field) -> bool:
    texts = (field.name, field.column, *field.levels)
    known = field.kind in (*DENSE_KINDS, "category") and all(isinstance(text, str) for text in texts)
    return known and isinstance(field.offset, (int, float)) and bool(np.isfinite(field.offset))


def _are_places(values: NDArray[Any], among: list[int] | None = None) -> bool:
    """Whether an array has places of columns, each once."""
    if values.ndim != 1 or values.dtype != np.int64:
        return False
    places = values.tolist()
    return len(set(places)) == len(places) and (among is None or set(places) <= set(among))


def _are_numbers(values: NDArray[Any], n: int) -> bool:
    return values.shape == (n,) and values.dtype == np.float64 and bool(np.isfinite(values).all())


def _rise(values: NDArray[Any]) -> bool:
    return values.ndim == 1 and _are_numbers(values, len(values)) and bool((values[1:] > values[:-1]).all())


def _are_levels(level: Levels, fields: tuple[Field, ...]) -> bool:
    if not 0 <= level.column < len(fields) or fields[level.column].kind != "category":
        return False
    shape = (len(fields[level.column].levels) + 1,)
    sound = 1 <= level.n_inputs <= MAX_LEVELS + 1 and isinstance(level.rare, bool)
    sound = sound and level.inputs.shape == shape and level.inputs.dtype == np.int64
    return sound and bool(((level.inputs >= 0) & (level.inputs <= level.n_inputs)).all())
