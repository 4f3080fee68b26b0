"""Figures of a study: those of its result and of the file, with the values of the report."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies import make_study

from fastnet.errors import ConfigError
from fastnet.report.page import write_report
from fastnet.tuning import SearchResult, Study
from fastnet.tuning.view import charts

NAMES = ("slices", "coordinates", "history", "curves", "importance")
SPACE = {"learning_rate": "log:1e-4:1", "optimizer": "choice:sgd,adam", "dropout": "uniform:0:0.5"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("studies") / "s", 130, SPACE, stages=2)


def result_of(folder: Path) -> SearchResult:
    with Study.read(folder) as study:
        return SearchResult(study.trials(), False, 0, 1.0, 0.0, 1.0)


def test_a_result_and_a_study_give_the_same_figures_also_once_it_is_closed(folder: Path) -> None:
    with Study.read(folder) as study:
        opened = {name: getattr(study, f"plot_{name}")() for name in NAMES}
    result = result_of(folder)
    for name in NAMES:
        assert getattr(study, f"plot_{name}")() == opened[name] == getattr(result, f"plot_{name}")()


def test_they_have_the_values_of_the_report(folder: Path) -> None:
    page = write_report(folder, folder / "page.html").read_text(encoding="utf-8")
    found: Any = re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', page, re.DOTALL)
    data = json.loads(found[1])
    with Study.read(folder) as study:
        slices, history, importance, curves = (
            getattr(study, f"plot_{name}")() for name in ("slices", "history", "importance", "curves")
        )
    drawn = [value for trace in slices.data if trace.xaxis == "x" and trace.name != "diverged" for value in trace.y]
    assert sorted(drawn) == sorted(v for v in data["points"]["value"] if v is not None)
    axes = [slices.layout[f"xaxis{k}"].title.text for k in ("", 2, 3)]
    assert axes == [axis["label"] for axis in data["axes"]]
    assert list(history.data[-1].y) == data["soFar"]["value"]
    assert list(importance.data[0].x) == [max(0.0, share) for share in data["importance"]["all"]["share"]]
    first = data["curves"]["trials"][0]
    assert list(curves.data[1].y) == first["validation_score"]


def test_curves_of_as_many_trials_as_asked_of_the_score_or_the_loss(folder: Path) -> None:
    with Study.read(folder) as study:
        best = study.best(3)
        found = study.plot_curves(3)
        losses = study.plot_curves(1, "loss")
    assert [note.text.split(":")[0] for note in found.layout.annotations] == ["Best-1", "Best-2", "Best-3"]
    assert f"trial {best[2].id}," in found.data[-1].hovertemplate
    np.testing.assert_allclose(losses.data[1].y, best[0].curves[2], rtol=1e-3)
    assert losses.layout.yaxis.title.text == "loss" and found.layout.yaxis.title.text == "accuracy"
    assert charts.SHOWN == 20 and len(result_of(folder).plot_curves().layout.annotations) == 20


@pytest.mark.parametrize(
    ("given", "words"), [({"n": 0}, "n=0"), ({"n": 2.5}, "n=2.5"), ({"measure": "f1"}, "must be one of score, loss")]
)
def test_other_arguments_are_refused(folder: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        result_of(folder).plot_curves(**given)


def test_a_study_of_losses_draws_losses(tmp_path: Path) -> None:
    with Study.read(make_study(tmp_path / "s", 20, metric="loss")) as study:
        assert study.plot_curves().layout.yaxis.title.text == "loss"
        assert study.plot_slices().layout.yaxis.title.text == "validation loss"


def test_a_study_without_trials_has_figures_that_say_so(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "s", 0, ended=False)
    with Study.read(folder) as study:
        words = [getattr(study, f"plot_{name}")().layout.annotations[0].text for name in NAMES]
    assert words == [
        "There is no trial yet.", "Fewer than two trials ran to their end.", "No trial ran to its end.",
        "No learning curves are stored.", "Only 0 of the 60 trials needed.",
    ]  # fmt: skip
