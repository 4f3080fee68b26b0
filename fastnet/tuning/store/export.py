"""Trials of a study as CSV, JSON lines or Parquet: the same trials give the same bytes.

Trials are ordered by number and read a few at a time, so a study of any size can be exported while a search is writing
to it. Apart from the columns whose names end in ``seconds``, the bytes do not depend on when, where, in which order or
in how many runs the trials were trained.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from fastnet.config.metric import DEFAULT_METRIC, score_name
from fastnet.errors import ConfigError
from fastnet.sheets import harmless_row
from fastnet.tuning.trial import TrialResult

if TYPE_CHECKING:
    import pyarrow as pa

    from fastnet.tuning.store.reading import StudyReader

FORMATS = ("csv", "jsonl", "parquet")
BATCH_TRIALS = 4096
"""Trials per row group of Parquet, and most that are in memory at a time."""


def curve_columns(score: str = DEFAULT_METRIC) -> tuple[str, ...]:
    """Return the exported names of the rows of `TrialResult.curves`.

    Examples
    --------
    >>> curve_columns("rmse")
    ('train_loss', 'train_rmse', 'validation_loss', 'validation_rmse')
    """
    return "train_loss", score_name("train", score), "validation_loss", score_name("validation", score)


def columns_of(study: StudyReader, *, times: bool = True, curves: bool = False) -> dict[str, str]:
    """Return the columns of an export, each with the kind of its values: ``integer``, ``real``, ``text`` or ``reals``.

    They are ``id, stage, status``, the searched hyperparameters, ``value, best_value, best_epoch, epochs``, then
    ``seconds`` with `times`, then the four curves with `curves`. A missing value, such as that of a diverged trial, is
    empty in CSV and null elsewhere.
    """
    columns = {"id": "integer", "stage": "integer", "status": "text", **study.param_types()}
    columns |= {"value": "real", "best_value": "real", "best_epoch": "integer", "epochs": "integer"}
    if times:
        columns["seconds"] = "real"
    return columns | dict.fromkeys(curve_columns(study.score) if curves else (), "reals")


def write_trials(
    study: StudyReader, stream: BinaryIO, *, format: str = "csv", times: bool = True, curves: bool = False
) -> int:
    """Write every trial of a study to a stream of bytes, which stays open; return the number of trials.

    Parameters
    ----------
    study : StudyReader
        An open study.
    stream : binary file
        The target.
    format : {"csv", "jsonl", "parquet"}
        CSV with a header, one JSON object per line, or Parquet with row groups of `BATCH_TRIALS`; text is UTF-8 with
        line feeds. Numbers have all their digits. In CSV, texts that a spreadsheet would take for formulas begin with
        an apostrophe.
    times : bool
        Whether to write the column ``seconds``. Without it, the bytes follow from the settings and the trials alone.
    curves : bool
        Whether to write learning curves, one number for each epoch that ran; not in CSV.

    Raises
    ------
    ConfigError
        If the format is unknown, or cannot hold curves.
    StudyError
        If the study cannot be read.
    OSError
        If the stream cannot be written to.

    Examples
    --------
    >>> import io, tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from fastnet.tuning import Study
    >>> times = {"wall_seconds": 1.0, "compile_seconds": 0.0, "compiled_seconds": 1.0}
    >>> stream = io.BytesIO()
    >>> with tempfile.TemporaryDirectory() as name, Study.open(Path(name), {"seed": 0}) as study:
    ...     curves = np.full((4, 1), 0.5, np.float32)
    ...     trial = TrialResult.from_curves(0, "done", {"dropout": 0.1}, curves, seconds=0.25)
    ...     study.append([trial], run=study.begin_run({}), **times)
    ...     write_trials(study, stream)
    1
    >>> print(stream.getvalue().decode(), end="")
    id,stage,status,dropout,value,best_value,best_epoch,epochs,seconds
    0,1,done,0.1,0.5,0.5,1,1,0.25
    """
    if format not in FORMATS:
        raise ConfigError(f"format={format!r}: must be one of {', '.join(FORMATS)}")
    if curves and format == "csv":
        raise ConfigError("CSV has no place for learning curves: choose jsonl or parquet, or leave the curves out")
    columns = columns_of(study, times=times, curves=curves)
    rows = (_row(trial, columns) for trial in study.iter_trials(curves=curves))
    write = {"csv": _write_csv, "jsonl": _write_lines, "parquet": _write_parquet}[format]
    return write(rows, columns, stream)


def to_arrow(study: StudyReader, *, curves: bool = False) -> pa.Table:
    """Return every trial of a study as a pyarrow.Table, columns as in `columns_of`."""
    import pyarrow as pa

    columns = columns_of(study, curves=curves)
    rows = (_row(trial, columns) for trial in study.iter_trials(curves=curves))
    return pa.Table.from_batches(_batches(rows, columns), schema=_schema(columns))


def _row(trial: TrialResult, columns: dict[str, str]) -> list[Any]:
    """Return one value for each column, None for a missing one."""
    row = []
    for name, kind in columns.items():
        value: Any = trial.params.get(name) if name in trial.params else getattr(trial, name, None)
        if kind == "reals":
            value = _reals(trial, name)
        elif kind == "real" and value is not None:
            value = float(value) if math.isfinite(value) else None
        elif kind == "text" and value is not None:
            value = str(value)
        row.append(value)
    return row


def _reals(trial: TrialResult, name: str) -> list[float | None] | None:
    """Return the epochs of a curve that ran, each as the double with the shortest digits of the float32."""
    curve = trial.curves[curve_columns(trial.score).index(name), : trial.epochs]
    if not trial.curves.size:
        return None
    return [value if math.isfinite(value) else None for value in map(float, curve.astype(str).tolist())]


def _write_csv(rows: Iterator[list[Any]], columns: dict[str, str], stream: BinaryIO) -> int:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    try:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(harmless_row(columns))
        count = 0
        for row in rows:
            writer.writerow(harmless_row(row))
            count += 1
        text.flush()
    finally:
        text.detach()
    return count


def _write_lines(rows: Iterator[list[Any]], columns: dict[str, str], stream: BinaryIO) -> int:
    count = 0
    for row in rows:
        line = json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False, allow_nan=False)
        stream.write(f"{line}\n".encode())
        count += 1
    return count


def _write_parquet(rows: Iterator[list[Any]], columns: dict[str, str], stream: BinaryIO) -> int:
    import pyarrow.parquet as pq

    count = 0
    with pq.ParquetWriter(stream, _schema(columns), compression="zstd") as writer:
        for batch in _batches(rows, columns):
            writer.write_batch(batch, row_group_size=BATCH_TRIALS)
            count += len(batch)
    return count


def _schema(columns: dict[str, str]) -> pa.Schema:
    import pyarrow as pa

    kinds = {"integer": pa.int64(), "real": pa.float64(), "text": pa.string(), "reals": pa.list_(pa.float32())}
    return pa.schema([(name, kinds[kind]) for name, kind in columns.items()])


def _batches(rows: Iterator[list[Any]], columns: dict[str, str]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    schema = _schema(columns)
    while some := list(itertools.islice(rows, BATCH_TRIALS)):
        arrays = [
            pa.array(values, type=field.type) for values, field in zip(zip(*some, strict=True), schema, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
