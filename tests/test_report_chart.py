"""Figures as data."""

from __future__ import annotations

import json

import numpy as np

from fastnet.report.chart import Box, Chart, Panel, Rule, Series, TrialsChart, UnitsChart
from fastnet.tuning.trial import TrialResult


def test_a_chart_becomes_dicts_all_the_way_down_without_copying_its_numbers() -> None:
    numbers = np.arange(3.0)
    panel = Panel(
        title="t", x_label="x", y_label="y", series=[Series(label="a", x=[1, 2, 3], y=numbers, role="test")],
        rules=[Rule(y=0.5, label="r")], boxes=[Box(x=(0.0, 1.0), y=(0.0, 1.0), label="b")],
    )  # fmt: skip
    document = Chart(name="c", title="C", subtitle="s", panels=[panel]).to_dict()
    assert list(document) == ["name", "title", "subtitle", "panels", "columns"]
    [drawn] = document["panels"]
    assert drawn["series"][0]["y"] is numbers and drawn["series"][0]["role"] == "test"
    assert drawn["rules"] == [{"y": 0.5, "label": "r", "role": 0}]
    assert drawn["boxes"] == [{"x": (0.0, 1.0), "y": (0.0, 1.0), "label": "b"}]


def test_a_chart_of_units_is_ready_for_json() -> None:
    chart = UnitsChart(name="u", title="U", subtitle="s", heads=["a"], pictures=[[[True, False]]], widths=[2])
    assert json.loads(json.dumps(chart.to_dict()))["pictures"] == [[[True, False]]]


def test_a_chart_of_trials_has_their_scores_under_the_names_of_the_metric() -> None:
    curves = np.arange(8, dtype=np.float32).reshape(4, 2) / 10
    trial = TrialResult.from_curves(7, "done", {"learning_rate": 0.1}, curves, seconds=0.1)
    [shown] = TrialsChart(name="t", title="T", trials=[trial]).to_dict()["trials"]
    assert shown["trial"] == 7 and shown["params"] == {"learning_rate": 0.1}
    assert (shown["training_accuracy"] == curves[1]).all() and (shown["validation_accuracy"] == curves[3]).all()
