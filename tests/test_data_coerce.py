"""Features as numbers: float32, or float64 where float32 cannot hold their digits; anything else is refused."""

from __future__ import annotations

import hashlib
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli
from hypothesis import given
from hypothesis import strategies as st
from sklearn import datasets as sklearn_datasets

import fastnet
from fastnet.data import coerce
from fastnet.data.coerce import as_array, as_features
from fastnet.data.pipeline.scaling import fit_scaler
from fastnet.errors import DataError

N = 60
Y = (np.arange(N) >= N // 2).astype(int)
STEPS = np.arange(float(N)).reshape(-1, 1)
DATES = [datetime.fromtimestamp(1.7e9 + 86400 * day, UTC) for day in range(N)]
LOST: dict[str, Any] = {
    "Unix time": 1.7e9 + STEPS,
    "Unix time in ms": (1_700_000_000_000 + 100 * np.arange(N)).reshape(-1, 1),
    "Unix time in ns": (1_700_000_000_000_000_000 + 10**6 * np.arange(N, dtype=np.int64)).reshape(-1, 1),
    "dates as numbers": np.array([[int(date.strftime("%Y%m%d"))] for date in DATES]),
    "unsigned": (np.uint64(2**63) + (np.arange(N, dtype=np.uint64) << np.uint64(20))).reshape(-1, 1),
    "int32": (2**30 + np.arange(N, dtype=np.int32)).reshape(-1, 1),
    "coordinates of a street": 37.774929 + STEPS * 1e-6,
    "an offset": 1e8 + np.sin(STEPS),
    "next to an ordinary feature": np.hstack([np.cos(STEPS), 1.7e9 + STEPS]),
    "Python objects": (1.7e9 + STEPS).astype(object),
    "a column of pandas": pandas.DataFrame({"t": 1.7e9 + STEPS[:, 0], "flag": Y == 1}),
    "beyond float32": 1e39 * (1 + STEPS),
    "far beyond float32": 1e200 * (1 + STEPS),
    "below float32": 1e-60 * (1 + STEPS),
    "far below float32": 1e-250 * (1 + STEPS),
}


@pytest.mark.parametrize("name", LOST)
def test_digits_that_float32_cannot_hold_are_kept(name: str, tmp_path: Path) -> None:
    x = LOST[name]
    data = fastnet.as_dataset(x, Y)
    assert data.x.dtype == np.float64
    scaler = fit_scaler(data.x, np.arange(N))
    scaled = scaler.apply(data.x)
    assert scaled.dtype == np.float32 and scaler.offset.dtype == scaler.scale.dtype == np.float64
    wide = np.asarray(x, dtype=np.float64)
    unit = np.abs(wide).max(axis=0)
    expected = (wide / unit - (wide / unit).mean(axis=0)) / (wide / unit).std(axis=0)
    np.testing.assert_allclose(scaled, expected, atol=2e-5)
    assert len(np.unique(scaled[:, -1 if name == "next to an ordinary feature" else 0])) == N
    result = fastnet.train(
        data, fastnet.TrainConfig(hidden=(8,), epochs=60, optimizer="adam", batch_size=16, learning_rate=0.02)
    )
    if name not in ("an offset", "dates as numbers"):  # whose halves a network finds in more epochs only
        assert result.model.score(x, Y).value > 0.9
    result.model.save(tmp_path / "m.safetensors")
    loaded = fastnet.Model.load(tmp_path / "m.safetensors")
    assert loaded.pipeline.offset.tobytes() == result.model.pipeline.offset.tobytes()
    several = fastnet.Ensemble(members=[loaded, loaded])
    for one in (loaded, several):
        for asked in (x, data.x, wide, wide.tolist()):
            assert one.predict_proba(asked).tobytes() == result.model.predict_proba(data.x).tobytes()


def test_values_exact_in_float32_become_float32() -> None:
    whole = np.arange(64.0).reshape(32, 2) * 1000 + 2**22
    for x in (whole, whole.astype(int), whole.astype(np.uint32), whole.astype(object), whole / 1024):
        data = fastnet.as_dataset(x, Y[:32])
        assert data.x.dtype == np.float32 and np.array_equal(data.x, np.asarray(x, np.float64))


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes", "linnerud"])
def test_ordinary_tables_stay_float32_with_the_fingerprint_they_had(name: str) -> None:
    x = getattr(sklearn_datasets, f"load_{name}")().data
    data = fastnet.as_dataset(x, np.arange(len(x)) % 2)
    assert data.x.dtype == np.float32 and data.x.tobytes() == x.astype(np.float32).tobytes()
    digest = hashlib.sha256(f"float32{x.shape};".encode() + x.astype(np.float32).tobytes())
    digest.update(f"int64{data.y.shape};".encode() + data.y.tobytes() + b"none;none;")
    assert data.fingerprint() == digest.hexdigest()


def test_the_test_set_follows_the_training_samples() -> None:
    data = fastnet.as_dataset(1.7e9 + STEPS, Y, x_test=np.float32([[1.7e9]]), y_test=[1])
    assert data.x_test is not None and data.x_test.dtype == np.float64
    data = fastnet.as_dataset(STEPS, Y, x_test=np.array([[0.1]]), y_test=[1])
    assert data.x_test is not None and data.x_test.dtype == np.float32


def test_values_are_refused_where_float64_ends() -> None:
    with pytest.raises(DataError, match=r"x\[3, 0\] is inf"):
        as_features(np.where(STEPS == 3, np.inf, 1.7e9 + STEPS), "x")
    with pytest.raises(DataError, match="standard deviation of"), warnings.catch_warnings():
        warnings.simplefilter("error")
        x = as_features(np.array([[1.5e308], [-1.5e308], [1.7e308], [1.7e308]]), "x")
        fit_scaler(x, np.arange(4))
    scaler = fit_scaler(as_features(1.7e9 + STEPS, "x"), np.arange(N))
    with pytest.raises(DataError, match=r"x\[0, 0\] is 1e\+300: too far from the training samples"):
        scaler.apply(np.array([[1e300]]))


def test_a_file_is_trained_searched_and_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("times.npz", x=np.hstack([1.7e9 + STEPS, STEPS % 7]), y=Y)
    common = ["--data", "times.npz", "--hidden", "8", "--optimizer", "adam", "--epochs", "100", "--batch-size", "8"]
    for arguments in (
        ["train", *common, "--learning-rate", "0.02", "-o", "m.safetensors"],
        ["train", *common, "--learning-rate", "0.02", "--ensemble", "2", "-o", "e.safetensors"],
        ["search", *common, "--space", "learning_rate=log:1e-2:5e-2", "-n", "2", "--study", "s", "--cv", "3"],
    ):
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0, result.output
    for model in ("m.safetensors", "e.safetensors", "s/model.safetensors"):
        result = CliRunner().invoke(cli, ["evaluate", model, "--data", "times.npz"])
        assert result.exit_code == 0 and "Note" not in result.stderr
        assert float(result.stdout.split("acc:")[1].split(",")[0]) > 0.9


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.ma.masked_array([[1.0]], mask=[[True]]), "x is a masked array: fill or drop its masked values first"),
        ([[1.0, 2.0], [3.0]], "x is not a regular array: every row must have the same length"),
        ([1.0, 2.0], "x has shape (2,): features need a row per sample"),
        (np.zeros((0, 3)), "x has shape (0, 3): at least one sample and one feature are needed"),
        (np.zeros((3, 0)), "x has shape (3, 0): at least one sample and one feature are needed"),
        ([["a"]], "x has dtype <U1: features must be numbers"),
        ([[1j]], "x has dtype complex128: features must be numbers"),
        (np.array([[1.0], ["a"]], object), "x[1, 0] is 'a': features must be numbers; encode that feature"),
        (np.array([[1.0], [pandas.NA]], object), "x[1, 0] is <NA>: features must be numbers; remove that sample"),
        ([[1.0, np.nan]], "x[0, 1] is nan: features must be finite; remove that sample or fill the value in"),
    ],
)
def test_anything_but_a_table_of_numbers_is_refused(values: Any, says: str) -> None:
    with pytest.raises(DataError) as caught:
        as_features(values, "x")
    assert str(caught.value).startswith(says)


