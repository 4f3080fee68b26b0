"""Small tables like those of public bug reports, which the names of the cases tell: project and number."""

from __future__ import annotations

import warnings
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli
from pyarrow import parquet

import fastnet
from fastnet.data.schema import Schema
from fastnet.data.tables.columns import Column
from fastnet.errors import DataError, FastnetWarning

N = 40
Y = ["a", "b"] * (N // 2)
X = [float(7 * k % 11) for k in range(N)]
KINDS = ["p", "q", None, "r"] * (N // 4)
SHORT = fastnet.TrainConfig(hidden=(), epochs=2)


def schema_of(source: Any, **reading: Any) -> Schema:
    schema = fastnet.load(source, **{"target": "y", "test": "none", **reading}).schema
    assert schema is not None
    return schema


def column(source: Any, name: str = "v", **reading: Any) -> Column:
    return schema_of(source, **reading).column(name)


def written(folder: Path, text: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def rows(names: str, values: list[str], delimiter: str = ",") -> str:
    """Write values next to a feature and the target."""
    lines = [delimiter.join((value, f"{X[k]:.0f}", Y[k])) for k, value in enumerate(values)]
    return "\n".join([delimiter.join((names, "x", "y")), *lines, ""])


def trained(source: Any, **reading: Any) -> fastnet.Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FastnetWarning)
        return fastnet.train(fastnet.load(source, **{"target": "y", "test": "none", **reading}), SHORT).model


# Whole numbers, infinities, thousands ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(pa.array([2**60 + k % 3 if k % 9 else None for k in range(N)]), id="pandas 48170"),
        pytest.param([str(10**19 + k % 3) for k in range(N)], id="polars 27654"),
        pytest.param(pa.array([2**63 + k % 3 for k in range(N)], pa.uint64()), id="polars 22137"),
        pytest.param(pa.array([10**25 + k % 3 for k in range(N)], pa.decimal128(30, 0)), id="pandas 52505"),
    ],
)
def test_whole_numbers_that_float64_would_make_equal_stay_apart(values: Any) -> None:
    found = column({"v": values, "x": X, "y": Y})
    assert found.kind == "category" and found.distinct == 3 and "beyond 2^53" in found.why


def test_keys_beyond_2_to_53_are_left_out_with_a_word() -> None:  # pandas 7072
    schema = schema_of({"v": [2**60 + k for k in range(N)], "x": X, "y": Y})
    assert schema.features_from == ("x",) and "beyond 2^53" in dict(schema.left_out)["v"]


def test_numbers_of_which_few_become_equal_say_so() -> None:  # pandas 12340
    found = column({"v": [2**53 + 2 * k for k in range(N - 1)] + [2**53 + 1], "x": X, "y": Y})
    assert found.kind == "number" and "1 of 40 different numbers beyond 2^53 are rounded" in found.why


def test_labels_beyond_2_to_53_are_classes_of_their_own() -> None:  # pandas 32453
    labels = [2**60 + (k % 3) * (1000 if k % 3 == 2 else 1) for k in range(N)]
    data = fastnet.load({"x": X, "y": labels}, target="y", test="none", task="classification")
    assert data.class_names == tuple(str(label) for label in sorted(set(labels)))


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([float("inf"), -float("inf"), *X[2:]], id="pandas 10065, numbers"),
        pytest.param(["inf", "-Infinity", *map(str, X[2:])], id="pandas 10065, texts"),
        pytest.param(["1e400", "-1e400", *map(str, X[2:])], id="pandas 28181"),
    ],
)
def test_infinite_numbers_are_missing_ones(values: list[Any]) -> None:
    found = column({"v": values, "x": X, "y": Y})
    assert (found.kind, found.missing, found.high) == ("number", 2, 10.0) and "counted as missing" in found.why
    assert np.isnan(found.values(pa.array(values))[:2]).all()


def test_an_infinite_target_is_left_out_with_a_word() -> None:  # autokeras 737
    schema = schema_of({"x": X, "y": [float("inf"), *np.arange(1.0, N)]})
    assert schema.task == "regression" and any("infinity counted as missing" in note for note in schema.notes)


THOUSANDS = {
    "polars 18797": (";", ["850", "1.299,99", "12.000,5"], [850.0, 1299.99, 12000.5]),
    "readr 799": (",", ['"999"', '"1,234"', '"12,345"'], [999.0, 1234.0, 12345.0]),
    "pandas 59299": (";", ["1,20", "22,3", "1.234,56"], [1.2, 22.3, 1234.56]),
    "duckdb 17220": (";", ["850", "1.200", "12.345"], [850.0, 1200.0, 12345.0]),
    "CSV.jl 957": (",", ["850", "1'200.5", "12'345"], [850.0, 1200.5, 12345.0]),
    "pandas 4598": (";", ["850", "1\u202f200,5", "12\u00a0345"], [850.0, 1200.5, 12345.0]),
    "budget-tracker 572": (",", ["\u22121.5", "2", "\u22123"], [-1.5, 2.0, -3.0]),
}


