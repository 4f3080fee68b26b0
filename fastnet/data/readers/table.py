"""Tables as data sets: features, targets and a test set from the columns of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.config.reading import Reading
from fastnet.data.bounds import check_room
from fastnet.data.dataset import Dataset
from fastnet.data.labels import as_labels, positions_of
from fastnet.data.schema import Passage, Schema, fields_of
from fastnet.data.tables.cells import levels_of, plain
from fastnet.data.tables.columns import Column, choices_of
from fastnet.data.tables.roles import Roles, roles_of
from fastnet.data.tables.scan import scan
from fastnet.data.tables.table import Table, open_table
from fastnet.data.tables.task import Task, task_of
from fastnet.data.validation import TEST_SEED, TEST_SHARE, split_of
from fastnet.errors import ConfigError, DataError


def read_table(source: Any, reading: Reading) -> Dataset:
    """Read a table as a data set, in two passes over its rows.

    Parameters
    ----------
    source : path or table
        Whatever `open_table` takes.
    reading : Reading

    Returns
    -------
    Dataset
        With `Dataset.schema`. The test set is chosen by class, by quantiles of numbers, by group or by time.

    Raises
    ------
    DataError
        If the table cannot be read, or its columns are not what `reading` names.
    ConfigError
        If a kind of column is unknown.

    Examples
    --------
    >>> table = {"size": [float(k) for k in range(10)], "kind": ["a", "b"] * 5}
    >>> read_table(table, Reading("kind"))
    Dataset('table': 8 samples, 1 features, 2 classes, 2 test samples)
    """
    table = open_table(source)
    roles = roles_of(
        table.names, reading.target, reading.features, reading.drop, reading.weights, reading.group, reading.time
    )
    columns = scan(table, choices_of(reading.types, table.names), roles.in_numbers, roles.unread(table.names))
    schema = _schema_of(table, columns, roles, reading.task)
    n_rows, features = columns[0].rows, len(schema.fields)
    needed = n_rows * (4 * features + 2 * 8 * len(schema.targets))
    check_room(table.name, needed, f"{n_rows:,} rows of {features:,} features take")
    rows = _Rows.of(schema, table)
    known = np.flatnonzero(~np.isnan(rows.y).any(axis=1))
    if len(known) < len(rows.y):
        lost = f"{len(rows.y) - len(known):,} rows without a target are left out."
        schema = replace(schema, notes=(*schema.notes, lost))
    if len(known) < 2:
        raise DataError(f"{table.name}: {len(known)} rows have a target, where at least 2 are needed")
    places = np.full(len(rows.y), -1)
    data = replace(_without_features(schema, table.name, rows.only(known)), numbers=reading.numbers)
    if reading.test is None or isinstance(reading.test, (int, float)):
        return _with_share(data, table, known, places, TEST_SHARE if reading.test is None else reading.test)
    places[known] = np.arange(len(known))
    data = replace(data, x=_frozen(schema.features(table, places)))
    return data if reading.test == "none" else _with_file(data, reading.test)


def _schema_of(table: Table, columns: tuple[Column, ...], roles: Roles, task: str) -> Schema:
    named = {column.name: column for column in columns}
    found = task_of([named[name] for name in roles.targets], task)
    for role, kinds in (("weights", ("number",)), ("time", ("number", "date"))):
        name = getattr(roles, role)
        if name is not None and named[name].kind not in kinds:
            raise DataError(
                f"{role}: column {name!r} is of kind {named[name].kind}, where {' or '.join(kinds)} is needed; name "
                "another column, or choose the kind of this one"
            )
    left_out = roles.left_out(columns)
    used = [column for column in columns if column.name not in left_out and column.name not in roles.targets]
    fields = tuple(field for column in used for field in fields_of(column))
    notes = tuple(_notes(table, columns, [*used, *(named[name] for name in roles.targets)], left_out, found))
    roles_left = {"weights": roles.weights, "group": roles.group, "time": roles.time}
    return Schema(columns, fields, roles.targets, found.kind, **roles_left, left_out=(*left_out.items(),), notes=notes)


def _notes(
    table: Table, columns: Sequence[Column], used: Sequence[Column], left_out: Mapping[str, str], task: Task
) -> Iterator[str]:
    yield from (f"{note[0].upper()}{note[1:]}." for note in table.notes)
    if not task.sure:
        other, way = ("classes", "classification") if task.kind == "regression" else ("numbers", "regression")
        remedy = (
            "make sure that they are classes"
            if "texts" in task.why
            else f"if they are {other}, choose the task {way!r}"
        )
        yield f"Uncertain task: {task.why}, taken for {task.kind}; {remedy}."
    found = {column.name: f"{column.kind}: {column.why}" for column in columns}
    yield from (f"Column {name!r} is left out: {reason}." for name, reason in left_out.items() if found[name] == reason)
    yield from (f"Column {column.name!r} is read as {column.kind}: {column.why}." for column in used if column.why)


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the rows of a table have in addition to features; `y` is (N, K), NaN where a target is missing."""

    y: NDArray[np.float64]
    weights: NDArray[np.float64] | None
    groups: NDArray[np.int64] | None
    times: NDArray[np.float64] | None

    @staticmethod
    def of(schema: Schema, table: Table) -> _Rows:
        names = (*schema.targets, schema.weights, schema.time)
        numbers = schema.values(table, [name for name in names if name is not None])
        for name in (schema.weights, schema.time):
            if name is not None and np.isnan(numbers[name]).any():
                row = int(np.flatnonzero(np.isnan(numbers[name]))[0]) + 1
                raise DataError(
                    f"{table.name}: column {name!r} has no number or date in row {row}; every row needs one"
                )
        weights = None if schema.weights is None else numbers[schema.weights]
        if weights is not None and not ((weights >= 0).all() and weights.any()):
            raise DataError(f"{table.name}: weights in column {schema.weights!r} must not be negative, nor all 0")
        groups = None if schema.group is None else _codes(table, schema.group)
        times = None if schema.time is None else numbers[schema.time]
        return _Rows(np.stack([numbers[name] for name in schema.targets], axis=1), weights, groups, times)

    def only(self, rows: NDArray[np.int64]) -> _Rows:
        weights, times = (None if each is None else each[rows] for each in (self.weights, self.times))
        return _Rows(self.y[rows], weights, None if self.groups is None else self.groups[rows], times)


