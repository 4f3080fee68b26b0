"""The texts of `fastnet studies`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from fastnet_cli.study_commands import trial_settings
from fastnet_cli.study_text import (
    brief,
    run_lines,
    size_of,
    sizes,
    study_document,
    study_lines,
    subject,
    trial_toml,
    wrapped,
)
from studies import ABOUT, add_ensemble, make_study

from fastnet.tuning import STUDY_FILE, Study


def test_names_and_values_fill_lines_and_unset_ones_are_left_out() -> None:
    settings = {f"name_{k}": k for k in range(40)} | {"unset": None}
    lines = wrapped(settings)
    assert ", ".join(lines) == ", ".join(f"name_{k} {k}" for k in range(40))
    assert len(lines) > 1 and all(len(line) <= 96 for line in lines)


def test_values_are_written_for_people() -> None:
    assert [brief(value) for value in (0.1 + 0.2, "relu", [100, 50], True, 3)] == [
        "0.3",
        "relu",
        "[100, 50]",
        "true",
        "3",
    ]


def test_lines_on_a_subject_share_a_column_and_show_no_control_characters() -> None:
    assert subject("data", ["a\x1b[31m", "", "b"]) == ["data      a\\x1b[31m", "          b"]


def test_sizes_that_the_study_does_not_know_are_left_out() -> None:
    assert sizes({"n_train": 4000, "n_classes": 10, "n_features": None}) == ["4,000 training, 10 classes"]
    assert sizes({}) == []


def test_a_run_of_an_older_study_has_no_threads() -> None:
    run = {"started": "2026-11-23T20:10:11+00:00", "new_trials": 1200, "wall_seconds": 60.0, "compile_seconds": 1.0}
    when, where = run_lines(run | {"environment": {"system": "Linux", "python": "3.11"}})
    assert when == "2026-11-23 20:10:11 UTC: 1,200 trials in 60.0 s, compile 1.0 s"
    assert where == "Linux, Python 3.11"


def test_the_document_is_ready_for_json_and_has_a_line_on_everything(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "s")
    add_ensemble(folder)
    with Study.read(folder) as study:
        document = study_document(study, folder)
        assert document["bytes"] == size_of(folder) >= (folder / STUDY_FILE).stat().st_size
    assert json.loads(json.dumps(document)) == document
    subjects = [line[:10].strip() for line in study_lines(document) if line[:10].strip()]
    assert subjects[:6] == ["study", "trials", "data", "space", "search", "training"]
    assert subjects[6:] == ["stage 1", "advice", "final", "ensemble", "test set", "test set", "run 1"]


def test_given_points_are_counted(tmp_path: Path) -> None:
    with Study.read(make_study(tmp_path / "s", 3)) as study:
        document = study_document(study, tmp_path / "s")
    document["settings"]["enqueue"] = [{"learning_rate": 0.1}]
    assert "first     1 given point" in study_lines(document)


def test_the_toml_of_a_trial_reads_back_as_its_settings(tmp_path: Path) -> None:
    with Study.read(make_study(tmp_path / "s", 5, about=ABOUT | {"data": "my\x1bdata"})) as study:
        best = study.best(1)[0]
        text, settings = trial_toml(study, best, tmp_path / "s"), trial_settings(study, best)
    assert tomllib.loads(text) == settings
    assert text.startswith(f"# trial {best.id} of ") and "# data: my\\x1bdata; give its file with --data" in text
