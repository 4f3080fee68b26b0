"""What a model relies on, where the truth is known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fastnet.data.fields import Field
from fastnet.model.reliance import (
    GRID,
    Probe,
    column_places,
    importance_of_columns,
    mean_and_error,
    partial_dependence,
)

FIELDS = (
    Field("size", "number", "size", offset=100.0),
    Field("colour", "category", "colour", ("red", "green", "blue")),
    Field("noise", "number", "noise"),
    Field("day", "number", "day"),
    Field("day.month", "number", "day"),
)


def probe(n: int = 600) -> Probe:
    """Numbers that are 3 size + colour + day + month, which the model knows exactly."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 5)).astype(np.float32)
    x[:, 1] = rng.choice(3, n, p=[0.6, 0.3, 0.1])

    def predict(rows):
        return (3 * rows[:, [0]] + rows[:, [1]] + rows[:, [3]] + rows[:, [4]]).astype(np.float64)

    truth = predict(x)[:, 0]
    return Probe(x, FIELDS, predict, lambda outputs, rows: np.square(outputs[:, 0] - truth[rows]))


def test_importance_is_twice_the_variance_that_a_column_brings():
    found = importance_of_columns(probe())
    assert [row["column"] for row in found] == ["size", "day", "colour", "noise"]
    size, day, colour, noise = (row["rise"] for row in found)
    assert size == pytest.approx(18, rel=0.15)  # 2 * 3^2
    assert day == pytest.approx(4, rel=0.2)  # both parts are shuffled together
    assert colour == pytest.approx(2 * 0.45, rel=0.2)
    assert noise == 0.0
    assert all(row["low"] <= row["rise"] <= row["high"] for row in found)
    assert found == importance_of_columns(probe())
    json.dumps(found, allow_nan=False)


def test_an_interval_shrinks_with_the_number_of_samples():
    few, many = (importance_of_columns(probe(n))[0] for n in (40, 2000))
    assert many["high"] - many["low"] < few["high"] - few["low"]


def test_one_sample_has_no_importance_but_an_answer():
    assert {row["rise"] for row in importance_of_columns(probe(1))} == {0.0}


def test_dependence_is_the_line_that_the_model_computes():
    size, colour = partial_dependence(probe(), ["size", "colour"], {"price": 0})
    assert size["kind"] == "number"
    assert len(size["values"]) == GRID
    assert abs(size["values"][GRID // 2] - 100.0) < 1.0  # in the column's own unit
    slope = np.polyfit(size["values"], size["curves"]["price"], 1)[0]
    assert slope == pytest.approx(3.0, rel=1e-3)
    assert colour["values"] == ["red", "green", "blue"]
    assert colour["share"] == pytest.approx([0.6, 0.3, 0.1], abs=0.05)
    assert np.diff(colour["curves"]["price"]) == pytest.approx([1.0, 1.0], rel=1e-3)


def test_missing_and_constant_values_do_not_stop_the_measurement():
    one = probe()
    x = one.x.copy()
    x[::3, 0] = np.nan
    x[:, 2] = 7.0
    known = Probe(x, one.fields, lambda rows: np.nan_to_num(one.predict(rows)), lambda outputs, rows: outputs[:, 0])
    [size] = partial_dependence(known, ["size", "noise"], {"price": 0})  # noise has one value: nothing to draw
    assert None not in size["values"]


def test_a_date_is_measured_by_the_field_of_its_name():
    [day] = partial_dependence(probe(), ["day"], {"price": 0})
    assert len(day["values"]) == GRID
    assert column_places(FIELDS)["day"] == [3, 4]


def test_weights_count_in_means_and_intervals():
    plain, rng = probe(), np.random.default_rng(1)
    assert importance_of_columns(replace(plain, weights=np.full(600, 3.0))) == importance_of_columns(plain)
    small = plain.x[:, 0] < 0
    [colour] = partial_dependence(replace(plain, weights=small * 1.0), ["colour"], {"price": 0})
    rows = plain.x[np.linspace(0, 599, 500).astype(np.int64)]
    rest = (3 * rows[:, 0] + rows[:, 3] + rows[:, 4])[rows[:, 0] < 0].mean()
    assert colour["curves"]["price"] == pytest.approx([rest, rest + 1, rest + 2], rel=1e-4)
    values, weights = rng.normal(size=300), rng.integers(0, 3, 300).astype(float)
    mean, error = mean_and_error(values, weights)
    assert mean == pytest.approx(np.repeat(values, weights.astype(int)).mean())
    draws = [mean_and_error(rng.normal(size=300), weights)[0] for _ in range(2000)]
    assert error == pytest.approx(np.std(draws), rel=0.15)
    assert mean_and_error(values, np.ones(300))[1] == pytest.approx(values.std(ddof=1) / 300**0.5)
