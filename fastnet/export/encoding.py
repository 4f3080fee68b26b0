"""What stands between features and first layer, as nodes of an ONNX graph."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastnet.data.pipeline.numbers import BOUND, Scaling
from fastnet.data.pipeline.pipeline import Pipeline
from fastnet.data.pipeline.scaling import Scaler
from fastnet.data.pipeline.sparse import SparseScaler
from fastnet.data.pipeline.table import TablePipeline
from fastnet.export.graph import Graph


def first_inputs(graph: Graph, features: str, pipeline: Pipeline, *, double: bool) -> str:
    """Return the (N, I) float32 inputs of (N, F) features, which are float64 with `double`, else float32."""
    if isinstance(pipeline, Scaler):
        return _scaled(graph, features, pipeline, double=double)
    single = graph.cast(features, "FLOAT") if double else features
    if isinstance(pipeline, SparseScaler):
        return single if pipeline.factors is None else graph.op("Mul", single, graph.constant(pipeline.factors))
    assert isinstance(pipeline, TablePipeline)
    return _written_out(graph, single, pipeline)


def _scaled(graph: Graph, features: str, scaler: Scaler, *, double: bool) -> str:
    precise = scaler.dtype == np.float64
    given = graph.cast(features, "FLOAT") if double and not precise else features
    shifted = graph.op("Sub", given, graph.constant(scaler.offset)) if scaler.offset.any() else given
    scaled = graph.op("Mul", shifted, graph.constant(scaler.scale))
    return graph.cast(scaled, "FLOAT") if precise else scaled


def _written_out(graph: Graph, x: str, pipeline: TablePipeline) -> str:
    """Return what `TablePipeline.apply` makes of features: dense inputs, bins of numbers, levels of categories."""
    filling = pipeline.filling
    missing = graph.op("IsNaN", x)
    if filling.positions.any():
        unseen = graph.op("And", graph.op("Less", x, graph.constant(np.float32(0))), graph.constant(filling.positions))
        missing = graph.op("Or", missing, unseen)
    values = graph.op("Where", missing, graph.constant(filling.values), graph.cast(x, "DOUBLE"))
    parts = _dense(graph, values, missing, pipeline)
    if len(pipeline.encoded):
        parts.append(_bins(graph, values, pipeline))
    if pipeline.levels:
        parts.append(_levels(graph, x, pipeline))
    return graph.joined(parts)


def _dense(graph: Graph, values: str, missing: str, pipeline: TablePipeline) -> list[str]:
    """Return the dense inputs: numbers, where values are missing, booleans and ordered categories."""
    if not len(pipeline.dense):
        return []
    scaled = graph.cast(_apply(graph, graph.columns(values, pipeline.dense), pipeline.scaling), "FLOAT")
    indicators = pipeline.filling.indicators
    if not len(indicators):
        return [scaled]
    number = np.array([pipeline.fields[place].kind == "number" for place in pipeline.dense.tolist()])
    parts = [graph.columns(scaled, np.flatnonzero(number))] if number.any() else []
    parts.append(graph.columns(graph.cast(missing, "FLOAT"), indicators))
    return parts if number.all() else [*parts, graph.columns(scaled, np.flatnonzero(~number))]


def _apply(graph: Graph, values: str, scaling: Scaling) -> str:
    """Scale (N, A) values as `Scaling.apply` does."""
    shifted = graph.op("Sub", values, graph.constant(scaling.offset))
    z = graph.op("Mul", shifted, graph.constant(scaling.scale))
    if scaling.clipped.any():
        share = graph.op("Mul", z, graph.constant(np.where(scaling.clipped, 1.0 / BOUND, 0.0)))
        beyond = graph.op("Add", graph.op("Mul", share, share), graph.constant(np.float64(1.0)))
        z = graph.op("Div", z, graph.op("Sqrt", beyond))
    ranked = np.array([len(knots) > 0 for knots in scaling.knots])
    if ranked.any():
        z = graph.op("Where", graph.constant(ranked), _interpolated(graph, values, scaling), z)
    return z


def _interpolated(graph: Graph, values: str, scaling: Scaling) -> str:
    """Interpolate (N, A) values between the knots of their columns, which are found by halving."""
    curves = [_curve(*each) for each in zip(scaling.knots, scaling.scores, strict=True)]
    counts = np.array([len(knots) for knots, _ in curves])
    width = 1 << int(counts.max() - 1).bit_length()
    knots, scores = np.full((len(curves), width), np.inf), np.zeros((len(curves), width))
    for row, (own, become) in enumerate(curves):
        knots[row, : len(own)], scores[row, : len(own)] = own, become
    flat, begins = graph.constant(knots.ravel()), np.arange(len(curves)) * width
    place = graph.constant(begins)
    step = width // 2
    while step:
        further = graph.op("Add", place, graph.constant(np.int64(step)))
        beyond = graph.op("GreaterOrEqual", values, graph.op("Gather", flat, further))
        place = graph.op("Where", beyond, further, place)
        step //= 2
    place = graph.op("Min", place, graph.constant(begins + counts - 2))
    after = graph.op("Add", place, graph.constant(np.int64(1)))
    low, rise = _between(graph, flat, place, after)
    share = graph.op("Div", graph.op("Sub", values, low), rise)
    share = graph.op("Clip", share, graph.constant(np.float64(0)), graph.constant(np.float64(1)))
    low, rise = _between(graph, graph.constant(scores.ravel()), place, after)
    return graph.op("Add", low, graph.op("Mul", share, rise))


def _between(graph: Graph, flat: str, place: str, after: str) -> tuple[str, str]:
    low = graph.op("Gather", flat, place)
    return low, graph.op("Sub", graph.op("Gather", flat, after), low)


def _curve(
    knots: npt.NDArray[np.float64], scores: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return a curve of at least two knots; a single one is level, and so is that of a column without."""
    if len(knots) > 1:
        return knots, scores
    at, score = (knots[0], scores[0]) if len(knots) else (0.0, 0.0)
    return np.array([at, at + 1.0 + abs(at)]), np.array([score, score])


