"""Trials as lines of text and as rows for JSON and CSV."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastnet.config.metric import DEFAULT_METRIC, METRICS, Metric, score_name
from fastnet.tuning.space.distributions import text_of
from fastnet.tuning.trial import TrialResult, known

_BOOK_WORDS = {"learning_rate": "lr", "weight_decay": "weight decay"}


def format_best(trials: Iterable[TrialResult], metric: str = DEFAULT_METRIC) -> list[str]:
    """Write ranked trials, best first, in the book's form, one line each.

    Values have at most 4 decimals. Hyperparameters have all their digits, so that a line is enough to run its trial
    again; learning rate and weight decay come first, by the book's names. A trial stopped early shows its epochs.

    >>> import numpy as np
    >>> curves = np.full((4, 1), 0.83, np.float32)
    >>> params = {"learning_rate": 0.0092, "weight_decay": 3.86e-7}
    >>> trial = TrialResult.from_curves(5, "done", params, curves, seconds=0.1)
    >>> format_best([trial])
    ['Best-1 (val acc:0.83) | lr:0.0092, weight decay:3.86e-07']
    """
    return [_line(place, trial, METRICS[metric]) for place, trial in enumerate(trials, start=1)]


def to_rows(trials: Iterable[TrialResult], metric: str = DEFAULT_METRIC) -> list[dict[str, Any]]:
    """Return trials as flat rows of plain Python values, in the order given.

    A row has ``id, status, validation_accuracy, best_validation_accuracy, best_epoch, train_accuracy, validation_loss,
    train_loss`` of the last epoch that ran, then the hyperparameters by name, then ``seconds``. The first two are the
    trial's `value` and `best_value` and are named by the metric; ``accuracy`` is the score, ``rmse``, ``mae`` or
    ``pinball`` of numbers. Values that a diverged trial, or one without curves, lacks are None. Except for ``seconds``,
    rows are the same on every machine.

    >>> import numpy as np
    >>> curves = np.full((4, 1), 0.5, np.float32)
    >>> row = to_rows([TrialResult.from_curves(5, "done", {"dropout": 0.1}, curves, seconds=0.2)])[0]
    >>> row["id"], row["validation_accuracy"], row["dropout"], row["seconds"]
    (5, 0.5, 0.1, 0.2)
    """
    return [_row(trial, metric) for trial in trials]


def _line(place: int, trial: TrialResult, metric: Metric) -> str:
    names = [name for name in _BOOK_WORDS if name in trial.params]
    names += [name for name in trial.params if name not in _BOOK_WORDS]
    params = ", ".join(f"{_BOOK_WORDS.get(name, name)}:{text_of(trial.params[name])}" for name in names)
    value = metric.text(trial.value) if metric.in_units else str(round(trial.value, 4))
    head = f"Best-{place} (val {metric.short}:{value}{_stopped(trial)})"
    return f"{head} | {params}" if params else head


def _stopped(trial: TrialResult) -> str:
    """Return the epochs of a trial that was stopped early, in words."""
    if trial.status != "stopped":
        return ""
    planned = trial.curves.shape[-1]  # no columns where the curves were not read
    epochs = f"{trial.epochs} of {planned}" if planned else str(trial.epochs)
    return f" after {epochs} epoch{'s' if planned or trial.epochs != 1 else ''}"


def _row(trial: TrialResult, metric: str) -> dict[str, Any]:
    last = {
        score_name("train", trial.score): trial.train_score,
        score_name("validation", trial.score): trial.validation_score,
        "validation_loss": trial.validation_loss,
        "train_loss": trial.train_loss,
    }
    del last[score_name("validation", metric)]
    row: dict[str, Any] = {
        "id": trial.id,
        "status": trial.status,
        score_name("validation", metric): known(trial.value),
        score_name("best_validation", metric): known(trial.best_value),
        "best_epoch": trial.best_epoch or None,
    }
    epoch = trial.epochs - 1 if trial.status != "diverged" and trial.curves.size else -1
    row |= {name: known(float(str(curve[epoch]))) if epoch >= 0 else None for name, curve in last.items()}
    return row | dict(trial.params) | {"seconds": trial.seconds}
