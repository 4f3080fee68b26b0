"""The report's section on the model: tables and data of charts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from studies import inspection, make_study

from fastnet.errors import StudyError
from fastnet.report.page import write_report
from fastnet.report.page.model import MOST_LISTED, data_of_model, section_of
from fastnet.tuning import Study


def store(folder: Path, document: dict) -> Path:
    with Study.read(folder) as study:
        settings = study.settings
    with Study.open(folder, settings) as study:
        study.set_inspection(document)
    return folder


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_what_is_stored_is_read_and_shown(tmp_path: Path, task: str) -> None:
    document = inspection(task)
    folder = store(make_study(tmp_path / "s", 5), document)
    with Study.read(folder) as study:
        assert study.inspection() == json.loads(json.dumps(document))
    page = write_report(folder).read_text(encoding="utf-8")
    assert '<section id="model">' in page
    assert ("Confusion matrix" in page) == (task == "classification")
    assert ('data-chart="residuals"' in page) == (task == "regression")
    assert page.count('data-chart="dependence"') == 2


def test_a_study_without_a_model_has_no_section(tmp_path: Path) -> None:
    page = write_report(make_study(tmp_path / "s", 5)).read_text(encoding="utf-8")
    assert '<section id="model">' not in page
    assert "makers.reliability" not in page
    assert 'href="#model"' not in page


def test_names_from_a_table_cannot_end_the_page(tmp_path: Path) -> None:
    evil = "</script><b onmouseover=alert(1)>&"
    folder = store(make_study(tmp_path / "s", 5), inspection("classification", evil))
    page = write_report(folder).read_text(encoding="utf-8")
    assert "<b onmouseover" not in page
    assert "&lt;/script&gt;&lt;b onmouseover=alert(1)&gt;&amp;" in page


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d["classes"].update(confusion=[[1, 2]]),
        lambda d: d["classes"]["confusions"].append({"true": 2, "predicted": 0, "count": 1, "share": 0.5}),
        lambda d: d["classes"]["reliability"].update(of=5),
        lambda d: d.update(samples=-1),
        lambda d: d.pop("worst"),
        lambda d: d.update(model="../model.safetensors"),
    ],
)
def test_a_damaged_document_is_refused(tmp_path: Path, damage) -> None:
    document = inspection("classification")
    damage(document)
    folder = store(make_study(tmp_path / "s", 5), document)
    with Study.read(folder) as study, pytest.raises(StudyError, match="damaged"):
        study.inspection()


def test_tables_by_hand() -> None:
    document = inspection("classification")
    section = section_of(document)
    [no, yes] = document["classes"]["confusion"]
    assert [cell["count"] for cell in section["matrix"][0]["cells"]] == no
    assert section["matrix"][1]["cells"][1]["share"] == yes[1] / sum(yes)
    assert section["positive"] == "yes"
    assert [row[0] for row in section["classes"]["rows"]] == [("no", "no"), ("yes", "yes")]
    assert section["worst"]["rows"][1][-1] == ("–", "")
    assert section["worst"]["texts"] == ["true"]
    numbers = section_of(inspection("regression"))
    assert numbers["classes"] is None
    assert len(numbers["targets"][0]["deciles"]["rows"]) == 10


def test_the_chart_of_importance_is_short() -> None:
    document = inspection("regression")
    document["importance"] = document["importance"] * MOST_LISTED
    assert len(data_of_model(document)["importance"]) == MOST_LISTED


def test_quantiles_have_a_table(tmp_path: Path) -> None:
    document = inspection("regression")
    assert section_of(document)["targets"][0]["quantiles"] is None
    document["targets"][0]["quantiles"] = [
        {"level": 0.1, "share": 0.125, "shift": -1.5},
        {"level": 0.9, "share": 0.875, "shift": None},
    ]
    [_, (level, share, shift)] = section_of(document)["targets"][0]["quantiles"]["rows"]
    assert (level[0], share[0], shift) == ("0.9", "87.5 %", ("–", ""))
    page = write_report(store(make_study(tmp_path / "s", 5), document)).read_text(encoding="utf-8")
    assert 'id="quantile-table-1"' in page
