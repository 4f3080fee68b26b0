"""Trials as lines of text and as rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fastnet.report import format_best, to_rows
from fastnet.tuning.trial import TrialResult


def make_trial(number: int, accuracy: float = 0.8, epochs: int = 6, **params: float) -> TrialResult:
    rise = np.linspace(0.1, accuracy, epochs)
    curves = np.stack([2.3 - rise, np.minimum(rise * 1.2, 1.0), 2.4 - rise, rise]).astype(np.float32)
    curves[:, -1] = [0.5, 1.0, 0.75, accuracy]
    return TrialResult.from_curves(number, "done", params, curves, seconds=0.25)


def test_format_best_is_the_books_form():
    trials = [
        make_trial(4, 0.83, learning_rate=0.0092, weight_decay=3.86e-7),
        make_trial(2, 0.8125, weight_decay=1e-8, learning_rate=0.00123457, dropout=0.25, beta1=0.9),
        make_trial(9, 1.0, learning_rate=0.01),
        make_trial(8, 0.123456),
    ]
    assert format_best(trials) == [
        "Best-1 (val acc:0.83) | lr:0.0092, weight decay:3.86e-07",
        "Best-2 (val acc:0.8125) | lr:0.00123457, weight decay:1e-08, beta1:0.9, dropout:0.25",
        "Best-3 (val acc:1.0) | lr:0.01",
        "Best-4 (val acc:0.1235)",
    ]
    assert format_best([]) == []


def test_to_rows_gives_plain_values_with_times_named_seconds():
    row = to_rows([make_trial(4, 0.83, learning_rate=0.0092, dropout=0.5)])[0]
    assert row == {
        "id": 4,
        "status": "done",
        "validation_accuracy": 0.83,
        "best_validation_accuracy": 0.83,
        "best_epoch": 6,
        "train_accuracy": 1.0,
        "validation_loss": 0.75,
        "train_loss": 0.5,
        "dropout": 0.5,
        "learning_rate": 0.0092,
        "seconds": 0.25,
    }
    assert {type(value) for value in row.values()} == {int, str, float}


def test_to_rows_has_no_nan():
    curves = np.full((4, 3), np.nan, np.float32)
    row = to_rows([TrialResult.from_curves(1, "diverged", {"learning_rate": 5.0}, curves, seconds=0.1)])[0]
    assert row["status"] == "diverged"
    missing = {"validation_accuracy", "best_validation_accuracy", "best_epoch", "train_accuracy", "train_loss"}
    assert {name for name, value in row.items() if value is None} == missing | {"validation_loss"}


def test_a_stopped_trial_shows_its_epochs() -> None:
    import numpy as np

    from fastnet.report.listing import format_best
    from fastnet.tuning import TrialResult

    curves = np.full((4, 5), np.nan, np.float32)
    curves[:, :2] = 0.5
    trial = TrialResult.from_curves(3, "stopped", {}, curves, seconds=0.1)
    assert format_best([trial]) == ["Best-1 (val acc:0.5 after 2 of 5 epochs)"]


def test_rows_and_lines_name_the_value_by_its_metric() -> None:
    curves = np.array([[0.9, 0.4], [9000.0, 7000.0], [0.8, 0.5], [12_000.0, 8000.0]], np.float32)
    of_numbers = {"objective": "squared-error"}
    found = {}
    for metric in ("rmse", "loss"):
        trial = TrialResult.from_curves(0, "done", {}, curves, seconds=0.25, metric=metric)
        found[metric] = replace(trial, settings=of_numbers)
    names = ("id", "status", "best_epoch", "train_loss", "seconds", "train_rmse", "validation_rmse", "validation_loss")
    for metric, trial in found.items():
        [row] = to_rows([trial], metric)
        assert row.keys() == {*names, f"best_validation_{metric}"}
        assert row[f"validation_{metric}"] == row[f"best_validation_{metric}"] == trial.value
        assert (row["validation_rmse"], row["validation_loss"], row["train_rmse"]) == (8000.0, 0.5, 7000.0)
    assert format_best([found["rmse"]], "rmse") == ["Best-1 (val rmse:8000)"]
    assert format_best([found["loss"]], "loss") == ["Best-1 (val loss:0.5)"]