@pytest.mark.parametrize("report", THOUSANDS)
def test_numbers_are_read_as_they_are_meant(tmp_path: Path, report: str) -> None:
    delimiter, texts, expected = THOUSANDS[report]
    path = written(tmp_path, rows("v", (texts * N)[:N], delimiter))
    data = fastnet.load(path, target="y", test="none", types={"v": "number"})
    assert data.x[:3, 0].tolist() == np.float32(expected).tolist()


def test_each_file_has_its_own_decimal_sign(tmp_path: Path) -> None:  # readr 713
    model = trained(written(tmp_path, rows("v", [f"{k % 9}.512" for k in range(N - 1)] + ["0.5"])))
    expected = model.predict_proba({"v": [1.512, 2.25], "x": [1.0, 2.0]})
    other = written(tmp_path, "v;x\n1,512;1\n2,25;2\n", "other.csv")
    np.testing.assert_array_equal(model.predict_proba(other), expected)
    doubtful = written(tmp_path, "v;x\n1,512;1\n2,250;2\n", "doubtful.csv")
    with pytest.warns(FastnetWarning, match="are read as thousands, as in training"):
        model.predict_proba(doubtful)


def test_a_sign_that_nothing_explains_is_noted(tmp_path: Path) -> None:  # pandas 59299
    schema = schema_of(written(tmp_path, rows("v", [f"{k % 9 + 1},512" for k in range(N)], ";")))
    assert any("1,234 is read as a number between 1 and 2" in note for note in schema.notes)


# Forms of files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "first",
    [
        pytest.param("sep=;\n", id="cpython 109644"),
        pytest.param("SEP=;\r\n", id="pandas 47303"),
        pytest.param("\ufeff\ufeff", id="postmangovsg 88"),
        pytest.param("\u200b", id="gocsv 242"),
    ],
)
def test_what_stands_before_the_names_is_no_name(tmp_path: Path, first: str) -> None:
    assert schema_of(written(tmp_path, first + rows("v", list(map(str, X)), ";"))).features_from == ("v", "x")


@pytest.mark.parametrize(
    "row", [pytest.param('0, "p", "a"', id="cpython 117286"), pytest.param('0, "p, q", "a"', id="webui 15832")]
)
def test_blanks_before_quotes_are_refused(tmp_path: Path, row: str) -> None:
    with pytest.raises(DataError, match="blanks stand between the delimiter and a quote"):
        schema_of(written(tmp_path, "v, k, y\n" + f"{row}\n" * N))


def test_names_that_look_the_same_are_the_same(tmp_path: Path) -> None:  # PHPExcel 569
    model = trained(written(tmp_path, rows("cafe\u0301", list(map(str, X)))), types={"caf\u00e9": "number"})
    found = [model.predict_proba({name: X[:3], "x": X[:3]}) for name in ("cafe\u0301", "caf\u00e9", "\ufeffcafe\u0301")]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


SOUND = {
    "polars 5906": ('v,x,y\n"","1","a"\n"2.5","2","b"\n' * 1 + '"3.5","2","b"\n' * N, "number"),
    "polars 4567": (rows("v", [f"{value} " for value in X]), "number"),
    "polars 1881": (rows("v", list(map(str, X)))[:-1], "number"),
    "pandas 2697": (rows("v", ["1.5E+3", *map(str, X[1:])]), "number"),
    "polars 2175": (rows("v", ["NA", *map(str, X[1:])]), "number"),
    "polars 12692": (rows("v", [*map(str, range(N - 1)), "2.1"]), "number"),
    "orange3 5172": (rows("v", ["#DIV/0!", "#VALUE!", "#REF!", "#N/A", *map(str, X[4:])]), "number"),
    "spiceai 4660": (rows("v", ["0000-00-00"] * 9 + [f"2024-05-{k + 1:02d}" for k in range(31)]), "date"),
    "python-mysql-replication 305": (
        rows("v", ["0000-00-00 00:00:00"] * 9 + [f"2024-05-{k + 1:02d} 10:00:00" for k in range(31)]),
        "date",
    ),
}


