"""What stands between a table and the first layer, learnt from the training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnet.data.coerce import blocks
from fastnet.data.fields import Field
from fastnet.data.pipeline.categories import Levels, fit_levels
from fastnet.data.pipeline.encoded import Encoded
from fastnet.data.pipeline.missing import Filling, fit_filling
from fastnet.data.pipeline.numbers import Scaling, edges_of, into_bins, ranks, robust, standard
from fastnet.data.pipeline.sound import DENSE_KINDS, check_sound
from fastnet.errors import DataError

NUMBERS = ("piecewise", "robust", "standard", "quantile")
"""How the first layer can read numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class TablePipeline:
    """The inputs of the first layer as functions of a table's columns.

    Numbers come first, then the indicators of missing values, booleans, and ordered categories: the dense inputs. The
    bins of numbers and ordered categories follow, then the levels of the other categories.

    Attributes
    ----------
    fields : tuple of Field
        The columns.
    numbers : {"piecewise", "robust", "standard", "quantile"}
        How numbers are read.
    filling : Filling
        What stands in for missing values.
    dense : ndarray, int64
        Columns that are dense inputs.
    scaling : Scaling
        Theirs.
    encoded : ndarray, int64
        Columns that have bins.
    edges : tuple of ndarray, float64
        The edges of their bins.
    levels : tuple of Levels
        The categories.
    """

    fields: tuple[Field, ...]
    numbers: str
    filling: Filling
    dense: NDArray[np.int64]
    scaling: Scaling
    encoded: NDArray[np.int64]
    edges: tuple[NDArray[np.float64], ...]
    levels: tuple[Levels, ...]

    @property
    def dtype(self) -> np.dtype[np.floating[Any]]:
        """Type of the features, float32."""
        return np.dtype(np.float32)

    @property
    def of_images(self) -> bool:
        """Whether it was learnt from images: never."""
        return False

    @property
    def n_fields(self) -> int:
        """Number of features that it reads."""
        return len(self.fields)

    @property
    def blocks(self) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
        """Numbers of dense inputs, of each number's bins, and of each category's levels."""
        n_dense = len(self.dense) + len(self.filling.indicators)
        return n_dense, tuple(len(edges) - 1 for edges in self.edges), tuple(level.n_inputs for level in self.levels)

    @property
    def n_inputs(self) -> int:
        """Width of the first layer."""
        n_dense, n_bins, n_levels = self.blocks
        return n_dense + sum(n_bins) + sum(n_levels)

    @property
    def input_names(self) -> tuple[str, ...]:
        """A name for each input of the first layer."""
        n_numbers = sum(self.fields[place].kind == "number" for place in self.dense.tolist())
        names = [self.fields[place].name for place in self.dense.tolist()]
        names[n_numbers:n_numbers] = [f"{self.fields[place].name} missing" for place in self.filling.indicators]
        for place, edges in zip(self.encoded.tolist(), self.edges, strict=True):
            field = self.fields[place]
            shown = [field.shown(float(edge)) for edge in edges]
            names += [f"{field.name} from {low} to {high}" for low, high in pairwise(shown)]
        for level in self.levels:
            names += _level_names(level, self.fields[level.column])
        return tuple(names)

    def encode(self, x: NDArray[Any]) -> Encoded:
        """Turn (N, F) features into the short form of the inputs.

        Raises
        ------
        DataError
            If `x` has another number of features, or a number is infinite or too large once it is scaled.
        """
        if x.ndim != 2 or x.shape[1] != self.n_fields:
            raise DataError(f"x has shape {x.shape}: samples of {self.n_fields} features are needed")
        n_dense, n_bins, n_levels = self.blocks
        out = Encoded(
            np.empty((len(x), n_dense), np.float32),
            np.empty((len(x), len(n_bins)), np.uint16),
            np.empty((len(x), len(n_bins)), np.float32),
            np.empty((len(x), len(n_levels)), np.uint16),
            np.array(n_bins, np.int64),
            np.array(n_levels, np.int64),
        )
        for rows in blocks(len(x), max(self.n_fields, 1)):
            self._encode(np.asarray(x[rows], np.float32), rows, out)
        return out

    def _encode(self, x: NDArray[np.float32], rows: slice, out: Encoded) -> None:
        missing = self.filling.missing(x)
        values = np.where(missing, self.filling.values, x.astype(np.float64))
        n_numbers = sum(self.fields[place].kind == "number" for place in self.dense.tolist())
        indicators = slice(n_numbers, n_numbers + len(self.filling.indicators))
        with np.errstate(over="ignore", invalid="ignore"):  # refused below
            scaled = self.scaling.apply(values[:, self.dense]).astype(np.float32)
        self._check(scaled, values, rows.start)
        out.dense[rows, :n_numbers] = scaled[:, :n_numbers]
        out.dense[rows, indicators] = missing[:, self.filling.indicators]
        out.dense[rows, indicators.stop :] = scaled[:, n_numbers:]
        for number, (place, edges) in enumerate(zip(self.encoded.tolist(), self.edges, strict=True)):
            out.bins[rows, number], out.fractions[rows, number] = into_bins(values[:, place], edges)
        for number, level in enumerate(self.levels):
            out.levels[rows, number] = level.apply(x[:, level.column])

    def _check(self, scaled: NDArray[np.float32], values: NDArray[np.float64], begin: int) -> None:
        if not np.isfinite(scaled).all():
            row, number = divmod(int((~np.isfinite(scaled)).argmax()), scaled.shape[1])
            place = int(self.dense[number])
            raise DataError(
                f"row {begin + row} of column {self.fields[place].name} is {values[row, place]:g}: too far from the "
                "training samples to be scaled within float32; correct it or remove the row"
            )

    def apply(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Turn (N, F) features into the (N, n_inputs) float32 inputs in full; raise what `encode` raises."""
        out = np.empty((len(x), self.n_inputs), np.float32)
        for rows in blocks(len(x), max(self.n_inputs, self.n_fields)):
            out[rows] = self.encode(x[rows]).written_out()
        return out

    def to_parts(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return a description, ready for JSON, and the arrays by name, from which `table_from_parts` builds it."""
        header = {
            "fields": [asdict(field) for field in self.fields],
            "numbers": self.numbers,
            "levels": [
                {"column": level.column, "n_inputs": level.n_inputs, "rare": level.rare} for level in self.levels
            ],
        }
        arrays: dict[str, NDArray[Any]] = {
            "filling": self.filling.values,
            "indicators": self.filling.indicators,
            "dense": self.dense,
            "offset": self.scaling.offset,
            "scale": self.scaling.scale,
            "clipped": self.scaling.clipped.astype(np.int64),
            "encoded": self.encoded,
        }
        arrays |= _joined("knots", self.scaling.knots, np.float64) | _joined("scores", self.scaling.scores, np.float64)
        arrays |= _joined("edges", self.edges, np.float64)
        arrays |= _joined("inputs", [level.inputs for level in self.levels], np.int64)
        return header, {f"pipeline.{name}": array for name, array in arrays.items()}


def table_from_parts(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> TablePipeline:
    """Build what `TablePipeline.to_parts` described, equal to the last bit; raise `DataError` if parts do not fit."""
    fields = tuple(Field(**{**one, "levels": tuple(one["levels"])}) for one in header["fields"])

    def part(name: str) -> NDArray[Any]:
        return arrays[f"pipeline.{name}"]

    def parts(name: str) -> tuple[NDArray[Any], ...]:
        return tuple(np.split(part(name), np.cumsum(part(f"{name}.sizes"))[:-1])) if len(part(f"{name}.sizes")) else ()

    positions = np.array([field.kind != "number" for field in fields])
    described = zip(header["levels"], parts("inputs"), strict=True)
    pipeline = TablePipeline(
        fields=fields,
        numbers=str(header["numbers"]),
        filling=Filling(part("filling"), part("indicators"), positions),
        dense=part("dense"),
        scaling=Scaling(
            part("offset"), part("scale"), part("clipped").astype(np.bool_), parts("knots"), parts("scores")
        ),
        encoded=part("encoded"),
        edges=parts("edges"),
        levels=tuple(
            Levels(int(one["column"]), inputs, int(one["n_inputs"]), one["rare"]) for one, inputs in described
        ),
    )
    check_sound(pipeline)
    return pipeline


def fit_table(
    x: NDArray[np.float32], rows: NDArray[np.int64], fields: Sequence[Field], numbers: str = "piecewise"
) -> TablePipeline:
    """Learn what stands between a table and the first layer; `rows` are those to learn from.

    Examples
    --------
    >>> x = np.float32([[1, 0], [2, 1], [4, 0], [8, 1]])
    >>> fields = [Field("size", "number", "size"), Field("new", "boolean", "new", ("no", "yes"))]
    >>> pipeline = fit_table(x, np.arange(3), fields)
    >>> pipeline.blocks, pipeline.apply(x[1:2]).round(2).tolist()
    ((2, (2,), ()), [[0.0, 1.0, 1.0, 0.0]])
    """
    kinds = [field.kind for field in fields]
    filling = fit_filling(x[rows], kinds)
    dense = [place for kind in DENSE_KINDS for place in range(len(kinds)) if kinds[place] == kind]
    columns = [_fit_column(x[rows, place], fields[place], numbers) for place in dense]
    levels = [fit_levels(x[rows, k], k, fields[k].levels) for k in range(len(kinds)) if kinds[k] == "category"]
    encoded = [(place, one.edges) for place, one in zip(dense, columns, strict=True) if len(one.edges)]
    return TablePipeline(
        fields=tuple(fields),
        numbers=numbers,
        filling=filling,
        dense=np.array(dense, np.int64),
        scaling=Scaling(
            np.array([one.offset for one in columns], np.float64),
            np.array([one.scale for one in columns], np.float64),
            np.array([one.clipped for one in columns], np.bool_),
            tuple(one.knots for one in columns),
            tuple(one.scores for one in columns),
        ),
        encoded=np.array([place for place, _ in encoded], np.int64),
        edges=tuple(edges for _, edges in encoded),
        levels=tuple(level for level in levels if level.n_inputs),
    )


def _joined(name: str, several: Sequence[NDArray[Any]], dtype: type[Any]) -> dict[str, NDArray[Any]]:
    """Return arrays end to end, and their sizes."""
    sizes = np.array([len(one) for one in several], np.int64)
    return {name: np.concatenate([np.empty(0, dtype), *several]), f"{name}.sizes": sizes}


_NONE: NDArray[np.float64] = np.empty(0)


class _Column(NamedTuple):
    """What is learnt of one dense column."""

    offset: float
    scale: float
    clipped: bool = False
    edges: NDArray[np.float64] = _NONE
    knots: NDArray[np.float64] = _NONE
    scores: NDArray[np.float64] = _NONE


def _fit_column(column: NDArray[np.float32], field: Field, numbers: str) -> _Column:
    values = column.astype(np.float64)
    known = values[~np.isnan(values) & ((field.kind == "number") | (values >= 0))]
    edges = edges_of(known, len(column)) if numbers == "piecewise" and len(known) else _NONE
    if field.kind == "boolean":
        return _Column(0.5, 2.0)
    if field.kind == "ordered":
        half = (len(field.levels) - 1) / 2
        return _Column(half, 1.0 / half if half else 0.0, edges=edges)
    if not len(known):
        return _Column(0.0, 0.0)
    if numbers == "standard":
        return _Column(*standard(known))
    if numbers == "quantile":
        knots, scores = ranks(known)
        return _Column(0.0, 0.0, knots=knots, scores=scores)
    return _Column(*robust(known), clipped=True, edges=edges)


def _level_names(level: Levels, field: Field) -> list[str]:
    kept = level.n_inputs - level.rare
    by_input = {int(of): name for of, name in zip(level.inputs, field.levels, strict=False)}
    return [f"{field.name} = {by_input[k]}" for k in range(kept)] + [f"{field.name}, rare"] * level.rare