def test_a_sparse_array_is_refused_with_the_way_out() -> None:
    sparse = pytest.importorskip("scipy.sparse").csr_array(np.eye(3))
    with pytest.raises(DataError, match=r"x is a sparse array: give it as x\.toarray\(\)"):
        as_array(sparse, "x")


@given(st.integers(0, 50), st.integers(1, 20), st.integers(1, 60))
def test_blocks_of_rows_cover_everything_once(n_rows: int, n_columns: int, values: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coerce, "BLOCK_VALUES", values)
        found = coerce.blocks(n_rows, n_columns)
    rows = [row for block in found for row in range(n_rows)[block]]
    assert rows == list(range(n_rows))
    assert all(block.stop - block.start <= max(1, values // n_columns) for block in found)


def test_features_are_the_same_in_one_block_and_in_many(monkeypatch: pytest.MonkeyPatch) -> None:
    for x in (1.7e9 + STEPS, np.hstack([STEPS, STEPS / 3]), np.arange(120).reshape(N, 2)):
        whole = as_features(x, "x")
        monkeypatch.setattr(coerce, "BLOCK_VALUES", 7)
        pieces = as_features(x, "x")
        monkeypatch.undo()
        assert whole.dtype == pieces.dtype and np.array_equal(whole, pieces)
