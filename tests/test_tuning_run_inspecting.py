"""What a search measures about its model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fastnet
from fastnet.data.fields import Field
from fastnet.tuning import Study
from fastnet.tuning.run.inspecting import inspected

CONFIG = fastnet.TrainConfig(hidden=(16,), epochs=15, learning_rate=0.1)


@pytest.fixture(scope="module")
def flowers() -> tuple[fastnet.Dataset, tuple[Field, ...]]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)).astype(np.float32)
    x[:, 2] = rng.integers(0, 2, 300)
    y = np.where(x[:, 0] + 2 * x[:, 2] > 1, "tall", "short")
    fields = (
        Field("height", "number", "height", offset=100.0),
        Field("noise", "number", "noise"),
        Field("wet", "boolean", "wet", ("no", "yes")),
    )
    return fastnet.as_dataset(x, y), fields


def test_the_validation_samples_are_measured_where_there_is_no_test_set(flowers) -> None:
    data, fields = flowers
    parts = fastnet.split(data.y)
    model = fastnet.train(data, CONFIG, split=parts).model
    found = inspected(model, replace(data, fields=fields), parts, "model.safetensors")
    assert (found["part"], found["samples"], found["importance_samples"]) == ("validation", 60, 60)
    assert sorted(row["column"] for row in found["importance"][:2]) == ["height", "wet"]
    assert [row["column"] for row in found["dependence"]][-1] == "noise"
    assert list(found["dependence"][0]["curves"]) == ["tall"]
    rows, heads = found["worst"]["rows"], found["worst"]["heads"]
    assert {row[0] for row in rows} <= set(parts.validation.tolist())
    losses = [row[heads.index("loss")] for row in rows]
    assert losses == sorted(losses, reverse=True)
    sample, height = rows[0][0], rows[0][heads.index("height")]
    assert height == pytest.approx(100.0 + data.x[sample, 0], rel=1e-4)
    assert rows[0][heads.index("wet")] == ("yes" if data.x[sample, 2] else "no")


def test_a_search_stores_what_it_measured_about_the_model_it_offers(digits, tmp_path) -> None:
    how = {"hidden": "16", "epochs": 2, "final": 1, "repeats": 1}
    fastnet.search({"learning_rate": "log:1e-2:1e-1"}, digits, trials=4, study=tmp_path / "s", **how)
    with Study.read(tmp_path / "s") as study:
        found = study.inspection()
    assert found["model"] == "model.safetensors"
    assert sum(map(sum, found["classes"]["confusion"])) == found["samples"]
    assert found["importance"] == []  # pixels are not columns of a table
    fastnet.search(data=digits, trials=4, study=tmp_path / "s", ensemble_top=2)
    with Study.read(tmp_path / "s") as study:
        assert study.inspection()["model"] == "ensemble.safetensors"


def test_samples_without_weight_are_not_listed_and_count_in_no_mean(flowers) -> None:
    data, fields = flowers
    parts = fastnet.split(data.y)
    model = fastnet.train(data, CONFIG, split=parts).model
    weights = (np.arange(300) % 2).astype(np.float32)
    named = replace(data, fields=fields)
    found = inspected(model, named, parts, "model.safetensors", weights)
    listed = [row[0] for row in found["worst"]["rows"]]
    losses = model._losses(model.answers(data.x), data.y)
    counted = parts.validation[weights[parts.validation] > 0]
    assert listed == counted[np.argsort(-losses[counted], kind="stable")][:20].tolist()
    assert found["importance"] != inspected(model, named, parts, "model.safetensors")["importance"]


@pytest.mark.filterwarnings("ignore:height alone determines a:fastnet.FastnetWarning")
@pytest.mark.parametrize(
    ("task", "objective", "targets"),
    [("regression", "auto", ["a", "b"]), ("regression", "pinball", ["a", "b"]), ("multilabel", "auto", [])],
)
def test_numbers_and_labels_are_measured_by_target(task, objective, targets, flowers) -> None:
    data, fields = flowers
    y = np.stack([3 * data.x[:, 0], data.x[:, 2] - data.x[:, 0]], axis=1).astype(np.float64)
    y = (y > 0).astype(np.float64) if task == "multilabel" else y
    data = replace(data, y=y, task=task, classes=np.empty(0), class_names=("a", "b"), fields=fields)
    parts = fastnet.split(np.zeros(300))
    with pytest.warns(fastnet.FastnetWarning, match="height alone determines a"):
        model = fastnet.train(data, replace(CONFIG, objective=objective), split=parts).model
    found = inspected(model, data, parts, "model.safetensors")
    assert found["classes"] is None and [target["name"] for target in found["targets"]] == targets
    assert found["importance"][0]["column"] == "height"
    assert list(found["dependence"][0]["curves"]) == ["a", "b"]
    heads, rows = found["worst"]["heads"], found["worst"]["rows"]
    assert heads[:6] == ["sample", "true a", "predicted a", "true b", "predicted b", "loss"]
    assert rows[0][1] == pytest.approx(y[rows[0][0], 0], rel=1e-4)
    losses = [row[5] for row in rows]
    assert losses == sorted(losses, reverse=True)
