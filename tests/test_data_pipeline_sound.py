"""The pipeline of a table from a file: every part that does not fit the others is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tables import FIELDS, draw_table

from fastnet.data.fields import Field
from fastnet.data.pipeline.sound import check_sound
from fastnet.data.pipeline.table import NUMBERS, fit_table, table_from_parts
from fastnet.errors import DataError


def fitted(numbers: str = "piecewise") -> Any:
    return fit_table(draw_table(200), np.arange(200), FIELDS, numbers)


@pytest.mark.parametrize("numbers", NUMBERS)
def test_what_was_fitted_is_sound(numbers: str) -> None:
    pipeline = fitted(numbers)
    check_sound(pipeline)
    header, arrays = pipeline.to_parts()
    again = table_from_parts(header, arrays)
    x = draw_table(50, seed=1)
    assert np.array_equal(again.apply(x), pipeline.apply(x))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("pipeline.dense", lambda a: a[::-1].copy()),
        ("pipeline.dense", lambda a: a + 1),
        ("pipeline.dense", lambda a: a.astype(np.float64)),
        ("pipeline.filling", lambda a: a[:-1]),
        ("pipeline.filling", lambda a: a * np.nan),
        ("pipeline.indicators", lambda a: a + 100),
        ("pipeline.indicators", lambda a: np.repeat(a, 2)),
        ("pipeline.offset", lambda a: a.astype(np.float32)),
        ("pipeline.scale", lambda a: a * np.inf),
        ("pipeline.clipped", lambda a: a[1:]),
        ("pipeline.encoded", lambda a: a + 50),
        ("pipeline.edges", lambda a: a[::-1].copy()),
        ("pipeline.edges", lambda a: a * 0),
        ("pipeline.edges.sizes", lambda a: np.roll(np.append(a[1:], a[0] - 1), 1)),
        ("pipeline.inputs", lambda a: a + 1000),
        ("pipeline.inputs", lambda a: a - 1000),
        ("pipeline.inputs", lambda a: a.astype(np.float64)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name: str, change: Any) -> None:
    header, arrays = fitted().to_parts()
    with (
        pytest.raises(DataError, match=r"^the inputs of its columns are damaged \([a-z]+\)$"),
        np.errstate(all="ignore"),
    ):
        table_from_parts(header, arrays | {name: change(arrays[name])})


@pytest.mark.parametrize(
    "change",
    [{"column": 0}, {"column": -1}, {"column": 99}, {"n_inputs": 0}, {"n_inputs": 5000}, {"rare": 3}],
)
def test_levels_that_do_not_fit_are_refused(change: dict[str, Any]) -> None:
    header, arrays = fitted().to_parts()
    header["levels"] = [header["levels"][0] | change, *header["levels"][1:]]
    with pytest.raises(DataError, match="damaged"):
        table_from_parts(header, arrays)


def test_fields_of_other_types_are_refused() -> None:
    pipeline = fitted()
    for change in ({"kind": "text"}, {"name": 5}, {"levels": (1, 2)}, {"offset": np.nan}, {"offset": "0"}):
        with pytest.raises(DataError, match="fields"):
            check_sound(replace(pipeline, fields=(replace(pipeline.fields[0], **change), *pipeline.fields[1:])))
    assert isinstance(pipeline.fields[0], Field)
