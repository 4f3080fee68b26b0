"""The ranges of a search from stage to stage, as the report draws them."""

from __future__ import annotations

from typing import Any

from fastnet.report.page.ranges import range_cards
from fastnet.tuning.view.spans import spans


def stage(number: int, space: dict[str, str], report: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"number": number, "space": space, "report": report}


def test_a_bar_lies_within_the_whole_range_and_fills_it_where_it_is_the_whole() -> None:
    stages = [stage(1, {"learning_rate": "log:1e-4:1"}), stage(2, {"learning_rate": "log:1e-2:1e-1"})]
    [card] = range_cards(stages, spans([each["space"] for each in stages]))
    assert (card["low"], card["high"]) == ("0.0001", "1")
    assert [row["bar"] for row in card["rows"]] == [[(0.0, 100.0)], [(50.0, 25.0)]]
    assert [row["words"] for row in card["rows"]] == ["this stage has not ended"] * 2


def test_a_choice_that_lost_a_value_in_the_middle_has_two_bars() -> None:
    stages = [stage(1, {"activation": "choice:relu,tanh,gelu,silu"}), stage(2, {"activation": "choice:relu,gelu,silu"})]
    [card] = range_cards(stages, spans([each["space"] for each in stages]))
    assert card["choices"] == ["relu", "tanh", "gelu", "silu"]
    assert card["rows"][1]["bar"] == [(0.0, 25.0), (50.0, 25.0), (75.0, 25.0)]


def test_alarms_and_the_recommendation_are_rows_of_the_card() -> None:
    low, high = {"best": 0, "alarm": False}, {"best": 7, "alarm": True}
    item = {"name": "dropout", "low": low, "high": high, "words": "look above 0.5 too"}
    report = {"ranges": [item], "recommendation": {"ranges": [{"name": "dropout", "range": "uniform:0.4:0.5"}]}}
    stages = [stage(1, {"dropout": "uniform:0:0.5"}, report)]
    [card] = range_cards(stages, spans([each["space"] for each in stages]))
    first, advice = card["rows"]
    assert card["alarm"] and first["edges"] == {"low": low, "high": high} and first["words"] == "look above 0.5 too"
    assert advice["advice"] and advice["title"] == "next" and advice["bar"] == [(80.0, 20.0)]
