"""Shapes of values in the file of a study: what fits them is read, anything else is damage."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from fastnet.tuning.store.folder import DamagedError
from fastnet.tuning.store.shapes import (
    Maybe,
    Shape,
    has_both_or_none,
    is_number,
    is_plain,
    is_text,
    is_whole,
    read_document,
    read_number,
    read_text,
    read_whole,
)

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
