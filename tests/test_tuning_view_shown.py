"""A study as a notebook shows it."""

from __future__ import annotations

from pathlib import Path

from studies import make_study

from fastnet.tuning import Study
from fastnet.tuning.view.shown import LISTED, study_html


def test_a_study_shows_its_best_trials_and_what_to_do_next(tmp_path: Path) -> None:
    with Study.read(make_study(tmp_path / "digits", 60)) as study:
        open_one = study._repr_html_()
        best, final, stages = study.best(1)[0], study.final(), study.stages()
    assert study._repr_html_() == open_one, "a closed one can be shown, too"
    assert "60 trials: " in open_one and "; study digits</strong>" in open_one and "diverged" in open_one
    assert open_one.count("<tr>") == LISTED + 1 and "validation accuracy" in open_one
    assert f"Scores of trial {best.id}" in open_one and f"{best.params['learning_rate']:.4g}" in open_one
    assert final is not None and f"Final choice: {final['words']}" in open_one
    assert stages[-1]["report"]["recommendation"]["words"] in open_one


def test_a_study_without_trials_and_names_that_are_no_html(tmp_path: Path) -> None:
    with Study.read(make_study(tmp_path / "s", 0, ended=False)) as study:
        assert "0 trials: none has ended; study s" in study._repr_html_()
    assert "&lt;b&gt;" in study_html("<b>", {"done": 0}, [], "loss", ["<i>"])
