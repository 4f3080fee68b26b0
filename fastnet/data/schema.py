"""What the columns of a table are and become: it reads the table that a model is trained on, and any other like it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet.data.fields import Field
from fastnet.data.tables.cells import plain, zoned_in
from fastnet.data.tables.columns import Column, listed
from fastnet.data.tables.dates import DAY, part_of
from fastnet.data.tables.described import are_texts, check_columns
from fastnet.data.tables.table import Table, open_table
from fastnet.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

TASK_KINDS = ("classification", "regression", "multilabel")

MOST_STRAYS = 0.5
"""Share of the values of a column that may be new to it before the column is reported to be of another type."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of a table, and what becomes of each.

    Attributes
    ----------
    columns : tuple of Column
        All of the table, in its order.
    fields : tuple of Field
        What each column of the features holds; a date has several.
    targets : tuple of str
    task : {"classification", "regression", "multilabel"}
    weights, group, time : str or None
        Columns with the weight of a row, the group it belongs to, and when it happened.
    left_out : tuple of (str, str)
        Columns that are not used, each with the reason.
    notes : tuple of str
        What a user should know about how the table was read, a sentence each.
    """

    columns: tuple[Column, ...]
    fields: tuple[Field, ...]
    targets: tuple[str, ...]
    task: str
    weights: str | None = None
    group: str | None = None
    time: str | None = None
    left_out: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def features_from(self) -> tuple[str, ...]:
        """Columns that the features are made of."""
        return tuple(dict.fromkeys(field.column for field in self.fields))

    def column(self, name: str) -> Column:
        """Return a column by its name."""
        return next(column for column in self.columns if column.name == name)

    def features(self, table: Any, places: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """Read the features of a table.

        Parameters
        ----------
        table : Table, or whatever `open_table` takes
        places : ndarray, shape (rows of the table,), int64, optional
            Row of the result for each row of the table, -1 to leave it out. With it the matrix is filled as the table
            is read, without a second copy.

        Returns
        -------
        ndarray, shape (N, F), float32, C-contiguous

        Raises
        ------
        DataError
            If the table cannot be read, or lacks a column.
        """
        if places is None:
            parts = list(self.batches(table))
            return np.concatenate(parts) if parts else np.empty((0, len(self.fields)), np.float32)
        made, end = np.empty((int(places.max(initial=-1)) + 1, len(self.fields)), np.float32), 0
        for part in self.batches(table):
            rows = places[end : end + len(part)]
            made[rows[rows >= 0]] = part if (rows >= 0).all() else part[rows >= 0]
            end += len(part)
        return made

    def batches(self, table: Any) -> Iterator[NDArray[np.float32]]:
        """Read the features of a table, a batch of rows at a time, in order.

        Raises
        ------
        DataError
            If the table cannot be read, or lacks a column.
        """
        opened = self._opened(table)
        for batch in opened.batches(self.features_from):
            yield self._features(self._values(batch, opened.sign), batch.num_rows)

    def read(self, table: Any, also: Sequence[str] = ()) -> Passage:
        """Return a passage over a table like the one of the schema, in batches, which compares the two on the way.

        `also` names more columns of the table; each batch has their cells.

        Raises
        ------
        DataError
            If the table cannot be read, or lacks a column.
        """
        opened = self._opened(table)
        _check_has(opened, also)
        return Passage(self, opened, also)

    def _values(self, batch: pa.RecordBatch, sign: str) -> dict[str, NDArray[np.float64]]:
        return {name: self.column(name).values(batch.column(name), sign) for name in self.features_from}

    def _features(self, values: Mapping[str, NDArray[np.float64]], n: int) -> NDArray[np.float32]:
        made = np.empty((n, len(self.fields)), np.float32)
        for place, field in enumerate(self.fields):
            try:
                with np.errstate(over="raise"):
                    made[:, place] = _values_of(field, self.column(field.column), values[field.column])
            except FloatingPointError:
                raise DataError(
                    f"column {field.column!r} has numbers beyond 3e38, the range of float32; correct them, or drop it"
                ) from None
        return made

    def values(self, table: Any, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Read columns of a table as numbers, all in one pass; see `Column.values`.

        Raises
        ------
        DataError
            If the table cannot be read, or lacks a column.
        """
        opened = open_table(table)
        _check_has(opened, names)
        parts: dict[str, list[NDArray[np.float64]]] = {name: [np.empty(0)] for name in names}
        for batch in opened.batches([*parts]):
            for name, found in parts.items():
                found.append(self.column(name).values(batch.column(name), opened.sign))
        return {name: np.concatenate(found) for name, found in parts.items()}

    def _opened(self, table: Any) -> Table:
        opened = open_table(table)
        _check_has(opened, self.features_from)
        return opened

    def to_dict(self) -> dict[str, Any]:
        """Return the schema as JSON holds it."""
        made: dict[str, Any] = dataclasses.asdict(self)
        for column in made["columns"]:
            column["low"], column["high"] = (None if np.isnan(v) else v for v in (column["low"], column["high"]))
        return made

    @staticmethod
    def from_dict(made: Mapping[str, Any]) -> Schema:
        """Return the schema that `to_dict` wrote.

        Raises
        ------
        DataError
            If something is missing or unknown.
        """
        try:
            plain = {name: _tupled(value) for name, value in made.items()}
            plain["columns"] = tuple(_column_of(each) for each in made["columns"])
            plain["fields"] = tuple(Field(**{name: _tupled(v) for name, v in each.items()}) for each in made["fields"])
            schema = Schema(**plain)
        except (TypeError, KeyError, AttributeError) as error:
            raise DataError(f"the description of the table's columns is damaged ({error})") from None
        schema._check_sound()
        return schema

    def _check_sound(self) -> None:
        """Raise `DataError` unless all names in the description of a file are those of its columns."""
        check_columns(self.columns)
        roles = tuple(name for name in (self.weights, self.group, self.time) if name is not None)
        left_out = all(are_texts(pair) and len(pair) == 2 for pair in self.left_out)
        fields = all(are_texts((f.name, f.kind, f.column)) and are_texts(f.levels) for f in self.fields)
        fields = fields and all(isinstance(f.offset, (int, float)) for f in self.fields)
        sound = are_texts(self.targets) and are_texts(roles) and are_texts(self.notes) and left_out and fields
        known = {column.name for column in self.columns}
        if not (sound and {*self.features_from, *self.targets, *roles} <= known and self.task in TASK_KINDS):
            raise DataError("the description of the table's columns is damaged (a name is not that of a column)")
        made = {name: fields_of(self.column(name)) for name in self.features_from}
        if any((f.kind, f.levels) not in [(own.kind, own.levels) for own in made[f.column]] for f in self.fields):
            raise DataError("the description of the table's columns is damaged (their levels are not the inputs')")

    def check(self, table: Any) -> list[str]:
        """Compare a table with the one that the schema is from.

        Returns
        -------
        list of str
            Each difference as a sentence; empty if there is none that matters to a model.

        Raises
        ------
        DataError
            If the table cannot be read.
        """
        opened = open_table(table)
        said = [f"Column {name!r} is missing." for name in self.features_from if name not in opened.names]
        counts = {name: np.zeros(3, np.int64) for name in self.features_from if name in opened.names}
        for batch in opened.batches([*counts]):
            for name in counts:
                values = self.column(name).values(batch[name], opened.sign)
                counts[name] += _counted(self.column(name), batch.column(name), values)
        return said + self._unknown(opened) + self._differences(counts)

    def _unknown(self, table: Table) -> list[str]:
        known = {column.name for column in self.columns}
        return [f"Column {name!r} is unknown and is ignored." for name in table.names if name not in known]

    def _differences(self, counts: Mapping[str, NDArray[np.int64]]) -> list[str]:
        return [text for name, found in counts.items() for text in self._said_of(name, *found.tolist())]

    def _said_of(self, name: str, known: int, strange: int, missing: int) -> list[str]:
        column = self.column(name)
        said = []
        if missing and not known:
            said.append(f"Column {name!r} has no values.")
        elif missing and not column.missing:
            said.append(f"Column {name!r} has {missing:,} missing values; in training it had none.")
        if strange and not column.levels:
            other = strange > MOST_STRAYS * known
            what = "other values than" if other else f"{strange:,} values that are no"
            said.append(f"Column {name!r} has {what} {_plural(column)}.")
        if strange and column.levels:
            said.append(f"Column {name!r} has {strange:,} values that did not occur in training.")
        return said


