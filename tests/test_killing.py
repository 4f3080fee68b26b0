"""A search that is killed and carried on is the one that never was; `python tests/killing.py --kills 20` does more."""

from __future__ import annotations

from pathlib import Path

import pytest
from killing import SEARCH, kill_and_compare

FEWER = ("--trials", "300")
COMPARED = ("--trials", "120", "--pruning", "halving", "--stages", "2")


@pytest.mark.slow
@pytest.mark.parametrize("more", [FEWER, COMPARED], ids=["alone", "compared in stages"])
def test_a_killed_search_carried_on_on_other_threads_exports_the_same_bytes(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    told = list(kill_and_compare(tmp_path, kills=2, threads=(1, 2), seed=11, arguments=(*SEARCH, *more)))
    assert sum(line.startswith("kill ") for line in told) == 2
    assert told[-1].endswith("the same bytes")
