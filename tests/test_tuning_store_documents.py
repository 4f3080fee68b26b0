"""The rules for values in the file of a study."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from fastnet.tuning.store.documents import (
    FINAL,
    SETTINGS,
    Maybe,
    Rules,
    Shape,
    has_both_or_none,
    is_number,
    is_plain,
    is_tested,
    is_text,
    is_whole,
    read_document,
    read_number,
    read_text,
    read_whole,
)
from fastnet.tuning.store.folder import DamagedError

CANDIDATE = {"trial": 0, "params": {}, "search_value": 3.0, "values": [3.0], "diverged": 0}
CANDIDATE |= dict.fromkeys(("mean", "sd", "low", "high"))

SHAPE: Shape = {
    "name": is_text,
    "size?": is_whole,
    "best?": Maybe(is_number),
    "rows?": [{"id": is_whole}],
    "open?": {...: is_plain},
    "": has_both_or_none("low", "high"),
}


@pytest.mark.parametrize(
    "text",
    [
        '{"name":"a"}',
        '{"name":"","size":0,"best":null,"rows":[],"open":{}}',
        '{"name":"a","size":18446744073709551615,"best":-1.5,"rows":[{"id":1,"more":[1]}],"open":{"x":null,"y":"z"}}',
        '{"name":"a","low":1,"high":2}',
        '{"name":"a","low":null,"unknown":{}}',
    ],
)
def test_documents_of_a_shape_are_read(text: str) -> None:
    assert read_document(text, SHAPE, "it") == json.loads(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (None, "it"),
        (b"{}", "it"),
        ("", "it"),
        ("[]", "it"),
        ("{}", "it, name"),
        ('{"name":5}', "it, name"),
        ('{"name":"a","size":true}', "it, size"),
        ('{"name":"a","size":1.0}', "it, size"),
        ('{"name":"a","size":18446744073709551616}', "it, size"),
        ('{"name":"a","size":null}', "it, size"),
        ('{"name":"a","best":"high"}', "it, best"),
        ('{"name":"a","best":NaN}', "it"),
        ('{"name":"a","best":1e999}', "it"),
        ('{"name":"a","rows":{}}', "it, rows"),
        ('{"name":"a","rows":[{"id":1},{"id":-1}]}', r"it, rows[1], id"),
        ('{"name":"a","open":{"x":[]}}', "it, open, x"),
        ('{"name":"a","low":1}', "it"),
        ('{"name":"a","open":' + '{"x":' * 20 + "1" + "}" * 21, "it"),
    ],
)
def test_documents_of_another_shape_are_damage(text: object, place: str) -> None:
    with pytest.raises(DamagedError) as caught:
        read_document(text, SHAPE, "it")
    assert str(caught.value) == place


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


def test_single_values_are_read_or_damage() -> None:
    assert (read_text("a", "it"), read_whole(0, "it"), read_number(2, "it")) == ("a", 0, 2.0)
    wrong: list[tuple[Callable[[Any, str], object], Any]] = [
        *((read_text, value) for value in (None, b"a", 5)),
        *((read_whole, value) for value in (None, -1, 1.0, True, 2**31)),
        *((read_number, value) for value in (None, "1", True, math.nan, math.inf)),
    ]
    for read, value in wrong:
        with pytest.raises(DamagedError, match=r"^it$"):
            read(value, "it")


def test_the_rules_of_trials_follow_from_the_settings() -> None:
    row = (5, 1, "done", 0.5, 0.5, 1, 3, 0.1)
    rules = Rules({"space": {"depth": "int:1:3", "optimizer": "choice:sgd,adam"}, "train": {"epochs": 3}})
    assert rules.fit(row, {"depth": 2, "optimizer": "adam"})
    for params in ({"depth": 2}, {"depth": 2.0, "optimizer": "adam"}, {"depth": 2, "optimizer": "lion"}, None):
        assert not rules.fit(row, params)
    assert not rules.fit((*row[:6], 4, 0.1), {"depth": 2, "optimizer": "adam"}), "four of three epochs"
    free = Rules({})
    assert free.fit((*row[:6], 999, 0.1), {"anything": 1.5}) and not free.fit(row, {"not a name": 1})
