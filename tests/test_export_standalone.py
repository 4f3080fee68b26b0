"""The program of NumPy by itself: how it reads cells, and what it prints."""

from __future__ import annotations

import csv
import io
import math
import shutil
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from exports import program_of
from models import make_model

import fastnet
from fastnet.data.tables.cells import MISSING
from fastnet.data.tables.columns import Column
from fastnet.export import standalone
from fastnet.export.standalone import column_values, gelu, main, read_csv
from fastnet.reference.activation import gelu as exact_gelu


def column(kind: str, **more: Any) -> Column:
    return Column("x", kind, 9, 0, 9, **more)


def values(of: Column, cells: Any) -> np.ndarray:
    fields = {name: getattr(of, name) for name in of.__slots__}
    return column_values(fields, cells)


TEXTS = [
    "1", " 2.5 ", "-3e2", "+4", ".5", "5.", "$1,234.50", "12 %", "1,234", "€7", "12,5", "1.234,5", "28.05.2022", "x",
    "1_000", "inf", "nan", "", "?", "1e999", "-$3", "--", "0x10", "١", "1 2", None,
]  # fmt: skip


@pytest.mark.parametrize("decimal", [".", ","])
def test_texts_of_numbers_are_read_as_the_library_reads_them(decimal: str) -> None:
    of = column("number", decimal=decimal, sentinels=(-300.0,))
    np.testing.assert_array_equal(values(of, TEXTS), of.values(pa.array(TEXTS)))


@pytest.mark.parametrize("cells", [[1, None, 2.5, True], np.array([1, 2]), np.array([1.5, np.nan, np.inf])])
def test_numbers_are_taken_as_they_are(cells: Any) -> None:
    of, given = column("number"), [None if x is None else float(x) for x in cells]
    np.testing.assert_array_equal(values(of, cells), of.values(pa.array(given, pa.float64())))


LEVELS = ["red", " red", "Red", "1", "1.0", "1.50", "-2.000", "", "NA", "none", "unknown", None]


@pytest.mark.parametrize("kind", ["category", "boolean"])
def test_levels_are_read_as_the_library_reads_them(kind: str) -> None:
    of = column(kind, levels=("Red", "1") if kind == "boolean" else ("red", "1", "-2", "1.50"))
    np.testing.assert_array_equal(values(of, LEVELS), of.values(pa.array(LEVELS)))


@pytest.mark.parametrize("cells", [[1.0, 2.5, None, 7.0], [1, 2, None, 3], [True, False, None]])
def test_levels_of_other_types(cells: Any) -> None:
    of = column("category", levels=("1", "2.5", "true"))
    np.testing.assert_array_equal(values(of, cells), of.values(pa.array(cells)))


DATES = ["2024-02-29", "2024-02-29T13:45:01", "2024-02-29 13:45:01+02:00", "20240229", "29.02.2024", "x", "", None]


def test_dates_are_read_as_the_library_reads_them() -> None:
    of = column("date", formats=("ISO 8601", "%d.%m.%Y"))
    np.testing.assert_array_equal(values(of, DATES), of.values(pa.array(DATES)))
    whole = [datetime(2024, 2, 29, 13), None, datetime(1950, 1, 1)]
    np.testing.assert_array_equal(values(of, whole), of.values(pa.array(whole, pa.timestamp("us"))))
    days = [date(2024, 2, 29), None]
    np.testing.assert_array_equal(values(of, days), of.values(pa.array(days)))
    stamps = np.array(["2024-02-29T01:00", "NaT"], "datetime64[m]")
    np.testing.assert_array_equal(values(of, stamps), [1709168400.0, np.nan])


def test_what_pandas_has_for_missing_cells_is_missing() -> None:
    for kind in ("number", "category", "date"):
        of = column(kind, levels=("a",) if kind == "category" else ())
        assert np.isnan(values(of, pd.Series([pd.NA, pd.NaT, np.nan, None], dtype=object))).all()


def test_spellings_of_missing_values_are_the_readers() -> None:
    assert standalone.MISSING == MISSING


def test_gelu_is_that_of_the_normal_distribution() -> None:
    z = np.linspace(-20, 20, 4001).astype(np.float32)
    np.testing.assert_allclose(gelu(z), exact_gelu(z.astype(np.float64)), atol=1e-6, rtol=1e-6)


def test_names_of_columns_are_those_of_the_readers(tmp_path: Path) -> None:
    from fastnet.data.tables.table import open_table

    path = tmp_path / "rows.csv"
    path.write_text(",a, a,b,b (2),b\n1,2,3,4,5,6\n\n7,8,9,1,2,3\n", encoding="utf-8-sig")
    found = read_csv(str(path))
    assert tuple(found) == open_table(path).names and found["a"] == ["2", "8"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_cells_are_separated_by_what_separates_the_names(delimiter: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(delimiter.join("abc") + "\n" + delimiter.join(["1", '"x y"', ""]) + "\n")
    assert read_csv(str(path)) == {"a": ["1"], "b": ["x y"], "c": [""]}


def test_wrong_samples_are_refused(tmp_path: Path) -> None:
    table = {"size": [k / 3 for k in range(40)], "y": ["a", "b"] * 20}
    model = fastnet.train(fastnet.load(pa.table(table), target="y"), fastnet.TrainConfig(hidden=(), epochs=1)).model
    with pytest.raises(ValueError, match="column 'size' is missing"):
        program_of(model, tmp_path).predict({"other": [1.0]})
    numbers = {"size": table["size"], "y": [math.sqrt(k) for k in range(40)]}
    model = fastnet.train(fastnet.load(pa.table(numbers), target="y"), fastnet.TrainConfig(hidden=(), epochs=1)).model
    with pytest.raises(ValueError, match="which have no probabilities"):
        program_of(model, tmp_path).predict_proba({"size": [1.0]})


def test_it_runs_without_fastnet(tmp_path: Path) -> None:
    program_of(make_model(), tmp_path)
    folder = tmp_path / "program"
    x = np.arange(24.0).reshape(2, 12)
    code = f"import predict, sys; print(predict.predict({x.tolist()}).tolist()); assert 'fastnet' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout == f"{make_model().predict(x).tolist()}\n"


def test_it_prints_predictions_of_samples_without_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = program_of(make_model(), tmp_path)
    monkeypatch.setattr(standalone, "_model", lambda: program)
    path = tmp_path / "rows.csv"
    np.savetxt(path, np.arange(36.0).reshape(3, 12), delimiter=",", header=",".join("abcdefghijkl"), comments="")
    assert main([str(path), "--probabilities"]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == ["sample", "label", "p(left)", "p(middle)", "p(right)"] and len(rows) == 4
    assert main([]) == main(["a", "b"]) == main([str(path), "--labels"]) == 2
    assert capsys.readouterr().err.startswith("usage: ")


def test_the_file_is_a_copy_that_works_anywhere(tmp_path: Path) -> None:
    program_of(make_model(), tmp_path)
    shutil.move(tmp_path / "program", tmp_path / "elsewhere")
    (tmp_path / "rows.csv").write_text(",".join("abcdefghijkl") + "\n" + ",".join(["3"] * 12) + "\n")
    command = [sys.executable, tmp_path / "elsewhere" / "predict.py", "rows.csv"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "sample,label"