@pytest.mark.parametrize("report", SOUND)
def test_columns_of_files_are_what_they_hold(tmp_path: Path, report: str) -> None:
    text, kind = SOUND[report]
    assert column(written(tmp_path, text)).kind == kind


# Frames ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(pd.DataFrame([[1, 2, "a"]] * 9, columns=["x", "x", "y"]), id="skrub 636"),
        pytest.param(pd.DataFrame([[1, 2, "a"]] * 9, columns=[0, "0", "y"]), id="tabfm 45"),
    ],
)
def test_two_columns_of_one_name_are_a_sentence(frame: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="two columns have the name") as error:
        schema_of(frame)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param([k % 5 if k % 2 else "x" for k in range(N)], id="arrow 43298"),
        pytest.param(["p", 1.0] * 20, id="arrow 40926"),
    ],
)
def test_objects_of_mixed_types_are_texts(cells: list[Any]) -> None:
    for source in (pd.DataFrame({"v": pd.Series(cells, dtype=object), "x": X, "y": Y}), {"v": cells, "x": X, "y": Y}):
        assert column(source).kind == "category"


@pytest.mark.parametrize("report", ["pandas 51664", "modin 3119", "cudf 1733"])
def test_the_index_of_a_frame_is_no_feature(tmp_path: Path, report: str) -> None:
    frame = pd.DataFrame({"x": X, "y": Y}).sample(frac=1.0, random_state=0)
    if report == "pandas 51664":
        frame.to_parquet(tmp_path / "table.parquet")
        schema = schema_of(tmp_path / "table.parquet")
    elif report == "modin 3119":
        frame.to_csv(tmp_path / "table.csv")
        schema = schema_of(pd.read_csv(tmp_path / "table.csv"))
    else:
        frame.to_csv(tmp_path / "table.csv")
        schema = schema_of(tmp_path / "table.csv")
    assert schema.features_from == ("x",) and "index" in schema.left_out[0][1]