def _codes(table: Table, name: str) -> NDArray[np.int64]:
    """Return a number for each row of a column, the same for the same value; a missing value is one of its own."""
    codes: dict[Any, int] = {}
    parts = [
        [codes.setdefault(text, len(codes)) for text in levels_of(plain(batch.column(0), name)).to_pylist()]
        for batch in table.batches([name])
    ]
    return np.concatenate([np.asarray(part, np.int64) for part in parts])


def _without_features(schema: Schema, name: str, rows: _Rows) -> Dataset:
    """Return a data set without a column in its features, from which a test set can be chosen."""
    y: NDArray[Any] = rows.y
    classes, names = np.empty(0, np.int64), schema.targets
    if schema.task == "classification":
        y, _, classes, names = as_labels(_labels(schema, rows.y), None, None)
    elif schema.task == "multilabel":
        y = _truths(schema, rows.y)
    return Dataset(
        x=np.empty((len(y), 0), np.float32),
        y=_frozen(y),
        classes=_frozen(classes),
        class_names=names,
        name=name,
        x_test=None,
        y_test=None,
        task=schema.task,
        fields=schema.fields,
        weights=None if rows.weights is None else _frozen(rows.weights.astype(np.float32)),
        groups=None if rows.groups is None else _frozen(rows.groups),
        times=None if rows.times is None else _frozen(rows.times),
        schema=schema,
    )


def _labels(schema: Schema, y: NDArray[np.float64]) -> NDArray[Any]:
    """Return the labels of a single target, as the table has them."""
    column = schema.column(schema.targets[0])
    if column.levels:
        found: NDArray[Any] = np.asarray(column.levels)[y[:, 0].astype(np.int64)]
        return found
    return y[:, 0].astype(np.int64) if column.whole and (np.abs(y[:, 0]) < 2.0**53).all() else y[:, 0]


