"""Features that give the target away and copies of rows are noticed, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fastnet.data.leaks import copies, leaks
from fastnet.data.registry import load

N = 400
RANDOM = np.random.Generator(np.random.Philox(key=4))
A, B, C = (RANDOM.normal(size=N).round(3) for _ in range(3))
CLASS = np.where(A + B > 0, "yes", "no")


def found(target: Any, task: str = "auto", **columns: Any) -> list[str]:
    table = {"a": A, "b": B, "c": C} | columns | {"y": target}
    return list(leaks(load({k: np.asarray(v).tolist() for k, v in table.items()}, target="y", task=task, test="none")))


@pytest.mark.parametrize("target", [A + 0.3 * C + RANDOM.normal(size=N) * 0.3, CLASS, A * B])
def test_honest_features_are_not_reported(target: NDArray[Any]) -> None:
    assert found(target, d=RANDOM.choice(list("pqr"), N)) == []


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        (2.0 * A + 1.0, "x alone determines y; drop it unless"),
        (np.exp(A), "x alone determines y"),
        (np.where(np.arange(N) % 50, A, np.nan), "x alone nearly determines y; it leaves"),
        (A + 0.1 * C, "x alone nearly determines y; it leaves"),
    ],
)
def test_a_number_that_gives_a_number_away(feature: NDArray[Any], words: str) -> None:
    [sentence] = found(A, a=C, x=feature)
    assert words in sentence and "unless it is known before y is" in sentence


@pytest.mark.parametrize(
    "feature",
    [
        np.where(CLASS == "yes", "left", "right"),
        np.where(CLASS == "yes", RANDOM.normal(size=N), np.nan),  # filled in afterwards
        (CLASS == "yes") * 10.0 + RANDOM.normal(size=N),
        [f"{c}{k % 5}" for k, c in enumerate(CLASS)],
    ],
)
def test_a_feature_that_gives_a_class_away(feature: Any) -> None:
    [sentence] = found(CLASS, x=[None if v != v else v for v in np.asarray(feature).tolist()])
    assert sentence == "x alone determines y; drop it unless it is known before y is"


def test_equal_values_in_a_sorted_table_are_no_leak() -> None:
    order = np.argsort(CLASS, kind="stable")
    table = {"a": A[order].tolist(), "flag": (np.arange(N) % 2).tolist(), "y": CLASS[order].tolist()}
    assert list(leaks(load(table, target="y", test="none"))) == []


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (A + B, "a + b is y in every row; drop them unless they are known before y is"),
        (C - A, "c - a is y in every row"),
    ],
)
def test_sums_of_two_numbers(target: NDArray[Any], words: str) -> None:
    assert [sentence[: len(words)] for sentence in found(target.round(3))] == [words]
    assert found((target + 0.01 * (np.arange(N) == 300)).round(3)) == []


def test_missing_values_do_not_hide_a_sum() -> None:
    holes = np.where(np.arange(N) % 9 == 4, np.nan, B)
    assert found((A + B).round(3), b=holes) == ["a + b is y in every row; drop them unless they are known before y is"]


def test_each_target_is_looked_at() -> None:
    table = {"a": A, "b": B, "y": A + B, "z": B * 3.0}
    data = load({k: v.round(3).tolist() for k, v in table.items()}, target=["y", "z"], test="none")
    assert [sentence.split(";")[0] for sentence in leaks(data)] == [
        "a + b is y in every row",
        "b alone determines z",
    ]


def test_dates_and_small_tables_are_not_looked_at() -> None:
    days = [f"2024-{1 + k // 28 % 12:02}-{1 + k % 28:02}" for k in range(330)]
    table = {"day": days, "a": A[:330].tolist(), "y": (np.arange(330) * 1.5).tolist()}
    assert list(leaks(load(table, target="y", test="none"))) == []
    assert list(leaks(load({"a": A[:40].tolist(), "y": A[:40].tolist()}, target="y", test="none"))) == []
    assert list(leaks(load("mnist5k"))) == list(copies(load("mnist5k"))) == []


def test_copies_across_the_test_set() -> None:
    table = {"a": [*A[:200], *A[:200]], "b": [*B[:200], *B[:200]], "y": [*CLASS[:200], *CLASS[:200]]}
    plain = {name: np.asarray(values).tolist() for name, values in table.items()}
    [sentence] = copies(load(plain, target="y"))
    n = int(sentence.split()[0])
    assert "of the 80 test rows equal a training row in every column" in sentence and 40 < n < 80
    plain["y"] = [*CLASS[:200].tolist(), *["yes" if c == "no" else "no" for c in CLASS[:200]]]
    assert list(copies(load(plain, target="y"))) == []  # their targets differ
    grouped = load(plain | {"y": table["y"], "row": [*range(200)] * 2}, target="y", group="row")
    assert list(copies(grouped)) == []
    assert list(copies(load(plain, target="y", test="none"))) == []


@pytest.mark.parametrize(
    ("table", "target", "expected"),
    [
        ("bikeshare", "bikers", ["casual + registered is bikers in every row"]),
        ("loans_full", "interest_rate", ["grade alone nearly determines", "sub_grade alone nearly determines"]),
        *((name, target, []) for name, target in {"adult": "income", "diamonds": "price", "ames": "Sale_Price",
                                                  "california": "MedHouseVal", "wa_churn": "churn"}.items()),
    ],
)  # fmt: skip
def test_real_tables(shared_data: Path, table: str, target: str, expected: list[str]) -> None:
    sentences = list(leaks(load(shared_data / "tables" / f"{table}.csv.gz", target=target)))
    assert len(sentences) == len(expected)
    assert all(sentence.startswith(words) for sentence, words in zip(sentences, expected, strict=True))