class Passage:
    """One pass over a table like the one of a schema.

    Iterating yields, for each batch of rows, their (n, F) float32 features and the cells of the columns that were asked
    for, by name. `n_rows` and `differences` grow on the way.

    Raises
    ------
    DataError
        While iterating, if the table is damaged, or more than half of a column's values are of another type.
    """

    def __init__(self, schema: Schema, table: Table, also: Sequence[str]) -> None:
        self.table = table
        self._schema, self._also = schema, tuple(also)
        self.n_rows = 0
        self._counts = {name: np.zeros(3, np.int64) for name in schema.features_from}
        self._zones: dict[str, bool] = {}  # columns of dates with a time zone where training had none, and the reverse

    def __iter__(self) -> Iterator[tuple[NDArray[np.float32], dict[str, pa.Array]]]:
        schema = self._schema
        for batch in self.table.batches(tuple(dict.fromkeys((*schema.features_from, *self._also)))):
            values = schema._values(batch, self.table.sign)
            for name, found in self._counts.items():
                found += _counted(schema.column(name), batch.column(name), values[name])
                self._check_type(name, batch.column(name), values[name])
                self._look_at_zone(name, batch.column(name))
            self.n_rows += batch.num_rows
            yield schema._features(values, batch.num_rows), {name: batch.column(name) for name in self._also}

    @property
    def differences(self) -> list[str]:
        """How the rows so far differ from those of the schema, a sentence each; see `Schema.check`."""
        numbers = self._schema.column
        signs = {numbers(name).decimal for name in self._schema.features_from if numbers(name).kind == "number"}
        doubt = self.table.numbers.doubtful and not self.table.numbers.decided and self.table.decimal not in signs
        said = ["Numbers with three digits after a comma or a point are read as thousands, as in training."]
        zones = [
            f"Column {name!r} has dates {'with' if zoned else 'without'} a time zone, unlike in training; those "
            "without one are taken for UTC."
            for name, zoned in self._zones.items()
        ]
        return self._schema._unknown(self.table) + said * doubt + zones + self._schema._differences(self._counts)

    def _look_at_zone(self, name: str, cells: pa.Array) -> None:
        column = self._schema.column(name)
        zoned = zoned_in(cells) if column.kind == "date" and column.zoned is not None else None
        if zoned is not None and zoned != column.zoned:
            self._zones[name] = zoned

    def _check_type(self, name: str, cells: pa.Array, values: NDArray[np.float64]) -> None:
        known, strange, _ = self._counts[name].tolist()
        column = self._schema.column(name)
        if column.levels or strange <= MOST_STRAYS * known:
            return
        lost = np.flatnonzero(np.isnan(values) & ~plain(cells, name).is_null().to_numpy(zero_copy_only=False))
        shown = f", such as {str(cells[int(lost[0])])[:40]!r}" if len(lost) else ""
        raise DataError(
            f"{self.table.name}: column {name!r} held {_plural(column)} in training, and here it has other values"
            f"{shown}; give a table of the same kind"
        )


