"""Figures of a search from plain values."""

from __future__ import annotations

import math
from typing import Any

import pytest

from fastnet.plots.study import Scale, coordinates, history, slices

LR = {"name": "learning_rate", "label": "learning rate", "kind": "log", "range": [1e-4, 1e-1]}
KIND = {
    "name": "activation",
    "label": "activation",
    "kind": "choice",
    "values": ["relu", "<i>"],
    "texts": ["relu", "<i>"],
}
DROP = {"name": "dropout", "label": "dropout", "kind": "linear", "range": [0.0, 0.5]}


def made(**changes: Any) -> dict[str, Any]:
    points = {
        "id": [0, 1, 2, 3],
        "status": [0, 0, 1, 2],
        "epochs": [9, 9, 3, 1],
        "value": [0.5, 0.9, 0.4, None],
        "place": [0, 1, 0, 0],
        "params": {
            "learning_rate": [1e-3, 1e-2, 1e-4, 1e-1],
            "activation": ["relu", "<i>", "relu", "<i>"],
            "dropout": [0.1, 0.2, 0.3, 0.4],
        },
    }
    return points | changes


def test_each_hyperparameter_has_a_chart_and_each_trial_a_mark_in_it() -> None:
    found = slices(made(), [LR, KIND, DROP, LR], "accuracy")
    assert [trace.name for trace in found.data[:4]] == ["others", "stopped early", "diverged", "best"]
    assert len(found.data) == 16 and sum(bool(trace.showlegend) for trace in found.data) == 4
    for k in range(4):
        assert sum(len(trace.x) for trace in found.data[4 * k : 4 * k + 4]) == 4
    layout = found.layout
    assert [layout[name].title.text for name in ("xaxis", "xaxis2", "xaxis3", "xaxis4")] == [
        "learning rate", "activation", "dropout", "learning rate"]  # fmt: skip
    assert layout.xaxis.type == "log" and layout.xaxis3.type == "linear"
    assert layout.xaxis2.ticktext == ("relu", "&lt;i&gt;")
    assert layout.yaxis.title.text == layout.yaxis4.title.text == "validation accuracy"
    assert layout.yaxis2.title.text is None and layout.yaxis2.matches == layout.yaxis3.matches == "y"


def test_what_is_pointed_at_names_the_trial_its_value_and_its_hyperparameters() -> None:
    others, stopped, diverged, best = slices(made(), [LR, KIND], "accuracy").data[:4]
    assert best.text[0] == (
        "<b>trial 1</b>, Best-1<br>validation accuracy 0.9<br>learning rate 0.01<br>activation &lt;i&gt;"
    )
    assert stopped.text[0].split("<br>")[1] == "validation accuracy 0.4, stopped after 3 epochs"
    assert diverged.text[0].split("<br>")[1] == "diverged" and diverged.y[0] < 0.4
    assert others.x == (1e-3,) and others.y == (0.5,)


def test_marks_of_a_choice_are_near_its_place() -> None:
    for trace in slices(made(), [KIND], "accuracy").data:
        assert all(abs(x - round(x)) <= 0.3 and round(x) in (0, 1) for x in trace.x)


def test_losses_that_differ_much_have_a_logarithmic_axis_and_what_diverged_is_below() -> None:
    found = slices(made(value=[0.5, 0.01, 30.0, None]), [LR], "loss")
    assert found.layout.yaxis.type == "log" and found.layout.yaxis.ticktext == ("0.01", "0.1", "1", "10")
    diverged = next(trace for trace in found.data if trace.name == "diverged")
    assert 0 < diverged.y[0] < 0.01 and found.layout.yaxis.range[0] < math.log10(diverged.y[0])
    assert not Scale([0.5, 0.4], "loss").log and not Scale([0.001, 0.9], "accuracy").log


def test_sentences_where_there_is_nothing_to_draw() -> None:
    def words(figure: Any) -> str:
        return str(figure.layout.annotations[0].text)

    empty: dict[str, Any] = {"id": [], "status": [], "epochs": [], "value": [], "place": [], "params": {}}
    assert words(slices(made(), [], "accuracy")) == "No hyperparameter is searched."
    assert words(slices(empty, [LR], "accuracy")) == "There is no trial yet."
    assert words(slices(made(value=[None] * 4), [LR], "accuracy")) == "Every trial diverged."
    assert words(coordinates(made(status=[0, 1, 1, 2]), [LR], "accuracy")).startswith("Fewer than two")
    assert words(history([], {"n": [], "value": []}, "accuracy")) == "No trial ran to its end."


@pytest.mark.parametrize(("metric", "values"), [("accuracy", (0.5, 0.9)), ("loss", (0.9, 0.5))])
def test_lines_of_trials_are_drawn_from_the_worst_to_the_best(metric: str, values: tuple[float, ...]) -> None:
    [trace] = coordinates(made(), [LR, KIND, DROP], metric).data
    assert [dimension.label for dimension in trace.dimensions][:3] == ["learning rate", "activation", "dropout"]
    assert trace.dimensions[-1].values == values and trace.line.color[0] < trace.line.color[1]
    assert trace.dimensions[0].range == (-4.0, -1.0) and trace.dimensions[0].ticktext[0] == "0.0001"


def test_the_course_of_a_search_and_of_others_like_it() -> None:
    bands = [
        {"stage": stage, "before": before, "n": [1, 30], "low": [0.1, 0.5], "middle": [0.4, 0.6], "high": [0.6, 0.7]}
        for stage, before in ((1, 0), (2, 30))
    ]
    found = history(bands, {"n": [1, 60], "value": [0.3, 0.65]}, "accuracy")
    assert [trace.x for trace in found.data if trace.name == "the median"] == [(1, 30), (31, 60)]
    assert "of stage 2" in found.data[5].text[0] and found.data[-1].text[1] == "this search after 60 trials: 0.65"
    assert found.layout.xaxis.title.text == "trials" and found.layout.xaxis.type is None
    alone = history(bands[:1], {"n": [1, 30], "value": [0.3, 0.65]}, "accuracy")
    assert alone.layout.xaxis.type == "log" and alone.layout.yaxis.title.text == "best validation accuracy"
