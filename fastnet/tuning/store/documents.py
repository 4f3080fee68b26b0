"""The shapes of a study's documents, and the rules for its trials."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from fastnet.config.checks import MAX_EPOCHS
from fastnet.config.metric import METRICS, SCORES, score_name, score_stored
from fastnet.config.objective import OBJECTIVES
from fastnet.config.reading import reading_of
from fastnet.errors import ConfigError
from fastnet.tuning.space.distributions import LARGEST_INT, Choice, Distribution
from fastnet.tuning.space.names import kind_of
from fastnet.tuning.space.space import Space
from fastnet.tuning.store.shapes import (
    MOST_TRIALS,
    Maybe,
    Shape,
    has_both_or_none,
    is_file_name,
    is_flag,
    is_number,
    is_plain,
    is_text,
    is_texts,
    is_whole,
)
from fastnet.tuning.trial import STATUSES

LARGEST_FLOAT = sys.float_info.max

LARGEST_REAL = 1e300
"""Larger than any value of a hyperparameter, and small enough for arithmetic."""


def is_metric(value: object) -> bool:
    """Whether a value names a metric."""
    return value in METRICS if isinstance(value, str) else False


def is_space(value: object) -> bool:
    """Whether a value is a space in its text form."""
    if not isinstance(value, dict):
        return False
    try:
        Space.parse(value)
    except ConfigError:
        return False
    return True


def is_range_of(item: object) -> bool:
    """Whether an item's ``range`` is one that its ``name`` may have."""
    return isinstance(item, dict) and is_space({item.get("name"): item.get("range")})


def is_reading(value: object) -> bool:
    """Whether a value has fields of `Reading`, with lists of columns as lists of text."""
    if not isinstance(value, dict):
        return False
    lists = [value.get(name, []) for name in ("target", "features", "drop", "types")]
    try:
        reading = reading_of(value)
    except ConfigError:
        return False
    names = (reading.weights, reading.group, reading.time)
    return (
        all(map(is_texts, lists))
        and all(name is None or is_text(name) for name in names)
        and (reading.test is None or is_text(reading.test) or is_number(reading.test))
    )


def is_objective(value: object) -> bool:
    """Whether a value names an objective."""
    return value in OBJECTIVES


def has_score(item: object, part: str = "") -> bool:
    """Whether an item has exactly one score of a part."""
    return isinstance(item, dict) and sum(score_name(part, score) in item for score in SCORES) == 1


def is_tested(item: object) -> bool:
    """Whether an item has the name of one test score, and both score and loss or neither."""
    if not has_score(item, "test"):
        return False
    assert isinstance(item, dict)
    return has_both_or_none(score_name("test", score_stored(item, "test").name), "test_loss")(item)


def _scores_of(part: str, shape: Shape) -> dict[str, Shape]:
    return {f"{score_name(part, score)}?": shape for score in SCORES}


_TESTED: Shape = {**_scores_of("test", Maybe(is_number)), "test_loss": Maybe(is_number), "test_uses?": is_whole}
_TESTED |= {"model": is_file_name, "": is_tested}
_EDGE: Shape = {"best": is_whole, "alarm": is_flag}
_NARROWING: Shape = {"name": is_text, "old": is_text, "new": is_text, "words": is_text}
_NARROWING |= {"low": Maybe(_EDGE), "high": Maybe(_EDGE)}
_ADVICE = {"name": is_text, "range": is_text, "": is_range_of}
_NEXT = {"way": is_text, "ranges": is_space, "epochs": is_whole}
_CANDIDATE = {
    "trial": is_whole,
    "params": {...: is_plain},
    "search_value": is_number,
    "values": [Maybe(is_number)],
    **dict.fromkeys(("mean", "sd", "low", "high"), Maybe(is_number)),
    "diverged": is_whole,
    "": has_both_or_none("low", "high"),
}
_SCORE: Shape = {"networks": is_whole, **_scores_of("", is_number), "loss": is_number, "": has_score}
_KEPT: Shape = _TESTED | {"best_epoch?": Maybe(is_whole), "settings?": {...: is_plain}}
_KEPT |= _scores_of("validation", is_number)
_KEPT |= {"": lambda kept: has_score(kept, "validation") and is_tested(kept)}
_MEMBER = {"trial": is_whole, "weight": is_whole}

