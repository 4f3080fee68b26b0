"""Tables in a graph of ONNX and in the program of NumPy: cells of every kind, as the readers take them."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from exports import assert_same, columns_of, feeds_of, session_of

import fastnet
from fastnet.data.tables.dates import PARTS, part_of
from fastnet.export.columns import SPELLINGS, _parts
from fastnet.export.graph import Graph
from fastnet.export.standalone import part_of as alone

pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "tables"
TARGETS = {
    "adult": "income", "ames": "Sale_Price", "bikeshare": "bikers", "california": "MedHouseVal",
    "credit_data": "Status", "diamonds": "price", "letter": "target", "loans_full": "interest_rate",
    "magic": "target", "marketing": "target", "phoneme": "target", "splice": "target", "wa_churn": "churn",
}  # fmt: skip

CONFIG = fastnet.TrainConfig(hidden=(8,), epochs=2)


def messy(n: int, seed: int = 0, **more: Any) -> dict[str, Any]:
    """Return a table with cells of every kind, some missing; names that a graph uses itself are among its columns."""
    random = np.random.default_rng(seed)
    days = [datetime(2019, 1, 1, tzinfo=UTC) + timedelta(hours=int(hour)) for hour in random.integers(0, 60_000, n)]

    def some(cells: Any, missing: Any = None) -> list[Any]:
        return [missing if random.random() < 0.1 else cell for cell in cells]

    size = random.lognormal(0, 2, n)
    return {
        "size": some(size.round(3).tolist()),
        "label": some(random.normal(size=n).round(2).tolist()),
        "Constant_0": some([f"${value:,.2f}" for value in 1000 * size], "n/a"),
        "stamp": [1_600_000_000 + int(k) for k in random.integers(0, 500, n)],
        "colour": some(random.choice(["red", "Green", "blue", "rare"], n, p=[0.5, 0.3, 0.19, 0.01]).tolist(), ""),
        "code": some(random.choice([10, 20, 30], n).tolist()),
        "grade": some(random.choice(["low", "medium", "high"], n).tolist(), "?"),
        "new": some(random.choice(["Yes", "no"], n).tolist()),
        "true": some((random.random(n) < 0.3).tolist()),
        "when": some([f"{day:%Y-%m-%d %H:%M}" for day in days], ""),
        "seen": some([f"{day:%d.%m.%Y}" for day in days]),
        "target": np.where(size > 1, "big", "small").tolist(),
    } | more  # fmt: skip


def unlike(n: int) -> dict[str, Any]:
    """Return such a table whose cells the training did not have."""
    table = messy(n, seed=9)
    table["colour"][:6] = ["violet", "red", "NA", None, "RED", " blue "]
    table["code"][:3] = [99, 10, None]
    table["new"][:4] = ["YES", "maybe", "NO", None]
    table["grade"][:3] = ["highest", "low", "-"]
    table["size"][:3] = [1e12, -1e12, 0.0]
    table["when"][:4] = ["1969-12-31 23:59", "2000-02-29 00:00", "2100-03-01 12:00", None]
    table["extra"] = list(range(n))
    return table


def trained(table: Any, **how: Any) -> Any:
    reading = {name: how.pop(name) for name in ("numbers", "types", "target") if name in how}
    data = fastnet.load(pa.table(table), **{"target": "target", "types": {"code": "category"}, **reading})
    return fastnet.train(data, fastnet.TrainConfig(hidden=(8,), epochs=3, **how)).model


@pytest.mark.parametrize("numbers", ["piecewise", "quantile"])
@pytest.mark.filterwarnings("ignore::fastnet.FastnetWarning")
def test_cells_of_every_kind(numbers: str, tmp_path: Path) -> None:
    model = trained(messy(600), numbers=numbers)
    kinds = {column.kind for column in model.schema.columns}
    assert {"number", "category", "ordered", "boolean", "date"} <= kinds
    table = unlike(300)
    assert_same(model, pa.table(table), feeds_of(model, pa.table(table)), table, tmp_path)
    assert len(np.unique(model.predict_proba(pa.table(table)))) > 100


@pytest.mark.filterwarnings("ignore::fastnet.FastnetWarning")
def test_inputs_have_the_types_of_their_columns(tmp_path: Path) -> None:
    model = trained(messy(600))
    session = session_of(model, tmp_path)
    types = {each.name: each.type for each in session.get_inputs()}
    assert [*types] == list(model.schema.features_from)
    assert types["size"] == "tensor(float)" and types["stamp"] == types["when"] == "tensor(double)"
    assert types["colour"] == types["code"] == types["new"] == "tensor(string)"
    assert all(each.shape == ["N", 1] for each in session.get_inputs())
    assert [each.name for each in session.get_outputs()] == ["predicted_label", "probabilities"]


@pytest.mark.filterwarnings("ignore::fastnet.FastnetWarning")
def test_texts_of_a_category_that_mean_the_same(tmp_path: Path) -> None:
    model = trained(messy(600))
    session = session_of(model, tmp_path)
    feeds = feeds_of(model, pa.table(messy(20)))

    def probabilities(**texts: str) -> np.ndarray:
        changed = {name: np.full((20, 1), text, object) for name, text in texts.items()}
        found: np.ndarray = session.run(None, {**feeds, **changed})[1]
        return found

    missing = probabilities(colour="")
    assert all((probabilities(colour=text) == missing).all() for text in SPELLINGS)
    assert not (missing == probabilities(colour="red")).all()
    assert (probabilities(code="10") == probabilities(code="10.0")).all()
    assert (probabilities(new="yes") == probabilities(new="YES")).all()
    assert not (probabilities(new="yes") == probabilities(new="No")).all()


@pytest.mark.filterwarnings("ignore::fastnet.FastnetWarning")
def test_numbers_that_count_as_missing(tmp_path: Path) -> None:
    table = messy(600)
    table["size"] = [-999 if value is None else value for value in table["size"]]
    model = trained(table)
    assert model.schema.column("size").sentinels == (-999.0,)
    session = session_of(model, tmp_path)
    feeds = feeds_of(model, pa.table(table))
    lost = np.isnan(feeds["size"])
    assert lost.any()
    given = feeds | {"size": np.where(lost, np.float32(-999), feeds["size"])}
    assert (session.run(None, given)[1] == session.run(None, feeds)[1]).all()


def test_parts_of_dates_are_those_of_the_calendar() -> None:
    random = np.random.default_rng(4)
    seconds = np.concatenate([random.uniform(-6e10, 2.5e11, 20_000).round(), 86400.0 * np.arange(-1500, 1500)])
    seconds = np.append(seconds, [0.0, -1.0, -86400.0, 951782400.0, 4107542400.0, np.nan])
    graph = Graph([*PARTS, "x"])
    found = _parts(graph, graph.input("x", "DOUBLE", ["N", 1]), [*PARTS])
    for part in PARTS:
        graph.output(part, "DOUBLE", ["N", 1], found[part])
    content = graph.model("", {}).SerializeToString()
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    for part, values in zip(PARTS, session.run(None, {"x": seconds[:, None]}), strict=True):
        np.testing.assert_array_equal(values[:, 0], part_of(seconds, part))
        np.testing.assert_array_equal(alone(seconds, part), part_of(seconds, part))


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.filterwarnings("ignore::fastnet.FastnetWarning")
def test_tables_as_people_have_them(name: str, tmp_path: Path) -> None:
    if not (SHARED / f"{name}.csv.gz").is_file():
        pytest.skip("no real tables are here")
    head, *rows = gzip.decompress((SHARED / f"{name}.csv.gz").read_bytes()).decode().splitlines()
    some = rows[:: len(rows) // 1000]
    (tmp_path / "old.csv").write_text("\n".join([head, *some[::2]]))
    (tmp_path / "new.csv").write_text("\n".join([head, *some[1::2]]))
    new = tmp_path / "new.csv"
    model = fastnet.train(fastnet.load(tmp_path / "old.csv", target=TARGETS[name]), CONFIG).model
    assert_same(model, new, feeds_of(model, new), columns_of(new), tmp_path)


@pytest.mark.parametrize("objective", ["squared-error", "pinball"])
@pytest.mark.filterwarnings("ignore::fastnet.FastnetWarning")
def test_an_ensemble_of_a_table_with_pipelines_of_its_own(objective: str, tmp_path: Path) -> None:
    old, new = messy(600), messy(200, seed=2)
    target = {"target": np.exp(np.arange(600) % 50 / 10).round(2).tolist()}
    members = []
    for numbers, hidden in (("piecewise", (8,)), ("standard", (8,)), ("piecewise", (4, 3))):
        data = fastnet.load(pa.table(old | target), target="target", types={"code": "category"}, numbers=numbers)
        config = fastnet.TrainConfig(hidden=hidden, epochs=3, objective=objective)
        members.append(fastnet.train(data, config).model)
    model = fastnet.Ensemble(members=members, weights=(1, 2, 4))
    assert_same(model, pa.table(new), feeds_of(model, pa.table(new)), new, tmp_path)
