"""Sentences that the terminal, the report and the list of studies share."""

from __future__ import annotations

import pytest

from fastnet.report.words import ensemble_kept, uses_of_test_set, versions_of


@pytest.mark.parametrize(("count", "warned"), [(0, False), (1, False), (2, True), (30, True)])
def test_a_second_use_of_the_test_set_is_a_warning(count: int, warned: bool) -> None:
    text = uses_of_test_set(count)
    assert ("optimistic" in text) == warned and (f"{count} times" in text) == warned and text.endswith(".")


def test_the_method_of_an_ensemble_is_named_after_the_warning() -> None:
    kept = {method: ensemble_kept(method) for method in ("average", "greedy")}
    assert kept["average"].endswith(" Kept: the average") and kept["greedy"].endswith(" Kept: the greedy selection")
    assert all("optimistic" in text.partition(" Kept")[0] for text in kept.values())


def test_versions_keep_their_order_and_unknown_ones_are_left_out() -> None:
    environment = {"numba": "0.68", "threads": 2, "fastnet": "0.1", "numpy": "2.0"}
    assert versions_of(environment) == ["fastnet 0.1", "NumPy 2.0", "Numba 0.68"]
    assert versions_of({}) == []
