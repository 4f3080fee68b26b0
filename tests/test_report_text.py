"""Lines of plain text: aligned columns, numbers with their nouns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnet.report.text import aligned, counted

CELLS = st.text(alphabet="ab1é", max_size=6)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=5), st.text(alphabet="lr", min_size=3, max_size=3))
def test_each_column_has_one_place_and_its_cells_keep_their_side(rows: list[tuple[str, ...]], sides: str) -> None:
    widths = [max(len(row[k]) for row in rows) for k in range(3)]
    begins = [sum(widths[:k]) + 2 * k for k in range(3)]
    for row, line in zip(rows, aligned(rows, sides), strict=True):
        assert line == line.rstrip()
        for text, begin, width, side in zip(row, begins, widths, sides, strict=True):
            cell = line.ljust(sum(widths) + 4)[begin : begin + width]
            assert cell == (text.ljust(width) if side == "l" else text.rjust(width))


def test_rows_of_other_lengths_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="zip"):
        aligned([["a", "b"], ["c"]], "ll")


def test_only_one_is_singular() -> None:
    assert [counted(n, "seed") for n in (0, 1, 2, 1_000_000)] == ["0 seeds", "1 seed", "2 seeds", "1,000,000 seeds"]
