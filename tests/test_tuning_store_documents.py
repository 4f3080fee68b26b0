"""The rules for values in the file of a study."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fastnet.tuning.store.documents import FINAL, PLAN, SETTINGS, Rules, is_tested
from fastnet.tuning.store.folder import DamagedError
from fastnet.tuning.store.shapes import read_document

CANDIDATE = {"trial": 0, "params": {}, "search_value": 3.0, "values": [3.0], "diverged": 0}
CANDIDATE |= dict.fromkeys(("mean", "sd", "low", "high"))

TESTED = {"test_rmse": 2.5, "test_loss": 0.1, "model": "m"}


def changed(document: dict[str, Any], **values: Any) -> dict[str, Any]:
    """Return a document with other values, without those that are ``...``."""
    return {name: value for name, value in {**document, **values}.items() if value is not ...}


@pytest.mark.parametrize(
    ("document", "tested"),
    [
        (TESTED, True),
        (changed(TESTED, test_rmse=None, test_loss=None), True),
        (changed(TESTED, test_rmse=..., test_accuracy=0.5), True),
        (changed(TESTED, test_rmse=None), False),
        (changed(TESTED, test_loss=...), False),
        (changed(TESTED, test_rmse=...), False),
        (changed(TESTED, test_mae=2.0), False),
    ],
)
def test_a_tested_model_has_one_score_and_its_loss_or_neither(document: dict[str, Any], tested: bool) -> None:
    assert is_tested(document) == tested and not is_tested([document])
    kept = {"validation_rmse": 3.0, **document}
    final = {"metric": "rmse", "confidence": 0.95, "candidates": [CANDIDATE], "words": "", "kept": kept}
    if tested:
        assert read_document(json.dumps(final), FINAL, "it") == final
    else:
        with pytest.raises(DamagedError, match="it, kept"):
            read_document(json.dumps(final), FINAL, "it")
    with pytest.raises(DamagedError, match="it, kept"):
        read_document(json.dumps(changed(final, kept=document)), FINAL, "it")


def test_settings_name_a_known_metric_and_objective() -> None:
    good = {"metric": "mae", "train": {"objective": "absolute-error"}}
    assert read_document(json.dumps(good), SETTINGS, "it") == good
    for bad, place in (({"metric": "auto"}, "metric"), ({"train": {"objective": "speed"}}, "train, objective")):
        with pytest.raises(DamagedError, match=f"it, {place}"):
            read_document(json.dumps(good | bad), SETTINGS, "it")


def test_the_rules_of_trials_follow_from_the_settings() -> None:
    row = (5, 1, "done", 0.5, 0.5, 1, 3, 0.1)
    rules = Rules({"space": {"depth": "int:1:3", "optimizer": "choice:sgd,adam"}, "train": {"epochs": 3}})
    assert rules.fit(row, {"depth": 2, "optimizer": "adam"})
    for params in ({"depth": 2}, {"depth": 2.0, "optimizer": "adam"}, {"depth": 2, "optimizer": "lion"}, None):
        assert not rules.fit(row, params)
    assert not rules.fit((*row[:6], 4, 0.1), {"depth": 2, "optimizer": "adam"}), "four of three epochs"
    free = Rules({})
    assert free.fit((*row[:6], 999, 0.1), {"anything": 1.5}) and not free.fit(row, {"not a name": 1})


@pytest.mark.parametrize(
    ("source", "good"),
    [
        ({"data": "digits"}, True),
        ({"data": ["a.csv", "b.csv"], "reading": {"target": ["y"], "test": 0.3}}, True),
        ({"data": "a.csv", "reading": {"target": ["y"], "types": ["a=date"], "group": "g", "test": "b.csv"}}, True),
        ({"data": "a.csv", "reading": None}, True),
        ({"data": []}, False),
        ({"data": [1]}, False),
        ({"data": "a.csv", "reading": ["y"]}, False),
        ({"data": "a.csv", "reading": {"target": "y"}}, False),
        ({"data": "a.csv", "reading": {"target": ["y"], "test": 1.5}}, False),
        ({"data": "a.csv", "reading": {"target": ["y"], "test": [1]}}, False),
        ({"data": "a.csv", "reading": {"target": ["y"], "task": "ranking"}}, False),
        ({"data": "a.csv", "reading": {"target": ["y"], "group": 3}}, False),
        ({"data": "a.csv", "reading": {"goal": "y"}}, False),
    ],
)
def test_the_source_of_a_table(source: dict[str, Any], good: bool) -> None:
    text = json.dumps({"source": source})
    if good:
        assert read_document(text, PLAN, "the plan")["source"] == source
    else:
        with pytest.raises(DamagedError):
            read_document(text, PLAN, "the plan")
