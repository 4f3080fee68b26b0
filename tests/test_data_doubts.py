"""Classes that cannot be learnt, quantities taken for classes and odd test sets are warned of, and nothing else is."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli
from scipy import sparse
from sklearn import datasets as sklearn_datasets

import fastnet
from fastnet.data.doubts import doubts
from fastnet.data.validation import split_of
from fastnet.errors import FastnetWarning

CONFIG = fastnet.TrainConfig(hidden=(), epochs=1)


def doubts_of(y: Any, x: Any = None, **more: Any) -> list[str]:
    data = fastnet.as_dataset(np.arange(len(y) * 2.0).reshape(-1, 2) % 17 if x is None else x, y, **more)
    return list(doubts(data, fastnet.split(data.y)))


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
def test_the_classes_of_ordinary_sets_are_not_doubted(name: str) -> None:
    x, y = getattr(sklearn_datasets, f"load_{name}")(return_X_y=True)
    assert doubts_of(y, x) == doubts_of(y.astype(str), x) == doubts_of(y.astype(float), x) == []


@pytest.mark.parametrize("name", ["mnist5k", "digits"])
@pytest.mark.parametrize("n", [100, 500, None])
def test_the_sets_with_names_are_not_doubted(name: str, n: int | None) -> None:
    data = fastnet.load(name)
    data = data if n is None else fastnet.take_first(data, n)
    assert list(doubts(data, fastnet.split(data.y))) == []


@pytest.mark.parametrize(
    "y",
    [
        np.arange(12) % 2,
        np.arange(26 * 20) % 26,
        np.char.add("person ", (np.arange(400) % 40).astype(str)),
        np.arange(1000) % 100,  # the first of a hundred classes
        1 + np.arange(1000) % 100,
        np.arange(60) % 12 * 10,
        np.arange(3),
        ["a", "b"] * 3,
    ],
    ids=lambda y: f"{len(set(y))} of {len(y)}",
)
def test_classes_of_few_samples_are_no_quantity(y: Any) -> None:
    assert not [sentence for sentence in doubts_of(y) if "quantity" in sentence]


@pytest.mark.parametrize(
    "y",
    [
        sklearn_datasets.load_diabetes().target,
        sklearn_datasets.load_diabetes().target.astype(int),
        np.random.Generator(np.random.Philox(key=1)).poisson(100, 800),
        np.random.Generator(np.random.Philox(key=1)).integers(1900, 2020, 1500),
        np.arange(15) * 7,
        np.arange(60.0),
        [f"name {i}" for i in range(50)],
    ],
    ids=lambda y: f"{len(set(y))} of {len(y)}",
)
def test_a_quantity_taken_for_classes_is_noticed(y: Any) -> None:
    [sentence] = [sentence for sentence in doubts_of(y) if "quantity" in sentence]
    assert (
        f"data has {len(set(y))} different labels for {len(y)} samples" in sentence and "group the values" in sentence
    )


def test_the_first_samples_of_a_sorted_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    x, y = sklearn_datasets.load_iris(return_X_y=True)
    np.savez("iris.npz", x=x, y=np.array(["setosa", "versicolor", "virginica"])[y])
    few = fastnet.take_first(fastnet.load("iris.npz"), 50)
    says = (
        r"^iris has no training sample of 2 of its 3 classes \(versicolor, virginica\), so the network cannot "
        "learn them; take more samples, or shuffle them first if they are sorted by class$"
    )
    search: dict[str, Any] = {"trials": 1, "hidden": "4", "epochs": 1, "final": 1, "repeats": 1, "ensemble_top": 1}
    for what in (
        lambda: fastnet.train(few, CONFIG),
        lambda: fastnet.train_ensemble(few, CONFIG, networks=2),
        lambda: fastnet.search({}, few, study="s", **search),
    ):
        with pytest.warns(FastnetWarning, match=says) as caught:
            what()
        assert len(caught) == 1 and caught[0].filename == __file__
    common = ["--data", "iris.npz", "--samples", "50", "--hidden", "4", "--epochs", "1"]
    for arguments in (["train", *common], ["search", *common, "--trials", "1", "--final", "none"]):
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0
        assert result.stderr.count("Note: iris has no training sample of 2 of its 3 classes") == 1
    order = np.random.Generator(np.random.Philox(key=1)).permutation(150)
    np.savez("iris.npz", x=x[order], y=y[order])
    result = CliRunner().invoke(cli, ["train", *common])
    assert result.exit_code == 0 and "Note" not in result.stderr, "the way out works"


def test_classes_of_the_test_set_that_training_lacks() -> None:
    [sentence] = doubts_of([0, 1] * 10, x_test=np.zeros((2, 2)), y_test=[2, 3])
    assert "no training sample of 2 of its 4 classes (2, 3)" in sentence and "though the test set has some" in sentence


def test_classes_that_a_split_puts_into_validation() -> None:
    data = fastnet.as_dataset(np.arange(20.0).reshape(10, 2), [0, 1] * 5)
    parts = fastnet.Split(train=np.arange(0, 10, 2), validation=np.arange(1, 10, 2))
    with pytest.warns(FastnetWarning, match=r"samples of 1 of its 2 classes \(1\) in the validation part only"):
        fastnet.train(data, CONFIG, split=parts)


def test_a_test_set_in_other_units() -> None:
    images = fastnet.take_first(fastnet.load("mnist5k"), 200)
    x, y = images.x.astype(float), images.y
    [sentence] = doubts_of(y, x, x_test=x[:20] / 255, y_test=y[:20])
    assert sentence.startswith("data: x_test holds no value as large as")
    assert doubts_of(y, x, x_test=x[:20], y_test=y[:20]) == []


def test_a_warning_can_be_an_error() -> None:
    few = fastnet.take_first(fastnet.as_dataset(np.arange(20.0).reshape(10, 2), [0] * 5 + [1] * 5), 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FastnetWarning)
        with pytest.raises(FastnetWarning, match="no training sample"):
            fastnet.train(few, CONFIG)


def of_table(columns: dict[str, Any], target: str, **reading: Any) -> list[str]:
    data = fastnet.load(columns, target=target, **reading)
    return list(doubts(data, split_of(data)))


MIXED = {"a": [(k * 37) % 101 + 0.5 for k in range(200)], "b": [(k * 53) % 97 * 1.5 for k in range(200)]}


def test_numbers_and_labels_are_not_taken_for_classes() -> None:
    assert of_table(MIXED | {"y": [(k * k) % 89 * 0.25 for k in range(200)]}, "y") == []
    labels = {"u": [k * 7 % 3 % 2 for k in range(200)], "v": [k * 5 % 7 % 2 for k in range(200)]}
    data = fastnet.load(MIXED | labels, target=["u", "v"])
    assert data.task == "multilabel" and list(doubts(data, split_of(data))) == []


def test_rare_classes_of_a_table() -> None:
    [sentence] = of_table(MIXED | {"y": [("s", "t")[k % 2] if k > 2 else "seldom" for k in range(200)]}, "y")
    assert sentence.startswith("table has fewer than 5 rows of 1 of its 3 classes (seldom): too few to learn them")


def test_columns_with_hardly_more_than_one_value() -> None:
    columns = MIXED | {"same": [1.0] * 199 + [2.0], "y": ["s", "t"] * 100}
    [sentence] = of_table(columns, "y")
    assert (
        sentence == "at least 99.5 % of the rows have the same value of same; drop it unless the few other rows matter"
    )


def test_dates_that_order_the_rows() -> None:
    days = [f"2024-{1 + k // 28:02}-{1 + k % 28:02}" for k in range(200)]
    columns = MIXED | {"day": days, "y": ["s", "t"] * 100}
    [sentence] = of_table(columns, "y")
    assert sentence.startswith("the rows are in the order of day; if a model is to predict later rows, name it as the")
    assert of_table(columns, "y", time="day") == []
    assert of_table(columns | {"day": days[100:] + days[:100]}, "y") == []


def test_numbers_read_as_classes_are_doubted_with_the_way_out() -> None:
    [sentence] = of_table(MIXED | {"y": [k * k for k in range(200)]}, "y", task="classification", test="none")
    assert "as if they were a quantity to be estimated; choose the task 'regression', group the values" in sentence


def sparse_data(x: np.ndarray, **parts: Any) -> fastnet.Dataset:
    return fastnet.as_dataset(sparse.csr_array(x), np.arange(len(x)) % 2, **parts)


def told(data: fastnet.Dataset) -> list[str]:
    return list(doubts(data, fastnet.split(data.y)))


def distinct(n: int = 100) -> np.ndarray:
    x = np.zeros((n, 20))
    x[np.arange(n), np.arange(n) % 20] = 1 + np.arange(n) / n
    return x


def test_ordinary_sparse_samples_are_not_in_doubt() -> None:
    x = distinct()
    assert told(sparse_data(x[:80], x_test=sparse.csr_array(x[80:]), y_test=np.arange(20) % 2)) == []


def test_doubts_about_sparse_samples() -> None:
    x = distinct()
    empty, twice, large = x.copy(), x.copy(), x.copy()
    empty[[4, 6]] = 0
    twice[50:60] = twice[:10]
    large[3, 3] = -255
    wide = np.concatenate([x, np.zeros((100, 30))], axis=1)
    same = sparse.csr_array(x[:20])
    assert told(sparse_data(empty)) == [
        "2 of the 100 training rows have no value, so that their predictions are all the same; check how they were "
        "made, or remove them"
    ]
    assert [text.split(",")[0] for text in told(sparse_data(twice))] == [
        "10 of the 100 training rows equal an earlier one"
    ]
    assert told(sparse_data(large)) == [
        "features reach 255, and sparse features are not scaled by default; numbers='standard' divides each column by "
        "its largest value"
    ]
    assert told(replace(sparse_data(large), numbers="standard")) == []
    assert told(sparse_data(wide))[0].startswith("30 of the 50 columns have no value in any training row")
    [copies] = told(sparse_data(x, x_test=same, y_test=np.arange(20) % 2))
    assert copies.startswith("20 of the 20 test rows equal a training row in every column")
    assert copies.endswith("; remove copies")
    [rare] = told(fastnet.as_dataset(sparse.csr_array(x), ["c" if k < 2 else "ab"[k % 2] for k in range(100)]))
    assert rare.startswith("data has fewer than 5 rows of 1 of its 3 classes (c)")