SETTINGS: Shape = {
    "space?": is_space,
    "train?": {"epochs?": is_whole, "objective?": is_objective, ...: is_plain},
    "metric?": is_metric,
    "trials?": is_whole,
    "folds?": Maybe(is_whole),
    "enqueue?": [{...: is_plain}],
    ...: is_plain,
}
ABOUT: Shape = {"data?": is_text, **{f"n_{of}?": is_whole for of in ("samples", "features", "classes", "targets")}}
ABOUT |= {"n_train?": is_whole, "n_validation?": is_whole, ...: is_plain}
ENVIRONMENT: Shape = {"threads?": is_whole, "cores?": is_whole, ...: is_plain}
SPACE: Shape = is_space
REPORT: Shape = {
    "stage": is_whole,
    "trials": is_whole,
    "best": is_whole,
    "ranges": [_NARROWING],
    "recommendation?": {"words": is_text, "ranges?": [_ADVICE], "next?": Maybe(_NEXT)},
}
FINAL: Shape = {
    "metric": is_metric,
    "confidence": is_number,
    "candidates": [_CANDIDATE],
    "words": is_text,
    "kept": Maybe(_KEPT),
    **dict.fromkeys(("trials?", "wanted?", "repeats?"), is_whole),
    "seeds?": {...: [is_whole]},
    "shortened?": {"candidates": is_whole, "repeats": is_whole, "epochs?": is_whole},
    "": lambda final: all(score["values"] for score in final["candidates"]) and bool(final["candidates"]),
}
ENSEMBLE: Shape = {
    "members": [_MEMBER],
    "validation": {...: _SCORE},
    "method": is_text,
    **dict.fromkeys(("trials?", "top?", "shortened?"), is_whole),
    **dict.fromkeys(("folds?", "networks?", "folded?"), is_whole),
    **_TESTED,
    "": lambda document: is_tested(document) and ("folds" in document or "folded" not in document),
}
_SOURCE = {
    "data": lambda value: is_text(value) or (is_texts(value) and value != []),
    "samples?": Maybe(is_whole),
    "data_dir?": Maybe(is_text),
    "validation?": Maybe(is_text),
    "reading?": Maybe(is_reading),
}
PLAN: Shape = {
    **dict.fromkeys(("trials?", "final?", "repeats?", "ensemble_top?"), is_whole),
    "ensemble?": is_text,
    "ensemble_folds?": Maybe(is_whole),
    "source?": Maybe(_SOURCE),
}
TEST_USE: Shape = {...: is_plain}
_CURVE = {"class": is_whole, "share": is_number, "threshold": [Maybe(is_number)]}
_CURVE |= {key: [is_number] for key in ("false_positive_rate", "recall", "precision")}
_OF_CLASS = dict.fromkeys(("precision", "recall", "f1", "auc", "average_precision"), Maybe(is_number))
_BIN = {"predicted": is_number, "observed": is_number, "low": is_number, "high": is_number, "samples": is_whole}
_CLASSES = {
    "names": [is_text],
    "confusion": Maybe([[is_whole]]),
    "confusions": [{"true": is_whole, "predicted": is_whole, "count": is_whole, "share": is_number}],
    "classes": [_OF_CLASS | {"samples": is_whole}],
    "curves": [_CURVE],
    "reliability": {"of": Maybe(is_whole), "bins": [_BIN], "error": is_number},
    "": lambda found: _name_what_exists(found),
}
_DECILE = dict.fromkeys(("low", "high", "bias", "mae", "rmse"), is_number) | {"samples": is_whole}
_TARGET = {
    "name": is_text,
    "marks": {"true": [is_number], "predicted": [is_number]},
    "residuals": {"edges": [is_number], "counts": [is_whole]},
    "deciles": [_DECILE],
    "quantiles?": [{"level": is_number, "share": is_number, "shift": Maybe(is_number)}],
}
_DEPENDENCE = {"column": is_text, "kind": is_text, "values": [is_plain], "share": Maybe([is_number])}
_DEPENDENCE |= {"curves": {...: [Maybe(is_number)]}}
_COLUMN = {"column": is_text, "kind": is_text, "use": is_text}
INSPECTION: Shape = {
    "model": is_file_name,
    "part": is_text,
    "samples": is_whole,
    "classes": Maybe(_CLASSES),
    "targets": [_TARGET],
    "importance": [{"column": is_text, "rise": is_number, "low": is_number, "high": is_number}],
    "importance_samples": is_whole,
    "importance_of?": is_whole,
    "dependence": [_DEPENDENCE],
    "columns": [_COLUMN],
    "worst": {"heads": [is_text], "rows": [[is_plain]]},
}


def _name_what_exists(found: Mapping[str, Any]) -> bool:
    """Whether the classes of an inspection number its names, and its matrix is square."""
    n = len(found["names"])
    places = [row[which] for row in found["confusions"] for which in ("true", "predicted")]
    places += [curve["class"] for curve in found["curves"]] + [found["reliability"]["of"] or 0]
    matrix = found["confusion"]
    square = matrix is None or (len(matrix) == n and all(len(row) == n for row in matrix))
    return square and len(found["classes"]) == n and all(place < n for place in places)


