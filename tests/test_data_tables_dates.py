"""Parts of dates, against Python's own calendar."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fastnet.data.tables.dates import PARTS, part_of, varying

moments = st.integers(-5_000_000_000, 20_000_000_000)


@given(st.lists(moments, min_size=1, max_size=20))
def test_parts_are_those_of_the_calendar(seconds: list[int]) -> None:
    given_, dates = np.array([*seconds, np.nan], float), [datetime.fromtimestamp(each, UTC) for each in seconds]
    expected = {name: [getattr(date, name) for date in dates] for name in ("year", "month", "day", "hour")}
    expected["weekday"] = [date.weekday() for date in dates]
    for part in PARTS:
        np.testing.assert_array_equal(part_of(given_, part), [*expected[part], np.nan])
    assert varying(given_) == tuple(part for part in PARTS if len(set(expected[part])) > 1)


def test_nothing_varies_where_no_date_is_known() -> None:
    assert varying(np.array([np.nan, np.nan])) == ()
