"""The data of charts of a study as plain values ready for JSON; report.js draws them, and `fastnet.plots`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.config.metric import sign
from fastnet.tuning.space.distributions import Choice, Distribution, LogInt, LogUniform, text_of
from fastnet.tuning.space.names import Value
from fastnet.tuning.trial import CURVES, TrialResult, known
from fastnet.tuning.view.best_of import best_of, counts
from fastnet.tuning.view.columns import DIVERGED, DONE, Columns
from fastnet.tuning.view.importance import Importance, importance

MOST_POINTS = 2000
"""Most trials drawn one by one; of more, the best and an evenly spaced selection of the others."""

MOST_VALUES = 40_000
"""Most hyperparameter values of drawn trials in the page, about 10 bytes each."""

BEST_POINTS = 200
"""Number of the best trials among those drawn."""

SHOWN = 20
"""Best trials whose learning curves are drawn."""

MOST_EPOCHS = 200
"""Most points of a learning curve; a longer one is thinned."""

BINS = 10


def drawn(columns: Columns, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the trials drawn one by one, ascending: all, or the best and an evenly spaced selection of the others."""
    most = min(MOST_POINTS, max(MOST_VALUES // max(len(columns.params), 1), 2 * BEST_POINTS))
    if len(columns) <= most:
        return np.arange(len(columns))
    best = order[:BEST_POINTS]
    others = np.flatnonzero(np.bincount(best, minlength=len(columns)) == 0)
    even = others[np.linspace(0, len(others) - 1, most - len(best)).astype(np.int64)]
    return np.sort(np.concatenate([best, even]))


def points(columns: Columns, best: Sequence[TrialResult]) -> dict[str, Any]:
    """Return one list for each field of the drawn trials, and the rank of each among the `best`, 0 for none."""
    places = {trial.id: place for place, trial in enumerate(best, start=1)}
    return {
        "id": columns.id.tolist(),
        "stage": columns.stage.tolist(),
        "status": columns.status.tolist(),
        "epochs": columns.epochs.tolist(),
        "value": [_short(value) for value in columns.value.tolist()],
        "place": [places.get(number, 0) for number in columns.id.tolist()],
        "params": {name: [_short(value) for value in values.tolist()] for name, values in columns.params.items()},
    }


def axes(whole: Mapping[str, Distribution]) -> list[dict[str, Any]]:
    """Describe the axis of each hyperparameter: name, kind (``log``, ``linear`` or ``choice``), ends or values."""
    described = []
    for name, distribution in whole.items():
        ends = distribution.extremes()
        axis: dict[str, Any] = {"name": name, "label": name.replace("_", " ")}
        if isinstance(distribution, Choice):
            axis |= {"kind": "choice", "values": list(ends), "texts": [text_of(value) for value in ends]}
        else:
            kind = "log" if isinstance(distribution, (LogUniform, LogInt)) else "linear"
            axis |= {"kind": kind, "range": list(ends)}
        described.append(axis)
    return described


def curves(best: Sequence[TrialResult]) -> dict[str, Any] | None:
    """Return the learning curves of the best trials, thinned if they are long; None if none are stored."""
    kept = [trial for trial in best if trial.curves.size]
    if not kept:
        return None
    epochs = kept[0].curves.shape[1]
    step = -(-epochs // MOST_EPOCHS)
    which = np.arange(epochs - 1, -1, -step)[::-1]  # the last epoch is always among them
    trials = [
        {"place": place, "id": trial.id, "value": _short(trial.value)}
        | {name: _numbers(trial.curves[row, which]) for row, name in enumerate(CURVES)}
        for place, trial in enumerate(best, start=1)
        if trial.curves.size
    ]
    scored = kept[0].train_scored
    return {"epochs": (which + 1).tolist(), "step": step, "train_scored": scored, "trials": trials}


def best_so_far(columns: Columns) -> dict[str, list[Any]]:
    """Return the steps of the best value so far: numbers of trials, and values."""
    good = np.where(columns.status == DONE, sign(columns.metric) * columns.value, -np.inf)
    best = np.maximum.accumulate(np.concatenate([[-np.inf], good]))
    rises = np.flatnonzero(best[1:] > best[:-1])
    best = best[1:]
    values = [_short(sign(columns.metric) * value) for value in best[rises].tolist()]
    if len(rises):
        return {"n": [*(rises + 1).tolist(), len(columns)], "value": [*values, values[-1]]}
    return {"n": [], "value": []}


def bands(columns: Columns) -> list[dict[str, Any]]:
    """Return the best of n trials of each stage: ``n``, ``low``, ``middle`` and ``high``.

    Trials stopped early or diverged count as worse than all others.
    """
    found = []
    for stage in np.unique(columns.stage).tolist():
        here = columns.stage == stage
        of_stage = columns.take(here)
        good = np.where(of_stage.status == DONE, sign(columns.metric) * of_stage.value, -np.inf)
        if not np.isfinite(good).any():
            continue
        n = counts(len(good))
        quantiles = sign(columns.metric) * best_of(good, n)
        lines = {name: _numbers(line) for name, line in zip(("low", "middle", "high"), quantiles, strict=True)}
        found.append({"stage": stage, "before": int(np.flatnonzero(here)[0]), "n": n.tolist(), **lines})
    return found


def divergence(columns: Columns, whole: Mapping[str, Distribution]) -> list[dict[str, Any]]:
    """Return the numbers of trials and of diverged trials in each part of each hyperparameter's range."""
    found = []
    diverged = columns.status == DIVERGED
    for name, distribution in whole.items() if len(columns) else ():
        ends = distribution.extremes()
        if len(ends) < 2 and isinstance(distribution, Choice):
            continue
        n = len(ends) if isinstance(distribution, Choice) else BINS
        place = np.minimum((distribution.position(columns.params[name]) * n).astype(np.int64), n - 1)
        trials, gone = np.bincount(place, minlength=n), np.bincount(place[diverged], minlength=n)
        edges = [distribution.between(k / n, (k + 1) / n) for k in range(n)]
        texts = [
            [text_of(value if isinstance(value, str) else float(f"{value:.2g}")) for value in edge.extremes()]
            for edge in edges
        ]
        found.append(
            {"label": name.replace("_", " "), "choice": isinstance(distribution, Choice),
             "parts": [" to ".join(dict.fromkeys(ends)) for ends in texts], "starts": [ends[0] for ends in texts],
             "trials": trials.tolist(), "diverged": gone.tolist()}
        )  # fmt: skip
    return found


def importances(columns: Columns, space: Mapping[str, Distribution]) -> dict[str, Any]:
    """Return the importance of the hyperparameters in the first stage, over all its trials and in their better half."""
    first = columns.take(columns.stage == columns.stage.min()) if len(columns) else columns
    found: dict[str, Any] = {"stage": int(first.stage[0]) if len(first) else 1}
    for title, better_half in (("all", False), ("better", True)):
        result = importance(first, space, better_half=better_half)
        if isinstance(result, Importance):
            numbers = {"share": result.share, "low": result.low, "high": result.high}
            found[title] = {name: _numbers(values) for name, values in numbers.items()} | {
                "labels": [name.replace("_", " ") for name in result.names], "trials": result.trials,
                "explained": _short(result.explained),
            }  # fmt: skip
        else:
            found[title] = {"words": result}
    return found


def _short(value: Value) -> Any:
    """Round a number to six digits, None for NaN and infinity; return texts and whole numbers unchanged."""
    return known(float(f"{value:.6g}")) if isinstance(value, float) else value


def _numbers(values: Any) -> list[float | None]:
    return [float(f"{value:.4g}") if math.isfinite(value) else None for value in map(float, values)]
