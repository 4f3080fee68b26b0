"""Classes keep the values that they were given: labels of any kind, and of another kind than those of the training."""

from __future__ import annotations

import decimal
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow
import pytest
from click.testing import CliRunner, Result
from fastnet_cli.main import cli
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

import fastnet
from fastnet.data.labels import as_labels, classes_from, named_labels, names_of, positions_of
from fastnet.errors import DataError, ModelError

CONFIG = fastnet.TrainConfig(hidden=(), learning_rate=1.0, epochs=12, batch_size=10)
X = np.repeat(np.eye(3), 20, axis=0) + np.arange(60)[:, None] % 7 / 20
POSITIONS = np.repeat(np.arange(3), 20)

KINDS: dict[str, tuple[Any, Any]] = {
    "int8 from -1": (np.int8([-1, 0, 5]), np.int64),
    "uint16": (np.uint16([1, 2, 65535]), np.int64),
    "uint64": (np.uint64([1, 2, 2**62]), np.int64),
    "float32": (np.float32([1, 2, 3]), np.float64),
    "text": (np.array(["ant", "bee", "cat"]), np.str_),
    "bytes": (np.array([b"ant", b"bee", b"cat"]), np.str_),
    "objects of text": (np.array(["ant", "bee", "cat"], dtype=object), np.str_),
    "objects of ints": (np.array([1, 20, 300], dtype=object), np.int64),
    "objects of floats": (np.array([1.0, 20, 300], dtype=object), np.float64),
    "numbers as text": (np.array(["1", "10", "9"]), np.str_),
    "decimals": (np.array([decimal.Decimal(1), decimal.Decimal(2), decimal.Decimal(3)], dtype=object), np.float64),
}


def trained(labels: Any) -> fastnet.Model:
    return fastnet.train((X, labels), CONFIG).model


@pytest.fixture(scope="module")
def of_text() -> fastnet.Model:
    return trained(np.array(["ant", "bee", "cat"])[POSITIONS])


@pytest.fixture(scope="module")
def of_numbers() -> fastnet.Model:
    return trained(POSITIONS + 1)


@pytest.mark.parametrize("kind", KINDS)
def test_predict_returns_the_labels_of_the_training(kind: str, tmp_path: Path) -> None:
    values, dtype = KINDS[kind]
    labels = values[POSITIONS]
    model = trained(labels)
    model.save(tmp_path / "m.safetensors")
    single = fastnet.load_model(tmp_path / "m.safetensors")
    several = fastnet.Ensemble(members=[model, model])
    several.save(tmp_path / "e.safetensors")
    expected = [value.decode() if isinstance(value, bytes) else value for value in labels.tolist()]
    for one in (model, single, several, fastnet.load_model(tmp_path / "e.safetensors")):
        assert one.classes.dtype.type is dtype and one.predict(X).dtype == one.classes.dtype
        assert one.predict(X).tolist() == expected
        assert one.predict_index(X).tolist() == POSITIONS.tolist() and one.predict_index(X).dtype == np.int64
        for shape in (labels, labels.reshape(-1, 1), labels.reshape(1, -1), labels.tolist(), pandas.Series(labels)):
            assert one.score(X, shape).value == 1.0
    data = fastnet.as_dataset(X, labels)
    assert data.labels.tolist() == expected and data.labels_test is None
    assert model.score(data.x, data.labels).value == 1.0


def test_truth_values_stay_truth_values() -> None:
    truth = POSITIONS > 0
    for labels in (truth, truth.tolist(), truth.astype(object), pandas.Series(truth, dtype="boolean")):
        model = trained(labels)
        assert model.classes.dtype == np.bool_ and model.class_names == ("0", "1")
        assert (model.predict(X) == truth).all()
        for other in (truth, truth.astype(int), truth.astype(float), truth.astype(str), truth.astype(int).astype(str)):
            assert model.score(X, other).value == 1.0
    assert trained(truth.astype(int)).score(X, truth).value == 1.0


