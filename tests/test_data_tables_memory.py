"""Tables in memory of any library, and what cannot be one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from fastnet.data.tables.memory import as_arrow, is_frame
from fastnet.errors import DataError


def test_mixed_objects_become_text() -> None:
    cells = [1, "a", None, 2.0, 2.5, True, np.int64(7), float("nan"), pd.NA, pd.NaT]
    expected = ["1", "a", None, "2", "2.5", "true", "7", None, None, None]
    assert as_arrow({"a": cells}).to_pydict() == {"a": expected}
    frame = pd.DataFrame({"a": pd.Series(cells, dtype=object), "b": range(10)})
    assert as_arrow(frame).to_pydict() == {"a": expected, "b": list(range(10))}


def test_the_index_of_a_frame_is_no_column() -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=["x", "y"])
    assert is_frame(frame) and as_arrow(frame).column_names == ["a"]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns have the name 'a'"),
        ({"a": 1.0}, "column 'a' is float, where a sequence of cells is needed"),
        ({"a": "text"}, "column 'a' is str"),
        ({"a": [1], "b": [1, 2]}, "its columns have different lengths"),
        ({"a": [object()]}, "column 'a' cannot be read"),
        ({"a": [1j]}, "column 'a' cannot be read"),
    ],
)
def test_what_is_no_table_is_a_sentence(source: Any, says: str) -> None:
    with pytest.raises(DataError, match=says) as error:
        as_arrow(source)
    assert "\n" not in str(error.value)
