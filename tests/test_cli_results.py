"""The results of a search as text, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastnet_cli.results import as_csv, as_json, closing_line, kept_lines, next_lines, shortened_lines


def result_of(trials: int, *, new: int, diverged: int = 0, **more: Any) -> Any:
    return SimpleNamespace(
        trials=range(trials), new_trials=new, wall_seconds=12.34, compile_seconds=0.5, trials_per_second=4.0,
        outside_share=0.0125, count=lambda status: {"diverged": diverged}[status], **more,
    )  # fmt: skip


def test_csv_reads_back_with_none_as_an_empty_field() -> None:
    rows = [{"a": 1, "b": None, "c": 'x,"y'}, {"a": 2.5, "b": "ü", "c": ""}]
    text = as_csv(rows)
    assert not text.endswith("\n") and text.splitlines()[1].startswith("1,,")
    assert list(csv.DictReader(io.StringIO(text))) == [
        {"a": "1", "b": "", "c": 'x,"y'}, {"a": "2.5", "b": "ü", "c": ""},
    ]  # fmt: skip
    assert as_csv([]) == ""


def test_json_is_one_line_without_nan_and_takes_names_of_any_bytes() -> None:
    text = as_json({"name": os.fsdecode(b"a\xffb"), "text": "ü\n"})
    assert "\n" not in text and text.encode() and json.loads(text.replace("\\udcff", "?"))["text"] == "ü\n"
    assert json.loads(as_json({"a": 1})) == {"schema_version": 1, "a": 1}
    with pytest.raises(ValueError, match="JSON"):
        as_json({"value": float("nan")})


def test_the_closing_line_counts_new_and_diverged_trials() -> None:
    assert closing_line(result_of(30, new=20, diverged=3), Path("s")) == (
        "30 trials (20 new, 3 diverged) in 12.3 s | 4.0 trials/s | compile 0.5 s | "
        "1.2% of the time outside compiled code | s"
    )
    assert closing_line(result_of(1, new=0), Path("s")) == "1 trial (0 new) in 12.3 s | s"


def test_another_round_is_proposed_unless_the_search_was_interrupted() -> None:
    advice = {"next": {"way": "longer", "epochs": 100}}
    lines = list(next_lines(result_of(9, new=9, recommendation=advice, interrupted=False), Path("s"), 50))
    assert lines[1:] == ["Another search with more epochs promises more:", "  fastnet search --after s --epochs 100"]
    same = list(next_lines(result_of(9, new=9, recommendation=advice, interrupted=False), Path("s"), 100))
    assert same[-1] == "  fastnet search --after s"
    for recommendation, interrupted in ((None, False), ({}, False), (advice, True)):
        result = result_of(9, new=9, recommendation=recommendation, interrupted=interrupted)
        assert list(next_lines(result, Path("s"), 50)) == []


def test_parts_without_time_are_printed_with_their_command() -> None:
    ensemble = list(shortened_lines({"shortened": 4, "top": 10}, Path("s")))
    assert ensemble == [
        "There was time for 4 of the 10 best trials; for all of them, run:", "  fastnet search --study s --finish",
    ]  # fmt: skip
    made = {"candidates": 2, "repeats": 1}
    final, _ = shortened_lines({"shortened": made, "wanted": 5, "repeats": 3}, Path("s"))
    assert final == "There was time for 2 candidates with 1 seed each, of 5 with 3; for all of them, run:"
    assert list(shortened_lines({"top": 10}, Path("s"))) == []


def test_several_uses_of_the_test_set_are_a_warning() -> None:
    kept = {"validation_accuracy": 0.9, "test_accuracy": 0.8, "test_loss": 0.5, "model": "m", "test_uses": 1}
    assert not any("times" in line for line in kept_lines(kept, Path("s")))
    assert any("Evaluated on the test set 2 times" in line for line in kept_lines(kept | {"test_uses": 2}, Path("s")))
    assert list(kept_lines(None, Path("s"))) == []