def test_an_ordered_categorical_keeps_its_order() -> None:  # LightGBM 7440
    sizes = pd.Categorical(["mid", "lo", "hi", "lo"] * (N // 4), categories=["lo", "mid", "hi", "top"], ordered=True)
    found = column(pd.DataFrame({"v": sizes, "x": X, "y": Y}))
    assert (found.kind, found.levels) == ("ordered", ("lo", "mid", "hi", "top"))
    plain = pd.Categorical(["mid", "lo", "hi", "lo"] * (N // 4), categories=["hi", "mid", "lo", "never"])
    assert column(pd.DataFrame({"v": plain, "x": X, "y": Y})).kind == "category"


@pytest.mark.parametrize("values", [[[1, 2]] * N, [{"a": 1}] * N])
def test_a_column_of_any_type_can_be_dropped(
    values: list[Any], tmp_path: Path
) -> None:  # fg-data-profiling 353, dowhy 1582
    frame = pa.table({"v": values, "x": X, "y": Y})
    with pytest.raises(DataError, match="column 'v' has values of type"):
        schema_of(frame)
    assert schema_of(frame, drop=["v"]).features_from == schema_of(frame, features=["x"]).features_from == ("x",)
    parquet.write_table(frame, tmp_path / "table.parquet")
    shown = CliRunner().invoke(cli, ["data", str(tmp_path / "table.parquet")])
    assert shown.exit_code == 0 and "left out: values of type" in shown.stdout


# Dates and truth values -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([date(9999, 12, 31)] * 9 + [date(2024, 5, k + 1) for k in range(31)], id="arrow-rs 982"),
        pytest.param(["9999-12-31"] * 9 + [f"2024-05-{k + 1:02d}" for k in range(31)], id="paimon 9810"),
        pytest.param(
            [datetime(9999, 12, 31, 2)] * 9 + [datetime(2024, 5, k + 1, 3) for k in range(31)], id="datafusion 1360"
        ),
        pytest.param(["1970-01-01"] * 9 + [f"2024-05-{k + 1:02d}" for k in range(31)], id="olake 570"),
    ],
)
def test_a_day_that_stands_for_none_is_missing(values: list[Any]) -> None:
    found = column({"v": values, "x": X, "y": Y})
    assert (found.kind, found.missing) == ("date", 9) and "counted as missing" in found.why
    assert found.high - found.low <= 31 * 86400 and np.isnan(found.values(pa.array(values))[:9]).all()


@pytest.mark.parametrize("report", ["pandas 22256", "dataxid-python 12"])
def test_a_time_zone_that_comes_or_goes_is_warned_of(report: str) -> None:
    zoned = pd.date_range("2024-05-01", periods=N, freq="7h", tz="Europe/Berlin")
    given = zoned if report == "pandas 22256" else [time.isoformat() for time in zoned]
    model = trained(pd.DataFrame({"v": given, "x": X, "y": Y}))
    with warnings.catch_warnings():
        warnings.simplefilter("error", FastnetWarning)
        expected = model.predict_proba(pd.DataFrame({"v": zoned[:3], "x": X[:3]}))
        same = model.predict_proba(pd.DataFrame({"v": [time.isoformat() for time in zoned[:3]], "x": X[:3]}))
    np.testing.assert_array_equal(same, expected)
    with pytest.warns(FastnetWarning, match="column 'v' has dates without a time zone, unlike in training"):
        model.predict(pd.DataFrame({"v": zoned[:3].tz_localize(None), "x": X[:3]}))


def test_a_usual_day_among_others_is_a_date() -> None:  # lakehq/sail 1651
    found = column({"v": [date(1880 + k, 1, 1) for k in range(N)], "x": X, "y": Y})
    assert (found.missing, found.sentinels, found.why) == (0, (), "")


@pytest.mark.parametrize("texts", [["TRUE", "True", "false", "FALSE"], ["Yes", "no", "YES", "No"]])
def test_truth_values_in_any_case_are_two(texts: list[str]) -> None:  # pandas 48487, CSV.jl 596
    values = texts * (N // 4)
    assert (column({"v": values, "x": X, "y": Y}).kind, column({"v": values, "x": X, "y": Y}).distinct) == (
        "boolean",
        2,
    )
    assert len(fastnet.load({"x": X, "y": values}, target="y", test="none").class_names) == 2


@pytest.mark.parametrize("report", ["LightGBM 3626", "xgboost 8396"])
def test_truth_values_of_another_type_mean_the_same(report: str) -> None:
    truths = [True, False, None, True] * (N // 4) if report == "xgboost 8396" else [True, False, True, True] * (N // 4)
    model = trained({"v": truths, "x": X, "y": Y})
    expected = model.predict_proba({"v": [True, False, True], "x": X[:3]})
    for given in ([1, 0, 1], [1.0, 0.0, 1.0], ["TRUE", "no", "t"], pd.array([1, 0, 1], dtype="Int64")):
        np.testing.assert_array_equal(model.predict_proba({"v": given, "x": X[:3]}), expected)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param([1.0, 57.0, 0.0], id="LightGBM 3626"),
        pytest.param([1.0, 0.5, 0.0], id="fractions"),
        pytest.param([1.0, 0.0, 2.0], id="truth values"),
    ],
)
def test_an_array_that_is_no_row_of_features_is_refused(row: list[float]) -> None:
    data = fastnet.load({"x": X, "k": KINDS, "b": [True, False] * (N // 2), "y": Y}, target="y", test="none")
    model = fastnet.train(data, SHORT).model
    assert model.predict(data.x).shape == (N,)
    with pytest.raises(DataError, match=r"an array has the position of one of the . values of"):
        model.predict(np.array([row]))


# What passed as it was ------------------------------------------------------------------------------------------------


def test_columns_are_found_by_name(recwarn: pytest.WarningsRecorder) -> None:  # scikit-learn 7242
    model = trained({"v": X, "k": KINDS, "y": Y})
    expected = model.predict_proba({"v": X[:3], "k": ["p", "q", None]})
    np.testing.assert_array_equal(model.predict_proba({"k": ["p", "q", None], "v": X[:3]}), expected)
    with pytest.raises(DataError, match="column 'k' is missing"):
        model.predict({"v": X[:3]})
    with pytest.warns(FastnetWarning, match="column 'z' is unknown"):
        model.predict({"v": X[:3], "k": ["p", "q", None], "z": X[:3]})
    with pytest.warns(FastnetWarning, match="1 values that did not occur in training"):
        model.predict({"v": X[:3], "k": ["p", "q", "new"]})


def test_a_target_that_is_the_text_na_is_missing_with_a_word() -> None:  # pandas 11839
    assert "20 rows without a target are left out." in schema_of({"x": X, "y": ["NA", "EU", "US", "NA"] * 10}).notes


def test_a_categorical_has_the_levels_that_occur() -> None:  # LightGBM 901
    kinds = pd.Categorical(["p", "q"] * (N // 2), categories=["r", "q", "p"])
    assert set(column(pd.DataFrame({"v": kinds, "x": X, "y": Y})).levels) == {"p", "q"}
    data = fastnet.load(pd.DataFrame({"x": X, "y": kinds}), target="y", test="none")
    assert data.class_names == ("p", "q")