class Rules:
    """The rules for the trials of a study, which follow from its checked settings.

    Settings without a space allow any names of hyperparameters, those without epochs any length of the curves.
    """

    __slots__ = ("_most_epochs", "_values", "epochs", "train")

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.train: Mapping[str, Any] = settings.get("train", {})
        self.epochs: int | None = self.train.get("epochs")
        self._most_epochs = self.epochs or MAX_EPOCHS
        self._values: dict[str, _Values] | None = None
        if "space" in settings:
            space = Space.parse(settings["space"]).distributions
            self._values = {name: _values_of(name, distribution) for name, distribution in space.items()}

    def fit(self, row: Sequence[Any], params: object) -> bool:
        """Whether a trial is possible, given its row without the parameters, id to seconds, and its parameters."""
        trial, stage, status, value, best_value, best_epoch, epochs, seconds = row
        return (
            type(trial) is type(stage) is type(best_epoch) is type(epochs) is int
            and 0 <= trial <= MOST_TRIALS
            and 1 <= stage <= MOST_TRIALS
            and status in STATUSES
            and (value is None if status == "diverged" else type(value) is float and -math.inf < value < math.inf)
            and (best_value is None or (type(best_value) is float and -math.inf < best_value < math.inf))
            and 0 <= best_epoch <= self._most_epochs
            and 0 <= epochs <= self._most_epochs
            and type(seconds) is float
            and 0.0 <= seconds < math.inf
            and isinstance(params, dict)
            and self._fit_params(params)
        )

    @property
    def names(self) -> tuple[str, ...] | None:
        """The searched names, sorted; None if any names are allowed."""
        return None if self._values is None else tuple(sorted(self._values))

    def fit_all(self, columns: Sequence[Sequence[Any]], params: Mapping[str, Sequence[Any]]) -> bool:
        """Whether many trials are possible, given the values of `fit` as columns; False if it takes `fit` to tell."""
        number, stage, status, value, best_value, best_epoch, epochs, seconds = columns
        diverged = [word == "diverged" for word in status]
        return (
            self._values is not None
            and set(status) <= _STATUSES
            and all(_between(numbers, 0, MOST_TRIALS, int) for numbers in (number, stage))
            and min(stage) >= 1
            and all(_between(numbers, 0, self._most_epochs, int) for numbers in (best_epoch, epochs))
            and [one is None for one in value] == diverged
            and all(_between(some, -LARGEST_FLOAT, LARGEST_FLOAT, float, _NONE) for some in (value, best_value))
            and _between(seconds, 0.0, LARGEST_FLOAT, float)
            and all(self._fit_column(params[name], *rule) for name, rule in self._values.items())
        )

    @staticmethod
    def _fit_column(
        column: Sequence[Any], kinds: tuple[type, ...], among: tuple[Any, ...] | None, low: float, high: float
    ) -> bool:
        if among is None:
            return _between(column, low, high, *kinds)
        return set(map(type, column)) <= set(kinds) and set(column) <= set(among)

    def _fit_params(self, params: dict[str, Any]) -> bool:
        if self._values is None:
            return all(name.isidentifier() and is_plain(value) and value is not None for name, value in params.items())
        if len(params) != len(self._values):
            return False
        for name, (kinds, among, low, high) in self._values.items():
            value: Any = params.get(name)
            if type(value) not in kinds or (among is not None and value not in among):
                return False
            if among is None and not low <= value <= high:
                return False
        return True


def _between(values: Sequence[Any], low: float, high: float, *kinds: type) -> bool:
    """Whether all values are of these types and, those that are not None, between two ends; False if one is NaN."""
    found = set(map(type, values))
    if not found <= set(kinds):
        return False
    if _NONE in found:
        values = [value for value in values if value is not None]
    numbers = np.array(values, np.float64)
    return bool((numbers >= low).all() and (numbers <= high).all())


_NONE = type(None)
_STATUSES = set(STATUSES)

_Values: TypeAlias = tuple[tuple[type, ...], tuple[Any, ...] | None, float, float]
"""Types of a hyperparameter's values, and either all its values or their bounds."""


def _values_of(name: str, distribution: Distribution) -> _Values:
    kind = kind_of(name).type
    kinds = (float, int) if kind is float else (kind,)
    if isinstance(distribution, Choice):
        return kinds, distribution.values, 0.0, 0.0
    return (kinds, None, -LARGEST_INT, LARGEST_INT) if kind is int else (kinds, None, -LARGEST_REAL, LARGEST_REAL)
