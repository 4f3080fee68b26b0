"""Trials as CSV, JSON lines and Parquet: the same trials give the same bytes."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from fastnet.errors import ConfigError
from fastnet.tuning import Study, TrialResult
from fastnet.tuning.store import export
from fastnet.tuning.store.export import FORMATS, columns_of, curve_columns, to_arrow, write_trials

SETTINGS = {"space": {"learning_rate": "log:1e-6:1e-2", "hidden": "choice:8,16x2", "batch_size": "int:10:100"}}
TIMES = {"wall_seconds": 2.0, "compile_seconds": 0.5, "compiled_seconds": 1.0}


def make_trial(number: int, seconds: float = 0.5) -> TrialResult:
    """Trial 4 diverges in its third epoch of four, trial 2 is stopped after two."""
    curves = np.random.default_rng(number).random((4, 4)).astype(np.float32)
    status = {4: "diverged", 2: "stopped"}.get(number, "done")
    if status != "done":
        curves[:, 2:] = np.nan
    params = {"learning_rate": 1e-3 * (number + 1), "hidden": "8" if number % 2 else "16x2", "batch_size": 10 + number}
    return TrialResult.from_curves(number, status, params, curves, seconds=seconds)


def fill(folder: Path, batches: list[list[int]], seconds: float = 0.5) -> None:
    for batch in batches:
        with Study.open(folder, SETTINGS) as study:
            study.append([make_trial(i, seconds) for i in batch], run=study.begin_run({}), **TIMES)


def exported(folder: Path, **how: object) -> bytes:
    stream = io.BytesIO()
    with Study.read(folder) as study:
        assert write_trials(study, stream, **how) == study.count()  # type: ignore[arg-type]
    return stream.getvalue()


@pytest.mark.parametrize(
    ("format", "curves"), [*((name, False) for name in FORMATS), ("jsonl", True), ("parquet", True)]
)
def test_the_same_trials_are_the_same_bytes_in_whatever_order_and_runs(
    tmp_path: Path, format: str, curves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "BATCH_TRIALS", 4)
    fill(tmp_path / "a", [list(range(10))], seconds=0.5)
    fill(tmp_path / "b", [[7, 8, 9], [0, 1], [6, 5, 4, 3, 2]], seconds=0.7)
    how = {"format": format, "times": False, "curves": curves}
    assert exported(tmp_path / "a", **how) == exported(tmp_path / "b", **how)
    assert exported(tmp_path / "a", format=format) != exported(tmp_path / "b", format=format), "seconds differ"


def test_csv_has_all_digits_and_empty_fields_for_what_does_not_exist(tmp_path: Path) -> None:
    fill(tmp_path, [list(range(5))])
    text = exported(tmp_path).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    heads = "id,stage,status,batch_size,hidden,learning_rate,value,best_value,best_epoch,epochs,seconds"
    assert text.startswith(f"{heads}\n") and text.endswith("\n") and "\r" not in text
    for row, trial in zip(rows, map(make_trial, range(5)), strict=True):
        assert (int(row["id"]), row["status"], row["hidden"]) == (trial.id, trial.status, trial.params["hidden"])
        assert float(row["learning_rate"]) == trial.params["learning_rate"]
        assert int(row["batch_size"]) == trial.params["batch_size"]
        assert (row["value"] == "") == math.isnan(trial.value) == (trial.id == 4)
        assert float(row["best_value"]) == trial.best_value and int(row["epochs"]) == trial.epochs
    assert {name for name in rows[0] if "second" in name or "time" in name} == {"seconds"}


def test_lines_are_json_with_curves_of_the_epochs_that_ran(tmp_path: Path) -> None:
    fill(tmp_path, [list(range(5))])
    rows = [json.loads(line) for line in exported(tmp_path, format="jsonl", curves=True).splitlines()]
    assert [len(row["validation_loss"]) for row in rows] == [4, 4, 2, 4, 2]
    for row, trial in zip(rows, map(make_trial, range(5)), strict=True):
        for place, name in enumerate(curve_columns()):
            assert np.array_equal(np.float32(row[name]), trial.curves[place, : trial.epochs])
    assert rows[4]["value"] is None and rows[4]["best_value"] is not None


def test_parquet_is_typed_and_equals_the_table(tmp_path: Path) -> None:
    fill(tmp_path, [list(range(5))])
    table = pq.read_table(io.BytesIO(exported(tmp_path, format="parquet", curves=True)))
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds["id"] == kinds["batch_size"] == kinds["epochs"] == "int64"
    assert kinds["learning_rate"] == kinds["value"] == kinds["seconds"] == "double"
    assert kinds["status"] == kinds["hidden"] == "string" and kinds["train_loss"].startswith("list<")
    assert table["value"].null_count == 1 and table.num_rows == 5
    with Study.read(tmp_path) as study:
        assert to_arrow(study, curves=True).equals(table)
        assert study.trials().to_arrow().column_names == list(columns_of(study))


def test_a_study_without_trials_has_a_heading(tmp_path: Path) -> None:
    Study.open(tmp_path, SETTINGS).close()
    assert exported(tmp_path, times=False).decode().splitlines() == [
        "id,stage,status,batch_size,hidden,learning_rate,value,best_value,best_epoch,epochs"
    ]
    assert exported(tmp_path, format="jsonl") == b""
    assert pq.read_table(io.BytesIO(exported(tmp_path, format="parquet"))).num_rows == 0


def test_curves_that_were_not_stored_are_null(tmp_path: Path) -> None:
    with Study.open(tmp_path, SETTINGS, curves=False) as study:
        study.append([make_trial(0)], run=study.begin_run({}), **TIMES)
    row = json.loads(exported(tmp_path, format="jsonl", curves=True))
    assert [row[name] for name in curve_columns()] == [None] * 4


def test_impossible_exports_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, [[0]])
    with pytest.raises(ConfigError, match="format='xml': must be one of csv, jsonl, parquet"):
        exported(tmp_path, format="xml")
    with pytest.raises(ConfigError, match="CSV has no place for learning curves: choose jsonl or parquet"):
        exported(tmp_path, curves=True)