def _truths(schema: Schema, y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return targets of two values each as 0 and 1."""
    high = [1.0 if (column := schema.column(name)).levels else column.high for name in schema.targets]
    truths: NDArray[np.float64] = (y == np.asarray(high)).astype(np.float64)
    return truths


def _with_share(
    data: Dataset, table: Table, known: NDArray[np.int64], places: NDArray[np.int64], share: float
) -> Dataset:
    """Add the features, and make a share of the rows the test set; both parts keep the order of the table."""
    parts = split_of(data, share, TEST_SEED)
    train, test = np.sort(parts.train), np.sort(parts.validation)
    places[known[train]], places[known[test]] = np.arange(len(train)), np.arange(len(train), len(known))
    assert data.schema is not None
    x = _frozen(data.schema.features(table, places))
    weights = data.weights
    kept = {name: array[train] for name in ("groups", "times") if (array := getattr(data, name)) is not None}
    return replace(
        data, x=x[: len(train)], x_test=x[len(train) :], y=_frozen(data.y[train]), y_test=_frozen(data.y[test]),
        weights=None if weights is None else _frozen(weights[train]),
        weights_test=None if weights is None else _frozen(weights[test]), **kept,
    )  # fmt: skip


def _with_file(data: Dataset, source: Any) -> Dataset:
    """Add a test set from a table of its own."""
    x, y, weights = read_like(data, source)
    return replace(data, x_test=x, y_test=y, weights_test=weights)


def read_like(dataset: Dataset, source: Any) -> tuple[NDArray[np.float32], NDArray[Any], NDArray[np.float32] | None]:
    """Read another table as the one of a data set was read: its features, targets and weights.

    Rows without a target are left out.

    Raises
    ------
    DataError
        If the table cannot be read, lacks a column, has no row with a target, or targets of other classes.
    ConfigError
        If the data set is not from a table.

    Examples
    --------
    >>> data = read_table({"size": [1.0, 2.0, 3.0, 4.0], "kind": ["a", "b"] * 2}, Reading("kind", test="none"))
    >>> x, y, weights = read_like(data, {"kind": ["b", "a", None], "size": [7.0, 8.0, 9.0]})
    >>> x.tolist(), y.tolist()
    ([[7.0], [8.0]], [1, 0])
    """
    if dataset.schema is None:
        raise ConfigError(f"{dataset.name} is not from a table, so that no other table can be read like it")
    truth = Truth(dataset.schema, dataset.classes, dataset.class_names)
    xs, ys, weights = zip(*truth.parts(source, weighted=dataset.weights is not None), strict=True)
    y = np.concatenate(ys)
    if not len(y):
        raise DataError(f"{open_table(source).name}: no row has a target")
    known = [each for each in weights if each is not None]
    return _frozen(np.concatenate(xs)), _frozen(y), _frozen(np.concatenate(known)) if known else None


@dataclass(frozen=True, slots=True)
class Truth:
    """The targets of a table like the one of a schema, as a model with these classes understands them.

    Attributes
    ----------
    schema : Schema
    classes : ndarray
        Values of the classes; empty for numbers and labels.
    class_names : tuple of str
    """

    schema: Schema
    classes: NDArray[Any]
    class_names: tuple[str, ...]

    def parts(
        self, source: Any, *, weighted: bool, passages: list[Passage] | None = None
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[Any], NDArray[np.float32] | None]]:
        """Read features, targets and weights, a batch at a time, of the rows that have a target.

        The passage over the table is added to `passages`.
        """
        schema = self.schema
        also = (*schema.targets, *((schema.weights,) if weighted and schema.weights else ()))
        passage = schema.read(source, also)
        if passages is not None:
            passages.append(passage)
        sign = passage.table.sign
        for x, cells in passage:
            values = np.stack([schema.column(name).values(cells[name], sign) for name in schema.targets], axis=1)
            rows = np.flatnonzero(~np.isnan(values).any(axis=1))
            weights = None
            if weighted and schema.weights:
                weights = schema.column(schema.weights).values(cells[schema.weights], sign)[rows].astype(np.float32)
                _check_weights(weights, passage.table.name, schema.weights)
            yield x[rows], self._targets(values[rows], passage.table.name), weights

    def answered(
        self, source: Any, answer: Callable[[NDArray[np.float32]], NDArray[Any]], passages: list[Passage]
    ) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[np.float32] | None]]:
        """Read as `parts` does, with the answers of a model in place of the features, which are not kept.

        Weights are read if the table has their column.
        """
        table = open_table(source)
        for x, y, weights in self.parts(table, weighted=self.schema.weights in table.names, passages=passages):
            yield answer(x), y, weights

    def _targets(self, values: NDArray[np.float64], shown: str) -> NDArray[Any]:
        schema = self.schema
        for name, column in zip(schema.targets, values.T, strict=True):
            if (column < 0).any() and schema.column(name).levels:
                raise DataError(f"{shown}: target {name!r} has values that the training rows do not have")
        if schema.task == "classification":
            if not len(values):
                return np.empty(0, np.int64)
            return positions_of(_labels(schema, values), self.classes, self.class_names, name=schema.targets[0])
        return _truths(schema, values) if schema.task == "multilabel" else values


def _check_weights(weights: NDArray[np.float32], shown: str, name: str) -> None:
    if not (weights >= 0).all():
        raise DataError(f"{shown}: weights in column {name!r} must be numbers from 0; one is negative or missing")


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array