@pytest.mark.parametrize(
    "column",
    [
        pandas.Series(["a", "b", "c"]),
        pandas.Series(["a", "b", "c"], dtype=object),
        pandas.Series(["a", "b", "c"], dtype="string"),
        pandas.Series(["a", "b", "c"], dtype="category"),
        pandas.Series(pandas.Categorical(["a", "b", "c"], categories=["c", "b", "a", "d"])),
        pandas.Index(["a", "b", "c"]),
        pandas.DataFrame({"label": ["a", "b", "c"]}),
        pyarrow.array(["a", "b", "c"]),
        pyarrow.chunked_array([["a"], ["b", "c"]]),
        ("a", "b", "c"),
        [np.str_("a"), b"b", "c"],
    ],
    ids=lambda column: f"{type(column).__name__} {getattr(column, 'dtype', '')}",
)
def test_columns_of_text_are_taken(column: Any) -> None:
    data = fastnet.as_dataset(np.arange(3.0).reshape(3, 1), column)
    assert data.y.tolist() == [0, 1, 2] and data.classes.tolist() == ["a", "b", "c"] == list(data.class_names)


@pytest.mark.parametrize("dtype", ["int64", "Int64", "UInt8", "float32", "Float64", object, "category"])
def test_columns_of_numbers_are_taken(dtype: Any) -> None:
    data = fastnet.as_dataset(np.arange(3.0).reshape(3, 1), pandas.Series([3, 1, 2]).astype(dtype))
    assert data.y.tolist() == [2, 0, 1] and data.classes.tolist() == [1, 2, 3] and data.class_names == ("1", "2", "3")


