"""What becomes of each column of a table, in words that agree with the inputs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnet.data.pipeline.pipeline import fit_pipeline
from fastnet.data.pipeline.table import TablePipeline
from fastnet.data.pipeline.uses import uses_of
from fastnet.data.registry import load

N = 60
TABLE: dict[str, list[Any]] = {
    "size": [(k * 7) % 31 + 0.5 for k in range(N)],
    "gap": [None if k % 4 == 0 else (k * 11) % 41 + 0.25 for k in range(N)],
    "rank": ["low", "mid", "high"] * 20,
    "new": ["yes", "no"] * 30,
    "kind": [("a", "b", "c")[k % 3] if k < 57 else f"rare {k}" for k in range(N)],
    "day": [f"2024-{1 + k % 12:02}-01" for k in range(N)],
    "one": [3] * N,
    "weight": [1.5 + k % 2 for k in range(N)],
    "shop": [k // 6 for k in range(N)],
    "spare": [(k * 13) % 29 * 1.5 for k in range(N)],
    "price": [(k * 17) % 53 * 0.75 for k in range(N)],
}


def uses(numbers: str = "auto", **reading: Any) -> dict[str, str]:
    data = load(TABLE, target="price", test="none", types={"rank": "ordered:low<mid<high"}, numbers=numbers, **reading)
    pipeline = fit_pipeline(data, np.arange(data.n_samples))
    assert isinstance(pipeline, TablePipeline) and data.schema is not None
    return {use.column: use.use for use in uses_of(data.schema, pipeline)}


def test_every_column_is_described_in_the_order_of_the_table() -> None:
    found = uses(drop=["spare"], weights="weight", group="shop")
    assert list(found) == list(TABLE)
    assert found["price"] == "target" and found["spare"] == "left out: dropped"
    assert found["one"] == "left out: every value is 3"
    assert (found["weight"], found["shop"]) == ("the weight of a row", "the group of a row")
    assert re.fullmatch(r"value and \d+ bins", found["size"])
    assert re.fullmatch(r"value, \d+ bins and whether it is missing", found["gap"])
    assert (found["rank"], found["new"]) == ("position and 2 bins", "one input")
    assert found["kind"] in ("3 inputs, for the most frequent values", "4 inputs, one for all rare values")
    assert found["day"].startswith("month: value and ") and "weekday: value" in found["day"]


@pytest.mark.parametrize("numbers", ["robust", "standard", "quantile"])
def test_without_bins_a_number_is_one_value(numbers: str) -> None:
    found = uses(numbers)
    assert (found["size"], found["gap"]) == ("value", "value and whether it is missing")


@pytest.mark.parametrize(("name", "target"), [("adult", "income"), ("ames", "Sale_Price"), ("wa_churn", "churn")])
def test_the_words_count_all_inputs(shared_data: Path, name: str, target: str) -> None:
    data = load(shared_data / "tables" / f"{name}.csv.gz", target=target)
    pipeline = fit_pipeline(data, np.arange(data.n_samples))
    assert isinstance(pipeline, TablePipeline) and data.schema is not None
    words = [use.use for use in uses_of(data.schema, pipeline)]
    counted = sum(int(n) for text in words for n in re.findall(r"(\d+) (?:inputs|bins)", text))
    counted += sum(text.count(part) for text in words for part in ("value and", "value,", "position", "one input"))
    counted += sum(text == "value" for text in words) + sum("whether" in text for text in words)
    counted -= sum(text.startswith(("left out", "target")) and text.count("value,") for text in words)
    assert counted == pipeline.n_inputs
