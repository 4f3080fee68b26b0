"""Files of sparse samples as data sets, and as samples for a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import dump_svmlight_file

from fastnet.data import load
from fastnet.data.given import with_validation_given
from fastnet.data.readers.sparse import is_sparse_file, read_sparse, read_sparse_samples
from fastnet.data.registry import is_source_like_table, is_source_of_table, load_samples
from fastnet.data.samples import like_training
from fastnet.errors import ConfigError, DataError, FastnetWarning

X = sparse.random_array((60, 40), density=0.1, format="csr", dtype=np.float32, random_state=2)
X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)  # older scikit-learn writes no others
Y = np.arange(60) % 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Samples in both formats, and other parts of the same kind."""
    parts: dict[str, Any] = {"data": X.data, "indices": X.indices, "indptr": X.indptr, "shape": X.shape}
    np.savez(tmp_path / "a.npz", **parts, format=b"csr", y=np.array(["x", "y", "z"])[Y])
    np.savez(tmp_path / "named.npz", **parts, format=b"csr", y=Y, class_names=["x", "y", "z"])
    sparse.save_npz(tmp_path / "plain.npz", X)
    np.savez(tmp_path / "array.npz", x=X.toarray(), y=Y)
    dump_svmlight_file(X, Y, str(tmp_path / "a.svm"))
    dump_svmlight_file(X[:, :30], Y, str(tmp_path / "narrow.svm"))
    dump_svmlight_file(sparse.hstack([X, X], "csr"), Y, str(tmp_path / "wide.svm"))
    dump_svmlight_file(X, Y, str(tmp_path / "q.svm"), query_id=np.arange(60) // 6)
    (tmp_path / "labels.svm").write_text("".join(f"{k % 2},{k % 3 + 2} {k % 5}:1\n" for k in range(60)))
    (tmp_path / "few.svm").write_text("3 1:1\n 2:1\n0,3 1:1\n")
    (tmp_path / "new.svm").write_text("9,3 1:1\n")
    return tmp_path


@pytest.mark.parametrize("name", ["a.npz", "a.svm"])
def test_a_fifth_tests_in_the_order_of_the_file(folder: Path, name: str) -> None:
    data = load(folder / name)
    assert (data.name, data.n_samples, data.n_test, data.task, data.n_classes) == ("a", 48, 12, "classification", 3)
    assert np.bincount(data.y).tolist() == [16, 16, 16]
    whole = load(folder / name, test="none")
    assert whole.x_test is None
    rows = whole.x.toarray().tolist()
    for part in (data.x, data.x_test):
        assert part is not None
        places = [rows.index(row) for row in part.toarray().tolist() if any(row)]
        assert places == sorted(places)
    assert np.array_equal(whole.x.toarray(), X.toarray()[:, : whole.n_features])


def test_the_test_set_is_a_share_or_a_file(folder: Path) -> None:
    assert load(folder / "a.svm", test=0.5).n_test == 30
    data = load(folder / "a.svm", test=str(folder / "narrow.svm"))
    assert (data.n_samples, data.n_test) == (60, 60)
    assert data.x_test is not None
    assert data.x_test.shape[1] == data.n_features
    with pytest.warns(
        FastnetWarning,
        match="wide has values in columns after 39, the last one of the training data; these values are left out: 240",
    ):
        data = load(folder / "a.svm", test=folder / "wide.svm")
    assert data.x_test is not None
    assert np.array_equal(data.x_test.toarray(), X.toarray())


def test_groups_are_not_divided(folder: Path) -> None:
    whole, data = load(folder / "q.svm", test="none"), load(folder / "q.svm")
    assert data.groups is not None
    assert len(np.unique(data.groups)) + data.n_test // 6 == 10
    assert whole.groups is not None
    assert np.bincount(whole.groups).tolist() == [6] * 10


def test_the_task_can_be_named(folder: Path) -> None:
    data = load(folder / "a.svm", task="regression")
    assert (data.task, data.y.shape) == ("regression", (48, 1))
    labels = load(folder / "labels.svm")
    assert (labels.task, labels.class_names) == ("multilabel", ("0", "1", "2", "3", "4"))
    assert load(folder / "a.svm", task="multilabel").class_names == ("0", "1", "2")


def test_labels_of_other_files_are_put_in_the_order_of_the_training_data(folder: Path) -> None:
    data = load(folder / "labels.svm", test=folder / "few.svm")
    assert data.y_test is not None
    assert data.y_test.tolist() == [[0, 0, 0, 1, 0], [0, 0, 0, 0, 0], [1, 0, 0, 1, 0]]
    with pytest.raises(DataError, match="new: the label 9 does not occur in the training data"):
        load(folder / "labels.svm", test=folder / "new.svm")


def test_validation_samples_are_read_like_the_data(folder: Path) -> None:
    data = load(folder / "a.svm", test="none")
    joined, parts = with_validation_given(data, folder / "narrow.svm")
    assert (joined.n_samples, len(parts.train), len(parts.validation)) == (120, 60, 60)
    assert np.array_equal(joined.x.toarray()[60:, :30], X.toarray()[:, :30])
    assert not joined.x.data.flags.writeable
    pair, _ = with_validation_given(data, (X[:5], Y[:5]))
    assert pair.n_samples == 65
    with pytest.raises(DataError, match="the validation data validation are an array, and the training data a are not"):
        with_validation_given(data, (X.toarray(), Y))
    with pytest.raises(DataError, match="the validation data a are sparse, and the training data array are not"):
        with_validation_given(load(folder / "array.npz"), folder / "a.svm")


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        (
            "a.svm",
            {"target": "y"},
            ConfigError,
            "target is given for {}, which is no table: it has its own targets, and",
        ),
        ("a.npz", {"group": "g"}, ConfigError, "group is given for {}, which is no table: it has its own"),
        ("a.svm", {"numbers": "piecewise"}, ConfigError, "numbers='piecewise': {} is sparse; only auto and standard"),
        ("a.svm", {"test": 2}, ConfigError, "test=2: must be a share in (0, 1), a file, or 'none'"),
        ("a.svm", {"test": "nowhere.svm"}, DataError, "nowhere.svm: no such file"),
        ("a.svm", {"test": "{folder}/array.npz"}, DataError, "{folder}/array.npz: holds no sparse samples"),
        ("plain.npz", {}, DataError, "{}: has no targets, which the array y of the same file would hold"),
        ("labels.svm", {"task": "classification"}, DataError, "{}: y has shape (60, 5): one label per sample is"),
        ("none.svm", {}, DataError, "{}: no such file"),
    ],
)
def test_options_and_files_are_refused(
    folder: Path, name: str, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    given = {
        key: str(value).format(folder=folder) if key == "test" and value != 2 else value
        for key, value in options.items()
    }
    with pytest.raises(error) as raised:
        load(folder / name, **given)
    assert str(raised.value).startswith(message.format(folder / name, folder=folder))


def test_samples_for_a_model(folder: Path) -> None:
    samples = load_samples(folder / "plain.npz", labels=False)
    assert (samples.part, samples.n_features, samples.labels) == ("all", 40, None)
    named = load_samples(folder / "named.npz", part="train")
    assert named.labels is not None
    assert (named.part, named.labels[:3].tolist()) == ("train", ["x", "y", "z"])
    with pytest.raises(DataError, match="has no targets"):
        load_samples(folder / "plain.npz")
    with pytest.raises(DataError, match="a has no test set"):
        load_samples(folder / "a.svm", part="test")
    narrow = read_sparse_samples(folder / "narrow.svm")
    assert like_training(narrow, 40, ()).n_features == 40
    fixed = load_samples(folder / "a.npz")
    assert like_training(fixed, 99, ()).n_features == 40


def test_which_files_are_sparse(folder: Path) -> None:
    found = {name: is_sparse_file(folder / name) for name in ("a.npz", "a.svm", "array.npz", "none.npz")}
    assert found == {"a.npz": True, "a.svm": True, "array.npz": False, "none.npz": False}
    assert is_source_like_table(str(folder / "a.npz"))
    assert not is_source_like_table(str(folder / "array.npz"))
    assert not is_source_of_table(str(folder / "a.svm"))
    assert read_sparse(folder / "a.svm").sparse