def test_text_and_numbers_that_are_mixed_become_text() -> None:
    for labels in ([1, "2", "other"], np.array([1.0, "2", "other"], dtype=object)):
        assert fastnet.as_dataset(np.arange(3.0).reshape(3, 1), labels).class_names == ("1", "2", "other")


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (["a", None, "b"], r"y\[1\] is None: every sample needs a label"),
        (["a", "b", float("nan")], r"y\[2\] is nan: every sample"),
        ([1.0, float("nan"), 2.0], r"y\[1\] is nan: every sample"),
        (pandas.Series(["a", None, "b"]), r"y\[1\] is (nan|None): every sample"),
        (pandas.Series([1, None, 2], dtype="Int64"), r"y\[1\] is (<NA>|nan): every sample"),
        (pandas.Series(["a", None, "b"], dtype="category"), r"y\[1\] is nan: every sample"),
        (pandas.Series(["a", None, "b"], dtype="string"), r"y\[1\] is (<NA>|nan): every sample"),
        (pyarrow.array(["a", None, "b"]), r"y\[1\] is None: every sample"),
        (pyarrow.array([1, None, 2]), r"y\[1\] is nan: every sample"),
        ([("a", 1), ("b", 2)], "one label per sample is needed"),
        (np.array([{}, [], 1], dtype=object), r"y\[0\] is a dict: labels must be whole numbers or text"),
        (np.array([1j, 2, 3], dtype=object), r"y\[0\] is a complex: labels must be"),
        ([1, 2, 2**70], "labels must be|too large for a label"),
        (pandas.Series(pandas.to_datetime(["2024-01-31"] * 3)), "whole numbers or text"),
        (pandas.Series(pandas.to_datetime(["2024-01-31"] * 3)).astype(object), "Timestamp: labels must be"),
    ],
    ids=str,
)
def test_a_value_that_is_not_a_label_is_named_with_its_row(labels: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        fastnet.as_dataset(np.arange(3.0).reshape(3, 1), labels)


def test_a_hint_of_one_hot_rows_works(of_numbers: fastnet.Model) -> None:
    y = np.eye(3)[POSITIONS]
    with pytest.raises(DataError, match=r"y\.argmax\(axis=1\)"):
        fastnet.as_dataset(X, y)
    assert fastnet.as_dataset(X, y.argmax(axis=1)).n_classes == 3
    with pytest.raises(DataError, match=r"y\.argmax\(axis=1\)"):
        of_numbers.score(X, y)
    with pytest.raises(DataError, match=r"y\[0\] is 0 .*give model\.classes\[y\] if these are positions"):
        of_numbers.score(X, y.argmax(axis=1))
    assert of_numbers.score(X, of_numbers.classes[y.argmax(axis=1)]).value == 1.0


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (POSITIONS, r"y\[0\] is 0 \(as 20 of 60 labels are\), none of the known classes 1, 2, 3"),
        (POSITIONS.astype(str), r"y\[0\] is '0'"),
        (POSITIONS[:50] + 1, "x holds 60 samples but y holds 50 labels"),
        (np.append(POSITIONS, 1) + 1, "x holds 60 samples but y holds 61 labels"),
        ([], "y is empty"),
        (np.zeros((0, 1)), "y is empty"),
        (np.zeros((60, 2)), "one label per sample"),
        (2, "one label per sample"),
        (None, r"y is missing: only a file, or a table for a model that was trained on one, has"),
        (POSITIONS + 0.5, "labels must be whole numbers"),
        (np.where(POSITIONS == 2, "x", "1"), r"y\[40\] is 'x'"),
    ],
    ids=str,
)
def test_score_answers_with_a_sentence(of_numbers: fastnet.Model, labels: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        of_numbers.score(X, labels)


def test_score_takes_labels_of_any_kind(of_numbers: fastnet.Model, of_text: fastnet.Model) -> None:
    y = POSITIONS + 1
    for labels in (y, y.astype(float), y.astype(str), y.astype(float).astype(str), y.astype(object), y.astype("S")):
        assert of_numbers.score(X, labels).value == 1.0
        assert of_numbers.score(X[20:30], labels[20:30]).value == 1.0
        assert of_numbers.score(X[59], labels[59]).value == 1.0
    wrong = np.roll(y, 6)
    assert of_numbers.score(X, wrong.reshape(-1, 1)).value == pytest.approx(np.mean(of_numbers.predict(X) == wrong))
    padded = trained(np.array(["01", "02", "03"])[POSITIONS])
    assert padded.score(X, y).value == 1.0 and padded.predict(X[:1]).tolist() == ["01"]
    assert of_text.score(X[25:], np.array(["x", "bee", "cat"])[POSITIONS[25:]]).value == 1.0


def test_a_column_of_labels_takes_no_square_of_memory(of_numbers: fastnet.Model) -> None:
    import tracemalloc

    x, y = np.repeat(X, 100, axis=0), np.repeat(POSITIONS + 1, 100).reshape(-1, 1)
    tracemalloc.start()
    of_numbers.score(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * x.nbytes  # 6000 x 6000 truth values are 36 MB, and 6000 x 3 float64 0.14


def test_names_that_were_given_are_labels_too() -> None:
    data = fastnet.as_dataset(X, POSITIONS, class_names=["zebra", "ant", "bee"], x_test=X[:2], y_test=[0, 0])
    assert data.classes.tolist() == [0, 1, 2] and data.labels_test.tolist() == [0, 0]
    model = fastnet.train(data, CONFIG).model
    assert model.predict(X).tolist() == POSITIONS.tolist()
    assert model.score(X, POSITIONS).value == model.score(X, np.array(data.class_names)[POSITIONS]).value == 1.0
    assert positions_of(["2", "0"], np.arange(3), ("1", "2", "3")).tolist() == [2, 0], "2 and 0 are no two of the names"
    assert positions_of(["2", "1"], np.arange(3), ("1", "2", "3")).tolist() == [1, 0]


def old_file(path: Path) -> None:
    """Take out what files did not have before classes had values."""
    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["fastnet"])
        tensors = {name: file.get_tensor(name) for name in file.keys() if "extent" not in name}  # noqa: SIM118
    for part in [header, *header.get("members", [])]:
        for name in ("classes", "reach"):
            part.pop(name, None)
    save_file(tensors, path, metadata={"fastnet": json.dumps(header)})


@pytest.mark.parametrize(
    ("labels", "expected"), [([7, 8, 30], np.int64), (["-1", "0", "1"], np.int64), (["a", "b", "c"], np.str_)]
)
def test_files_from_before_still_answer(labels: Any, expected: type, tmp_path: Path) -> None:
    model = trained(np.array(labels)[POSITIONS])
    for one in (model, fastnet.Ensemble(members=[model])):
        one.save(tmp_path / "m.safetensors")
        old_file(tmp_path / "m.safetensors")
        old = fastnet.load_model(tmp_path / "m.safetensors")
        assert old.classes.dtype.type is expected and old.extent is None
        assert old.score(X, np.array(labels)[POSITIONS]).value == 1.0
        assert old.predict_proba(X).tobytes() == model.predict_proba(X).tobytes()


@pytest.mark.parametrize("classes", [[1, 2], [1, 2, 2], [1, "2", 3], "abc", [[1], [2], [3]], None, [1.5, 2.0, 3.0]])
def test_classes_in_a_file_are_checked(classes: Any, of_numbers: fastnet.Model, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    of_numbers.save(path)
    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["fastnet"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, metadata={"fastnet": json.dumps(header | {"classes": classes})})
    with pytest.raises(ModelError, match="not a usable model"):
        fastnet.load_model(path)


@pytest.mark.parametrize("shape", [(12,), (1, 12), (1, 3, 4), (12, 1), (1, 12, 1)])
def test_one_sample_is_taken_in_any_shape(tiny_dataset: fastnet.Dataset, shape: tuple[int, ...]) -> None:
    model = fastnet.train(tiny_dataset, CONFIG).model
    x = np.asarray(tiny_dataset.x[3])
    if shape == (12, 1):
        with pytest.raises(ModelError, match="x has 1 features: this model reads 12"):
            model.predict(x.reshape(shape))
    else:
        assert model.predict(x.reshape(shape)).tolist() == [tiny_dataset.y[3]]
        assert model.predict_proba(x.reshape(shape)).shape == (1, 3)


def test_one_square_image_is_taken() -> None:
    digits = fastnet.take_first(fastnet.load("digits"), 200)
    model = fastnet.train(digits, fastnet.TrainConfig(hidden=(), learning_rate=0.1, epochs=2)).model
    image = np.asarray(digits.x[0]).reshape(8, 8)
    expected = model.predict_proba(digits.x[:1]).tobytes()
    for one in (image, image.reshape(8, 8, 1), image.reshape(1, 8, 8), image.astype(float), image.tolist()):
        assert model.predict_proba(one).tobytes() == expected
    with pytest.raises(ModelError, match="x has 16 features"):
        model.predict(image.reshape(4, 16))


def test_the_hint_for_a_single_sample_works() -> None:
    x = np.arange(3.0)
    with pytest.raises(DataError, match=r"x\.reshape\(1, -1\), a single feature x\.reshape\(-1, 1\)"):
        fastnet.as_dataset(x, [0, 1, 0])
    assert fastnet.as_dataset(x.reshape(-1, 1), [0, 1, 0]).n_features == 1


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def accuracy_of(*arguments: str) -> float:
    return float(json.loads(run("evaluate", *arguments, "--format", "json").stdout)["accuracy"])


def test_evaluate_and_predict_take_any_part_of_the_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_numbers: fastnet.Model, of_text: fastnet.Model
) -> None:
    monkeypatch.chdir(tmp_path)
    of_numbers.save("n.safetensors")
    of_text.save("t.safetensors")
    names, few, y = np.array(["ant", "bee", "cat"]), slice(20, 60), POSITIONS + 1
    np.savez("few.npz", x=X[few], y=y[few])
    np.savez("one.npz", x=X[:1], y=y[:1])
    np.savez("text.npz", x=X, y=y.astype(str))
    np.savez("floats.npz", x=X, y=y.reshape(-1, 1) * 1.0)
    np.savez("other-order.npz", x=X, y=2 - POSITIONS, class_names=names[::-1])
    np.savez("some-names.npz", x=X[few], y=POSITIONS[few] - 1, class_names=names[1:])
    np.savez("test.npz", x_test=X, y_test=y)
    np.savez("without.npz", x=X)
    np.savez("only-test.npz", x_test=X[:5])
    np.savez("single.npz", x=X[0])
    np.savez("strange.npz", x=X, y=y + 1)
    for data in ("few", "one", "text", "floats", "test"):
        assert accuracy_of("n.safetensors", "--data", f"{data}.npz") == 1.0
        assert len(run("predict", "n.safetensors", "--data", f"{data}.npz").stdout.splitlines()) > 1
    for data in ("other-order", "some-names"):
        assert accuracy_of("t.safetensors", "--data", f"{data}.npz") == 1.0
    for data, rows in (("without", 60), ("only-test", 5), ("strange", 60), ("single", 1)):
        lines = run("predict", "n.safetensors", "--data", f"{data}.npz").stdout.splitlines()
        assert lines[1] == "0,1" and len(lines) == rows + 1
    says = run("evaluate", "n.safetensors", "--data", "without.npz", code=1).stderr
    assert "without.npz: its samples x have no labels y, so nothing can be measured on them" in says
    assert "y_test" in run("evaluate", "n.safetensors", "--data", "only-test.npz", code=1).stderr
    says = run("evaluate", "n.safetensors", "--data", "strange.npz", code=1).stderr
    assert "y[40] is 4 (as 20 of 60 labels are), none of the known classes 1, 2, 3; leave such samples out" in says
    assert "has no test set" in run("predict", "n.safetensors", "--data", "few.npz", "--part", "test", code=1).stderr


def test_a_validation_set_needs_only_some_classes(tmp_path: Path) -> None:
    options: dict[str, Any] = {"trials": 1, "hidden": "4", "epochs": 1, "final": 0}
    y = (POSITIONS + 1).astype(str)
    result = fastnet.search({}, (X, y), validation=(X[:3], [1, 1, 1]), study=tmp_path / "a", **options)
    assert len(result.trials) == 1
    np.savez(tmp_path / "v.npz", x=X[:2], y=[2.0, 2.0])
    result = fastnet.search({}, (X, y), validation=tmp_path / "v.npz", study=tmp_path / "b", **options)
    assert len(result.trials) == 1


FORMS: dict[str, Callable[[list[int]], Any]] = {
    "numbers": np.array,
    "floats": lambda values: np.array(values, float),
    "text": lambda values: np.array(values).astype(str),
    "bytes": lambda values: np.array(values).astype("S"),
    "objects": lambda values: np.array(values, object),
    "a list": list,
    "a column": lambda values: np.array(values)[:, None],
    "pandas": lambda values: pandas.Series(values),
}


@pytest.mark.parametrize("form", FORMS)
@given(st.lists(st.integers(-5, 300), min_size=2, max_size=20).filter(lambda values: len(set(values)) > 1))
def test_positions_of_labels_of_any_kind_lead_back_to_them(form: str, values: list[int]) -> None:
    positions, test, classes, names = as_labels(FORMS[form](values), None, None)
    assert test is None and positions.dtype == np.int64 and len(names) == len(classes) == len(set(values))
    assert [int(value) for value in classes[positions]] == values
    for other in FORMS.values():
        assert positions_of(other(values), classes, names).tolist() == positions.tolist()


@given(st.permutations(["ant", "bee", "cat", "12"]), st.lists(st.integers(0, 3), min_size=1, max_size=9))
def test_given_names_order_the_classes(names: list[str], values: list[int]) -> None:
    texts = [names[value] for value in values]
    for labels in (values, texts):
        positions, _, classes, found = as_labels(labels, None, names)
        assert positions.tolist() == values and found == tuple(names) and len(classes) == 4
    assert named_labels(np.array(values), np.arange(4), tuple(names)).tolist() == texts


@given(st.lists(st.integers(-(2**40), 2**40), min_size=2, max_size=9, unique=True))
def test_values_of_classes_follow_from_their_names(values: list[int]) -> None:
    classes = np.array(values)
    assert classes_from(names_of(classes)).tolist() == values
    assert classes_from([f"0{value}" for value in values]).dtype.kind == "U", "01 is not how a number is written"