def _plural(column: Column) -> str:
    return "dates" if column.kind == "date" else "numbers"


def _counted(column: Column, cells: pa.Array, values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the numbers of values, of those that are new to the column, and of missing ones."""
    lost = int(np.isnan(values).sum())
    if column.levels:
        strange, missing = int((values == -1).sum()), lost
    elif column.sentinels:  # they count as missing, so that strays cannot be told from them
        strange, missing = 0, plain(cells, column.name).null_count
    else:
        missing = plain(cells, column.name).null_count if lost else 0
        strange = lost - missing
    return np.array([len(cells) - missing, strange, missing])


def fields_of(column: Column) -> tuple[Field, ...]:
    """Return what a column of a table becomes in the features; a date its parts that vary.

    Examples
    --------
    >>> [f.name for f in fields_of(Column("day", "date", 9, 0, 9, 0.0, 864000.0, parts=("day", "weekday")))]
    ['day.day', 'day.weekday', 'day']
    """
    if column.kind == "date":
        parts = tuple(Field(f"{column.name}.{part}", "number", column.name) for part in column.parts)
        return (*parts, Field(column.name, "number", column.name, offset=float(np.floor(column.low / DAY))))
    if column.kind == "number":
        return (Field(column.name, "number", column.name, offset=_offset(column)),)
    return (Field(column.name, column.kind, column.name, column.levels),)


def _offset(column: Column) -> float:
    """Return what must be subtracted for float32 to keep apart what is different; mostly nothing."""
    largest = max(abs(column.low), abs(column.high))
    if largest > 1024.0 * (column.high - column.low) or (column.whole and largest > 2.0**24):
        return float(np.floor(column.low))
    return 0.0


def _values_of(field: Field, column: Column, values: NDArray[np.float64]) -> NDArray[np.float64]:
    if column.kind != "date":
        return values - field.offset if field.offset else values
    if field.name == column.name:
        return values / DAY - field.offset
    return part_of(values, field.name.removeprefix(f"{column.name}."))


def _check_has(table: Table, names: Sequence[str]) -> None:
    lost = [name for name in names if name not in table.names]
    if lost:
        names_lost = listed([repr(name) for name in lost])
        what = f"column {names_lost} is" if len(lost) == 1 else f"columns {names_lost} are"
        raise DataError(f"{table.name}: {what} missing; it has {listed(table.names)}")


def _column_of(made: Mapping[str, Any]) -> Column:
    nan = {name: np.nan for name in ("low", "high") if made[name] is None}
    return Column(**{name: _tupled(value) for name, value in made.items()} | nan)


def _tupled(value: Any) -> Any:
    return tuple(_tupled(each) for each in value) if isinstance(value, list) else value
