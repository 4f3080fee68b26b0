"""Figures of learning curves from plain values."""

from __future__ import annotations

from fastnet.plots.curves import COLUMNS, curves_of_training, curves_of_trials


def trial(place: int) -> dict:
    curves = {f"{part}_{kind}": [0.2, None, 0.6] for part in ("train", "validation") for kind in ("loss", "score")}
    return {"place": place, "id": 10 + place, "value": 0.6} | curves


def test_a_training_has_a_chart_of_each_measure_and_marks_its_best_epoch() -> None:
    panels = {"accuracy": {"training": [0.1, 0.4], "validation": [0.1, 0.3]}}
    panels |= {"loss": {"training": [2.0, 1.5], "validation": [2.1, 1.9]}}
    found = curves_of_training(panels, best_epoch=2)
    layout = found.layout
    assert [layout[name].title.text for name in ("xaxis", "yaxis", "xaxis2", "yaxis2")] == [
        "epoch", "accuracy", "epoch", "loss"]  # fmt: skip
    assert [shape.x0 for shape in layout.shapes] == [2, 2] and layout.annotations[0].text == "best epoch 2"
    assert [(trace.name, trace.y) for trace in found.data[2:]] == [("training", (2.0, 1.5)), ("validation", (2.1, 1.9))]
    assert "epoch %{x}" in found.data[0].hovertemplate and "training accuracy" in found.data[0].hovertemplate


def test_a_curve_that_was_not_measured_is_left_out_and_a_single_epoch_is_a_mark() -> None:
    found = curves_of_training({"accuracy": {"training": [None], "validation": [0.3]}}, best_epoch=1)
    assert [(trace.name, trace.mode) for trace in found.data] == [("validation", "markers")]


def test_each_of_the_best_trials_has_a_chart() -> None:
    found = curves_of_trials({"epochs": [1, 2, 3], "trials": [trial(k) for k in range(1, 8)]}, "accuracy")
    assert [note.text for note in found.layout.annotations] == [f"Best-{k}: 0.6" for k in range(1, 8)]
    assert len(found.data) == 14 and sum(bool(trace.showlegend) for trace in found.data) == 2
    assert "trial 13, epoch %{x}" in found.data[4].hovertemplate and found.data[4].y == (0.2, None, 0.6)
    layout, second = found.layout, COLUMNS + 1
    assert (
        layout.yaxis.range == (0, 1.0) and layout.yaxis.title.text == layout[f"yaxis{second}"].title.text == "accuracy"
    )
    assert not layout.yaxis2.title.text and layout.yaxis7.matches == "y"
    assert layout.xaxis7.title.text == "epoch" and not layout.xaxis.title.text


def test_losses_begin_at_0_and_end_above_the_largest() -> None:
    found = curves_of_trials({"epochs": [1, 2, 3], "trials": [trial(1)]}, "loss")
    low, high = found.layout.yaxis.range
    assert low == 0 and 0.6 < high < 0.7


def test_without_curves_a_sentence() -> None:
    assert curves_of_trials(None, "accuracy").layout.annotations[0].text == "No learning curves are stored."
