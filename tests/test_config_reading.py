"""How a table is read: the choices are checked before any file is."""

from __future__ import annotations

from typing import Any

import pytest

from fastnet.config.reading import Reading, reading_of
from fastnet.errors import ConfigError


def test_what_is_not_chosen_is_left_to_the_table() -> None:
    assert Reading() == Reading(None, (), (), None, None, None, None, (), "auto", "auto")
    assert reading_of({"target": "a", "test": 0.5}) == Reading("a", test=0.5)


@pytest.mark.parametrize("test", [0.01, 0.99, "none", "rows.csv", None])
def test_test_sets(test: Any) -> None:
    assert Reading(test=test).test == test


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"task": "ranking"}, "task='ranking': choose one of auto, classification, regression, multilabel"),
        ({"numbers": "log"}, "numbers='log': choose one of auto, piecewise, robust, standard, quantile"),
        *(({"test": share}, rf"test={share}: must be a share in \(0, 1\)") for share in (0, 1, 0.0, 1.0, -0.5, True)),
        ({"test": float("nan")}, "test=nan: must be a share"),
        ({"targets": "a"}, r"unknown setting 'targets' of a table; did you mean target\?"),
        ({"goal": "a"}, "unknown setting 'goal' of a table; choose among target, features"),
    ],
)
def test_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        reading_of(settings)
