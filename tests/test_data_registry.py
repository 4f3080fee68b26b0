from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest

from fastnet.data import NAMES, Dataset, as_dataset, load, registry, take_first
from fastnet.data.dataset import DataSource
from fastnet.data.given import as_given
from fastnet.data.samples import Samples, samples_of
from fastnet.errors import ConfigError, DataError


@pytest.mark.parametrize("name", ["cifar", "MNIST", "", "no/such/file"])
def test_load_lists_the_known_names(name: str) -> None:
    with pytest.raises(DataError) as caught:
        load(name)
    assert str(caught.value) == (
        f"unknown data set {name!r}: give one of mnist5k, digits, mnist, fashion-mnist, or the path of a .npz, .svm, "
        ".svmlight or .libsvm file, or of a table in CSV, Parquet or Arrow format"
    )


def test_load_reads_an_npz_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, x=np.eye(4), y=[0, 1, 0, 1])
    assert load(path).name == load(str(path)).name == "mine"
    with pytest.raises(DataError, match="no such file"):
        load(tmp_path / "other.npz")
    (tmp_path / "table").write_text("a,b\n")
    with pytest.raises(DataError, match=r"not an .npz file"):
        load(tmp_path / "table")
    with pytest.raises(DataError, match="is a folder; give a file, or one of mnist, fashion-mnist"):
        load(tmp_path)


def test_a_format_is_one_row_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path) -> Dataset:
        x, y = np.loadtxt(path, ndmin=2)[:, :-1], np.loadtxt(path, ndmin=2)[:, -1]
        return as_dataset(x, y, name=path.stem)

    def samples(path: Path, part: str | None, labels: bool) -> Samples:
        return samples_of(read(path), part)

    monkeypatch.setitem(registry.READERS, ".txt", registry.Reader(read, samples))
    path = tmp_path / "mine.txt"
    path.write_text("0.5 1 0\n2.5 3 1\n")
    assert load(path).x.tolist() == [[0.5, 1.0], [2.5, 3.0]]
    assert registry.load_samples(path).name == as_given(str(path), "data").name == "mine"
    with pytest.raises(DataError, match=r"unknown data set 'x': .* \.libsvm or \.txt file, or of a table"):
        load("x")


def test_names_are_those_that_load_knows() -> None:
    assert NAMES == ("mnist5k", "digits", "mnist", "fashion-mnist")


def test_digits_are_images_with_a_fixed_stratified_test_set() -> None:
    from sklearn.datasets import load_digits

    data = load("digits")
    assert data.x_test is not None and data.y_test is not None
    assert (data.name, data.x.shape, data.x_test.shape, data.x.dtype) == ("digits", (1438, 64), (359, 64), np.uint8)
    assert np.abs(np.bincount(data.y_test) - 0.2 * np.bincount(np.concatenate([data.y, data.y_test]))).max() < 1
    pixels, labels = load_digits(return_X_y=True)
    together = np.concatenate([data.x, data.x_test])
    order = np.lexsort(together.T), np.lexsort(pixels.T)
    np.testing.assert_allclose(together[order[0]] * (16 / 255), pixels[order[1]], atol=0.04)
    np.testing.assert_array_equal(np.concatenate([data.y, data.y_test])[order[0]], labels[order[1]])
    assert data.fingerprint() == "151ee4d8fb76fbceed85da77e42b7c210cb6c0c9f903355e2946f96823f53634", (
        "studies would no longer be carried on"
    )
    assert len(np.unique(data.y[:100])) == 10, "the first samples are of every class"


def test_digits_are_found_without_being_read() -> None:
    place = registry.find("digits")
    assert place is not None and place.is_file()


def test_load_of_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"a": [k / 2 for k in range(20)], "b": ["x", "y"] * 10}
    expected = load(table, target="b", test="none")
    assert (expected.n_samples, expected.class_names, expected.x_test) == (20, ("x", "y"), None)
    text = "a,b\n" + "".join(f"{a},{b}\n" for a, b in zip(*table.values(), strict=True))
    (tmp_path / "t").mkdir()
    path = tmp_path / "t" / "t.csv"
    path.write_text(text)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    for source in (path, str(path), path.parent, [path], "-"):
        assert load(source, target="b", test="none").fingerprint() == expected.fingerprint()


def test_load_refuses_what_is_not_of_tables(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="target is given for digits, which is no table: it has its own targets"):
        load("digits", target="a")
    with pytest.raises(ConfigError, match="unknown setting 'goal' of a table; choose among target, features"):
        load({"a": [1, 2]}, goal="a")
    with pytest.raises(DataError, match="no target is given: name the column to be predicted as target, such as 'y'"):
        load({"y": [1, 2], "a": [1, 2]})


def test_a_data_set_knows_where_it_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", x=np.arange(12.0).reshape(6, 2), y=[0, 1] * 3)
    data = load(Path("a.npz"))
    assert data.source == DataSource(str(tmp_path / "a.npz"))
    first = take_first(data, 4)
    assert first.source == DataSource(str(tmp_path / "a.npz"), samples=4)
    assert load("mnist5k").source == DataSource("mnist5k")
    for name in "bc":
        Path(f"{name}.csv").write_text("size,kind\n" + "1,x\n2,y\n" * 6)
    several = load(["b.csv", Path("c.csv")], target="kind")
    assert several.source == DataSource([str(tmp_path / "b.csv"), str(tmp_path / "c.csv")], None, {"target": "kind"})
    assert as_dataset(data.x, data.y).fingerprint() == data.fingerprint(), "where it came from does not count"
    assert pickle.loads(pickle.dumps(several)).source == several.source
