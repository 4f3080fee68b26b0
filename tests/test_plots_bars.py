"""Figures of importance from plain values."""

from __future__ import annotations

from fastnet.plots.bars import importance, reliance

HALF = {"labels": ["learning <rate>", "dropout"], "share": [0.8, -0.01], "low": [0.7, -0.05], "high": [0.9, 0.02],
        "trials": 1000, "explained": 0.71}  # fmt: skip


def test_shares_have_intervals_and_none_is_negative() -> None:
    found = importance({"stage": 1, "all": HALF, "better": HALF}, stages=2)
    first = found.data[0]
    assert first.x == (0.8, 0.0) and first.y == ("learning &lt;rate&gt;", "dropout")
    assert [round(v, 9) for v in first.error_x.array] == [0.1, 0.02]
    assert [round(v, 9) for v in first.error_x.arrayminus] == [0.1, 0.0]
    assert first.text[0] == "learning &lt;rate&gt;: 80 %, fits 70 % to 90 %"
    assert found.layout.annotations[0].text == "all trials of stage 1 (1,000); the forest explains 71 %"
    assert found.layout.xaxis.title.text == found.layout.xaxis2.title.text == "share of the differences"


def test_a_half_without_shares_says_why() -> None:
    found = importance({"stage": 1, "all": HALF, "better": {"words": "Only 30 of the 60 trials needed."}})
    assert len(found.data[0].x) == 2 and found.data[1].x == ()
    assert found.layout.annotations[1].text == "the better half: Only 30 of the 60 trials needed."
    neither = {"words": "Only dropout is searched."}
    both = importance({"stage": 1, "all": neither, "better": neither})
    assert [note.text for note in both.layout.annotations] == ["Only dropout is searched."]


def test_columns_are_drawn_up_to_a_number_the_most_important_first() -> None:
    rows = [{"column": f"{'x' * 40}{k}", "rise": 1 / (k + 1), "low": 0.0, "high": 1.5} for k in range(30)]
    found = reliance(rows, most=5)
    assert found.data[0].x == tuple(1 / (k + 1) for k in range(5)) and found.data[0].y == (0, 1, 2, 3, 4)
    assert len(found.layout.yaxis.ticktext) == 5 and found.layout.yaxis.ticktext[0].endswith("…")
    assert found.layout.yaxis.autorange == "reversed"
    assert reliance([]).layout.annotations[0].text == "There is no column to shuffle."
    undefined = reliance([{"column": "a", "rise": None, "low": None, "high": None}])
    assert undefined.data[0].x == (0.0,)
