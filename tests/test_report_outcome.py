"""The outcome of a search as lines of text."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fastnet.report.outcome import WIDTH, format_ensemble, format_final, format_stage, wrapped

LONG = "choice:16,32,64,128,256,512"


def candidate(number: int, values: list[float | None], **params: Any) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    score: dict[str, Any] = {"trial": number, "params": params, "search_value": 0.83, "values": values}
    mean = sum(known) / len(known) if known else None
    return score | {"mean": mean, "sd": None, "low": None, "high": None, "diverged": len(values) - len(known)}


def final(*scores: dict[str, Any]) -> list[str]:
    return format_final({"metric": "accuracy", "candidates": scores, "confidence": 0.95, "words": "trial 1 wins"})


@given(st.lists(st.text(alphabet="ab-", min_size=1, max_size=100), min_size=1, max_size=40))
def test_wrapping_keeps_every_word_whole(words: list[str]) -> None:
    lines = wrapped(" ".join(words), first="  ", rest="    ")
    assert " ".join(lines).split() == words
    assert all(len(line) <= WIDTH or len(line.split()) == 1 for line in lines)
    assert all(line.startswith("  " if place == 0 else "    ") for place, line in enumerate(lines))


def test_a_candidate_that_diverged_has_dashes_and_is_counted() -> None:
    lines = final(candidate(1, [0.8, 0.9]), candidate(2, [0.7, None]), candidate(3, [None, None]))
    assert lines[0].endswith("of 3 candidates over 2 fresh seeds") and lines[-1] == "Trial 1 wins."
    cells = [line.split() for line in lines[2:-1]]
    assert cells[0] == ["1", "0.83", "0.850", "-", "-"]
    assert cells[1][2:5] == ["0.700", "(1", "diverged)"] and cells[2][2:5] == ["-", "(2", "diverged)"]


def test_different_numbers_of_seeds_are_a_range() -> None:
    assert final(candidate(1, [0.8, 0.9]), candidate(2, [0.7]))[0].endswith("over 1 to 2 fresh seeds")


def test_hyperparameters_that_do_not_fit_are_on_separate_lines() -> None:
    many = {f"hyperparameter_{k}": 0.123456789 for k in range(6)}
    lines = final(candidate(1, [0.8], **many))
    assert all(len(line) <= WIDTH for line in lines)
    shown = " ".join(line.strip() for line in lines if line.startswith("        "))
    assert shown == ", ".join(f"{name} {value}" for name, value in many.items())


def test_a_long_range_is_shortened_in_the_table_and_whole_below_it() -> None:
    edges = {"low": None, "high": {"best": 3, "alarm": False}}
    ranges = [
        {"name": "width", "old": LONG, "new": LONG.replace(",512", ""), "words": "narrowed", **edges},
        {"name": "depth", "old": "int:1:6", "new": "int:1:6", "words": "kept", **edges},
    ]
    lines = format_stage({"stage": 2, "trials": 1200, "best": 60, "ranges": ranges})
    assert lines[0] == "Stage 2: where the 60 best of 1,200 trials lie"
    assert lines[2].split()[1:] == ["choice:16,32,64,1...", "choice:16,32,64,1...", "-", "3"]
    assert lines[3].split()[1:] == ["int:1:6", "the", "same", "-", "3"]
    assert lines[4:] == [f"width: {LONG.replace(',512', '')}, narrowed", "depth: kept"]


def test_the_ensemble_of_one_trial_is_singular() -> None:
    validation = {"best": {"networks": 1, "accuracy": 0.83, "loss": 0.93}}
    document = {"members": [{"weight": 1}], "validation": validation, "method": "greedy"}
    lines = format_ensemble(document)
    assert lines[0] == "Ensemble of the best trial, on the validation samples"
    assert lines[2].split() == ["the", "best", "alone", "1", "0.8300", "0.9300"]
    assert " ".join(lines[3:]).endswith("Kept: the greedy selection.")


def test_errors_in_units_have_four_digits_in_every_column() -> None:
    score = candidate(7, [52_000.0, 54_000.0]) | {"search_value": 51_234.5, "mean": 53_000.0, "sd": 1414.2136}
    score |= {"low": 40_293.8, "high": 65_706.2}
    choice = {"metric": "rmse", "confidence": 0.95, "candidates": [score], "words": "trial 7 wins"}
    head, _, row, *_ = format_final(choice)
    assert head == "Final choice: validation rmse of 1 candidate over 2 fresh seeds"
    assert row.split()[:7] == ["7", "51234", "53000", "1414", "40294", "to", "65706"]
    validation = {name: {"networks": 1, "mae": 1234.56, "loss": 0.5} for name in ("best", "average", "greedy")}
    lines = format_ensemble({"members": [{"weight": 1}], "validation": validation, "method": "greedy"})
    assert lines[1].split() == ["networks", "mae", "loss"] and lines[2].split()[-3:] == ["1", "1235", "0.5000"]