def _bins(graph: Graph, values: str, pipeline: TablePipeline) -> str:
    """Return the inputs of the bins: how much of each lies below the value, from 0 to 1."""
    widths = [len(edges) - 1 for edges in pipeline.edges]
    given = graph.columns(values, np.repeat(pipeline.encoded, widths))
    begins = np.concatenate([edges[:-1] for edges in pipeline.edges])
    lengths = np.concatenate([edges[1:] - edges[:-1] for edges in pipeline.edges])
    share = graph.op("Div", graph.op("Sub", given, graph.constant(begins)), graph.constant(lengths))
    clipped = graph.op("Clip", share, graph.constant(np.float64(0)), graph.constant(np.float64(1)))
    return graph.cast(clipped, "FLOAT")


def _levels(graph: Graph, x: str, pipeline: TablePipeline) -> str:
    """Return the inputs of the categories, of which the one of the value's level is 1."""
    places = np.array([level.column for level in pipeline.levels])
    n_levels = np.array([len(level.inputs) - 1 for level in pipeline.levels])
    begins = np.cumsum(n_levels + 2) - (n_levels + 2)
    given = graph.columns(x, places)
    known = graph.op("Where", graph.op("IsNaN", given), graph.constant((n_levels + 1).astype(np.float32)), given)
    unseen = graph.op("Less", known, graph.constant(np.float32(0)))
    known = graph.op("Where", unseen, graph.constant(n_levels.astype(np.float32)), known)
    row = graph.op("Add", graph.cast(known, "INT64"), graph.constant(begins.astype(np.int64)))
    own = np.concatenate([np.append(level.inputs, level.n_inputs) for level in pipeline.levels]).astype(np.int64)
    found = graph.op("Gather", graph.constant(own), row)
    widths = [level.n_inputs for level in pipeline.levels]
    each = graph.columns(found, np.repeat(np.arange(len(widths)), widths))
    numbers = np.concatenate([np.arange(width) for width in widths]).astype(np.int64)
    return graph.cast(graph.op("Equal", each, graph.constant(numbers)), "FLOAT")
