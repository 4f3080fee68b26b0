"""Data in any form that a caller may give them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fastnet
from fastnet.data import Dataset
from fastnet.data.given import as_given, samples_given, with_validation_given
from fastnet.errors import ConfigError, DataError, StudyError

X = np.arange(12.0).reshape(4, 3)
TABLE = "a,y\n" + "".join(f"{k * 17 % 61 + 0.5},{'st'[k * 3 % 5 % 2]}\n" for k in range(60))


def test_data_are_a_data_set_a_name_a_file_or_a_pair(tmp_path: Path, tiny_dataset: Dataset) -> None:
    assert as_given(tiny_dataset, "data") is tiny_dataset
    assert as_given("digits", "data").name == "digits"
    np.savez(tmp_path / "v.npz", x=X, y=[1, 0, 1, 1])
    assert as_given(tmp_path / "v.npz", "data").name == "v"
    assert as_given((X, [0, 1, 1, 0]), "mine").name == "mine"
    with pytest.raises(ConfigError, match="data is a list: give a Dataset, the name or file of one, or a pair"):
        as_given([X], "data")


def test_a_table_needs_a_target(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(TABLE)
    with pytest.raises(DataError, match=r"data='.*t\.csv': a table needs a target; give fastnet\.load\('.*', target="):
        as_given(path, "data")
    assert as_given(path, "data", {"target": ["y"]}).fingerprint() == fastnet.load(path, target="y").fingerprint()


def test_a_validation_table_is_read_like_the_training_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    data = fastnet.load(tmp_path / "t.csv", target="y", test="none")
    joined, parts = with_validation_given(data, tmp_path / "t.csv")
    assert (joined.n_samples, len(parts.validation)) == (120, 60)
    np.testing.assert_array_equal(joined.x[60:], joined.x[:60])


def test_validation_samples_may_be_arrays_a_file_or_a_data_set(tmp_path: Path, tiny_dataset: Dataset) -> None:
    pair = samples_given((X, ["a", "b", "a", "a"]), "validation")
    assert (pair.name, pair.part, pair.n_features) == ("validation", "all", 3) and pair.labels is not None
    np.savez(tmp_path / "v.npz", x=X, y=[1, 1, 1, 1])
    assert samples_given(tmp_path / "v.npz", "validation").name == "v"
    assert samples_given(tiny_dataset, "validation").part == "train"
    with pytest.raises(ConfigError, match="validation is a int: give a Dataset"):
        samples_given(3, "validation")


def test_a_study_of_a_table_that_moved_continues_in_python(tmp_path: Path) -> None:
    from fastnet.tuning.run.resume import Source
    from fastnet.tuning.run.search import run_study

    path = tmp_path / "t.csv"
    path.write_text(TABLE)
    config = fastnet.SearchConfig(
        trials=2, final=0, space={"learning_rate": "log:1e-3:1e-1"}, train=fastnet.TrainConfig(hidden=(4,), epochs=1)
    )
    data, source = fastnet.load(path, target="y"), Source.of(path, reading={"target": ("y",)})
    run_study(data, config, folder=tmp_path / "s", source=source)
    path.rename(tmp_path / "moved.csv")
    with pytest.raises(DataError, match="no such file"):
        fastnet.search(study=tmp_path / "s", trials=3)
    assert len(fastnet.search(data=tmp_path / "moved.csv", study=tmp_path / "s", trials=3).trials) == 3
    assert len(fastnet.search(study=tmp_path / "s", trials=4).trials) == 4
    run_study(data, config, folder=tmp_path / "in", source=Source.of("-", reading={"target": ("y",)}))
    with pytest.raises(StudyError, match="the study read its data from standard input; give data"):
        fastnet.search(study=tmp_path / "in", trials=3)
